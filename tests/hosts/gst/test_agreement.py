"""A file through GStreamer and through `alanet enhance`: the same pixels, the same times (contract 11)."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from gi.repository import Gst, GstVideo

FFMPEG = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i"]
SOURCE = "testsrc2=size=72x54:rate={rate}:duration=0.4,tblend=all_mode=average"
CLIPS = {
    "rgb": ("gbrp", "30", ["-c:v", "libx264rgb", "-crf", "0"]),
    "yuv": ("yuv420p", "30000/1001", ["-c:v", "libx264", "-colorspace", "bt709", "-color_range", "tv"]),
    "ten bits": ("yuv420p10le", "25", ["-c:v", "libx264", "-colorspace", "bt709", "-color_range", "tv"]),
}
FORMATS = {"rgb": "GBR", "yuv": "I420", "ten bits": "I420_10LE"}


def make(path: Path, name: str) -> None:
    pix_fmt, rate, codec = CLIPS[name]
    pixels = "bgr24" if name == "rgb" else pix_fmt
    subprocess.run([*FFMPEG, SOURCE.format(rate=rate), "-pix_fmt", pixels, *codec, str(path)], check=True)


def through_gstreamer(path: Path, name: str, mode: str) -> list[tuple[int, list[bytes]]]:
    """(stream time in ns, planes) of each output."""
    pipeline = Gst.parse_launch(
        f"filesrc location={path} ! decodebin ! alanet model=fast device=cpu precision=fp32 mode={mode} tile=16 "
        f"! video/x-raw,format={FORMATS[name]} ! appsink name=s sync=false"
    )
    pipeline.set_state(Gst.State.PLAYING)
    sink, got = pipeline.get_by_name("s"), []
    while (sample := sink.emit("try-pull-sample", 60 * Gst.SECOND)) is not None:
        buffer, info = sample.get_buffer(), GstVideo.VideoInfo.new_from_caps(sample.get_caps())
        stamp = sample.get_segment().to_stream_time(Gst.Format.TIME, buffer.pts)
        got.append((stamp, [plane(buffer.extract_dup(0, buffer.get_size()), info, k) for k in range(3)]))
    pipeline.set_state(Gst.State.NULL)
    return got


def plane(data: bytes, info: object, number: int) -> bytes:
    """A plane's samples without what pads its rows."""
    finfo = info.finfo  # type: ignore[attr-defined]  # gi ships no types
    component = list(finfo.plane).index(number)
    rows, columns = -(-54 >> finfo.h_sub[component]), -(-72 >> finfo.w_sub[component])
    stride, offset = info.stride[number], info.offset[number]  # type: ignore[attr-defined]  # the same
    wide = columns * finfo.pixel_stride[component]
    return b"".join(data[offset + row * stride : offset + row * stride + wide] for row in range(rows))


def through_the_command(path: Path, target: Path, mode: str) -> list[tuple[Fraction, list[bytes]]]:
    """(time in seconds, planes) of each frame."""
    subprocess.run(
        [Path(sys.executable).parent / "alanet", "enhance", path, target, "--lossless", "--mode", mode,
         "--model", "fast", "--device", "cpu", "--precision", "fp32"], check=True, capture_output=True,
    )  # fmt: skip
    with av.open(str(target)) as file:
        return [(frame.pts * frame.time_base, planes(frame)) for frame in file.decode(video=0)]


def planes(frame: av.VideoFrame) -> list[bytes]:
    """PyAV's planes without what pads their rows."""
    if frame.format.name == "bgr0":  # as FFV1 holds 8 bits of RGB
        frame = frame.reformat(format="gbrp")
    wide = 2 if "10le" in frame.format.name else 1
    rows = [np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size) for plane in frame.planes]
    return [row[:, : plane.width * wide].tobytes() for row, plane in zip(rows, frame.planes, strict=True)]


@pytest.mark.parametrize("mode", ["joint", "deblur", "interpolate"])
@pytest.mark.parametrize("name", list(CLIPS))
def test_gstreamer_and_the_command_agree(tmp_path: Path, name: str, mode: str) -> None:
    source = tmp_path / "in.mp4"
    make(source, name)
    ours = through_gstreamer(source, name, mode)
    theirs = through_the_command(source, tmp_path / "out.mp4", mode)
    assert len(ours) == len(theirs) > 8
    for n, ((stamp, got), (time, expected)) in enumerate(zip(ours, theirs, strict=True)):
        assert abs(stamp - time * Gst.SECOND) <= 1, n
        assert got == expected, n
