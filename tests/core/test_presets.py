"""Loading by name: what is refused, and in which words."""

import pytest
import torch

from alanet_core import ConfigError, DeviceError, StreamConfig, WeightsError, load, presets
from alanet_core.presets import find_device, find_dtype


def test_default_is_a_trained_preset_and_paper_says_that_it_is_not() -> None:
    assert load(precision="fp32", device="cpu").name == "fine"
    assert presets()["fast"].trained
    assert not presets()["paper"].trained
    assert "UNTRAINED" in presets()["paper"].summary


def test_an_untrained_preset_is_refused_unless_asked_for() -> None:
    with pytest.raises(WeightsError, match=r"untrained.*--allow-untrained"):
        load("paper")
    one, two = (load("paper", allow_untrained=True, precision="fp32", device="cpu") for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


@pytest.mark.parametrize(
    ("error", "words", "settings"),
    [
        (ConfigError, "model must be one of default, fine, fast, paper", {"model": "nope"}),
        (ConfigError, "model must be one of default", {"model": "long" * 2000}),
        (ConfigError, "model must be one of default", {"model": "nul\0"}),
        (WeightsError, "File name too long: check the path", {"model": "long" * 2000 + ".safetensors"}),
        (WeightsError, "null byte: check the path", {"model": "nul\0.safetensors"}),
        (ConfigError, "window must be 3", {"model": "fast", "window": 5}),
        (ConfigError, "precision must be one of", {"precision": "fp8"}),
        (DeviceError, "precision must be auto, bf16 or fp32 on a CPU", {"precision": "fp16", "device": "cpu"}),
        (DeviceError, "device must be auto, cpu, cuda or cuda:N", {"device": "gpu"}),
        (DeviceError, "device must be auto, cpu, cuda or cuda:N", {"device": "cuda:x"}),
    ],
)
def test_bad_arguments_are_refused_at_the_door(error: type[Exception], words: str, settings: dict[str, str]) -> None:
    with pytest.raises(error, match=words):
        load(**settings)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_without_a_device_is_refused_and_never_replaced() -> None:
    with pytest.raises(DeviceError, match="device must be cpu, as no CUDA device is here, got 'cuda'"):
        load(device="cuda")


def test_precisions_mean_what_they_say() -> None:
    cpu = find_device("cpu")
    assert find_dtype("fp32", cpu) == torch.float32
    assert find_dtype("bf16", cpu) == torch.bfloat16
    assert load(precision="bf16", device="cpu").dtype == torch.bfloat16


@pytest.mark.parametrize(
    "wrong", [{"mode": "both"}, {"scene_mode": "wipe"}, {"scene_threshold": -0.1}, {"scene_threshold": 2}]
)
def test_stream_settings_are_checked_when_made(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=rf"^{next(iter(wrong))} must be .*, got .*; "):
        StreamConfig(**wrong)
