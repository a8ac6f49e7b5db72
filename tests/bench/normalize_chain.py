# SPDX-License-Identifier: GPL-3.0-or-later
"""Degraded pictures of ground-truth assets, and the draft figures that come of them with and without normalization."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from PIL import Image

from inference_server.core.digest import digest
from inference_server.core.settings import JobSettings
from inference_server.core.stage import Control, Device, RunContext, Stage
from inference_server.core.types import NormalizedImage, SourceImage, TexturedMesh, TextureInput
from inference_server.stages.geometry.draft import DraftGeometry
from inference_server.stages.normalize.draft import DraftNormalize
from inference_server.stages.texture.draft import DraftTexture
from models.draft.framing import resize_rgba
from tests.bench.draft_assets import judge
from tests.bench.draft_items import code_digest
from tests.bench.normalize_defects import crop_to_subject, turn
from tests.bench.normalize_scenes import compose, place

QUARTER = 4  # of the side
TILT_DEG = 10.0
TINY_SHARE = 0.3  # of the subject's size
TINY_PLACE = (0.08, 0.62)  # of the picture, from the left and from the top: the lower left corner
TEXTURE_px = 1024
WAYS = ("without", "with")
# What makes a figure of a normalized picture: with the picture it decides what is measured.
CODE = ("inference_server/stages/geometry", "inference_server/stages/texture", "models/draft")
# Of it, what only the normalized picture depends on, whose own digest names what was measured.
NORMALIZING = frozenset(
    {
        "background.py",
        "backdrop.py",
        "busy.py",
        "matting.py",
        "diagnose.py",
        "straighten.py",
        "upscale.py",
        "verify_edit.py",
    }
)

Degrade = Callable[[Path, np.ndarray, int], np.ndarray]


def background(asset: Path, rgba: np.ndarray, number: int) -> np.ndarray:
    """Before a photograph or a photographed texture: opaque, with noise, through JPEG."""
    return compose(place(rgba), "busy", number)


def resolution(asset: Path, rgba: np.ndarray, number: int) -> np.ndarray:
    """A quarter of the side, by area averaging."""
    return resize_rgba(rgba, rgba.shape[1] // QUARTER, rgba.shape[0] // QUARTER)


def tilt(asset: Path, rgba: np.ndarray, number: int) -> np.ndarray:
    """Turned by 10°, every other one the other way."""
    return turn(rgba, TILT_DEG if number % 2 else -TILT_DEG)


def framing(asset: Path, rgba: np.ndarray, number: int) -> np.ndarray:
    """Tiny, in a corner."""
    subject = crop_to_subject(rgba)
    small = resize_rgba(subject, *(round(side * TINY_SHARE) for side in subject.shape[1::-1]))
    picture = np.zeros_like(rgba)
    left, top = (round(share * side) for share, side in zip(TINY_PLACE, picture.shape[1::-1], strict=True))
    top = min(top, picture.shape[0] - small.shape[0])
    picture[top : top + small.shape[0], left : left + small.shape[1]] = small
    return picture


def view(asset: Path, rgba: np.ndarray, number: int) -> np.ndarray:
    """The asset's own three-quarter view."""
    return load_picture(asset / "view34_rgba.png")


DEGRADATIONS: dict[str, Degrade] = {
    "background": background,
    "resolution": resolution,
    "tilt": tilt,
    "framing": framing,
    "view": view,
}


def load_picture(path: Path) -> np.ndarray:
    """(H, W, 4) uint8."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGBA"))


class Measurements:
    """Makes figures and judges them, or finds what was measured with the same code.

    known: all assets, whose place in the row decides how each is degraded. tool: the folder of the evaluation tool.
    assets: those that are measured.
    """

    def __init__(self, known: tuple[Path, ...], tool: Path, work: Path, assets: tuple[Path, ...]) -> None:
        self.assets = assets
        self._known = known
        self._tool = tool
        self._work = work / code_digest(CODE, NORMALIZING)
        self._clean: dict[Path, dict[str, Any]] = {}
        self._stages: tuple[Stage[Any, Any], ...] = (DraftNormalize(), DraftGeometry(), DraftTexture())
        for stage in self._stages:
            stage.load(Device("cpu"))

    def clean(self, asset: Path) -> dict[str, Any]:
        """The front render as it is."""
        if asset not in self._clean:
            self._clean[asset] = self._measured(asset, load_picture(asset / "front_rgba.png"), "with")
        return self._clean[asset]

    def degraded(self, asset: Path, name: str, way: str) -> dict[str, Any]:
        """way: "with" normalization, or "without": the picture padded to a square, its alpha as it is, no more."""
        return self._measured(asset, self.degrade(asset, name), way)

    def degrade(self, asset: Path, name: str) -> np.ndarray:
        """(H, W, 4) uint8."""
        front = load_picture(asset / "front_rgba.png")
        return DEGRADATIONS[name](asset, front, self._known.index(asset))

    def normalized(self, rgba: np.ndarray, way: str) -> NormalizedImage:
        """What the models see. rgba: (H, W, 4) uint8."""
        settings = JobSettings(normalize="auto" if way == "with" else "off")
        image: NormalizedImage = _run(self._stages[0], SourceImage(rgba, ""), settings)
        return image

    def _measured(self, asset: Path, rgba: np.ndarray, way: str) -> dict[str, Any]:
        image = self.normalized(rgba, way)
        path = self._work / asset.name / f"{digest(image.rgba)}.json"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(self._judge(asset, image, path.with_suffix(".glb"))), encoding="utf-8")
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def _judge(self, asset: Path, image: NormalizedImage, path: Path) -> dict[str, Any]:
        _, geometry, texture = self._stages
        settings = JobSettings(texture_px=TEXTURE_px)
        mesh = _run(geometry, image, settings)
        write_glb(_run(texture, TextureInput(mesh, image), settings), path)
        return judge(self._tool, "full", asset, path) | {"steps": image.steps}


def _run(stage: Stage[Any, Any], value: Any, settings: JobSettings) -> Any:
    document = settings.to_document()
    chosen = {name: document[name] for name in stage.setting_names}
    return stage.run(value, RunContext(stage.name, stage.engine, 0, chosen, Control()))


def write_glb(figure: TexturedMesh, path: Path) -> None:
    """A figure with its texture; the house frame is glTF's."""
    corners = figure.mesh.vertices[figure.mesh.faces].reshape(-1, 3)
    faces = np.arange(len(corners)).reshape(-1, 3)
    material = trimesh.visual.material.PBRMaterial(
        baseColorTexture=Image.fromarray(figure.base_color), metallicFactor=0.0, roughnessFactor=1.0
    )
    visual = trimesh.visual.TextureVisuals(uv=figure.uv.reshape(-1, 2), material=material)
    trimesh.Trimesh(corners, faces, visual=visual, process=False).export(path)
