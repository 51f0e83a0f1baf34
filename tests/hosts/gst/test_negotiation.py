"""Caps: rates doubled one way and halved the other, everything else as it is, and refusals."""

import re
from collections.abc import Callable
from fractions import Fraction

import pytest
from gi.repository import GLib, Gst, GstVideo
from gstharness import CAPS, MS, Harness, frame, kinds, run, settle, times, wait

Make = Callable[..., Harness]
RATE = re.compile(r"(?<!max-)framerate=\(fraction\)([0-9/]+)")


def negotiate(alanet: str, up: str, down: str) -> tuple[str, str]:
    """What the element's two sides agree on between a source that can do `up` and a sink that can do `down`."""
    pipeline = Gst.parse_launch(
        f"videotestsrc num-buffers=3 ! capsfilter caps={up} ! {alanet} ! capsfilter caps={down} ! fakesink"
    )
    try:
        pipeline.set_state(Gst.State.PLAYING)
        wait(pipeline)
        element = pipeline.get_by_name("n")
        sink, src = (element.get_static_pad(name).get_current_caps().to_string() for name in ("sink", "src"))
        return sink, src
    finally:
        pipeline.set_state(Gst.State.NULL)


@pytest.mark.parametrize(
    ("up", "down", "a", "b"),
    [
        ("video/x-raw,framerate=30/1", "video/x-raw", "30/1", "60/1"),
        ("video/x-raw", "video/x-raw,framerate=60/1", "30/1", "60/1"),
        ("video/x-raw", "video/x-raw,framerate=25/1", "25/2", "25/1"),
        ("video/x-raw,framerate=30000/1001", "video/x-raw", "30000/1001", "60000/1001"),
        ("video/x-raw,framerate=24000/1001", "video/x-raw,framerate=48000/1001", "24000/1001", "48000/1001"),
        ("video/x-raw,framerate=1/3600", "video/x-raw", "1/3600", "1/1800"),
        ("video/x-raw", "video/x-raw,framerate=[48/1,52/1]", "2[45]/1|26/1", None),
        ("video/x-raw,framerate=[10/1,20/1]", "video/x-raw,framerate=[38/1,100/1]", "20/1|19/1", None),
        ("video/x-raw", "video/x-raw,framerate={50/1,100/1},format=NV12", "25/1|50/1", None),
        ("video/x-raw,format=GRAY8,framerate=0/1", "video/x-raw", "0/1", "0/1"),
    ],
)
def test_both_sides_agree_on_rates_in_the_ratio_two(alanet_bin: str, up: str, down: str, a: str, b: str | None) -> None:
    sink, src = negotiate(alanet_bin, up, down)
    rates = [RATE.search(side)[1] for side in (sink, src)]  # type: ignore[index]  # caps of video have one
    assert re.fullmatch(a, rates[0]), sink
    assert b in (None, rates[1])
    assert Fraction(rates[1]) == 2 * Fraction(rates[0])


def test_deblur_keeps_the_rate(alanet_bin: str) -> None:
    sink, src = negotiate(f"{alanet_bin} mode=deblur", "video/x-raw,framerate=30/1", "video/x-raw")
    assert sink == src
    assert "framerate=(fraction)30/1" in src


def test_rates_that_contradict_each_other_fail_when_linking(alanet_bin: str) -> None:
    with pytest.raises(GLib.Error, match="could not link"):
        negotiate(alanet_bin, "video/x-raw,framerate=30/1", "video/x-raw,framerate=50/1")


@pytest.mark.parametrize(
    "field",
    [
        "colorimetry=(string)bt709", "colorimetry=(string)1:4:7:1", "chroma-site=(string)cosited",
        "chroma-site=(string)jpeg", "pixel-aspect-ratio=(fraction)4/3", "multiview-mode=(string)mono",
        "interlace-mode=(string)progressive", "a-field-of-tomorrow=(int)7",
    ],
)  # fmt: skip
def test_what_caps_say_beside_the_rate_goes_through(harness: Make, field: str) -> None:
    h = harness().start(f"video/x-raw,format=I420,width=16,height=16,framerate=30/1,{field}")
    h.feed(range(2), size=384)
    assert len(h.end()) == 4
    src = h.element.get_static_pad("src").get_current_caps().to_string()
    assert field in src
    assert "framerate=(fraction)60/1" in src


def test_max_framerate_is_doubled_where_the_rate_varies(harness: Make) -> None:
    h = harness().start(CAPS.replace("25/1", "0/1,max-framerate=30/1"))
    h.feed(range(3))
    caps = h.element.get_static_pad("src").get_current_caps().to_string()
    assert "framerate=(fraction)0/1" in caps
    assert "max-framerate=(fraction)60/1" in caps
    assert times(h.end()) == [0, 20, 40, 60, 80, 100]


def test_caps_features_beside_the_pixels_go_through(harness: Make) -> None:
    feature = "video/x-raw(meta:GstVideoOverlayComposition)"
    h = harness().start(CAPS.replace("video/x-raw", feature))
    h.feed(range(2))
    assert len(h.end()) == 4
    assert h.element.get_static_pad("src").get_current_caps().to_string().startswith(feature)


@pytest.mark.parametrize("pad", ["sink", "src"])
def test_a_caps_query_answers_within_its_filter(harness: Make, pad: str) -> None:
    h = harness()
    h.play()
    asked = Gst.Caps.from_string("video/x-raw,format=RGB,framerate=30/1; video/x-raw,format=NOTTHERE; audio/x-raw")
    got = h.element.get_static_pad(pad).query_caps(asked)
    assert got.get_size() == 1
    text = got.to_string()
    assert "format=(string)RGB" in text
    assert "framerate=(fraction)30/1" in text
    assert "interlace-mode=(string)progressive" in text


def test_any_rate_stays_any_rate_in_a_query(harness: Make) -> None:
    h = harness()
    h.play()
    for pad in ("sink", "src"):
        assert "framerate=(fraction)[ 0/1, 2147483647/1 ]" in h.element.get_static_pad(pad).query_caps(None).to_string()


def test_interlaced_video_is_not_offered_and_refused_in_words(harness: Make) -> None:
    h = harness()
    h.play()
    interlaced = CAPS + ",interlace-mode=interleaved"
    assert h.element.get_static_pad("sink").query_caps(Gst.Caps.from_string(interlaced)).is_empty()
    h.set_src_caps_str(interlaced)
    error = h.error()
    assert error.matches(Gst.CoreError.quark(), Gst.CoreError.NEGOTIATION)
    assert "interlace-mode must be progressive, got 'interleaved'; put deinterlace before alanet" in error.message


@pytest.mark.parametrize("wrong", ["video/x-raw,format=RGB16", "video/x-raw,format=GRAY16_BE", "audio/x-raw",
                                   "video/x-raw(memory:DMABuf),format=RGB"])  # fmt: skip
def test_what_cannot_be_read_is_not_accepted(harness: Make, wrong: str) -> None:
    h = harness()
    h.play()
    caps = Gst.Caps.from_string(f"{wrong},width=8,height=8,framerate=30/1")
    assert not h.element.get_static_pad("sink").query_accept_caps(caps)
    assert h.element.get_static_pad("sink").query_accept_caps(Gst.Caps.from_string(CAPS))


def test_new_caps_drain_what_came_before_and_nothing_is_mixed(harness: Make) -> None:
    h = harness(5).start()
    h.feed(range(4))
    h.set_src_caps_str(CAPS.replace("width=32", "width=16"))
    h.feed(range(4, 8), size=128)
    out = h.end()
    assert [b.get_size() for b in out] == [256] * 8 + [128] * 8
    assert times(out) == [20.0 * i for i in range(16)]
    assert kinds(h.events()).count("caps") == 2


def test_the_same_caps_and_segment_once_more_disturb_nothing(harness: Make) -> None:
    h = harness().start()
    h.feed(range(3))
    h.set_src_caps_str(CAPS)
    h.feed(range(3, 6))
    out = h.end()
    assert [b.extract_dup(0, 1)[0] for b in out] == [*range(0, 51, 5), 50]
    assert kinds(h.events()).count("caps") == 1


def test_a_change_of_rate_alone_changes_the_times(harness: Make) -> None:
    h = harness().start()
    h.feed(range(2))
    h.set_src_caps_str(CAPS.replace("25/1", "50/1"))
    for k in range(4, 8):
        h.push(frame(k, step=20 * MS))
    out = h.end()
    assert times(out) == [0, 20, 40, 60, 80, 90, 100, 110, 120, 130, 140, 150]
    assert [b.duration // MS for b in out] == [20] * 4 + [10] * 8


def test_upstream_is_told_of_padded_rows_and_of_the_buffers_that_are_held(harness: Make) -> None:
    h = harness(9).start()
    query = Gst.Query.new_allocation(Gst.Caps.from_string(CAPS), True)
    assert h.element.get_static_pad("sink").query(query)
    assert query.find_allocation_meta(GstVideo.video_meta_api_get_type())[0]
    _, size, least, most = query.parse_nth_allocation_pool(0)
    assert (size, least, most) == (256, 6, 0)


def test_a_changed_downstream_is_asked_anew_what_it_does_with_memory(harness: Make) -> None:
    h = harness().start()
    asked: list[object] = []

    def seen(_pad: object, info: object) -> object:
        if info.get_query().type == Gst.QueryType.ALLOCATION:  # type: ignore[attr-defined]  # gi ships no types
            asked.append(info)
        return Gst.PadProbeReturn.OK

    h.element.get_static_pad("src").add_probe(Gst.PadProbeType.QUERY_DOWNSTREAM | Gst.PadProbeType.PUSH, seen)
    h.feed(range(2))
    before = len(asked)
    h.push_upstream_event(Gst.Event.new_reconfigure())
    h.feed(range(2, 4))
    assert len(asked) > before


def test_the_element_downstream_may_be_another_one_in_mid_stream(alanet_bin: str) -> None:
    pipeline = Gst.parse_launch(
        f"videotestsrc num-buffers=400 ! video/x-raw,format=RGB,width=16,height=16,framerate=30/1 ! {alanet_bin} "
        "! identity name=old ! fakesink name=out"
    )
    old, out, alanet = (pipeline.get_by_name(name) for name in ("old", "out", "n"))
    new = Gst.ElementFactory.make("videoconvert", None)

    def swap(pad: object, _info: object) -> object:
        alanet.unlink(old)
        old.unlink(out)
        pipeline.add(new)
        new.sync_state_with_parent()
        assert alanet.link(new)
        assert new.link(out)
        return Gst.PadProbeReturn.REMOVE

    pipeline.set_state(Gst.State.PAUSED)
    settle(pipeline)
    alanet.get_static_pad("src").add_probe(Gst.PadProbeType.BLOCK_DOWNSTREAM, swap)
    try:
        pipeline.set_state(Gst.State.PLAYING)
        wait(pipeline)
        assert new.get_static_pad("src").get_current_caps().to_string().count("60/1")
    finally:
        pipeline.set_state(Gst.State.NULL)
        old.set_state(Gst.State.NULL)


def test_upstream_of_an_unlinked_pad_hears_of_it() -> None:
    with pytest.raises(AssertionError, match="not-linked"):
        run("videotestsrc num-buffers=3 ! alanet name=n model=default")
