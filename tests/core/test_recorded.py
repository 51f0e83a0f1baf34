"""Stages replayed from recordings, with a stand-in for CUDA's graphs that has their rule: memory is written anew."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from alanet_core import Alanet, AlanetStream, ModelConfig, StreamConfig, presets
from alanet_core.latent import Core, Latent
from alanet_core.streaming import overlap, recorded
from alanet_core.streaming.recorded import Recorder


def rerun(work):
    """As `capture`: a replay computes from what lies in the tensors now, and writes over what it made before."""
    made = work()
    kept: list[Tensor] = []
    recorded._described(made, kept)

    def replay() -> None:
        again: list[Tensor] = []
        recorded._described(work(), again)
        for old, new in zip(kept, again, strict=True):
            old.copy_(new)

    return made, replay


def counted(calls: list[object]):
    def capture(work):
        calls.append(work)
        return rerun(work)

    return capture


@pytest.fixture
def as_on_cuda(monkeypatch) -> list[object]:
    """Streams record, and make pictures one after the other; what is recorded is counted."""
    calls: list[object] = []
    monkeypatch.setattr(overlap.Stages, "_beside", False)
    begin = overlap.Stages.__init__

    def begun(self, model, config, slack=0):
        begin(self, model, config, slack)
        if config.graphs:
            self._run = Recorder(counted(calls))

    monkeypatch.setattr(overlap.Stages, "__init__", begun)
    return calls


def network(name: str) -> Alanet:
    narrow = {"channels": (8, 12, 16)}
    config = {
        "guided": ModelConfig(
            **narrow, kernels=(3, 3, 3), unshuffle=4, fusion="guided", residual=True, taps=(-0.7, 0.7), detail=4,
            sharp_head=(8,), middle_head=(8,), restore=(8, 8), searches=2,
        ),
        "mean": ModelConfig(**narrow, kernels=(3, 3, 3)),
    }[name]  # fmt: skip
    torch.manual_seed(1)
    return Alanet(config).eval().requires_grad_(False)


def pictures(model: Alanet, config: StreamConfig) -> list[Tensor]:
    generator = torch.Generator().manual_seed(2)
    frames = [torch.rand(3, 52, 60, generator=generator) for _ in range(7)]
    stream = AlanetStream(model, config)
    pairs = [pair for n, frame in enumerate(frames) for pair in stream.push(frame, cut=n == 3)] + stream.drain()
    return [x for pair in pairs for x in (pair.sharp, pair.middle) if x is not None]


@pytest.mark.parametrize("name", ["guided", "mean"])
@pytest.mark.parametrize("mode", ["joint", "deblur", "interpolate"])
def test_replayed_stages_give_the_same_pictures_over_cuts_and_ends(as_on_cuda, name: str, mode: str) -> None:
    model = network(name)
    plain = pictures(model, StreamConfig(mode=mode))
    assert not as_on_cuda
    again = pictures(model, StreamConfig(mode=mode, graphs=True))
    assert len(as_on_cuda) >= 3
    assert all(torch.equal(a, b) for a, b in zip(plain, again, strict=True))


def test_what_was_given_and_what_was_made_are_the_callers_own() -> None:
    calls: list[object] = []
    run = Recorder(counted(calls))
    x, y = torch.ones(2), torch.full((2,), 5.0)
    first = run(torch.add, x, y)
    second = run(torch.add, x + 1, y)
    assert len(calls) == 1
    assert (first.tolist(), second.tolist(), x.tolist()) == ([6, 6], [7, 7], [1, 1])


def test_one_tensor_in_two_places_is_another_signature() -> None:
    """A frame that stands in for its neighbour is known by being the same one."""
    calls: list[object] = []
    run = Recorder(counted(calls))

    def same(a: Latent, b: Latent) -> Tensor:
        return torch.full((1,), float(a.pixels is b.pixels))

    one, other = (Latent(Core(torch.ones(1), torch.ones(1)), (), torch.ones(1)) for _ in range(2))
    assert [run(same, one, one).item(), run(same, one, other).item(), run(same, other, one).item()] == [1, 0, 0]
    assert len(calls) == 2


def test_as_many_are_kept_as_are_said() -> None:
    calls: list[object] = []
    run = Recorder(counted(calls))
    for size in (*range(1, recorded.MOST + 2), recorded.MOST + 1, 1):
        run(torch.neg, torch.ones(size))
    assert len(calls) == recorded.MOST + 2


@pytest.fixture(scope="module")
def pretending():
    """A mode in which tensors may claim to lie on a GPU; they have no numbers, and asking for one raises."""
    if torch.version.cuda is None:
        pytest.skip("this torch was built without CUDA")
    if torch.cuda.is_available():
        pytest.skip("a GPU is here: scripts/gpu_check.py asks it")
    return FakeTensorMode()


class Crossing(TorchDispatchMode):
    """Notes what reads on one device and writes on another; a number alone may travel with the call."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        tensors = [x for x in tree_leaves((args, kwargs, made)) if isinstance(x, Tensor)]
        if len({x.device.type for x in tensors if x.dim() or x.device.type != "cpu"}) > 1:
            self.found.append(str(func))
        return made


@pytest.mark.parametrize("name", presets())
def test_no_stage_asks_cuda_for_a_value_or_brings_one(name: str, pretending, monkeypatch) -> None:
    """Else no graph could be recorded, and stages would wait for each other."""
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _=None: SimpleNamespace(synchronize=lambda: None))
    model = Alanet(presets()[name].config).eval().requires_grad_(False)
    with pretending, torch.no_grad():
        for module in model.modules():
            for part, x in module.named_parameters(recurse=False):
                fake = torch.empty_strided(x.shape, x.stride(), device="cuda")
                module._parameters[part] = torch.nn.Parameter(fake, requires_grad=False)
        frames = [torch.rand(3, 90, 120, device="cuda") for _ in range(2)]

        def play() -> int:
            stream = AlanetStream(model, StreamConfig(scene_threshold=0, overlap=False))
            return len([pair for frame in frames for pair in stream.push(frame)] + stream.drain())

        assert play() == 2  # what depends on sizes alone is made and kept
        with Crossing() as crossing:
            assert play() == 2
    assert crossing.found == []
