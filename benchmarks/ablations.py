"""What each part of a guided network is worth: taken out, trained on without it, and looked at.

    python benchmarks/ablations.py --photos PHOTOS [--clips CLIPS] [--preset fast] [--steps 300] [--arms NAME ...]

Every arm begins with the preset's weights, loses its part, and goes on for the same steps on the same samples; "whole"
goes on as it is. Then validation as `alanet train` has it (24 samples of held-out photographs), of the last weights.
One line of a Markdown table an arm. Arms may run in several processes at once.
"""

import argparse
import copy
import dataclasses
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a script

import alanet_core as alanet
from alanet_core import native
from alanet_core.latent import Core
from alanet_core.model.guided import GuidedLevel
from alanet_core.model.smear import Blurred
from alanet_core.training.loop import Budget, train
from alanet_core.training.materials import gather
from alanet_core.training.pool import SamplePool
from alanet_core.training.samples import SampleConfig, SampleMaker
from alanet_core.training.settings import TrainConfig
from alanet_core.training.state import begin
from alanet_core.training.step import frames_for
from alanet_core.training.validation import Validation

FIGURES = ("sharp_blurred_gain", "middle_blurred", "middle_unblurred", "sharp_unblurred")
Model = alanet.Alanet


def with_gates(model: Model, change: Callable[[Tensor], Tensor]) -> Model:
    """The gates F, [B, W + 3, C, 1, 1], changed: offsets -W//2 .. W//2 for sharp, then -1, 0, 1 for middle."""
    describe = model.attention.describe

    def changed(features: Tensor, area: tuple[int, int]) -> Core:
        core = describe(features, area)
        return Core(core.features, change(core.gates))

    model.attention.describe = changed  # type: ignore[method-assign]
    return model


def gates_at(model: Model, *, own: float | None = None, cross: float | None = None, first: int = 0) -> Model:
    """Constant gates for a frame's own features, or for those of the others, from number `first` on."""
    window = model.config.window
    selves = torch.tensor([k in {window // 2, window + 1} for k in range(window + 3)])
    late = torch.arange(window + 3) >= first

    def change(gates: Tensor) -> Tensor:
        for value, where in ((own, selves), (cross, ~selves)):
            if value is not None:
                gates = torch.where((where & late)[:, None, None, None], torch.full_like(gates, value), gates)
        return gates

    return with_gates(model, change)


def without_cross_of_sharp(model: Model) -> Model:
    """W = 1 of eq. 5: z_n of frame n alone. The generators still see both neighbours, moved into place."""
    window = model.config.window
    keep = torch.tensor([k == window // 2 or k >= window for k in range(window + 3)])[:, None, None, None]
    return with_gates(model, lambda gates: gates * keep)


def with_window(model: Model, window: int) -> Model:
    """More gates; the new ones begin at random."""
    wider = alanet.Alanet(dataclasses.replace(model.config, window=window))
    mine, more = model.state_dict(), wider.state_dict()
    grown = (window - model.config.window) // 2
    for name, value in mine.items():
        if name.startswith("attention.gates."):
            more[name][grown : grown + model.config.window] = value[: model.config.window]
            more[name][window:] = value[model.config.window :]
        else:
            more[name] = value
    wider.load_state_dict(more)
    return wider


def without_search(model: Model) -> Model:
    """No motion is measured; what is learnt may make up for it."""
    search = model.match
    model.match = lambda *frames, **how: torch.zeros_like(search(*frames, **how))  # type: ignore[method-assign]
    return model


def without_corrections(model: Model) -> Model:
    """The measured motion is taken as it is."""
    for level in model.modules():
        if isinstance(level, GuidedLevel):
            level.flow.register_forward_hook(lambda _module, _inputs, step: torch.zeros_like(step))
    return model


def without_verdict(model: Model) -> Model:
    """Every frame counts as blurred: the filters alone must leave sharp ones as they are."""
    for judge in model.modules():
        if isinstance(judge, Blurred):
            judge.register_forward_hook(lambda _module, _inputs, logits: torch.full_like(logits, 20))
    return model


ARMS: dict[str, Callable[[Model], Model]] = {
    "whole": lambda model: model,
    "no attention: own gates 1, cross gates 0": lambda model: gates_at(model, own=1, cross=0),
    "self-attention alone": lambda model: gates_at(model, cross=0),
    "cross-attention alone": lambda model: gates_at(model, own=0),
    "window 1 for the sharp frame": without_cross_of_sharp,
    "window 5": lambda model: with_window(model, 5),
    "no measured motion": without_search,
    "no corrections of motion": without_corrections,
    "no verdict on blur": without_verdict,
}


def run(name: str, args: argparse.Namespace) -> dict[str, float]:
    """One arm -> its figures."""
    torch.manual_seed(0)
    model = ARMS[name](copy.deepcopy(alanet.load(args.preset, device="cpu", precision="fp32")))
    samples = SampleConfig(frames=frames_for(model.config))
    config = TrainConfig(batch=8, rate=args.rate, warm_up=50, samples=samples)
    materials = gather(args.photos, args.clips)
    validation = Validation(materials.held_out, frames=samples.frames, size=samples.size)
    state = begin(model, config)
    maker = SampleMaker(samples, config.seed, materials.photos, materials.clips)
    pool = SamplePool(maker, seed=config.seed, batch=config.batch, reuse=config.reuse)
    try:
        with tempfile.TemporaryDirectory() as folder:
            train(state, pool, Path(folder), Budget(steps=args.steps))
    finally:
        pool.close()
    state.average = state.model.eval()  # what is looked at are the last weights
    return validation(state)


def main() -> None:
    """Run the arms asked for, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    args = parser.parse_args()
    os.environ[native.SWITCH] = "0"  # parts are taken out of PyTorch's form: a kernel would go on with them
    for name in args.arms:
        found = run(name, args)
        print(f"| {name} |", " | ".join(f"{found[figure]:.2f}" for figure in FIGURES), "|", flush=True)


if __name__ == "__main__":
    main()
