"""Weights: what is written is read back; what is damaged, foreign or a pickle is refused in one line."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from alanet_core import Alanet, ConfigError, ModelConfig, WeightsError, identity_model, load, presets, restore, save

CONFIG = ModelConfig(window=5, channels=(4, 8), kernels=(3, 3), gate_reduction=4)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "model.safetensors"
    save(path, Alanet(CONFIG))
    return path


def test_weights_and_configuration_come_back_as_they_were(file: Path) -> None:
    torch.manual_seed(0)
    expected = Alanet(CONFIG)
    model = restore(file)
    assert model.config == CONFIG
    assert model.name == "model"
    assert not model.training
    for name, value in expected.state_dict().items():
        assert torch.equal(model.state_dict()[name], value)
    assert list(file.parent.iterdir()) == [file]


def test_one_changed_byte_anywhere_is_noticed(file: Path) -> None:
    data = file.read_bytes()
    header = int.from_bytes(data[:8], "little")
    config = data.index(b"channels")
    for place in (config + 14, 8 + header, 8 + header + 1000, len(data) - 1):
        file.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises((WeightsError, ConfigError), match=r"model must be .*; get the file again"):
            restore(file)


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"weight": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match=r"model must be a \.safetensors file, got .*\(a pickle\)"):
        load(path)
    path.write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(WeightsError, match="pickle"):
        load(path)


def test_weights_whose_header_is_as_long_as_a_pickle_begins_are_none(tmp_path: Path) -> None:
    """One length of a header in 256 is, in its first byte, that of a pickle."""
    path = tmp_path / "model.safetensors"
    for channels in range(4, 400, 4):
        save(path, Alanet(ModelConfig(channels=(channels, 8), kernels=(3, 3), gate_reduction=4)))
        spaces = 0x80 - path.read_bytes()[0]
        if spaces >= 0:
            break
    data = path.read_bytes()
    header = int.from_bytes(data[:8], "little")
    padded = data[8 : 8 + header] + b" " * spaces  # safetensors allows them
    path.write_bytes(len(padded).to_bytes(8, "little") + padded + data[8 + header :])
    assert path.read_bytes()[:1] == b"\x80"
    assert restore(path).config.channels[1] == 8


@pytest.mark.parametrize("data", [b"", b"hello, this is text", bytes(4000)])
def test_other_files_are_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=r"whole \.safetensors file"):
        load(path)


def test_foreign_safetensors_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"x": torch.zeros(2)}, path)
    with pytest.raises(WeightsError, match="written by alanet"):
        load(path)
    with pytest.raises(WeightsError, match="No such file"):
        load(tmp_path / "missing.safetensors")


def test_a_configuration_of_a_newer_version_is_refused_by_name() -> None:
    values = json.loads(CONFIG.to_json()) | {"wings": 2}
    with pytest.raises(ConfigError, match="wings"):
        ModelConfig.from_mapping(values)


def test_a_model_written_by_us_loads_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "identity.safetensors"
    save(path, identity_model(5))
    assert load(path, window=5).config == identity_model(5).config
    with pytest.raises(ConfigError, match="window must be 5"):
        load(path, window=3)


@pytest.mark.parametrize("name", [name for name, preset in presets().items() if preset.trained])
def test_shipped_weights_fit_their_preset_and_their_card(name: str) -> None:
    import hashlib

    preset = presets()[name]
    assert restore(preset.path).config == preset.config
    assert hashlib.sha256(preset.path.read_bytes()).hexdigest() == preset.card["sha256"]
    assert preset.path.stat().st_size < 16 * 2**20
    assert preset.path.with_suffix(".md").is_file()
