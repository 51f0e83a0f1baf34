"""ALANET for VapourSynth: the same filter as `core.alanet.Enhance`, for scripts that would rather import it.

It knows only the public names of `alanet_core`. The way of a frame: `native/render.c` asks for it and its neighbours,
`pairs` turns them into a sharp and a middle frame, `native/split.c` lays them out as frames 2n and 2n + 1.
"""

try:
    # Imported for its absence. The folder alone, in which our plug-in lies, would do for `import vapoursynth`.
    from vapoursynth import core as _core  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"alanet: alanet_vs must find VapourSynth, got {error}; type: pip install 'alanet[vs]' (Python 3.12 or later)"
    ) from error

from alanet_vs.filter import enhance

__all__ = ["enhance"]
