"""Everything that is checked before work begins, cheapest first; what comes out is ready to run."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from alanet_core.errors import RefusedError, must
from alanet_core.media.codecs import OutputPlan, Wanted, losses, plan_output
from alanet_core.media.encoders import container_of
from alanet_core.media.formats import describe, has_alpha, known_matrix, planar_name
from alanet_core.media.pictures import Pictures
from alanet_core.media.pyav import tells_chroma_site
from alanet_core.media.remux import route
from alanet_core.media.settings import EnhanceSettings
from alanet_core.media.sidedata import StreamExtras
from alanet_core.media.sink import Sink
from alanet_core.media.source import Source
from alanet_core.media.timing import Clock, output_clock


@dataclass(frozen=True)
class Files:
    """IN and OUT, open; nothing but an empty temporary file has been written. notes: what the user should know."""

    source: Source
    sink: Sink
    plan: OutputPlan
    clock: Clock
    pictures: Pictures
    notes: tuple[str, ...]
    dropped: tuple[str, ...]

    def close(self) -> None:
        """Close both; OUT is left out where it has not been finished."""
        self.sink.discard()
        self.source.close()


def open_files(source_path: Path, target: Path, settings: EnhanceSettings) -> Files:
    """Open IN, decide what OUT shall be, and open it.

    Raises RefusedError or ConfigError, and then leaves nothing behind.
    """
    _check_paths(source_path, target, overwrite=settings.overwrite)
    container = container_of(target.suffix)
    source = Source(source_path, start=settings.start, duration=settings.duration)
    try:
        return _plan_files(source, target, container, settings)
    except BaseException:
        source.close()
        raise


def _plan_files(source: Source, target: Path, container: str, settings: EnhanceSettings) -> Files:
    picture, tags = source.first.picture, source.tags
    size = (picture.height, picture.width)
    try:
        name = planar_name(picture.format.name)
        fmt = describe(name, tags, *size)
        assert fmt is not None, "planar_name gives formats that describe knows"
    except TypeError as error:  # PyAV's answer for formats that live in a device's memory
        raise RefusedError(must("IN", "in ordinary memory", picture.format.name, "convert it first")) from error
    doubled = settings.stream.mode != "deblur"
    clock = output_clock(source.time_base, middles=doubled)
    rate = None if source.rate is None else source.rate * (2 if doubled else 1)
    wanted = Wanted(container, picture.format.name, fmt, tags, size, clock.time_base, rate, _aspect(source))
    extras = StreamExtras.of(source.video, picture)
    copied, dropped = route(source, container, drop_unsupported=settings.drop_unsupported)
    plan = plan_output(wanted, settings, extras)
    sink = Sink(target, source, plan, copied, extras, doubled=doubled)
    notes = _notes(source, wanted, plan, extras, sink)
    return Files(source, sink, plan, clock, Pictures(name, fmt, plan), tuple(notes), tuple(dropped))


def _check_paths(source: Path, target: Path, *, overwrite: bool) -> None:
    if not source.is_file():
        what = "a folder" if source.is_dir() else "not there"
        raise RefusedError(must("IN", "an existing file", f"{source} ({what})", "check the path"))
    container_of(target.suffix)
    if not target.parent.is_dir():
        raise RefusedError(must("OUT", "in an existing folder", str(target), "make the folder first"))
    if target.exists():
        if source.samefile(target):
            raise RefusedError(must("OUT", "another file than IN", str(target), "choose another name"))
        if target.is_dir():
            raise RefusedError(must("OUT", "a file", f"{target} (a folder)", "name a file in it"))
        if not overwrite:
            raise RefusedError(must("OUT", "a new file", f"{target} (exists)", "give --overwrite to replace it"))


def _aspect(source: Source) -> Fraction | None:
    ratio = source.video.sample_aspect_ratio
    return Fraction(ratio.numerator, ratio.denominator) if ratio else None


def _notes(source: Source, wanted: Wanted, plan: OutputPlan, extras: StreamExtras, sink: Sink) -> list[str]:
    notes = []
    if source.first.picture.interlaced_frame:
        notes.append("IN is interlaced and is read as if it were not; deinterlace it first (ffmpeg -vf bwdif)")
    if has_alpha(wanted.name):
        notes.append("transparency is not kept")
    if not known_matrix(wanted.tags):
        notes.append(f"colour matrix {wanted.tags.space} is read as {wanted.fmt.matrix}, and written back so")
    if wanted.fmt.subsampling[1] and wanted.fmt.matrix == "bt2020" and not tells_chroma_site():
        notes.append("this PyAV does not say where chroma lies: it is taken to be at the left, which UHD video may not")
    if lost := losses(plan, wanted):
        notes.append(f"{plan.codec} cannot hold {wanted.name} here: {lost}")
    lost_extras = [*extras.lost, *([] if extras.kept_by(plan.codec) else ["mastering display"])]
    if lost_extras:
        notes.append(f"not kept, as the encoder cannot be given it: {', '.join(lost_extras)}")
    if not sink.exact:
        notes.append(f"{plan.container} rounds times to {sink.time_base} s; mp4 and mov keep them exactly")
    return notes
