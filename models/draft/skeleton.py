# SPDX-License-Identifier: GPL-3.0-or-later
"""A skeleton for any mesh: what it is (humanoid, quadruped, bird or none of them), and where its bones are."""

from dataclasses import dataclass

import numpy as np

from .animal_bones import quadruped_bones
from .bird import bird_bones, find_bird
from .body import bounds
from .extras import extra_chains
from .facing import find_front, lies, turn_toward
from .humanoid import find_arms, find_humanoid
from .humanoid_bones import humanoid_bones
from .quadruped import find_animal
from .tree import Bone, Solid, grow_bones
from .voxels import voxelise_up_to

KINDS = ("auto", "humanoid", "quadruped", "bird", "generic", "none")
RESOLUTION_cells = 96  # fingers and ears show; 128 doubles the time and moves joints by less than their error
MOST_cells = 100_000  # paths through more solid cells take over a second; only balls and boxes have so many
SHORTEST_BONE = 0.01  # of the longest side: below this a bone has no direction worth turning about
SHORTEST_EXTRA = 0.16  # of the longest side: hair and hats have no bones, tails have
SHORTEST_EAR = 0.07  # of the longest side
UP, LEFT = np.array([0, 1, 0]), np.array([1, 0, 0])
UNSURE = 0.7  # of confidence
GENERIC_CONFIDENCE = 0.5  # a tree always follows the shape, but its joints are at bends, not at anatomy


@dataclass(frozen=True)
class SkeletonEstimate:
    """What was found in a mesh, in the mesh's frame and unit. Parents come before their children; bone 0 is the root.

    kind: "humanoid", "quadruped", "bird", "generic" or "none". confidence: 0 to 1; 1 only where every part was found.
    names, roles: J strings; names are unique. parents: int32 (J,), -1 for the root. heads, tails: float32 (J, 3).
    guessed: names of the bones whose place is a guess. notes: sentences for the artist.
    turn_rad: the turn about +y that brings the body's front to +z; 0 for what faces the viewer already. Nothing here is
    turned: `facing.turned` does that, for the mesh and the bones together.
    """

    kind: str
    confidence: float
    names: tuple[str, ...]
    parents: np.ndarray
    heads: np.ndarray
    tails: np.ndarray
    roles: tuple[str, ...]
    guessed: tuple[str, ...]
    notes: tuple[str, ...]
    turn_rad: float = 0.0


def find_solid(vertices: np.ndarray, faces: np.ndarray) -> Solid:
    """What `estimate_skeleton` looks at, whatever the kind: half of its time."""
    return Solid.of(voxelise_up_to(np.asarray(vertices, float), faces, RESOLUTION_cells, MOST_cells))


def estimate_skeleton(
    vertices: np.ndarray, faces: np.ndarray, kind: str = "auto", solid: Solid | None = None
) -> SkeletonEstimate:
    """A skeleton inside the mesh; house frame, any scale and position.

    vertices: float32 (V, 3); faces: int32 (F, 3); closed or not, of any number of parts. kind: one of KINDS; "auto"
    decides by what is found, anything else is obeyed, with guesses where the mesh does not show such a body. solid: of
    this mesh, where it is known already.
    """
    if kind == "none":
        return _single_bone(np.asarray(vertices, float)[np.unique(faces)])
    solid = solid or find_solid(vertices, faces)
    is_lying = kind == "auto" and lies(solid)
    if kind == "humanoid" or (kind == "auto" and not is_lying):
        humanoid = find_humanoid(solid)
        if kind == "humanoid" or humanoid.is_worth_arms:
            humanoid = find_arms(solid, humanoid)
        if kind == "humanoid" or humanoid.is_humanoid:
            bones, guessed = humanoid_bones(solid, humanoid)
            bones += extra_chains(solid, bones, LEFT, SHORTEST_EXTRA)
            return _finish(solid, _Found("humanoid", humanoid.confidence, bones, guessed))
    if kind == "bird" or is_lying:
        bird = find_bird(solid)
        if kind == "bird" or bird.is_balanced:
            bones, guessed, confidence = bird_bones(solid, bird)
            bones += extra_chains(solid, bones, np.cross(UP, bird.front), SHORTEST_EAR)
            return _finish(solid, _Found("bird", confidence, bones, guessed, turn_toward(bird.front)))
    if kind in ("auto", "quadruped"):
        animal = find_animal(solid)
        if kind == "quadruped" or animal.is_quadruped:
            bones, guessed, confidence = quadruped_bones(solid, animal)
            bones += extra_chains(solid, bones, np.cross(UP, animal.front), SHORTEST_EAR)
            # A wrong turn hides the face that the picture shows: only four legs that are seen tell where a body points.
            turn_rad = turn_toward(animal.front) if confidence >= UNSURE else 0.0
            return _finish(solid, _Found("quadruped", confidence, bones, guessed, turn_rad))
    turn_rad = turn_toward(find_front(solid))
    return _finish(solid, _Found("generic", GENERIC_CONFIDENCE, grow_bones(solid), set(), turn_rad))


@dataclass(frozen=True)
class _Found:
    """Bones in cells, and what is known about them."""

    kind: str
    confidence: float
    bones: list[Bone]
    guessed: set[str]
    turn_rad: float = 0.0


def _finish(solid: Solid, found: _Found) -> SkeletonEstimate:
    """Cells to the mesh's frame; bones too short to turn about are drawn out along their parent's direction."""
    bones = found.bones
    names = [bone.name for bone in bones]
    guessed = tuple(name for name in names if name in found.guessed)
    parents = [names.index(bone.parent) if bone.parent else -1 for bone in bones]
    heads = solid.grid.centres(np.clip([bone.head for bone in bones], *bounds(solid.grid.occupied)))
    tails = solid.grid.centres(np.array([bone.tail for bone in bones]))
    shortest_m = SHORTEST_BONE * solid.size_cells * solid.grid.pitch_m
    for number in np.flatnonzero(np.linalg.norm(tails - heads, axis=1) < shortest_m):
        along = tails[parents[number]] - heads[parents[number]] if number else np.array([0.0, 1.0, 0.0])
        tails[number] = heads[number] + shortest_m * along / np.linalg.norm(along)
    return SkeletonEstimate(
        kind=found.kind,
        confidence=found.confidence,
        names=tuple(names),
        parents=np.array(parents, np.int32),
        heads=heads.astype(np.float32),
        tails=tails.astype(np.float32),
        roles=tuple(bone.role for bone in bones),
        guessed=guessed,
        notes=_notes(found.kind, found.confidence, guessed),
        turn_rad=found.turn_rad,
    )


def _notes(kind: str, confidence: float, guessed: tuple[str, ...]) -> tuple[str, ...]:
    """Sentences for the artist."""
    notes = []
    if kind == "generic":
        notes.append(
            "The bones follow the shape; they have no anatomical names. Choose a kind if it has a body's shape."
        )
    elif confidence < UNSURE:
        notes.append(
            f"It was not easy to see a {kind} here (confidence {confidence:.2f}): check it, or choose another kind."
        )
    if guessed:
        notes.append(f"The place of these bones is a guess: {', '.join(guessed)}.")
    return tuple(notes)


def _single_bone(points: np.ndarray) -> SkeletonEstimate:  # points: (N, 3)
    """One bone from the bottom centre to the top centre, or along the longest side of a thing without height."""
    low, high = points.min(0), points.max(0)
    head, tail = (low + high) / 2, (low + high) / 2
    axis = 1 if high[1] - low[1] > SHORTEST_BONE * (high - low).max() else int((high - low).argmax())
    head[axis], tail[axis] = low[axis], high[axis]
    return SkeletonEstimate(
        kind="none",
        confidence=1.0,
        names=("root",),
        parents=np.array([-1], np.int32),
        heads=head[None].astype(np.float32),
        tails=tail[None].astype(np.float32),
        roles=("root",),
        guessed=(),
        notes=("One bone moves the whole model.",),
    )
