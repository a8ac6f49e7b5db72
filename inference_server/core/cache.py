# SPDX-License-Identifier: GPL-3.0-or-later
"""The stage cache: every stage's result, under the digest of everything that decides it.

One exchange folder per key. Least recently used results make room when the limit is passed. Safe to share between
processes: a result appears and goes whole, and two that write the same key write the same content. A process that
comes back to the same results, as corrections do, may keep the last of them in memory too.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from inference_server.core.codec import pack, unpack
from inference_server.core.exchange import PARTIAL_PREFIX, ExchangeInvalid, read_exchange, write_exchange
from inference_server.errors import InternalError

# A folder that is still partial after this long belongs to a process that is gone.
_ABANDONED_AFTER_S = 3600.0
# A result used this recently may be what another process is about to copy from.
_IN_USE_S = 600.0
# Another process may take a result away between its writing and its reading: not so often in a row.
_MOST_WRITES = 5


class StageCache:
    """Results kept in `root`, up to `limit_bytes` together, and the last ones in memory, up to `memory_bytes`."""

    def __init__(self, root: Path, limit_bytes: int, memory_bytes: int = 0) -> None:
        self._root = root
        self._limit_bytes = limit_bytes
        self._memory = _Memory(memory_bytes)

    def get(self, key: str) -> Any | None:
        """The value stored under the key, or None. An entry that differs from its digests, is of another format or
        lacks a part is removed and counts as absent. Raises OSError where the system cannot read one: it stays. One
        that is in memory is not read again, but must still be there.
        """
        folder = self._folder(key)
        if not folder.exists():
            return None
        value = self._memory.get(key)
        if value is None:
            try:
                value = unpack(read_exchange(folder))
            except ExchangeInvalid:
                _remove(folder)
                return None
            self._memory.put(key, value)
        try:
            os.utime(folder)
        except FileNotFoundError:  # another process removed it after it was read: its files are gone
            return None
        return value

    def put(self, key: str, value: Any) -> Any:
        """Store the value, unless another process was quicker, and return it as read back: its files lie inside the
        cache. Raises OSError, and InternalError where what is written never reads back.
        """
        folder, packed = self._folder(key), pack(value)
        for _ in range(_MOST_WRITES):
            write_exchange(folder, packed, keep_existing=True)
            self._make_room(keep=folder)
            kept = self.get(key)
            if kept is not None:
                return kept
        raise InternalError(
            f"A result does not read back from {folder}, although it was written {_MOST_WRITES} times.",
            "Check the disk of Figurine's data folder.",
        )

    def _folder(self, key: str) -> Path:
        return self._root / key[:2] / key

    def _make_room(self, keep: Path) -> None:
        """Remove abandoned partial folders and the least recently used results above the limit."""
        entries = []
        for folder in self._root.glob("*/*"):
            try:
                used_s = folder.stat().st_mtime
                size = sum(path.stat().st_size for path in folder.iterdir())
            except OSError:  # another process removed it meanwhile
                continue
            if folder.name.startswith(PARTIAL_PREFIX):
                if time.time() - used_s > _ABANDONED_AFTER_S:
                    shutil.rmtree(folder, ignore_errors=True)
            else:
                entries.append((used_s, size, folder))
        total = sum(size for _, size, _ in entries)
        for used_s, size, folder in sorted(entries, key=lambda entry: entry[0]):
            if total <= self._limit_bytes:
                return
            if folder != keep and time.time() - used_s > _IN_USE_S:
                _remove(folder)
                total -= size


class _Memory:
    """The values used last. Their arrays are the types' own, which nobody can write to."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._values: OrderedDict[str, tuple[Any, int]] = OrderedDict()  # the least recently used first

    def get(self, key: str) -> Any | None:
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key][0]

    def put(self, key: str, value: Any) -> None:
        """Keep it, unless it names files, which may go while it stays."""
        size = _size_bytes(value)
        if size is not None:
            self._values[key] = (value, size)
            while sum(size for _, size in self._values.values()) > self._limit_bytes:
                self._values.popitem(last=False)


def _size_bytes(value: Any) -> int | None:
    """Of the arrays in a value; None where it names a file."""
    if isinstance(value, Path):
        return None
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, tuple):
        parts = list(value)
    elif isinstance(value, Mapping):
        parts = list(value.values())
    elif dataclasses.is_dataclass(value):
        parts = [getattr(value, field.name) for field in dataclasses.fields(value)]
    else:
        return 0
    sizes = [_size_bytes(part) for part in parts]
    return None if None in sizes else sum(size for size in sizes if size is not None)


def _remove(folder: Path) -> None:
    """Take an entry from its name in one step, so that nobody reads or keeps half of it, then delete it."""
    aside = folder.with_name(f"{PARTIAL_PREFIX}{folder.name}-{uuid.uuid4().hex}")
    try:
        folder.rename(aside)
    except OSError:  # another process removed it, or reads it on a system that keeps open files in place
        return
    shutil.rmtree(aside, ignore_errors=True)
