# SPDX-License-Identifier: GPL-3.0-or-later
"""A weight store of tiny sets in the place of the published ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from inference_server.weights import RECORD_NAME, WeightFile, WeightStore, read_manifest

# Of the pictures that tiny editors are given and draw, and how often they denoise.
SIDE_PX, STEPS = 128, 3


def store_of(root: Path) -> WeightStore:
    """With the manifest's files, of whatever size and digest they have here, all taken in."""
    manifest = {
        weight_id: replace(weights, files=tuple(WeightFile(file.path) for file in weights.files))
        for weight_id, weights in read_manifest().items()
    }
    store = WeightStore(root, manifest)
    for weight_id in manifest:
        if (root / weight_id).is_dir():
            (root / weight_id / RECORD_NAME).unlink(missing_ok=True)
            store.verify(weight_id, lambda count: None)
    return store
