# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture of the viewport by a real click; play.py runs this inside Blender. No server is needed."""

from __future__ import annotations

import shutil
from pathlib import Path

import bpy
import numpy as np
from driver import Driver, Steps

_SOON_S = 30
_RED = (0.8, 0.05, 0.02)
# Clear of the object's own pixels, and of its soft edge.
_SOLID, _CLEAR = 0.99, 0.01


def by_clicks(driver: Driver) -> Steps:
    """The cube of the first file, red, in every shading: the cube alone, cut out, and the view as it was."""
    driver.watch_addon()
    yield from driver.open_tab()
    _paint_red()
    space = driver.area.spaces.active
    for shading, engine in (("SOLID", ""), ("RENDERED", "BLENDER_EEVEE"), ("RENDERED", "CYCLES")):
        if engine and not _has_engine(engine):
            driver.log(f"{engine} is not there")
            continue
        space.shading.type = shading
        space.shading.color_type = "MATERIAL"
        yield 1.0
        before = _state(space)
        pixels = yield from _take(driver)
        _assert_cut_out(pixels, f"{shading} {engine}")
        assert _state(space) == before
        shutil.copy(bpy.context.scene.figurine.picture, driver.out / f"view-{shading}-{engine or 'none'}.png")
    yield from _nothing_to_see(driver)
    assert not [image for image in bpy.data.images if image.name.startswith("figurine")]


def _take(driver: Driver) -> Steps:
    """Press View; the picture that was made, (H, W, 4), rows upward."""
    request = bpy.context.scene.figurine
    request.picture = ""
    yield from driver.redraw()
    yield from driver.click("View", "operator")
    path = yield from driver.wait_until(lambda: request.picture, _SOON_S, "the picture of the view")
    image = bpy.data.images.load(path)
    pixels = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(pixels)
    shape = (image.size[1], image.size[0], 4)
    bpy.data.images.remove(image)
    assert Path(path).name == "Viewport.png"
    return pixels.reshape(shape)


def _assert_cut_out(pixels: np.ndarray, what: str) -> None:
    """The cube fills the middle, is red and opaque; around it nothing: no grid, no axis, no light, no background."""
    height, width = pixels.shape[:2]
    alpha = pixels[..., 3]
    assert max(height, width) == 1024 and min(height, width) > 600, (what, pixels.shape)
    assert alpha[height // 2, width // 2] > _SOLID, what
    border = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
    assert border.max() < _CLEAR, (what, border.max())
    solid = pixels[alpha > _SOLID][:, :3]
    assert 0.3 < len(solid) / alpha.size < 0.9, (what, len(solid) / alpha.size)
    reddest = solid[:, 0] - solid[:, 1:].max(axis=1)
    assert np.median(reddest) > 0.15, (what, np.median(solid, axis=0))
    # No part of the grid or of an outline of another colour is in it.
    assert (reddest > -0.02).mean() > 0.995, (what, (reddest > -0.02).mean())
    soft = pixels[(alpha > 0.2) & (alpha < 0.8)][:, :3]
    if len(soft):
        assert np.median(soft[:, 0] - soft[:, 1:].max(axis=1)) > 0.1, (what, np.median(soft, axis=0))


def _nothing_to_see(driver: Driver) -> Steps:
    """An empty view is said, and the picture that was chosen stays."""
    request = bpy.context.scene.figurine
    chosen = request.picture
    for item in bpy.context.scene.objects:
        item.hide_set(True)
    yield 0.5
    yield from driver.redraw()
    yield from driver.click("View", "operator")
    yield from driver.wait_for("it shows no object", _SOON_S)
    assert request.picture == chosen
    driver.shot("empty-view")


def _paint_red() -> None:
    material = bpy.data.materials.new("Red")
    material.diffuse_color = (*_RED, 1.0)
    material.use_nodes = True
    next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED").inputs[
        "Base Color"
    ].default_value = (
        *_RED,
        1.0,
    )
    cube = bpy.context.scene.objects["Cube"]
    cube.data.materials.clear()
    cube.data.materials.append(material)


def _has_engine(name: str) -> bool:
    names = (name, f"{name}_NEXT")
    for engine in names:
        try:
            bpy.context.scene.render.engine = engine
            return True
        except TypeError:
            continue
    return False


def _state(space: bpy.types.SpaceView3D) -> tuple[object, ...]:
    is_transparent = bpy.context.scene.render.film_transparent
    return space.overlay.show_overlays, space.show_gizmo, space.shading.type, is_transparent, len(bpy.data.images)
