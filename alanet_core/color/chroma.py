"""Chroma planes to luma's grid and back, without a shift and without loss.

`refine` doubles one axis by linear interpolation between the chroma samples where they lie; `coarsen` halves it by the
short filter that undoes exactly this: coarsen(refine(c)) == c. So a picture that the network leaves alone keeps its
chroma, which the usual pair (bilinear up, bilinear down) blurs by (1, 6, 1) / 8 on every pass. Coarser grids (4:1:1,
4:1:0) take several steps; for co-sited chroma that is the same as one linear interpolation.

    site      refine, even sample   odd sample             coarsen, over samples 2i-2 .. 2i+2 (first) or as said
    first     c[i]                  (c[i] + c[i+1]) / 2    (-1, 2, 6, 2, -1) / 8, about sample 2i
    middle    (c[i-1] + 3 c[i])/4   (3 c[i] + c[i+1])/4    (-1, 3, 3, -1) / 4,    samples 2i-1 .. 2i+2
    last      (c[i-1] + c[i]) / 2   c[i]                   (-1, 2, 6, 2, -1) / 8, about sample 2i+1

These are the biorthogonal pairs of Cohen, Daubechies and Feauveau (1992), table 6.1: (2,2), known as LeGall 5/3, and
(3,1). Each coarsening passes a constant unchanged and stops the highest frequency. Edges are replicated.
"""

import torch
from torch import Tensor

from alanet_core.color.format import Site


def refine(plane: Tensor, dim: int, site: Site, length: int) -> Tensor:
    """Double axis `dim` (-1 or -2): n float samples -> length samples, where length is 2n or 2n - 1."""
    if site == "last":
        whole = refine(plane.flip(dim), dim, "first", 2 * plane.shape[dim])
        return _cut(whole.flip(dim), dim, slice(length))
    shape = list(plane.shape)
    shape[dim] *= 2
    out = plane.new_empty(shape)
    even, odd = _cut(out, dim, slice(0, None, 2)), _cut(out, dim, slice(1, None, 2))
    after = torch.cat((_cut(plane, dim, slice(1, None)), _cut(plane, dim, slice(-1, None))), dim)
    if site == "first":
        even.copy_(plane)
        torch.lerp(plane, after, 0.5, out=odd)
    else:
        before = torch.cat((_cut(plane, dim, slice(1)), _cut(plane, dim, slice(-1))), dim)
        torch.lerp(plane, before, 0.25, out=even)
        torch.lerp(plane, after, 0.25, out=odd)
    return _cut(out, dim, slice(length))


def coarsen(plane: Tensor, dim: int, site: Site) -> Tensor:
    """Halve axis `dim` (-1 or -2): m float samples -> ceil(m / 2); the inverse of `refine`."""
    length = plane.shape[dim]
    if length == 1:
        return plane
    if length % 2:
        # The last chroma sample of an odd length lies this far beyond the last luma sample: continue the line to it.
        beyond = {"first": 0.0, "middle": 0.5, "last": 1.0}[site]
        line = torch.lerp(_cut(plane, dim, slice(-2, -1)), _cut(plane, dim, slice(-1, None)), 1.0 + beyond)
        plane = torch.cat((plane, line), dim)
    if site == "last":
        return coarsen(plane.flip(dim), dim, "first").flip(dim)
    even, odd = _cut(plane, dim, slice(0, None, 2)), _cut(plane, dim, slice(1, None, 2))
    after = torch.cat((_cut(even, dim, slice(1, None)), _cut(odd, dim, slice(-1, None))), dim)
    if site == "first":
        # 5/3 by lifting: what the odd samples hold beyond the line between their neighbours, a quarter to each side.
        detail = torch.lerp(even, after, 0.5, out=after).sub_(odd)
        coarse = torch.sub(even, detail, alpha=0.25)
        _cut(coarse, dim, slice(1, None)).sub_(_cut(detail, dim, slice(-1)), alpha=0.25)
        return coarse
    before = torch.cat((_cut(even, dim, slice(1)), _cut(odd, dim, slice(-1))), dim)
    return even.add(odd).mul_(0.75).sub_(before.add_(after), alpha=0.25)


def _cut(plane: Tensor, dim: int, part: slice) -> Tensor:
    return plane[..., part] if dim == -1 else plane[..., part, :]
