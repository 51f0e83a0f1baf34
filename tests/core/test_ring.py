"""The ring: keyed by frame number, two depths, fixed memory."""

import dataclasses

import pytest
import torch

from alanet_core import LatentRing, ModelConfig
from alanet_core.latent import Core, Latent


def latent(value: float) -> Latent:
    return Latent(
        Core(torch.full((1, 8, 2, 3), value), torch.full((1, 6, 8, 1, 1), value)),
        (torch.full((1, 4, 8, 12), value), torch.full((1, 6, 4, 6), value)),
        torch.full((1, 3, 8, 12), value),
    )


def shape(window: int, fusion: str) -> ModelConfig:
    guided = {"taps": (-0.5, 0.5), "sharp_head": (4,), "middle_head": (4,)} if fusion != "mean" else {}
    return ModelConfig(window=window, channels=(4, 8), kernels=(3, 3), gate_reduction=4, fusion=fusion, **guided)


@pytest.mark.parametrize(
    ("window", "fusion", "cores", "details"),
    [
        (1, "mean", 2, 2),
        (3, "mean", 3, 2),
        (9, "mean", 9, 5),
        (3, "guided", 3, 3),
        (9, "guided", 9, 6),
    ],
)
def test_cores_are_kept_for_the_window_and_details_only_for_what_is_still_read(
    window: int, fusion: str, cores: int, details: int
) -> None:
    ring = LatentRing(shape(window, fusion))
    for n in range(30):
        ring.put(n, latent(n))
    assert [n for n in range(30) if ring.has_core(n)] == list(range(30 - cores, 30))
    assert [n for n in range(30) if ring.has_latent(n)] == list(range(30 - details, 30))


def test_it_copies_what_it_keeps_and_says_what_it_does_not_hold() -> None:
    ring = LatentRing(shape(3, "mean"))
    mine = latent(7)
    ring.put(7, mine)
    mine.core.features.zero_()
    mine.skips[0].zero_()
    held = ring.latent(7)
    assert held.core.features.unique().tolist() == [7]
    assert [skip.unique().tolist() for skip in held.skips] == [[7], [7]]
    for call in (ring.core, ring.latent):
        with pytest.raises(KeyError):
            call(4)
    ring.clear()
    assert ring.nbytes == 0
    with pytest.raises(KeyError):
        ring.core(7)


def test_what_is_written_to_its_room_is_kept_and_what_lay_there_is_forgotten() -> None:
    ring = LatentRing(shape(3, "mean"))
    assert ring.room(0) is None
    for n in range(6):
        ring.put(n, latent(n))
    before = [n for n in range(7) if ring.has_latent(n)]
    room = ring.room(6)
    assert [n for n in range(7) if ring.has_latent(n)] == before[1:]
    room.pixels.fill_(6)
    ring.put(6, dataclasses.replace(latent(6), pixels=room.pixels))
    held = ring.latent(6)
    assert held.pixels is room.pixels
    assert [x.unique().tolist() for x in (held.pixels, *held.skips, held.core.features)] == [[6]] * 4
    assert [n for n in range(7) if ring.has_latent(n)] == [*before[1:], 6]


def test_memory_is_what_its_depths_say_and_never_grows() -> None:
    ring = LatentRing(shape(9, "mean"), slack=2)
    one = latent(0)
    ring.put(0, one)
    first = ring.nbytes
    core = one.core.features.nbytes + one.core.gates.nbytes
    detail = sum(x.nbytes for x in (*one.skips, one.pixels))
    assert first == 11 * core + 7 * detail
    for n in range(1, 50):
        ring.put(n, latent(n))
    assert ring.nbytes == first
