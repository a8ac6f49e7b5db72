# SPDX-License-Identifier: GPL-3.0-or-later
"""One latent texture behind six views: what two views both see is denoised once, so that they agree.

Source: Step1X-3D (arXiv 2505.07747), after SyncMVD (arXiv 2311.12891), whose fitted texture is a weighted mean in
closed form.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.step1x3d.texture.nearest import nearest_known

EPSILON = 1e-8
STRONGEST = 6.0  # exponent of the cosines that the last step would have


@dataclass(frozen=True, eq=False)
class Coverage:
    """Which texels six views hit, all of H × W latent pixels and an N × N texture.

    pixels: for each view the flat indices (P,) of pixels that see the mesh. texels: the flat texels (P,) that these
    hit. cosines: float32 (6, N * N) of the angle under which a view sees each texel, filled to all. visible: bool
    (6, N * N). nearest: int64 (6, N * N), for each view the hit texel nearest to each. known: int64 (N * N), the texel
    nearest to each that any view paints.
    """

    height: int
    width: int
    side: int
    pixels: tuple[Tensor, ...]
    texels: tuple[Tensor, ...]
    cosines: Tensor
    visible: Tensor
    nearest: Tensor
    known: Tensor

    def mask(self) -> Tensor:
        """1 where a view sees the mesh, 0 on its background: float32 (6, 1, H, W)."""
        mask = torch.zeros(len(self.pixels), self.height * self.width, device=self.cosines.device)
        for row, pixels in zip(mask, self.pixels, strict=True):
            row[pixels] = 1.0
        return mask.view(-1, 1, self.height, self.width)


def cover(
    covered: Tensor,  # (6, H, W) bool: the pixel sees the mesh
    uv: Tensor,  # (6, H, W, 2) float32: where on the texture, v upwards
    cosines: Tensor,  # (6, H, W) float32
    visible: Tensor,  # (6, N, N) bool: texels of faces that the view sees
) -> Coverage:
    """What six views see of a texture. A view that sees nothing gives nothing to it."""
    side = visible.shape[1]
    height, width = covered.shape[1:]
    column = torch.round(uv[..., 0] * (side - 1)).long().clamp(0, side - 1)
    row = (side - 1 - torch.round(uv[..., 1] * (side - 1))).long().clamp(0, side - 1)
    texel = (row * side + column).flatten(1)
    pixels = tuple(view.flatten().nonzero().flatten() for view in covered)
    texels = tuple(hit[seen] for hit, seen in zip(texel, pixels, strict=True))
    filled, nearest = [], []
    for hit, seen, cosine in zip(texels, pixels, cosines.flatten(1), strict=True):
        count = torch.bincount(hit, minlength=side * side)
        source = nearest_known((count > 0).view(side, side))
        filled.append(_mean_by_texel(cosine[seen][None], hit, count)[0, source])
        nearest.append(source)
    shown = visible.flatten(1)
    angles = torch.stack(filled)
    known = nearest_known((shown & (angles > 0)).any(0).view(side, side))
    return Coverage(height, width, side, pixels, texels, angles, shown, torch.stack(nearest), known)


def paint_texture(coverage: Coverage, views: Tensor, exponent: float) -> Tensor:
    """The texture that six views (6, C, H, W) paint together: (C, N, N).

    Each view counts by the cosine of its angle to the `exponent`, of which 0 means 1. What none of them sees takes on
    what is nearest.
    """
    power = exponent or 1.0
    weights = coverage.visible * coverage.cosines**power
    total = weights.new_zeros(coverage.side**2)
    painted = views.new_zeros(views.shape[1], coverage.side**2)
    for view, pixels, texels, source, weight in zip(
        views.flatten(2), coverage.pixels, coverage.texels, coverage.nearest, weights, strict=True
    ):
        count = torch.bincount(texels, minlength=coverage.side**2)
        painted += _mean_by_texel(view[:, pixels], texels, count)[:, source] * weight
        total += weight
    painted = painted / (total + EPSILON)
    return painted[:, coverage.known].view(-1, coverage.side, coverage.side)


def _mean_by_texel(values: Tensor, texels: Tensor, count: Tensor) -> Tensor:  # (C, P), (P,), (T,)
    """(C, T): the mean of the values that hit each texel, as the reference's fit finds it."""
    total = values.new_zeros(len(values), len(count)).index_add_(1, texels, values)
    return 2.0 * total / (2.0 * count + EPSILON)


def show_texture(coverage: Coverage, texture: Tensor) -> Tensor:
    """What six views see of a texture (C, N, N), zero on their background: (6, C, H, W)."""
    views = texture.new_zeros(len(coverage.pixels), len(texture), coverage.height * coverage.width)
    flat = texture.flatten(1)
    for view, pixels, texels in zip(views, coverage.pixels, coverage.texels, strict=True):
        view[:, pixels] = flat[:, texels]
    return views.view(*views.shape[:2], coverage.height, coverage.width)


def exponent_at(index: int, steps: int) -> float:
    """How strongly frontal views lead at step `index` of `steps`."""
    return STRONGEST * index / steps
