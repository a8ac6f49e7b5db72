# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a job's files lie: `jobs/<id>/input/<file>`, `jobs/<id>/artifacts/<file>` in the data folder.

Names of files are made here, never taken from a request.
"""

from __future__ import annotations

import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from inference_server.errors import NotFound

_JOB_ID = re.compile(r"[0-9a-f]{32}")
_CHUNK_BYTES = 1 << 20
PARTIAL_SUFFIX = ".part"


def new_job_id() -> str:
    """A random id: 32 lower-case hexadecimal digits."""
    return uuid.uuid4().hex


def is_job_id(text: str) -> bool:
    """Whether a text has the form of an id."""
    return _JOB_ID.fullmatch(text) is not None


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
        """The place of an input file ("picture", "mesh.glb", "rig.json")."""
        return self.folder(job_id) / "input" / name

    def artifact(self, job_id: str, file: str) -> Path:
        """The place of an artifact's file, as the table names it."""
        return self.folder(job_id) / "artifacts" / os.path.basename(file)

    def save_input(self, job_id: str, name: str, source: IO[bytes]) -> Path:
        """Store an upload, complete or not at all. Raises OSError."""
        return self._save(self.input(job_id, name), iter(lambda: source.read(_CHUNK_BYTES), b""))

    def save_artifact(self, job_id: str, file: str, content: bytes | Path) -> Path:
        """Store an artifact's file, complete or not at all. Raises OSError."""
        if isinstance(content, bytes):
            return self._save(self.artifact(job_id, file), iter([content]))
        with content.open("rb") as stream:
            return self._save(self.artifact(job_id, file), iter(lambda: stream.read(_CHUNK_BYTES), b""))

    def inputs(self, job_id: str) -> list[Path]:
        """The job's input files, by name. Raises NotFound where there are none any more."""
        files = sorted(path for path in (self.folder(job_id) / "input").glob("*") if path.suffix != PARTIAL_SUFFIX)
        if not files:
            raise NotFound("The job's input is gone.", "Send the picture or the mesh again as a new job.")
        return files

    def copy_inputs(self, job_id: str, new_id: str) -> None:
        """Give another job the same input files; linked where the disk can, as inputs never change.

        Raises NotFound, OSError.
        """
        for source in self.inputs(job_id):
            place = self.input(new_id, source.name)
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                place.hardlink_to(source)
            except OSError:
                with source.open("rb") as stream:
                    self.save_input(new_id, source.name, stream)

    def find_artifact(self, job_id: str, file: str) -> Path:
        """An artifact's file that is there, as a regular file and inside the job's folder. Raises NotFound."""
        place = self.artifact(job_id, file)
        if not place.is_file() or place.resolve() != self._root.resolve() / place.relative_to(self._root):
            raise NotFound("The file is gone.", "Run the job again: the stages' results are kept.")
        return place

    def remove_artifacts(self, job_id: str) -> None:
        """Delete the artifacts' files."""
        shutil.rmtree(self.folder(job_id) / "artifacts", ignore_errors=True)

    def remove(self, job_id: str) -> None:
        """Delete all of the job's files."""
        shutil.rmtree(self.folder(job_id), ignore_errors=True)

    def sizes(self) -> Mapping[str, int]:
        """Bytes that each job's folder takes."""
        if not self._root.is_dir():
            return {}
        return {folder.name: sum(_file_sizes(folder)) for folder in self._root.iterdir() if is_job_id(folder.name)}

    def older_than(self, seconds: float) -> list[str]:
        """Ids of folders that were made longer ago than this."""
        if not self._root.is_dir():
            return []
        young_s = time.time() - seconds
        folders = [folder for folder in self._root.iterdir() if is_job_id(folder.name)]
        return [folder.name for folder in folders if folder.stat().st_mtime < young_s]

    def _save(self, place: Path, chunks: Iterator[bytes]) -> Path:
        place.parent.mkdir(parents=True, exist_ok=True)
        partial = place.with_name(f"{place.name}-{uuid.uuid4().hex}{PARTIAL_SUFFIX}")
        try:
            with partial.open("wb") as stream:
                for chunk in chunks:
                    stream.write(chunk)
                stream.flush()
                os.fsync(stream.fileno())
            partial.replace(place)
        finally:
            partial.unlink(missing_ok=True)
        return place


def _file_sizes(folder: Path) -> Iterator[int]:
    for path in folder.rglob("*"):
        try:
            if path.is_file():
                yield path.stat().st_size
        except OSError:  # removed meanwhile
            continue
