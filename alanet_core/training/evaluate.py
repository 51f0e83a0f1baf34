"""Measure a network by the paper's protocol, beside what one has without it: the input, and other ways to a middle."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from alanet_core.config import StreamConfig
from alanet_core.latent import FramePair
from alanet_core.model import Alanet
from alanet_core.streaming import AlanetStream
from alanet_core.training.baselines import Baseline, blend
from alanet_core.training.blur import BlurredClip
from alanet_core.training.metrics import mean_psnr, mse, pooled_psnr, ssim
from alanet_core.training.protocol import INPUT_KINDS, InputKind, Protocol

OURS, INPUT = "alanet", "input"
BLEND: Mapping[str, Baseline] = {"blend": blend}

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
    """One line of the table: PSNR in dB (None: identical) and SSIM of each method over `count` frames.

    clip: the one it belongs to; None: all of them.
    """

    clip: str | None
    inputs: InputKind
    output: str
    pooled: bool
    count: int
    psnr: dict[str, float | None]
    ssim: dict[str, float]

    @property
    def gain(self) -> float | None:
        """PSNR over the best of the baselines; None where one of them, or ours, is identical to its target."""
        ours, best = self.psnr[OURS], [value for name, value in self.psnr.items() if name != OURS]
        return None if ours is None or None in best else ours - max(x for x in best if x is not None)


@dataclass(frozen=True, kw_only=True)
class Flicker:
    """How unsteady each method's output is against the truth, in code values (0..255); lower is better.

    Of every sharp frame, the middle after it and the next sharp frame: the difference of their two differences,
    less the truth's own; root mean square.
    """

    inputs: InputKind
    rms: dict[str, float]


@dataclass(frozen=True)
class Findings:
    """rows: of all clips together, then of each. flicker: by kind of input."""

    rows: list[Row]
    flicker: list[Flicker]

    def of(self, clip: str | None) -> list[Row]:
        """The rows of one clip; None: those over all."""
        return [row for row in self.rows if row.clip == clip]


_Scores = dict[str, list[Score]]  # of all frames of one line, by method


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
    others: Mapping[str, Baseline] = BLEND,
    progress: Callable[[str, InputKind], None] = lambda _name, _kind: None,
) -> Findings:
    """All rows over all clips, each clip as every kind of input; clips are read one at a time.

    others: what to compare the middle frames with, by name. progress: called before each clip and kind.
    """
    tallies: dict[tuple[int, InputKind, str], _Scores] = {}
    wobble: dict[InputKind, dict[str, list[float]]] = {}
    names: list[str] = []
    for number, clip in enumerate(clips):
        names.append(clip.name)
        for kind in kinds:
            progress(clip.name, kind)
            made = protocol.inputs(clip.frames, kind, number)
            outputs = _outputs(enhance, made, others)
            for output, method, score in _scores(outputs, made, split=kind == "mixed"):
                tallies.setdefault((number, kind, output), {}).setdefault(method, []).append(score)
            for method, (sharp, middle) in outputs.items():
                wobble.setdefault(kind, {}).setdefault(method, []).extend(_wobble(sharp, middle, made))
    rows = []
    every = range(len(names))  # by number: two files may share a name
    for clip_name, chosen in ((None, every), *((name, every[n : n + 1]) for n, name in enumerate(names))):
        for kind, output in itertools.product(kinds, _OUTPUTS):
            parts = [tallies[key] for n in chosen if (key := (n, kind, output)) in tallies]
            if parts:
                scores = {method: [score for part in parts for score in part[method]] for method in parts[0]}
                rows.append(_row(clip_name, kind, output, scores))
    flicker = [
        Flicker(inputs=kind, rms={m: 255 * (sum(v) / len(v)) ** 0.5 for m, v in methods.items() if v})
        for kind, methods in wobble.items()
    ]
    return Findings(rows, [each for each in flicker if each.rms])


_OUTPUTS = ("deblur", "deblur of blurred", "deblur of sharp", "middle", "joint")

_Made = tuple[list[Tensor], list[Tensor]]  # N sharp frames and the N-1 middle ones, as they would be seen: uint8


def _outputs(enhance: Enhancer, clip: BlurredClip, others: Mapping[str, Baseline]) -> dict[str, _Made]:
    """What each method makes of a clip, ours first."""
    inputs = [frame.float() / 255 for frame in clip.inputs]
    pairs = enhance(inputs)
    as_they_came = [_seen(frame) for frame in inputs]
    middle = []
    for pair in pairs[:-1]:
        assert pair.middle is not None
        middle.append(_seen(pair.middle))
    made = {OURS: ([_seen(pair.sharp) for pair in pairs], middle), INPUT: (as_they_came, as_they_came[:-1])}
    return made | {name: (as_they_came, [_seen(x) for x in other(inputs)]) for name, other in others.items()}


def _scores(outputs: Mapping[str, _Made], clip: BlurredClip, *, split: bool) -> Iterable[tuple[str, str, Score]]:
    """(row, method, score) of every frame of a clip; `split`: also by how the frame came in."""
    assert clip.middle is not None
    untouched = [_score(frame, wanted) for frame, wanted in zip(outputs[INPUT][0], clip.sharp, strict=True)]
    for method, (sharp, middle) in outputs.items():
        for n, as_it_came in enumerate(untouched):
            score = as_it_came if method != OURS else _score(sharp[n], clip.sharp[n])
            yield from (("deblur", method, score), ("joint", method, score))
            if split:
                yield "deblur of blurred" if clip.blurred[n] else "deblur of sharp", method, score
        for made, wanted in zip(middle, clip.middle, strict=True):
            score = _score(made, wanted)
            yield from (("middle", method, score), ("joint", method, score))


def _wobble(sharp: list[Tensor], middle: list[Tensor], clip: BlurredClip) -> Iterable[float]:
    """Of each middle frame: the mean square of its difference of differences less the truth's."""
    assert clip.middle is not None
    for n, between in enumerate(middle):
        ours = sharp[n].int() - 2 * between.int() + sharp[n + 1].int()
        true = clip.sharp[n].int() - 2 * clip.middle[n].int() + clip.sharp[n + 1].int()
        yield mse(ours, true, peak=255)


def _seen(made: Tensor) -> Tensor:
    """float32, 0..1 before clamping -> uint8."""
    return made.cpu().clamp(0, 1).mul(255).round().to(torch.uint8)


def _score(made: Tensor, wanted: Tensor) -> Score:
    return Score(mse(made, wanted, peak=255), ssim(made, wanted, peak=255))


def _row(clip: str | None, kind: InputKind, output: str, scores: _Scores) -> Row:
    pooled = kind == "mixed" or (kind == "sharp" and output != "middle")
    average = pooled_psnr if pooled else mean_psnr
    psnr = {name: average([s.mse for s in each]) for name, each in scores.items()}
    return Row(
        clip=clip,
        inputs=kind,
        output=output,
        pooled=pooled,
        count=len(scores[OURS]),
        psnr={name: None if value == float("inf") else value for name, value in psnr.items()},
        ssim={name: sum(s.ssim for s in each) / len(each) for name, each in scores.items()},
    )
