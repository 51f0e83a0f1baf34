"""The demo's clip: a low-rate video, every other frame of it blurred, and the truth at twice the rate."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import torch
from torch import Tensor

from alanet_core.cli.demo.scene import Scene
from alanet_core.color import PixelFormat, from_rgb, to_rgb
from alanet_core.media.formats import frame_of, planes_of
from alanet_core.training.blur import mean_frame

STRIDE = 8  # moments of the scene in a low-rate frame
EXPOSURE = 11  # of them, that make a blurred one: the paper's eq. 7
VIDEO = PixelFormat(family="yuv", subsampling=(1, 1), matrix="bt709")


@dataclass(frozen=True)
class DemoClip:
    """Pictures [3, H, W]. inputs, blurred: N low-rate frames, and whether each is; truth: 2N - 1 at twice the rate.

    The truth has been through 8 bits and 4:2:0, as no video of that kind could be nearer to the scene.
    """

    inputs: list[Tensor]
    blurred: list[bool]
    truth: list[Tensor]


def draw(frames: int, width: int, height: int) -> DemoClip:
    """Draw the clip; the first frame is sharp, the second blurred, and so on."""
    scene = Scene(width, height)
    blurred = [bool(n % 2) for n in range(frames)]
    truth = [scene.frame(step / 2) for step in range(2 * frames - 1)]
    inputs = []
    for n, blur in enumerate(blurred):
        moments = range(n * STRIDE - EXPOSURE // 2, n * STRIDE + EXPOSURE // 2 + 1)
        inputs.append(mean_frame(torch.stack([scene.frame(m / STRIDE) for m in moments])) if blur else truth[2 * n])
    return DemoClip(inputs, blurred, [to_rgb(from_rgb(rgb, VIDEO), VIDEO).clamp_(0, 1) for rgb in truth])


def write_video(path: Path, pictures: Iterable[Tensor], rate: Fraction, crf: int) -> None:
    """H.264 in 4:2:0, BT.709, limited range: what most cameras and programs write."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=rate, options={"crf": str(crf), "preset": "medium"})
        for number, rgb in enumerate(pictures):
            frame = frame_of(from_rgb(rgb, VIDEO), "yuv420p", VIDEO)
            if number == 0:
                stream.height, stream.width, stream.pix_fmt = frame.height, frame.width, "yuv420p"
                context = stream.codec_context
                context.color_range, context.colorspace, context.color_primaries, context.color_trc = 1, 1, 1, 1
            frame.pts, frame.time_base = number, 1 / rate
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def read_video(path: Path) -> Iterator[Tensor]:
    """The frames of a file that `write_video` or `enhance` wrote, [3, H, W] float32, 0..1."""
    with av.open(str(path)) as source:
        for frame in source.decode(video=0):
            yield to_rgb(planes_of(frame, VIDEO), VIDEO).clamp_(0, 1)
