# SPDX-License-Identifier: GPL-3.0-or-later
"""A second reader of .vox files, from the format's specification alone, voxel by voxel.

Shares nothing with the product. Believes well-formed files: it is there to judge the writer.
"""

from __future__ import annotations

import io
import struct


def number(stream: io.BytesIO) -> int:
    return struct.unpack("<i", stream.read(4))[0]


def text(stream: io.BytesIO) -> str:
    return stream.read(number(stream)).decode("utf-8")


def dictionary(stream: io.BytesIO) -> dict[str, str]:
    return {text(stream): text(stream) for _ in range(number(stream))}


def rotation(packed: int) -> list[list[int]]:
    """Row-major: bits 0-1 and 2-3 tell where rows one and two have their entry, bits 4 to 6 the rows' signs."""
    first, second = packed & 0b11, (packed >> 2) & 0b11
    third = ({0, 1, 2} - {first, second}).pop()
    rows = [[0, 0, 0] for _ in range(3)]
    for row, column in enumerate((first, second, third)):
        rows[row][column] = -1 if (packed >> (4 + row)) & 1 else 1
    return rows


class VoxFile:
    """voxels: {(x, y, z): (r, g, b, a)} of what is not hidden. names: of the placed models, hidden ones too, in order.
    materials: {colour index: words}.
    """

    def __init__(self, data: bytes) -> None:
        stream = io.BytesIO(data)
        assert stream.read(4) == b"VOX "
        assert number(stream) == 150
        assert stream.read(4) == b"MAIN"
        assert number(stream) == 0
        assert number(stream) == len(data) - 20
        self.sizes, self.models, self.nodes = [], [], {}
        self.palette: list[tuple[int, ...]] = []
        self.index_map: list[int] = []
        self.materials: dict[int, dict[str, str]] = {}
        self.hidden_layers: set[int] = set()
        while stream.tell() < len(data):
            name, content, children = stream.read(4).decode(), number(stream), number(stream)
            assert children == 0
            self._chunk(name, io.BytesIO(stream.read(content)))
        self.voxels: dict[tuple[int, ...], tuple[int, ...]] = {}
        self.names: list[str] = []
        self._walk(0, (0, 0, 0), rotation(0b100), ("", False))

    def _chunk(self, name: str, body: io.BytesIO) -> None:
        if name == "SIZE":
            self.sizes.append(struct.unpack("<3i", body.read()))
        elif name == "XYZI":
            self.models.append([struct.unpack("4B", body.read(4)) for _ in range(number(body))])
        elif name == "RGBA":
            self.palette = [struct.unpack("4B", body.read(4)) for _ in range(256)]
        elif name == "IMAP":
            self.index_map = list(body.read(256))
        elif name == "nTRN":
            node, words = number(body), dictionary(body)
            child, reserved, layer, frames = (number(body) for _ in range(4))
            assert (reserved, frames) == (-1, 1)
            self.nodes[node] = ("T", words, child, dictionary(body), layer)
        elif name == "nGRP":
            node, _ = number(body), dictionary(body)
            self.nodes[node] = ("G", [number(body) for _ in range(number(body))])
        elif name == "nSHP":
            node, _ = number(body), dictionary(body)
            assert number(body) == 1
            self.nodes[node] = ("S", number(body), dictionary(body))
        elif name == "MATL":
            colour, words = number(body), dictionary(body)
            self.materials[colour] = words
        elif name == "LAYR":
            layer, words = number(body), dictionary(body)
            assert number(body) == -1
            if words.get("_hidden") == "1":
                self.hidden_layers.add(layer)
        else:
            return
        assert body.read() == b""

    def _walk(self, node: int, at: tuple[int, ...], turn: list[list[int]], known: tuple[str, bool]) -> None:
        kind = self.nodes[node]
        if kind[0] == "T":
            _, words, child, frame, layer = kind
            move = [int(part) for part in frame.get("_t", "0 0 0").split()]
            own = rotation(int(frame.get("_r", "4")))
            moved = tuple(at[i] + sum(turn[i][j] * move[j] for j in range(3)) for i in range(3))
            turned = [[sum(turn[i][k] * own[k][j] for k in range(3)) for j in range(3)] for i in range(3)]
            is_hidden = known[1] or words.get("_hidden") == "1" or layer in self.hidden_layers
            self._walk(child, moved, turned, (words.get("_name") or known[0], is_hidden))
        elif kind[0] == "G":
            for child in kind[1]:
                self._walk(child, at, turn, known)
        else:
            self._place(kind[1], at, turn, known)

    def _place(self, model: int, at: tuple[int, ...], turn: list[list[int]], known: tuple[str, bool]) -> None:
        """A voxel is the cube from its place to the next; cubes turn about the model's middle, rounded down."""
        self.names.append(known[0])
        size = self.sizes[model]
        for x, y, z, colour in self.models[model]:
            assert x < size[0]
            assert y < size[1]
            assert z < size[2]
            near = [place - side // 2 for place, side in zip((x, y, z), size, strict=True)]
            ends = [[sum(turn[i][j] * (near[j] + far) for j in range(3)) for i in range(3)] for far in (0, 1)]
            cell = tuple(min(ends[0][i], ends[1][i]) + at[i] for i in range(3))
            if not known[1]:
                self.voxels[cell] = self.palette[colour - 1]
