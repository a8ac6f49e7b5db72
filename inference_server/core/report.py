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
from inference_server.core.types import ExportedFiles, NormalizedImage, RiggedAsset, RiggedScene, StageRecord

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
    skeleton = outcome.asset.rig.skeleton
    engines = sorted({record.engine for record in outcome.records if record.stage != "export"})
    return {
        "format": FORMAT,
        "version": VERSION,
        "figurine": outcome.asset.provenance.product_version,
        "blender": outcome.files.blender_version if outcome.files else None,
        "input": {"name": printable_name(source.name), "sha256": outcome.asset.provenance.source_sha256},
        "settings": settings.to_document(),
        "engine": "+".join(engines),
        "kind": {"value": skeleton.kind, "confidence": round(skeleton.confidence, 3), "asked": settings.kind},
        "guessed": list(skeleton.guessed),
        "corrections": [correction.to_document() for correction in outcome.corrections],
        "warnings": [{"stage": record.stage, "sentence": note} for record in outcome.records for note in record.notes],
        "seconds": round(seconds, 3),
        "peak_bytes": max(record.peak_bytes for record in outcome.records),
        "stages": [_stage(record) for record in outcome.records],
        "digests": asset_digests(outcome),
        "files": {name: file_entry(content) for name, content in files.items()},
    }


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
    asset, rig = outcome.asset, outcome.asset.rig
    if isinstance(asset, RiggedAsset):
        surface = {
            "mesh": digest(asset.textured.mesh),
            "texture": digest([asset.textured.uv, asset.textured.base_color]),
        }
    else:
        surface = {"mesh": digest(asset.scene.mesh)}
    return {**surface, "skeleton": digest(rig.skeleton), "weights": digest(rig.skin)}


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
