"""What the user asked of `enhance`, checked when it is made, before any file is touched."""

from dataclasses import dataclass, field
from fractions import Fraction

from alanet_core.config import StreamConfig
from alanet_core.errors import ConfigError, must


@dataclass(frozen=True, kw_only=True)
class EnhanceSettings:
    """How a file is enhanced and written.

    stream: mode and scene cuts.
    codec: FFmpeg's name of a video encoder; None chooses by container and depth. crf, preset: the encoder's quality and
        speed; None takes this project's default. pix_fmt: FFmpeg's name of a pixel format; None keeps the input's, or
        takes the nearest one that the encoder can hold. lossless: FFV1.
    start, duration: the part to enhance, in seconds from the beginning of the file; None goes to its end.
    overwrite: take an OUT that exists. drop_unsupported: leave out streams that OUT's container cannot hold, instead of
        refusing.

    Raises ConfigError where settings contradict each other.
    """

    stream: StreamConfig = field(default_factory=StreamConfig)
    codec: str | None = None
    crf: float | None = None
    preset: str | None = None
    pix_fmt: str | None = None
    lossless: bool = False
    start: Fraction = Fraction(0)
    duration: Fraction | None = None
    overwrite: bool = False
    drop_unsupported: bool = False

    def __post_init__(self) -> None:
        if self.lossless and self.codec not in (None, "ffv1"):
            raise ConfigError(must("codec", "left out, or ffv1, where lossless is asked for", self.codec, "drop one"))
        if self.lossless and self.crf is not None:
            raise ConfigError(must("crf", "left out where lossless is asked for", self.crf, "drop one"))
        if self.start < 0:
            raise ConfigError(must("start", "0 or more seconds", float(self.start), "use 0 for the whole file"))
        if self.duration is not None and self.duration <= 0:
            raise ConfigError(must("duration", "more than 0 seconds", float(self.duration), "leave it out for all"))

    @property
    def whole(self) -> bool:
        """Whether the file is enhanced from its beginning to its end."""
        return self.start == 0 and self.duration is None
