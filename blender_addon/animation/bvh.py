# SPDX-License-Identifier: GPL-3.0-or-later
"""BVH files (Biovision hierarchy): a skeleton as offsets, and every frame's channels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ClipUnusable
from ..phrases import phrase
from .source import WorldClip, role_of_joint

_AXES = {"X": 0, "Y": 1, "Z": 2}
_LARGEST_FILE_bytes = 200_000_000
_HINT = "Export it again as BVH, or use another file."


@dataclass
class _Joint:
    """channels: (is a position, axis) in the file's order."""

    name: str
    parent: int
    offset: NDArray[np.float64]
    tail: NDArray[np.float64] | None = None
    channels: list[tuple[bool, int]] = field(default_factory=list)


def read_bvh(path: Path) -> WorldClip:
    """Raises ClipUnusable for what is no BVH file, or none that is whole."""
    try:
        if path.stat().st_size > _LARGEST_FILE_bytes:
            raise ClipUnusable(phrase("{name} is larger than 200 MB.", name=path.name), "Use a shorter clip.")
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ClipUnusable(
            phrase("{name} cannot be read: {why}.", name=path.name, why=error.strerror), "Choose another file."
        ) from error
    words = iter(text.split())
    try:
        joints = _read_hierarchy(words)
        fps, rows = _read_motion(words, sum(len(joint.channels) for joint in joints))
    except (StopIteration, RuntimeError, ValueError, KeyError, IndexError) as error:
        raise ClipUnusable(phrase("{name} is no whole BVH file.", name=path.name), _HINT, details=str(error)) from error
    if len(rows) < 2:
        raise ClipUnusable(
            phrase("{name} holds no animation: it has {count} frames.", name=path.name, count=len(rows)),
            "Use a file with motion.",
        )
    return _pose(joints, rows, fps)


def _read_hierarchy(words: Iterator[str]) -> list[_Joint]:
    """Joints, parents first; what does not fit raises ValueError."""
    joints: list[_Joint] = []
    open_joints: list[int] = []
    _expect(words, "HIERARCHY")
    for word in words:
        if word in ("ROOT", "JOINT"):
            name = next(words)
            _expect(words, "{")
            _expect(words, "OFFSET")
            joints.append(_Joint(name, open_joints[-1] if open_joints else -1, _numbers(words, 3)))
            open_joints.append(len(joints) - 1)
        elif word == "CHANNELS":
            joints[open_joints[-1]].channels = [_channel(next(words)) for _ in range(int(next(words)))]
        elif word == "End":
            for expected in ("Site", "{", "OFFSET"):
                _expect(words, expected)
            joints[open_joints[-1]].tail = _numbers(words, 3)
            _expect(words, "}")
        elif word == "}":
            open_joints.pop()
        elif word == "MOTION" and joints and not open_joints:
            return joints
        else:
            raise ValueError(f"{word} is not expected in the hierarchy.")
    raise ValueError("It has no motion.")


def _read_motion(words: Iterator[str], channels: int) -> tuple[float, NDArray[np.float64]]:
    """Frames a second and the rows (F, C)."""
    _expect(words, "Frames:")
    frames = int(next(words))
    _expect(words, "Frame")
    _expect(words, "Time:")
    frame_s = float(next(words))
    numbers = np.array(list(words), np.float64)
    if numbers.size != frames * channels or not np.isfinite(numbers).all() or not 0 < frame_s < np.inf:
        raise ValueError(f"{frames} frames of {channels} channels are announced, {numbers.size} numbers are there.")
    return 1.0 / frame_s, numbers.reshape(frames, channels)


def _pose(joints: list[_Joint], rows: NDArray[np.float64], fps: float) -> WorldClip:
    """Every frame. A joint that ends nowhere, with no End Site, has no length."""
    rest = np.zeros((len(joints), 3))
    tails = np.zeros((len(joints), 3))
    rotations = np.empty((len(rows), len(joints), 3, 3))
    heads = np.empty((len(rows), len(joints), 3))
    for place, joint in enumerate(joints):
        rest[place] = joint.offset + (rest[joint.parent] if joint.parent >= 0 else 0.0)
    column = 0
    for place, joint in enumerate(joints):
        below = [rest[other] for other, child in enumerate(joints) if child.parent == place]
        tails[place] = rest[place] + joint.tail if joint.tail is not None else np.mean(below or [rest[place]], axis=0)
        local, offsets = _local(joint, rows[:, column : column + len(joint.channels)])
        column += len(joint.channels)
        if joint.parent < 0:
            rotations[:, place], heads[:, place] = local, offsets
            continue
        above = rotations[:, joint.parent]
        rotations[:, place] = above @ local
        heads[:, place] = heads[:, joint.parent] + (above @ offsets[:, :, None])[:, :, 0]
    names = tuple(joint.name for joint in joints)
    parents = tuple(joint.parent for joint in joints)
    roles = tuple(map(role_of_joint, names))
    return WorldClip(names, roles, parents, rest, tails, rotations, heads, fps)


def _local(joint: _Joint, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A joint's rotations (F, 3, 3) and its places (F, 3) against its parent; positions stand instead of the offset.
    values: (F, C), of its channels.
    """
    turns = np.tile(np.eye(3), (len(values), 1, 1))
    places = np.tile(joint.offset, (len(values), 1))
    for (is_position, axis), column in zip(joint.channels, values.T, strict=True):
        if is_position:
            places[:, axis] = column
        else:
            turns = turns @ _about(axis, np.deg2rad(column))
    return turns, places


def _about(axis: int, angles_rad: NDArray[np.float64]) -> NDArray[np.float64]:  # (F,) → (F, 3, 3)
    """Turns about X, Y or Z, counter-clockwise seen from its tip."""
    after, last = (axis + 1) % 3, (axis + 2) % 3
    turns = np.zeros((len(angles_rad), 3, 3))
    turns[:, axis, axis] = 1.0
    turns[:, after, after] = turns[:, last, last] = np.cos(angles_rad)
    turns[:, last, after] = np.sin(angles_rad)
    turns[:, after, last] = -turns[:, last, after]
    return turns


def _channel(word: str) -> tuple[bool, int]:
    kind = word[1:]
    if kind not in ("position", "rotation"):
        raise ValueError(f"{word} is no channel.")
    return kind == "position", _AXES[word[0]]


def _numbers(words: Iterator[str], count: int) -> NDArray[np.float64]:
    numbers = np.array([float(next(words)) for _ in range(count)])
    if not np.isfinite(numbers).all():
        raise ValueError(f"{numbers} are no offset.")
    return numbers


def _expect(words: Iterator[str], wanted: str) -> None:
    word = next(words)
    if word != wanted:
        raise ValueError(f"{word} stands where {wanted} is expected.")
