# SPDX-License-Identifier: GPL-3.0-or-later
"""Content digests: equal values give equal digests, on every machine and in every run."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def digest(value: Any) -> str:
    """sha256 (hex) of a value's content.

    value: None, bool, int, float, str, bytes, numpy array, tuple or list, mapping with string keys, a path (the file's
    bytes), or a dataclass of these, without the fields whose metadata says ``digest: False``. Raises TypeError for
    anything else.
    """
    state = hashlib.sha256()
    _feed(state, value)
    return state.hexdigest()


def sha256_of(path: Path) -> str:
    """Of a file's content. Raises OSError."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _feed(state: hashlib._Hash, value: Any) -> None:
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise TypeError("an array of Python objects has no digest")
        little_endian = np.asarray(value, dtype=value.dtype.newbyteorder("<"), order="C")
        _head(state, "array", [little_endian.dtype.str, *little_endian.shape])
        state.update(little_endian.data)
    elif isinstance(value, Path):
        _head(state, "file", sha256_of(value))
    elif isinstance(value, bytes):
        _head(state, "bytes", len(value))
        state.update(value)
    elif value is None or isinstance(value, bool | int | float | str):
        _head(state, "scalar", value)
    elif isinstance(value, tuple | list):
        _head(state, "sequence", len(value))
        for item in value:
            _feed(state, item)
    elif isinstance(value, Mapping):
        _head(state, "mapping", sorted(value))
        for key in sorted(value):
            _feed(state, value[key])
    elif dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value) if field.metadata.get("digest", True)]
        _head(state, type(value).__name__, names)
        for name in names:
            _feed(state, getattr(value, name))
    else:
        raise TypeError(f"a {type(value).__name__} has no digest")


def _head(state: hashlib._Hash, kind: str, detail: Any) -> None:
    state.update(json.dumps([kind, detail]).encode() + b"\n")
