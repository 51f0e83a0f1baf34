"""How GStreamer comes to know the element: a folder to name, lines to eval, or a stub that needs neither."""

import sysconfig
from pathlib import Path

PLUGIN_PATH = Path(__file__).resolve().parent
"""For GST_PLUGIN_PATH: the loader looks into its subfolder `python`."""

PLUGIN_FILE = PLUGIN_PATH / "python" / "gstalanet.py"
STUB_TEXT = """# Written by `python -m alanet_gst install`; `python -m alanet_gst uninstall` removes it.
import importlib.util

_spec = importlib.util.spec_from_file_location("gstalanet_plugin", {plugin!r})
_module = importlib.util.module_from_spec(_spec)
_module.SITE = {site!r}
try:
    _spec.loader.exec_module(_module)
    __gstelementfactory__ = _module.__gstelementfactory__
except FileNotFoundError:
    pass  # alanet is gone without `uninstall`, and so is the element
"""


def stub() -> Path:
    """In the one folder of the user's that the Python loader reads; it is not the one under ~/.local/share."""
    return Path.home() / ".gstreamer-1.0" / "plugins" / "python" / "gstalanet.py"


def site_folder() -> str:
    """Where this environment keeps its packages."""
    return sysconfig.get_paths()["purelib"]


def install() -> Path:
    """Write the stub -> its path. It appears as a new file: GStreamer watches the folder's time, not the file's."""
    path = stub()
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(STUB_TEXT.format(site=site_folder(), plugin=str(PLUGIN_FILE)), encoding="utf-8")
    new.replace(path)
    return path


def uninstall() -> Path | None:
    """Remove the stub -> its path, None where there was none."""
    path = stub()
    if not path.is_file():
        return None
    path.unlink()
    return path


def shell_lines() -> str:
    """For `eval`: variables that make the element known to this shell's programs."""
    earlier = "${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"
    return f'export GST_PLUGIN_PATH="{PLUGIN_PATH}{earlier}"\nexport ALANET_SITE="{site_folder()}"'
