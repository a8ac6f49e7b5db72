# SPDX-License-Identifier: GPL-3.0-or-later
"""Export through Blender: FBX, GLB and a preview picture."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, ClassVar

from inference_server.core.codec import png_bytes
from inference_server.core.exchange import Exchange
from inference_server.core.frames import to_blender
from inference_server.core.report import corner_uv
from inference_server.core.stage import Device, Requirements, RunContext
from inference_server.core.types import (
    Engine,
    ExportedFiles,
    ExportInput,
    Provenance,
    Rig,
    RiggedAsset,
    RiggedScene,
    SceneMesh,
    StageName,
    TexturedScene,
)
from inference_server.errors import ExportCrashed
from inference_server.stages.blender import BlenderProcess

PREVIEW_SIDE_PX = 512
# Names of work files are the same for every job; the artist's name is given when they are published.
_STEM = "asset"
_RIG_LEFT_OUT = "The file has a rig of its own; the textured files do not."


class BlenderExport:
    """Writes a rigged asset, binds the file of a rigged scene, or dresses that of a textured one; never touches what it
    does not have to.
    """

    name: ClassVar[StageName] = "export"
    engine: ClassVar[Engine] = "blender"
    version: ClassVar[int] = 1
    requires: ClassVar[Requirements] = Requirements(peak_bytes=1 << 30)
    setting_names: ClassVar[tuple[str, ...]] = ()
    uses_seed: ClassVar[bool] = False

    def __init__(self, blender: BlenderProcess) -> None:
        self._blender = blender

    def load(self, device: Device) -> None:
        """Nothing to load: Blender is started for each run and ends with it."""

    def run(self, value: ExportInput, ctx: RunContext) -> ExportedFiles:
        """Raises BlenderMissing, ExportCrashed, DeadlineExceeded, DiskFull, MeshInvalid."""
        asset = value.asset
        folder = self._blender.new_work_folder()
        ctx.afterwards(lambda: shutil.rmtree(folder, ignore_errors=True))  # the stage cache has copies of the files
        if isinstance(asset, RiggedAsset):
            verb, request = "export", _asset_request(asset, value.name)
        else:
            if isinstance(asset, RiggedScene):
                verb, request = "bind", _scene_request(asset, value.name)
            else:
                verb, request = "paint", _painted_request(asset, value.name)
                if asset.scene.own_rig is not None:
                    ctx.note(_RIG_LEFT_OUT)
            for sentence in asset.scene.notes:
                ctx.note(sentence)
        result = self._blender.run_in(folder, verb, request, ctx.raise_if_cancelled)
        for picture in result.document["lost_pictures"]:
            ctx.note(f"The picture {picture} could not be put into the FBX.")
        return ExportedFiles(
            fbx=_finished(result, f"{_STEM}.fbx"),
            glb=_finished(result, f"{_STEM}.glb"),
            preview=_finished(result, "preview.png"),
            blender_version=result.document["blender"],
        )

    def unload(self) -> None:
        """Nothing is held."""


def _asset_request(asset: RiggedAsset, name: str) -> Exchange:
    mesh = asset.textured.mesh
    rig = _rig_request(asset.rig, name, asset.provenance)
    arrays = {"vertices": to_blender(mesh.vertices), "faces": mesh.faces, "uv": asset.textured.uv}
    return Exchange(
        document=rig.document,
        arrays={**rig.arrays, **arrays},
        files={"base_color.png": png_bytes(asset.textured.base_color)},
    )


def _scene_request(asset: RiggedScene, name: str) -> Exchange:
    rig = _rig_request(asset.rig, name, asset.provenance)
    return Exchange(document={**rig.document, **_file_of(asset.scene)}, arrays=rig.arrays)


def _painted_request(asset: TexturedScene, name: str) -> Exchange:
    labels = _labels(name, asset.provenance)
    document = {**labels, **_file_of(asset.scene)}
    files = {"base_color.png": png_bytes(asset.textured.base_color)}
    return Exchange(document=document, arrays={"corner_uv": corner_uv(asset)}, files=files)


def _labels(name: str, provenance: Provenance) -> dict[str, Any]:
    return {"name": name, "provenance": provenance.to_document(), "stem": _STEM, "preview_px": PREVIEW_SIDE_PX}


def _file_of(scene: SceneMesh) -> dict[str, Any]:
    objects = [{"name": item.name, "vertex_count": item.vertex_count} for item in scene.objects]
    return {"path": str(scene.source.resolve()), "objects": objects}


def _rig_request(rig: Rig, name: str, provenance: Provenance) -> Exchange:
    skeleton = rig.skeleton
    document: dict[str, Any] = {
        **_labels(name, provenance),
        "bones": list(skeleton.names),
        "roles": list(skeleton.roles),
    }
    arrays = {
        "parents": skeleton.parents,
        "heads": to_blender(skeleton.heads),
        "tails": to_blender(skeleton.tails),
        "rolls": skeleton.rolls,
        "skin_indices": rig.skin.indices,
        "skin_weights": rig.skin.weights,
    }
    return Exchange(document=document, arrays=arrays)


def _finished(result: Exchange, name: str) -> Path:
    path = result.files.get(name)
    if not isinstance(path, Path):
        raise ExportCrashed(f"Blender's result has no {name}.", "Run it again; finished stages are kept.")
    return path
