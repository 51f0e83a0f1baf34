"""A page of pictures to look at: what came in, what alanet made of it, what others make of it, and the truth.

    python benchmarks/pictures.py --clips FOLDER --out FOLDER [--dropped] [--model NAME]

From every clip the middle is taken as `alanet eval` takes it, with all frames blurred, or with every other one
dropped; of that the frame that came out worst against the best of the others. Of each scene one PNG, the part where
alanet is worst enlarged twice; index.html has them all, the worst gain first. OpenCV and mvtools take part where they
are installed.
"""

import argparse
import dataclasses
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import torch
import torch.nn.functional as F
from torch import Tensor

import alanet_core as alanet
from alanet_core.errors import ConfigError
from alanet_core.training.baselines import NAMES, Baseline, baselines
from alanet_core.training.clips import find_clips
from alanet_core.training.evaluate import EvalClip, stream_enhancer
from alanet_core.training.metrics import psnr
from alanet_core.training.protocol import Protocol
from alanet_core.training.sources import clips_from_files

CROP = 128  # pixels of a side
ENLARGED = 2
SEAM = 4


@dataclass(frozen=True)
class Scene:
    """One frame of a clip, as every method has it; the truth comes last."""

    name: str
    pictures: dict[str, Tensor]

    @property
    def figures(self) -> dict[str, float]:
        """PSNR of every method, dB."""
        *_, truth = self.pictures.values()
        return {name: psnr(x, truth, peak=255) for name, x in self.pictures.items() if name != "truth"}

    @property
    def gain(self) -> float:
        """Ours over the best of the others."""
        ours, *others = self.figures.values()
        return ours - max(others)


def scenes_of(
    clip: EvalClip, protocol: Protocol, model: alanet.Alanet, others: dict[str, Baseline], *, dropped: bool
) -> list[Scene]:
    """The worst sharp frame and the worst middle one of a clip; no sharp one where the input is sharp."""
    made = protocol.inputs(clip.frames, "sharp" if dropped else "blurred", 0)
    assert made.middle is not None
    inputs = [frame.float() / 255 for frame in made.inputs]
    pairs = stream_enhancer(model)(inputs)
    middles = {name: [seen(x) for x in other(inputs)] for name, other in others.items()}
    between = [
        Scene(
            f"{clip.name}, frame {n} and a half",
            {"alanet": seen(pair.middle), **{name: x[n] for name, x in middles.items()}, "truth": made.middle[n]},
        )
        for n, pair in enumerate(pairs[:-1])
        if pair.middle is not None
    ]
    found = [min(between, key=lambda scene: scene.gain)]
    if not dropped:
        sharp = [
            Scene(f"{clip.name}, frame {n}", {"alanet": seen(pair.sharp), "input": came, "truth": truth})
            for n, (pair, came, truth) in enumerate(zip(pairs, made.inputs, made.sharp, strict=True))
        ]
        found.append(min(sharp, key=lambda scene: scene.gain))
    return found


def seen(made: Tensor) -> Tensor:
    """float32 -> uint8."""
    return made.clamp(0, 1).mul(255).round().to(torch.uint8)


def strip(scene: Scene) -> Tensor:
    """The crops where ours errs most, side by side."""
    *_, truth = scene.pictures.values()
    error = (scene.pictures["alanet"].float() - truth.float()).square().mean(0)[None, None]
    side = min(CROP, *error.shape[2:])
    sums = F.avg_pool2d(error, side, stride=8)
    row, column = divmod(int(sums.flatten().argmax()), sums.shape[3])
    parts = []
    for picture in scene.pictures.values():
        crop = picture[:, 8 * row : 8 * row + side, 8 * column : 8 * column + side]
        crop = crop.repeat_interleave(ENLARGED, 1).repeat_interleave(ENLARGED, 2)
        parts.append(F.pad(crop, (0, SEAM), value=255))
    return torch.cat(parts, 2)


def write_png(path: Path, picture: Tensor) -> None:
    """picture: [3,H,W] uint8."""
    with av.open(str(path), "w", format="image2") as container:
        stream = container.add_stream("png")
        stream.height, stream.width, stream.pix_fmt = *picture.shape[1:], "rgb24"
        frame = av.VideoFrame.from_ndarray(picture.permute(1, 2, 0).contiguous().numpy(), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_page(folder: Path, scenes: Sequence[Scene]) -> None:
    """One PNG a scene and index.html."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["<!doctype html><title>alanet: worst first</title><style>img{max-width:100%}</style>"]
    for number, scene in enumerate(scenes):
        write_png(folder / f"{number:02}.png", strip(scene))
        figures = ", ".join(f"{name} {value:.2f}" for name, value in scene.figures.items())
        lines.append(f"<h3>{html.escape(scene.name)}: {scene.gain:+.2f} dB</h3><p>{figures} dB; last the truth</p>")
        lines.append(f"<img src='{number:02}.png'>")
        print(f"{number:02}.png  {scene.gain:+.2f}  {scene.name}: {figures}")
    (folder / "index.html").write_text("\n".join(lines), encoding="utf-8")


def available() -> dict[str, Baseline]:
    """The baselines whose programs are here."""
    found: dict[str, Baseline] = {}
    for name in NAMES:
        try:
            found |= baselines([name])
        except ConfigError as missing:
            print(missing)
    return found


def main() -> None:
    """Find, make, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dropped", action="store_true", help="every other frame dropped; else all frames blurred")
    parser.add_argument("--model", default="default")
    parser.add_argument("--frames", type=int, default=5)
    args = parser.parse_args()
    protocol = Protocol(frames=args.frames)
    if args.dropped:
        protocol = dataclasses.replace(protocol, length=1, stride=2)
    model, others = alanet.load(args.model), available()
    scenes = []
    for path in find_clips(args.clips):
        (clip,) = clips_from_files([path], protocol)
        scenes += scenes_of(clip, protocol, model, others, dropped=args.dropped)
    write_page(args.out, sorted(scenes, key=lambda scene: scene.gain))


if __name__ == "__main__":
    main()
