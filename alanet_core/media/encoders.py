"""The encoders and containers that this project drives: defaults, limits, and what is refused."""

import io
from dataclasses import dataclass

import av

from alanet_core.errors import ConfigError, must
from alanet_core.media.settings import EnhanceSettings

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
"""Suffix of OUT -> FFmpeg's muxer. All of these hold frames at any time, which variable rates need, and packets as they
are (MPEG-TS rewrites some; AVI has no times).
"""

_X26X = ["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo"]


@dataclass(frozen=True)
class Rule:
    """How one encoder is driven.

    crf, worst_crf: a visually good default, and the largest value; crf is None for an encoder without one.
    preset: the option that trades speed for size: its name, our default, its values. options: what is always set.
    """

    crf: float | None = None
    worst_crf: float = 51
    preset: tuple[str, str, list[str]] | None = None
    options: tuple[tuple[str, str], ...] = ()


RULES = {
    "libx264": Rule(17, 51, ("preset", "medium", _X26X)),
    "libx264rgb": Rule(17, 51, ("preset", "medium", _X26X)),
    "libx265": Rule(18, 51, ("preset", "medium", _X26X), (("x265-params", "log-level=none"),)),
    "libvpx-vp9": Rule(24, 63, ("cpu-used", "4", [str(n) for n in range(9)]), (("row-mt", "1"), ("b", "0"))),
    "libsvtav1": Rule(24, 63, ("preset", "8", [str(n) for n in range(14)])),
    "ffv1": Rule(options=(("level", "3"), ("slicecrc", "1"))),
}


def container_of(suffix: str) -> str:
    """FFmpeg's name of the container for OUT's suffix. Raises ConfigError for one that cannot hold what is written."""
    container = CONTAINERS.get(suffix.lower())
    if container is None:
        raise ConfigError(
            must("OUT", f"a name that ends in {', '.join(CONTAINERS)}", suffix or "none", "choose .mp4 or .mkv")
        )
    return container


def check_codec(codec: str, container: str) -> None:
    """Refuse a codec that FFmpeg cannot encode, or that the container cannot hold. Raises ConfigError."""
    try:
        known = av.Codec(codec, "w").type == "video"
    except ValueError:  # PyAV has an error of its own for unknown names
        known = False
    if not known:
        raise ConfigError(must("codec", "a video encoder of FFmpeg", codec, "try libx264, libx265 or ffv1"))
    if codec not in held_by(container):
        suffixes = ", ".join(suffix for suffix, name in CONTAINERS.items() if codec in held_by(name)) or "none"
        raise ConfigError(must("OUT", f"a file that can hold {codec} ({suffixes})", container, "choose another suffix"))


def held_by(container: str) -> set[str]:
    """Names of the encoders whose streams the container can hold."""
    with av.open(io.BytesIO(), "w", format=container) as output:
        return output.supported_codecs


def encoder_options(codec: str, settings: EnhanceSettings) -> dict[str, str]:
    """Options for the encoder, ours and the user's. Raises ConfigError for what this encoder does not know."""
    rule = RULES.get(codec, Rule())
    options = dict(rule.options)
    if settings.crf is not None or rule.crf is not None:
        if rule.crf is None:
            raise ConfigError(must("crf", f"left out with {codec}", settings.crf, "choose libx264 or libx265"))
        crf = rule.crf if settings.crf is None else settings.crf
        if not 0 <= crf <= rule.worst_crf:
            raise ConfigError(must("crf", f"0..{rule.worst_crf} for {codec}", crf, "smaller is better; try 18"))
        options["crf"] = f"{crf:g}"
    if settings.preset is not None or rule.preset is not None:
        if rule.preset is None:
            raise ConfigError(must("preset", f"left out with {codec}", settings.preset, "choose libx264 or libx265"))
        key, usual, choices = rule.preset
        options[key] = settings.preset or usual
        if options[key] not in choices:
            raise ConfigError(
                must("preset", f"one of {', '.join(choices)} for {codec}", settings.preset, f"try {usual}")
            )
    return options
