"""FFmpeg's pixel formats as planes: nothing copied wrongly, nothing lost, at widths whose lines are padded."""

import av
import numpy as np
import pytest
import torch
from av.video.format import VideoFormat

from alanet_core.color import PixelFormat
from alanet_core.media.formats import ColorTags, describe, frame_of, has_alpha, planar_name, planes_of, to_planar

NATIVE = [
    "yuv420p",
    "yuvj420p",
    "yuv422p10le",
    "yuv444p12le",
    "yuv440p",
    "yuv411p",
    "yuv410p",
    "gray",
    "gray10le",
    "gbrp",
    "gbrp16le",
    "yuva420p",
    "gbrpf32le",
    "grayf32le",
]
SIZES = [(16, 32), (13, 31), (1, 1), (3, 129)]


def random_frame(name, size, seed=0):
    height, width = size
    frame = av.VideoFrame(width, height, name)
    rng = np.random.default_rng(seed)
    form = VideoFormat(name, width, height)
    bits = max(part.bits for part in form.components)
    for plane in frame.planes:
        count = plane.buffer_size
        if bits == 32:
            data = rng.random(count // 4, dtype=np.float32).tobytes()
        elif bits > 8:
            shift = 16 - bits if name.startswith("p0") else 0
            data = (rng.integers(0, 1 << bits, count // 2, dtype=np.uint16) << shift).astype("<u2").tobytes()
        else:
            data = rng.integers(0, 256, count, dtype=np.uint8).tobytes()
        plane.update(data)
    return frame


def by_hand(frame, number, kind):
    plane = frame.planes[number]
    rows = np.frombuffer(bytes(plane), kind).reshape(plane.height, plane.line_size // np.dtype(kind).itemsize)
    return rows[:, : plane.width]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NATIVE)
def test_planes_are_views_without_the_padding_of_their_lines(name, size):
    frame = random_frame(name, size)
    fmt = describe(name, ColorTags(), *size)
    order = (2, 0, 1) if fmt.family == "rgb" else range(fmt.planes)
    kind = {8: "u1", 32: "<f4"}.get(fmt.bits, "<u2")
    for plane, number in zip(planes_of(frame, fmt), order, strict=True):
        assert np.array_equal(plane.numpy(), by_hand(frame, number, kind))
        assert plane.data_ptr() == frame.planes[number].buffer_ptr


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["yuv420p", "yuv422p10le", "gbrp", "gray"])
def test_a_frame_made_of_planes_holds_them(name, size):
    frame = random_frame(name, size)
    fmt = describe(name, ColorTags(), *size)
    planes = planes_of(frame, fmt)
    again = frame_of(planes, name, fmt)
    assert (again.width, again.height, again.format.name) == (size[1], size[0], name)
    assert all(torch.equal(a, b) for a, b in zip(planes, planes_of(again, fmt), strict=True))


def test_r_g_and_b_come_in_this_order():
    frame = av.VideoFrame(2, 1, "rgb24")
    frame.planes[0].update(bytes([10, 20, 30, 40, 50, 60]).ljust(frame.planes[0].buffer_size, b"\0"))
    fmt = describe("gbrp", ColorTags(), 1, 2)
    assert [plane.tolist() for plane in planes_of(to_planar(frame, "gbrp"), fmt)] == [
        [[10, 40]],
        [[20, 50]],
        [[30, 60]],
    ]


@pytest.mark.parametrize(
    ("packed", "planar"),
    [("nv12", "yuv420p"), ("nv16", "yuv422p"), ("nv24", "yuv444p"), ("yuyv422", "yuv422p"), ("uyvy422", "yuv422p"),
     ("rgb24", "gbrp"), ("bgra", "gbrp"), ("rgb48le", "gbrp16le"), ("gray10be", "gray10le"), ("monow", "gray"),
     ("pal8", "gbrp"), ("p010le", "yuv420p10le"), ("yuv420p10be", "yuv420p10le"), ("ya8", "gray"), ("rgb565le", "gbrp"),
     ("rgbf32le", "gbrpf32le"), ("y210le", "yuv422p10le"), ("yuv420p", "yuv420p"), ("yuva444p", "yuva444p")],
)  # fmt: skip
def test_every_format_has_a_planar_one_as_deep(packed, planar):
    assert planar_name(packed) == planar
    assert describe(planar, ColorTags(), 16, 16) is not None
    if packed != planar:
        assert describe(packed, ColorTags(), 16, 16) is None


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("packed", ["nv12", "nv16", "yuyv422", "rgb24", "bgra", "rgb48le", "p010le", "ya8"])
def test_repacking_loses_nothing_whatever_the_range(packed, full):
    frame = random_frame(packed, (14, 30))
    frame.color_range = 2 if full else 1
    there = to_planar(frame, planar_name(packed))
    back = there.reformat(format=packed, src_color_range=1, dst_color_range=1)
    once_more = to_planar(back, planar_name(packed))
    fmt = describe(planar_name(packed), ColorTags(), 14, 30)
    assert all(torch.equal(a, b) for a, b in zip(planes_of(there, fmt), planes_of(once_more, fmt), strict=True))
    if packed == "nv12":
        assert np.array_equal(planes_of(there, fmt)[0].numpy(), by_hand(frame, 0, "u1"))


def test_a_palette_is_looked_up():
    frame = av.VideoFrame(4, 1, "pal8")
    frame.planes[0].update(bytes([0, 1, 2, 1]).ljust(frame.planes[0].buffer_size, b"\0"))
    entries = b"".join(bytes([blue, green, red, 255]) for red, green, blue in ((255, 0, 0), (0, 200, 0), (1, 2, 3)))
    frame.planes[1].update(entries.ljust(1024, b"\0"))
    fmt = describe("gbrp", ColorTags(), 1, 4)
    red, green, blue = (plane.tolist()[0] for plane in planes_of(to_planar(frame, "gbrp"), fmt))
    assert (red, green, blue) == ([255, 0, 1, 0], [0, 200, 2, 200], [0, 0, 3, 0])


def test_a_format_is_read_with_its_tags():
    tags = ColorTags(range=1, space=9, transfer=18, primaries=9, site=3)
    assert describe("yuv420p10le", tags, 1080, 1920) == PixelFormat(
        family="yuv", bits=10, subsampling=(1, 1), matrix="bt2020", full_range=False, chroma_site="topleft"
    )


@pytest.mark.parametrize(
    ("name", "height", "matrix", "full", "site"),
    [("yuv420p", 480, "bt601", False, "left"), ("yuv420p", 720, "bt709", False, "left"),
     ("yuvj420p", 480, "bt601", True, "center"), ("gray", 480, "bt601", True, "left"),
     ("gbrp", 480, "bt601", True, "left")],
)  # fmt: skip
def test_what_a_file_leaves_open_is_read_as_players_do(name, height, matrix, full, site):
    fmt = describe(name, ColorTags(), height, height * 4 // 3)
    assert (fmt.matrix, fmt.full_range, fmt.chroma_site) == (matrix, full, site)


def test_transparency_is_seen():
    assert has_alpha("yuva420p")
    assert has_alpha("rgba")
    assert not has_alpha("rgb24")
    assert not has_alpha("bgr0")
