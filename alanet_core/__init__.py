"""ALANET: joint video deblurring and interpolation with adaptive latent attention.

    import alanet_core as alanet

    stream = alanet.AlanetStream(alanet.load("fast"))
    for frame in frames:                    # [3, H, W] float32 RGB, 0..1
        for pair in stream.push(frame):     # pair.sharp at time n, pair.middle at n + 1/2
            ...
    for pair in stream.drain():
        ...

Frames, shapes and names: `alanet_core.latent`. Importing touches no device, and changes no global setting but
one of OpenMP's where torch is not loaded yet (`alanet_core._patience`). The first stream on a CPU lets glibc keep free
memory (`alanet_core.streaming.heap`).
"""

from alanet_core import _patience  # noqa: F401, I001  # before all that brings torch
from alanet_core import scenes
from alanet_core._version import __version__
from alanet_core.checkpoint import restore, save
from alanet_core.config import MODES, PRECISIONS, SCENE_MODES, ModelConfig, StreamConfig
from alanet_core.errors import (
    AlanetError,
    ConfigError,
    DeviceError,
    FrameError,
    MediaError,
    StreamError,
    WeightsError,
)
from alanet_core.latent import FramePair
from alanet_core.memory import estimate_memory
from alanet_core.model import Alanet, identity_model
from alanet_core.presets import Preset, load, presets
from alanet_core.streaming import AlanetStream, LatentRing, WindowRenderer

__all__ = [
    "MODES",
    "PRECISIONS",
    "SCENE_MODES",
    "Alanet",
    "AlanetError",
    "AlanetStream",
    "ConfigError",
    "DeviceError",
    "FrameError",
    "FramePair",
    "LatentRing",
    "MediaError",
    "ModelConfig",
    "Preset",
    "StreamConfig",
    "StreamError",
    "WeightsError",
    "WindowRenderer",
    "__version__",
    "estimate_memory",
    "identity_model",
    "load",
    "presets",
    "restore",
    "save",
    "scenes",
]
