# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads MagicaVoxel files. Source: ephtracy/voxel-model, MagicaVoxel-file-format and its extension.

Nothing that a file announces is believed before the bytes are there, and nothing is built that the file does not pay
for: a scene graph that repeats itself is walked for MOST_PLACEMENTS steps and no further.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from .arrays import Bytes
from .errors import VoxFileDamaged
from .vox_scene import (
    COLOUR_SLOTS,
    DEFAULT_PALETTE,
    MODEL_SIDE,
    MOST_MODELS,
    MOST_VOXELS,
    VoxModel,
    VoxPlacement,
    VoxScene,
    lowest_cell,
)

LARGEST_FILE_bytes = 96 << 20  # 25 million voxels; with all that is built from it below 0.5 GiB
MOST_PLACEMENTS = 16_384  # of models in the scene
MOST_NODES = 1_000_000
MOST_MATERIALS = 256  # one for each colour
MOST_LAYERS = 4096
DEEPEST = 256  # transforms and groups inside each other
FURTHEST_cells = 1 << 24  # a translation beyond it is damage
IDENTITY = 4  # the packed form of no rotation
_TRANSFORM, _GROUP, _SHAPE = b"nTRN", b"nGRP", b"nSHP"


class _Cursor:
    """Reads numbers and strings in order; what is not there is damage."""

    def __init__(self, data: memoryview, what: str) -> None:
        self._data, self._at, self._what = data, 0, what

    def integer(self) -> int:
        return int(struct.unpack("<i", self.take(4))[0])

    def take(self, count: int) -> memoryview:
        if count < 0 or self._at + count > len(self._data):
            raise VoxFileDamaged(f"its {self._what} ends early")
        self._at += count
        return self._data[self._at - count : self._at]

    def count(self, item_bytes: int) -> int:
        """A number of items that still has room for them."""
        number = self.integer()
        if number < 0 or number * item_bytes > len(self._data) - self._at:
            raise VoxFileDamaged(f"its {self._what} announces {number} items that are not there")
        return number

    def words(self) -> dict[str, str]:
        found = {}
        for _ in range(self.count(8)):
            key = bytes(self.take(self.integer())).decode("utf-8", "replace")
            found[key] = bytes(self.take(self.integer())).decode("utf-8", "replace")
        return found


@dataclass(frozen=True)
class _Node:
    """One node of the scene graph. children: nodes, of a shape the models. layer: of a transform; -1 for none."""

    kind: bytes
    children: tuple[int, ...]
    name: str = ""
    rotation: int = IDENTITY
    translation: tuple[int, int, int] = (0, 0, 0)
    is_hidden: bool = False
    layer: int = -1


@dataclass
class _Parts:
    """What the chunks of a file hold, as far as they have been read. layers: whether each is hidden."""

    sizes: list[tuple[int, int, int]]
    models: list[VoxModel]
    nodes: dict[int, _Node]
    layers: dict[int, bool]
    materials: dict[int, dict[str, str]]
    palette: Bytes
    order: bytes = b""


@dataclass(frozen=True)
class _Stand:
    """Where a node stands: a rotation (3, 3) and a translation, both of whole numbers, and the nearest name above."""

    node: int
    turn: tuple[tuple[int, int, int], ...]
    move: tuple[int, int, int]
    name: str
    depth: int
    is_hidden: bool


def read_vox(data: bytes) -> VoxScene:
    """The scene of a file's bytes. Raises VoxFileDamaged; takes less than 512 MiB, whatever the bytes are.

    Cameras, notes and render settings are left out; of an animation the first frame is read. Groups are resolved:
    every model that is shown has its own place. A file without a scene graph has each model at the origin.
    """
    if len(data) > LARGEST_FILE_bytes:
        raise VoxFileDamaged(f"it is larger than {LARGEST_FILE_bytes >> 20} MiB")
    if data[:4] != b"VOX ":
        raise VoxFileDamaged("it does not begin as one")
    parts = _Parts([], [], {}, {}, {}, DEFAULT_PALETTE)
    for name, content in _chunks(memoryview(data)[8:]):
        cursor = _Cursor(content, name.decode("ascii", "replace"))
        if name in (b"SIZE", b"XYZI"):
            _read_model(name, cursor, parts)
        elif name in (_TRANSFORM, _GROUP, _SHAPE):
            number, node = _node(name, cursor)
            if number in parts.nodes or len(parts.nodes) == MOST_NODES:
                raise VoxFileDamaged("its scene graph names a node twice")
            parts.nodes[number] = node
        else:
            _read_looks(name, cursor, parts)
    if not parts.models:
        raise VoxFileDamaged("it holds no model")
    return VoxScene(
        tuple(parts.models), tuple(_placements(parts)), parts.palette, parts.order, materials=parts.materials
    )


def _read_model(name: bytes, cursor: _Cursor, parts: _Parts) -> None:
    if name == b"SIZE":
        parts.sizes.append(_size(cursor))
        return
    if len(parts.sizes) != len(parts.models) + 1 or len(parts.models) == MOST_MODELS:
        raise VoxFileDamaged("sizes and voxels of its models do not alternate, or there are too many")
    parts.models.append(VoxModel(parts.sizes[-1], _voxels(cursor, parts.sizes[-1])))


def _read_looks(name: bytes, cursor: _Cursor, parts: _Parts) -> None:
    """Colours, materials and layers; chunks of any other name are passed over."""
    if name == b"RGBA":
        colours = np.frombuffer(cursor.take(COLOUR_SLOTS * 4), np.uint8)
        parts.palette = colours.reshape(-1, 4)[: COLOUR_SLOTS - 1].copy()
    elif name == b"IMAP":
        parts.order = bytes(cursor.take(COLOUR_SLOTS))
    elif name == b"MATL":
        colour = cursor.integer()
        if len(parts.materials) == MOST_MATERIALS:
            raise VoxFileDamaged(f"it has more than {MOST_MATERIALS} materials")
        parts.materials[colour] = cursor.words()
    elif name == b"LAYR":
        layer = cursor.integer()
        if len(parts.layers) == MOST_LAYERS:
            raise VoxFileDamaged(f"it has more than {MOST_LAYERS} layers")
        parts.layers[layer] = _is_hidden(cursor.words())


def _chunks(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Name and content of every chunk; children come after their parent."""
    at = 0
    while at < len(data):
        if at + 12 > len(data):
            raise VoxFileDamaged("it ends in the middle of a chunk's head")
        name = bytes(data[at : at + 4])
        content, children = struct.unpack("<2i", data[at + 4 : at + 12])
        end = at + 12 + content
        if content < 0 or children < 0 or end + children > len(data):
            raise VoxFileDamaged(f"its chunk {name.decode('ascii', 'replace')!r} is longer than the file")
        yield name, data[at + 12 : end]
        at = end  # the children are read as if they followed


def _size(cursor: _Cursor) -> tuple[int, int, int]:
    size = cursor.integer(), cursor.integer(), cursor.integer()
    if not all(1 <= side <= MODEL_SIDE for side in size):
        raise VoxFileDamaged(f"a model's size is {size}, and a side has from 1 to {MODEL_SIDE} voxels")
    return size


def _voxels(cursor: _Cursor, size: tuple[int, int, int]) -> Bytes:
    count = cursor.count(4)
    voxels = np.frombuffer(cursor.take(count * 4), np.uint8).reshape(-1, 4).copy()
    if (voxels[:, :3] >= np.array(size)).any():
        raise VoxFileDamaged("a voxel lies outside of its model")
    if not voxels[:, 3].all():
        raise VoxFileDamaged("a voxel has colour 0, which means none")
    return voxels


def _node(kind: bytes, cursor: _Cursor) -> tuple[int, _Node]:
    number, words = cursor.integer(), cursor.words()
    if kind == _TRANSFORM:
        child, _, layer, frames = (cursor.integer() for _ in range(4))
        frame = cursor.words() if frames > 0 else {}
        turn, move = _rotation(frame), _translation(frame)
        return number, _Node(kind, (child,), words.get("_name", ""), turn, move, _is_hidden(words), layer)
    if kind == _GROUP:
        return number, _Node(kind, tuple(cursor.integer() for _ in range(cursor.count(4))))
    children = []
    for _ in range(cursor.count(8)):
        children.append(cursor.integer())
        cursor.words()
    return number, _Node(kind, tuple(children[:1]))


def _is_hidden(words: dict[str, str]) -> bool:
    return words.get("_hidden", "0") == "1"


def _rotation(frame: dict[str, str]) -> int:
    packed = _whole(frame.get("_r", str(IDENTITY)))
    first, second = packed & 3, packed >> 2 & 3
    if not 0 <= packed < 128 or first > 2 or second > 2 or first == second:
        raise VoxFileDamaged(f"a node's rotation is {packed}, which is none")
    return packed


def _translation(frame: dict[str, str]) -> tuple[int, int, int]:
    parts = frame.get("_t", "0 0 0").split()
    if len(parts) != 3:
        raise VoxFileDamaged("a node's translation has not three numbers")
    x, y, z = (_whole(part) for part in parts)
    return _within_reach(x, y, z)


def _within_reach(x: int, y: int, z: int) -> tuple[int, int, int]:
    if max(abs(x), abs(y), abs(z)) > FURTHEST_cells:
        raise VoxFileDamaged("a node is moved further than a scene reaches")
    return x, y, z


def _whole(text: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 10):
        raise VoxFileDamaged(f"{text[:20]!r} stands where a whole number should")
    return int(text)


def _matrix(packed: int) -> tuple[tuple[int, int, int], ...]:
    places = [packed & 3, packed >> 2 & 3]
    places.append(3 - sum(places))
    rows = np.zeros((3, 3), int)
    for row, column in enumerate(places):
        rows[row, column] = -1 if packed >> (4 + row) & 1 else 1
    return _rows(rows)


def _rows(matrix: np.ndarray[tuple[int, ...], np.dtype[np.int_]]) -> tuple[tuple[int, int, int], ...]:
    return tuple((int(a), int(b), int(c)) for a, b, c in matrix)


def _placements(parts: _Parts) -> Iterator[VoxPlacement]:
    """Walk the scene graph from its root, the node that is no node's child."""
    nodes, models = parts.nodes, parts.models
    if not nodes:
        for index in range(len(models)):
            yield VoxPlacement(index, (0, 0, 0))
        return
    below = {child for node in nodes.values() if node.kind != _SHAPE for child in node.children}
    roots = sorted(nodes.keys() - below, reverse=True)
    stack = [_Stand(root, _matrix(IDENTITY), (0, 0, 0), "", 0, False) for root in roots]
    if not stack:
        raise VoxFileDamaged("its scene graph has no beginning")
    steps, shown = 0, 0
    while stack:
        stand = stack.pop()
        steps += 1
        if steps > MOST_PLACEMENTS * 4 or stand.depth > DEEPEST:
            raise VoxFileDamaged("its scene graph has too many places, or goes in circles")
        if stand.node not in nodes:
            raise VoxFileDamaged("its scene graph names a node that is not there")
        node = nodes[stand.node]
        if node.kind == _SHAPE:
            for model in node.children:
                if not 0 <= model < len(models):
                    raise VoxFileDamaged("its scene graph names a model that is not there")
                shown += len(models[model].voxels)
                if shown > MOST_VOXELS:
                    raise VoxFileDamaged(f"it shows more than {MOST_VOXELS:,} voxels")
                yield _placed(stand, model, models[model])
        else:
            if len(node.children) + len(stack) > MOST_PLACEMENTS:
                raise VoxFileDamaged("its scene graph has too many places")
            is_hidden = stand.is_hidden or node.is_hidden or parts.layers.get(node.layer, False)
            moved = _moved(stand, node, is_hidden)
            stack += [replace(moved, node=child) for child in reversed(node.children)]


def _moved(stand: _Stand, node: _Node, is_hidden: bool) -> _Stand:
    """Where the children of a node stand."""
    turn = np.array(stand.turn)
    x, y, z = (turn @ np.array(node.translation) + stand.move).tolist()
    turned = _rows(turn @ np.array(_matrix(node.rotation)))
    return _Stand(stand.node, turned, _within_reach(x, y, z), node.name or stand.name, stand.depth + 1, is_hidden)


def _placed(stand: _Stand, index: int, model: VoxModel) -> VoxPlacement:
    x, y, z = (np.array(stand.move) + lowest_cell(model.size, stand.turn)).tolist()
    return VoxPlacement(index, (x, y, z), stand.name, stand.turn, stand.is_hidden)
