"""Every format, at awkward sizes and with padded rows, against the core's result for the same pixels."""

import functools
import re
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from gi.repository import Gst, GstVideo
from gstharness import MS, Harness

import alanet_core as alanet
from alanet_core.color import PixelFormat, from_rgb, to_rgb

Make = Callable[..., Harness]
Planes = list[np.ndarray]

# The element's own list is read from the pad template below; what a format means is written down here once more, by
# hand: family, bits, subsampling, and each component as (plane, first byte, step in bytes, shift).
PACKED = {name: name for name in ("RGB", "BGR", "RGBx", "BGRx", "xRGB", "xBGR", "RGBA", "BGRA", "ARGB", "ABGR", "AYUV")}
PACKED |= {"v308": "YUV", "IYU2": "UYV", "VUYA": "VUYA"}
PACKED_16 = {"RGBA64_LE": "RGBA", "BGRA64_LE": "BGRA", "ARGB64_LE": "ARGB", "ABGR64_LE": "ABGR"}
PLANAR = {"RGBP": "RGB", "BGRP": "BGR", "GBR": "GBR", "GBRA": "GBRA"}
MACROPIXELS = {"YUY2": "YUYV", "UYVY": "UYVY", "YVYU": "YVYU", "VYUY": "VYUY"}
SUBSAMPLED = {"I420": (1, 1), "YV12": (1, 1), "Y42B": (1, 0), "Y444": (0, 0), "Y41B": (2, 0), "YUV9": (2, 2),
              "YVU9": (2, 2), "A420": (1, 1)}  # fmt: skip
SEMIPLANAR = {"NV12": (1, 1), "NV21": (1, 1), "NV16": (1, 0), "NV24": (0, 0)}
DEEP = {"I420_10LE": (1, 1), "I422_10LE": (1, 0), "Y444_10LE": (0, 0), "I420_12LE": (1, 1), "I422_12LE": (1, 0)}
DEEP |= {"Y444_12LE": (0, 0), "Y444_16LE": (0, 0), "A420_10LE": (1, 1), "A422_10LE": (1, 0), "A444_10LE": (0, 0)}
DEEP_RGB = {"GBR_10LE": 10, "GBR_12LE": 12}
MSB = {"P010_10LE": 10, "P012_LE": 12, "P016_LE": 16}

Component = tuple[int, int, int, int]


def meaning(name: str) -> tuple[str, int, tuple[int, int], dict[str, Component]]:
    """-> family, bits, subsampling, components by letter (x: filler)."""
    if name in PACKED or name in PACKED_16:
        letters = (PACKED | PACKED_16)[name]
        size = 2 if name in PACKED_16 else 1
        family = "rgb" if "R" in letters else "yuv"
        return family, 8 * size, (0, 0), {c: (0, size * k, size * len(letters), 0) for k, c in enumerate(letters)}
    if name in MACROPIXELS:
        letters = MACROPIXELS[name]
        return "yuv", 8, (1, 0), {c: (0, letters.index(c), 2 if c == "Y" else 4, 0) for c in "YUV"}
    if name in SEMIPLANAR:
        chroma = "VU" if name == "NV21" else "UV"
        return "yuv", 8, SEMIPLANAR[name], {"Y": (0, 0, 1, 0), chroma[0]: (1, 0, 2, 0), chroma[1]: (1, 1, 2, 0)}
    if name in MSB:
        shift = 16 - MSB[name]
        return "yuv", MSB[name], (1, 1), {"Y": (0, 0, 2, shift), "U": (1, 0, 4, shift), "V": (1, 2, 4, shift)}
    return planar(name)


def planar(name: str) -> tuple[str, int, tuple[int, int], dict[str, Component]]:
    """The same, for formats with one component a plane."""
    yuv = "YVU" if name in {"YV12", "YVU9"} else "YUV"
    yuv += "A" if name.startswith("A") else ""
    found = re.search(r"_(\d\d)", name)
    bits = int(found[1]) if found else 16 if name == "GRAY16_LE" else 8
    if name in SUBSAMPLED or name in DEEP:
        family, subsampling, letters = "yuv", (SUBSAMPLED | DEEP)[name], yuv
    elif name in PLANAR or name in DEEP_RGB:
        family, subsampling, letters = "rgb", (0, 0), PLANAR.get(name, "GBR")
    else:
        family, subsampling, letters = "gray", (0, 0), "Y"
    return family, bits, subsampling, {c: (k, 0, 1 if bits == 8 else 2, 0) for k, c in enumerate(letters)}


def formats() -> list[str]:
    """What the element offers."""
    template = Gst.ElementFactory.find("alanet").get_static_pad_templates()[0]
    return list(template.get_caps().get_structure(0).get_value("format").array)


class Picture:
    """A format at a size, in memory whose rows are `padding` bytes longer than need be."""

    def __init__(self, name: str, width: int, height: int, padding: int, extra: str = "") -> None:
        self.caps = f"video/x-raw,format={name},width={width},height={height},framerate=25/1,chroma-site=mpeg2{extra}"
        self.info = GstVideo.VideoInfo.new_from_caps(Gst.Caps.from_string(self.caps))
        self.family, self.bits, self.subsampling, self.components = meaning(name)
        self.width, self.height, self.padding = width, height, padding
        planes = self.info.finfo.n_planes
        self.strides = [stride + padding for stride in list(self.info.stride)[:planes]]
        self.offsets, self.size = list(self.info.offset)[:planes], self.info.size
        if padding:
            rows = [max(self._shape(c)[0] for c, where in self.components.items() if where[0] == k)
                    for k in range(planes)]  # fmt: skip
            self.offsets = [64 + sum(s * r for s, r in zip(self.strides[:k], rows[:k], strict=True))
                            for k in range(planes)]  # fmt: skip
            self.size = self.offsets[-1] + self.strides[-1] * rows[-1]

    def _shape(self, letter: str) -> tuple[int, int]:
        across, down = self.subsampling if letter in "UV" else (0, 0)
        return -(-self.height >> down), -(-self.width >> across)

    def views(self, memory: object, *, default: bool) -> dict[str, np.ndarray]:
        """Every component in mapped memory; in the default layout or in this one's."""
        offsets = list(self.info.offset) if default else self.offsets
        strides = list(self.info.stride) if default else self.strides
        kind = np.uint8 if self.bits == 8 else np.uint16
        return {letter: np.ndarray(self._shape(letter), kind, memory, offsets[plane] + first, (strides[plane], step))
                for letter, (plane, first, step, _) in self.components.items()}  # fmt: skip

    def random(self, seed: int) -> tuple[object, dict[str, np.ndarray]]:
        """A buffer of noise, and its components."""
        dice = np.random.default_rng(seed)
        buffer = Gst.Buffer.new_allocate(None, self.size, None)
        with buffer.map(Gst.MapFlags.WRITE) as mapped:
            np.frombuffer(mapped.data, np.uint8)[:] = 0xEE
            views = self.views(mapped.data, default=False)
            for letter, view in views.items():
                shift = self.components[letter][3]
                view[:] = dice.integers(0, 1 << self.bits, view.shape).astype(view.dtype) << shift
            kept = {letter: view.copy() for letter, view in views.items()}
            del views, view
        if self.padding:
            rest = [0] * (4 - len(self.offsets))
            GstVideo.buffer_add_video_meta_full(
                buffer, GstVideo.VideoFrameFlags.NONE, self.info.finfo.format, self.width, self.height,
                len(self.offsets), self.offsets + rest, self.strides + rest,
            )  # fmt: skip
        return buffer, kept

    def read(self, buffer: object) -> dict[str, np.ndarray]:
        """The components of an output buffer."""
        default = GstVideo.buffer_get_video_meta(buffer) is None
        with buffer.map(Gst.MapFlags.READ) as mapped:  # type: ignore[attr-defined]  # gi ships no types
            views = self.views(mapped.data, default=default)
            kept = {letter: view.copy() for letter, view in views.items()}
            del views
        return kept

    def colors(self) -> str:
        """The letters of the colour, in the order of PixelFormat's planes."""
        return {"rgb": "RGB", "yuv": "YUV", "gray": "Y"}[self.family]

    def rgb(self, components: dict[str, np.ndarray], fmt: PixelFormat) -> torch.Tensor:
        planes = [torch.from_numpy(components[c] >> self.components[c][3]) for c in self.colors()]
        return to_rgb(planes, fmt)

    def components_of(self, rgb: torch.Tensor, fmt: PixelFormat) -> dict[str, np.ndarray]:
        made = zip(self.colors(), from_rgb(rgb, fmt), strict=True)
        return {c: plane.numpy() << self.components[c][3] for c, plane in made}


@functools.cache
def core(weights: str) -> alanet.Alanet:
    """The network without the element."""
    return alanet.load(weights, device="cpu", precision="fp32")


def compare(harness: Make, weights: str, picture: Picture, fmt: PixelFormat) -> None:
    """Four frames through the element and through the core."""
    h = harness(model=weights).start(picture.caps)
    frames = [picture.random(k) for k in range(4)]
    for k, (buffer, _) in enumerate(frames):
        buffer.pts, buffer.duration = k * 40 * MS, 40 * MS  # type: ignore[attr-defined]  # gi ships no types
        assert h.push(buffer) == Gst.FlowReturn.OK
    out = [picture.read(buffer) for buffer in h.end()]
    stream = alanet.AlanetStream(
        alanet.load(weights, device="cpu", precision="fp32"), alanet.StreamConfig(scene_threshold=0)
    )
    pairs = [pair for _, kept in frames for pair in stream.push(picture.rgb(kept, fmt))] + stream.drain()
    assert len(out) == 8
    for pair, (_, kept) in zip(pairs, frames, strict=True):
        for half, rgb in enumerate((pair.sharp, pair.middle)):
            assert rgb is not None
            rest = {c: kept[c] for c in picture.components if c not in picture.colors()}
            expected = picture.components_of(rgb, fmt) | rest
            for letter, plane in out[2 * pair.n + half].items():
                assert np.array_equal(plane, expected[letter]), (pair.n, half, letter)


@pytest.fixture(scope="module", autouse=True)
def loaded(tiny: str) -> Iterator[None]:
    """The network stays loaded from test to test."""
    keeper = Gst.ElementFactory.make("alanet", None)
    for name, value in {"model": tiny, "device": "cpu", "precision": "fp32"}.items():
        keeper.set_property(name, value)
    assert keeper.set_state(Gst.State.READY) == Gst.StateChangeReturn.SUCCESS
    yield
    keeper.set_state(Gst.State.NULL)


@pytest.mark.parametrize(
    ("size", "padding"), [((64, 48), 0), ((37, 23), 52), ((1, 1), 0), ((33, 2), 52)], ids=["even", "odd", "1x1", "flat"]
)
@pytest.mark.parametrize("name", formats())
def test_a_format_gives_what_the_core_gives(
    harness: Make, tiny: str, name: str, size: tuple[int, int], padding: int
) -> None:
    said = {"rgb": "sRGB", "yuv": "bt709", "gray": "1:3:5:1"}[meaning(name)[0]]
    picture = Picture(name, *size, padding, f",colorimetry={said}")
    fmt = PixelFormat(
        family=picture.family, bits=picture.bits, subsampling=picture.subsampling,  # type: ignore[arg-type]
        full_range=picture.family != "yuv",
    )  # fmt: skip
    compare(harness, tiny, picture, fmt)


@pytest.mark.parametrize(
    ("colorimetry", "matrix", "full"),
    [("bt601", "bt601", False), ("bt709", "bt709", False), ("bt2020", "bt2020", False),
     ("smpte240m", "smpte240m", False), ("1:4:0:0", "bt601", True), ("1:3:5:1", "bt709", True),
     ("2:2:0:0", "fcc", False)],
)  # fmt: skip
def test_colorimetry_decides_matrix_and_range(
    harness: Make, tiny: str, colorimetry: str, matrix: str, full: bool
) -> None:
    picture = Picture("I420", 21, 13, 0, f",colorimetry={colorimetry}")
    fmt = PixelFormat(family="yuv", subsampling=(1, 1), matrix=matrix, full_range=full)  # type: ignore[arg-type]
    compare(harness, tiny, picture, fmt)


def test_rgb_of_limited_range_is_read_as_such(harness: Make, tiny: str) -> None:
    picture = Picture("RGB", 21, 13, 0, ",colorimetry=2:1:7:1")
    compare(harness, tiny, picture, PixelFormat(family="rgb", full_range=False))


@pytest.mark.parametrize(
    ("site", "where"), [("jpeg", "center"), ("mpeg2", "left"), ("cosited", "topleft"), ("v-cosited", "top")]
)
def test_chroma_site_decides_where_chroma_lies(harness: Make, tiny: str, site: str, where: str) -> None:
    picture = Picture("I420", 21, 13, 0, ",colorimetry=bt709")
    picture.caps = picture.caps.replace("chroma-site=mpeg2", f"chroma-site={site}")
    fmt = PixelFormat(family="yuv", subsampling=(1, 1), chroma_site=where)  # type: ignore[arg-type]
    compare(harness, tiny, picture, fmt)


@pytest.mark.parametrize("mode", ["interpolate", "joint"])
def test_padded_rows_are_copied_where_downstream_cannot_read_them(harness: Make, mode: str) -> None:
    picture = Picture("NV12", 37, 23, 52)
    h = harness(mode=mode).start(picture.caps)
    frames = [picture.random(k) for k in range(3)]
    for k, (buffer, _) in enumerate(frames):
        buffer.pts, buffer.duration = k * 40 * MS, 40 * MS  # type: ignore[attr-defined]  # gi ships no types
        h.push(buffer)
    out = h.end()
    assert [b.get_size() for b in out] == [picture.info.size] * 6
    for k in range(3):
        got = picture.read(out[2 * k])
        assert all(np.array_equal(got[c], frames[k][1][c]) for c in "YUV")


def test_padded_rows_are_shared_where_downstream_reads_them(alanet_bin: str) -> None:
    picture = Picture("RGB", 37, 23, 52)
    pipeline = Gst.parse_launch(
        f"appsrc name=a format=time caps={picture.caps.replace(',chroma-site=mpeg2', '')} "
        f"! {alanet_bin} mode=interpolate ! videoconvert ! video/x-raw,format=BGRx ! appsink name=s sync=false"
    )
    source, sink = pipeline.get_by_name("a"), pipeline.get_by_name("s")
    seen = []
    probe = lambda _pad, info: (seen.append(GstVideo.buffer_get_video_meta(info.get_buffer())), 1)[1]  # noqa: E731
    pipeline.get_by_name("n").get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, probe)
    pipeline.set_state(Gst.State.PLAYING)
    kept = []
    for k in range(2):
        buffer, components = picture.random(k)
        buffer.pts, buffer.duration = k * 40 * MS, 40 * MS  # type: ignore[attr-defined]  # gi ships no types
        kept.append(components)
        source.emit("push-buffer", buffer)
    source.emit("end-of-stream")
    got = [sink.emit("pull-sample").get_buffer() for _ in range(4)]
    pipeline.set_state(Gst.State.NULL)
    assert [meta is not None for meta in seen] == [True, False, True, True]
    with got[2].map(Gst.MapFlags.READ) as mapped:
        pixels = np.frombuffer(mapped.data, np.uint8).reshape(23, 37, 4)
        assert np.array_equal(pixels[..., 2], kept[1]["R"])
        assert np.array_equal(pixels[..., 0], kept[1]["B"])
        del pixels
