"""The evaluation: what is measured is what ships, and with nothing to measure it says exactly that."""

import argparse
import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from alanet_core.cli import eval as eval_command
from alanet_core.errors import ConfigError, MediaError
from alanet_core.model.identity import identity_model
from alanet_core.training.clips import find_clips
from alanet_core.training.evaluate import EvalClip, Row, evaluate, stream_enhancer
from alanet_core.training.metrics import PSNR_CEILING, psnr
from alanet_core.training.protocol import Protocol
from alanet_core.training.sources import clips_drawn, clips_from_files, clips_from_photos

SMALL = Protocol(size=(48, 32), frames=4)
QUICK = ("--size", "48x32", "--frames", "3", "--limit", "1", "--precision", "fp32", "--device", "cpu")


@pytest.fixture(scope="module")
def drawn() -> list[EvalClip]:
    return list(clips_drawn(2, SMALL))


@pytest.fixture(scope="module")
def identity_rows(drawn: list[EvalClip]) -> dict[tuple[str, str], Row]:
    found = evaluate(stream_enhancer(identity_model()), drawn, SMALL)
    return {(row.inputs, row.output): row for row in found.of(None)}


def test_a_network_that_changes_nothing_scores_exactly_as_the_baselines(
    identity_rows: dict[tuple[str, str], Row],
) -> None:
    assert len(identity_rows) == 3 * 3 + 2
    for (_, output), row in identity_rows.items():
        assert row.psnr["alanet"] == row.psnr["blend"], row
        assert row.ssim["alanet"] == pytest.approx(row.ssim["blend"], abs=1e-12), row  # sums of floats: alignment
        if output.startswith("deblur"):
            assert row.psnr["input"] == row.psnr["blend"], row


def test_flicker_is_that_of_a_plain_loop(drawn: list[EvalClip]) -> None:
    (found,) = evaluate(stream_enhancer(identity_model()), drawn[:1], SMALL, kinds=["sharp"]).flicker
    frames = drawn[0].frames.numpy().astype(np.float64)
    sharp, middle = frames[5::8][:4], frames[9::8][:3]
    blend = np.rint((sharp[:-1] + sharp[1:]) / 2)
    assert found.rms["input"] == pytest.approx(np.sqrt(np.mean((2 * (sharp[:-1] - middle)) ** 2)))
    assert found.rms["blend"] == pytest.approx(np.sqrt(np.mean((2 * (blend - middle)) ** 2)), rel=0.01)
    assert found.rms["alanet"] == pytest.approx(found.rms["blend"], rel=0.01)  # it blends: identity


def test_each_clip_has_its_own_rows(drawn: list[EvalClip]) -> None:
    found = evaluate(stream_enhancer(identity_model()), drawn, SMALL, kinds=["blurred"])
    each = [found.of(clip.name) for clip in drawn]
    assert [row.count for rows in each for row in rows] == [4, 3, 7] * 2
    for whole, *parts in zip(found.of(None), *each, strict=True):
        assert whole.psnr["input"] == pytest.approx(np.mean([row.psnr["input"] for row in parts]))


def test_two_clips_of_one_name_are_two(drawn: list[EvalClip]) -> None:
    clips = [EvalClip("same", clip.frames) for clip in drawn]
    found = evaluate(stream_enhancer(identity_model()), clips, SMALL, kinds=["blurred"])
    assert [row.count for row in found.rows] == [8, 6, 14] + [4, 3, 7] * 2


def test_frames_are_counted_two_for_each_but_the_last_of_a_clip(identity_rows: dict[tuple[str, str], Row]) -> None:
    for kind in ("blurred", "mixed", "sharp"):
        assert [identity_rows[kind, output].count for output in ("deblur", "middle", "joint")] == [8, 6, 14]
    split = [identity_rows["mixed", f"deblur of {how}"].count for how in ("blurred", "sharp")]
    assert sum(split) == 8
    assert min(split) > 0


def test_untouched_frames_are_identical_and_have_no_psnr(identity_rows: dict[tuple[str, str], Row]) -> None:
    for row in (identity_rows["sharp", "deblur"], identity_rows["mixed", "deblur of sharp"]):
        assert row.psnr == {"alanet": None, "input": None, "blend": None}
        assert row.ssim["alanet"] == pytest.approx(1)
        assert row.gain is None


def test_mixed_rows_are_pooled_so_that_untouched_frames_count_with_their_error(
    identity_rows: dict[tuple[str, str], Row],
) -> None:
    whole, blurred = identity_rows["mixed", "deblur"], identity_rows["mixed", "deblur of blurred"]
    assert whole.pooled
    assert blurred.pooled
    expected = blurred.psnr["input"] + 10 * np.log10(whole.count / blurred.count)  # type: ignore[operator]
    assert whole.psnr["input"] == pytest.approx(expected)


def test_the_mean_over_frames_is_that_of_a_plain_loop(
    drawn: list[EvalClip], identity_rows: dict[tuple[str, str], Row]
) -> None:
    values = []
    for clip in drawn:
        frames = clip.frames.numpy().astype(np.float64)
        for n in range(3):
            blurry = [np.rint(frames[8 * k : 8 * k + 11].mean(0)) for k in (n, n + 1)]
            blend = np.rint((blurry[0] + blurry[1]) / 2)
            value = psnr(torch.from_numpy(blend), torch.from_numpy(frames[8 * n + 9]), peak=255)
            values.append(min(value, PSNR_CEILING))
    row = identity_rows["blurred", "middle"]
    assert not row.pooled
    assert row.psnr["blend"] == pytest.approx(np.mean(values), abs=0.05)  # ties of the blend may round either way


def test_the_split_of_mixed_input_is_seeded(drawn: list[EvalClip]) -> None:
    first, again = (SMALL.inputs(drawn[0].frames, "mixed", 0).blurred for _ in range(2))
    assert torch.equal(first, again)
    seeds = [Protocol(size=(48, 32), frames=4, seed=seed) for seed in range(1, 9)]
    others = [protocol.inputs(drawn[0].frames, "mixed", 0).blurred for protocol in seeds]
    assert any(not torch.equal(first, other) for other in others)


def test_made_clips_are_the_same_for_a_seed_and_move(drawn: list[EvalClip]) -> None:
    again = list(clips_drawn(2, SMALL))
    for one, two in zip(drawn, again, strict=True):
        assert torch.equal(one.frames, two.frames)
        assert one.frames.shape == (35, 3, 32, 48)
        assert not torch.equal(one.frames[0], one.frames[-1])


def write_clip(path: Path, frames: np.ndarray) -> None:
    """frames: [T,H,W,3] uint8, stored without loss."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(240))
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "bgr0"
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def test_a_file_is_read_from_its_middle_and_cut_to_size_without_enlarging(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (39, 20, 60, 3), dtype=np.uint8)
    write_clip(tmp_path / "a.mkv", frames)
    (clip,) = clips_from_files(find_clips(tmp_path), SMALL)
    assert clip.name == "a"
    expected = frames[2:37, :, 6:54].transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(clip.frames.numpy(), expected)


def test_a_larger_file_is_shrunk_to_cover_the_size(tmp_path: Path) -> None:
    flat = np.full((35, 64, 128, 3), 77, np.uint8)
    write_clip(tmp_path / "a.mkv", flat)
    (clip,) = clips_from_files(find_clips(tmp_path), SMALL)
    assert clip.frames.shape == (35, 3, 32, 48)
    assert int((clip.frames.int() - 77).abs().max()) <= 1


def test_a_folder_of_pictures_is_a_clip(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    frames = rng.integers(0, 256, (35, 32, 48, 3), dtype=np.uint8)
    (tmp_path / "b").mkdir()
    for n, picture in enumerate(frames):
        write_png(tmp_path / "b" / f"{n:04}.png", picture)
    (clip,) = clips_from_files(find_clips(tmp_path), SMALL)
    np.testing.assert_array_equal(clip.frames.numpy(), frames.transpose(0, 3, 1, 2))


def test_clips_of_photographs_are_seeded(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    for n in range(3):
        write_png(tmp_path / f"{n}.png", rng.integers(0, 256, (80, 90, 3), dtype=np.uint8))
    paths = sorted(tmp_path.iterdir())
    first, again = (list(clips_from_photos(paths, 2, SMALL)) for _ in range(2))
    assert all(torch.equal(a.frames, b.frames) for a, b in zip(first, again, strict=True))


def write_png(path: Path, picture: np.ndarray) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png")
        stream.width, stream.height, stream.pix_fmt = picture.shape[1], picture.shape[0], "rgb24"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def test_a_clip_that_is_too_short_is_refused_with_its_length(tmp_path: Path) -> None:
    write_clip(tmp_path / "short.mkv", np.zeros((34, 32, 48, 3), np.uint8))
    with pytest.raises(MediaError, match=r"at least 35 frames long, got '.*short.mkv \(34\)'"):
        list(clips_from_files(find_clips(tmp_path), SMALL))


@pytest.mark.parametrize(("setting", "value"), [("size", (8, 352)), ("frames", 1), ("stride", 7), ("length", 10)])
def test_settings_out_of_range_are_refused_by_name(setting: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"^{setting} must be"):
        Protocol(**{setting: value})  # type: ignore[arg-type]


def arguments(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    eval_command.add_parser(parser.add_subparsers())
    return parser.parse_args(["eval", *given])


def test_the_command_prints_json_with_the_protocol_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    args = arguments(*QUICK, "--json")
    assert args.run(args) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["model"] == "fine"
    assert {row["inputs"] for row in report["rows"]} == {"blurred", "mixed", "sharp"}
    words = " ".join(report["protocol"])
    for fact in ("1 drawn by the project", "3 low-rate frames", "48x32", "mean of 11 consecutive", "every 8 frames"):
        assert fact in words


def test_the_command_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    args = arguments(*QUICK)
    assert args.run(args) == 0
    text = capsys.readouterr().out
    for word in ("blurred", "mixed", "sharp", "deblur", "middle", "joint", "same", "flicker", "eq. 7"):
        assert word in text


def test_dropping_every_other_frame_asks_for_the_middle_of_sharp_ones(capsys: pytest.CaptureFixture[str]) -> None:
    args = arguments(*QUICK, "--dropped", "--json")
    assert args.run(args) == 0
    report = json.loads(capsys.readouterr().out)
    assert {row["inputs"] for row in report["rows"]} == {"sharp"}
    assert "one every 2 frames" in " ".join(report["protocol"])


def test_held_out_without_photographs_is_refused() -> None:
    args = arguments("--held-out")
    with pytest.raises(ConfigError, match=r"^held-out must be"):
        args.run(args)
