# SPDX-License-Identifier: GPL-3.0-or-later
"""Applies corrections to a skeleton. Everything is Blender's frame here, as the positions of a correction are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from inference_server.core.correction import AddLimb, Edit, MoveBone, Point, RemoveBone, RenameBone, RigCorrection
from inference_server.core.frames import from_blender, front_facing_rolls, to_blender
from inference_server.core.rig_document import skeleton_from_document
from inference_server.core.types import Float32, Skeleton
from inference_server.core.validate import skeleton_problems
from inference_server.errors import CorrectionInvalid

Place = NDArray[np.float64]  # (3,)
Bounds = tuple[Float32, Float32]

# Ends that are nearer, as a share of the skeleton's size, are one joint.
_JOINT_SHARE = 1e-3
# A joint farther out than so many of the mesh's longest side comes of another unit or frame.
_FARTHEST_SIDES = 0.5
# Boxes whose corners differ by less of the longest side are of one mesh.
_SAME_BOX_SHARE = 1e-5
_LISTED = 40
_SIDED = re.compile(r"(?P<stem>.*)\.(?P<side>[LR])(?P<number>\.\d{3})?", re.DOTALL)
_ROLE_SIDES = (("left", "right"), ("Left", "Right"))


@dataclass
class _Bone:
    """A bone that may still change. parent: its name. is_turned: its roll has to be found anew."""

    name: str
    role: str
    parent: str | None
    head: Place
    tail: Place
    roll: float
    is_guessed: bool = False
    is_turned: bool = False


def apply_correction(skeleton: Skeleton, correction: RigCorrection, bounds: Bounds) -> Skeleton:
    """The corrected skeleton. Bones that no edit touches stay as they are, bit for bit.

    bounds: lowest and highest corner of the mesh, (3,) each, house frame. Raises CorrectionInvalid, and
    SkeletonInvalid for an unusable whole skeleton.
    """
    corners = _corners(bounds)
    fitting = _Fitting.of(correction, corners)
    if correction.skeleton is not None:
        skeleton = _fit_skeleton(skeleton_from_document(correction.skeleton), fitting)
        for ends in (skeleton.heads, skeleton.tails):
            for name, place in zip(skeleton.names, to_blender(ends).astype(np.float64), strict=True):
                _require_near(place, corners, name)
    editor = _Editor(skeleton, corners, fitting)
    for edit in correction.edits:
        editor.apply(edit)
    return editor.finish()


def is_for_another_mesh(correction: RigCorrection, bounds: Bounds) -> bool:
    """Whether the positions were chosen for a mesh with another box, so that they have to be fitted."""
    return _Fitting.of(correction, _corners(bounds)) != _Fitting()


def mirrored_name(bone: str) -> str:
    """The bone's name on the other side (upper_arm.L is upper_arm.R); the same where it has no side."""
    match = _SIDED.fullmatch(bone)
    if match is None:
        return bone
    return f"{match['stem']}.{'R' if match['side'] == 'L' else 'L'}{match['number'] or ''}"


@dataclass(frozen=True)
class _Fitting:
    """Takes positions from the box of one mesh to that of another, axis by axis: factors * place + offsets."""

    factors: tuple[float, ...] = (1.0, 1.0, 1.0)
    offsets: tuple[float, ...] = (0.0, 0.0, 0.0)

    @classmethod
    def of(cls, correction: RigCorrection, corners: Place) -> _Fitting:  # corners: (2, 3)
        if correction.bounding_box is None:
            return cls()
        before = np.array([correction.bounding_box.min, correction.bounding_box.max])
        size = np.ptp(corners, axis=0)
        if np.abs(before - corners).max() <= _SAME_BOX_SHARE * size.max():
            return cls()
        old_size = np.ptp(before, axis=0)
        has_size = np.minimum(size, old_size) > _SAME_BOX_SHARE * max(size.max(), old_size.max())
        factors = np.divide(size, old_size, out=np.ones(3), where=has_size)
        offsets = corners.mean(axis=0) - factors * before.mean(axis=0)
        return cls(tuple(factors.tolist()), tuple(offsets.tolist()))

    def __call__(self, place: Place | Point) -> Place:
        fitted: Place = np.asarray(self.factors) * np.asarray(place, dtype=np.float64) + np.asarray(self.offsets)
        return fitted


@dataclass
class _Editor:
    """The bones of a skeleton by name, parents before children, while edits are made."""

    skeleton: Skeleton
    corners: Place  # (2, 3)
    fit: _Fitting
    bones: dict[str, _Bone] = field(init=False)

    def __post_init__(self) -> None:
        skeleton = self.skeleton
        heads, tails = to_blender(skeleton.heads).astype(float), to_blender(skeleton.tails).astype(float)
        parents = [skeleton.names[parent] if parent >= 0 else None for parent in skeleton.parents]
        is_guessed = [name in skeleton.guessed for name in skeleton.names]
        rows = (skeleton.names, skeleton.roles, parents, heads, tails, skeleton.rolls.tolist(), is_guessed)
        self.bones = {name: _Bone(name, *row) for name, *row in zip(*rows, strict=True)}

    def apply(self, edit: Edit) -> None:
        """One edit, and its mirror image where that is asked for: of the skeleton as it is before both."""
        both = (edit, self._mirrored(edit)) if edit.mirror else (edit,)
        for one in both:
            match one:
                case MoveBone():
                    self._move(one)
                case RemoveBone():
                    self._remove(one)
                case AddLimb():
                    self._add(one)
                case RenameBone():
                    self._rename(one)

    def finish(self) -> Skeleton:
        """The skeleton as it is now. Raises CorrectionInvalid."""
        bones = list(self.bones.values())
        index = {bone.name: place for place, bone in enumerate(bones)}
        skeleton = replace(
            self.skeleton,
            names=tuple(index),
            roles=tuple(bone.role for bone in bones),
            parents=np.array([-1 if bone.parent is None else index[bone.parent] for bone in bones]),
            heads=from_blender(np.array([bone.head for bone in bones])),
            tails=from_blender(np.array([bone.tail for bone in bones])),
            rolls=np.array([bone.roll for bone in bones]),
            guessed=tuple(bone.name for bone in bones if bone.is_guessed),
        )
        problems = skeleton_problems(skeleton)
        if problems:
            raise CorrectionInvalid(
                f"The correction leaves no usable skeleton. {' '.join(problems)}", "Change the edits that lead there."
            )
        turned = np.flatnonzero([bone.is_turned for bone in bones])
        rolls = skeleton.rolls.copy()
        rolls[turned] = front_facing_rolls(skeleton.heads[turned], skeleton.tails[turned])
        return replace(skeleton, rolls=rolls)

    # --- the edits ---

    def _move(self, edit: MoveBone) -> None:
        bone = self._find(edit.bone)
        nearest = self._joint_reach()
        moved = {}
        if edit.head is not None:
            moved["head"] = self._joints_at_head(bone, nearest), self._placed(edit.head, bone.name)
        if edit.tail is not None:
            moved["tail"] = self._joints_at_tail(bone, nearest), self._placed(edit.tail, bone.name)
        for ends, place in moved.values():
            for owner, end in ends:
                setattr(owner, end, place)
                owner.is_turned = True
        bone.is_guessed = False
        if edit.roll is not None:
            bone.roll, bone.is_turned = edit.roll, False

    def _remove(self, edit: RemoveBone) -> None:
        bone = self._find(edit.bone)
        if bone.parent is None:
            raise CorrectionInvalid(
                f"The bone {bone.name} is the root; all others hang on it.", "Remove the limbs, or move the root."
            )
        gone = {bone.name}
        for other in self.bones.values():  # parents come first
            if other.parent in gone:
                gone.add(other.name)
        self.bones = {name: other for name, other in self.bones.items() if name not in gone}

    def _add(self, edit: AddLimb) -> None:
        self._find(edit.parent)
        if not edit.names or len(edit.joints) != len(edit.names) + 1:
            raise CorrectionInvalid(
                f"The new limb on {edit.parent} has {len(edit.names)} bones and {len(edit.joints)} joints.",
                "Give one bone or more, and one joint more than bones.",
            )
        if edit.roles and len(edit.roles) != len(edit.names):
            raise CorrectionInvalid(
                f"The new limb on {edit.parent} has {len(edit.names)} bones and {len(edit.roles)} roles.",
                "Give a role for each bone, or none.",
            )
        joints = [self._placed(joint, edit.names[0]) for joint in edit.joints]
        parent = edit.parent
        for place, name in enumerate(edit.names):
            self._require_free(name)
            role = edit.roles[place] if edit.roles else "chain"
            self.bones[name] = _Bone(name, role, parent, joints[place], joints[place + 1], 0.0, is_turned=True)
            parent = name

    def _rename(self, edit: RenameBone) -> None:
        bone = self._find(edit.bone)
        bone.role = bone.role if edit.role is None else edit.role
        if edit.name is None or edit.name == bone.name:
            return
        self._require_free(edit.name)
        for other in self.bones.values():
            other.parent = edit.name if other.parent == edit.bone else other.parent
        bone.name = edit.name
        self.bones = {other.name: other for other in self.bones.values()}

    # --- the other side ---

    def _mirrored(self, edit: Edit) -> Edit:
        match edit:
            case MoveBone():
                head, tail = (None if end is None else self._mirror_point(end) for end in (edit.head, edit.tail))
                roll = None if edit.roll is None else -edit.roll
                return replace(edit, bone=self._other_side(edit.bone), head=head, tail=tail, roll=roll)
            case AddLimb():
                names = tuple(mirrored_name(name) for name in edit.names)
                unsided = next((name for name in edit.names if mirrored_name(name) == name), None)
                if unsided is not None:
                    raise CorrectionInvalid(f"The new bone {_cut(unsided)} has no side.", "End its name in .L or .R.")
                parent = mirrored_name(edit.parent)
                return replace(
                    edit,
                    parent=parent if parent in self.bones else edit.parent,
                    names=names,
                    joints=tuple(self._mirror_point(joint) for joint in edit.joints),
                    roles=tuple(_mirrored_role(role) for role in edit.roles),
                )
            case RemoveBone():
                return replace(edit, bone=self._other_side(edit.bone))
            case RenameBone():
                name = None if edit.name is None else mirrored_name(edit.name)
                role = None if edit.role is None else _mirrored_role(edit.role)
                return replace(edit, bone=self._other_side(edit.bone), name=name, role=role)

    def _other_side(self, name: str) -> str:
        other = mirrored_name(self._find(name).name)
        if other == name or other not in self.bones:
            raise CorrectionInvalid(
                f"The bone {_cut(name)} has no other side.", "Leave mirror out, or name a bone that ends in .L or .R."
            )
        return other

    def _mirror_point(self, point: Point) -> Point:
        """In the positions' own box: x is exchanged at the middle between left and right."""
        place = self.fit(point)
        x = 2.0 * self._middle_x() - place[0]
        return (x - self.fit.offsets[0]) / self.fit.factors[0], point[1], point[2]

    def _middle_x(self) -> float:
        """Where left and right meet: between the bones of both sides, or at the root where none has two."""
        pairs = [
            (bone.head[0] + self.bones[other].head[0]) / 2
            for name, bone in self.bones.items()
            if (other := mirrored_name(name)) != name and other in self.bones
        ]
        return float(np.median(pairs)) if pairs else float(next(iter(self.bones.values())).head[0])

    # --- what edits need ---

    def _find(self, name: str) -> _Bone:
        if name not in self.bones:
            listed, left_out = ", ".join([*self.bones][:_LISTED]), len(self.bones) - _LISTED
            known = f"{listed} and {left_out} more" if left_out > 0 else listed
            raise CorrectionInvalid(f"The skeleton has no bone {_cut(name)!r}.", f"Its bones: {known}.")
        return self.bones[name]

    def _require_free(self, name: str) -> None:
        if name in self.bones:
            raise CorrectionInvalid(f"There is a bone {_cut(name)} already.", "Choose another name.")

    def _placed(self, point: Point, bone: str) -> Place:
        place = self.fit(point)
        _require_near(place, self.corners, bone)
        return place

    def _joint_reach(self) -> float:
        ends = np.array([end for bone in self.bones.values() for end in (bone.head, bone.tail)])
        return _JOINT_SHARE * float(np.ptp(ends, axis=0).max())

    def _joints_at_head(self, bone: _Bone, reach: float) -> list[tuple[_Bone, str]]:
        """The bone's head, its parent's tail and its siblings' heads, as far as they are in one place."""
        found = [(bone, "head")]
        parent = self.bones.get(bone.parent or "")
        if parent is not None and _is_near(parent.tail, bone.head, reach):
            found.append((parent, "tail"))
            found += [(child, "head") for child in self._children(parent, bone.head, reach) if child is not bone]
        return found

    def _joints_at_tail(self, bone: _Bone, reach: float) -> list[tuple[_Bone, str]]:
        return [(bone, "tail"), *((child, "head") for child in self._children(bone, bone.tail, reach))]

    def _children(self, bone: _Bone, place: Place, reach: float) -> Iterator[_Bone]:
        for child in self.bones.values():
            if child.parent == bone.name and _is_near(child.head, place, reach):
                yield child


def _corners(bounds: Bounds) -> Place:
    """(2, 3): lowest and highest corner, Blender's frame."""
    corners = to_blender(np.stack(bounds)).astype(np.float64)
    return np.stack([corners.min(axis=0), corners.max(axis=0)])


def _fit_skeleton(skeleton: Skeleton, fit: _Fitting) -> Skeleton:
    if fit == _Fitting():
        return skeleton
    heads, tails = (np.array([fit(end) for end in to_blender(ends)]) for ends in (skeleton.heads, skeleton.tails))
    return replace(skeleton, heads=from_blender(heads), tails=from_blender(tails))


def _require_near(place: Place, corners: Place, bone: str) -> None:
    outside = np.maximum(corners[0] - place, place - corners[1])
    side = float(np.ptp(corners, axis=0).max())
    if float(outside.max()) > _FARTHEST_SIDES * side:
        where = ", ".join(f"{coordinate:g}" for coordinate in place)
        low, high = (", ".join(f"{value:.3g}" for value in corner) for corner in corners)
        raise CorrectionInvalid(
            f"The bone {_cut(bone)} has a joint at ({where}), far outside the mesh.",
            f"Positions are metres in Blender's frame; the mesh reaches from ({low}) to ({high}).",
        )


def _mirrored_role(role: str) -> str:
    for left, right in _ROLE_SIDES:
        if left in role:
            return role.replace(left, right)
        if right in role:
            return role.replace(right, left)
    return role


def _is_near(one: Place, other: Place, reach: float) -> bool:
    return float(np.linalg.norm(one - other)) <= reach


def _cut(name: str) -> str:
    return name if len(name) <= 80 else f"{name[:80]}…"
