"""`alanet train` from end to end, on pictures that the test draws."""

import argparse
import json
import os
import signal
import threading
from pathlib import Path

import av
import numpy as np
import pytest

import alanet_core as alanet
from alanet_core.cli import train as train_command
from alanet_core.errors import AlanetError, ConfigError, MediaError
from alanet_core.training.drawn import draw_picture


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for n in range(3):
        picture = draw_picture(rng, 90, 110).permute(1, 2, 0).contiguous().numpy()
        with av.open(str(folder / f"{n}.png"), "w") as container:
            stream = container.add_stream("png")
            stream.width, stream.height, stream.pix_fmt = 110, 90, "rgb24"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode(None))
    return folder


def run(*given: str) -> int:
    parser = argparse.ArgumentParser()
    train_command.add_parser(parser.add_subparsers())
    args = parser.parse_args(["train", *given, "--device", "cpu", "--workers", "0"])
    code: int = args.run(args)
    return code


SMALL = ("--batch", "2", "--size", "32", "--precision", "fp32", "--deterministic")


def test_a_run_leaves_weights_state_and_log_and_goes_on_with_resume(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert run("--photos", str(photos), "--out", str(out), "--steps", "2", *SMALL) == 0
    assert sorted(p.name for p in out.iterdir()) == ["log.jsonl", "state.safetensors", "weights.safetensors"]
    assert run("--photos", str(photos), "--out", str(out), "--steps", "3", "--resume") == 0
    steps = [json.loads(line)["step"] for line in (out / "log.jsonl").read_text().splitlines()]
    assert steps[0] == 0
    assert steps[-1] == 3
    assert alanet.load(out / "weights.safetensors", device="cpu").config == alanet.presets()["fine"].config
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "6 samples" in captured.err


def test_weights_to_begin_with_are_taken(photos: Path, tmp_path: Path) -> None:
    start = alanet.presets()["fast"].path
    assert start is not None
    out = tmp_path / "run"
    assert run("--photos", str(photos), "--out", str(out), "--steps", "0", "--init", str(start), *SMALL) == 0
    begun = alanet.load("fast", device="cpu", precision="fp32").state_dict()
    for name, x in alanet.load(out / "weights.safetensors", device="cpu", precision="fp32").state_dict().items():
        assert x.equal(begun[name]), name


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_after_its_step_and_all_is_saved(
    photos: Path, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "run"
    handler = signal.getsignal(number)
    pull = threading.Timer(1.0, os.kill, (os.getpid(), number))
    begun = threading.Event()

    def wait_for_the_log() -> None:
        while not (out / "log.jsonl").exists():
            begun.wait(0.05)
        pull.start()

    threading.Thread(target=wait_for_the_log, daemon=True).start()
    assert run("--photos", str(photos), "--out", str(out), "--minutes", "10", *SMALL) == 130
    assert (out / "state.safetensors").exists()
    assert signal.getsignal(number) == handler


def test_a_folder_that_holds_a_run_is_not_begun_in_again(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "state.safetensors").write_bytes(b"a run")
    with pytest.raises(ConfigError, match="out must be a new folder"):
        run("--photos", str(photos), "--out", str(tmp_path), "--steps", "1", *SMALL)
    assert (tmp_path / "state.safetensors").read_bytes() == b"a run"


def test_a_file_in_the_place_of_the_folder_is_refused(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ConfigError, match="out must be a folder"):
        run("--photos", str(photos), "--out", str(tmp_path / "out"), "--steps", "1", *SMALL)
    assert (tmp_path / "out").read_text() == "mine"


def test_settings_are_refused_with_resume(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--rate must be left out with --resume"):
        run("--photos", str(photos), "--out", str(tmp_path), "--steps", "1", "--resume", "--rate", "1")


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (("--steps", "1", "--minutes", "1"), ConfigError, "budget must be"),
        ((), ConfigError, "budget must be"),
        (("--steps", "1", "--size", "33"), ConfigError, "size must be a multiple of 16"),
        (("--steps", "1", "--config", "none"), ConfigError, "config must be one of"),
        (("--steps", "1", "--clips", "nowhere"), MediaError, "clips must be a folder"),
    ],
)
def test_bad_arguments_are_refused_and_nothing_is_written(
    photos: Path, tmp_path: Path, given: tuple[str, ...], error: type[AlanetError], words: str
) -> None:
    out = tmp_path / "run"
    with pytest.raises(error, match=words):
        run("--photos", str(photos), "--out", str(out), *given)
    assert not out.exists()
