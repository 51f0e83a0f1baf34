"""Motion without learning over any distance: patches are looked for in the other frame, coarse to fine.

Patches of 8 x 8 pixels, each on half of its neighbours, begin where the level below left them. In every round a patch
takes over the motion of a neighbour if that fits it better (propagation: Barnes et al., "PatchMatch", 2009; all at
once, so that the order of patches does not matter), and goes on by damped Gauss-Newton steps with the gradient of its
own frame, which is computed once (inverse search: Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV
2016). Only what lessens the squared error, less that of the mean brightness, is kept; a patch that fits to within noise
looks no further. A pixel's motion is the mean of that of the patches it lies in, weighted by how well each fits it.

`alanet_core/native/search.c` computes the same on CPUs. The two agree bit for bit, since both add in the same order:
for sums over a patch see `_folded`. So a result depends neither on threads nor on what else is in the batch.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from alanet_core import native
from alanet_core.model.kept import kept

_PATCH = 8  # pixels along one side of a patch
_STRIDE = 4  # from one patch to the next
_BEFORE = 2  # pixels of the first patch before the first pixel: patches stand evenly around their cells of 4 x 4
_MARGIN = _PATCH  # around the planes: a patch that lies there whole sees the repeated edge alone
_ROUNDS = 3  # of propagation a level, after the first descent
_STEPS = 2  # of Gauss-Newton a round, at most
_DAMPING = 1e-3  # of the least squares: keeps flat patches where they are
_FIRMNESS = 4.0  # times the damping, at the first of two levels: half of the slopes, and the second has been there
_DOUBT = 1 / 255  # differences of brightness below this are noise: all fit equally well
_NEAR = 0.05  # pixels (of both directions together) by which a neighbour's motion must differ to be tried
_LONGEST = 2.0  # pixels that one step may go in each direction: farther, the gradient says nothing
_SETTLED = 0.01  # pixels (of both directions together); a step below this is the last
_GOOD = _PATCH**2 * (1 / 255) ** 2  # cost of a patch that fits to within noise: it looks no further in later rounds
_BRIGHTEST = 1e4  # brightness is 0..1; what is beyond this, or no number, counts as black, and no sum overflows

NEIGHBOURS = ((-1, 0), (1, 0), (0, -1), (0, 1))  # rows down, columns right

SETTINGS = native.Settings(_ROUNDS, _STEPS, _DAMPING, _FIRMNESS, _DOUBT, _NEAR, _LONGEST, _SETTLED, _GOOD, _BRIGHTEST)


class _Patches(NamedTuple):
    """What is known of all patches of a level; S sheets (a frame and the way to its partner), P patches of each."""

    own: Tensor  # [8, 8, S, P] brightness
    gx: Tensor  # [8, 8, S, P]
    gy: Tensor
    shape: tuple[Tensor, ...]  # xx, xy, yy, x, y, determinant: [S, P] each
    others: Tensor  # [S * padded height * padded width] the partners' brightness
    stand: Tensor  # [2, 1, P] where the first pixel of each is, x first
    size: tuple[int, int]  # of the level: height, width


@torch.no_grad()
def search(earlier: Sequence[Tensor], later: Sequence[Tensor]) -> Tensor:
    """The motion between two frames, both ways, from their brightness [B, 1, h, w] float32 at several levels.

    The level where the answer is wanted comes first, then each half the size of the one before, odd sizes rounded up
    (`light.pyramid` makes them). Returns [B, 4, h, w] float32 at the first level, in its pixels, x first: channels
    0, 1 lead from places of `earlier` to `later`, 2, 3 from places of `later` to `earlier`. It is finite whatever comes
    in. Raises ValueError for levels that do not match.
    """
    return _found(earlier, later, 1)[0]


@torch.no_grad()
def search_twice(earlier: Sequence[Tensor], later: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """What is found at the first level, and what was found at the second one before, each as `search` has it.

    The same patches see half as far at the first: small things and edges come out there, even ground at the second.
    """
    if len(earlier) < 2:
        msg = f"two levels or more are needed, got {len(earlier)}"
        raise ValueError(msg)
    first, second = _found(earlier, later, 2)
    return first, second


def _found(earlier: Sequence[Tensor], later: Sequence[Tensor], wanted: int) -> tuple[Tensor, ...]:
    """The flows of the first levels, 1 or 2 of them."""
    _check(earlier, later)
    first = earlier[0]
    if first.numel() == 0:
        return tuple(x.new_zeros(len(x), 4, *x.shape[2:]) for x in earlier[:wanted])
    if native.reaches(first) and native.available():
        return native.search(earlier, later, SETTINGS, wanted)
    return _search(earlier, later, wanted)


def _check(earlier: Sequence[Tensor], later: Sequence[Tensor]) -> None:
    if not earlier or len(earlier) != len(later):
        msg = f"earlier and later must have the same number of levels, at least 1, got {len(earlier)} and {len(later)}"
        raise ValueError(msg)
    batch, _, height, width = earlier[0].shape
    for a, b in zip(earlier, later, strict=True):
        for plane in (a, b):
            if plane.shape != (batch, 1, height, width) or plane.dtype != torch.float32:
                expected = f"[{batch}, 1, {height}, {width}] float32"
                msg = f"this level must be {expected}, got {list(plane.shape)} {plane.dtype}"
                raise ValueError(msg)
        height, width = (height + 1) // 2, (width + 1) // 2


def _search(earlier: Sequence[Tensor], later: Sequence[Tensor], wanted: int = 1) -> tuple[Tensor, ...]:
    """The plain form: what search.c does, for all patches of both directions at once."""
    flow: Tensor | None = None
    flows: list[Tensor] = []
    for level in reversed(range(len(earlier))):
        a, b = earlier[level], later[level]
        pictures = torch.stack((a[:, 0], b[:, 0]), 1)  # [B, 2, h, w]: sheets 2n and 2n + 1 are each other's partners
        patches = _patches(pictures, _DAMPING * (_FIRMNESS if wanted > 1 and level == 0 else 1))
        rows, columns = _grid(patches.size)
        start = _start(flow, rows, columns) if flow is not None else pictures.new_zeros(2, 2 * len(a), rows * columns)
        found = _descend(patches, torch.cat((start, _measure(patches, start))))
        for _ in range(_ROUNDS):
            better = _descend(patches, _best_of_neighbours(patches, found))
            found = torch.where(_cost(found[2:]) < _GOOD, found, better)
        flow = _spread(patches, found)
        if level < wanted:
            flows.insert(0, flow.view(len(a), 4, *flow.shape[2:]))
    return tuple(flows)


def _grid(size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of patches."""
    return -(-size[0] // _STRIDE), -(-size[1] // _STRIDE)


@kept
def _standing(height: int, width: int, device: torch.device) -> Tensor:
    """Where the first pixel of each patch is: [2, 1, P] float32, x first."""
    rows, columns = (_STRIDE * torch.arange(n, device=device) - _BEFORE for n in _grid((height, width)))
    grid = torch.meshgrid(columns, rows, indexing="xy")
    return torch.stack(grid).flatten(1)[:, None].float()


@kept
def _window(side: int, width: int, device: torch.device) -> Tensor:
    """From the first pixel of a patch to each of side x side, in rows of so many pixels: [side * side, 1, 1] int32."""
    places = torch.arange(side, device=device, dtype=torch.int32)
    return (places[:, None] * width + places).reshape(-1, 1, 1)


@kept
def _sheet_begins(sheets: int, pixels: int, device: torch.device) -> Tensor:
    """Where each sheet begins in all of them, [S, 1] int32."""
    return torch.arange(sheets, device=device, dtype=torch.int32)[:, None] * pixels


def _patches(pictures: Tensor, damping: float) -> _Patches:
    """From [B, 2, h, w]."""
    height, width = pictures.shape[2:]
    planes = torch.where(pictures.abs() <= _BRIGHTEST, pictures, 0)
    planes = F.pad(planes, (_MARGIN,) * 4, mode="replicate")
    rows, columns = _grid((height, width))

    def cut(x: Tensor) -> Tensor:  # x: from pixel (-3, -3) of the picture on, one more than the patches have around
        x = x.flatten(0, 1).unfold(1, _PATCH, _STRIDE).unfold(2, _PATCH, _STRIDE)[:, :rows, :columns]
        return x.permute(3, 4, 0, 1, 2).flatten(3).contiguous()

    first = _MARGIN - _BEFORE
    gx = (planes[..., first:, first + 1 :] - planes[..., first:, first - 1 : -2])[..., :-1] / 2
    gy = (planes[..., first + 1 :, first:] - planes[..., first - 1 : -2, first:])[..., :-1, :] / 2
    own, gx, gy = cut(planes[..., first:, first:]), cut(gx), cut(gy)
    xx, xy, yy, x, y = _folded(torch.stack((gx * gx, gx * gy, gy * gy, gx, gy), 2))
    n = _PATCH**2
    xx, xy, yy = xx - x * x / n + damping, xy - x * y / n, yy - y * y / n + damping
    shape = (xx, xy, yy, x, y, xx * yy - xy * xy)
    stand = _standing(height, width, pictures.device)
    return _Patches(own, gx, gy, shape, planes.flip(1).flatten(), stand, (height, width))


def _folded(x: Tensor) -> Tensor:
    """The sum over a patch, [8, 8, ...] -> [...]: search.c adds in the same order.

    The lower half of the rows to the upper, these one after the other, and the columns by halves.
    """
    half = x[: _PATCH // 2] + x[_PATCH // 2 :]
    x = half[0] + half[1] + half[2] + half[3]
    for side in (4, 2, 1):
        x = x[:side] + x[side:]
    return x[0]


def _difference(patches: _Patches, flow: Tensor) -> Tensor:
    """The partner where the patches have moved to, less the patches: flow [2, S, ..., P] -> [8, 8, S, ..., P]."""
    height, width = patches.size
    sheets, count = flow.shape[1], flow.shape[-1]
    many = flow.shape[2:-1].numel()
    x, y = (patches.stand.unsqueeze(2) + flow.reshape(2, sheets, many, count)).unbind()
    x, y = x.clamp(-_PATCH, width - 1), y.clamp(-_PATCH, height - 1)
    left, above = x.floor(), y.floor()
    right, below = x - left, y - above
    stride = width + 2 * _MARGIN
    begins = _sheet_begins(sheets, stride * (height + 2 * _MARGIN), flow.device)[:, None]
    from_ = (above.int() + _MARGIN) * stride + (left.int() + _MARGIN) + begins
    window = _window(_PATCH + 1, stride, flow.device)
    values = patches.others.index_select(0, (window + from_.view(1, 1, -1)).flatten())
    values = values.view(_PATCH + 1, _PATCH + 1, sheets, many, count)
    upper, lower = values[:-1], values[1:]
    moved = (1 - below) * (1 - right) * upper[:, :-1] + (1 - below) * right * upper[:, 1:]
    moved = moved + below * (1 - right) * lower[:, :-1] + below * right * lower[:, 1:]
    return (moved - patches.own[:, :, :, None]).view(_PATCH, _PATCH, *flow.shape[1:])


def _measure(patches: _Patches, flow: Tensor) -> Tensor:
    """Sums over patches moved by flow [2, S, ..., P] -> [4, S, ..., P]: of the difference c, c * c, gx * c, gy * c."""
    c = _difference(patches, flow)
    many = (1,) * (flow.dim() - 3)
    gx, gy = (g.view(*g.shape[:3], *many, g.shape[3]) for g in (patches.gx, patches.gy))
    return _folded(torch.stack((c, c * c, gx * c, gy * c), 2))


def _cost(sums: Tensor) -> Tensor:
    """The squared error less that of the mean: brightness may change from frame to frame."""
    return sums[1] - sums[0] * sums[0] / _PATCH**2


def _start(coarser: Tensor, rows: int, columns: int) -> Tensor:
    """Twice the coarser flow [S, 2, h, w] at the middle of each patch, where four pixels meet -> [2, S, P]."""
    height, width = coarser.shape[2:]
    flow = F.pad(coarser, (0, 2 * columns - width, 0, 2 * rows - height), mode="replicate")
    upper, lower = flow[:, :, ::2], flow[:, :, 1::2]
    doubled = ((upper[..., ::2] + upper[..., 1::2]) + (lower[..., ::2] + lower[..., 1::2])) / 2
    return doubled.flatten(2).transpose(0, 1)


def _best_of_neighbours(patches: _Patches, found: Tensor) -> Tensor:
    """The motion of a neighbour where it fits better: found [6, S, P], flow and sums at it -> the same."""
    rows, columns = _grid(patches.size)
    own = found[:2]
    around = F.pad(torch.unflatten(own, 2, (rows, columns)), (1, 1, 1, 1), mode="replicate")  # beyond the edge: its own
    moved = [around[:, :, 1 + y : 1 + y + rows, 1 + x : 1 + x + columns].flatten(2) for y, x in NEIGHBOURS]
    flows = torch.stack(moved, 2)  # [2, S, 4, P]
    sums = _measure(patches, flows)
    near = (flows - own[:, :, None]).abs().sum(0) < _NEAR
    costs = torch.where(near, torch.inf, _cost(sums))
    costs = torch.cat((_cost(found[2:])[:, None], costs), 1)
    choice = costs.min(1, keepdim=True).indices.expand(6, -1, -1, -1)  # the first of equals: its own before others
    every = torch.cat((found[:, :, None], torch.cat((flows, sums))), 2)  # [6, S, 5, P]
    return every.gather(2, choice)[:, :, 0]


def _descend(patches: _Patches, found: Tensor) -> Tensor:
    """Damped Gauss-Newton steps for as long as they help: found [6, S, P] -> the same."""
    xx, xy, yy, x, y, determinant = patches.shape
    n = _PATCH**2
    going = torch.ones_like(found[0], dtype=torch.bool)
    for _ in range(_STEPS):
        c, _, xc, yc = found[2:]
        bx, by = xc - x * c / n, yc - y * c / n
        step = torch.stack((yy * bx - xy * by, xx * by - xy * bx)) / determinant
        size = step.abs().sum(0)
        going = going & (size < torch.inf)  # a determinant of 0 must not make the flow no number
        flow = found[:2] - step.clamp(-_LONGEST, _LONGEST)
        flow = torch.where(going, flow, found[:2])
        sums = _measure(patches, flow)
        going = going & (_cost(sums) < _cost(found[2:]))
        found = torch.where(going, torch.cat((flow, sums)), found)
        going = going & (size >= _SETTLED)
    return found


def _spread(patches: _Patches, found: Tensor) -> Tensor:
    """The flow of each pixel from the patches it lies in: found [6, S, P] -> [S, 2, h, w]."""
    height, width = patches.size
    rows, columns = _grid(patches.size)
    flow = found[:2]
    weight = 1 / _difference(patches, flow).abs().clamp(min=_DOUBT)  # [8, 8, S, P]
    parts = torch.stack((weight, weight * flow[0], weight * flow[1]), 3)  # [8, 8, S, 3, P]
    # Patch (i, j) has its quarters in the cells of 4 x 4 pixels (i, j), (i, j + 1), (i + 1, j), (i + 1, j + 1).
    parts = F.pad(torch.unflatten(parts, 4, (rows, columns)), (1, 1, 1, 1))  # [8, 8, S, 3, rows + 2, columns + 2]
    here, before = slice(1, None), slice(None, -1)
    upper, lower = parts[:_STRIDE, :, :, :, here], parts[_STRIDE:, :, :, :, before]
    cells = upper[:, _STRIDE:, ..., before] + upper[:, :_STRIDE, ..., here]
    cells = cells + lower[:, _STRIDE:, ..., before] + lower[:, :_STRIDE, ..., here]
    pixels = cells.permute(2, 3, 4, 0, 5, 1).reshape(-1, 3, _STRIDE * (rows + 1), _STRIDE * (columns + 1))
    pixels = pixels[:, :, _BEFORE : _BEFORE + height, _BEFORE : _BEFORE + width]
    return pixels[:, 1:] * (1 / pixels[:, :1])
