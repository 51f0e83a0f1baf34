"""The demo: its scene, its pictures, and the whole command on a few frames."""

import json

import av
import numpy as np
import torch

from alanet_core.cli.demo.clip import draw
from alanet_core.cli.demo.figures import Curve, chart, side_by_side
from alanet_core.cli.demo.raster import save_png, text_width, word, write
from alanet_core.cli.demo.scene import Scene
from alanet_core.cli.main import main
from alanet_core.training.metrics import psnr


def test_the_scene_moves_smoothly_and_is_the_same_every_time():
    scene, again = Scene(160, 88), Scene(160, 88)
    first = scene.frame(3.0)
    assert first.shape == (3, 88, 160)
    assert torch.equal(first, again.frame(3.0))
    assert 0 <= first.min() < 0.2
    assert 0.8 < first.max() <= 1
    near, far = psnr(first, scene.frame(3.05)), psnr(first, scene.frame(4.0))
    assert near > far + 6


def test_every_other_frame_of_the_clip_is_blurred():
    clip = draw(4, 160, 88)
    assert clip.blurred == [False, True, False, True]
    assert len(clip.truth) == 7
    for n, blurred in enumerate(clip.blurred):
        quality = psnr(clip.inputs[n], clip.truth[2 * n])
        assert quality < 30 if blurred else quality > 30  # the sharp ones differ by 8 bits and 4:2:0 alone


def test_words_are_drawn_where_they_are_asked_for():
    assert word("I").sum() == 11
    sheet = np.zeros((20, 40, 3), np.uint8)
    after = write(sheet, "IT", 2, 3, (255, 255, 255), size=1)
    assert after == 2 + text_width("IT", 1) + 1
    rows, columns = np.nonzero(sheet[..., 0])
    assert (rows.min(), rows.max()) == (3, 9)
    assert (columns.min(), columns.max()) == (3, 12)
    write(sheet, "OUTSIDE", 30, 15)  # what does not fit is cut off


def test_pictures_are_laid_out_and_written(tmp_path):
    cell = ("words", torch.rand(3, 40, 60))
    sheet = side_by_side("title", [[cell, cell, cell], [cell, cell, cell]])
    assert np.array_equal(sheet[36 + 26 : 36 + 26 + 40, 10:70], (cell[1] * 255).round().byte().permute(1, 2, 0).numpy())
    save_png(tmp_path / "sheet.png", sheet)
    with av.open(str(tmp_path / "sheet.png")) as found:
        assert np.array_equal(next(found.decode(video=0)).to_ndarray(format="rgb24"), sheet)
    figure = chart("title", [Curve("a", "k", (255, 0, 0), [(0, 20.0), (2, 30.0)])], "frames")
    assert (figure == (255, 0, 0)).all(-1).sum() > 500


def test_the_command_writes_everything_and_tells_the_truth(tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path / "new" / "folder"), "--frames", "3", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    folder = tmp_path / "new" / "folder"
    names = ["after.mp4", "before.mp4", "psnr.png", "report.json", "side-by-side.mp4", "side-by-side.png"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert {row["frames"]: row["count"] for row in report["rows"]} == {"blurred": 1, "sharp": 2, "middle": 2}
    assert all(10 < row[column] < 100 for row in report["rows"] for column in ("before", "after"))
    assert json.loads((folder / "report.json").read_text()) == report
    with av.open(str(folder / "after.mp4")) as after, av.open(str(folder / "side-by-side.mp4")) as both:
        assert (after.streams.video[0].frames, both.streams.video[0].frames) == (6, 6)


def test_too_short_a_demo_is_refused(tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path / "x"), "--frames", "2"]) == 2
    assert "frames must be 3 or more" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
