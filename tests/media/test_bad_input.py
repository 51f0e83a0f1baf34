"""Bad input to `alanet enhance`: each with its one line, its exit code, and proof that nothing was written or lost."""

import os
import pickle
import resource
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import pytest
import torch

import alanet_core as alanet
from alanet_core.cli.main import main


@pytest.fixture(scope="session")
def weights(tmp_path_factory, identity):
    """A network that changes nothing, as a file that --model takes."""
    path = tmp_path_factory.mktemp("weights") / "identity.safetensors"
    alanet.save(path, identity)
    return str(path)


@pytest.fixture
def refused(tmp_path, capsys):
    """refused(argv) -> the one line; the command must leave with `code`, and the folder must be as it was."""

    def run(*argv, code=2, folder=tmp_path):
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        assert main(["enhance", *map(str, argv)]) == code
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("alanet: ")
        assert err.count("\n") == 1
        assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
        return err.strip()

    return run


# --- what is no video ---


def test_no_such_file(refused, tmp_path):
    line = refused(tmp_path / "none.mp4", tmp_path / "out.mp4")
    assert line == f"alanet: IN must be an existing file, got '{tmp_path}/none.mp4 (not there)'; check the path"


def test_a_folder(refused, tmp_path):
    assert "IN must be an existing file" in refused(tmp_path, tmp_path / "out.mp4")


@pytest.mark.parametrize("name", ["notes.txt", "notes.mp4"])
def test_a_text_file(refused, tmp_path, name):
    (tmp_path / name).write_text("Dear diary, today nothing moved.\n" * 40)
    assert "IN must be a video" in refused(tmp_path / name, tmp_path / "out.mp4")


def test_an_empty_file(refused, tmp_path):
    (tmp_path / "in.mp4").touch()
    assert "IN must be a video that FFmpeg can read" in refused(tmp_path / "in.mp4", tmp_path / "out.mp4")


def sound(output, stream):
    frame = av.AudioFrame(format="s16", layout="stereo", samples=4800)
    frame.sample_rate, frame.pts = 48000, 0
    frame.planes[0].update(bytes(frame.planes[0].buffer_size))
    for packet in [*stream.encode(frame), *stream.encode(None)]:
        output.mux(packet)


def test_sound_without_a_picture(refused, tmp_path):
    with av.open(str(tmp_path / "song.mkv"), "w") as output:
        sound(output, output.add_stream("pcm_s16le", rate=48000))
    line = refused(tmp_path / "song.mkv", tmp_path / "out.mp4")
    assert "IN must be a file with a video stream, got" in line
    assert "(audio)" in line


def test_a_video_of_no_frames(refused, tmp_path):
    with av.open(str(tmp_path / "empty.mkv"), "w") as output:
        stream = output.add_stream("ffv1", rate=25)
        stream.width = stream.height = 64
        sound(output, output.add_stream("pcm_s16le", rate=48000))
    assert "IN must be a video with at least one frame" in refused(tmp_path / "empty.mkv", tmp_path / "out.mp4")


def test_a_video_of_one_frame_works(clip, tmp_path, weights, look):
    assert main(["enhance", str(clip(frames=1)), str(tmp_path / "out.mp4"), "--model", weights]) == 0
    assert len(look(tmp_path / "out.mp4").frames) == 2


def test_a_part_beyond_the_end(refused, clip, tmp_path, weights):
    line = refused(clip(), tmp_path / "out.mp4", "--start", "99", "--model", weights)
    assert "at least one frame after --start" in line


# --- what is only partly a video: delivered, and said ---


@pytest.fixture
def delivered(tmp_path, weights, capsys):
    """delivered(source) -> the one line of warning; the command must leave with 3 and nothing but OUT."""

    def run(source, *before):
        assert main(["enhance", str(source), str(tmp_path / "out.mp4"), "--model", weights]) == 3
        *others, err = capsys.readouterr().err.splitlines()
        assert others == [f"alanet: {line}" for line in before]
        assert err.startswith("alanet: warning: IN is damaged (")
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, "out.mp4"])
        return err

    return run


@pytest.mark.parametrize("name", ["in.mp4", "in.mkv"])
def test_a_file_cut_off_in_the_middle_is_delivered_as_far_as_it_goes(clip, tmp_path, delivered, look, name):
    fast = {"movflags": "faststart"} if name == "in.mp4" else {}
    source = clip(name, frames=50, scenes=True, container=fast, options={"g": "5"})
    whole = look(source)
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    err = delivered(source)
    assert "it ends at" in err
    assert "of 2.00 s" in err
    after = look(tmp_path / "out.mp4")
    assert 20 < len(after.times) < 80
    assert after.times[::2] == whole.times[: len(after.times) // 2]


def test_a_time_code_that_lasts_for_the_whole_file_hides_no_cut(clip, tmp_path, delivered):
    fast = {"movflags": "faststart"}
    source = clip("in.mov", frames=50, scenes=True, container=fast, metadata={"timecode": "01:00:00:00"}, audio=True)
    with av.open(str(source)) as found:
        assert [stream.type for stream in found.streams] == ["video", "audio", "data"]
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    assert "it ends at" in delivered(source, "warning: left out: stream 2 (data, of an unknown kind)")


def test_bytes_broken_in_the_middle_cost_only_what_they_held(clip, tmp_path, delivered, look):
    source = clip("in.mkv", frames=30, scenes=True, options={"g": "1"})
    data = bytearray(source.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 9000] = bytes(9000)
    source.write_bytes(data)
    err = delivered(source)
    assert "damaged frames" in err or "could not be decoded" in err
    assert 2 * 20 <= len(look(tmp_path / "out.mp4").times) <= 2 * 30


def test_a_packet_that_cannot_be_decoded_is_counted(clip, tmp_path, delivered, look):
    source = clip("in.mov", codec="png", pix_fmt="rgb24", frames=9)
    with av.open(str(source)) as whole:
        packet = [packet for packet in whole.demux(video=0) if packet.size][4]
        start, size = packet.pos, packet.size
    data = bytearray(source.read_bytes())
    data[start : start + size] = bytes(size)
    source.write_bytes(data)
    assert "packets that could not be decoded: 1)" in delivered(source)
    times = look(tmp_path / "out.mp4").times
    assert times[::2] == [Fraction(n, 25) for n in range(9) if n != 4]


def test_a_picture_that_changes_its_size_is_delivered_up_to_there(tmp_path, delivered, look):
    source = tmp_path / "in.h264"  # raw H.264 may simply be joined, and what follows may have another size
    with source.open("wb") as raw:
        for width, height in ((64, 48), (48, 64)):
            context = av.CodecContext.create("libx264", "w")
            context.width, context.height, context.pix_fmt = width, height, "yuv420p"
            context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
            for number in range(6):
                frame = av.VideoFrame(width, height, "yuv420p")
                frame.pts = number
                for plane in frame.planes:
                    plane.update(bytes([40 * number]) * plane.buffer_size)
                raw.writelines(map(bytes, context.encode(frame)))
            raw.writelines(map(bytes, context.encode(None)))
    err = delivered(source)
    assert "the picture changes from 64x48 yuv420p to 48x64 yuv420p after 6 frames" in err
    assert len(look(tmp_path / "out.mp4").times) == 12


# --- where it cannot be written ---


def test_out_equal_to_in(refused, clip, tmp_path):
    source = clip()
    (tmp_path / "link.mp4").symlink_to(source)
    for target in (source, tmp_path / "link.mp4", tmp_path / "." / "in.mp4"):
        assert "OUT must be another file than IN" in refused(source, target, "--overwrite")


def test_out_that_exists_is_kept_unless_told(refused, clip, tmp_path, weights):
    source = clip()
    target = tmp_path / "out.mp4"
    target.write_text("precious")
    assert "OUT must be a new file" in refused(source, target, "--model", weights)
    assert target.read_text() == "precious"
    assert main(["enhance", str(source), str(target), "--model", weights, "--overwrite"]) == 0
    assert target.stat().st_size > 100


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("nowhere/out.mp4", "OUT must be in an existing folder"),
        ("out.xyz", "OUT must be a name that ends in .mp4, .m4v, .mov, .mkv, .webm, got '.xyz'"),
        ("out", "OUT must be a name that ends in"),
        ("folder.mp4", "OUT must be a file, got"),
    ],
)
def test_an_impossible_out(refused, clip, tmp_path, target, words):
    (tmp_path / "folder.mp4").mkdir()
    assert words in refused(clip(), tmp_path / target)


def mounted(folder, *options):
    """Mount a small file system there; False where this machine does not let us."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_a_folder_that_cannot_be_written(clip, tmp_path, capsys):
    folder = tmp_path / "closed"
    is_mount = os.geteuid() == 0 and mounted(folder, "ro", "size=1m")
    if not is_mount:
        folder.mkdir(exist_ok=True)
        folder.chmod(0o500)
        if os.access(folder, os.W_OK):
            pytest.skip("this user may write anywhere, and may not mount")
    try:
        assert main(["enhance", str(clip()), str(folder / "out.mp4")]) == 2
        assert "OUT must be in a folder that can be written" in capsys.readouterr().err
        assert list(folder.iterdir()) == []
    finally:
        if is_mount:
            subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(clip, tmp_path, capsys, weights):
    folder = tmp_path / "small"
    if os.geteuid() != 0 or not mounted(folder, "size=128k"):
        pytest.skip("only root may mount a small disk here; the file size limit below stands in for it")
    try:
        source = clip(frames=40, scenes=True, size=(96, 128))
        assert main(["enhance", str(source), str(folder / "out.mp4"), "--model", weights, "--crf", "0"]) == 1
        err = capsys.readouterr().err
        why = f"got '{folder}/out.mp4 (No space left on device)'"
        assert err == f"alanet: OUT must be written whole, {why}; free some space or choose another disk\n"
        assert list(folder.iterdir()) == []
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_file_that_may_not_grow(clip, tmp_path, weights):
    source = clip(frames=40, scenes=True, size=(96, 128))
    done = subprocess.run(
        [sys.executable, "-m", "alanet_core.cli.main", "enhance", source, tmp_path / "out.mp4", "--model", weights,
         "--crf", "0"],
        capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (64_000, 64_000)),
    )  # fmt: skip
    assert done.returncode == 1
    assert "OUT must be written whole" in done.stderr
    assert "File too large" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4"]


# --- with a network that is not there ---


def test_an_unknown_model(refused, clip, tmp_path):
    said = refused(clip(), tmp_path / "out.mp4", "--model", "turbo")
    assert "model must be one of default, fine, fast, paper" in said


def test_an_untrained_model(refused, clip, tmp_path):
    assert "--allow-untrained" in refused(clip(), tmp_path / "out.mp4", "--model", "paper")


def test_weights_with_one_byte_changed(refused, clip, tmp_path, weights):
    data = bytearray(Path(weights).read_bytes())
    data[-5] ^= 1
    (tmp_path / "bad.safetensors").write_bytes(data)
    line = refused(clip(), tmp_path / "out.mp4", "--model", tmp_path / "bad.safetensors")
    assert "sha256 differs" in line


@pytest.mark.parametrize("kind", ["torch", "pickle"])
def test_a_pickle_given_as_weights(refused, clip, tmp_path, kind):
    path = tmp_path / "evil.safetensors"
    if kind == "torch":
        torch.save({"weight": torch.zeros(3)}, path)
    else:
        path.write_bytes(pickle.dumps({"weight": [0.0]}))
    assert "a pickle" in refused(clip(), tmp_path / "out.mp4", "--model", path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_cuda_where_there_is_none(refused, clip, tmp_path, weights):
    assert "no CUDA device is here" in refused(clip(), tmp_path / "out.mp4", "--device", "cuda", "--model", weights)


def test_a_window_the_model_was_not_made_for(refused, clip, tmp_path, weights):
    for model in (weights, "fast"):
        assert "window must be 3, which this model was made for" in refused(
            clip(), tmp_path / "out.mp4", "--window", "5", "--model", model
        )


# --- settings ---


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("--crf 99", "crf must be 0..51 for libx264, got 99.0"),
        ("--crf 20 --codec ffv1", "crf must be left out with ffv1"),
        ("--crf 20 --lossless", "crf must be left out where lossless is asked for"),
        ("--codec prores_ks", "OUT must be a file that can hold prores_ks (.mov, .mkv), got 'mp4'"),
        ("--lossless --codec libx264", "codec must be left out, or ffv1"),
        ("--codec x265000", "codec must be a video encoder of FFmpeg"),
        ("--codec aac", "codec must be a video encoder of FFmpeg"),
        ("--preset warp", "preset must be one of ultrafast"),
        ("--pix-fmt yuv999p", "pix_fmt must be one that libx264 takes"),
        ("--start -1", "start must be 0 or more seconds"),
        ("--duration 0", "duration must be more than 0 seconds"),
        ("--duration soon", "argument --duration: must be seconds or [H:]M:S, got 'soon'"),
        ("--scene-threshold 2", "scene_threshold must be between 0 and 1"),
        ("--mode slow", "argument --mode: invalid choice: 'slow'"),
        ("--fast", "unrecognized arguments: --fast"),
    ],
)
def test_settings_that_cannot_be(clip, tmp_path, capsys, settings, words):
    argv = ["enhance", str(clip()), str(tmp_path / "out.mp4"), *settings.split()]
    try:
        code = main(argv)
    except SystemExit as leaving:
        code = leaving.code
    err = capsys.readouterr().err
    assert code == 2
    assert words in err
    assert err.startswith("alanet: ")
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


# --- and with a user who has had enough ---


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_nothing_behind(clip, tmp_path, weights, number):
    source = clip(frames=400, size=(240, 320))
    process = subprocess.Popen(
        [sys.executable, "-m", "alanet_core.cli.main", "enhance", source, tmp_path / "out.mp4", "--model", weights],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not any(path.stat().st_size > 1000 for path in tmp_path.glob(".out.*.part.mp4")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert (out, err) == ("", "alanet: interrupted; nothing is left behind\n")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


def test_a_network_that_fails_leaves_nothing_behind(clip, tmp_path, capsys, weights, monkeypatch):
    def fail(self, frame, *, cut=None, each=None):
        raise RuntimeError("no more\nmemory")

    monkeypatch.setattr(alanet.AlanetStream, "push", fail)
    assert main(["enhance", str(clip()), str(tmp_path / "out.mp4"), "--model", weights]) == 1
    assert capsys.readouterr().err == "alanet: failed: no more memory; --debug shows where\n"
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]
