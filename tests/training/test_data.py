"""Data made on the fly: the same for a seed, moving as it should, and sharing nothing with what is held out."""

from pathlib import Path

import numpy as np
import pytest
import torch

from alanet_core.errors import MediaError
from alanet_core.training.clips import find_clips, frames_of, has_detail, motion_per_frame, runs_evenly
from alanet_core.training.layers import TEXELS, Layer
from alanet_core.training.masks import random_mask
from alanet_core.training.materials import draw_pictures, gather
from alanet_core.training.motion import Path as MotionPath
from alanet_core.training.motion import random_path, still_path
from alanet_core.training.photos import PhotoSet, find_photos, is_held_out, read_picture
from alanet_core.training.pool import VISIBLE, SamplePool
from alanet_core.training.samples import SampleConfig, SampleMaker
from alanet_core.training.sequences import Scene, random_scene

CONFIG = SampleConfig(size=32, fastest=8.0)


def smooth_texture(height: int, width: int) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(height) / TEXELS, torch.arange(width) / TEXELS, indexing="ij")
    waves = torch.stack((torch.sin(x / 5), torch.sin(y / 7), torch.cos((x + y) / 6)))
    return 128 + 100 * waves[None]


def moving(velocity: complex) -> MotionPath:
    still = still_path()
    return MotionPath(
        velocity=velocity,
        bend=0j,
        angle_rate=0,
        zoom_rate=0,
        shake=still.shake,
        angle_shake=still.angle_shake,
        tones=still.tones,
        phases=still.phases,
        centre=0j,
    )


def test_a_still_path_gives_the_same_frame_at_all_times() -> None:
    scene = Scene((Layer(texture=smooth_texture(90, 120), home=0j, paths=(still_path(),)),), (32, 40))
    frames = scene.render([0, 0.5, 3])
    assert torch.equal(frames[0], frames[1])
    assert torch.equal(frames[0], frames[2])


def test_a_layer_moves_by_its_velocity_in_pixels_per_interval() -> None:
    layer = Layer(texture=smooth_texture(160, 160), home=0j, paths=(moving(4 - 2j),))
    first, later = Scene((layer,), (32, 40)).render([0, 1])
    # What was at (x, y) is seen at (x + 4, y - 2).
    assert int((later[:, :-2, 4:].int() - first[:, 2:, :-4].int()).abs().max()) <= 1


def test_what_moves_by_a_fraction_of_a_pixel_moves_by_just_that() -> None:
    layer = Layer(texture=smooth_texture(160, 160), home=0j, paths=(moving(0.25 + 0j),))
    first, later = (frame.float() for frame in Scene((layer,), (32, 40)).render([0, 1]))
    slope = (first[0, :, 2:] - first[0, :, :-2]) / 2
    shift = -((later - first)[0, :, 1:-1] * slope).sum() / slope.square().sum()
    assert float(shift) == pytest.approx(0.25, abs=0.03)


def test_a_camera_carries_what_stands_in_front_with_it() -> None:
    camera = moving(3 + 0j)
    back = Layer(texture=torch.zeros(1, 3, 160, 160), home=0j, paths=(camera,))
    cover = torch.zeros(1, 4, 16, 16)
    cover[:, :, 2:-2, 2:-2] = 255
    front = Layer(texture=cover, home=0j, paths=(still_path(), camera))
    first, later = Scene((back, front), (32, 40)).render([0, 2])
    assert torch.equal(later[:, :, 6:], first[:, :, :-6])
    assert int(first.max()) == 255


def test_times_can_be_asked_for_one_by_one(drawn_photos: PhotoSet) -> None:
    scene = random_scene(np.random.default_rng(7), drawn_photos, (32, 48), intervals=4)
    together = scene.render(np.arange(9) / 2)
    for n in (0, 4, 8):
        assert int((scene.render([n / 2])[0].int() - together[n].int()).abs().max()) <= 1


@pytest.mark.parametrize("seed", range(12))
def test_every_scene_fills_its_frame_and_has_its_size(drawn_photos: PhotoSet, seed: int) -> None:
    frames = random_scene(np.random.default_rng(seed), drawn_photos, (24, 40), intervals=4).render(np.arange(5))
    assert frames.shape == (5, 3, 24, 40)
    assert frames.dtype == torch.uint8


def test_speeds_reach_from_a_fraction_of_a_pixel_to_the_fastest() -> None:
    rng = np.random.default_rng(0)
    speeds = np.array([abs(random_path(rng, fastest=16, extent=64).velocity) for _ in range(400)])
    assert (speeds < 0.5).mean() > 0.15
    assert (speeds > 8).mean() > 0.1
    assert speeds.max() <= 16


@pytest.mark.parametrize("seed", range(20))
def test_masks_are_covers_that_end_within_their_box(seed: int) -> None:
    mask = random_mask(np.random.default_rng(seed), 40, 60)
    assert mask.shape == (40, 60)
    assert 0 <= float(mask.min()) <= float(mask.max()) <= 1
    border = torch.cat((mask[0], mask[-1], mask[:, 0], mask[:, -1]))
    assert float(border.abs().max()) < 1e-6


def test_a_sample_is_the_same_whoever_makes_it_and_when(drawn_photos: PhotoSet) -> None:
    one, two = (SampleMaker(CONFIG, 5, drawn_photos) for _ in range(2))
    _ = two[3]
    for index in (0, 1, 9):
        assert torch.equal(one[index], two[index])
    assert not torch.equal(one[0], one[1])
    assert not torch.equal(one[0], SampleMaker(CONFIG, 6, drawn_photos)[0])


def test_a_worker_process_makes_the_same_samples(drawn_photos: PhotoSet) -> None:
    maker = SampleMaker(CONFIG, 5, drawn_photos)
    drawn = []
    for workers in (0, 1):
        pool = SamplePool(maker, seed=1, batch=3, capacity=8, first=6, workers=workers)
        drawn.append([pool.draw(step) for step in range(3)])
        pool.close()
    for here, there in zip(*drawn, strict=True):
        assert torch.equal(here.inputs, there.inputs)
        assert torch.equal(here.middle, there.middle)


def test_a_pool_opened_at_a_later_step_gives_the_same_batch(drawn_photos: PhotoSet) -> None:
    def pool() -> SamplePool:
        return SamplePool(SampleMaker(CONFIG, 5, drawn_photos), seed=1, batch=4, capacity=8, first=6, workers=0)

    through, leapt = pool(), pool()
    expected = [through.draw(step) for step in range(9)][-1]
    got = leapt.draw(8)
    assert torch.equal(expected.inputs, got.inputs)
    assert torch.equal(expected.sharp, got.sharp)


def test_inputs_are_the_sharp_frames_or_their_blur_and_the_middle_lies_between(drawn_photos: PhotoSet) -> None:
    config = SampleConfig(size=32, fastest=8.0, sharp_share=0)
    pool = SamplePool(SampleMaker(config, 5, drawn_photos), seed=1, batch=16, capacity=32, first=32, workers=0)
    batch = pool.draw(0)
    assert batch.inputs.shape == batch.sharp.shape == (16, 4, 3, 32, 32)
    assert batch.middle.shape == (16, 3, 3, 32, 32)
    untouched = (batch.inputs == batch.sharp).flatten(2).all(2)
    assert 0 < int(untouched.sum()) < untouched.numel()
    nearer = (batch.middle - (batch.sharp[:, 1:] + batch.sharp[:, :-1]) / 2).abs().mean()
    assert nearer < (batch.middle - batch.sharp.roll(1, 0)[:, 1:]).abs().mean()


def test_a_batch_says_which_frames_came_in_blurred_and_where_that_can_be_seen(
    drawn_photos: PhotoSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alanet_core.training.pool.DARK_SHARE", 0.0)
    config = SampleConfig(size=32, fastest=8.0, sharp_share=0.3, clip_share=0)
    pool = SamplePool(SampleMaker(config, 5, drawn_photos), seed=1, batch=32, capacity=64, first=64, workers=0)
    batch = pool.draw(0)
    changed = (batch.inputs - batch.sharp).abs().mean((2, 3, 4))
    assert torch.equal(changed > 0, (batch.blurred > 0) & (batch.visible > 0))
    torch.testing.assert_close((changed / VISIBLE).clamp(max=1), batch.blurred * batch.visible)
    never = (batch.visible == 0).all(1)
    assert 0 < int(never.sum()) < 20


def test_at_the_start_no_frame_is_left_sharp_where_that_is_asked_for(drawn_photos: PhotoSet) -> None:
    maker = SampleMaker(SampleConfig(size=32, fastest=8.0, sharp_share=0, clip_share=0), 5, drawn_photos)
    pool = SamplePool(maker, seed=1, batch=16, capacity=32, first=32, workers=0, all_blurred=1)
    first, second = (
        (batch.inputs == batch.sharp).flatten(2).all(2).float().mean() for batch in (pool.draw(0), pool.draw(1))
    )
    assert first < 0.05  # scenes that stand still have no blur
    assert second > 0.2


def test_the_sharp_frame_that_is_wanted_keeps_the_noise_of_its_input(
    drawn_photos: PhotoSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alanet_core.training.pool.DARK_SHARE", 0.0)
    maker = SampleMaker(SampleConfig(size=32, fastest=8.0, sharp_share=1, clip_share=0), 5, drawn_photos)
    batch = SamplePool(maker, seed=1, batch=8, capacity=16, first=16, workers=0, noise_share=1.0).draw(0)
    assert torch.equal(batch.inputs, batch.sharp)
    codes = 255 * batch.sharp
    assert ((codes - codes.round()).abs().flatten(1).mean(1) > 0.1).all()  # no 8-bit picture any more
    assert (255 * batch.middle - (255 * batch.middle).round()).abs().max() < 1e-3


def test_half_of_a_clip_is_dropped_and_asked_for_again() -> None:
    layer = Layer(texture=smooth_texture(300, 300), home=0j, paths=(moving(2 + 0j),))
    clip = Scene((layer,), (64, 64)).render(np.arange(12))
    photos = PhotoSet(draw_pictures(1, 64, 64, seed=0))
    maker = SampleMaker(SampleConfig(size=32, clip_share=1.0), 0, photos, (clip,))
    taken = [maker._from_clip(np.random.default_rng(seed)) for seed in range(8)]
    made = [sample for sample in taken if sample is not None]
    assert made
    for sample in made:
        blurry, sharp, middle = torch.split(sample, [4, 4, 3])
        assert torch.equal(blurry, sharp)
        step = (middle.float() - (sharp[1:].float() + sharp[:-1].float()) / 2).abs().mean()
        assert step < 0.25 * (sharp[1:].float() - sharp[:-1].float()).abs().mean()


def test_motion_of_a_clip_is_told_in_pixels_and_cuts_and_repeats_are_found() -> None:
    scene = Scene((Layer(texture=smooth_texture(300, 300), home=0j, paths=(moving(0.7 + 0j),)),), (64, 64))
    clip = scene.render(np.arange(8))
    assert 0.3 < float(motion_per_frame(clip).median()) < 1.4
    assert runs_evenly(motion_per_frame(clip))
    repeated = clip[[0, 1, 2, 2, 3, 4, 5, 6]]
    assert not runs_evenly(motion_per_frame(repeated))
    cut = torch.cat((clip[:4], 255 - clip[4:]))
    assert not runs_evenly(motion_per_frame(cut))
    assert has_detail(clip[0])
    assert not has_detail(torch.full((3, 32, 32), 80, dtype=torch.uint8))


def test_what_is_held_out_is_known_by_its_name_alone() -> None:
    names = [Path(f"photo{n}.jpg") for n in range(2000)]
    out = [is_held_out(path) for path in names]
    assert 0.04 < np.mean(out) < 0.09
    assert out == [is_held_out(Path("elsewhere") / path) for path in names]


def test_folders_without_pictures_or_clips_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="photos must be a folder with pictures"):
        find_photos(tmp_path)
    with pytest.raises(MediaError, match="clips must be a folder with video files"):
        find_clips(tmp_path)
    with pytest.raises(MediaError, match="photos must be a folder,"):
        find_photos(tmp_path / "none")


def test_a_file_that_is_no_picture_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "no.jpg").write_text("not a picture")
    with pytest.raises(MediaError, match=r"no\.jpg"):
        read_picture(tmp_path / "no.jpg")
    (tmp_path / "no.mp4").write_text("not a clip")
    with pytest.raises(MediaError, match=r"no\.mp4"):
        list(frames_of(tmp_path / "no.mp4"))


def test_real_photographs_are_read_and_some_are_held_out(shared_data: Path, tmp_path: Path) -> None:
    for path in find_photos(shared_data / "photos")[:40]:
        (tmp_path / path.name).symlink_to(path)
    materials = gather(tmp_path)
    assert len(materials.photos) + len(materials.held_out) == 40 + round(0.07 * (40 - len(materials.held_out)))
    assert materials.photos[0].shape[0] == 3
