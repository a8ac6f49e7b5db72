# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading published weights: safetensors only, and strictly. What does not fit is named, key by key.

CheckpointError (ValueError)
├── CheckpointMissing     no such file
├── CheckpointDamaged     a Git-LFS pointer, cut short, not safetensors
├── CheckpointMismatch    keys are missing, left over or of another shape
├── ConfigUnsupported     Step1X-3D's geometry: its config describes another network
├── ConfigUnknown         UniRig: its config describes another network
└── TokenizerMismatch     UniRig: the network writes in another language of bones
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

LFS_POINTER = b"version https://git-lfs"
LARGEST_HEADER = 100_000_000  # bytes: the limit that the format's own readers have
NAMED_KEYS = 8  # of each kind that an error names before it counts

# What training wrappers put before every key.
WRAPPERS = re.compile(r"^(?:module\.|_orig_mod\.)+")


class CheckpointError(ValueError):
    """Weights that cannot be used. The message says why and what to do next."""


class CheckpointMissing(CheckpointError):
    """There is no file at this place."""


class CheckpointDamaged(CheckpointError):
    """The file is not the weights that it should be."""


class CheckpointMismatch(CheckpointError):
    """The weights belong to another network.

    missing, unexpected: keys. misshapen: key → (shape in the file, shape wanted).
    """

    def __init__(
        self,
        source: str,
        missing: Sequence[str],
        unexpected: Sequence[str],
        misshapen: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]],
    ) -> None:
        self.missing = sorted(missing)
        self.unexpected = sorted(unexpected)
        self.misshapen = dict(sorted(misshapen.items()))
        shapes = [f"{key} {list(has)}, wanted {list(wants)}" for key, (has, wants) in self.misshapen.items()]
        parts = [
            _listing("keys are missing", self.missing),
            _listing("keys are left over", self.unexpected),
            _listing("keys have another shape", shapes),
        ]
        told = "; ".join(part for part in parts if part)
        super().__init__(f"{source} does not fit the network: {told}. Fetch the weights that the manifest names.")


def _listing(what: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - NAMED_KEYS} more" if len(names) > NAMED_KEYS else ""
    return f"{len(names)} {what} ({', '.join(names[:NAMED_KEYS])}{more})"


def read_json(path: Path) -> dict[str, Any]:
    """The object of a config file. Raises CheckpointMissing, CheckpointDamaged."""
    name = f"{path.parent.name}/{path.name}"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointMissing(f"{name} is not there ({path}). Run: figurine weights fetch") from error
    except ValueError as error:
        raise CheckpointDamaged(f"{name} is not JSON: {error}. Fetch it again: figurine weights fetch") from error
    if not isinstance(document, dict):
        raise CheckpointDamaged(f"{name} is not a JSON object. Fetch it again: figurine weights fetch")
    return document


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Key → shape of a safetensors file, from its header alone; wrappers' prefixes taken off.

    Raises CheckpointMissing, CheckpointDamaged.
    """
    _check_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            return {WRAPPERS.sub("", key): tuple(file.get_slice(key).get_shape()) for key in file.keys()}
    except SafetensorError as error:
        raise _damaged(path, str(error)) from error


def read_tensors(path: Path, device: torch.device | str = "cpu") -> dict[str, Tensor]:
    """Key → tensor of a safetensors file, as stored; wrappers' prefixes taken off.

    Raises CheckpointMissing, CheckpointDamaged.
    """
    _check_file(path)
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            return {WRAPPERS.sub("", key): file.get_tensor(key) for key in file.keys()}
    except SafetensorError as error:
        raise _damaged(path, str(error)) from error


def load_strictly(network: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Put every tensor into the network's parameter or buffer of its name, cast to that one's dtype.

    A network on the `meta` device takes the tensors themselves. source: what the weights are called in an error.
    Raises CheckpointMismatch naming every key that is missing, left over or of another shape; the network
    is then unchanged.
    """
    wanted = network.state_dict()
    check_keys({key: tuple(tensor.shape) for key, tensor in tensors.items()}, network, source)
    cast = {key: tensor.to(wanted[key].dtype) for key, tensor in tensors.items()}
    network.load_state_dict(cast, strict=True, assign=any(tensor.is_meta for tensor in wanted.values()))


def load_file(
    network: nn.Module,
    path: Path,
    *,
    device: torch.device,
    dtype: torch.dtype,
    unused: tuple[str, ...] = (),
    look_up: Callable[[], None] = lambda: None,
) -> None:
    """Fill a network on the `meta` device from a safetensors file, tensor by tensor, so that the peak is hardly more
    than the network. unused: prefixes of keys that the network does without; whatever else differs is refused.
    look_up: called before each tensor; what it raises ends the reading.

    Raises CheckpointMissing, CheckpointDamaged, CheckpointMismatch; the network is then unchanged.
    """
    shapes = {key: shape for key, shape in read_shapes(path).items() if not key.startswith(unused)}
    check_keys(shapes, network, f"{path.parent.name}/{path.name}")
    try:
        with safe_open(path, framework="pt") as file:
            names = {key: WRAPPERS.sub("", key) for key in file.keys()}
            kept = {key: name for key, name in names.items() if name in shapes}
            tensors = {}
            for key, name in kept.items():
                look_up()
                # A copy even where nothing changes: a tensor of the mapped file would vanish with it.
                tensors[name] = file.get_tensor(key).to(device, dtype, copy=True)
    except SafetensorError as error:
        raise _damaged(path, str(error)) from error
    network.load_state_dict(tensors, strict=True, assign=True)


def check_keys(shapes: Mapping[str, Sequence[int]], network: nn.Module, source: str) -> None:
    """Raise CheckpointMismatch unless keys and shapes are exactly those of the network."""
    wanted = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    misshapen = {
        key: (tuple(shapes[key]), shape)
        for key, shape in wanted.items()
        if key in shapes and tuple(shapes[key]) != shape
    }
    missing = wanted.keys() - shapes.keys()
    unexpected = shapes.keys() - wanted.keys()
    if missing or unexpected or misshapen:
        raise CheckpointMismatch(source, tuple(missing), tuple(unexpected), misshapen)


def _check_file(path: Path) -> None:
    """What the reader itself would tell in words that help nobody."""
    if not path.is_file():
        raise CheckpointMissing(f"The weights {path.name} are not there ({path}). Run: figurine weights fetch")
    with path.open("rb") as file:
        start = file.read(max(len(LFS_POINTER), 8))
        if start.startswith(LFS_POINTER):
            raise CheckpointDamaged(
                f"{path.name} is a Git-LFS pointer, not the weights: its repository was cloned without large files. "
                "Run: figurine weights fetch"
            )
        length = int.from_bytes(start[:8], "little")
        size = path.stat().st_size
        if len(start) < 8 or length > min(LARGEST_HEADER, size):
            raise _damaged(path, "it has no header")
        file.seek(8)
        header = file.read(length)
    try:
        ends = [entry["data_offsets"][1] for key, entry in json.loads(header).items() if key != "__metadata__"]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise _damaged(path, "its header cannot be read") from error
    expected = 8 + length + max(ends, default=0)
    if size != expected:
        raise _damaged(path, f"it has {size:,} bytes, its header speaks of {expected:,}")


def _damaged(path: Path, why: str) -> CheckpointDamaged:
    return CheckpointDamaged(
        f"{path.name} cannot be read as safetensors: {why}. Fetch it again: figurine weights fetch"
    )
