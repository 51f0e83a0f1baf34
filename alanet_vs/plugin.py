"""What `native/bridge.c` calls: the Python functions behind core.alanet.Enhance and core.alanet.Models."""

import vapoursynth as vs

import alanet_core as alanet
from alanet_core.errors import must
from alanet_vs.answer import Answer, answering
from alanet_vs.filter import enhance


def bind(name: str, version: str) -> None:
    """Hand the function of that name to the plug-in that waits for it, on this thread.

    version: the plug-in's, which must be this package's, as the two share what is private between them.
    """
    if version == alanet.__version__:
        vs.core.alanet.Bind(func=FUNCTIONS[name])
        return
    wanted = f"of version {alanet.__version__}, as alanet_vs is"
    error = must("core.alanet", wanted, version, "type: python -m pip install --force-reinstall alanet")
    vs.core.alanet.Bind(error=f"alanet: {error}")


@answering
def _enhance(**arguments: object) -> Answer:
    """enhance(), with text that may come as bytes: callers other than Python do not say which it is."""
    texts = {name: value.decode() for name, value in arguments.items() if isinstance(value, bytes)}
    return {"clip": enhance(**(arguments | texts))}  # type: ignore[arg-type]  # checked by the plug-in's signature


@answering
def _models() -> Answer:
    presets = alanet.presets().values()
    return {
        "name": [preset.name for preset in presets],
        "summary": [preset.summary for preset in presets],
        "trained": [int(preset.trained) for preset in presets],
        "window": [preset.config.window for preset in presets],
    }


FUNCTIONS = {"enhance": _enhance, "models": _models}
