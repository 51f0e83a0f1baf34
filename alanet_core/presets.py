"""The named models that ship, where their weights lie, and how any model is loaded onto its device."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from alanet_core import checkpoint
from alanet_core.config import PRECISIONS, ModelConfig
from alanet_core.errors import ConfigError, DeviceError, WeightsError, must
from alanet_core.model import Alanet

WEIGHTS = Path(__file__).parent / "weights"
DEFAULT = "fine"
UNTRAINED_SEED = 2020  # of the weights that an untrained preset starts from

PAPER = ModelConfig()
FAST = ModelConfig(
    channels=(32, 48, 64),
    kernels=(3, 3, 3),
    unshuffle=4,
    fusion="guided",
    residual=True,
    taps=(-0.69, -0.34, 0.34, 0.69),
    detail=4,
    sharp_head=(16,),
    middle_head=(16,),
    last=1,
)
FINE = ModelConfig(
    channels=(64, 96, 128),
    kernels=(3, 3, 3),
    unshuffle=4,
    fusion="guided",
    residual=True,
    taps=(-1.375, -1.03, -0.69, -0.34, 0.34, 0.69, 1.03, 1.375),
    detail=16,
    sharp_head=(32, 24),
    middle_head=(24, 20),
    searches=2,
    restore=(48, 48),
)


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A named model. path: its weights, None for one that ships untrained."""

    name: str
    summary: str
    config: ModelConfig
    path: Path | None

    @property
    def trained(self) -> bool:
        """Whether weights worth using come with it."""
        return self.path is not None

    @property
    def card(self) -> dict[str, Any]:
        """What is known of the weights, from the JSON beside them: sha256, samples seen, figures; {} if untrained."""
        if self.path is None:
            return {}
        card: dict[str, Any] = json.loads(self.path.with_suffix(".json").read_text())
        return card


_PRESETS = (
    Preset(
        name="fine",
        summary="latent attention, guided by measured motion; the best pictures",
        config=FINE,
        path=WEIGHTS / "fine.safetensors",
    ),
    Preset(
        name="fast",
        summary="the same with a quarter of the work; for live video on a CPU",
        config=FAST,
        path=WEIGHTS / "fast.safetensors",
    ),
    Preset(
        name="paper",
        summary="the paper's network at full width; UNTRAINED, for research and your own training",
        config=PAPER,
        path=None,
    ),
)


def presets() -> dict[str, Preset]:
    """All presets by name. The name "default" stands for the one that does best for most people."""
    return {preset.name: preset for preset in _PRESETS}


def load(
    model: str | Path = "default",
    *,
    device: str = "auto",
    precision: str = "auto",
    window: int | None = None,
    allow_untrained: bool = False,
) -> Alanet:
    """Load a network, ready to run.

    model: the name of a preset, or the path of a .safetensors file written by alanet.
    device: "auto" (CUDA where there is one, else the CPU), "cpu", "cuda" or "cuda:N".
    precision: of the features: "fp32", "bf16", "fp16", or "auto" (bf16 where the device computes in it, else fp32).
    window: refuse the model unless it was made for this W.
    allow_untrained: take a preset that ships without trained weights; its pictures are noise.

    Raises ConfigError, DeviceError or WeightsError, cheapest check first.
    """
    if precision not in PRECISIONS:
        raise ConfigError(must("precision", f"one of {', '.join(PRECISIONS)}", precision, "use auto"))
    place = find_device(device)
    dtype = find_dtype(precision, place)
    network = _network(str(model), window, allow_untrained)
    if network.config.window != window is not None:
        raise _window_error(network.config, window)
    network.to(place, dtype)
    return network.eval().requires_grad_(False)


def _network(model: str, window: int | None, allow_untrained: bool) -> Alanet:
    preset = presets().get(DEFAULT if model == "default" else model)
    if preset is None:
        if Path(model).suffix == ".safetensors" or _is_file(model):
            return checkpoint.restore(model)
        names = ", ".join(("default", *presets()))
        raise ConfigError(
            must("model", f"one of {names}, or the path of a .safetensors file", model, "see `alanet models`")
        )
    if window is not None and window != preset.config.window:
        raise _window_error(preset.config, window)
    if preset.path is not None:
        return checkpoint.restore(preset.path, preset.name)
    if not allow_untrained:
        raise WeightsError(
            must(
                "model",
                "trained",
                f"{preset.name} (untrained: its pictures are noise)",
                f"use model={DEFAULT}, or say --allow-untrained (allow_untrained=True)",
            )
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(UNTRAINED_SEED)
        return Alanet(preset.config, preset.name).eval()


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # a name that is too long, or holds a NUL
        return False


def _window_error(config: ModelConfig, window: int | None) -> ConfigError:
    return ConfigError(must("window", f"{config.window}, which this model was made for", window, "leave it out"))


def find_device(device: str) -> torch.device:
    """The torch device that is meant. Raises DeviceError when it is not there; never falls back in silence."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = device.partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdigit()):
        raise DeviceError(must("device", "auto, cpu, cuda or cuda:N", device, "use auto"))
    if kind == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(index or 0) >= count:
            there = f"one of the {count} CUDA devices here" if count else "cpu, as no CUDA device is here"
            raise DeviceError(must("device", there, device, "use cpu or auto; `alanet doctor` says what is found"))
    return torch.device(device)


def find_dtype(precision: str, device: torch.device) -> torch.dtype:
    """The dtype of the features. Raises DeviceError for fp16 on a CPU."""
    if precision == "fp32":
        return torch.float32
    if precision == "bf16":
        return torch.bfloat16
    if precision == "fp16":
        if device.type == "cpu":
            raise DeviceError(must("precision", "auto, bf16 or fp32 on a CPU", precision, "use auto"))
        return torch.float16
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    return torch.bfloat16 if cpu_computes_bf16() else torch.float32


def cpu_computes_bf16() -> bool:
    """Whether this processor multiplies bfloat16 itself (AVX-512 BF16 or AMX), so that it is faster than float32."""
    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))
