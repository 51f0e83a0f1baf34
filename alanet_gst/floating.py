"""One remedy for one trap of PyGObject; needs neither gi nor anything else."""

import ctypes
from typing import Any


def own_floating_reference(element: Any) -> None:  # noqa: ANN401  # a Gst.Element; gi is not imported here
    """Hand out a floating reference, as GStreamer expects of a new element. The last thing in its __init__.

    PyGObject before 3.50 sinks it (GStreamer then speaks of faulty bindings, and the element leaks in C programs): the
    wrapper keeps the sunk reference, and the caller gets one of its own, which the bin takes over that it is put into.
    """
    if element.is_floating():
        return
    library = ctypes.CDLL("libgobject-2.0.so.0")
    library.g_object_ref.argtypes = [ctypes.c_void_p]
    library.g_object_ref.restype = ctypes.c_void_p
    library.g_object_force_floating.argtypes = [ctypes.c_void_p]
    library.g_object_ref(hash(element))
    library.g_object_force_floating(hash(element))
