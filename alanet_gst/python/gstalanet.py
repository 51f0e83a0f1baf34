# ruff: noqa: ANN401, INP001  # gi ships no types, and is not imported yet; the loader imports this file by its path
"""The file that GStreamer's Python loader picks up, for which GST_PLUGIN_PATH names the folder above this one.

It runs in an interpreter that GStreamer started (the system's Python), so the environment that alanet was installed
into may not be on sys.path: it is put there, in front of the system's packages, as an activated one would be.

The loader imports it as a top-level module with this folder first on sys.path: it must not have the package's name, and
no other module may lie beside it. Nothing here may raise, print or end the process: a plug-in file that fails to import
is dropped from the registry in silence, and one that ends the scanner gets the loader itself blacklisted.
"""

from __future__ import annotations  # an older Python must get as far as saying what is wrong

import os
import re
import site
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

OLDEST = (3, 11)
PROPERTIES = (
    *("model", "mode", "device", "precision", "allow-untrained"),
    *("scene-threshold", "scene-mode", "tile", "qos", "latency-budget"),
)


def _roots() -> list[str]:
    """Folders of packages: those that the environment names, and the one this file lies in."""
    # The stub that `python -m alanet_gst install` writes sets SITE before it runs this file.
    told = os.environ.get("ALANET_SITE") or globals().get("SITE", "")
    named = [path for path in told.split(os.pathsep) if path]
    return [*named, str(Path(__file__).resolve().parent.parent.parent)]


def _version_problem() -> str | None:
    """Why this Python cannot be the right one, or None."""
    if sys.version_info[:2] < OLDEST:
        return "alanet needs Python {}.{} or later".format(*OLDEST)
    for path in _roots():
        found = re.search(r"python(\d+)\.(\d+)", path)
        if found and (int(found[1]), int(found[2])) != sys.version_info[:2]:
            return f"alanet is installed for Python {found[1]}.{found[2]}"
    return None


def _use_environment() -> None:
    for path in _roots():
        if path in sys.path:
            continue
        before = list(sys.path)
        site.addsitedir(path)  # runs its .pth files, too: editable installs are such
        new = [one for one in sys.path if one not in before]
        system = (place for place, one in enumerate(before) if one.endswith(("dist-packages", "site-packages")))
        at = next(system, len(before))
        sys.path[:] = before[:at] + new + before[at:]


@contextmanager
def _package() -> Iterator[None]:
    """alanet_gst can be imported, wherever this file lies; sys.path is left as it was."""
    root = _roots()[-1]
    extra = [] if root in sys.path else [root]
    sys.path.extend(extra)
    try:
        yield
    finally:
        for path in extra:
            sys.path.remove(path)


def _element(problem: str | None) -> Any:
    """The element. It needs gi only, so it loads even where the environment is of no use, and can then say so."""
    with _package():
        from alanet_gst import element
    element.PROBLEM = problem
    return element.Alanet


def _own(element: Any) -> None:
    with _package():
        from alanet_gst.floating import own_floating_reference
    own_floating_reference(element)


def _stand_in(problem: str) -> Any:
    """An element that can be made and linked, and says at its first step what is wrong."""
    import gi

    gi.require_version("Gst", "1.0")
    from gi.repository import GObject, Gst

    Gst.init_python()

    class Alanet(Gst.Element):  # type: ignore[misc]  # gi ships no types
        __gtype_name__ = "AlanetUnusable"
        __gstmetadata__ = ("ALANET (cannot start)", "Filter/Effect/Video", problem, "the ALANET founders")
        __gsttemplates__ = tuple(
            Gst.PadTemplate.new(name, direction, Gst.PadPresence.ALWAYS, Gst.Caps.new_any())
            for name, direction in (("sink", Gst.PadDirection.SINK), ("src", Gst.PadDirection.SRC))
        )

        # Any value will do: a pipeline must get as far as the message.
        __gproperties__ = {  # noqa: RUF012  # PyGObject reads it from the class
            name: (str, name, "Not usable", "", GObject.ParamFlags.READWRITE) for name in PROPERTIES
        }

        def __init__(self) -> None:
            super().__init__()
            for name in ("sink", "src"):
                self.add_pad(Gst.Pad.new_from_template(self.get_pad_template(name), name))
            _own(self)

        def do_set_property(self, _prop: Any, _value: str) -> None:
            pass

        def do_get_property(self, _prop: Any) -> str:
            return ""

        def do_change_state(self, transition: Any) -> Any:
            if transition != Gst.StateChange.NULL_TO_READY:
                return Gst.Element.do_change_state(self, transition)
            text = f"alanet: cannot start: {problem}. Run `python -m alanet_gst doctor` where alanet was installed"
            code = Gst.LibraryError.INIT
            self.message_full(Gst.MessageType.ERROR, Gst.LibraryError.quark(), int(code), text, None, __file__, "", 0)
            return Gst.StateChangeReturn.FAILURE

    return Alanet


def _factory() -> tuple[str, int, Any]:
    problem = _version_problem()
    try:
        if problem is None:
            _use_environment()
        kind = _element(problem)
    except Exception as error:  # noqa: BLE001  # whatever it is, the stand-in says it to the user
        kind = _stand_in(problem or f"{type(error).__name__}: {error}")
    return ("alanet", 0, kind)  # 0 is GST_RANK_NONE


__gstelementfactory__ = _factory()
