"""The only file that opens weights: safetensors with the configuration and a sha256 inside.

Layout of a safetensors file: 8 bytes length of the header (little endian), the header in JSON, the tensors. The
header's `__metadata__` holds "config" (ModelConfig as JSON) and "sha256" of that JSON and of every tensor in the order
of their names. Nothing here executes what it reads.
"""

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor

from alanet_core.config import ModelConfig
from alanet_core.errors import ConfigError, WeightsError, must
from alanet_core.model import Alanet

PICKLE_MARKS = (b"PK\x03\x04", b"\x80")  # a zip made by torch.save; a bare pickle
HEADER = slice(8, 9)  # where a safetensors file has the "{" of its JSON; its length before that may look like a mark


def save(path: str | Path, model: Alanet) -> str:
    """Write weights (float32) and configuration; the file appears whole or not at all. Returns the sha256 inside."""
    path = Path(path)
    tensors = {name: x.detach().float().cpu().contiguous() for name, x in model.state_dict().items()}
    config = model.config.to_json()
    digest = _digest(config, tensors)
    part = path.with_name(path.name + ".part")
    save_file(tensors, part, metadata={"config": config, "sha256": digest})
    part.chmod(0o644)  # safetensors makes it readable by its owner alone
    part.replace(path)
    return digest


def restore(path: str | Path, name: str | None = None) -> Alanet:
    """Read a file that `save` wrote -> network in float32 on the CPU, in eval mode.

    Raises WeightsError for a missing, damaged or foreign file, ConfigError for a configuration of a newer version.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        reason = getattr(error, "strerror", None) or str(error)
        raise WeightsError(
            must("model", "a preset or a readable .safetensors file", str(path), f"{reason}: check the path")
        ) from error
    config, tensors = _unpack(data, path)
    model = Alanet(config, name or path.stem)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise WeightsError(
            must("model", "weights that fit their own configuration", str(path), "get the file again")
        ) from error
    return model.eval()


def _unpack(data: bytes, path: Path) -> tuple[ModelConfig, dict[str, Tensor]]:
    if data.startswith(PICKLE_MARKS) and data[HEADER] != b"{":
        raise WeightsError(
            must(
                "model",
                "a .safetensors file",
                f"{path} (a pickle)",
                "pickles can run code and are never opened; convert it with the program that made it",
            )
        )
    try:
        length = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + length]).get("__metadata__", {})
        tensors = load(data)
    except (SafetensorError, ValueError, AttributeError) as error:
        raise WeightsError(must("model", "a whole .safetensors file", str(path), "get the file again")) from error
    if "config" not in metadata or "sha256" not in metadata:
        raise WeightsError(
            must(
                "model",
                "weights written by alanet (with configuration and sha256)",
                str(path),
                "use a preset of `alanet models` or a file made by `alanet train`",
            )
        )
    if _digest(metadata["config"], tensors) != metadata["sha256"]:
        raise WeightsError(must("model", "undamaged weights", f"{path} (sha256 differs)", "get the file again"))
    try:
        return ModelConfig.from_json(metadata["config"]), tensors
    except (TypeError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise WeightsError(
            must("model", "weights with a readable configuration", str(path), "update alanet")
        ) from error


def _digest(config: str, tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(config.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
