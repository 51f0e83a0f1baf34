"""GStreamer as Python sees it; the one place that names the versions."""

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstVideo", "1.0")
from gi.repository import GObject, Gst, GstVideo  # noqa: E402  # the versions come first

__all__ = ["GObject", "Gst", "GstVideo"]
