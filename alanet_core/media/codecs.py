"""Which encoder and pixel format the output gets, decided and tried at the door, before weights are loaded."""

from dataclasses import dataclass, replace
from fractions import Fraction

import av
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext

from alanet_core.color import PixelFormat
from alanet_core.errors import ConfigError, must
from alanet_core.media.encoders import check_codec, encoder_options, held_by
from alanet_core.media.formats import (
    RANGE_FULL,
    RANGE_LIMITED,
    SPACE_BT709,
    SPACE_RGB,
    ColorTags,
    describe,
    has_alpha,
    planar_name,
)
from alanet_core.media.settings import EnhanceSettings
from alanet_core.media.sidedata import StreamExtras


@dataclass(frozen=True)
class OutputPlan:
    """The video stream to be written. fmt: what planes of the planar twin of pix_fmt mean; rate: frames a second."""

    container: str
    codec: str
    pix_fmt: str
    fmt: PixelFormat
    tags: ColorTags
    options: tuple[tuple[str, str], ...]
    size: tuple[int, int]
    time_base: Fraction
    rate: Fraction | None
    aspect: Fraction | None

    def configure(self, context: VideoCodecContext) -> None:
        """Set everything on an encoder that has not been opened yet."""
        context.height, context.width = self.size
        context.pix_fmt = self.pix_fmt
        context.time_base = self.time_base
        context.framerate = self.rate or Fraction(0)
        if self.aspect:
            context.sample_aspect_ratio = self.aspect
        context.color_range, context.colorspace = self.tags.range, self.tags.space
        context.color_trc, context.color_primaries = self.tags.transfer, self.tags.primaries
        context.options = dict(self.options)
        if self.tags.site:
            context.options["chroma_sample_location"] = str(self.tags.site)
        if self.container in ("mp4", "mov") and self.codec == "libx265":
            context.codec_tag = "hvc1"  # the name that Apple's players want


@dataclass(frozen=True)
class Wanted:
    """What shall be written: the input's pixel format and what it means, its size and times, and the container."""

    container: str
    name: str
    fmt: PixelFormat
    tags: ColorTags
    size: tuple[int, int]
    time_base: Fraction
    rate: Fraction | None
    aspect: Fraction | None


def plan_output(wanted: Wanted, settings: EnhanceSettings, extras: StreamExtras) -> OutputPlan:
    """The first encoder and pixel format, nearest to the input's first, that opens with these settings.

    extras: what else the encoder is told of the stream. Raises ConfigError where nothing fits.
    """
    codecs = _codecs(wanted.container, wanted.fmt, settings)
    for exact in (True, False):
        for codec in codecs:
            for name in _pixel_formats(codec, wanted, settings.pix_fmt):
                plan = _plan(codec, name, wanted, settings, extras)
                if exact and not _keeps(plan.fmt, wanted.fmt) and settings.pix_fmt is None:
                    continue
                if _opens(plan):
                    return plan
    asked = f"{' or '.join(codecs)} with {wanted.size[1]}x{wanted.size[0]} {settings.pix_fmt or wanted.name}"
    raise ConfigError(
        must("codec", "an encoder that takes this picture and these settings", asked, "try another --codec")
    )


def _codecs(container: str, fmt: PixelFormat, settings: EnhanceSettings) -> list[str]:
    if settings.lossless or settings.codec:
        codec = "ffv1" if settings.lossless else str(settings.codec)
        check_codec(codec, container)
        return [codec]
    if container == "webm":
        return ["libvpx-vp9", "libsvtav1"] if fmt.bits == 8 else ["libsvtav1", "libvpx-vp9"]
    if fmt.bits == 8:
        first = "libx264rgb" if fmt.family == "rgb" else "libx264"
        return [codec for codec in (first, "libvpx-vp9", "libx265") if codec in held_by(container)]
    return [codec for codec in ("libx265", "libsvtav1") if codec in held_by(container)]


def _pixel_formats(codec: str, wanted: Wanted, asked: str | None) -> list[str]:
    """The encoder's formats, those first that lose nothing of the input and add the least."""
    offered = [form.name for form in av.Codec(codec, "w").video_formats or ()]
    if asked is not None:
        if offered and asked not in offered:
            known = ", ".join(offered)
            raise ConfigError(
                must("pix_fmt", f"one that {codec} takes ({known})", asked, "leave it out to keep the input's")
            )
        return [asked]
    candidates = [name for name in offered if not has_alpha(name)] or offered or [wanted.name]  # rawvideo tells of none
    return sorted(candidates, key=lambda name: _distance(name, wanted))


def _distance(name: str, wanted: Wanted) -> tuple[int, ...]:
    planar, source = planar_name(name), wanted.fmt
    fmt = describe(planar, wanted.tags, *wanted.size)
    if fmt is None:
        return (9,)
    coarser = [max(0, mine - theirs) for mine, theirs in zip(fmt.subsampling, source.subsampling, strict=True)]
    finer = [max(0, theirs - mine) for mine, theirs in zip(fmt.subsampling, source.subsampling, strict=True)]
    return (
        fmt.family != source.family,
        max(0, _depth(source) - _depth(fmt)),
        sum(coarser) if fmt.family == source.family else sum(fmt.subsampling),
        _depth(fmt) - _depth(source),
        sum(finer),
        fmt.sample != source.sample,
        name != wanted.name,
        name != planar or name.startswith("yuvj"),
    )


def _keeps(fmt: PixelFormat, source: PixelFormat) -> bool:
    return (fmt.family, fmt.bits, fmt.subsampling) == (source.family, source.bits, source.subsampling)


def _depth(fmt: PixelFormat) -> int:
    return fmt.bits if fmt.sample == "int" else fmt.bits + 16  # half holds more than 16 bits of integer do


def _plan(codec: str, name: str, wanted: Wanted, settings: EnhanceSettings, extras: StreamExtras) -> OutputPlan:
    tags = _tags(name, wanted)
    fmt = describe(planar_name(name), tags, *wanted.size)
    if fmt is None:
        raise ConfigError(must("pix_fmt", "a format that can be repacked", name, "try yuv420p"))
    if fmt.family == wanted.fmt.family:  # what the tags leave open is the same in OUT as it was taken to be in IN
        source = wanted.fmt
        fmt = replace(fmt, matrix=source.matrix, full_range=source.full_range, chroma_site=source.chroma_site)
    options = encoder_options(codec, settings)
    for key, value in extras.encoder_options(codec).items():
        options[key] = f"{options[key]}:{value}" if key in options else value
    return OutputPlan(
        container=wanted.container,
        codec=codec,
        pix_fmt=name,
        fmt=fmt,
        tags=tags,
        options=tuple(options.items()),
        size=wanted.size,
        time_base=wanted.time_base,
        rate=wanted.rate,
        aspect=wanted.aspect,
    )


def _tags(name: str, wanted: Wanted) -> ColorTags:
    """The input's tags; where the family changes, what the new planes really are."""
    old, tags = wanted.fmt.family, wanted.tags
    new = describe(planar_name(name), tags, *wanted.size)
    if new is None or new.family == old:
        return tags
    if new.family == "rgb":
        return ColorTags(RANGE_FULL, SPACE_RGB, tags.transfer, tags.primaries)
    full = old == "gray" and wanted.fmt.full_range
    return ColorTags(RANGE_FULL if full else RANGE_LIMITED, SPACE_BT709, tags.transfer, tags.primaries, tags.site)


def _opens(plan: OutputPlan) -> bool:
    context = CodecContext.create(plan.codec, "w")
    assert isinstance(context, VideoCodecContext)
    try:
        plan.configure(context)
        context.open()
    except (av.FFmpegError, ValueError):
        return False
    return True


def losses(plan: OutputPlan, wanted: Wanted) -> str | None:
    """What the output's pixels lose against the input's, in words; None where nothing is lost."""
    old, new, lost = wanted.fmt, plan.fmt, []
    if new.family != old.family:
        lost.append(f"{old.family} becomes {new.family}")
    if _depth(new) < _depth(old):
        lost.append(f"{old.bits} bits become {new.bits}")
    if new.family == old.family and any(a > b for a, b in zip(new.subsampling, old.subsampling, strict=True)):
        lost.append("chroma becomes coarser")
    return ", ".join(lost) or None
