"""Measure a network by the paper's protocol, beside what one has without it: the input, and the blend of neighbours."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from alanet_core.config import StreamConfig
from alanet_core.latent import FramePair
from alanet_core.model import Alanet
from alanet_core.streaming import AlanetStream
from alanet_core.training.blur import BlurredClip
from alanet_core.training.metrics import mean_psnr, mse, pooled_psnr, ssim
from alanet_core.training.protocol import INPUT_KINDS, InputKind, Protocol

METHODS = ("alanet", "input", "blend")

Enhancer = Callable[[Sequence[Tensor]], Sequence[FramePair]]
"""Takes the frames of a clip, each [3,H,W] float32 0..1, and gives a pair for each."""


@dataclass(frozen=True)
class EvalClip:
    """A high-rate clip to measure on: [T,3,H,W] uint8, and a name for the report."""

    name: str
    frames: Tensor


@dataclass(frozen=True)
class Score:
    """What one frame of one method is: squared error (of a peak of 1) and SSIM."""

    mse: float
    ssim: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: PSNR in dB (None: identical) and SSIM of each method over `count` frames."""

    inputs: InputKind
    output: str
    pooled: bool
    count: int
    psnr: dict[str, float | None]
    ssim: dict[str, float]

    @property
    def gain(self) -> float | None:
        """PSNR over the better of the two baselines; None where one of the three is identical to its target."""
        ours, best = self.psnr["alanet"], [self.psnr[name] for name in METHODS[1:]]
        return None if ours is None or None in best else ours - max(x for x in best if x is not None)


@dataclass
class _Tally:
    """Scores of all frames of one line, by method."""

    scores: dict[str, list[Score]] = field(default_factory=lambda: {name: [] for name in METHODS})


def stream_enhancer(model: Alanet) -> Enhancer:
    """What ships: an AlanetStream in mode joint; the clip is one shot."""

    def enhance(frames: Sequence[Tensor]) -> Sequence[FramePair]:
        stream = AlanetStream(model, StreamConfig(scene_threshold=0))
        pairs = [pair for frame in frames for pair in stream.push(frame.to(model.device))]
        return pairs + stream.drain()

    return enhance


def evaluate(
    enhance: Enhancer,
    clips: Iterable[EvalClip],
    protocol: Protocol,
    *,
    kinds: Sequence[InputKind] = INPUT_KINDS,
    progress: Callable[[str, InputKind], None] = lambda _name, _kind: None,
) -> list[Row]:
    """All rows over all clips, each clip as every kind of input; clips are read one at a time.

    progress: called before each clip and kind.
    """
    tallies: dict[tuple[InputKind, str], _Tally] = {}
    for number, clip in enumerate(clips):
        for kind in kinds:
            progress(clip.name, kind)
            made = protocol.inputs(clip.frames, kind, number)
            for output, method, score in _scores(enhance, made, split=kind == "mixed"):
                tallies.setdefault((kind, output), _Tally()).scores[method].append(score)
    ordered = [(kind, output) for kind in kinds for output in _OUTPUTS if (kind, output) in tallies]
    return [_row(kind, output, tallies[kind, output]) for kind, output in ordered]


_OUTPUTS = ("deblur", "deblur of blurred", "deblur of sharp", "middle", "joint")


def _scores(enhance: Enhancer, clip: BlurredClip, *, split: bool) -> Iterable[tuple[str, str, Score]]:
    """(row, method, score) of every frame of a clip; `split`: also by how the frame came in."""
    assert clip.middle is not None
    inputs = [frame.float() / 255 for frame in clip.inputs]
    pairs = enhance(inputs)
    for n, (frame, pair) in enumerate(zip(inputs, pairs, strict=True)):
        as_it_came = _score(frame, clip.sharp[n])
        ours = _score(pair.sharp, clip.sharp[n])
        outputs = ["deblur", "joint"]
        if split:
            outputs.append("deblur of blurred" if clip.blurred[n] else "deblur of sharp")
        for output in outputs:
            yield from ((output, "alanet", ours), (output, "input", as_it_came), (output, "blend", as_it_came))
        if n + 1 == len(inputs):
            return
        assert pair.middle is not None
        made = _score(pair.middle, clip.middle[n])
        repeated = _score(frame, clip.middle[n])
        blended = _score((frame + inputs[n + 1]) / 2, clip.middle[n])
        for output in ("middle", "joint"):
            yield from ((output, "alanet", made), (output, "input", repeated), (output, "blend", blended))


def _score(made: Tensor, wanted: Tensor) -> Score:
    """made: float32, 0..1 before clamping; wanted: uint8."""
    seen = made.cpu().clamp(0, 1).mul(255).round().to(torch.uint8)
    return Score(mse(seen, wanted, peak=255), ssim(seen, wanted, peak=255))


def _row(kind: InputKind, output: str, tally: _Tally) -> Row:
    pooled = kind == "mixed" or (kind == "sharp" and output != "middle")
    average = pooled_psnr if pooled else mean_psnr
    psnr = {name: average([s.mse for s in scores]) for name, scores in tally.scores.items()}
    return Row(
        inputs=kind,
        output=output,
        pooled=pooled,
        count=len(tally.scores["alanet"]),
        psnr={name: None if value == float("inf") else value for name, value in psnr.items()},
        ssim={name: sum(s.ssim for s in scores) / len(scores) for name, scores in tally.scores.items()},
    )
