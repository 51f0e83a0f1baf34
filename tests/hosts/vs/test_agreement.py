"""The same frames through the file command, alanet_vs and core.alanet give the same pixels (fp32 on a CPU)."""

import subprocess
import sys
from pathlib import Path

import pytest

vs = pytest.importorskip("vapoursynth", reason="VapourSynth has no wheel for this Python")

import alanet_vs

SETTINGS = {"device": "cpu", "precision": "fp32"}


@pytest.fixture
def filmed(tmp_path):
    """filmed(pix_fmt): a lossless file of two shots that move, 9 frames."""

    def make(pix_fmt):
        path = tmp_path / "in.mkv"
        shots = "testsrc2=size=112x80:rate=25:duration=0.2[a];mandelbrot=size=112x80:rate=25,trim=duration=0.16[b];"
        graph = f"{shots}[a][b]concat,format={pix_fmt}"
        command = ["ffmpeg", "-loglevel", "error", "-filter_complex", graph, "-c:v", "ffv1", str(path)]
        subprocess.run(command, check=True)
        return path

    return make


def read(path):
    return vs.core.bs.VideoSource(str(path), cachemode=0, showprogress=0)


@pytest.mark.parametrize("pix_fmt", ["gbrp", "gbrp16le", "yuv420p", "yuv422p10le"])
@pytest.mark.parametrize("mode", ["joint", "deblur", "interpolate"])
def test_files_and_both_filters_agree_to_the_last_bit(pix_fmt, mode, filmed, tmp_path, content):
    if not hasattr(vs.core, "bs"):
        pytest.skip("no BestSource to read files with: pip install 'alanet[vs]'")
    source, result = filmed(pix_fmt), tmp_path / "out.mkv"
    alanet = Path(sys.executable).parent / "alanet"
    command = [alanet, "enhance", source, result, "--lossless", "--mode", mode]
    subprocess.run([*command, "--device", "cpu", "--precision", "fp32"], check=True, capture_output=True)
    clip, by_file = read(source), read(result)
    ways = [vs.core.alanet.Enhance(clip, mode=mode, **SETTINGS), alanet_vs.enhance(clip, mode=mode, **SETTINGS)]
    assert [len(way) for way in ways] == [len(by_file)] * 2 == [(1 if mode == "deblur" else 2) * len(clip)] * 2
    assert by_file.format == clip.format
    for m in range(len(by_file)):
        expected = content(by_file.get_frame(m))
        assert [content(way.get_frame(m)) == expected for way in ways] == [True, True], f"frame {m}"
    if mode == "joint":
        assert [f.props["AlanetSource"] for f in ways[0].frames(collect_garbage=False)].count("repeat") == 2  # cut, end
