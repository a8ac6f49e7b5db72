# SPDX-License-Identifier: GPL-3.0-or-later
"""Weight files: which there are (models/manifest.toml), which are here, whether they are whole.

`weights/<id>/` in the data folder holds one set, and `figurine.json` in it what was fetched and checked.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from inference_server.errors import WeightsCorrupt, WeightsMissing

MANIFEST = Path(__file__).resolve().parents[1] / "models" / "manifest.toml"
RECORD_NAME = "figurine.json"
# In the weights folder: sets of the artist's own, fine-tunes and mirrors, in the same form.
OWN_MANIFEST_NAME = "manifest.toml"
LFS_POINTER = b"version https://git-lfs"
_BLOCK_BYTES = 1 << 22

# In the weights folder: where downloads grow.
PARTS = ".parts"

State = Literal["present", "absent", "damaged"]
FetchStep = Literal["queued", "downloading", "checking", "converting", "failed"]


@dataclass(frozen=True)
class WeightFile:
    """A file of a set. path: inside the set, with slashes. size, sha256: None where they are not known beforehand."""

    path: str
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class WeightSet:
    """Files that one network needs. revision: a commit of the repository, or a branch that is resolved when fetched.

    converted: the file that is made of the only one here, a pickle, and that alone is read from then on; "" where files
    are read as they were published. about_bytes: what is downloaded, roughly, where not every file's size is known; it
    is shown and never checked.
    """

    id: str
    title: str
    use: str
    repository: str
    revision: str
    licence: str
    files: tuple[WeightFile, ...]
    converted: str = ""
    about_bytes: int = 0

    @property
    def read_files(self) -> tuple[WeightFile, ...]:
        """The files that the network is read from."""
        return (WeightFile(self.converted),) if self.converted else self.files


@dataclass(frozen=True)
class Download:
    """How far a set's download is. total_bytes: None until the hub has told it. error: the one JSON shape of errors, of
    one that failed.
    """

    step: FetchStep
    done_bytes: int = 0
    total_bytes: int | None = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True)
class FetchedSet:
    """What `figurine.json` says. revision: the commit that the files are of, empty where a hand put them there.

    files: those that were published and what was made of them.
    """

    revision: str
    files: tuple[WeightFile, ...]

    def to_document(self) -> dict[str, Any]:
        """As JSON."""
        files = {file.path: {"bytes": file.size, "sha256": file.sha256} for file in self.files}
        return {"revision": self.revision, "files": files}


def read_manifest(path: Path = MANIFEST) -> dict[str, WeightSet]:
    """All sets by their id, in the order of the file."""
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    sets = {}
    for entry in document["weights"]:
        files = tuple(WeightFile(item["path"], item.get("bytes"), item.get("sha256")) for item in entry["files"])
        sets[entry["id"]] = WeightSet(**{**entry, "files": files})
    return sets


class WeightStore:
    """The sets that lie in one folder. Its own manifest.toml, where there is one, adds sets or replaces them by id."""

    def __init__(self, root: Path, manifest: dict[str, WeightSet]) -> None:
        """Raises WeightsCorrupt where the folder's own manifest cannot be read."""
        self.root = root
        self._manifest = manifest | _read_own_manifest(root / OWN_MANIFEST_NAME)

    def sets(self) -> tuple[WeightSet, ...]:
        """Every set of the manifest."""
        return tuple(self._manifest.values())

    def set_of(self, weight_id: str) -> WeightSet:
        """Raises WeightsMissing for an id that the manifest does not have."""
        if weight_id not in self._manifest:
            raise WeightsMissing(f"There are no weights {weight_id!r}.", f"Known: {', '.join(self._manifest)}.")
        return self._manifest[weight_id]

    def folder(self, weight_id: str) -> Path:
        """Where the set lies, or would lie."""
        return self.root / self.set_of(weight_id).id

    def published(self, weight_id: str) -> Path:
        """Where the first of the published files lies, or would lie."""
        return self.folder(weight_id) / PurePosixPath(self.set_of(weight_id).files[0].path)

    def state(self, weight_id: str) -> State:
        """Whether a set can be used, judged by names and sizes alone."""
        try:
            self.locate(weight_id)
        except WeightsMissing:
            return "absent"
        except WeightsCorrupt:
            return "damaged"
        return "present"

    def size(self, weight_id: str) -> int | None:
        """Bytes of the published files, None where not every one is known: neither published before nor fetched."""
        record = self.record(weight_id)
        recorded = {file.path: file for file in record.files} if record else {}
        sizes = [file.size or _get(recorded, file.path, "size") for file in self.set_of(weight_id).files]
        return None if None in sizes else sum(sizes)

    def fetched_bytes(self, weight_id: str) -> int:
        """What a download that did not end has left, to go on from."""
        parts = self.root / PARTS / self.set_of(weight_id).id
        found = 0
        for path in parts.rglob("*"):
            with contextlib.suppress(FileNotFoundError):  # put in place meanwhile
                found += path.stat().st_size if path.is_file() else 0
        return found

    def locate(self, weight_id: str) -> Path:
        """The folder of a set that was fetched or verified, and whose files still have the size that they had.

        Raises WeightsMissing, WeightsCorrupt.
        """
        self._check_files(weight_id)
        record = self.record(weight_id)
        if record is None or not {file.path for file in self._expected(weight_id)} <= {
            file.path for file in record.files
        }:
            raise WeightsMissing(
                f"The files of {self.set_of(weight_id).title} are there, but nobody has checked them.",
                f"Run: figurine weights verify {weight_id}",
            )
        return self.folder(weight_id)

    def digests(self, weight_id: str) -> tuple[str, ...]:
        """sha256 of each file of a set that is there, as recorded when it was fetched or verified."""
        return tuple(file.sha256 or "" for file in self._expected(weight_id))

    def verify(self, weight_id: str, report: Callable[[int], None]) -> FetchedSet:
        """Read every byte, compare with what is known, and write down what is there. report: gets bytes as they pass.

        Files that were put there by hand are taken in that way. Raises WeightsMissing, WeightsCorrupt, OSError.
        """
        self._check_files(weight_id)
        folder = self.folder(weight_id)
        known = self.record(weight_id)
        seen = []
        for file in self._expected(weight_id):
            path = folder / PurePosixPath(file.path)
            digest = hash_file(path, report)
            if file.sha256 is not None and digest != file.sha256:
                raise _corrupt(weight_id, path, "differs from the published file")
            seen.append(WeightFile(file.path, path.stat().st_size, digest))
        read = {file.path for file in seen}
        others = [file for file in known.files if file.path not in read] if known else []
        fetched = FetchedSet(known.revision if known else "", (*others, *seen))
        self.write_record(weight_id, fetched)
        return fetched

    def record(self, weight_id: str) -> FetchedSet | None:
        """What was written down about a set, None where nothing was or it cannot be read."""
        try:
            document = json.loads((self.folder(weight_id) / RECORD_NAME).read_text(encoding="utf-8"))
            files = tuple(WeightFile(path, item["bytes"], item["sha256"]) for path, item in document["files"].items())
            return FetchedSet(document["revision"], files)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def write_record(self, weight_id: str, fetched: FetchedSet) -> None:
        """Replace what is written down about a set, in one step."""
        target = self.folder(weight_id) / RECORD_NAME
        fresh = target.with_suffix(".tmp")
        fresh.write_text(json.dumps(fetched.to_document(), indent=2), encoding="utf-8")
        fresh.replace(target)

    def _check_files(self, weight_id: str) -> None:
        folder = self.folder(weight_id)
        for file in self._expected(weight_id):
            path = folder / PurePosixPath(file.path)
            if not path.is_file():
                self._check_conversion(weight_id)
                raise WeightsMissing(
                    f"The weights of {self.set_of(weight_id).title} are not on this machine: {file.path} is missing.",
                    f"Run: figurine weights fetch {weight_id}",
                )
            _check_pointer(path, weight_id)
            size = path.stat().st_size
            if file.size is not None and size != file.size:
                raise _corrupt(weight_id, path, f"has {size:,} bytes instead of {file.size:,}")

    def has_pickle(self, weight_id: str) -> bool:
        """Whether a published pickle is there that can be converted."""
        return bool(self.set_of(weight_id).converted) and self.published(weight_id).is_file()

    def _check_conversion(self, weight_id: str) -> None:
        """Raises WeightsMissing where the published file is there and what is to be made of it is not."""
        if self.has_pickle(weight_id):
            raise WeightsMissing(
                f"The weights of {self.set_of(weight_id).title} are here as a pickle, which is never read in a job.",
                f"Run: figurine weights convert {weight_id}",
            )

    def _expected(self, weight_id: str) -> tuple[WeightFile, ...]:
        """The files that are read, with size and digest from the record where the manifest does not know them."""
        record = self.record(weight_id)
        recorded = {file.path: file for file in record.files} if record else {}
        return tuple(
            WeightFile(
                file.path,
                file.size if file.size is not None else _get(recorded, file.path, "size"),
                file.sha256 or _get(recorded, file.path, "sha256"),
            )
            for file in self.set_of(weight_id).read_files
        )


def _read_own_manifest(path: Path) -> dict[str, WeightSet]:
    if not path.is_file():
        return {}
    try:
        return read_manifest(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsCorrupt(f"{path} cannot be read: {error}.", "Mend it like models/manifest.toml.") from error


def _get(recorded: dict[str, WeightFile], path: str, name: str) -> Any:
    return getattr(recorded[path], name) if path in recorded else None


def hash_file(path: Path, report: Callable[[int], None] = lambda count: None) -> str:
    """sha256 of a file, hexadecimal; report gets the number of bytes of each block."""
    sha256 = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            sha256.update(block)
            report(len(block))
    return sha256.hexdigest()


def _check_pointer(path: Path, weight_id: str) -> None:
    with path.open("rb") as stream:
        if stream.read(len(LFS_POINTER)) == LFS_POINTER:
            raise _corrupt(weight_id, path, "is a Git-LFS pointer and not the file itself")


def _corrupt(weight_id: str, path: Path, what: str) -> WeightsCorrupt:
    return WeightsCorrupt(f"{path} {what}.", f"Run: figurine weights fetch {weight_id}")
