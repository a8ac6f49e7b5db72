# SPDX-License-Identifier: GPL-3.0-or-later
"""A job's files, under the fixed names that clients know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inference_server.core.codec import png_bytes
from inference_server.core.images import view_of
from inference_server.core.pipeline import Outcome
from inference_server.core.report import (
    build_report,
    encode_report,
    layout_file,
    normalization_document,
    rig_document,
    weights_file,
)
from inference_server.core.settings import JobSettings
from inference_server.core.types import (
    Mesh,
    NormalizedImage,
    RiggedAsset,
    RiggedScene,
    SourceImage,
    StageRecord,
    TexturedScene,
)
from inference_server.jobs.folder import JobFolders
from inference_server.jobs.model import Artifact, Job
from inference_server.stages.geometry.candidates import draw_candidates

MEDIA_TYPES = {
    "figure.fbx": "application/octet-stream",
    "figure.glb": "model/gltf-binary",
    "preview.png": "image/png",
    "source.png": "image/png",
    "normalized.png": "image/png",
    "candidates.png": "image/png",
    **{f"{step}.png": "image/png" for step in ("background", "resolution", "pose", "tilt")},
    "normalize.json": "application/json",
    "rig.json": "application/json",
    "weights.npz": "application/octet-stream",
    "texture.png": "image/png",
    "texture.npz": "application/octet-stream",
    "report.json": "application/json",
}


def publish_source(folders: JobFolders, job: Job, source: SourceImage) -> list[Artifact]:
    """The picture as it was read, beside which the normalized one is judged. Raises OSError."""
    return [_publish(folders, job, "source.png", png_bytes(view_of(source)))]


def publish_intermediate(folders: JobFolders, job: Job, record: StageRecord, result: Any) -> list[Artifact]:
    """The files of a stage's result that are worth seeing before the job ends. Raises OSError."""
    if not isinstance(result, NormalizedImage):
        return []
    files = {f"{picture.step}.png": png_bytes(picture.rgba) for picture in result.pictures}
    files["normalized.png"] = png_bytes(result.rgba)
    files["normalize.json"] = encode_report(normalization_document(result, record))
    return [_publish(folders, job, name, content) for name, content in files.items()]


def publish_candidates(folders: JobFolders, job: Job, meshes: tuple[Mesh, ...]) -> list[Artifact]:
    """The shapes to choose from, in one picture. Raises OSError."""
    return [_publish(folders, job, "candidates.png", png_bytes(draw_candidates(meshes)))]


def publish_rig(
    folders: JobFolders, job: Job, asset: RiggedAsset | RiggedScene, settings: JobSettings
) -> list[Artifact]:
    """Skeleton and weights, which a client can apply while Blender writes the rest. Raises OSError."""
    files = {"rig.json": encode_report(rig_document(asset, settings)), "weights.npz": weights_file(asset)}
    return [_publish(folders, job, name, content) for name, content in files.items()]


def publish_outcome(
    folders: JobFolders, job: Job, outcome: Outcome, settings: JobSettings, seconds: float
) -> list[Artifact]:
    """All files of a finished job. Raises OSError."""
    made = outcome.files
    files: dict[str, Path | bytes] = {}
    if made is not None:
        files |= {"figure.fbx": made.fbx, "figure.glb": made.glb, "preview.png": made.preview}
    if isinstance(outcome.asset, TexturedScene):
        files["texture.png"] = png_bytes(outcome.asset.textured.base_color)
        files["texture.npz"] = layout_file(outcome.asset)
    else:
        files["rig.json"] = encode_report(rig_document(outcome.asset, settings, made))
        files["weights.npz"] = weights_file(outcome.asset)
    report = build_report(outcome, settings, Path(job.input_name), seconds, files)
    files["report.json"] = encode_report(report)
    return [_publish(folders, job, name, content) for name, content in files.items()]


def _publish(folders: JobFolders, job: Job, name: str, content: bytes | Path) -> Artifact:
    stored = folders.save_artifact(job.id, name, content)
    return Artifact(name, stored.file, MEDIA_TYPES[name], stored.size_bytes, stored.sha256)
