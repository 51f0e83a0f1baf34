"""The state of a run in one safetensors file: network, moving average, moments, and in its header JSON for the rest.

Nothing is pickled; the file appears whole or not at all, so a run can be stopped at any moment.
"""

import copy
import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from alanet_core.config import ModelConfig
from alanet_core.errors import ConfigError, WeightsError, must
from alanet_core.model import Alanet
from alanet_core.model.smear import Blurred
from alanet_core.training.settings import TrainConfig

STATE_FILE = "state.safetensors"
QUICK = 10.0
"""How much faster than the rest it is learnt which frames are blurred: few weights, and much hangs on them."""

_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass
class TrainState:
    """What a run is made of. updates: steps that changed the weights; steps: those and the ones passed over."""

    model: Alanet
    average: Alanet
    optimizer: torch.optim.AdamW
    config: TrainConfig
    steps: int = 0
    updates: int = 0
    minutes: float = 0.0
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def samples(self) -> int:
        """How many samples have been drawn since the run began, each as often as it was."""
        return self.steps * self.config.batch


def begin(model: Alanet, config: TrainConfig) -> TrainState:
    """A run at step 0, from a network on its device in float32. Raises ConfigError where it lacks the part to train."""
    model = model.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    average = copy.deepcopy(model).requires_grad_(False)
    part = model if config.part == "all" else model.restore
    if part is None:
        raise ConfigError(must("part", "one that the network has", config.part, "add it with --restore 32 32 32"))
    model.requires_grad_(False)
    part.requires_grad_(True)
    judges = {id(p) for module in part.modules() if isinstance(module, Blurred) for p in module.parameters()}
    groups = [
        {"params": [p for p in part.parameters() if (id(p) in judges) == quick], "pace": QUICK if quick else 1.0}
        for quick in (False, True)
    ]
    groups = [group for group in groups if group["params"]]
    optimizer = torch.optim.AdamW(groups, lr=config.rate, weight_decay=config.weight_decay)
    return TrainState(model, average, optimizer, config)


def with_passes(model: Alanet, widths: tuple[int, ...], seed: int) -> Alanet:
    """The same network with passes that undo blur, untrained, in place of its filters and of passes that it has.

    Where it has as many, none wider than those asked for, they are widened instead, and do what they did.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        grown = Alanet(dataclasses.replace(model.config, restore=widths), model.name)
    kept = {name: x for name, x in model.state_dict().items() if not name.startswith("restore.")}
    grown.load_state_dict({**grown.state_dict(), **kept})
    have = model.config.restore
    if len(have) == len(widths) and all(a <= b for a, b in zip(have, widths, strict=True)):
        _widen(model.restore, grown.restore)
    return grown


@torch.no_grad()
def _widen(narrow: nn.Module | None, wide: nn.Module | None) -> None:
    """Weights into the first channels of wider convolutions; what is new is read by nothing that was there before."""
    assert narrow is not None
    assert wide is not None
    for old, new in zip(narrow.parameters(), wide.parameters(), strict=True):
        if new.ndim > 1 and new.shape[1] > old.shape[1]:
            new[: len(old)] = 0
        new[tuple(slice(n) for n in old.shape)] = old


def save_state(folder: Path, state: TrainState) -> None:
    """Write the state into a folder that exists, in place of what was there."""
    tensors: dict[str, Tensor] = {}
    for prefix, network in (("model", state.model), ("average", state.average)):
        tensors |= {f"{prefix}/{name}": x for name, x in network.state_dict().items()}
    for name, parameter in state.model.named_parameters():
        kept = state.optimizer.state.get(parameter, {})
        tensors |= {f"{moment}/{name}": kept[moment] for moment in _MOMENTS if moment in kept}
    header = {
        "config": state.config.to_json(),
        "model": state.model.config.to_json(),
        "counters": json.dumps({"steps": state.steps, "updates": state.updates, "minutes": state.minutes}),
        "notes": json.dumps(state.notes),
    }
    part = folder / (STATE_FILE + ".part")
    save_file({name: x.detach().cpu().contiguous() for name, x in tensors.items()}, part, metadata=header)
    part.chmod(0o644)  # safetensors makes it readable by its owner alone
    part.replace(folder / STATE_FILE)


def load_state(folder: Path, device: torch.device) -> TrainState:
    """Read what `save_state` wrote. Raises WeightsError for a missing or damaged file."""
    path = folder / STATE_FILE
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is no mapping)
        config = TrainConfig.from_mapping(json.loads(header["config"]))
        shape = ModelConfig.from_json(header["model"])
        counters, notes = json.loads(header["counters"]), json.loads(header["notes"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            must("out", f"a folder with a whole {STATE_FILE} for --resume", str(folder), "begin anew without --resume")
        ) from error
    network = Alanet(shape, "training")
    network.load_state_dict(_with_prefix(tensors, "model"))
    state = begin(network.to(device), config)
    state.average.load_state_dict(_with_prefix(tensors, "average"))
    _restore_moments(state, tensors, counters["updates"])
    state.steps, state.updates, state.minutes = counters["steps"], counters["updates"], counters["minutes"]
    state.notes = notes
    return state


def _with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix + "/"): x for name, x in tensors.items() if name.startswith(prefix + "/")}


def _restore_moments(state: TrainState, tensors: dict[str, Tensor], updates: int) -> None:
    moments = {moment: _with_prefix(tensors, moment) for moment in _MOMENTS}
    for name, parameter in state.model.named_parameters():
        if name in moments[_MOMENTS[0]]:
            # In the layout of the weights, as it was: another layout adds up in another order.
            kept = {m: torch.empty_like(parameter.detach()).copy_(moments[m][name]) for m in _MOMENTS}
            state.optimizer.state[parameter] = {"step": torch.tensor(float(updates)), **kept}
