# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder that results go to: complete files under their final names, or nothing."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from inference_server.core.owners import is_owner_gone, owner_mark
from inference_server.errors import OutputUnwritable, typed_system_errors

_PART = re.compile(r"\.figurine-([0-9a-f]+-\d+)-.*\.part")


class OutputFolder:
    """A folder that exists and can be written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def publish(self, files: Mapping[str, Path | bytes]) -> None:
        """Write every file beside its place, then rename them all, in order. Raises DiskFull, OutputUnwritable."""
        parts = {name: _part(self.path, name) for name in files}
        try:
            with typed_system_errors(str(self.path)):
                for name, content in files.items():
                    _write(parts[name], content)
                for name, part in parts.items():
                    part.replace(self.path / name)
        finally:
            for part in parts.values():
                part.unlink(missing_ok=True)


@contextmanager
def open_output(path: Path) -> Iterator[OutputFolder]:
    """Make and try the folder before any work is done; take away what was made if the block fails.

    Raises OutputUnwritable, DiskFull.
    """
    path = path.absolute()
    made: list[Path] = []
    try:
        with typed_system_errors(str(path)):
            for folder in reversed([path, *path.parents]):
                if not folder.exists():
                    folder.mkdir(exist_ok=True)  # a run beside this one may be quicker
                    made.append(folder)
            _sweep(path)
            trial = _part(path, "trial")
            try:
                trial.write_bytes(b"figurine")
            finally:
                trial.unlink(missing_ok=True)
        yield OutputFolder(path)
    except BaseException:
        for folder in reversed(made):
            if not any(folder.iterdir()):
                folder.rmdir()
        raise


def protect_input(mesh: Path, out: Path, name: str) -> None:
    """The artist's mesh is not replaced by what is made of it. Raises OutputUnwritable."""
    if mesh.stem == name and out.exists() and mesh.parent.resolve() == out.resolve():
        raise OutputUnwritable(
            f"{mesh} would be replaced by what is made of it.", "Choose another folder, or another name."
        )


def _part(folder: Path, name: str) -> Path:
    return folder / f".figurine-{owner_mark()}-{name}.part"


def _sweep(folder: Path) -> None:
    """Remove parts of runs that were killed on this host."""
    for path in folder.iterdir():
        match = _PART.fullmatch(path.name)
        if match and is_owner_gone(match[1]):
            path.unlink(missing_ok=True)


def _write(part: Path, content: Path | bytes) -> None:
    if isinstance(content, Path):
        shutil.copyfile(content, part)
    else:
        part.write_bytes(content)
    with part.open("rb+") as stream:
        os.fsync(stream.fileno())
