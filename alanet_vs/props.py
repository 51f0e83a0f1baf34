"""Frame properties of the two frames of a pair: time, scene changes, and what each picture is.

Both begin as copies of an input frame's. What would be untrue of them goes; what is known better is written:

    _DurationNum, _DurationDen   half of frame n's, each, so that variable rates survive
    _AbsoluteTime                of the middle: halfway to the next frame
    _SceneChangePrev, ...Next    where the cut lies now that a middle stands before or behind it
    AlanetSource                 "sharp", "input", "made", "repeat", "next" or "blend", as in alanet_core.FramePair
    AlanetMade                   1 for a picture of a moment that was not recorded, else 0
"""

from dataclasses import dataclass
from fractions import Fraction

import vapoursynth as vs

PREV, NEXT = "_SceneChangePrev", "_SceneChangeNext"
DURATION = ("_DurationNum", "_DurationDen")
TIME = "_AbsoluteTime"
LARGEST = 2**63 - 1  # of a property that is a whole number
MADE = ("made", "blend")
OF_THE_RECORDED = ("_PictType", TIME)  # not true of a middle, whatever it shows
OF_THE_PICTURE = ("_Alpha", "_Combed", "PlaneStats")  # not true of a picture that was made; beginnings of names


@dataclass(frozen=True)
class Cuts:
    """Where cuts lie around the two frames of a pair; None where nobody knows."""

    before: bool | None
    between: bool | None
    after: bool | None


def cut_mark(before: vs.VideoFrame | None, here: vs.VideoFrame) -> bool | None:
    """Whether two frames say themselves that a cut lies between them; None where neither says anything.

    before: None where it is not at hand.
    """
    marks = [here.props.get(PREV), None if before is None else before.props.get(NEXT)]
    known = [bool(mark) for mark in marks if mark is not None]
    return any(known) if known else None


def finish_sharp(frame: vs.VideoFrame, source: str, cuts: Cuts, *, halve: bool) -> None:
    """Properties of frame n itself, a copy of the input's. halve: a middle follows, in half of its time."""
    if halve:
        _set_duration(frame, frame)
    _tell(frame, source, cuts.before, cuts.between if halve else cuts.after)


def finish_middle(
    frame: vs.VideoFrame, source: str, cuts: Cuts, here: vs.VideoFrame, following: vs.VideoFrame | None
) -> None:
    """Properties of the frame between n and n + 1, so far a copy of an input frame's.

    here, following: input frames n, in whose time the middle lies, and n + 1, where there is one.
    """
    untrue = OF_THE_RECORDED + (OF_THE_PICTURE if source in MADE else ())
    for name in [name for name in frame.props if name.startswith(untrue)]:
        del frame.props[name]
    time = _middle_time(here, following)
    if time is not None:
        frame.props[TIME] = time
    _set_duration(frame, here)
    _tell(frame, source, cuts.between, cuts.after)


def _middle_time(here: vs.VideoFrame, following: vs.VideoFrame | None) -> float | None:
    """In seconds: halfway to the next frame, or through this one where there is none; None if unknown."""
    time, duration = _time(here), _duration(here)
    ahead = None if following is None else _time(following)
    if time is not None and ahead is not None:
        return float((time + ahead) / 2)
    return None if time is None or duration is None else float(time + duration / 2)


def _time(frame: vs.VideoFrame) -> float | None:
    """In seconds; None where the properties do not say it, or say something else than a number."""
    time = frame.props.get(TIME)
    return time if isinstance(time, int | float) else None


def _duration(frame: vs.VideoFrame) -> Fraction | None:
    """In seconds; None where the properties do not say it in two numbers."""
    numerator, denominator = (frame.props.get(name) for name in DURATION)
    known = isinstance(numerator, int) and isinstance(denominator, int) and denominator
    return Fraction(numerator, denominator) if known else None


def _set_duration(frame: vs.VideoFrame, here: vs.VideoFrame) -> None:
    """Half of frame n's; unknown stays unknown."""
    duration = _duration(here)
    halves = (None, None) if duration is None else (duration / 2).limit_denominator(LARGEST).as_integer_ratio()
    for name, value in zip(DURATION, halves, strict=True):
        _set(frame, name, value)


def _tell(frame: vs.VideoFrame, source: str, cut_before: bool | None, cut_after: bool | None) -> None:
    frame.props["AlanetSource"] = source
    frame.props["AlanetMade"] = int(source in MADE)
    _set(frame, PREV, cut_before)
    _set(frame, NEXT, cut_after)


def _set(frame: vs.VideoFrame, name: str, value: int | None) -> None:
    if value is not None:
        frame.props[name] = int(value)
    elif name in frame.props:
        del frame.props[name]
