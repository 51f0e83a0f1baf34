"""Colour: planes of RGB, YUV and GRAY, 8..16 bit, half and float, to RGB planes and back.

All hosts (files, VapourSynth, GStreamer) convert through this one package, so that they agree.
Values stay gamma-coded: no transfer function is applied in either direction.
"""

from alanet_core.color.convert import from_rgb, to_rgb
from alanet_core.color.format import (
    CHROMA_SITES,
    FAMILIES,
    MATRICES,
    ChromaSite,
    Family,
    MatrixName,
    PixelFormat,
)

__all__ = [
    "CHROMA_SITES",
    "FAMILIES",
    "MATRICES",
    "ChromaSite",
    "Family",
    "MatrixName",
    "PixelFormat",
    "from_rgb",
    "to_rgb",
]
