"""Mastering display and light level, read from FFmpeg's own structures and written for each encoder."""

import struct
from fractions import Fraction
from types import SimpleNamespace

import pytest

from alanet_core.media.sidedata import StreamExtras

# BT.2020 primaries, D65, 0.0001..1000 cd/m2, as FFmpeg stores them: ten rationals, two flags.
RATIONALS = [(35400, 50000), (14600, 50000), (8500, 50000), (39850, 50000), (6550, 50000), (2300, 50000),
             (15635, 50000), (16450, 50000), (1, 10000), (10000000, 10000)]  # fmt: skip
MASTERING = struct.pack("=20i2i", *[part for pair in RATIONALS for part in pair], 1, 1)
LIGHT = struct.pack("=2I", 1000, 400)
FRAME = SimpleNamespace(side_data={})


def extras(**side):
    stream = SimpleNamespace(codec_context=SimpleNamespace(coded_side_data=side))
    return StreamExtras.of(stream, FRAME)


def test_a_mastering_display_is_read():
    display = extras(mastering_display_metadata=MASTERING).mastering
    assert display.primaries[0] == (Fraction(354, 500), Fraction(146, 500))
    assert display.white == (Fraction(15635, 50000), Fraction(16450, 50000))
    assert (display.darkest, display.brightest) == (Fraction(1, 10000), 1000)


INTEGERS = "G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)L(10000000,1)"
DECIMALS = "G(0.17000,0.79700)B(0.13100,0.04600)R(0.70800,0.29200)WP(0.31270,0.32900)L(1000.0000,0.0001)"


@pytest.mark.parametrize(
    ("codec", "key", "words"),
    [
        ("libx265", "x265-params", f"master-display={INTEGERS}:max-cll=1000,400"),
        ("libx264", "x264-params", f"mastering-display={INTEGERS}:cll=1000,400"),
        ("libsvtav1", "svtav1-params", f"mastering-display={DECIMALS}:content-light=1000,400"),
    ],
)
def test_each_encoder_is_told_in_its_own_words(codec, key, words):
    found = extras(mastering_display_metadata=MASTERING, content_light_level=LIGHT)
    assert found.encoder_options(codec) == {key: words}
    assert found.kept_by(codec)


def test_an_encoder_that_cannot_be_told_does_not_keep_it():
    found = extras(mastering_display_metadata=MASTERING)
    assert found.encoder_options("libvpx-vp9") == {}
    assert not found.kept_by("libvpx-vp9")
    assert extras().kept_by("libvpx-vp9")


def test_a_display_without_figures_is_no_display():
    empty = struct.pack("=20i2i", *[0, 1] * 10, 0, 0)
    assert extras(mastering_display_metadata=empty).mastering is None


def test_rotation_is_read_and_what_is_lost_is_named():
    matrix = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    found = extras(display_matrix=struct.pack("=9i", *matrix), dovi_conf=b"x", spherical=b"x")
    assert found.matrix == matrix
    assert found.lost == ("Dolby Vision", "spherical projection")
