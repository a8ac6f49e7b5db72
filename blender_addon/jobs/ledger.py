# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine's thread knows of the jobs: the journal, what was heard since, and the files that lie here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..documents import Job, JobSummary
from ..errors import FigurineError, JournalDamaged, ServerWords
from .board import Board
from .describe import Surroundings, describe_record
from .journal import Journal, Owners, Record
from .results import ResultFolders, digest_in, thumbnail_of
from .review import Review, Reviews
from .views import JobView, ResultReady

# Results of older jobs are deleted here; the server has them for longer.
_MOST_RESULTS = 20
# A result whose import ends Blender is not handed out by itself for ever.
_MOST_OFFERS = 2


class Ledger:
    """Records of jobs by key. heard: the last documents of jobs that go on. errors: why a job's files could not be
    fetched. wanted: keys whose files shall be fetched, import or not. asked: keys of which something was asked in this
    Blender. server: identity of the server that is chosen, "" where that is not known yet. adopts: whether this
    Blender takes over the jobs of those that are gone.
    """

    def __init__(self, folder: Path, board: Board) -> None:
        self.board = board
        self.journal = Journal(folder)
        self.owners = Owners(folder)
        self.folders = ResultFolders(folder)
        self.reviews = Reviews(folder)
        self.heard: dict[str, Job] = {}
        self.errors: dict[str, FigurineError] = {}
        self.wanted: set[str] = set()
        self.asked: set[str] = set()
        self.server = ""
        self.adopts = True
        self._offered: set[str] = set()
        self._results: dict[str, Path | None] = {}
        self._told: set[str] = set()

    def open(self) -> None:
        """Read the journal, take over the jobs of Blenders that are gone, and clear up."""
        self._guarded(self.owners.enter)
        self._guarded(self.journal.open)
        self.adopt_orphans()
        self.folders.sweep(self.journal.records)
        self.trim()

    def close(self) -> None:
        """Let other Blenders take the jobs over."""
        self.owners.leave()

    def adopt_orphans(self) -> None:
        """Watch over the jobs whose Blender is gone."""
        if not self.adopts:
            return
        for record in list(self.journal.records.values()):
            if self.owners.is_alone(record):
                self.put(replace(record, owner=self.owners.me))

    def refresh(self) -> None:
        """See what other Blenders did, and which of them are gone."""
        self._guarded(self.journal.refresh)
        self.adopt_orphans()

    @property
    def mine(self) -> Iterator[Record]:
        """Records that this Blender watches over, oldest first."""
        found = [record for record in self.journal.records.values() if self.owners.is_mine(record)]
        return iter(sorted(found, key=lambda record: record.created_s))

    def is_here(self, record: Record) -> bool:
        """Whether it is, or will be, on the server that is chosen; True where that is not known yet."""
        return self.server == "" or record.server in ("", self.server)

    def put(self, record: Record) -> FigurineError | None:
        """Remember a record. Where it could not be written, that is told, and returned."""
        return self._guarded(lambda: self.journal.put(record))

    def change(self, key: str, **values: Any) -> Record:
        """Remember a record with these values."""
        record = replace(self.journal.records[key], **values)
        self.put(record)
        return record

    def fail(self, key: str, error: FigurineError) -> None:
        """It ended here, before the server had it."""
        words = ServerWords(error.code, error.message, error.hint, error.retryable)
        self.change(key, end="failed", failure=words)
        self.board.notify(error, key)

    def forget(self, key: str) -> None:
        """Remove a job and its files here."""
        self._guarded(lambda: self.journal.remove(key))
        self.folders.remove(key)
        self.heard.pop(key, None)
        self.errors.pop(key, None)
        self._results.pop(key, None)

    def take_sent_picture(self, record: Record) -> None:
        """Keep the other picture that the server has taken, and its mask, in place of the first."""

        def take() -> None:
            name = self.folders.promote_picture(record.key, record.order_picture)
            mask = self.folders.promote_mask(record.key, record.mask, record.order_mask)
            self.change(record.key, picture=name, mask=mask, order_picture="", order_mask="")

        self._guarded(take)

    def result(self, key: str) -> Path | None:
        """The folder of a complete result."""
        if self._results.get(key) is None:
            self._results[key] = self.folders.result(key)
        return self._results[key]

    def review(self, record: Record) -> Review | None:
        """What there is to judge of a job that waits."""
        job = record.job
        return None if job is None or record.end or record.order else self.reviews.find(record.key, job)

    def wants_review(self, record: Record) -> bool:
        """Whether what there is to judge is to be fetched now."""
        job = record.job
        return job is not None and not record.end and not record.order and self.reviews.is_missing(record.key, job)

    def wants_fetch(self, record: Record) -> bool:
        """Whether its files are to be fetched now."""
        is_done = not record.end and record.job is not None and record.job.state == "done"
        is_wanted = record.key in self.wanted or (record.waits_for_import and record.offers < _MOST_OFFERS)
        return is_done and is_wanted and record.key not in self.errors and self.result(record.key) is None

    def offer(self) -> None:
        """Hand out each result that waits for its import, once in this Blender."""
        for record in self.mine:
            is_due = record.waits_for_import and record.offers < _MOST_OFFERS and record.key not in self._offered
            folder = self.result(record.key) if is_due else None
            if folder is not None and folder.is_dir():
                self._offered.add(record.key)
                self.change(record.key, offers=record.offers + 1)
                self.board.offer(ResultReady(record.key, folder, self.describe(self.journal.records[record.key])))

    def want(self, key: str) -> None:
        """Fetch its files, unless they lie here."""
        self.errors.pop(key, None)
        self._results.pop(key, None)
        if self.result(key) is None:
            self.wanted.add(key)

    def offer_again(self, key: str) -> None:
        """The artist wants it in the scene, once more."""
        self._offered.discard(key)
        self.change(key, import_when_done=True, is_imported=False, offers=0)

    def trim(self) -> None:
        """Forget the oldest jobs that ended, and their files."""
        over = [record for record in self.mine if not (record.is_busy or record.waits_for_import)]
        over = [record for record in over if record.job is None or record.job.has_ended]
        for record in over[:-_MOST_RESULTS]:
            self.forget(record.key)

    def describe(
        self, record: Record, summary: JobSummary | None = None, link_error: FigurineError | None = None
    ) -> JobView:
        """What is shown of it. link_error: why no server can be asked now."""
        heard = self.heard.get(record.key)
        job = heard or record.job
        small = thumbnail_of(job) if job is not None else None
        digest = small[0] if small is not None else digest_in(summary.thumbnail) if summary is not None else None
        is_fetching = self.wants_fetch(record)
        error = self.errors.get(record.key) or (link_error if record.is_busy or is_fetching else None)
        around = Surroundings(
            heard=heard,
            summary=summary,
            error=error,
            picture=str(self.folders.copy(record.key, record.picture)) if record.picture else "",
            thumbnail=None if digest is None else self.folders.thumbnail(digest),
            result=self.result(record.key),
            review=self.review(record),
            is_fetching=is_fetching,
            is_elsewhere=not self.is_here(record),
            is_asked=record.key in self.asked,
        )
        return describe_record(record, around)

    def tell(self, error: FigurineError, key: str | None = None) -> None:
        """Notify of this kind of error, once until `told_is_over`."""
        mark = f"{error.code} {key}"
        if mark not in self._told:
            self._told.add(mark)
            self.board.notify(error, key)

    def told_is_over(self) -> None:
        """What comes now is news again."""
        self._told.clear()

    def _guarded(self, work: Callable[[], object]) -> FigurineError | None:
        """Do something with the files; what goes wrong is told, and returned. A damaged journal is begun anew."""
        try:
            work()
            return None
        except JournalDamaged as error:
            self.board.notify(error)
            return self._guarded(work)
        except FigurineError as error:
            self.tell(error)
            return error
