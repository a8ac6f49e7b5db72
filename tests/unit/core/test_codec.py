# SPDX-License-Identifier: GPL-3.0-or-later
"""Every type of the vocabulary goes through an exchange folder and comes back equal."""

from __future__ import annotations

import dataclasses
import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from inference_server.core import types
from inference_server.core.codec import pack, png_bytes, unpack
from inference_server.core.digest import digest
from inference_server.core.exchange import Exchange, ExchangeInvalid, read_exchange, write_exchange
from inference_server.core.types import (
    Diagnosis,
    ExportedFiles,
    ExportInput,
    FrontView,
    Mesh,
    MeshLayout,
    NormalizedImage,
    OwnRig,
    Provenance,
    Rig,
    RiggedAsset,
    RiggedScene,
    RigInput,
    SceneMesh,
    SceneObject,
    Skeleton,
    Skin,
    SourceImage,
    StageRecord,
    StepPicture,
    TexturedMesh,
    TexturedScene,
    TextureInput,
)


def through_a_folder(value: Any, folder: Path) -> Any:
    """Packed, written, read, unpacked."""
    write_exchange(folder, pack(value))
    return unpack(read_exchange(folder))


def random_pixels(*shape: int) -> np.ndarray:
    """Noise, including colours under clear alpha."""
    return np.random.default_rng(7).integers(0, 256, shape, dtype=np.uint8)


def one_of_each(sphere: Mesh, skeleton: Skeleton, folder: Path) -> list[Any]:
    """At least one value of every dataclass in core.types."""
    files = {name: folder / name for name in ("a.fbx", "a.glb", "preview.png", "scene.obj")}
    for name, path in files.items():
        path.write_bytes(name.encode())
    image = NormalizedImage(random_pixels(8, 8, 4), ("cut",), (Diagnosis("background", 0.2, 0.8, "ü"),), 0.25)
    image = dataclasses.replace(image, pictures=(StepPicture("tilt", random_pixels(3, 5, 4)),))
    mesh = Mesh(sphere.vertices, sphere.faces, FrontView(0.1, 0.2, 1.0))
    textured = TexturedMesh(mesh, np.random.default_rng(0).random((320, 3, 2)), random_pixels(16, 16, 3))
    skin = Skin(np.zeros((162, 4)), np.tile([0.7, 0.1, 0.1, 0.1], (162, 1)))
    rig = Rig(skeleton, skin)
    record = StageRecord("rig", "draft", 1, 0, "k", 0.1, 5, False, ("d",), "why", ("note", "note 2"))
    provenance = Provenance("sha", "0.1.0", 3, (record,))
    count = len(sphere.faces)
    layout = MeshLayout(np.arange(3 * count).reshape(-1, 3), np.arange(count), np.zeros((count, 3, 2)))
    objects = (SceneObject("Körper", 162),)
    scene = SceneMesh(sphere, objects, files["scene.obj"], notes=("a note",), own_rig=OwnRig(5, rig), layout=layout)
    asset = RiggedAsset(textured, rig, provenance)
    return [
        SourceImage(random_pixels(5, 9, 4), "sha", ("reduced",)),
        image,
        TextureInput(mesh, image),
        RigInput(mesh, None),
        RigInput(mesh, skeleton),
        asset,
        RiggedScene(scene, rig, provenance),
        TexturedScene(scene, textured, provenance),
        ExportInput(asset, "name"),
        ExportedFiles(files["a.fbx"], files["a.glb"], files["preview.png"], "5.0.1"),
    ]


def names_in(value: Any) -> set[str]:
    """Names of the dataclasses that a value is made of."""
    if isinstance(value, tuple):
        return set().union(*map(names_in, value)) if value else set()
    if not dataclasses.is_dataclass(value):
        return set()
    inner = (names_in(getattr(value, field.name)) for field in dataclasses.fields(value))
    return {type(value).__name__}.union(*inner)


def test_every_type_comes_back_equal(sphere: Mesh, tiny_skeleton: Skeleton, tmp_path: Path) -> None:
    values = one_of_each(sphere, tiny_skeleton, tmp_path)
    declared = {name for name, cls in vars(types).items() if isinstance(cls, type) and dataclasses.is_dataclass(cls)}
    assert set().union(*map(names_in, values)) == declared
    for index, value in enumerate(values):
        back = through_a_folder(value, tmp_path / str(index))
        assert type(back) is type(value)
        assert digest(back) == digest(value)


def test_measured_fields_come_back_too(tmp_path: Path) -> None:
    record = StageRecord("rig", "draft", 1, 0, "k", seconds=0.1 + 0.2, peak_bytes=5, reused=True)
    assert through_a_folder(record, tmp_path / "x") == record


@settings(max_examples=20)  # each writes a folder and waits for the disk
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(st.text(alphabet="abc"), inner),
        max_leaves=8,
    )
)
def test_plain_values_come_back_equal_and_of_the_same_type(value: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        back = through_a_folder(value, Path(folder) / "x")
    assert back == value
    assert digest(back) == digest(value)


@pytest.mark.parametrize("channels", [3, 4])
def test_png_is_lossless_also_under_clear_alpha(channels: int) -> None:
    pixels = random_pixels(33, 17, channels)
    if channels == 4:
        pixels[:16, :, 3] = 0
    data = png_bytes(pixels)
    assert data == png_bytes(pixels)
    with Image.open(io.BytesIO(data)) as picture:
        np.testing.assert_array_equal(np.asarray(picture), pixels)


@pytest.mark.parametrize("value", [object(), {1}, [1], (object(),), {"a": 1j}, np.float32(1)])
def test_a_value_without_a_place_is_a_type_error(value: object) -> None:
    with pytest.raises(TypeError, match="no place"):
        pack(value)


@pytest.mark.parametrize(
    "node",
    [
        {"$type": "Nothing"},
        {"$type": "Mesh"},
        {"$type": "Mesh", "vertices": 1, "faces": 2, "front_view": None, "more": 3},
        {"$array": "missing"},
        {"$picture": "missing.png"},
        {"$file": "missing"},
    ],
)
def test_a_document_that_names_what_is_not_there_is_refused(node: dict[str, Any]) -> None:
    with pytest.raises(ExchangeInvalid):
        unpack(Exchange(document={"value": node}))


def test_a_document_without_a_value_is_refused() -> None:
    with pytest.raises(ExchangeInvalid):
        unpack(Exchange(document={}))
