"""Importing ALANET changes nothing, loads no host and leaves the graphics card alone."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

# Third parties come first: what they change on import is not ours to answer for.
PROBE = """
import hashlib, importlib, json, locale, logging, os, pkgutil, random, signal, sys, warnings
import av, numpy, rich.console, rich.progress, rich.table, safetensors.torch, torch

def touched(*_, **__):
    raise AssertionError("CUDA was touched")

for name in ("is_available", "device_count", "init", "_lazy_init", "current_device", "get_device_properties"):
    setattr(torch.cuda, name, touched)

def state():
    return {
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "default dtype and device": str((torch.get_default_dtype(), torch.get_default_device())),
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "determinism": (torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.deterministic),
        "cudnn": (torch.backends.cudnn.benchmark, torch.backends.cudnn.enabled),
        "precision": torch.get_float32_matmul_precision(),
        "mkldnn": torch.backends.mkldnn.enabled,
        "random numbers": hashlib.sha256(
            torch.random.get_rng_state().numpy().tobytes()
            + repr((random.getstate(), numpy.random.get_state())).encode()
        ).hexdigest(),
        "environment": dict(os.environ),
        "logging": (logging.root.level, len(logging.root.handlers), logging.root.manager.disable),
        "warnings": [str(entry) for entry in warnings.filters],
        "signals": [str(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)],
        "hooks": (sys.excepthook is sys.__excepthook__, sys.stdout is sys.__stdout__, sys.stderr is sys.__stderr__),
        "path": list(sys.path),
        "place": (os.getcwd(), locale.setlocale(locale.LC_ALL)),
    }

before = state()
import alanet_core
names = ["alanet_core"]
for module in pkgutil.walk_packages(alanet_core.__path__, "alanet_core."):
    names.append(module.name)
    importlib.import_module(module.name)
EFFECT
after = state()
json.dump({
    "imported": names,
    "changed": [key for key in before if before[key] != after[key]],
    "hosts": sorted({"vapoursynth", "gi", "alanet_vs", "alanet_gst"} & set(sys.modules)),
}, sys.stdout)
"""


def probe(effect: str = "") -> dict[str, Any]:
    code = PROBE.replace("EFFECT", effect)
    # This process has imported alanet_core: what that might have set must not reach the child.
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LD_LIBRARY_PATH") if name in os.environ}
    done = subprocess.run([sys.executable, "-c", code], env=inherited, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_importing_every_module_of_the_core_changes_nothing_and_loads_no_host() -> None:
    found = probe()
    assert "alanet_core.streaming.stream" in found["imported"]
    assert "alanet_core.cli.doctor" in found["imported"]
    assert found["changed"] == []
    assert found["hosts"] == []


def test_the_probe_would_notice() -> None:
    effects = {
        "threads": "torch.set_num_threads(torch.get_num_threads() + 1)",
        "random numbers": "torch.manual_seed(1)",
        "environment": "os.environ['ALANET'] = '1'",
        "logging": "logging.basicConfig()",
        "warnings": "warnings.simplefilter('ignore')",
    }
    assert probe("; ".join(effects.values()))["changed"] == list(effects)


def test_the_probe_would_notice_a_touch_of_the_graphics_card() -> None:
    with pytest.raises(AssertionError, match="CUDA was touched"):
        probe("torch.cuda.is_available()")


def test_every_name_in_all_is_there() -> None:
    import alanet_core

    assert sorted(set(alanet_core.__all__)) == sorted(alanet_core.__all__)
    for name in alanet_core.__all__:
        assert hasattr(alanet_core, name), name


@pytest.mark.parametrize(("first", "told", "expected"), [("os", None, "1000"), ("os", "7", "7"), ("torch", None, None)])
def test_threads_wait_awake_for_a_short_while_only_where_that_can_still_be_said(
    first: str, told: str | None, expected: str | None
) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "GOMP_SPINCOUNT"}
    if told is not None:
        environment["GOMP_SPINCOUNT"] = told
    code = f"import os, {first}, alanet_core; print(os.environ.get('GOMP_SPINCOUNT'))"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(expected)
