# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines that a skeleton's bones stand for: as drawn, or, where tails say nothing, from joint to joint.

glTF has no tails, and FBX none for inner bones: what a reader puts there is a stub or points anywhere. Bones whose
tails meet no child's head are therefore read as joints only.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from .voxels import CELLS_TOUCH, VoxelGrid

MEETS = 0.01  # of the longest side: a tail that near to a child's head is at it
STUB = 0.001  # of the longest side: a bone no longer than that has no direction
JOINED_SHARE = 0.5  # of the bones with children: if fewer tails meet a child, none of them is believed
HUB_SHARE = 0.5  # of the way from a root to each of several children; the rest is theirs
TIP_STRETCH = 1.5  # from a last joint past the middle of what lies beyond it
LEAST_TIP = 0.01  # of the longest side, so that a last bone without anything beyond still has a direction
FACE_TIPS = 4  # a joint with so many last joints is a face; they are controls of the skin right at them
FACE_TIP_SHARE = 0.1  # of the way from the face's joint to one of its controls: how far that reaches beyond
LINE_SAMPLES = 12
INSIDE_SHARE = 0.9  # of a line's samples that must be solid for a bone to run there
LIMB_REACH = 0.4  # of the longest side: a foot that hangs on the root is not looked for farther from a leg
END_BONES = 2  # a foot or hand that hangs on the root has at most that many bones
FOLD_SHARE = 0.25  # a limb's last bone keeps that share of its length away from the joint before it


@dataclass(frozen=True)
class BoneSegments:
    """bones: int64 (S,), whose line; starts, ends: float64 (S, 3). Every one of the bone_count bones has a line."""

    bones: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    bone_count: int

    def bone_distances(self, points: np.ndarray) -> np.ndarray:  # points: (P, 3)
        """float32 (P, J): the straight distance of each point to each bone's nearest line."""
        found = np.full((self.bone_count, len(points)), np.inf, np.float32)
        for bone, start, end in zip(self.bones, self.starts, self.ends, strict=True):
            along = end - start
            offsets = points - start
            where = np.clip(offsets @ along / max(along @ along, 1e-30), 0.0, 1.0)
            offsets -= where[:, None] * along
            np.minimum(found[bone], np.sqrt(np.einsum("pd,pd->p", offsets, offsets)), out=found[bone])
        return found.T


def drawn_segments(heads: np.ndarray, tails: np.ndarray) -> BoneSegments:  # (J, 3), (J, 3)
    """Each bone from its head to its tail."""
    return BoneSegments(np.arange(len(heads)), heads, tails, len(heads))


def find_segments(grid: VoxelGrid, heads: np.ndarray, tails: np.ndarray, parents: np.ndarray) -> BoneSegments:
    """The bones' lines inside the solid. heads, tails: float64 (J, 3); parents: int (J,), -1 for a root.

    As drawn if the tails can be believed; else from each joint to its children, from a last joint to what lies beyond
    it, and, for feet and hands that hang on the root (inverse kinematics), from the limb's last joint to them. A joint
    outside the solid is a control: it moves nothing on the way to its children.
    """
    return _JointTree(grid, heads, tails, parents).segments()


class _JointTree:
    def __init__(self, grid: VoxelGrid, heads: np.ndarray, tails: np.ndarray, parents: np.ndarray) -> None:
        self._grid, self._heads, self._tails, self._parents = grid, heads, tails, np.asarray(parents, np.int64)
        self._size_m = float(max(grid.occupied.shape) * grid.pitch_m)
        self._kids = [np.flatnonzero(self._parents == joint) for joint in range(len(heads))]
        self._near = ndimage.binary_dilation(grid.occupied, CELLS_TOUCH)  # joints just under the skin count as inside
        self._is_inside = self._is_solid(heads)

    def segments(self) -> BoneSegments:
        if self._are_tails_believable():
            return drawn_segments(self._heads, self._tails)
        self._own_cells()
        limb_ends = self._find_limb_ends()
        before = self._parents.copy()  # the joint from which a joint's line arrives
        for last, end in limb_ends.items():
            before[end] = last
        lines = []
        for joint in range(len(self._heads)):
            ends = [self._heads[limb_ends[joint]]] if joint in limb_ends else self._ends(joint, before)
            lines += [(joint, end) for end in ends]
        bones = np.array([joint for joint, _ in lines])
        return BoneSegments(bones, self._heads[bones], np.array([end for _, end in lines]), len(self._heads))

    def _is_solid(self, points: np.ndarray) -> np.ndarray:  # (N, 3)
        return self._near[tuple(self._grid.cells(points).T)]

    def _runs_inside(self, start: np.ndarray, end: np.ndarray) -> bool:
        return bool(self._is_solid(np.linspace(start, end, LINE_SAMPLES)).mean() > INSIDE_SHARE)

    def _are_tails_believable(self) -> bool:
        inner = [joint for joint, kids in enumerate(self._kids) if len(kids)]
        joined = [
            np.linalg.norm(self._tails[joint] - self._heads[joint]) > STUB * self._size_m
            and np.linalg.norm(self._heads[self._kids[joint]] - self._tails[joint], axis=1).min() < MEETS * self._size_m
            for joint in inner
        ]
        return not inner or bool(np.mean(joined) > JOINED_SHARE)

    def _own_cells(self) -> None:
        """Which joint each solid cell is nearest to; of joints in one place, their first has the cells."""
        self._cells = self._grid.centres(np.argwhere(self._grid.occupied))
        gaps = np.linalg.norm(self._heads[:, None] - self._heads[None], axis=2)
        self._place = (gaps < STUB * self._size_m).argmax(axis=1)
        self._owner = self._place[cKDTree(self._heads).query(self._cells)[1]]

    def _descendants(self, joint: int) -> set[int]:
        found, queue = {joint}, [joint]
        while queue:
            kids = self._kids[queue.pop()].tolist()
            found.update(kids)
            queue += kids
        return found

    def _find_limb_ends(self) -> dict[int, int]:
        """{last joint of a limb: the foot or hand beyond it that hangs on the root or on a control}."""
        lasts = [joint for joint, kids in enumerate(self._kids) if not len(kids) and self._hangs_in_the_body(joint)]
        ends: dict[int, int] = {}
        for joint in range(len(self._heads)):
            family = self._descendants(joint)
            if self._parents[joint] < 0 or not self._is_inside[joint] or len(family) > END_BONES:
                continue
            if self._hangs_in_the_body(joint):
                continue
            near = [last for last in lasts if last not in family and self._may_lead(last, joint)]
            if near:
                gaps = np.linalg.norm(self._heads[near] - self._heads[joint], axis=1)
                ends[near[int(gaps.argmin())]] = joint
        return ends

    def _hangs_in_the_body(self, joint: int) -> bool:
        """Whether a joint's parent can carry it."""
        parent = self._parents[joint]
        if parent < 0 or not self._is_inside[joint]:
            return False
        is_plain = self._parents[parent] >= 0 or self._runs_inside(self._heads[parent], self._heads[joint])
        return bool(self._is_inside[parent] and is_plain)

    def _may_lead(self, last: int, end: int) -> bool:
        """Whether a limb's last bone may run to this joint: near, inside, and not folded back onto itself."""
        start, stop, joint = self._heads[last], self._heads[end], self._heads[self._parents[last]]
        length_m, before_m = np.linalg.norm(stop - start), np.linalg.norm(start - joint)
        if not STUB * self._size_m < length_m < LIMB_REACH * self._size_m or not self._runs_inside(start, stop):
            return False
        where = np.clip((joint - start) @ (stop - start) / length_m**2, 0.0, 1.0)
        clear_m = np.linalg.norm(start + where * (stop - start) - joint)
        return bool(clear_m > FOLD_SHARE * min(length_m, before_m))

    def _is_face(self, joint: int) -> bool:
        tips = [kid for kid in self._kids[joint] if not len(self._kids[kid])]
        return bool(self._is_inside[joint]) and self._parents[joint] >= 0 and len(tips) >= FACE_TIPS

    def _ends(self, joint: int, before: np.ndarray) -> list[np.ndarray]:  # before: (J,)
        head, kids = self._heads[joint], self._kids[joint]
        if not len(kids):
            return [self._tip(joint, before)]
        if not self._is_inside[joint]:
            return [head]
        share = HUB_SHARE if self._parents[joint] < 0 and len(kids) > 1 else 1.0
        ends = [head + share * (self._heads[kid] - head) for kid in kids]
        if self._is_face(joint):
            tips = [kid for kid in kids if not len(self._kids[kid])]
            ends.append(self._beyond(joint, [joint, *tips], head - self._heads[before[joint]]))
        return ends

    def _tip(self, joint: int, before: np.ndarray) -> np.ndarray:  # before: (J,)
        head, previous = self._heads[joint], before[joint]
        if previous < 0:
            return self._tails[joint]
        gaps = np.linalg.norm(self._heads - head, axis=1)
        if gaps[previous] < STUB * self._size_m or not self._runs_inside(head, self._heads[previous]):
            others = np.where(gaps < STUB * self._size_m, np.inf, gaps)
            if np.isfinite(others).any():
                previous = int(others.argmin())
        along = head - self._heads[previous]
        if previous == self._parents[joint] and self._is_face(previous):
            return head + FACE_TIP_SHARE * along
        return self._beyond(joint, [joint], along)

    def _beyond(self, joint: int, joints: list[int], along: np.ndarray) -> np.ndarray:
        """Past the middle of the solid that is nearest to these joints and lies ahead of the first of them."""
        head = self._heads[joint]
        offsets = self._cells[np.isin(self._owner, self._place[joints])] - head
        offsets = offsets[offsets @ along > 0]
        if len(offsets):
            return head + TIP_STRETCH * offsets.mean(axis=0)
        return head + LEAST_TIP * self._size_m * along / max(float(np.linalg.norm(along)), 1e-30)
