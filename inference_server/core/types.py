# SPDX-License-Identifier: GPL-3.0-or-later
"""What flows through the pipeline.

House frame: right-handed, +Y up, +Z toward the viewer, metres, origin on the ground between the feet. The character
faces +Z and its left side is +X. Every array is C-contiguous and read-only; every type is frozen.

    SourceImage → NormalizedImage → Mesh → TexturedMesh → Rig → RiggedAsset

Imports the standard library and numpy only: Blender's own Python reads it too.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Engine = Literal["neural", "draft", "hosted", "blender"]
StageName = Literal["normalize", "geometry", "texture", "rig", "export"]
Kind = Literal["humanoid", "quadruped", "bird", "generic", "none"]

STAGE_NAMES: tuple[StageName, ...] = ("normalize", "geometry", "texture", "rig", "export")
KINDS: tuple[Kind, ...] = ("humanoid", "quadruped", "bird", "generic", "none")
MAX_INFLUENCES = 4
# Of a mesh that is rigged. A million is promised; this many took 4.4 GiB, which a machine of 8 GB has and no more.
MOST_FACES = 2_000_000
# Marks a field that was measured and takes no part in a value's digest.
MEASURED = {"digest": False}

Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]
UInt8 = NDArray[np.uint8]


def _freeze(instance: object, name: str, dtype: type[np.generic], shape: tuple[int | None, ...]) -> None:
    """Replace the field by a read-only C-contiguous array of this dtype; ValueError where the shape differs."""
    array = np.ascontiguousarray(getattr(instance, name), dtype=dtype)
    if array.ndim != len(shape) or any(want not in (None, have) for want, have in zip(shape, array.shape, strict=True)):
        wanted = tuple("any" if side is None else side for side in shape)
        raise ValueError(f"{type(instance).__name__}.{name} has shape {array.shape}; {wanted} is needed")
    if array.flags.writeable:
        array = array.copy()
        array.flags.writeable = False
    object.__setattr__(instance, name, array)


@dataclass(frozen=True, eq=False)
class SourceImage:
    """The picture as decoded: upright, sRGB, straight (not premultiplied) alpha.

    rgba: (H, W, 4) uint8. sha256: hex digest of the file's bytes. notes: what reading changed (first frame only,
    reduced…). has_mask: whether the alpha is a mask that the artist gave beside the picture, and not its own.
    """

    rgba: UInt8
    sha256: str
    notes: tuple[str, ...] = ()
    has_mask: bool = False

    def __post_init__(self) -> None:
        _freeze(self, "rgba", np.uint8, (None, None, 4))


@dataclass(frozen=True)
class Diagnosis:
    """One finding about the input. severity: 0 (note) to 1 (the result will suffer); sentence: what to do about it."""

    code: str
    measure: float
    severity: float
    sentence: str


@dataclass(frozen=True, eq=False)
class StepPicture:
    """What the picture was after a step of the normalization. rgba: (H, W, 4) uint8, straight alpha."""

    step: Literal["background", "resolution", "tilt", "pose"]
    rgba: UInt8

    def __post_init__(self) -> None:
        _freeze(self, "rgba", np.uint8, (None, None, 4))


@dataclass(frozen=True, eq=False)
class NormalizedImage:
    """The subject alone, centred in a square, clear around it: the master that each model's own framing starts from.

    rgba: (S, S, 4) uint8, straight alpha. steps: what was done, in order, and by what. subject_fraction: share of the
    square's pixels that the subject covers, 0..1. pictures: what each step that changed it left, for the artist to see.
    """

    rgba: UInt8
    steps: tuple[str, ...]
    diagnoses: tuple[Diagnosis, ...]
    subject_fraction: float
    pictures: tuple[StepPicture, ...] = field(default=(), metadata=MEASURED)

    def __post_init__(self) -> None:
        _freeze(self, "rgba", np.uint8, (None, None, 4))
        if self.rgba.shape[0] != self.rgba.shape[1]:
            raise ValueError(f"NormalizedImage.rgba must be square, not {self.rgba.shape[:2]}")


@dataclass(frozen=True)
class FrontView:
    """From where the square picture shows the mesh: orthographic, upright. `frames.to_view` brings the mesh before it.

    center_x_m, center_y_m: the picture's centre, in the view's own axes. side_m: length of its side.
    azimuth_rad: how far the viewer stands to the character's side, positive where its front points to the picture's
    left; 0 is straight from +Z. elevation_rad: how far the viewer looks down on it.
    """

    center_x_m: float
    center_y_m: float
    side_m: float
    azimuth_rad: float = 0.0
    elevation_rad: float = 0.0


@dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle mesh. vertices: (V, 3) float32, house frame. faces: (F, 3) int32, counter-clockwise seen from outside.

    front_view: the input picture's place, where there is a picture.
    """

    vertices: Float32
    faces: Int32
    front_view: FrontView | None = None

    def __post_init__(self) -> None:
        _freeze(self, "vertices", np.float32, (None, 3))
        _freeze(self, "faces", np.int32, (None, 3))


@dataclass(frozen=True, eq=False)
class TexturedMesh:
    """A mesh with a base colour. uv: (F, 3, 2) float32 per face corner, origin bottom left, 0..1.

    UVs belong to corners, not to vertices, so that a seam does not cut the mesh open. base_color: (T, T, 3 or 4)
    uint8 sRGB, first row at the top.
    """

    mesh: Mesh
    uv: Float32
    base_color: UInt8

    def __post_init__(self) -> None:
        _freeze(self, "uv", np.float32, (len(self.mesh.faces), 3, 2))
        _freeze(self, "base_color", np.uint8, (None, None, None))
        height, width, channels = self.base_color.shape
        if height != width or channels not in (3, 4):
            raise ValueError(f"TexturedMesh.base_color must be (T, T, 3 or 4), not {self.base_color.shape}")


@dataclass(frozen=True, eq=False)
class Skeleton:
    """A tree of bones, parent before child, one root, unique names.

    parents: (J,) int32, -1 for the root. heads, tails: (J, 3) float32, house frame. rolls: (J,) float32, radians, in
    Blender's convention (about the bone's axis, after the conversion to Blender's frame). roles: VRM 1.0 humanoid
    bone names for humanoids, camelCase names of the same kind for other bodies, "root" and "chain" where no part is
    known. guessed: names of the bones whose place is a guess. confidence: of the kind, 0..1. turn_rad: the turn about
    +Y that the body still needs to face +Z.
    """

    names: tuple[str, ...]
    roles: tuple[str, ...]
    parents: Int32
    heads: Float32
    tails: Float32
    rolls: Float32
    kind: Kind
    confidence: float = 1.0
    guessed: tuple[str, ...] = ()
    turn_rad: float = 0.0

    def __post_init__(self) -> None:
        count = len(self.names)
        if len(self.roles) != count:
            raise ValueError(f"Skeleton has {count} names and {len(self.roles)} roles")
        _freeze(self, "parents", np.int32, (count,))
        _freeze(self, "heads", np.float32, (count, 3))
        _freeze(self, "tails", np.float32, (count, 3))
        _freeze(self, "rolls", np.float32, (count,))


@dataclass(frozen=True, eq=False)
class Skin:
    """Which bones move a vertex. indices: (V, 4) int32 into the skeleton. weights: (V, 4) float32, rows sum to 1.

    Unused places have index 0 and weight 0.
    """

    indices: Int32
    weights: Float32

    def __post_init__(self) -> None:
        _freeze(self, "indices", np.int32, (None, MAX_INFLUENCES))
        _freeze(self, "weights", np.float32, (len(self.indices), MAX_INFLUENCES))


@dataclass(frozen=True, eq=False)
class Rig:
    """A skeleton and the skin that binds a mesh to it."""

    skeleton: Skeleton
    skin: Skin


@dataclass(frozen=True)
class StageRecord:
    """How one stage's result came about.

    engine, version, seed and weight_digests decide the result; seconds and peak_bytes were measured when it was made.
    reused: taken from the stage cache. fallback_reason: why `auto` did not pick the neural engine, empty if it did
    or was not asked. notes: sentences for the artist. steps: what a stage of several steps did, and by what.
    """

    stage: StageName
    engine: Engine
    version: int
    seed: int
    key: str
    seconds: float = field(metadata=MEASURED)
    peak_bytes: int = field(metadata=MEASURED)
    reused: bool = field(metadata=MEASURED)
    weight_digests: tuple[str, ...] = ()
    fallback_reason: str = ""
    notes: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Provenance:
    """Where an asset comes from: the source's digest, the product's version, each stage's record, and the digest of
    the corrections that were made to its skeleton (empty where there were none).
    """

    source_sha256: str
    product_version: str
    seed: int
    stages: tuple[StageRecord, ...] = field(default_factory=tuple)
    corrections_sha256: str = ""

    def to_document(self) -> dict[str, Any]:
        """What is written into the files: everything that decides the result, nothing that was only measured."""
        return {
            "product": "Figurine",
            "version": self.product_version,
            "source_sha256": self.source_sha256,
            "seed": self.seed,
            "corrections_sha256": self.corrections_sha256,
            "stages": [
                {
                    "stage": record.stage,
                    "engine": record.engine,
                    "version": record.version,
                    "weight_digests": list(record.weight_digests),
                    "fallback_reason": record.fallback_reason,
                    **({"steps": list(record.steps)} if record.steps else {}),
                }
                for record in self.stages
            ],
        }


@dataclass(frozen=True, eq=False)
class MeshLayout:
    """What a mesh that somebody made has beside its triangles.

    corners: (F, 3) int32, which face corner of the file each triangle's corner is. polygons: (F,) int32, the face of
    the file that each triangle was cut from. uv: (F, 3, 2) float32 of each triangle's corners, origin bottom left; no
    rows where the file has none.
    """

    corners: Int32
    polygons: Int32
    uv: Float32

    def __post_init__(self) -> None:
        _freeze(self, "corners", np.int32, (None, 3))
        _freeze(self, "polygons", np.int32, (len(self.corners),))
        _freeze(self, "uv", np.float32, (None, 3, 2))


@dataclass(frozen=True, eq=False)
class TextureInput:
    """What a texture stage paints: the mesh, and the picture it is painted from. layout: of a mesh that somebody made;
    None where the picture made it.
    """

    mesh: Mesh
    image: NormalizedImage
    layout: MeshLayout | None = None


@dataclass(frozen=True, eq=False)
class RigInput:
    """What a rig stage binds. skeleton: given, only the skin is computed. skin: given with it, only rows without a
    weight are computed.
    """

    mesh: Mesh
    skeleton: Skeleton | None = None
    skin: Skin | None = None


@dataclass(frozen=True, eq=False)
class RiggedAsset:
    """The product: a textured mesh bound to a skeleton, at its final size, with its provenance."""

    textured: TexturedMesh
    rig: Rig
    provenance: Provenance


@dataclass(frozen=True)
class SceneObject:
    """One mesh object of a file: its name and how many rows of the scene's vertices are its own, in order."""

    name: str
    vertex_count: int


@dataclass(frozen=True, eq=False)
class OwnRig:
    """The rig that a mesh file brings. rig: as it can be kept, rows of vertices that no bone moves without a weight;
    None where it cannot, and obstacle is a sentence that says why. cut_count: how many vertices followed more bones
    than the skin holds.
    """

    bone_count: int
    rig: Rig | None
    obstacle: str = ""
    cut_count: int = 0


@dataclass(frozen=True, eq=False)
class SceneMesh:
    """The meshes of a file as one, where they stand in it. source: the file, which keeps all else (materials, UVs,
    quads). own_rig: the one in the file, if any.

    notes: what reading it left out or found missing. layout: its faces and texture coordinates. reading: of this one
    reading and no other: pictures and materials beside the file may change while it stays the same, so files made from
    it are never taken from an earlier run.
    """

    mesh: Mesh
    objects: tuple[SceneObject, ...]
    source: Path
    notes: tuple[str, ...] = ()
    own_rig: OwnRig | None = None
    layout: MeshLayout | None = None
    reading: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True, eq=False)
class RiggedScene:
    """The meshes of a file bound to a skeleton, unchanged in all else."""

    scene: SceneMesh
    rig: Rig
    provenance: Provenance


@dataclass(frozen=True, eq=False)
class TexturedScene:
    """The meshes of a file with a texture, each face and vertex where it was. textured: of the scene's own mesh."""

    scene: SceneMesh
    textured: TexturedMesh
    provenance: Provenance


@dataclass(frozen=True, eq=False)
class ExportInput:
    """What the export stage writes: the asset, under this name."""

    asset: RiggedAsset | RiggedScene | TexturedScene
    name: str


@dataclass(frozen=True, eq=False)
class ExportedFiles:
    """The finished files, and the version of the Blender that wrote them."""

    fbx: Path
    glb: Path
    preview: Path
    blender_version: str
