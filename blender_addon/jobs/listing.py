# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's list of jobs, as far as it was paged through, and the small pictures in it."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..client import Client
from ..documents import JobList, JobSummary
from ..errors import FigurineError
from .describe import describe_summary
from .ledger import Ledger
from .link import Link
from .results import digest_in, thumbnail_of
from .transfers import Transfer, Transfers
from .views import JobView

_LIST_S = 2.0
_PAGE = 20


class Listing:
    """later: has something done on the engine's thread."""

    def __init__(
        self, ledger: Ledger, link: Link, transfers: Transfers, later: Callable[[Callable[[], None]], None]
    ) -> None:
        self._ledger = ledger
        self._link = link
        self._transfers = transfers
        self._later = later
        self._summaries: list[JobSummary] = []
        self._next_before: int | None = None
        self._due_s = 0.0
        self._tried: set[str] = set()
        self._is_fetching = False

    @property
    def has_more(self) -> bool:
        """Whether the server has older jobs."""
        return self._next_before is not None

    def clear(self) -> None:
        """Another server is chosen."""
        self._summaries = []
        self._next_before = None
        self.look_now()

    def look_now(self) -> None:
        """Do not wait until the list is asked for again."""
        self._due_s = 0.0
        self._tried.clear()

    def do(self, client: Client) -> None:
        """Ask for the newest jobs, and for one small picture, where it is time to. Raises LinkError, Refused."""
        if time.monotonic() >= self._due_s:
            self._take_newest(client.jobs(_PAGE))
            self._due_s = time.monotonic() + _LIST_S
            self._ledger.refresh()
            self._notice_changes()
        self._fetch_thumbnail()

    def load_more(self, client: Client) -> None:
        """Ask for the next page. Raises LinkError, Refused."""
        if self._next_before is not None:
            page = client.jobs(_PAGE, self._next_before)
            self._summaries += page.jobs
            self._next_before = page.next_before

    def find(self, key: str) -> JobSummary | None:
        """The line of a job by its id."""
        return next((summary for summary in self._summaries if summary.id == key), None)

    def describe(self, link_error: FigurineError | None) -> list[JobView]:
        """All that is shown: jobs of this user, and those that only the server names."""
        ledger = self._ledger
        by_id = {summary.id: summary for summary in self._summaries}
        known = {record.job_id for record in ledger.journal.records.values()}
        views = []
        for record in ledger.journal.records.values():
            if not record.delete_asked:
                views.append(ledger.describe(record, by_id.get(record.job_id or ""), link_error))
        for summary in self._summaries:
            if summary.id not in known and summary.id not in ledger.journal.hidden:
                digest = digest_in(summary.thumbnail)
                small = None if digest is None else ledger.folders.thumbnail(digest)
                views.append(describe_summary(summary, small))
        return views

    def _take_newest(self, page: JobList) -> None:
        """Keep the older pages where the new one reaches them."""
        on_page = {summary.id for summary in page.jobs}
        oldest = min((summary.number for summary in page.jobs), default=0)
        overlaps = any(summary.id in on_page for summary in self._summaries)
        older = [summary for summary in self._summaries if summary.number < oldest] if overlaps else []
        self._summaries = [*page.jobs, *older]
        if not older:
            self._next_before = page.next_before

    def _notice_changes(self) -> None:
        """Ask again for jobs of ours that another program lets go on."""
        states = {summary.id: summary.state for summary in self._summaries}
        for record in list(self._ledger.mine):
            is_known = record.job is not None and not record.end and record.job_id in states
            if is_known and record.job is not None and states[record.job.id] != record.job.state:
                self._ledger.change(record.key, job=None)

    def _fetch_thumbnail(self) -> None:
        address = next(filter(self._is_missing, self._addresses()), None)
        if address is None or self._is_fetching:
            return
        self._is_fetching = True
        self._tried.add(address)
        folders = self._ledger.folders

        def fetch(client: Client) -> None:
            content = client.thumbnail(address)
            if content is not None:
                folders.keep_thumbnail(digest_in(address) or "", content)

        def arrived() -> None:
            self._is_fetching = False

        self._transfers.submit(Transfer(self._link.new_client(), fetch, lambda outcome: self._later(arrived)))

    def _addresses(self) -> list[str]:
        jobs = [self._ledger.heard.get(record.key) or record.job for record in self._ledger.journal.records.values()]
        ours = [found[1] for job in jobs if job is not None and (found := thumbnail_of(job)) is not None]
        listed = [summary.thumbnail for summary in self._summaries if summary.thumbnail is not None]
        return [*ours, *listed]

    def _is_missing(self, address: str) -> bool:
        return address not in self._tried and self._ledger.folders.thumbnail(digest_in(address) or "") is None
