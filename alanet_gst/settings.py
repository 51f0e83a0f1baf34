"""What the user asks for: `Settings`, and the GObject properties that they are read from and written to."""

import ctypes
from dataclasses import dataclass
from typing import Any

from alanet_gst.gst import GObject, Gst

MODES = {
    "joint": "Sharp frames and middles: deblurred, at twice the rate",
    "deblur": "Sharp frames alone, at the same rate",
    "interpolate": "Input frames as they are, and middles: twice the rate",
}
PRECISIONS = {
    "auto": "bf16 where the device computes in it, else fp32",
    "fp32": "32 bits: the reference",
    "bf16": "16 bits, range of fp32",
    "fp16": "16 bits; CUDA only",
}
SCENE_MODES = {
    "repeat": "The sharp frame before the cut, once more",
    "blend": "The mean of the frames around the cut",
    "next": "The input frame after the cut",
}
MAX_BUDGET = 60_000  # ms
MAX_ROWS = 65_535


@dataclass(kw_only=True)
class Settings:
    """What the user asked for; State (`flow`) is what a run needs."""

    model: str = "default"
    mode: str = "joint"
    device: str = "auto"
    precision: str = "auto"
    allow_untrained: bool = False
    scene_threshold: float = 0.33
    scene_mode: str = "repeat"
    tile: int = 0
    low_latency: bool = False
    qos: bool = True
    latency_budget: int = 0

    @property
    def network(self) -> tuple[str, str, str, bool]:
        """What decides which network is loaded, and where."""
        return self.model, self.device, self.precision, self.allow_untrained


class _EnumValue(ctypes.Structure):
    _fields_ = (("value", ctypes.c_int), ("name", ctypes.c_char_p), ("nick", ctypes.c_char_p))


_REGISTERED: dict[str, Any] = {}  # GObject keeps pointers into these for ever


def _register_enum(name: str, choices: dict[str, str]) -> GObject.GType:
    """A GEnum, so that gst-inspect lists the choices and gst-launch takes names; PyGObject 3.42 cannot make one."""
    values = (_EnumValue * (len(choices) + 1))()
    for number, (nick, blurb) in enumerate(choices.items()):
        values[number] = _EnumValue(number, blurb.encode(), nick.encode())
    library = ctypes.CDLL("libgobject-2.0.so.0")
    library.g_enum_register_static.argtypes = [ctypes.c_char_p, ctypes.POINTER(_EnumValue)]
    library.g_enum_register_static.restype = ctypes.c_size_t
    library.g_enum_register_static(name.encode(), values)
    _REGISTERED[name] = values
    return GObject.GType.from_name(name)


_ENUMS = {
    "mode": (_register_enum("AlanetMode", MODES), tuple(MODES)),
    "precision": (_register_enum("AlanetPrecision", PRECISIONS), tuple(PRECISIONS)),
    "scene_mode": (_register_enum("AlanetSceneMode", SCENE_MODES), tuple(SCENE_MODES)),
}


def _enum_property(name: str, nick: str, blurb: str) -> tuple[Any, ...]:
    return _ENUMS[name][0], nick, blurb, 0, _BEFORE


_READ = GObject.ParamFlags.READABLE
_BOTH = GObject.ParamFlags.READWRITE
_BEFORE = GObject.ParamFlags(int(_BOTH) | int(Gst.PARAM_MUTABLE_READY))
_ANY_TIME = GObject.ParamFlags(int(_BOTH) | int(Gst.PARAM_MUTABLE_PLAYING))
_DEFAULT = Settings()

_BLURBS = {
    "model": "The network: a preset of `alanet models` (default, fine, fast, paper), or the path of a .safetensors "
    "file written by alanet",
    "device": "Where the network runs: auto (CUDA where there is one, else the CPU), cpu, cuda, cuda:N",
    "allow-untrained": "Take a preset that ships without trained weights; its pictures are noise",
    "scene-threshold": "A cut is where more than this share of the picture is new; 0 looks for no cuts",
    "tile": "Rows of a picture that are generated at a time, to save memory; 0 for all of it",
    "low-latency": "Send each sharp frame before its middle is made: it comes earlier, and both together take longer",
    "qos": "When late, give way in this order: repeat instead of making middles, pass frames through, drop them",
    "latency-budget": "The most that the element may add to the latency, in ms; quality gives way for it as with qos, "
    "which must be on. 0: as much as it takes",
    "stats": "frames-in = sharp + passed + dropped + flushed + held; middles made and repeated; late: frames for which "
    "less was done than the mode asks; mean and 95th percentile of each stage and of the latency, and the latency told "
    "to the pipeline, in ns",
}

PROPERTIES: dict[str, tuple[Any, ...]] = {
    "model": (str, "Model", _BLURBS["model"], _DEFAULT.model, _BEFORE),
    "mode": _enum_property("mode", "Mode", "What is made of each input frame"),
    "device": (str, "Device", _BLURBS["device"], _DEFAULT.device, _BEFORE),
    "precision": _enum_property("precision", "Precision", "What the features are computed in"),
    "allow-untrained": (bool, "Allow untrained", _BLURBS["allow-untrained"], _DEFAULT.allow_untrained, _BEFORE),
    "scene-threshold": (
        float, "Scene threshold", _BLURBS["scene-threshold"], 0.0, 1.0, _DEFAULT.scene_threshold, _BEFORE,
    ),
    "scene-mode": _enum_property("scene_mode", "Scene mode", "What stands for the middle before a cut"),
    "tile": (int, "Tile", _BLURBS["tile"], 0, MAX_ROWS, _DEFAULT.tile, _BEFORE),
    "low-latency": (bool, "Low latency", _BLURBS["low-latency"], _DEFAULT.low_latency, _BEFORE),
    "qos": (bool, "Quality of service", _BLURBS["qos"], _DEFAULT.qos, _ANY_TIME),
    "latency-budget": (
        int, "Latency budget", _BLURBS["latency-budget"], 0, MAX_BUDGET, _DEFAULT.latency_budget, _ANY_TIME,
    ),
    "stats": (Gst.Structure, "Statistics", _BLURBS["stats"], _READ),
}  # fmt: skip


def read(settings: Settings, name: str) -> object:
    """The value that GObject has for property `name`."""
    field = name.replace("-", "_")
    value = getattr(settings, field)
    if field in _ENUMS:
        return _ENUMS[field][1].index(value)
    return value


def write(settings: Settings, name: str, value: str | float) -> None:
    """Set property `name` to what GObject brings."""
    field = name.replace("-", "_")
    if field in _ENUMS:
        value = _ENUMS[field][1][int(value)]
    elif field in ("model", "device"):
        value = value or getattr(_DEFAULT, field)
    setattr(settings, field, value)


def structure(values: dict[str, int]) -> Gst.Structure:
    """The property `stats` from Stats.snapshot()."""
    made = Gst.Structure.new_empty("application/x-alanet-stats")
    for name, value in values.items():
        made.set_value(name, GObject.Value(GObject.TYPE_UINT64, value))
    return made
