"""Writes golden.json: what both networks, with seeded weights, make of four formula-drawn frames.

    python tests/golden/make_golden.py

Run it only when the function of a network is changed on purpose; the difference then belongs into the commit.
"""

import json
from pathlib import Path

import torch
from torch import Tensor

from alanet_core import Alanet, AlanetStream, StreamConfig, presets

GOLDEN = Path(__file__).with_name("golden.json")
HEIGHT, WIDTH = 50, 70


def frames() -> list[Tensor]:
    """Four frames of moving waves, drawn from a formula so that no generator of random numbers matters."""
    rows, columns = torch.arange(HEIGHT)[:, None], torch.arange(WIDTH)
    return [
        torch.stack(
            [(torch.sin((columns + 2 * n) / a) * torch.cos((rows - n) / (a + 1)) + 1) / 2 for a in (2.0, 5.0, 9.0)]
        )
        for n in range(4)
    ]


def seeded(name: str) -> Alanet:
    """A preset's network with weights drawn from a formula, none of them zero."""
    model = Alanet(presets()[name].config, name)
    for index, (place, parameter) in enumerate(model.named_parameters()):
        flat = torch.arange(parameter.numel(), dtype=torch.float64)
        spread = 2 * (parameter[0].numel() if parameter.dim() > 1 else parameter.numel()) ** -0.5
        if place.startswith("restore."):  # with weights as large as the others', the second pass magnifies all rounding
            spread *= 0.1
        parameter.data = (torch.sin(flat * 12.9898 + index) * spread).float().view(parameter.shape)
    return model.eval().requires_grad_(False)


def measure(name: str) -> dict[str, list[float]]:
    """Mean, standard deviation and nine pixels of each output."""
    stream = AlanetStream(seeded(name), StreamConfig(scene_threshold=0))
    pairs = [pair for frame in frames() for pair in stream.push(frame)] + stream.drain()
    found = {}
    for pair in pairs:
        for kind, picture in (("sharp", pair.sharp), ("middle", pair.middle)):
            points = picture[:, 5 :: HEIGHT // 2, 5 :: WIDTH // 2].flatten()
            found[f"{kind} {pair.n}"] = [round(float(x), 6) for x in (picture.mean(), picture.std(), *points)]
    return found


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps({name: measure(name) for name in presets()}, indent=1) + "\n")
