# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server can be installed with, and which build of PyTorch that needs on this machine.

Sources: pytorch.org/get-started/locally for the addresses; the table of CUDA versions and GPUs in PyTorch's RELEASE.md
(2.10 to 2.13 all have builds for CUDA 12.6 and 13.0); NVIDIA's "CUDA Compatibility" for what a driver runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from ..errors import InstallFailed
from ..phrases import phrase

Processor = Literal["auto", "nvidia", "cpu"]
PROCESSORS: tuple[Processor, ...] = get_args(Processor)
Kind = Literal["cpu", "cuda12", "cuda13", "mps"]

# As in pyproject.toml, which a test holds.
TORCH = "torch>=2.10,<2.14"
_PYTORCH = "https://download.pytorch.org/whl"
# pip's own index, wherever this machine has it.
_USUAL = ""
_MB = 1_000_000
# Beside what lies on the disk at the end and what was downloaded for it.
_SPACE_MARGIN = 4 / 3
# Compute capabilities: what the build for CUDA 13 begins with, the first that the one for CUDA 12 lacks, and its first.
_TURING, _BLACKWELL, _MAXWELL = (7, 5), (10, 0), (5, 0)


@dataclass(frozen=True)
class Equipment:
    """What the server is installed with. has_neural: the networks' libraries, beside the draft engine, which is always
    there. processor: what PyTorch is chosen for; counts with them alone.
    """

    has_neural: bool = False
    processor: Processor = "auto"


DRAFT_ONLY = Equipment()


@dataclass(frozen=True)
class Size:
    """Of a part of the installation: what is downloaded, and what it takes on the disk."""

    download_bytes: int
    disk_bytes: int

    def __add__(self, other: Size) -> Size:
        """Of both."""
        return Size(self.download_bytes + other.download_bytes, self.disk_bytes + other.disk_bytes)

    @property
    def needed_bytes(self) -> int:
        """Of free disk, while both lie there."""
        return round((self.download_bytes + self.disk_bytes) * _SPACE_MARGIN)


@dataclass(frozen=True)
class Gpu:
    """cuda: the newest that its driver runs. capability: NVIDIA's number for the generation; both major, minor."""

    name: str
    cuda: tuple[int, int]
    capability: tuple[int, int]


@dataclass(frozen=True)
class TorchBuild:
    """A build of PyTorch. index: where it is, "" for pip's own. torch: the package alone. libraries: all else that the
    networks need.
    """

    kind: Kind
    index: str
    torch: Size
    libraries: Size

    @property
    def is_for_cuda(self) -> bool:
        """Whether NVIDIA's GPUs are what it is for."""
        return self.kind in ("cuda12", "cuda13")

    @property
    def size(self) -> Size:
        """Of the whole server."""
        return DRAFT_SIZE + self.torch + self.libraries


# Measured on Linux; other systems differ by a third.
DRAFT_SIZE = Size(205 * _MB, 770 * _MB)
_LIBRARIES = Size(106 * _MB, 600 * _MB)
# NVIDIA's own, which are packages of their own on Linux and inside torch on Windows.
_CUDA_12 = Size(2300 * _MB, 3700 * _MB)
_CUDA_13 = Size(2700 * _MB, 4400 * _MB)
# Measured: all of Linux with a CPU. As published: the downloads of what has pip's own index. All else is rough.
BUILDS = {
    ("linux", "cpu"): TorchBuild("cpu", f"{_PYTORCH}/cpu", Size(192 * _MB, 790 * _MB), _LIBRARIES),
    ("linux", "cuda12"): TorchBuild("cuda12", f"{_PYTORCH}/cu126", Size(800 * _MB, 1700 * _MB), _LIBRARIES + _CUDA_12),
    ("linux", "cuda13"): TorchBuild("cuda13", _USUAL, Size(530 * _MB, 1400 * _MB), _LIBRARIES + _CUDA_13),
    ("win32", "cpu"): TorchBuild("cpu", _USUAL, Size(122 * _MB, 600 * _MB), _LIBRARIES),
    ("win32", "cuda12"): TorchBuild("cuda12", f"{_PYTORCH}/cu126", Size(2600 * _MB, 4500 * _MB), _LIBRARIES),
    ("win32", "cuda13"): TorchBuild("cuda13", f"{_PYTORCH}/cu130", Size(1900 * _MB, 3300 * _MB), _LIBRARIES),
    ("darwin", "mps"): TorchBuild("mps", _USUAL, Size(111 * _MB, 450 * _MB), _LIBRARIES),
}


def choose_build(platform: str, processor: Processor, gpu: Gpu | None) -> TorchBuild:
    """The build for this machine. platform: as sys.platform names it. gpu: NVIDIA's, None where none was found; who
    asks for one all the same gets the newest build. Raises InstallFailed where GPU or driver are too old.
    """
    if platform == "darwin":
        return BUILDS["darwin", "mps"]
    if processor == "cpu" or (processor == "auto" and gpu is None):
        return BUILDS[platform, "cpu"]
    return BUILDS[platform, "cuda13" if gpu is None else _cuda_for(gpu)]


def _cuda_for(gpu: Gpu) -> str:
    if gpu.cuda[0] >= 13 and gpu.capability >= _TURING:
        return "cuda13"
    if gpu.capability < _MAXWELL:
        raise InstallFailed(
            phrase("PyTorch has no build for a GPU as old as the {name}.", name=gpu.name),
            "Choose CPU as the processor, or run the server on another machine.",
        )
    if gpu.cuda[0] >= 12 and gpu.capability < _BLACKWELL:
        return "cuda12"
    raise InstallFailed(
        phrase(
            "The driver of the {name} is too old for PyTorch: it runs CUDA {major}.{minor}.",
            name=gpu.name,
            major=gpu.cuda[0],
            minor=gpu.cuda[1],
        ),
        "Update NVIDIA's driver to version 580 or newer, then click Install Server again. Or choose CPU as the "
        "processor.",
    )
