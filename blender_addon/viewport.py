# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture of what a 3D viewport shows now: the objects alone, without overlays, gizmos and background."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import bpy
import gpu
import numpy as np
from mathutils import Matrix

from .errors import PictureUnreadable
from .phrases import phrase
from .pictures import new_picture_file, write_png

# The first look, to find where something is; and the picture, as large as the server reads one.
_LOOK_PX = 512
_PICTURE_PX = 1024
# Samples a pixel, along each side: the view is drawn without soft edges.
_SAMPLES = 2
# Of the seen part's longer side, free around it.
_MARGIN = 0.08
# Fainter pixels are no part of what is seen.
_FAINT = 1 / 255
# Engines whose rendered view can be drawn apart from the screen.
_DRAWABLE_ENGINES = ("BLENDER_EEVEE", "BLENDER_EEVEE_NEXT", "BLENDER_WORKBENCH")
_NAME = "Viewport"


def find_viewport(context: bpy.types.Context) -> bpy.types.Area | None:
    """The 3D viewport that is meant: the one in which the button is, otherwise the largest of the window."""
    if context.area is not None and context.area.type == "VIEW_3D":
        return context.area
    screen = context.window.screen if context.window is not None else None
    areas = [area for area in screen.areas if area.type == "VIEW_3D"] if screen is not None else []
    return max(areas, key=lambda area: area.width * area.height, default=None)


def viewport_obstacle(context: bpy.types.Context) -> str:
    """Why there is no picture of a viewport, "" where there is one."""
    if bpy.app.background:
        return "Blender runs without a window: there is no viewport to take a picture of."
    if find_viewport(context) is None:
        return "No 3D viewport is open in this window."
    return ""


def viewport_file(context: bpy.types.Context, folder: Path) -> Path:
    """What the viewport shows, as a PNG with alpha, as large as what is seen allows. Nothing of the file changes.

    Raises PictureUnreadable, DiskFull, FolderUnwritable.
    """
    obstacle = viewport_obstacle(context)
    area = find_viewport(context)
    if obstacle or area is None:
        raise PictureUnreadable("The viewport", "there is none", obstacle)
    region = next(region for region in area.regions if region.type == "WINDOW")
    whole = np.array([[-1.0, -1.0], [1.0, 1.0]])
    with _bare(context, area.spaces.active):
        view = _View(context, area.spaces.active, region)
        frame = _seen(view.draw(whole, _LOOK_PX), view.aspect)
        rgba = _averaged(_straight(view.draw(frame, _SAMPLES * _PICTURE_PX)))
    height, width = rgba.shape[:2]
    target = new_picture_file(folder, _NAME)
    write_png(rgba.reshape(-1, 4), (width, height), target)
    return target


class _View:
    """A viewport's view. aspect: width by height of the region."""

    def __init__(self, context: bpy.types.Context, space: bpy.types.SpaceView3D, region: bpy.types.Region) -> None:
        self._context = context
        self._space = space
        self._region = region
        self.aspect = region.width / region.height

    def draw(self, frame: np.ndarray, longest_px: int) -> np.ndarray:
        """A part of the view. frame: (2, 2), its lower left and upper right corner; the whole is -1 to 1.

        Returns (H, W, 4) float32, rows upward, as it is displayed; colours were multiplied by alpha before that.
        Raises PictureUnreadable.
        """
        (across, up), half = frame.mean(axis=0), (frame[1] - frame[0]) / 2
        sides = half * (self.aspect, 1.0)
        width, height = (max(_SAMPLES, round(side * longest_px / sides.max())) // _SAMPLES * _SAMPLES for side in sides)
        crop = Matrix(
            ((1 / half[0], 0, 0, -across / half[0]), (0, 1 / half[1], 0, -up / half[1]), (0, 0, 1, 0), (0, 0, 0, 1))
        )
        camera = self._space.region_3d
        try:
            offscreen = gpu.types.GPUOffScreen(width, height)
        except Exception as error:  # the driver's own words
            raise PictureUnreadable(
                "The viewport", phrase("the graphics card gives no room for it: {error}", error=error)
            ) from error
        try:
            offscreen.draw_view3d(
                self._context.scene,
                self._context.view_layer,
                self._space,
                self._region,
                camera.view_matrix,
                crop @ camera.window_matrix,
                do_color_management=True,
                draw_background=False,
            )
            pixels = offscreen.texture_color.read()  # bytes
            return np.array(pixels, dtype=np.float32).reshape(height, width, 4) / 255
        finally:
            offscreen.free()


@contextlib.contextmanager
def _bare(context: bpy.types.Context, space: bpy.types.SpaceView3D) -> Iterator[None]:
    """The view without overlays, gizmos and world; what cannot be drawn apart from the screen as a material preview."""
    render, shading = context.scene.render, space.shading
    changes = [(space.overlay, "show_overlays", False), (space, "show_gizmo", False)]
    if shading.type in ("MATERIAL", "RENDERED"):
        changes.append((render, "film_transparent", True))
    if shading.type == "RENDERED" and render.engine not in _DRAWABLE_ENGINES:
        changes.append((shading, "type", "MATERIAL"))
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in changes]
    try:
        for owner, name, value in changes:
            setattr(owner, name, value)
        context.view_layer.update()
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


def _straight(premultiplied: np.ndarray) -> np.ndarray:  # (H, W, 4)
    """Colours of their own instead of multiplied by alpha. The display's curve came after that product, so it is
    undone by the curve's value for alpha.
    """
    alpha = premultiplied[..., 3:].clip(0, 1)
    curve = np.where(alpha <= 0.0031308, alpha * 12.92, 1.055 * alpha ** (1 / 2.4) - 0.055)  # IEC 61966-2-1
    colours = np.divide(
        premultiplied[..., :3], curve, out=np.zeros_like(premultiplied[..., :3]), where=alpha > _FAINT
    ).clip(0, 1)
    return np.concatenate([colours, alpha], axis=2).astype(np.float32)


def _averaged(rgba: np.ndarray) -> np.ndarray:  # (H, W, 4), both sides multiples of _SAMPLES
    """Each square of samples as one pixel; colours count as much as their alpha."""
    height, width = rgba.shape[0] // _SAMPLES, rgba.shape[1] // _SAMPLES
    squares = rgba.reshape(height, _SAMPLES, width, _SAMPLES, 4)
    alpha = squares[..., 3:].mean(axis=(1, 3))
    colours = (squares[..., :3] * squares[..., 3:]).mean(axis=(1, 3))
    colours = np.divide(colours, alpha, out=np.zeros_like(colours), where=alpha > 0)
    return np.concatenate([colours, alpha], axis=2)


def _seen(rgba: np.ndarray, aspect: float) -> np.ndarray:  # (H, W, 4)
    """The part of the whole view that holds what is seen, with a margin; see `_View.draw`. Raises PictureUnreadable."""
    seen = rgba[..., 3] > _FAINT
    if not seen.any():
        raise PictureUnreadable(
            "The viewport", "it shows no object", "Turn the view so that the character fills it, then try again."
        )
    sides = np.array([seen.shape[1], seen.shape[0]])
    columns, rows = np.flatnonzero(seen.any(axis=0)), np.flatnonzero(seen.any(axis=1))
    corners = np.array([[columns[0], rows[0]], [columns[-1] + 1, rows[-1] + 1]]) / sides * 2 - 1
    shape = np.array([aspect, 1.0])
    margin = _MARGIN * ((corners[1] - corners[0]) * shape).max() / shape
    return np.clip(corners + np.array([-margin, margin]), -1.0, 1.0)
