# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parent asks for, as types. Every array is in Blender's frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inference_server.core.exchange import Exchange
from inference_server.core.types import Float32, Int32


@dataclass(frozen=True, eq=False)
class Labels:
    """What the files are called and carry.

    name: of the mesh object, any text. stem: of the files, safe on every system. provenance: written into the files.
    """

    name: str
    stem: str
    provenance: Mapping[str, Any]
    preview_px: int


@dataclass(frozen=True, eq=False)
class Bones:
    """The skeleton: parent before child.

    parents: (J,) int32, -1 for a root. heads, tails: (J, 3) float32. rolls: (J,) float32, radians.
    """

    names: list[str]
    roles: list[str]
    parents: Int32
    heads: Float32
    tails: Float32
    rolls: Float32


@dataclass(frozen=True, eq=False)
class SkinRows:
    """indices: (V, 4) int32 into the bones. weights: (V, 4) float32, rows sum to 1."""

    indices: Int32
    weights: Float32


def labels_of(exchange: Exchange) -> Labels:
    """From the document's name, stem, provenance and preview_px."""
    document = exchange.document
    return Labels(document["name"], document["stem"], document["provenance"], document["preview_px"])


def bones_of(exchange: Exchange) -> Bones:
    """From the document's bones and roles and the arrays parents, heads, tails, rolls."""
    arrays = exchange.arrays
    return Bones(
        names=exchange.document["bones"],
        roles=exchange.document["roles"],
        parents=arrays["parents"],
        heads=arrays["heads"],
        tails=arrays["tails"],
        rolls=arrays["rolls"],
    )


def skin_of(exchange: Exchange) -> SkinRows:
    """From the arrays skin_indices and skin_weights."""
    return SkinRows(indices=exchange.arrays["skin_indices"], weights=exchange.arrays["skin_weights"])
