# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's files: pictures that were sent, results that were fetched, thumbnails.

<folder>/<key>/picture.png     the copy that is sent; so are mask.png, mesh.obj and skeleton.json
<folder>/<key>/result/         complete, or not there
<folder>/thumbnails/<digest>.png
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Collection
from pathlib import Path

from ..client import ARTIFACT_NAMES, Client
from ..documents import Job
from ..errors import MeshUnusable, PictureUnreadable, Refused, ResultMissing, typed_file_errors
from ..phrases import phrase

WEIGHTS_FILE = "weights.npz"
# The import needs these.
_NEEDED = ("figure.fbx", "rig.json", "report.json")
# And these, of a job that textured a mesh.
_NEEDED_OF_TEXTURE = ("texture.png", "texture.npz", "report.json")
# And these, of a job that has only bones and weights to give.
_NEEDED_OF_RIG = ("rig.json", WEIGHTS_FILE, "report.json")
_TEXTURED = "mesh+image"
_THUMBNAILS = ("preview.png", "candidates.png", "normalized.png", "source.png")
_MOST_THUMBNAILS = 300
# The copy of what came beside a picture, without its suffix.
MASK = "mask"
# A folder without a record may be one that another Blender is making.
_UNCLAIMED_S = 3600.0
_THEN = "click Retry"


class ResultFolders:
    """Folders of jobs by key, below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._thumbnails = folder / "thumbnails"

    def copy(self, key: str, name: str) -> Path:
        """The copy of a file that was sent."""
        return self._folder / key / name

    def take_picture(self, key: str, source: Path, most_bytes: int | None, stem: str = "picture") -> str:
        """Copy the picture into the job's folder; the copy's name. Raises PictureUnreadable, DiskFull,
        FolderUnwritable.
        """
        try:
            size_bytes = source.stat().st_size
            with source.open("rb") as stream:
                stream.read(1)
        except FileNotFoundError as error:
            raise PictureUnreadable(source.name, "there is no such file") from error
        except IsADirectoryError as error:
            raise PictureUnreadable(source.name, "it is a folder") from error
        except (OSError, ValueError) as error:
            raise PictureUnreadable(source.name, getattr(error, "strerror", None) or str(error)) from error
        if size_bytes == 0:
            raise PictureUnreadable(source.name, "it is empty (zero bytes)", "Save or download it again.")
        if most_bytes is not None and size_bytes > most_bytes:
            size = phrase(
                "it has {size} MiB, and the server takes {most} MiB",
                size=size_bytes >> 20,
                most=most_bytes >> 20,
            )
            raise PictureUnreadable(source.name, size, "Save it smaller, or as JPEG.")
        target = self._folder / key / f"{stem}{source.suffix.lower()}"
        with typed_file_errors(target.parent, "press Generate again"):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        return target.name

    def take_mesh(self, key: str, source: Path, most_bytes: int | None) -> str:
        """Take a mesh file that was written for the job into its folder; its new name. Raises MeshUnusable, DiskFull,
        FolderUnwritable.
        """
        target = self._folder / key / f"mesh{source.suffix}"
        with typed_file_errors(target.parent, "try again"):
            size_bytes = source.stat().st_size
            if most_bytes is not None and size_bytes > most_bytes:
                size = phrase(
                    "its file has {size} MiB, and the server takes {most} MiB",
                    size=size_bytes >> 20,
                    most=most_bytes >> 20,
                )
                raise MeshUnusable(source.stem, size, "Decimate it first.")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(source, target)
        return target.name

    def take_skeleton(self, key: str, source: Path) -> str:
        """As `take_mesh`, for a skeleton. Raises DiskFull, FolderUnwritable."""
        target = self._folder / key / f"skeleton{source.suffix}"
        with typed_file_errors(target.parent, "try again"):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(source, target)
        return target.name

    def promote_picture(self, key: str, name: str) -> str:
        """Make another copy the job's picture; its new name. Raises DiskFull, FolderUnwritable."""
        copy = self._folder / key / name
        target = copy.with_stem("picture")
        with typed_file_errors(target.parent):
            copy.replace(target)
        return target.name

    def promote_mask(self, key: str, old: str, new: str) -> str:
        """Make another copy, or none, the job's mask; its new name. Raises DiskFull, FolderUnwritable."""
        folder = self._folder / key
        target = (folder / new).with_stem(MASK) if new else None
        with typed_file_errors(folder):
            if old:
                (folder / old).unlink(missing_ok=True)
            if target is not None:
                (folder / new).replace(target)
        return "" if target is None else target.name

    def result(self, key: str) -> Path | None:
        """The folder of a complete result."""
        folder = self._folder / key / "result"
        for needed in (_NEEDED, _NEEDED_OF_TEXTURE, _NEEDED_OF_RIG):
            if all((folder / name).is_file() for name in needed):
                return folder
        return None

    def fetch(self, client: Client, key: str, job: Job, on_share: Callable[[float], None]) -> None:
        """Fetch the files of a job; the folder appears when all are there.

        on_share: told 0..1 as it goes. Raises ResultMissing, ResultDamaged, DiskFull, FolderUnwritable, LinkError,
        Refused; nothing is left then.
        """
        needed = _needed(job)
        files = [file for file in job.artifacts if file.name in ARTIFACT_NAMES]
        files = [file for file in files if file.name != WEIGHTS_FILE or file.name in needed]
        if not {file.name for file in files}.issuperset(needed):
            raise ResultMissing(job.input.name)
        partial, target = self._folder / key / "result.part", self._folder / key / "result"
        whole_bytes, fetched_bytes = sum(file.size_bytes for file in files) or 1, 0

        def count(size_bytes: int) -> None:
            nonlocal fetched_bytes
            fetched_bytes += size_bytes
            on_share(fetched_bytes / whole_bytes)

        try:
            with typed_file_errors(partial, _THEN):
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir(parents=True)
            for file in files:
                client.download(job.id, file, partial / file.name, count)
            with typed_file_errors(target, _THEN):
                shutil.rmtree(target, ignore_errors=True)
                partial.replace(target)
        except Refused as error:
            if error.is_not_found:
                raise ResultMissing(job.input.name) from error
            raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def thumbnail(self, digest: str) -> Path | None:
        """A small picture that was kept."""
        path = self._thumbnails / f"{digest}.png"
        return path if path.is_file() else None

    def keep_thumbnail(self, digest: str, content: bytes) -> None:
        """Keep a small picture. Raises DiskFull, FolderUnwritable."""
        with typed_file_errors(self._thumbnails):
            self._thumbnails.mkdir(parents=True, exist_ok=True)
            partial = self._thumbnails / f"{digest}.part"
            try:
                partial.write_bytes(content)
                partial.replace(self._thumbnails / f"{digest}.png")
            finally:
                partial.unlink(missing_ok=True)

    def remove(self, key: str) -> None:
        """Delete all files of a job."""
        shutil.rmtree(self._folder / key, ignore_errors=True)

    def sweep(self, known: Collection[str]) -> None:
        """Delete what was cut off, folders of jobs that nobody knows, and old thumbnails."""
        now_s = time.time()
        with contextlib.suppress(OSError):
            for path in self._folder.iterdir():
                is_job = len(path.name) == 32 and path.is_dir()
                if is_job and path.name not in known and now_s - path.stat().st_mtime > _UNCLAIMED_S:
                    shutil.rmtree(path, ignore_errors=True)
        with contextlib.suppress(OSError):
            kept = sorted(os.scandir(self._thumbnails), key=lambda entry: entry.stat().st_mtime, reverse=True)
            for entry in kept[_MOST_THUMBNAILS:]:
                os.unlink(entry.path)


def _needed(job: Job) -> tuple[str, ...]:
    if job.input.kind == _TEXTURED:
        return _NEEDED_OF_TEXTURE
    return _NEEDED_OF_RIG if job.settings.get("outputs") == "rig" else _NEEDED


def thumbnail_of(job: Job) -> tuple[str, str] | None:
    """Digest and address of the small picture of a job, as the server's list writes it."""
    files = {file.name: file for file in job.artifacts}
    found = next((files[name] for name in _THUMBNAILS if name in files), None)
    if found is None:
        return None
    return found.sha256, f"/v1/jobs/{job.id}/artifacts/{found.name}?sha256={found.sha256}"


def digest_in(address: str | None) -> str | None:
    """The digest in the address of a small picture."""
    return None if address is None else address.rpartition("sha256=")[2]
