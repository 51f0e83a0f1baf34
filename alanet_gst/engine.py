"""The network on its device: loaded once for all elements of a process that ask for the same one.

Imported on NULL -> READY, as it needs torch: a failure is then an element error with words.
"""

import threading
import time
import warnings
import weakref
from typing import Any, NamedTuple

import alanet_core as alanet  # before torch: see alanet_core._patience

# isort: split

import numpy as np
import torch

from alanet_core.color import from_rgb, to_rgb
from alanet_gst.gst import GstVideo
from alanet_gst.pixels import Layout
from alanet_gst.settings import Settings

_loaded: "weakref.WeakValueDictionary[tuple[Any, ...], alanet.Alanet]" = weakref.WeakValueDictionary()
_loading = threading.Lock()


class Cost(NamedTuple):
    """What a frame in steady state takes, from bytes to bytes, in ns: all of its work, and until its first buffer."""

    work: int
    delay: int


class Engine:
    """A network ready to run, and what is known of its speed."""

    def __init__(self, settings: Settings) -> None:
        self.asked = settings.network
        self._network = _load(*self.asked)
        self._warm: dict[tuple[Any, ...], Cost] = {}
        _hear_of_read_only_memory_once()

    @property
    def lookahead(self) -> int:
        """Frames that must follow frame n before its pair can be made."""
        return self._network.config.lookahead

    @property
    def device(self) -> torch.device:
        """Where frames are wanted."""
        return self._network.device

    def stream(self, settings: Settings) -> alanet.AlanetStream:
        """A new stream of frames. Raises ConfigError."""
        return alanet.AlanetStream(self._network, _config(settings))

    @staticmethod
    def layout(info: GstVideo.VideoInfo, meaning: dict[str, Any], *, alpha: bool) -> Layout:
        """Where the samples of fixed caps lie."""
        return Layout.of(info, meaning, alpha)

    def warm_up(self, layout: Layout, height: int, width: int, settings: Settings) -> Cost:
        """Run a made-up clip once for each size, so that no frame pays for first times -> what a frame costs."""
        key = (height, width, layout.meaning, settings.mode, settings.low_latency)
        if key not in self._warm:
            stream = self.stream(settings)
            frame = torch.rand(3, height, width, generator=torch.Generator().manual_seed(0)).to(self.device)
            for _ in range(self.lookahead + 1):
                stream.push(frame, cut=False)
            self._warm[key] = _cost_of_one(stream, frame, layout, early=settings.low_latency)
        return self._warm[key]


def _cost_of_one(stream: alanet.AlanetStream, frame: torch.Tensor, layout: Layout, *, early: bool) -> Cost:
    began = time.monotonic_ns()
    departed: list[int] = []

    def write(picture: torch.Tensor | None) -> None:
        if picture is not None:  # on the CPU, as it would be written: its arrival there ends the work on the device
            _ = [plane.cpu() for plane in from_rgb(picture, layout.meaning)]

    def write_early(_: int, sharp: torch.Tensor) -> None:
        write(sharp)
        departed.append(time.monotonic_ns())

    to_rgb(from_rgb(frame.cpu(), layout.meaning), layout.meaning, frame.device)
    for pair in stream.push(frame, cut=False, early=write_early if early else None):
        write(None if departed else pair.sharp)
        write(pair.middle)
    ended = time.monotonic_ns()
    return Cost(ended - began, (departed[0] if departed else ended) - began)


def _load(model: str, device: str, precision: str, allow_untrained: bool) -> alanet.Alanet:
    key = (model, device, precision, allow_untrained)
    with _loading:
        network = _loaded.get(key)
        if network is None:
            network = alanet.load(model, device=device, precision=precision, allow_untrained=allow_untrained)
            _loaded[key] = network
        return network


def _config(settings: Settings) -> alanet.StreamConfig:
    return alanet.StreamConfig(
        mode=settings.mode,  # type: ignore[arg-type]  # GObject's enum holds it to the three names
        scene_threshold=settings.scene_threshold,
        scene_mode=settings.scene_mode,  # type: ignore[arg-type]  # the same
        tile=settings.tile,
    )


def _hear_of_read_only_memory_once() -> None:
    """torch warns at its first read-only array; buffers are mapped for reading only, and only read."""
    frozen = np.zeros(1, np.uint8)
    frozen.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.from_numpy(frozen)
