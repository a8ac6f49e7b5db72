# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights published as pickles (.ckpt, .pth), read without running anything in them: only tensors are built.

A pickle is a program; its instructions may call any function. Here each name that it asks for is looked up in a short
list, nothing is ever imported for it, and what stands for a function of a training library does nothing.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from models.common.checkpoint import LFS_POINTER, CheckpointDamaged, CheckpointError, CheckpointMissing

# Training scripts store their configuration beside the weights, as objects of these packages: read, never built.
INERT_PACKAGES = ("box", "omegaconf", "addict", "lightning", "pytorch_lightning", "lightning_fabric", "src")
INERT_NAMES = {
    ("argparse", "Namespace"),
    ("collections", "defaultdict"),
    # torch writes the names that Python 2 had.
    *((module, name) for module in ("__builtin__", "builtins") for name in ("dict", "object", "set")),
    *((module, "_reconstructor") for module in ("copy_reg", "copyreg")),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("torch", "Size"),
    ("torch", "device"),
}
STORAGE_TYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
STATE = "state_dict"
MOST_PICKLE_BYTES = 64 << 20  # the program alone, without the tensors; UniRig's has about one


class PickleRefused(CheckpointError):
    """The file asks for something that weights do not need. Nothing of it was run."""


def read_pickled(path: Path) -> dict[str, Tensor]:
    """Key → tensor of the `state_dict` of a checkpoint that torch.save wrote, or of the file itself where it is one.

    Optimiser states and all else are left out, and not even read. Raises CheckpointMissing, CheckpointDamaged,
    PickleRefused.
    """
    if not path.is_file():
        raise CheckpointMissing(f"{path.name} is not there ({path}).")
    _check_start(path)
    try:
        with zipfile.ZipFile(path) as archive:
            records = _records(archive, path)
            program = archive.read(records["data.pkl"])
            _check_places(program, path)
            content = _Reader(io.BytesIO(program), path.name).load()
            found = content.get(STATE, content) if isinstance(content, dict) else None
            if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
                raise _damaged(path, f"it holds no {STATE}")
            described = {key: value for key, value in found.items() if isinstance(value, _Described)}
            if not described:
                raise _damaged(path, "it holds no tensors")
            return {key: _build(value, archive, records, path) for key, value in described.items()}
    except (zipfile.BadZipFile, EOFError, KeyError, IndexError, TypeError, AttributeError, RuntimeError) as error:
        raise _damaged(path, str(error) or type(error).__name__) from error
    except (pickle.UnpicklingError, ValueError, OverflowError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise _damaged(path, str(error)) from error


@dataclass(frozen=True)
class _Storage:
    """Numbers of one file of the archive."""

    name: str
    dtype: torch.dtype


@dataclass(frozen=True)
class _Described:
    """A tensor that has not been read. offset, stride: in elements."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class _Inert:
    """Stands for an object of a training library: takes whatever the pickle does to it, and does nothing."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        """Nothing is kept."""

    def __setstate__(self, state: object) -> None:
        """Nothing is kept."""

    def __setitem__(self, key: object, value: object) -> None:
        """Nothing is kept."""

    def append(self, value: object) -> None:
        """Nothing is kept."""

    def extend(self, values: object) -> None:
        """Nothing is kept."""

    def add(self, value: object) -> None:
        """Nothing is kept."""


def _describe(storage: Any, offset: int, size: Any, stride: Any, *unused: object) -> _Described:
    """What torch calls to rebuild a tensor."""
    if not isinstance(storage, _Storage):
        raise ValueError("a tensor has no numbers")
    return _Described(storage, int(offset), tuple(map(int, size)), tuple(map(int, stride)))


def _take_parameter(tensor: Any, *unused: object) -> Any:
    """What torch calls to rebuild a parameter."""
    return tensor


_BUILDERS: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _describe,
    ("torch._utils", "_rebuild_parameter"): _take_parameter,
}


class _Reader(pickle.Unpickler):
    """Builds dictionaries, lists, numbers, texts and descriptions of tensors; refuses every other name."""

    def __init__(self, stream: BinaryIO, source: str) -> None:
        super().__init__(stream, encoding="utf-8")
        self._source = source

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name. Raises PickleRefused."""
        if (module, name) in _BUILDERS:
            return _BUILDERS[module, name]
        if module == "torch" and name in STORAGE_TYPES:
            return STORAGE_TYPES[name]
        is_dtype = module == "torch" and isinstance(getattr(torch, name, None), torch.dtype)
        if is_dtype or (module, name) in INERT_NAMES or module.partition(".")[0] in INERT_PACKAGES:
            return type(_Inert.__name__, (_Inert,), {})
        raise PickleRefused(
            f"{self._source} was refused: reading it would call {module}.{name}, which weights do not need, so it may "
            "be harmful. Nothing of it was run. Fetch the file again from the place that the manifest names."
        )

    def persistent_load(self, pid: Any) -> _Storage:
        """A storage is named by its type, its file and its size."""
        kind, dtype, name, *_ = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise ValueError(f"it refers to a {kind}")
        return _Storage(str(name), dtype)


def _build(described: _Described, archive: zipfile.ZipFile, records: dict[str, zipfile.ZipInfo], path: Path) -> Tensor:
    """The tensor, of its own memory. Raises CheckpointDamaged."""
    content = bytearray(archive.read(records[f"data/{described.storage.name}"]))
    itemsize = described.storage.dtype.itemsize
    sizes, strides = described.size, described.stride
    last = described.offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
    is_empty = 0 in sizes
    if min((described.offset, *sizes, *strides)) < 0 or not (is_empty or (last + 1) * itemsize <= len(content)):
        raise _damaged(path, f"a tensor of shape {list(sizes)} is larger than its numbers")
    if is_empty:
        return torch.empty(sizes, dtype=described.storage.dtype)
    flat = torch.frombuffer(content, dtype=described.storage.dtype, count=len(content) // itemsize)
    return flat.as_strided(sizes, strides, described.offset).clone(memory_format=torch.contiguous_format)


def _check_places(program: bytes, path: Path) -> None:
    """Refuse a pickle that numbers what it remembers beyond its own length: memory is taken for all numbers below.

    Raises CheckpointDamaged.
    """
    for opcode, place, _ in pickletools.genops(program):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and place > len(program):
            raise _damaged(path, "it asks for more memory than it can need")


def _records(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """The archive's files without the folder that torch puts them in. Raises CheckpointDamaged."""
    records = {info.filename.partition("/")[2]: info for info in archive.infolist()}
    if "data.pkl" not in records:
        raise _damaged(path, "torch did not write it")
    if any(info.compress_type != zipfile.ZIP_STORED for info in records.values()):
        raise _damaged(path, "it is compressed, which torch does not do")
    if records["data.pkl"].file_size > MOST_PICKLE_BYTES:
        raise _damaged(path, "its table of contents is too long")
    return records


def _check_start(path: Path) -> None:
    with path.open("rb") as stream:
        start = stream.read(len(LFS_POINTER))
    if start == LFS_POINTER:
        raise CheckpointDamaged(f"{path.name} is a Git-LFS pointer, not the weights. Run: figurine weights fetch")
    if not start.startswith(b"PK"):
        raise _damaged(path, "it is no archive that torch.save writes since version 1.6")


def _damaged(path: Path, why: str) -> CheckpointDamaged:
    return CheckpointDamaged(f"{path.name} cannot be read as weights: {why.rstrip('.')}. Fetch it again.")
