# SPDX-License-Identifier: GPL-3.0-or-later
"""From pictures of a mesh, taken by known cameras, to its texture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from models.common.bake.balance import balance_gains
from models.common.bake.blend import blend
from models.common.bake.errors import MeshUnusable, ViewsUnusable
from models.common.bake.fill import complete, complete_officially
from models.common.bake.mesh import UvMesh, check_mesh
from models.common.bake.projection import (
    Painted,
    ProjectionRules,
    Texels,
    View,
    gather_view,
    place_texels,
    splat_view,
)
from models.common.bake.unwrap import uv_problem
from models.common.raster.rasterize import pick_backend

WORTH_TELLING = 0.02  # share of the surface
TEXTURE_SIDES = (256, 4096)  # less shows nothing, more does not fit the memory of the machines this is for


@dataclass(frozen=True)
class BakeSettings:
    """projection: sizes and conventions. method: "gather" looks each texel up in the views; "splat" shares each pixel
    out among texels and fills the rest as Step1X-3D's own bake does. balances: even out the views' brightness where
    they overlap.
    """

    projection: ProjectionRules
    method: Literal["gather", "splat"] = "gather"
    balances: bool = True


@dataclass(frozen=True, eq=False)
class Texture:
    """rgb: (T, T, 3) uint8 sRGB, row 0 on top. seen: (T, T) bool, texels that a view painted; the others are a guess.
    gains: what each view's brightness was multiplied with. notes: what the user should know, in sentences.
    """

    rgb: np.ndarray
    seen: np.ndarray
    gains: tuple[float, ...]
    notes: tuple[str, ...] = ()


def bake(
    views: Sequence[View],
    mesh: UvMesh,
    settings: BakeSettings,
    raise_if_cancelled: Callable[[], None] = lambda: None,
) -> Texture:
    """Carry the views onto the mesh's texture, blend them, and continue them over what no view saw.

    Earlier views come first where later ones add nothing. The same input gives the same bytes.
    raise_if_cancelled is called before each view and each later step.
    Raises MeshUnusable, ViewsUnusable.
    """
    check_input(views, mesh, settings)
    gains = balance_gains(views, mesh) if settings.balances else np.ones(len(views))
    texels = place_texels(mesh, settings.projection.texture_px)
    painted = _paint(views, mesh, texels, settings, raise_if_cancelled)
    lit = (
        (replace(layer, color=layer.color * np.float32(gain)), view.weight)
        for layer, view, gain in zip(painted, views, gains, strict=True)
    )
    color, seen = blend(lit)
    if not seen.any():
        raise ViewsUnusable("None of the views shows any part of the mesh. Check that the cameras look at it.")
    raise_if_cancelled()
    if settings.method == "gather":
        rgb = complete(color, seen, mesh, texels.fragments)
    else:
        rgb = complete_officially(color, seen, mesh)
    return Texture(rgb, seen, tuple(float(gain) for gain in gains), _notes(seen, texels.used))


def _notes(seen: np.ndarray, used: np.ndarray) -> tuple[str, ...]:
    notes = []
    share = np.count_nonzero(seen & used) / max(np.count_nonzero(used), 1)
    if share < 1.0 - WORTH_TELLING:
        notes.append(f"What was given shows {share:.0%} of the surface; the rest is continued from around it.")
    if pick_backend() != "compiled":
        notes.append("numba is not installed here, so the texture was baked many times slower than it could be.")
    return tuple(notes)


def _paint(
    views: Sequence[View],
    mesh: UvMesh,
    texels: Texels,
    settings: BakeSettings,
    raise_if_cancelled: Callable[[], None],
) -> Iterator[Painted]:
    """What each view paints, one at a time: a 4096² layer is 0.3 GiB."""
    for view in views:
        raise_if_cancelled()
        if settings.method == "gather":
            yield gather_view(view, mesh, texels, settings.projection)
        else:
            yield splat_view(view, mesh, settings.projection)


def check_input(views: Sequence[View], mesh: UvMesh, settings: BakeSettings) -> None:
    """Raise MeshUnusable or ViewsUnusable unless the views can be put onto the mesh."""
    check_mesh(mesh.vertices, mesh.faces)
    problem = uv_problem(mesh.uv)
    if problem:
        raise MeshUnusable(
            f"The mesh's texture coordinates cannot carry a picture: {problem}. Unwrap the mesh again without overlaps."
        )
    low, high = TEXTURE_SIDES
    if not low <= settings.projection.texture_px <= high:
        raise ViewsUnusable(
            f"A texture of {settings.projection.texture_px} texels a side was asked for; "
            f"choose between {low} and {high}."
        )
    if not views:
        raise ViewsUnusable("There is no picture to put onto the mesh. Give at least one view.")
    for number, view in enumerate(views, start=1):
        shape = view.image.shape
        if view.image.dtype != np.uint8 or len(shape) != 3 or shape[0] != shape[1] or shape[2] not in (3, 4):
            raise ViewsUnusable(
                f"View {number} is {view.image.dtype} of shape {shape}; a square picture of 8 bits is needed."
            )
