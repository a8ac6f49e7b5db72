# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an exported file goes, and what it is called."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..errors import typed_file_errors
from ..phrases import phrase
from ..whole_files import write_all
from .errors import PlaceUnusable

_SUFFIXES = frozenset({".fbx", ".glb", ".vrm", ".stl", ".3mf"})


def proposed(name: str, suffix: str, last: str) -> str:
    """A path for a figure of this name: where the last one went, "" for none; beside the open file; or at home."""
    beside = last or bpy.data.filepath
    folder = Path(bpy.path.abspath(beside)).parent if beside else Path.home()
    return str(folder / f"{bpy.path.clean_name(name)}{suffix}")


def chosen(filepath: str, suffix: str) -> Path:
    """The path with the suffix of its kind; of another kind's it is replaced. Raises PlaceUnusable where it is in no
    folder, before anything is made.
    """
    path = Path(bpy.path.abspath(filepath))
    if not path.parent.is_dir():
        raise PlaceUnusable(phrase("{folder} is no folder.", folder=path.parent), "Choose another place.")
    stem = path.stem if path.suffix.lower() in _SUFFIXES else path.name
    if not stem.strip("."):
        raise PlaceUnusable("The file has no name.", "Type one.")
    return path.with_name(f"{stem}{suffix}")


def write_whole(path: Path, content: bytes) -> None:
    """The whole file, or the one that was there before. Raises FigurineError."""
    with typed_file_errors(path.parent):
        write_all(path.parent, {path.name: content})
