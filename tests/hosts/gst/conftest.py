"""GStreamer in this process, with a registry of its own; skipped in words where this Python has no `gi`.

GStreamer's loader runs the system's Python: scripts/test.sh runs this folder in an environment made from that one.
"""

import importlib.util
import os
import site
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]

if importlib.util.find_spec("gi") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    sys.path.insert(0, str(HERE))  # gstharness
    # Before GStreamer looks for plug-ins. The scanner is another process, whose Python is the first one on PATH.
    _scratch = tempfile.TemporaryDirectory(prefix="alanet-gst-")
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.environ["GST_REGISTRY"] = str(Path(_scratch.name) / "registry.bin")
    os.environ["GST_PLUGIN_PATH"] = str(ROOT / "alanet_gst")
    os.environ["ALANET_SITE"] = site.getsitepackages()[0]
    os.environ["G_DEBUG"] = "fatal-criticals"

    import gi

    gi.require_version("Gst", "1.0")
    from gi.repository import Gst

    Gst.init(None)
    from gstharness import Harness

    import alanet_core as alanet
    from alanet_core import ModelConfig


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """identity(window): the path of weights that change nothing: sharp is the input, the middle the mean of two."""

    def path(window: int = 3) -> str:
        file = tmp_path_factory.getbasetemp() / f"identity-{window}.safetensors"
        if not file.is_file():
            alanet.save(file, alanet.identity_model(window))
        return str(file)

    return path


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of seeded weights of a few hundred parameters, in which every stage changes something."""
    config = ModelConfig(
        channels=(4, 6, 8), kernels=(3, 3, 3), unshuffle=2, gate_reduction=4, fusion="guided", residual=True,
        taps=(-0.5, 0.5), sharp_head=(6,), middle_head=(5,), detail=4,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        model = alanet.Alanet(config, "tiny")
        for parameter in model.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.1)
    file = tmp_path_factory.mktemp("tiny") / "tiny.safetensors"
    alanet.save(file, model)
    return str(file)


@pytest.fixture
def harness(identity: Callable[..., str]) -> Iterator[Callable[..., "Harness"]]:
    """harness(window=3, **properties): an element in a harness; weights that change nothing, no search for cuts."""
    made: list[Harness] = []

    def make(window: int = 3, **properties: object) -> Harness:
        plain = {"model": identity(window), "scene_threshold": 0.0, "device": "cpu", "precision": "fp32"}
        made.append(Harness(**(plain | properties)))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def alanet_bin(identity: Callable[..., str]) -> str:
    """The element as part of a pipeline's text, with weights that change nothing."""
    return f"alanet name=n model={identity()} device=cpu precision=fp32 scene-threshold=0"
