"""What came of a file, in figures: printed by the command line, and given as JSON."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alanet_core.media.door import Files
    from alanet_core.media.settings import EnhanceSettings
    from alanet_core.model import Alanet


@dataclass(frozen=True, kw_only=True)
class EnhanceReport:
    """frames_in, frames_out: pictures read and written. seconds: of work, without loading; fps: input frames a second.

    repeated: middles that were not made by the network: before a cut, and after the last frame.
    time_unit: in which the container keeps times, in seconds; exact_times: whether it holds every time as meant.
    damage: what of IN could not be read, None for a sound file.
    """

    source: str
    target: str
    mode: str
    model: str
    window: int
    device: str
    precision: str
    frames_in: int
    frames_out: int
    repeated: int
    seconds: float
    fps: float
    width: int
    height: int
    codec: str
    pix_fmt: str
    time_unit: str
    exact_times: bool
    notes: tuple[str, ...]
    dropped: tuple[str, ...]
    damage: str | None

    @classmethod
    def of(
        cls, files: Files, settings: EnhanceSettings, model: Alanet, *, pictures: int, cuts: int, seconds: float
    ) -> EnhanceReport:
        """The report of a finished file."""
        doubled = settings.stream.mode != "deblur"
        return cls(
            source=str(files.source.path),
            target=str(files.sink.target),
            mode=settings.stream.mode,
            model=model.name,
            window=model.config.window,
            device=str(model.device),
            precision=str(model.dtype).removeprefix("torch."),
            frames_in=pictures,
            frames_out=pictures * (2 if doubled else 1),
            repeated=cuts,
            seconds=round(seconds, 3),
            fps=round(pictures / seconds, 3),
            width=files.plan.size[1],
            height=files.plan.size[0],
            codec=files.plan.codec,
            pix_fmt=files.plan.pix_fmt,
            time_unit=str(files.sink.time_base),
            exact_times=files.sink.exact,
            notes=files.notes,
            dropped=files.dropped,
            damage=files.source.damage,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return dataclasses.asdict(self)
