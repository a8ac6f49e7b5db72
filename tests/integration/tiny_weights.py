# SPDX-License-Identifier: GPL-3.0-or-later
"""A data folder whose weights are tiny: the published layouts, named as sets of the artist's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from inference_server.stages.blender import BlenderProcess
from inference_server.stages.registry import EngineRegistry
from inference_server.weights import OWN_MANIFEST_NAME, WeightStore, read_manifest
from tests.parity.step1x3d_texture_tiny import save_added, save_base, save_vae
from tests.parity.step1x3d_tiny import save_checkpoint

TEXTURE_IDS = ("step1x3d-texture", "sdxl-base", "sdxl-vae-fp16-fix")
LABEL_ID, BASE_ID = "step1x3d-geometry-label", "step1x3d-geometry"
FOLDERS = {LABEL_ID: "Step1X-3D-Geometry-Label-1300m", BASE_ID: "Step1X-3D-Geometry-1300m"}


def add_geometry_weights(
    home: Path, weight_id: str, spoil: Callable[[Path], None] = lambda folder: None, **shape: int
) -> Path:
    """The tiny model in the place of a published one; its folder. spoil: what is done to that before it is checked."""
    root = home / "weights"
    folder = root / weight_id / FOLDERS[weight_id]
    save_checkpoint(folder, has_labels=weight_id == LABEL_ID, **shape)
    spoil(folder)
    files = sorted(path.relative_to(root / weight_id).as_posix() for path in folder.rglob("*") if path.is_file())
    listed = ", ".join(f'{{ path = "{name}" }}' for name in files)
    words = {"title": "tiny", "use": "tests", "repository": "none/none", "revision": "main", "licence": "GPL-3.0"}
    lines = ["[[weights]]", f'id = "{weight_id}"', *(f'{key} = "{word}"' for key, word in words.items())]
    with (root / OWN_MANIFEST_NAME).open("a", encoding="utf-8") as stream:
        stream.write("\n".join([*lines, f"files = [{listed}]", ""]))
    store_of(home).verify(weight_id, lambda count: None)
    return folder


def add_texture_weights(home: Path, spoil: Callable[[Path], None] = lambda file: None) -> None:
    """The tiny networks in the places of the published ones. spoil: what is done to the added file before the check."""
    root = home / "weights"
    added, base, vae = (root / item for item in TEXTURE_IDS)
    file = added / "Step1X-3D-Texture" / "step1x-3d-ig2v.safetensors"
    save_added(file)
    spoil(file)
    save_base(base)
    save_vae(vae)
    for item in TEXTURE_IDS:
        store_of(home).verify(item, lambda count: None)


def store_of(home: Path) -> WeightStore:
    """The weights of a data folder."""
    return WeightStore(home / "weights", read_manifest())


def registry_of(home: Path) -> EngineRegistry:
    """The engines of a data folder; nothing is loaded."""
    return EngineRegistry(BlenderProcess(None, home / "work"), store_of(home))
