"""Whole files through `enhance`, with a network that changes nothing: times, pictures, sound and what hangs on them."""

import re
import struct
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from av.sidedata.sidedata import Type

import alanet_core as alanet
from alanet_core.media import EnhanceSettings, enhance_file
from alanet_core.media.door import open_files

VFR = [0, 20, 41, 60, 61, 200, 260]  # in 1/600 s: real files jump like this
ROTATED = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)


def midpoints(times, end):
    return [(a + b) / 2 for a, b in zip(times, [*times[1:], end], strict=True)]


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


# --- times ---


@pytest.mark.parametrize("name", ["out.mp4", "out.mov"])
@pytest.mark.parametrize("unit", [Fraction(1, 25), Fraction(1, 600), Fraction(1001, 30000), Fraction(1, 16000)])
def test_sharp_frames_keep_their_times_and_middles_lie_halfway(clip, enhanced, look, unit, name):
    times = {Fraction(1, 600): VFR, Fraction(1, 16000): [0, 1072, 2144]}.get(unit, [0, 1, 2, 3, 4, 5])
    rate = None if times == VFR else 1 / unit
    source = clip("in.mov", frames=len(times), unit=unit, times=times, rate=rate)
    before = look(source)
    after, report = enhanced(source, name)
    assert after.times[::2] == before.times
    assert after.times[1::2] == midpoints(before.times, before.times[-1] + before.length)
    assert report.frames_in == len(before.times)
    assert report.frames_out == len(after.times) == 2 * len(before.times)
    assert report.exact_times
    shown = before.times[-1] + before.length - before.times[0]
    assert abs(after.duration - shown) <= Fraction(1, 1000)  # FFmpeg 8 keeps milliseconds here


def test_a_first_frame_that_comes_late_or_early_stays_where_it_is(clip, enhanced, look):
    for times in ([50, 51, 52], [-3, -2, -1, 0]):
        source = clip(times=times, frames=len(times))
        before = look(source)
        after, _ = enhanced(source, overwrite=True)
        assert after.times[::2] == before.times


def test_matroska_rounds_to_its_milliseconds_and_says_so(clip, enhanced, look):
    source = clip(unit=Fraction(1001, 30000), rate=Fraction(30000, 1001))
    before = look(source)
    after, report = enhanced(source, "out.mkv")
    assert not report.exact_times
    assert any("mkv" in note or "matroska rounds times to 1/1000 s" in note for note in report.notes)
    for wanted, got in zip(before.times, after.times[::2], strict=True):
        assert abs(wanted - got) <= Fraction(1, 2000)
    for wanted, got in zip(midpoints(before.times, before.times[-1] + before.length), after.times[1::2], strict=True):
        assert abs(wanted - got) <= Fraction(1, 2000)


@pytest.mark.parametrize("codec", ["libx264", "libx265", "libvpx-vp9", "ffv1"])
def test_the_rate_is_doubled_and_an_unknown_one_stays_unknown(clip, enhanced, tmp_path, monkeypatch, codec):
    default_duration = b"\x23\xe3\x83"  # the element in which Matroska states a constant rate
    source = clip(size=(64, 64))
    after, _ = enhanced(source, "known.mkv", codec=codec)
    assert after.rate == 50
    assert default_duration in (tmp_path / "known.mkv").read_bytes()[:2000]
    monkeypatch.setattr("alanet_core.media.source.rate_of", lambda _: None)
    after, _ = enhanced(source, "unknown.mkv", codec=codec)
    assert len(after.times) == 12
    assert default_duration not in (tmp_path / "unknown.mkv").read_bytes()[:2000]


def test_an_encoder_that_needs_a_rate_is_refused_where_none_is_known(clip, enhanced, tmp_path, monkeypatch):
    monkeypatch.setenv("SVT_LOG", "0")
    monkeypatch.setattr("alanet_core.media.source.rate_of", lambda _: None)
    with pytest.raises(alanet.ConfigError, match="codec must be an encoder that takes this picture"):
        enhanced(clip(size=(64, 64)), "out.mkv", codec="libsvtav1")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_one_frame_becomes_two(clip, enhanced):
    source = clip(frames=1, times=[0])
    after, report = enhanced(source)
    assert after.times == [0, Fraction(1, 50)]
    assert (report.frames_in, report.frames_out, report.repeated) == (1, 2, 1)


def test_a_part_begins_at_zero_and_keeps_its_steps(clip, enhanced, look):
    source = clip(frames=20, times=[0, *range(3, 60, 3)], unit=Fraction(1, 75), audio=True)
    before = look(source)
    after, report = enhanced(source, start=Fraction(1, 5), duration=Fraction(2, 5))
    kept = [time for time in before.times if Fraction(1, 5) <= time < Fraction(3, 5)]
    assert after.times[::2] == [time - kept[0] for time in kept]
    assert after.times[-1] + after.length == Fraction(3, 5) - kept[0]
    assert report.frames_in == len(kept) == 10
    wanted = [data for time, data in before.packets["audio"] if kept[0] <= time < Fraction(3, 5)]
    assert [data for _, data in after.packets["audio"]] == wanted
    assert abs(after.packets["audio"][0][0]) < Fraction(1024, 48000)


def test_a_timecode_counts_at_the_new_rate(clip, tmp_path, identity):
    source = clip("in.mov")
    marked = tmp_path / "marked.mov"
    with av.open(str(source)) as old, av.open(str(marked), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        stream.metadata["timecode"] = "01:00:00:10"
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    enhance_file(marked, tmp_path / "out.mov", identity)
    with av.open(str(tmp_path / "out.mov")) as found:
        assert found.streams.video[0].metadata["timecode"] == "01:00:00:20"


# --- pictures ---


@pytest.mark.parametrize(
    "kind",
    [
        "yuv420p libx264 in.mp4", "yuvj420p libx264 in.mp4", "yuv444p libx264 in.mp4", "yuv420p10le libx265 in.mp4",
        "yuv422p12le libx265 in.mp4", "yuv420p16le ffv1 in.mkv", "gray ffv1 in.mkv", "gray10le ffv1 in.mkv",
        "bgr0 ffv1 in.mkv", "gbrp12le ffv1 in.mkv", "yuv411p ffv1 in.mkv", "yuv410p ffv1 in.mkv", "rgb24 png in.mov",
    ],
)  # fmt: skip
@pytest.mark.parametrize("mode", ["joint", "interpolate"])
def test_a_network_that_changes_nothing_gives_back_every_bit(clip, enhanced, look, kind, mode):
    pix_fmt, codec, name = kind.split()
    source = clip(name, pix_fmt=pix_fmt, codec=codec, frames=4)
    before = look(source)
    after, report = enhanced(source, "out.mkv", mode, lossless=True)
    assert report.codec == "ffv1"
    assert len(after.frames) == 2 * len(before.frames)
    packed = {"rgb24": "bgr0"}.get(pix_fmt, pix_fmt)
    assert after.pix_fmt.replace("yuvj", "yuv") == packed.replace("yuvj", "yuv")
    for old, new in zip(before.frames, after.frames[::2], strict=True):
        if pix_fmt == "rgb24":  # three bytes a pixel against four in another order
            rgb = old[0].reshape(old[0].shape[0], -1, 3)
            assert np.array_equal(rgb[..., ::-1], new[0].reshape(rgb.shape[0], -1, 4)[..., :3])
        elif pix_fmt == "bgr0":
            assert np.array_equal(old[0].reshape(-1, 4)[:, :3], new[0].reshape(-1, 4)[:, :3])
        else:
            assert same(old, new)


def test_a_middle_is_what_the_network_made(clip, enhanced, look):
    source = clip(pix_fmt="yuv444p")
    before = look(source)
    after, _ = enhanced(source, "out.mkv", lossless=True)
    for n in range(5):
        mean = (before.frames[n][0].astype(int) + before.frames[n + 1][0]) / 2
        assert np.abs(after.frames[2 * n + 1][0] - mean).max() <= 1
    assert same(after.frames[-1], after.frames[-2])


def test_painting_a_frame_does_not_touch_what_the_decoder_still_reads(clip, tmp_path, look):
    source = clip(frames=6, pix_fmt="yuv444p", options={"bf": "0", "g": "100"})  # each frame is coded from the last
    files = open_files(source, tmp_path / "out.mkv", EnhanceSettings(lossless=True))
    files.close()
    black = torch.zeros(3, 48, 64)
    with av.open(str(source)) as container:
        container.streams.video[0].thread_type = "NONE"
        for frame, planes in zip(container.decode(video=0), look(source).frames, strict=True):
            assert np.array_equal(bytes(frame.planes[0])[:64], planes[0][0].tobytes())
            assert files.pictures.painted(black, frame) is frame
            assert set(bytes(frame.planes[0])[:64]) == {16}


def test_the_decoders_key_frames_are_not_the_encoders(clip, enhanced, tmp_path):
    enhanced(clip(frames=12, options={"g": "1"}))
    with av.open(str(tmp_path / "out.mp4")) as found:
        assert [packet.is_keyframe for packet in found.demux(video=0) if packet.size].count(True) == 1


def test_deblur_keeps_times_and_number(clip, enhanced, look):
    source = clip(times=VFR, frames=len(VFR), unit=Fraction(1, 600))
    before = look(source)
    after, report = enhanced(source, mode="deblur")
    assert after.times == before.times
    assert report.frames_out == len(VFR)
    assert abs(after.duration - before.times[-1] - before.length) <= Fraction(
        1, 1000
    )  # FFmpeg 8 keeps milliseconds here


def test_cuts_are_found_and_the_middle_repeats(clip, enhanced):
    source = clip(scenes=True, pix_fmt="yuv444p", frames=4)  # every frame another picture
    after, report = enhanced(source, "out.mkv", lossless=True, scene_threshold=0.3)
    assert report.repeated == 4
    assert all(same(after.frames[2 * n], after.frames[2 * n + 1]) for n in range(4))


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("yuv420p libx264 48x64 .mp4", ("h264", "yuv420p")),
        ("yuvj420p libx264 48x64 .mov", ("h264", "yuvj420p")),
        ("yuv420p10le libx265 64x64 .mp4", ("hevc", "yuv420p10le")),
        ("yuv422p12le ffv1 64x64 .mkv", ("hevc", "yuv422p12le")),
        ("gray ffv1 48x64 .mp4", ("h264", "yuv420p")),  # 4:0:0, which FFmpeg decodes so
        ("bgr0 ffv1 48x64 .mp4", ("h264", "gbrp")),
        ("yuv420p libx264 48x64 .webm", ("vp9", "yuv420p")),
        ("yuv420p10le libx265 64x64 .webm", ("av1", "yuv420p10le")),
        ("yuv420p ffv1 47x63 .mp4", ("vp9", "yuv420p")),  # H.264 holds no odd sizes in 4:2:0
        ("yuv420p16le ffv1 64x64 .mp4", ("hevc", "yuv420p12le")),
    ],
)
def test_codec_and_depth_follow_the_input_and_the_container(clip, enhanced, kind, wanted):
    pix_fmt, codec, shape, suffix = kind.split()
    size = tuple(map(int, shape.split("x")))
    source = clip("in.mp4" if codec.startswith("lib") else "in.mkv", pix_fmt=pix_fmt, codec=codec, size=size, frames=2)
    after, report = enhanced(source, f"out{suffix}")
    assert (after.codec.removeprefix("lib").removesuffix("dav1d") or "av1", after.pix_fmt) == wanted
    about_pixels = [note for note in report.notes if "rounds times" not in note]
    assert bool(about_pixels) == (pix_fmt == "yuv420p16le")


def test_the_user_chooses_codec_and_pixels(clip, enhanced):
    source = clip("in.mp4", pix_fmt="yuv420p", frames=2)
    after, _ = enhanced(source, "out.mp4", codec="libx265", pix_fmt="yuv444p10le", crf=30, preset="ultrafast")
    assert (after.codec, after.pix_fmt) == ("hevc", "yuv444p10le")
    after, _ = enhanced(source, "packed.mkv", codec="libx264", pix_fmt="nv12")
    assert after.pix_fmt == "yuv420p"


def test_an_encoder_that_tells_of_no_pixel_formats_gets_the_inputs(clip, enhanced, look):
    source = clip("in.mkv", pix_fmt="yuv420p", codec="ffv1", size=(47, 63), frames=2)
    after, _ = enhanced(source, "out.mkv", codec="rawvideo")
    assert (after.codec, after.pix_fmt) == ("rawvideo", "yuv420p")
    assert all(same(old, new) for old, new in zip(look(source).frames, after.frames[::2], strict=True))


# --- what hangs on the pictures ---


def test_colours_rotation_and_shape_are_kept_in_ten_bits(clip, enhanced, look):
    tags = {"color_range": 1, "colorspace": 9, "color_trc": 18, "color_primaries": 9}
    tags["sample_aspect_ratio"] = Fraction(4, 3)
    site = {"chroma_sample_location": "topleft"}
    source = clip(pix_fmt="yuv420p10le", codec="libx265", video=tags, matrix=ROTATED, size=(64, 64), options=site)
    before = look(source)
    after, _ = enhanced(source)
    assert before.tags == after.tags
    assert after.tags in ((1, 9, 18, 9, 3), (1, 9, 18, 9, None))
    assert after.pix_fmt == "yuv420p10le"
    assert struct.unpack("=9i", after.matrix) == ROTATED
    assert after.aspect == before.aspect == Fraction(4, 3)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_a_mastering_display_is_kept(clip, enhanced, tmp_path, codec):
    display = "G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)L(10000000,1)"
    key = {"libx265": "x265-params", "libx264": "x264-params"}[codec]
    words = {"libx265": f"master-display={display}:max-cll=1000,400:lossless=1:log-level=none",
             "libx264": f"mastering-display={display}:cll=1000,400"}[codec]  # fmt: skip
    source = clip(pix_fmt="yuv420p10le", codec=codec, options={key: words}, size=(64, 64), frames=3)
    _, report = enhanced(source, codec=codec)
    assert report.notes == ()
    with av.open(str(tmp_path / "out.mp4")) as found:
        side = next(found.decode(video=0)).side_data
    numbers = struct.unpack("=20i2i", bytes(side[Type.MASTERING_DISPLAY_METADATA])[:88])
    assert Fraction(numbers[0], numbers[1]) == Fraction(35400, 50000)
    assert Fraction(numbers[18], numbers[19]) == 1000
    assert struct.unpack("=2I", bytes(side[Type.CONTENT_LIGHT_LEVEL])[:8]) == (1000, 400)


# --- the other streams ---


@pytest.mark.parametrize("first", [False, True])
def test_sound_is_copied_byte_for_byte_in_its_place(clip, enhanced, look, first):
    source = clip(audio=not first, audio_first=first, frames=30)
    before = look(source)
    after, _ = enhanced(source)
    assert after.packets["audio"] == before.packets["audio"]
    assert [kind for kind, _ in after.streams] == (["audio", "video"] if first else ["video", "audio"])
    assert abs(after.duration - before.duration) <= Fraction(1, 50)


def test_subtitles_chapters_attachments_and_words_are_kept(clip, enhanced, look):
    unit = Fraction(1, 1000)
    chapters = [
        {"id": 1, "start": 0, "end": 100, "time_base": unit, "metadata": {"title": "one"}},
        {"id": 2, "start": 100, "end": 240, "time_base": unit, "metadata": {"title": "two"}},
    ]
    words = {"title": "A clip", "comment": "made by a test"}
    source = clip("in.mkv", audio=True, subtitles=True, chapters=chapters, attachment=b"a font" * 20, metadata=words)
    before = look(source)
    after, report = enhanced(source, "out.mkv")
    assert report.dropped == ()
    assert after.packets["subtitle"] == before.packets["subtitle"]
    assert after.packets["audio"] == before.packets["audio"]
    assert after.streams == before.streams
    assert after.chapters == before.chapters
    assert [chapter["metadata"]["title"] for chapter in after.chapters] == ["one", "two"]
    found_words = {key.lower(): value for key, value in after.metadata.items()}  # Matroska writes keys in capitals
    assert {key: found_words.get(key) for key in words} == words
    with av.open(str(source.with_name("out.mkv"))) as found:
        assert found.streams.attachments[0].data == b"a font" * 20


@pytest.mark.parametrize("words", [{"title": "T", "comment": "C"}, {"title": "T", "firmware": "HD7.01"}])
def test_words_of_mp4_are_kept_in_whatever_box_holds_them(clip, enhanced, words):
    source = clip(metadata=words, container={"movflags": "use_metadata_tags"})
    after, _ = enhanced(source)
    assert {key: after.metadata.get(key) for key in words} == words


def test_streams_that_cannot_be_held_are_refused_or_left_out_in_words(clip, enhanced, tmp_path):
    source = clip(audio=True, frames=3)
    remedy = "choose .mp4 or .m4v or .mov or .mkv, or give --drop-unsupported to leave it out"
    words = f"OUT must be a file that can hold stream 1 (audio, aac), got 'webm'; {remedy}"
    with pytest.raises(alanet.ConfigError, match=re.escape(words)):
        enhanced(source, "out.webm")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4"]
    after, report = enhanced(source, "out.webm", drop_unsupported=True)
    assert report.dropped == ("stream 1 (audio, aac)",)
    assert [kind for kind, _ in after.streams] == ["video"]


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
def test_a_cover_picture_is_copied_and_not_taken_for_the_video(clip, tmp_path, identity, name):
    art = clip("art.mov", codec="png", pix_fmt="rgb24", frames=1, size=(300, 400))  # larger than the video itself
    source = tmp_path / "in.mp4"
    with av.open(str(clip("plain.mp4"))) as plain, av.open(str(art)) as picture, av.open(str(source), "w") as output:
        cover = output.add_stream_from_template(picture.streams.video[0], opaque=True)
        cover.disposition = av.stream.Disposition.attached_pic
        stream = output.add_stream_from_template(plain.streams.video[0], opaque=True)
        for old, new in ((picture, cover), (plain, stream)):
            for packet in old.demux(video=0):
                if packet.size:
                    packet.stream = new
                    output.mux(packet)
    with av.open(str(art)) as found:
        data = bytes(next(found.demux(video=0)))
    report = enhance_file(source, tmp_path / name, identity)
    assert (report.width, report.frames_in) == (64, 6)
    with av.open(str(tmp_path / name)) as found:
        covers = [s for s in found.streams.video if s.disposition & av.stream.Disposition.attached_pic]
        assert len(covers) == 1
        assert data in [bytes(packet) for packet in found.demux(covers[0])]


def test_the_report_counts_and_the_progress_is_told(clip, tmp_path, identity):
    told = []
    report = enhance_file(clip(frames=7), tmp_path / "out.mp4", identity, progress=lambda *about: told.append(about))
    assert [done for done, _ in told] == list(range(1, 8))
    assert {expected for _, expected in told} == {7}
    assert (report.model, report.device, report.precision, report.window) == ("identity", "cpu", "float32", 3)
    assert report.to_dict()["frames_out"] == 14
    assert report.damage is None
