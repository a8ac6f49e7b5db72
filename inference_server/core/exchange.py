# SPDX-License-Identifier: GPL-3.0-or-later
"""The exchange folder: how arrays cross a process boundary and how stage results are kept.

    document.json   format, version, the caller's document, its sha256 and that of every other file
    arrays.npz      named arrays, never pickled
    <name>          any other file: a picture, an FBX

A folder under its final name is always complete: it is written beside it and renamed. Imports the standard library
and numpy only: Blender's own Python reads it too.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
import uuid
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT = "figurine-exchange"
VERSION = 1
DOCUMENT = "document.json"
ARRAYS = "arrays.npz"
PARTIAL_PREFIX = ".partial-"
# What the system says of a part that is not there, or is no file. All else it says is no fault of the folder.
PART_MISSING = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class ExchangeInvalid(ValueError):
    """The folder is missing, of another format, incomplete, or differs from its digests."""


@dataclass(frozen=True)
class Exchange:
    """Named arrays, a JSON document, and named files (bytes, or the path of a file to copy)."""

    document: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    files: Mapping[str, bytes | Path] = field(default_factory=dict)


def write_exchange(folder: Path, exchange: Exchange, *, keep_existing: bool = False) -> None:
    """Write the folder atomically: after a crash it is either complete or absent.

    An existing folder of that name is replaced, or kept as it is with `keep_existing`. Raises OSError (disk full, no
    permission) and leaves nothing behind then.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.parent / f"{PARTIAL_PREFIX}{folder.name}-{uuid.uuid4().hex}"
    partial.mkdir()
    try:
        (partial / ARRAYS).write_bytes(_npz_bytes(exchange.arrays))
        for name, content in exchange.files.items():
            place = _inside(partial, name)
            if place.exists():
                raise ExchangeInvalid(f"{name!r} is taken by the exchange folder itself")
            if isinstance(content, Path):
                shutil.copyfile(content, place)
            else:
                place.write_bytes(content)
        digests = {path.name: _digest_of(path) for path in sorted(partial.iterdir())}
        document = dict(exchange.document)
        head = {
            "format": FORMAT,
            "version": VERSION,
            "sha256": digests,
            "document_sha256": _document_digest(document),
            "document": document,
        }
        (partial / DOCUMENT).write_text(json.dumps(head, indent=1), encoding="utf-8")
        _flush(partial)
        _put_in_place(partial, folder, keep_existing)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def read_exchange(folder: Path) -> Exchange:
    """Read a folder and check every file against its digest; files come back as paths inside the folder.

    Raises ExchangeInvalid, and OSError where the system cannot read what is there.
    """
    try:
        head = json.loads((folder / DOCUMENT).read_text(encoding="utf-8"))
        if head["format"] != FORMAT or head["version"] != VERSION:
            raise ExchangeInvalid(f"{folder} is of format {head['format']} {head['version']}, not {FORMAT} {VERSION}")
        digests, document = head["sha256"], head["document"]
        if _document_digest(document) != head["document_sha256"]:
            raise ExchangeInvalid(f"{folder / DOCUMENT} differs from its digest")
        for name, digest in digests.items():
            if _digest_of(_inside(folder, name)) != digest:
                raise ExchangeInvalid(f"{folder / name} differs from its digest")
        with np.load(folder / ARRAYS, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except ExchangeInvalid:
        raise
    except (*PART_MISSING, AttributeError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ExchangeInvalid(f"{folder}: {error}") from error
    files: dict[str, bytes | Path] = {name: folder / name for name in digests if name != ARRAYS}
    return Exchange(document=document, arrays=arrays, files=files)


def _npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Packed in memory: a zip file that a full disk cuts short complains once more when it is collected."""
    stream = io.BytesIO()
    named: dict[str, Any] = dict(arrays)
    np.savez(stream, **named)
    return stream.getvalue()


def _put_in_place(partial: Path, folder: Path, keep_existing: bool) -> None:
    aside = partial.with_name(f"{partial.name}-old")
    if folder.exists() and not keep_existing:
        folder.rename(aside)  # moved, not emptied: no half of it may stand under its name
    try:
        partial.rename(folder)
    except OSError as error:
        # Where it was there and is gone again, the error alone tells.
        if not (keep_existing and (folder.is_dir() or error.errno in (errno.EEXIST, errno.ENOTEMPTY))):
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _inside(folder: Path, name: str) -> Path:
    if not name or name != os.path.basename(name) or name in (DOCUMENT, ".", ".."):
        raise ExchangeInvalid(f"{name!r} is no file name of an exchange folder")
    return folder / name


def _document_digest(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document).encode()).hexdigest()


def _digest_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _flush(folder: Path) -> None:
    """Force the files to the disk before the rename that declares them complete."""
    for path in folder.iterdir():
        with path.open("rb+") as stream:
            os.fsync(stream.fileno())
