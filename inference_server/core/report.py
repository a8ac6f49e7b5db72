# SPDX-License-Identifier: GPL-3.0-or-later
"""report.json: what was done, by which engine, how long it took, what was guessed, and the digests of the result."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from inference_server.core.digest import digest
from inference_server.core.frames import to_blender
from inference_server.core.pipeline import Outcome
from inference_server.core.rig_document import skeleton_to_document
from inference_server.core.settings import JobSettings
from inference_server.core.types import (
    ExportedFiles,
    Float32,
    NormalizedImage,
    RiggedAsset,
    RiggedScene,
    StageRecord,
    TexturedScene,
)

FORMAT = "figurine-report"
VERSION = 1
NORMALIZATION_FORMAT = "figurine-normalization"
NORMALIZATION_VERSION = 1


def rig_document(
    asset: RiggedAsset | RiggedScene, settings: JobSettings, files: ExportedFiles | None = None
) -> dict[str, Any]:
    """The job's rig.json. files: where there are any, the Blender that wrote them is named."""
    mesh = asset.textured.mesh if isinstance(asset, RiggedAsset) else asset.scene.mesh
    return skeleton_to_document(
        asset.rig.skeleton,
        (mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)),
        name=settings.name,
        seed=settings.seed,
        versions={
            "figurine": asset.provenance.product_version,
            **({"blender": files.blender_version} if files else {}),
        },
    )


def build_report(
    outcome: Outcome, settings: JobSettings, source: Path, seconds: float, files: Mapping[str, Path | bytes]
) -> dict[str, Any]:
    """The job's report.json. seconds: the whole job's wall time."""
    engines = sorted({record.engine for record in outcome.records if record.stage != "export"})
    return {
        "format": FORMAT,
        "version": VERSION,
        "figurine": outcome.asset.provenance.product_version,
        "blender": outcome.files.blender_version if outcome.files else None,
        "input": {"name": printable_name(source.name), "sha256": outcome.asset.provenance.source_sha256},
        "settings": settings.to_document(),
        "engine": "+".join(engines),
        **_body(outcome, settings),
        "corrections": [correction.to_document() for correction in outcome.corrections],
        "warnings": [{"stage": record.stage, "sentence": note} for record in outcome.records for note in record.notes],
        "seconds": round(seconds, 3),
        "peak_bytes": max(record.peak_bytes for record in outcome.records),
        "stages": [_stage(record) for record in outcome.records],
        "digests": asset_digests(outcome),
        "files": {name: file_entry(content) for name, content in files.items()},
    }


def _body(outcome: Outcome, settings: JobSettings) -> dict[str, Any]:
    """What body it was taken for: null, with nothing guessed, where it was only textured."""
    if isinstance(outcome.asset, TexturedScene):
        return {"kind": None, "guessed": []}
    skeleton = outcome.asset.rig.skeleton
    kind = {"value": skeleton.kind, "confidence": round(skeleton.confidence, 3), "asked": settings.kind}
    return {"kind": kind, "guessed": list(skeleton.guessed)}


def normalization_document(image: NormalizedImage, record: StageRecord) -> dict[str, Any]:
    """The job's normalize.json: what was done to the picture, and what was found about it, worst first."""
    return {
        "format": NORMALIZATION_FORMAT,
        "version": NORMALIZATION_VERSION,
        "engine": record.engine,
        "steps": list(image.steps),
        "diagnoses": [asdict(diagnosis) for diagnosis in image.diagnoses],
        "subject_fraction": round(image.subject_fraction, 4),
    }


def asset_digests(outcome: Outcome) -> dict[str, str]:
    """Digests of the parts that the same input, settings and seed must reproduce."""
    asset = outcome.asset
    if isinstance(asset, RiggedScene):
        surface = {"mesh": digest(asset.scene.mesh)}
    else:
        surface = {
            "mesh": digest(asset.textured.mesh),
            "texture": digest([asset.textured.uv, asset.textured.base_color]),
        }
    if isinstance(asset, TexturedScene):
        return surface
    return {**surface, "skeleton": digest(asset.rig.skeleton), "weights": digest(asset.rig.skin)}


def weights_file(asset: RiggedAsset | RiggedScene) -> bytes:
    """The job's weights.npz, without pickles: vertices (V, 3) float32, Blender's frame, as rig.json; indices (V, 4)
    int32 into bones; weights (V, 4) float32, rows sum to 1; bones (J,) text, in the order of rig.json.
    """
    mesh = asset.textured.mesh if isinstance(asset, RiggedAsset) else asset.scene.mesh
    stream = io.BytesIO()
    np.savez(
        stream,
        vertices=to_blender(mesh.vertices),
        indices=asset.rig.skin.indices,
        weights=asset.rig.skin.weights,
        bones=np.array(asset.rig.skeleton.names),
    )
    return stream.getvalue()


def corner_uv(asset: TexturedScene) -> Float32:
    """(L, 2) float32: where each face corner of the file, in the file's order, lies in the texture."""
    layout = asset.scene.layout
    assert layout is not None  # a scene that is textured was read with its layout
    uv = np.zeros((int(layout.corners.max()) + 1, 2), np.float32)
    uv[layout.corners] = asset.textured.uv
    return uv


def layout_file(asset: TexturedScene) -> bytes:
    """The job's texture.npz, without pickles: uv (L, 2) float32 of the file's face corners in order, origin bottom
    left; vertices (L,) int32, the vertex that each corner is at; sizes (P,) int32, how many corners each face has.
    """
    layout = asset.scene.layout
    assert layout is not None
    uv = corner_uv(asset)
    vertices = np.zeros(len(uv), np.int32)
    vertices[layout.corners] = asset.scene.mesh.faces
    faces_of_corners = np.zeros(len(uv), np.int32)
    faces_of_corners[layout.corners] = layout.polygons[:, None]
    stream = io.BytesIO()
    np.savez(stream, uv=uv, vertices=vertices, sizes=np.bincount(faces_of_corners).astype(np.int32))
    return stream.getvalue()


def encode_report(document: Mapping[str, Any]) -> bytes:
    """JSON for people: indented, UTF-8."""
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def printable_name(name: str) -> str:
    """File names may hold bytes that are no UTF-8."""
    return name.encode(errors="replace").decode()


def _stage(record: StageRecord) -> dict[str, Any]:
    return {
        "stage": record.stage,
        "engine": record.engine,
        "version": record.version,
        "seed": record.seed,
        "key": record.key,
        "seconds": round(record.seconds, 3),
        "peak_bytes": record.peak_bytes,
        "reused": record.reused,
        "fallback_reason": record.fallback_reason,
        "weight_digests": list(record.weight_digests),
        "steps": list(record.steps),
    }


def file_entry(content: Path | bytes) -> dict[str, Any]:
    """bytes and sha256 of a result."""
    data = content if isinstance(content, bytes) else content.read_bytes()
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
