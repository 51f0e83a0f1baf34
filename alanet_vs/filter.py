"""`enhance`: everything that is checked and decided once a clip, before its first frame."""

import vapoursynth as vs

import alanet_core as alanet
from alanet_core.config import Mode, SceneMode
from alanet_core.errors import must
from alanet_vs import shared
from alanet_vs.pairs import PairMaker
from alanet_vs.planes import MATRIX_BY_NAME

MAX_FRAMES = 2**31 - 1  # VapourSynth counts frames in a C int


def enhance(  # noqa: PLR0917  # core.alanet.Enhance takes its arguments by place, too
    clip: vs.VideoNode,
    model: str = "default",
    mode: Mode = "joint",
    device: str = "auto",
    precision: str = "auto",
    scene_threshold: float = alanet.StreamConfig.scene_threshold,
    scene_mode: SceneMode = "repeat",
    tile: int = 0,
    matrix: str = "auto",
    window: int | None = None,
    overlap: bool = True,
    allow_untrained: bool = False,
) -> vs.VideoNode:
    """Deblur a clip and double its frame rate; the same as `core.alanet.Enhance`.

    clip: constant format and size, progressive; RGB, YUV or GRAY, 8..16 bit integer, half or float. The result has
        the same format, size and properties, and in modes "joint" and "interpolate" twice the frames.
    model: a preset (`core.alanet.Models()`) or the path of a .safetensors file written by alanet.
    mode: "joint" sharp frames and middles, "deblur" sharp frames alone, "interpolate" input frames and middles.
    device: "auto" (CUDA where there is one, else the CPU), "cpu", "cuda" or "cuda:N".
    precision: "auto" (bf16 where the device computes in it, else fp32), "fp32", "bf16" or "fp16".
    scene_threshold: 0..1: a cut is where two frames differ by more; 0 looks for none. Frames that say themselves
        (`_SceneChangePrev`, `_SceneChangeNext`) are believed in any case.
    scene_mode: what stands for the middle before a cut: "repeat" the sharp frame, "next" the frame after the cut,
        "blend" the mean of the two.
    tile: rows of a picture that are generated at a time, 0 or more, 0 for all: saves memory, changes no pixel in fp32.
    matrix: of YUV frames that do not say it (`_Matrix` absent or 2): "auto" (709 for HD sizes, else 170m), or a name
        that VapourSynth's resizers know: 709, fcc, 470bg, 170m, 240m, ycgco, 2020ncl.
    window: refuse the model unless it was made for this W.
    overlap: on CUDA, run the network's stages side by side; changes no pixel.
    allow_untrained: take a preset without trained weights; its pictures are noise.

    Raises vapoursynth.Error with one line that says what to do.
    """
    try:
        config = alanet.StreamConfig(
            mode=mode, scene_threshold=scene_threshold, scene_mode=scene_mode, tile=tile, overlap=bool(overlap)
        )
        _check_matrix(matrix)
        doubles = mode != "deblur"
        _check_clip(clip, doubles=doubles)
        plugin = _plugin()
        network = shared.network(
            model, device=device, precision=precision, window=window, allow_untrained=bool(allow_untrained)
        )
        make = PairMaker(network, config, clip.num_frames, MATRIX_BY_NAME.get(matrix))
    except alanet.AlanetError as error:
        raise vs.Error(f"alanet: {error}") from error
    node: vs.VideoNode = plugin.Render(clip, back=make.back, ahead=make.ahead, split=doubles, make=make)
    return node


def _check_matrix(matrix: str) -> None:
    if matrix != "auto" and matrix not in MATRIX_BY_NAME:
        names = ", ".join(("auto", *MATRIX_BY_NAME))
        raise alanet.ConfigError(must("matrix", f"one of {names}", matrix, "use auto"))


def _check_clip(clip: vs.VideoNode, *, doubles: bool) -> None:
    """Refuse what no frame of the clip could pass. What only frames can tell (fields, colour) is checked with them."""
    if not isinstance(clip, vs.VideoNode):
        raise alanet.ConfigError(f"clip must be a video clip, got {type(clip).__name__}; pass a VideoNode")
    if clip.format.color_family == vs.UNDEFINED:
        remedy = "convert it: clip.resize.Bicubic(format=vs.YUV420P8)"
        raise alanet.ConfigError(f"clip must be of constant format, got a variable one; {remedy}")
    if not clip.width or not clip.height:
        remedy = "convert it: clip.resize.Bicubic(width=..., height=...)"
        raise alanet.ConfigError(f"clip must be of constant size, got a variable one; {remedy}")
    if clip.gpu_resident:
        raise alanet.ConfigError("clip must be in main memory, got one on the GPU; pass clip.std.GPUDownload()")
    if clip.format.sample_type == vs.INTEGER and clip.format.bits_per_sample > 16:
        remedy = "convert it: clip.resize.Point(format=...)"
        raise alanet.ConfigError(f"clip must be of 8..16 bits, half or float, got {clip.format.name}; {remedy}")
    if doubles and clip.num_frames > MAX_FRAMES // 2:
        limit = f"at most {MAX_FRAMES // 2} frames, as VapourSynth counts no further than twice that"
        remedy = "cut it: clip[:1000000], or use mode='deblur'"
        raise alanet.ConfigError(f"clip must be of {limit}, got {clip.num_frames}; {remedy}")


def _plugin() -> vs.Plugin:
    plugin = getattr(vs.core, "alanet", None)
    if plugin is None:
        remedy = "reinstall alanet where there is a C compiler; `alanet doctor` says what is missing"
        raise alanet.ConfigError(f"core.alanet must be there, got VapourSynth without the plug-in; {remedy}")
    return plugin
