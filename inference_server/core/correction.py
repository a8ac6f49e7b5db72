# SPDX-License-Identifier: GPL-3.0-or-later
"""Corrections: what the artist changes of a skeleton that was found. The document that clients send and files hold.

Positions and rolls are those of rig.json: Blender's frame (+Z up, the character faces -Y), metres, radians.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_type_hints

from inference_server.core.hints import describe, fits, is_required
from inference_server.errors import CorrectionInvalid

Point = tuple[float, float, float]

# As in rig.json: lengths of larger numbers overflow single precision.
_LARGEST_NUMBER = 1e9
_MAX_FILE_BYTES = 16 * 1024 * 1024
# Of a value in a message.
_LONGEST_SHOWN = 80
_HINT = "docs/corrections.md describes the document."

Document = TypeVar("Document")


@dataclass(frozen=True)
class MoveBone:
    """Put the ends of a bone elsewhere, each where it is given. An end that touches it in the tree (the parent's tail,
    a child's head) comes along. Without a roll, bones that turned face the front. mirror: the bone of the other side
    too, as its mirror image.
    """

    edit: Literal["move"]
    bone: str
    head: Point | None = None
    tail: Point | None = None
    roll: float | None = None
    mirror: bool = False


@dataclass(frozen=True)
class RemoveBone:
    """Take away a bone and all that descends from it. mirror: the bone of the other side too."""

    edit: Literal["remove"]
    bone: str
    mirror: bool = False


@dataclass(frozen=True)
class AddLimb:
    """A chain of new bones on a bone that is there. names: of the bones, from the parent on. joints: one more than
    names. roles: one a bone, or none for "chain". mirror: the same on the other side, with .L and .R exchanged.
    """

    edit: Literal["add"]
    parent: str
    names: tuple[str, ...]
    joints: tuple[Point, ...]
    roles: tuple[str, ...] = ()
    mirror: bool = False


@dataclass(frozen=True)
class RenameBone:
    """Give a bone another name, another role, or both. mirror: the bone of the other side too."""

    edit: Literal["rename"]
    bone: str
    name: str | None = None
    role: str | None = None
    mirror: bool = False


Edit = MoveBone | RemoveBone | AddLimb | RenameBone


@dataclass(frozen=True)
class Box:
    """Lowest and highest corner."""

    min: Point
    max: Point


@dataclass(frozen=True)
class RigCorrection:
    """What to change, in this order: skeleton, a whole rig.json instead of the one that was found; then the edits, one
    after the other. bounding_box: of the mesh for which the positions were chosen; where the mesh is another by now,
    they are fitted to its box.
    """

    edits: tuple[Edit, ...] = ()
    skeleton: Mapping[str, Any] | None = None
    bounding_box: Box | None = None

    def to_document(self) -> dict[str, Any]:
        """As JSON."""
        return dataclasses.asdict(self)


_EDITS: Mapping[str, type[Edit]] = {"move": MoveBone, "remove": RemoveBone, "add": AddLimb, "rename": RenameBone}


def correction_from_document(document: Any, what: str = "The correction") -> RigCorrection:
    """Read a correction; `what` is what messages call it. Raises CorrectionInvalid."""
    members = _members(document, {"edits", "skeleton", "bounding_box"}, what)
    edits, skeleton, box = members.get("edits"), members.get("skeleton"), members.get("bounding_box")
    if not isinstance(edits, list | None):
        raise CorrectionInvalid(f"edits of {_lower(what)} is {_shown(edits)}.", "It must be a list of edits.")
    if not isinstance(skeleton, dict | None):
        raise CorrectionInvalid(f"skeleton of {_lower(what)} is {_shown(skeleton)}.", "It must be a rig.json.")
    return RigCorrection(
        tuple(_read_edit(edit, f"Edit {number} of {_lower(what)}") for number, edit in enumerate(edits or (), 1)),
        skeleton,
        None if box is None else _read(Box, box, f"The bounding_box of {_lower(what)}"),
    )


def read_correction(path: Path) -> RigCorrection:
    """Read the file of one correction. Raises CorrectionInvalid."""
    return correction_from_document(_load(path), str(path))


def read_corrections(path: Path) -> tuple[RigCorrection, ...]:
    """Read what `write_corrections` wrote. Raises CorrectionInvalid."""
    return tuple(correction_from_document(document) for document in _load(path))


def write_corrections(corrections: tuple[RigCorrection, ...]) -> bytes:
    """The corrections as a JSON file, in the order in which they are made."""
    return json.dumps([correction.to_document() for correction in corrections]).encode()


def _load(path: Path) -> Any:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise CorrectionInvalid(f"{path} is larger than {_MAX_FILE_BYTES >> 20} MiB.", _HINT)
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise CorrectionInvalid(f"{path} cannot be read: {error.strerror}.", "Check the path.") from error
    except (ValueError, RecursionError) as error:
        raise CorrectionInvalid(f"{path} is not JSON: {error}.", _HINT) from error


def _read_edit(document: Any, what: str) -> Edit:
    kind = document.get("edit") if isinstance(document, dict) else None
    if not isinstance(kind, str) or kind not in _EDITS:
        raise CorrectionInvalid(f"{what} has the edit {_shown(kind)}.", f"It must be one of {', '.join(_EDITS)}.")
    return _read(_EDITS[kind], document, what)


def _read(kind: type[Document], document: Any, what: str) -> Document:
    hints = get_type_hints(kind)
    members = _members(document, set(hints), what)
    for name, value in members.items():
        if not fits(value, hints[name]):
            raise CorrectionInvalid(f"{what} has the {name} {_shown(value)}.", f"It must be {describe(hints[name])}.")
        _require_sound(value, f"The {name} of {_lower(what)}")
    missing = [item.name for item in dataclasses.fields(kind) if item.name not in members and is_required(item)]  # type: ignore[arg-type]
    if missing:
        raise CorrectionInvalid(f"{what} lacks {', '.join(missing)}.", _HINT)
    return kind(**{name: _frozen(value) for name, value in members.items()})


def _members(document: Any, known: set[str], what: str) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise CorrectionInvalid(f"{what} is {_shown(document)}.", "It must be a JSON object.")
    unknown = sorted(set(document) - known)
    if unknown:
        raise CorrectionInvalid(f"{what} has an unknown member, {_shown(unknown[0])}.", f"Known: {', '.join(known)}.")
    return document


def _require_sound(value: Any, what: str) -> None:
    """Numbers that are finite and not huge; text that can be stored (JSON can name half a character)."""
    if isinstance(value, list):
        for item in value:
            _require_sound(item, what)
    elif isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise CorrectionInvalid(f"{what} is no text that can be stored.", "Use whole characters.") from error
    elif isinstance(value, int | float) and not abs(value) <= _LARGEST_NUMBER:
        raise CorrectionInvalid(
            f"{what} has the number {_shown(value)}.", f"Use finite numbers up to {_LARGEST_NUMBER:g}."
        )


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def _lower(what: str) -> str:
    return what.replace("The ", "the ", 1).replace("Edit ", "edit ", 1)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
