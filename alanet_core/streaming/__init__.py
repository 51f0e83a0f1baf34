"""The three drivers' common ground: what is due (plan), what is remembered (ring), how stages meet (overlap)."""

from alanet_core.streaming.renderer import WindowRenderer
from alanet_core.streaming.ring import LatentRing
from alanet_core.streaming.stream import AlanetStream

__all__ = ["AlanetStream", "LatentRing", "WindowRenderer"]
