"""What a network is (ModelConfig) and how a stream is run (StreamConfig): frozen, keyword-only, checked when made.

A ModelConfig travels inside the checkpoint, so that weights can never meet a network of another shape.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from alanet_core.errors import ConfigError, must

Mode = Literal["joint", "deblur", "interpolate"]
SceneMode = Literal["repeat", "blend", "next"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]

MODES: tuple[Mode, ...] = ("joint", "deblur", "interpolate")
SCENE_MODES: tuple[SceneMode, ...] = ("repeat", "blend", "next")
PRECISIONS: tuple[Precision, ...] = ("auto", "fp32", "bf16", "fp16")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The shape of one member of the family. The defaults are the paper's network, to the letter.

    window: W of eq. 5, odd; W = 3 means one neighbour on each side.
    channels: features of each level of E, finest first; the last one is the bottleneck (C1 of the paper).
    kernels: size of the two convolutions of each level of E.
    unshuffle: 1, or the factor by which pixels are folded into channels before the first level.
    gate_reduction: squeeze of the channel gate F (section 4.2; 16 as in RCAN).
    fusion: what a generator makes of the neighbours' features: "mean" (the mean of their skips, for the middle frame
        alone) or "guided" (warped into place by the motion that is measured between the frames, and learned
        corrections of it, for both outputs).
    residual: the last convolution gives a correction to the frame (sharp) or the blend (middle), not the picture.
    taps: for "guided": places of the filter along a pixel's motion, in fractions of the way from frame to frame.
    detail: for "guided": features that reach the last convolutions, which see the picture folded by `fold`.
    sharp_head, middle_head: for "guided": widths of the last convolutions before the picture.
    restore: for "guided": widths of the passes that undo what is left of the blur, () for none.
    last: for "guided": size of the very last convolution of each, and of those that correct the motion.
    searches: for "guided": how many answers a search for motion gives: 1, what is found at the size that the last
        convolutions see; 2, what is found at twice that size as well. It takes time; no weights depend on it.
    """

    window: int = 3
    channels: tuple[int, ...] = (32, 64, 128, 256, 512, 512)
    kernels: tuple[int, ...] = (7, 5, 3, 3, 3, 3)
    unshuffle: int = 1
    gate_reduction: int = 16
    fusion: Literal["mean", "guided"] = "mean"
    residual: bool = False
    taps: tuple[float, ...] = ()
    detail: int = 24
    sharp_head: tuple[int, ...] = ()
    middle_head: tuple[int, ...] = ()
    last: int = 3
    searches: int = 1
    restore: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.window < 1 or self.window % 2 == 0:
            raise ConfigError(must("window", "an odd number, 1 or more", self.window, "use 3, the paper's default"))
        if len(self.channels) < 2 or len(self.channels) != len(self.kernels):
            raise ConfigError(
                must(
                    "kernels",
                    "one size for each level of channels, two levels or more",
                    (self.channels, self.kernels),
                    "give both the same length",
                )
            )
        if any(kernel % 2 == 0 for kernel in (*self.kernels, self.last)):
            raise ConfigError(must("kernels and last", "odd", (self.kernels, self.last), "use 3, 5 or 7"))
        if self.unshuffle not in (1, 2, 4):
            raise ConfigError(must("unshuffle", "1, 2 or 4", self.unshuffle, "use 1 for full resolution"))
        if self.gate_reduction < 1 or self.channels[-1] % self.gate_reduction:
            raise ConfigError(
                must(
                    "gate_reduction",
                    f"a divisor of the bottleneck's {self.channels[-1]} channels",
                    self.gate_reduction,
                    "use 16, as the paper does",
                )
            )
        if self.fusion != "mean":
            self._check_guided()

    def _check_guided(self) -> None:
        if self.searches not in range(1, self.fold + 1):
            raise ConfigError(
                must("searches", f"1, or 2 where unshuffle is 2 or 4 (here {self.unshuffle})", self.searches, "use 1")
            )
        if self.window < 3:
            raise ConfigError(
                must(
                    "window",
                    f"3 or more for fusion='{self.fusion}'",
                    self.window,
                    "its generators read the frames on both sides",
                )
            )
        if not self.taps or self.taps != tuple(-tap for tap in reversed(self.taps)):
            raise ConfigError(
                must("taps", f"mirrored, for fusion='{self.fusion}'", self.taps, "use (-0.7, -0.35, 0.35, 0.7)")
            )
        if not (self.sharp_head and self.middle_head):
            raise ConfigError(
                must(
                    "sharp_head and middle_head",
                    f"one width or more for fusion='{self.fusion}'",
                    (self.sharp_head, self.middle_head),
                    "use (64, 48) and (48,)",
                )
            )

    @property
    def radius(self) -> int:
        """Neighbours on each side of frame n that its sharp latent reads (eq. 5): W // 2."""
        return self.window // 2

    @property
    def lookahead(self) -> int:
        """Frames after n that pair n reads: W // 2, and at least one for the middle (eq. 6)."""
        return max(1, self.radius)

    @property
    def reach_back(self) -> int:
        """Frames before n whose skips and pixels a generator reads."""
        return 0 if self.fusion == "mean" else 1

    @property
    def fold(self) -> int:
        """Pixels along one side that the last convolutions of a guided generator see as channels: 1 or 2."""
        return min(self.unshuffle, 2)

    @property
    def multiple(self) -> int:
        """Height and width of what the network sees are multiples of this."""
        return int(self.unshuffle * 2 ** (len(self.channels) - 1))

    def to_json(self) -> str:
        """One line of JSON, keys in order: the form in which it is stored."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`. Raises ConfigError for keys that this version does not know."""
        return cls.from_mapping(json.loads(text))

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """From plain values (lists become tuples). Raises ConfigError for keys that this version does not know."""
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ConfigError(
                must(
                    "configuration",
                    f"made of {', '.join(sorted(known))}",
                    ", ".join(unknown),
                    "update alanet: these weights come from a newer version",
                )
            )
        plain: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**plain)


@dataclass(frozen=True, kw_only=True)
class StreamConfig:
    """How frames are driven through a network; the same for files, VapourSynth and GStreamer.

    mode: "joint" gives sharp and middle, "deblur" sharp alone, "interpolate" keeps the input and adds middles.
    scene_threshold: 0..1; a cut is where `scenes.score` is larger. 0 switches the search off; marks from outside
        (`cut=`) always count.
    scene_mode: what stands for the middle before a cut: "repeat" the sharp frame n, "next" the input frame n+1,
        "blend" the mean of those two. At the end of a clip it is always the sharp frame.
    tile: rows of a picture that are generated at a time, 0 for all. Saves memory, changes no pixel in float32; small
        ones cost time, as each needs a margin of some 30 rows.
    overlap: on CUDA, run encode, attention and generation on three streams. Changes no pixel; no effect on a CPU.
    graphs: on CUDA, record each stage once for a size and replay it, so that the CPU launches one thing in place of
        hundreds; costs the memory of what a stage makes on its way. No effect on a CPU. Off until it has been seen to
        pay: no machine with CUDA has run it yet.
    """

    mode: Mode = "joint"
    scene_threshold: float = 0.33
    scene_mode: SceneMode = "repeat"
    tile: int = 0
    overlap: bool = True
    graphs: bool = False

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigError(must("mode", f"one of {', '.join(MODES)}", self.mode, "use joint for both"))
        if self.scene_mode not in SCENE_MODES:
            raise ConfigError(must("scene_mode", f"one of {', '.join(SCENE_MODES)}", self.scene_mode, "use repeat"))
        if self.tile < 0:
            raise ConfigError(must("tile", "0 or more rows", self.tile, "use 0 for the whole picture at once"))
        if not 0 <= self.scene_threshold <= 1:
            raise ConfigError(must("scene_threshold", "between 0 and 1", self.scene_threshold, "use 0 for no search"))
