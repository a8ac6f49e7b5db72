# SPDX-License-Identifier: GPL-3.0-or-later
"""What must survive Blender: the jobs of this user, in `jobs.json`. Several Blenders share it; each change is made to
what the file holds at that moment, under a lock.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..documents import DocumentInvalid, Job, parse
from ..errors import FigurineError, JobFailed, JobLost, JournalDamaged, ServerWords, typed_file_errors
from ..locks import hold_lock
from .aim import Aim

_FILE_NAME = "jobs.json"
_FORMAT = 1
# Jobs that the server lists and the artist deleted; it lists fewer than that before its own retention ends them.
_MOST_HIDDEN = 1000
_LARGEST_FILE_BYTES = 32 << 20
# Who holds the lock writes one small file.
_LOCK_TIMEOUT_S = 5.0
_KEY_CHARACTERS = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class Record:
    """A job as it must be remembered.

    key: names it, its folder, and its request. owner: the Blender that watches over it. server: identity of the
    server it was sent to, empty before. picture, mask, mesh, skeleton: names of the copies in the job's folder. target:
    the object that is textured. aim: what the result is for, None for a new figure. rerun: of which job, stage,
    settings and seed, where it was made from another one. order: what the artist asked of a job that the server has,
    until it has answered; order_settings, and order_picture and order_mask, names of other copies, go with it. end: how
    it ended without the server: failure has the words. job: the last document of a job that ended or waits. offers: how
    often its result was handed out by itself.
    """

    key: str
    owner: str
    name: str
    created_s: float
    settings: Mapping[str, Any]
    import_when_done: bool
    picture: str = ""
    mask: str = ""
    mesh: str = ""
    skeleton: str = ""
    target: str = ""
    aim: Aim | None = None
    rerun: Mapping[str, Any] = field(default_factory=dict)
    server: str = ""
    job_id: str | None = None
    is_adopted: bool = False
    is_imported: bool = False
    offers: int = 0
    order: Literal["", "retry", "resume", "picture"] = ""
    order_settings: Mapping[str, Any] = field(default_factory=dict)
    order_picture: str = ""
    order_mask: str = ""
    cancel_asked: bool = False
    delete_asked: bool = False
    end: Literal["", "failed", "cancelled", "lost"] = ""
    failure: ServerWords | None = None
    job: Job | None = None

    def __post_init__(self) -> None:
        is_key = len(self.key) == len(uuid.UUID(int=0).hex) and set(self.key) <= _KEY_CHARACTERS
        copies = (self.picture, self.mask, self.mesh, self.skeleton, self.order_picture, self.order_mask)
        if not is_key or any(name != Path(name).name for name in copies):
            raise DocumentInvalid(f"the key {self.key!r:.80} or the picture {self.picture!r:.80}")

    @property
    def error(self) -> FigurineError | None:
        """Why it failed or was lost."""
        if self.end == "lost":
            return JobLost.forgotten(self.name)
        words = self.failure if self.end else self.job.error if self.job is not None else None
        return None if words is None else JobFailed(words)

    @property
    def is_busy(self) -> bool:
        """Whether something goes on without the artist, as far as is remembered."""
        return not self.end and (self.job is None or self.order != "")

    @property
    def is_unsent(self) -> bool:
        """Whether no server can have it."""
        return not self.end and self.job_id is None and self.server == ""

    @property
    def waits_for_import(self) -> bool:
        """Whether its result is wanted and was not imported."""
        is_done = not self.end and self.job is not None and self.job.state == "done"
        return self.import_when_done and not self.is_imported and (is_done or self.is_busy)


class Journal:
    """The records, in memory and on disk. `records` and `hidden` (ids of jobs that are not listed any more) are as of
    the last read or change. One thread uses it; processes exclude each other.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / _FILE_NAME
        self._seen_ns = -1
        self._unwritten: dict[str, Record | None] = {}
        self.records: dict[str, Record] = {}
        self.hidden: tuple[str, ...] = ()

    def open(self) -> None:
        """Read it. Raises JournalDamaged after a file that cannot be read was set aside, DiskFull, FolderUnwritable."""
        with typed_file_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        self.refresh()

    def refresh(self) -> None:
        """Read what other Blenders wrote, if anything. Raises as `open`."""
        with typed_file_errors(self._folder):
            changed_ns = self._path.stat().st_mtime_ns if self._path.exists() else 0
            if changed_ns == self._seen_ns:
                return
            with self._locked():
                self._take(self._read())

    def put(self, record: Record) -> None:
        """Write a record. It is remembered, and written with the next change, also where this raises."""
        self.records[record.key] = record
        self._unwritten[record.key] = record
        self._save()

    def remove(self, key: str) -> None:
        """Forget a record, and do not list its job any more where the artist asked for that."""
        record = self.records.pop(key)
        self._unwritten[key] = None
        if record.delete_asked and record.job_id is not None:
            self.hidden = (*self.hidden, record.job_id)[-_MOST_HIDDEN:]
        self._save()

    def _save(self) -> None:
        with typed_file_errors(self._folder), self._locked():
            records, hidden = self._read()
            for key, record in self._unwritten.items():
                if record is None:
                    records.pop(key, None)
                else:
                    records[key] = record
            hidden = tuple(dict.fromkeys((*hidden, *self.hidden)))[-_MOST_HIDDEN:]
            jobs = [asdict(record) for record in records.values()]
            self._write({"format": _FORMAT, "jobs": jobs, "hidden": hidden})
            self._unwritten.clear()
            self._take((records, hidden))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with hold_lock(self._folder / "jobs.lock", _LOCK_TIMEOUT_S) as is_held:
            if not is_held:
                raise TimeoutError("another Blender keeps it locked")
            yield

    def _write(self, document: object) -> None:
        """Replace the file at once; where this raises, the old one is still there."""
        partial = self._path.with_name(f".{_FILE_NAME}.part")
        try:
            with partial.open("w", encoding="utf-8") as stream:
                json.dump(document, stream, indent=1)
                stream.flush()
                os.fsync(stream.fileno())
            partial.replace(self._path)
        finally:
            partial.unlink(missing_ok=True)

    def _take(self, content: tuple[dict[str, Record], tuple[str, ...]]) -> None:
        unwritten = {key: record for key, record in self._unwritten.items() if record is not None}
        self.records = {**content[0], **unwritten}
        self.hidden = content[1]
        self._seen_ns = self._path.stat().st_mtime_ns if self._path.exists() else 0

    def _read(self) -> tuple[dict[str, Record], tuple[str, ...]]:
        """Raises JournalDamaged once; the next read finds no file."""
        try:
            with self._path.open("rb") as stream:
                document = json.loads(stream.read(_LARGEST_FILE_BYTES))
            if document["format"] != _FORMAT:
                raise DocumentInvalid("another format")
            records = [parse(Record, item) for item in document["jobs"]]
            return {record.key: record for record in records}, tuple(map(str, document["hidden"]))
        except FileNotFoundError:
            return {}, ()
        except (ValueError, TypeError, KeyError, RecursionError, DocumentInvalid) as error:
            kept = self._path.with_name(f"jobs-damaged-{time.strftime('%Y%m%d-%H%M%S')}.json")
            self._path.replace(kept)
            raise JournalDamaged(str(kept)) from error


class Owners:
    """Which Blenders live. Each holds the lock of a file of its own for as long as it does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "owners"
        self.me = uuid.uuid4().hex
        self._life = contextlib.ExitStack()

    def enter(self) -> None:
        """Live. Raises FolderUnwritable, DiskFull."""
        with typed_file_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._life.enter_context(hold_lock(self._folder / self.me, 0.0))

    def leave(self) -> None:
        """Live no more."""
        self._life.close()
        with contextlib.suppress(OSError):
            (self._folder / self.me).unlink(missing_ok=True)

    def is_mine(self, record: Record) -> bool:
        """Whether this Blender watches over it."""
        return record.owner == self.me

    def is_alone(self, record: Record) -> bool:
        """Whether its Blender is gone."""
        path = self._folder / record.owner
        if record.owner == self.me or not path.exists():
            return record.owner != self.me
        with hold_lock(path, 0.0) as is_gone:
            pass
        if is_gone:
            path.unlink(missing_ok=True)
        return is_gone
