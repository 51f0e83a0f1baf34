"""Video files: read, enhanced and written with PyAV; times, sound, colours and side data kept."""

from alanet_core.media.enhance import Enhancement, enhance_file
from alanet_core.media.report import EnhanceReport
from alanet_core.media.settings import EnhanceSettings

__all__ = ["EnhanceReport", "EnhanceSettings", "Enhancement", "enhance_file"]
