"""Little video files, written by PyAV without any code of ours, and the reading back of what came out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.sidedata.sidedata import Type

import alanet_core as alanet
from alanet_core.media import EnhanceReport, EnhanceSettings, enhance_file


def planes(frame: av.VideoFrame) -> list[np.ndarray]:
    """The frame's planes without the padding of their lines."""
    found = []
    for number, plane in enumerate(frame.planes):
        wide = any(part.bits > 8 for part in frame.format.components)
        kind = np.dtype("<u2") if wide else np.dtype("u1")
        rows = np.frombuffer(bytes(plane), kind).reshape(plane.height, plane.line_size // kind.itemsize)
        samples = plane.width
        if not frame.format.is_planar and number == 0:
            samples = plane.width * frame.format.padded_bits_per_pixel // (8 * kind.itemsize)
        found.append(rows[:, :samples].copy())
    return found


def picture(number: int, size: tuple[int, int], pix_fmt: str, seed: int = 0) -> av.VideoFrame:
    """A frame [height, width] of soft noise that moves with its number; every sample inside the format's range."""
    rng = np.random.default_rng(seed)
    height, width = size
    frame = av.VideoFrame(width, height, pix_fmt)
    bits = max(part.bits for part in frame.format.components)
    for plane in frame.planes:
        kind = np.dtype("<u2") if bits > 8 else np.dtype("u1")
        stride = plane.line_size // kind.itemsize
        noise = rng.random((plane.height, stride))
        soft = (noise + np.roll(noise, 1, 0) + np.roll(noise, 1, 1) + np.roll(noise, (1, 1), (0, 1))) / 4
        values = np.roll(soft, number, axis=1) * ((1 << bits) - 1)
        plane.update(values.round().astype(kind).tobytes())
    return frame


@dataclass
class Clip:
    """What to write. times: of the frames, in ticks of `unit`; None: one tick each."""

    path: Path
    frames: int = 6
    size: tuple[int, int] = (48, 64)
    pix_fmt: str = "yuv420p"
    codec: str = "libx264"
    unit: Fraction = Fraction(1, 25)
    rate: Fraction | None = Fraction(25)
    times: list[int] | None = None
    options: dict[str, str] = field(default_factory=dict)
    video: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    audio: bool = False
    audio_first: bool = False
    subtitles: bool = False
    container: dict[str, str] = field(default_factory=dict)
    matrix: tuple[int, ...] | None = None
    chapters: list[Any] = field(default_factory=list)
    attachment: bytes | None = None
    scenes: bool = False

    def write(self) -> Path:
        """Write it; the encoder is lossless, so that the pictures are known to the bit."""
        lossless = {"libx264": {"qp": "0"}, "libx265": {"x265-params": "lossless=1:log-level=none"}}.get(self.codec, {})
        with av.open(str(self.path), "w", options=self.container) as output:
            output.metadata.update(self.metadata)
            sound = output.add_stream("aac", rate=48000) if self.audio_first else None
            stream = output.add_stream(
                self.codec, rate=self.rate or Fraction(25), time_base=self.unit, options={**lossless, **self.options}
            )
            stream.height, stream.width, stream.pix_fmt = *self.size, self.pix_fmt
            if self.rate is None:
                stream.codec_context.framerate = Fraction(0)
            for name, value in self.video.items():
                setattr(stream.codec_context, name, value)
            if self.matrix:
                stream.set_display_matrix(self.matrix)
            if self.audio:
                sound = output.add_stream("aac", rate=48000)
            text = output.add_mux_stream("subrip") if self.subtitles else None
            if self.attachment is not None:
                output.add_attachment("font.ttf", "application/x-truetype-font", self.attachment)
            output.set_chapters(self.chapters)
            lengths = self._lengths()
            for number, time in enumerate(self.times or range(self.frames)):
                frame = picture(number, self.size, self.pix_fmt, seed=number if self.scenes else 0)
                frame.pts, frame.time_base, frame.duration = time, self.unit, lengths[number]
                for packet in stream.encode(frame):
                    packet.duration = dict(zip(self.times or range(self.frames), lengths, strict=True))[packet.pts]
                    output.mux(packet)
            for packet in stream.encode(None):
                packet.duration = dict(zip(self.times or range(self.frames), lengths, strict=True))[packet.pts]
                output.mux(packet)
            if sound is not None:
                self._write_sound(output, sound, sum(lengths))
            if text is not None:
                packet = av.Packet(b"A line of text")
                packet.stream, packet.pts, packet.dts, packet.duration = text, 40, 40, 80
                packet.time_base = Fraction(1, 1000)
                output.mux(packet)
        return self.path

    def _lengths(self) -> list[int]:
        times = list(self.times or range(self.frames))
        steps = [b - a for a, b in pairwise(times)]
        return [*steps, steps[-1] if steps else 1]

    def _write_sound(self, output: Any, sound: Any, ticks: int) -> None:
        count = int(ticks * self.unit * 48000)
        wave = (np.sin(np.arange(count) / 20) * 0.3).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(np.stack((wave, wave)), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = 48000, 0
        for packet in [*sound.encode(frame), *sound.encode(None)]:
            output.mux(packet)


@dataclass
class Found:
    """What a file holds: frames in order, their times in seconds, packets of the other streams, and the rest."""

    times: list[Fraction]
    frames: list[list[np.ndarray]]
    packets: dict[str, list[tuple[Fraction | None, bytes]]]
    pix_fmt: str
    tags: tuple[int, ...]
    streams: list[tuple[str, int]]
    metadata: dict[str, str]
    chapters: list[Any]
    matrix: bytes
    rate: Fraction | None
    aspect: Fraction | None
    codec: str
    duration: Fraction
    length: Fraction


def read(path: Path) -> Found:
    """Read a whole file with PyAV alone."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        unit = Fraction(video.time_base.numerator, video.time_base.denominator)
        packets: dict[str, list[tuple[Fraction | None, bytes]]] = {}
        shown = []
        for packet in container.demux():
            if packet.stream.index == video.index and packet.stream.type == "video":
                shown += video.decode(packet) if packet.size else []
            elif packet.size:
                base = Fraction(packet.time_base.numerator, packet.time_base.denominator)
                stamp = None if packet.pts is None else packet.pts * base
                packets.setdefault(packet.stream.type, []).append((stamp, bytes(packet)))
        shown += video.decode(None)
        context = video.codec_context
        rate, aspect = video.average_rate, video.sample_aspect_ratio
        turned = shown[0].side_data.get(Type.DISPLAYMATRIX) if shown else None
        return Found(
            times=[frame.pts * unit for frame in shown],
            frames=[planes(frame) for frame in shown],
            packets=packets,
            pix_fmt=context.pix_fmt or "",
            tags=(
                context.color_range,
                context.colorspace,
                context.color_trc,
                context.color_primaries,
                getattr(context, "chroma_sample_location", None),  # PyAV 18 does not tell
            ),
            streams=[(stream.type, int(stream.disposition)) for stream in container.streams],
            metadata=dict(container.metadata),
            chapters=container.chapters(),
            matrix=b"" if turned is None else bytes(turned),
            rate=Fraction(rate.numerator, rate.denominator) if rate else None,
            aspect=Fraction(aspect.numerator, aspect.denominator) if aspect else None,
            codec=context.name,
            duration=Fraction(container.duration or 0, 1_000_000),
            length=shown[-1].duration * unit if shown else Fraction(0),
        )


@pytest.fixture
def clip(tmp_path: Path) -> Callable[..., Path]:
    """clip("in.mp4", frames=6, ...): write a little file below the test's own folder."""

    def make(name: str = "in.mp4", **settings: Any) -> Path:
        return Clip(tmp_path / name, **settings).write()

    return make


@pytest.fixture(scope="session")
def identity() -> alanet.Alanet:
    """A network that changes nothing: sharp is the input, middle the mean of two."""
    return alanet.identity_model()


@pytest.fixture(scope="session")
def look() -> Callable[[Path], Found]:
    """look(path): read a whole file with PyAV alone."""
    return read


@pytest.fixture
def enhanced(tmp_path: Path, identity: alanet.Alanet) -> Callable[..., tuple[Found, EnhanceReport]]:
    """enhanced(source, "out.mp4", mode="joint", crf=...): enhance with `identity` -> what came out, and the report."""

    def run(source: Path, name: str = "out.mp4", mode: str = "joint", **settings: Any) -> tuple[Found, EnhanceReport]:
        stream = alanet.StreamConfig(mode=mode, scene_threshold=settings.pop("scene_threshold", 0))
        wanted = EnhanceSettings(stream=stream, **settings)
        report = enhance_file(source, tmp_path / name, identity, settings=wanted)
        return read(tmp_path / name), report

    return run
