# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a job's files lie: `jobs/<id>/input/<file>`, `jobs/<id>/artifacts/<file>` in the data folder.

Names of files are made here, never taken from a request. An artifact's file is named by its content: two runs of one
job, of which one was given up on, cannot overwrite each other's. Which file stands for which name, the table tells.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO

from inference_server.errors import NotFound

_JOB_ID = re.compile(r"[0-9a-f]{32}")
_CHUNK_BYTES = 1 << 20
PARTIAL_SUFFIX = ".part"
# The input file of what the artist changed of the skeleton that was found.
CORRECTIONS = "corrections.json"
# The input file of the mask that came beside the picture.
MASK = "mask"


def new_job_id() -> str:
    """A random id: 32 lower-case hexadecimal digits."""
    return uuid.uuid4().hex


def is_job_id(text: str) -> bool:
    """Whether a text has the form of an id."""
    return _JOB_ID.fullmatch(text) is not None


@dataclass(frozen=True)
class StoredFile:
    """An artifact's file on the disk. file: its name there."""

    file: str
    size_bytes: int
    sha256: str


class JobFolders:
    """The folders of all jobs, under one root."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, job_id: str) -> Path:
        """Raises NotFound for anything that is not a job's id."""
        if not is_job_id(job_id):
            raise NotFound("There is no such job.", "It may have been deleted; list the jobs again.")
        return self._root / job_id

    def input(self, job_id: str, name: str) -> Path:
        """The place of an input file ("picture", "mask", "mesh.glb", "rig.json")."""
        return self.folder(job_id) / "input" / name

    def artifact(self, job_id: str, file: str) -> Path:
        """The place of an artifact's file, as the table names it."""
        return self.folder(job_id) / "artifacts" / os.path.basename(file)

    def save_input(self, job_id: str, name: str, source: IO[bytes]) -> Path:
        """Store an upload, complete or not at all. Raises OSError."""
        place = self.input(job_id, name)
        with _partial_file(place.parent) as partial:
            _write(partial, iter(lambda: source.read(_CHUNK_BYTES), b""))
            partial.replace(place)
        return place

    @contextlib.contextmanager
    def incoming_picture(self, job_id: str, files: Mapping[str, IO[bytes]]) -> Iterator[Callable[[], None]]:
        """A `with` block that holds the uploads of another picture complete beside the input files: calling what it
        yields puts them in their places. The old mask goes then, as it was the old picture's; what was not called for
        is gone afterwards. Raises OSError.
        """
        with contextlib.ExitStack() as stack:
            partials = {}
            for name, source in files.items():
                place = self.input(job_id, name)
                partials[place] = stack.enter_context(_partial_file(place.parent))
                _write(partials[place], iter(functools.partial(source.read, _CHUNK_BYTES), b""))

            def put() -> None:
                self.input(job_id, MASK).unlink(missing_ok=True)
                for place, partial in partials.items():
                    partial.replace(place)

            yield put

    def save_artifact(self, job_id: str, name: str, content: bytes | Path) -> StoredFile:
        """Store the content of an artifact, complete or not at all. Raises OSError."""
        with _partial_file(self.folder(job_id) / "artifacts") as partial:
            if isinstance(content, bytes):
                size_bytes, sha256 = _write(partial, iter([content]))
            else:
                with content.open("rb") as stream:
                    size_bytes, sha256 = _write(partial, iter(lambda: stream.read(_CHUNK_BYTES), b""))
            file = f"{sha256}{PurePath(name).suffix}"
            partial.replace(partial.with_name(file))
        return StoredFile(file, size_bytes, sha256)

    def inputs(self, job_id: str) -> list[Path]:
        """The job's input files, by name. Raises NotFound where there are none any more."""
        files = sorted(path for path in (self.folder(job_id) / "input").glob("*") if path.suffix != PARTIAL_SUFFIX)
        if not files:
            raise _no_input()
        return files

    def find_input(self, job_id: str, stem: str) -> Path:
        """The input file of this name, whatever its ending: "picture", "mesh". Raises NotFound."""
        found = next((path for path in self.inputs(job_id) if path.stem == stem), None)
        if found is None:
            raise _no_input()
        return found

    def copy_inputs(self, job_id: str, new_id: str) -> None:
        """Give another job the same input files; linked where the disk can, as inputs never change.

        Raises NotFound, OSError.
        """
        for source in self.inputs(job_id):
            place = self.input(new_id, source.name)
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                place.hardlink_to(source)
            except FileNotFoundError as error:  # deleted meanwhile
                raise _no_input() from error
            except OSError:
                with source.open("rb") as stream:
                    self.save_input(new_id, source.name, stream)

    def find_artifact(self, job_id: str, file: str) -> Path:
        """An artifact's file that is there, as a regular file and inside the job's folder. Raises NotFound."""
        place = self.artifact(job_id, file)
        if not place.is_file() or place.resolve() != self._root.resolve() / place.relative_to(self._root):
            raise NotFound("The file is gone.", "Run the job again: the stages' results are kept.")
        return place

    def remove_artifacts(self, job_id: str, keep: Collection[str] = ()) -> None:
        """Delete the artifacts' files, but those to keep, and whatever runs that were given up on left beside them."""
        for path in (self.folder(job_id) / "artifacts").glob("*"):
            if path.name not in keep:
                with contextlib.suppress(OSError):  # open, on Windows: it goes with the job
                    path.unlink()

    def remove(self, job_id: str) -> None:
        """Delete all of the job's files."""
        shutil.rmtree(self.folder(job_id), ignore_errors=True)

    def sizes(self) -> Mapping[str, int]:
        """Bytes that each job's folder takes. An input that jobs share, by links, counts for one of them."""
        counted: set[tuple[int, int]] = set()
        return {folder.name: sum(_file_sizes(folder, counted)) for folder in self._folders()}

    def older_than(self, seconds: float) -> list[str]:
        """Ids of folders that were made longer ago than this."""
        young_s = time.time() - seconds
        old = []
        for folder in self._folders():
            with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                if folder.stat().st_mtime < young_s:
                    old.append(folder.name)
        return old

    def _folders(self) -> list[Path]:
        if not self._root.is_dir():
            return []
        return sorted(folder for folder in self._root.iterdir() if is_job_id(folder.name))


@contextlib.contextmanager
def _partial_file(folder: Path) -> Iterator[Path]:
    """A name for a file that is being written there; what still has it in the end is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{uuid.uuid4().hex}{PARTIAL_SUFFIX}"
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)


def _write(path: Path, chunks: Iterator[bytes]) -> tuple[int, str]:
    """Write a file through to the disk; its size and digest."""
    digest = hashlib.sha256()
    size_bytes = 0
    with path.open("wb") as stream:
        for chunk in chunks:
            stream.write(chunk)
            digest.update(chunk)
            size_bytes += len(chunk)
        stream.flush()
        os.fsync(stream.fileno())
    return size_bytes, digest.hexdigest()


def _no_input() -> NotFound:
    return NotFound("The job's input is gone.", "Send the picture or the mesh again as a new job.")


def _file_sizes(folder: Path, counted: set[tuple[int, int]]) -> Iterator[int]:
    """Sizes of files that are not among those counted, which they join."""
    for path in folder.rglob("*"):
        try:
            if path.is_file():
                found = path.stat()
                if (found.st_dev, found.st_ino) not in counted:
                    counted.add((found.st_dev, found.st_ino))
                    yield found.st_size
        except OSError:  # removed meanwhile
            continue
