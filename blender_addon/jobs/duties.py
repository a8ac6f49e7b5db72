# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done for each job of ours while the server answers.

    no job_id        send it; the key makes a repeat harmless
    an order         give it: retry, go on, or another picture
    job_id, no job   ask for it
    job waits        fetch what there is to judge
    job is done      fetch its files, where they are wanted, then offer them

Each step goes by what is remembered, so that a Blender that was closed at any moment goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..client import Client
from ..documents import Job
from ..errors import FigurineError, JobFailed, JobLost, LinkError, Refused
from .journal import Record
from .ledger import Ledger
from .link import Link
from .transfers import Transfer, Transfers

# A running job is asked for this often, and so are the first that wait; the others behind them less.
_POLL_S = 0.5
_LATER_POLL_S = 2.0
_POLLED_OFTEN = 2

Later = Callable[[Callable[[], None]], None]


class Duties:
    """The steps. later: has something done on the engine's thread."""

    def __init__(self, ledger: Ledger, link: Link, transfers: Transfers, later: Later) -> None:
        self._ledger = ledger
        self._link = link
        self._transfers = transfers
        self._later = later
        self._under_way: set[str] = set()
        self._due_s: dict[str, float] = {}

    def has_any(self) -> bool:
        """Whether a job of ours needs the server."""
        return any(self._needs_server(record) for record in self._ledger.mine)

    def do(self, client: Client) -> None:
        """All that is due. Raises LinkError."""
        busy = 0
        for record in list(self._ledger.mine):
            if not self._ledger.is_here(record):
                continue
            if record.job_id is None:
                self._send(record)
            elif record.order == "picture":
                self._replace_picture(record, record.job_id)
            elif record.order:
                self._give_order(client, record, record.job_id)
            elif record.is_busy:
                busy += 1
                self._watch(client, record, record.job_id, _POLL_S if busy <= _POLLED_OFTEN else _LATER_POLL_S)
            elif record.delete_asked and record.job is not None and record.job.has_ended:
                self._delete(client, record, record.job_id)
            elif record.cancel_asked or record.delete_asked:
                self._cancel(client, record, record.job_id)
        for record in list(self._ledger.mine):
            if self._ledger.is_here(record) and self._ledger.wants_fetch(record):
                self._fetch(record)
            elif self._ledger.is_here(record) and self._ledger.wants_review(record):
                self._fetch_review(record)

    def hear(self, key: str, job: Job) -> None:
        """Take in what the server says of a job of ours."""
        ledger = self._ledger
        record = ledger.journal.records.get(key)
        if record is None:
            return
        if not job.has_ended and job.state != "waiting":
            ledger.heard[key] = job
            if record.job is not None or record.order or record.end or record.job_id != job.id:
                ledger.change(key, job_id=job.id, job=None, order="", end="", failure=None)
            return
        ledger.heard.pop(key, None)
        cancel_asked = record.cancel_asked and not job.has_ended
        ledger.change(key, job_id=job.id, job=job, order="", end="", failure=None, cancel_asked=cancel_asked)
        if job.state == "failed" and job.error is not None and not record.delete_asked:
            ledger.board.notify(JobFailed(job.error, f"job {job.id}"), key)
        ledger.trim()

    def _needs_server(self, record: Record) -> bool:
        if not self._ledger.is_here(record):
            return False
        asked = record.delete_asked or (record.cancel_asked and not record.end)
        return record.is_busy or asked or self._ledger.wants_fetch(record) or self._ledger.wants_review(record)

    def _send(self, record: Record) -> None:
        ledger = self._ledger
        if not record.end and self._may_transfer(record.key):
            error = ledger.put(replace(record, server=ledger.server))
            if error is not None:  # what cannot be remembered is not sent
                ledger.fail(record.key, error)
                return
            self._transfer(record.key, lambda client: self._post(client, record), self._sent)

    def _post(self, client: Client, record: Record) -> Job:
        """On the thread for transfers."""
        if record.rerun:
            order = {name: record.rerun[name] for name in ("stage", "settings", "seed") if name in record.rerun}
            return client.rerun(str(record.rerun["job_id"]), order, record.key)
        copies = {
            part: self._ledger.folders.copy(record.key, name)
            for part in ("picture", "mesh", "mask", "skeleton")
            if (name := getattr(record, part))
        }
        picture, mesh = copies.pop("picture", None), copies.pop("mesh", None)
        main = mesh or picture
        assert main is not None  # a job has one of them
        return client.create_job(picture, record.settings, record.key, record.name + main.suffix, mesh, copies)

    def _sent(self, key: str, outcome: Any) -> None:
        if isinstance(outcome, LinkError):
            self._due_s[key] = time.monotonic() + _LATER_POLL_S  # the link meets the same, and tells it
        elif isinstance(outcome, FigurineError):
            if key in self._ledger.journal.records:
                self._ledger.fail(key, outcome)
        else:
            self.hear(key, outcome)

    def _give_order(self, client: Client, record: Record, job_id: str) -> None:
        """What was asked of the job, now or while no server answered."""
        try:
            is_retry = record.order == "retry"
            job = client.retry(job_id) if is_retry else client.continue_job(job_id, record.order_settings)
        except Refused as error:
            self._ledger.change(record.key, order="")
            if error.is_not_found:
                self._refused(record, error)
            else:
                self._ledger.board.notify(error, record.key, is_reply=True)
        else:
            self._obeyed(record, job)

    def _replace_picture(self, record: Record, job_id: str) -> None:
        if self._may_transfer(record.key):
            picture = self._ledger.folders.copy(record.key, record.order_picture)
            mask = self._ledger.folders.copy(record.key, record.order_mask) if record.order_mask else None
            name = record.name + picture.suffix
            self._transfer(
                record.key,
                lambda client: client.replace_picture(job_id, picture, record.order_settings, name, mask),
                self._replaced,
            )

    def _replaced(self, key: str, outcome: Any) -> None:
        """The copy that was sent is the job's picture from now on, or was not taken and the other one stays."""
        record = self._ledger.journal.records.get(key)
        if isinstance(outcome, LinkError):
            self._due_s[key] = time.monotonic() + _LATER_POLL_S
        elif record is None:
            return
        elif isinstance(outcome, FigurineError):
            self._ledger.change(key, order="", order_picture="", order_mask="")
            if isinstance(outcome, Refused) and outcome.is_not_found:
                self._refused(record, outcome)
            else:
                self._ledger.board.notify(outcome, key, is_reply=True)
        else:
            self._ledger.take_sent_picture(record)
            self._obeyed(record, outcome)

    def _obeyed(self, record: Record, job: Job) -> None:
        """What was changed counts too where the picture has to be sent again some day."""
        if record.order_settings:
            changed = {**record.settings, **record.order_settings}
            name = str(record.order_settings.get("name", record.name))
            self._ledger.change(record.key, settings=changed, name=name, order_settings={})
        self.hear(record.key, job)

    def _watch(self, client: Client, record: Record, job_id: str, period_s: float) -> None:
        """Ask for a job that goes on; first ask it to stop, where that is wanted."""
        known = self._ledger.heard.get(record.key)
        wants_end = record.cancel_asked or record.delete_asked
        if wants_end and not (known is not None and known.cancel_requested):
            self._cancel(client, record, job_id)
            return
        now_s = time.monotonic()
        if now_s < self._due_s.get(record.key, 0.0):
            return
        self._due_s[record.key] = now_s + period_s
        try:
            job = client.job(job_id, None if known is None else known.revision)
        except Refused as error:
            self._refused(record, error)
            return
        self._ledger.errors.pop(record.key, None)
        if job is not None:
            self.hear(record.key, job)

    def _cancel(self, client: Client, record: Record, job_id: str) -> None:
        try:
            self.hear(record.key, client.cancel(job_id))
        except Refused as error:
            if error.code == "JobFinished":
                self._ledger.change(record.key, cancel_asked=False, job=None)
                self._due_s.pop(record.key, None)
                job = client.job(job_id)
                if job is not None:
                    self.hear(record.key, job)
            else:
                self._refused(record, error)

    def _delete(self, client: Client, record: Record, job_id: str) -> None:
        try:
            client.delete_artifacts(job_id)
        except Refused as error:
            if not error.is_not_found:
                self._ledger.tell(error, record.key)
        self._ledger.forget(record.key)

    def _refused(self, record: Record, error: Refused) -> None:
        """The server does not tell of a job that should be there."""
        if not error.is_not_found:
            self._ledger.errors[record.key] = error
            self._ledger.tell(error, record.key)
        elif record.delete_asked:
            self._ledger.forget(record.key)
        else:
            self._ledger.heard.pop(record.key, None)
            self._ledger.change(record.key, end="lost", cancel_asked=False)
            self._ledger.board.notify(JobLost.forgotten(record.name), record.key)

    def _fetch(self, record: Record) -> None:
        ledger, key, job = self._ledger, record.key, record.job
        if job is not None and self._may_transfer(key):
            show = ledger.board.show_share
            self._transfer(
                key,
                lambda client: ledger.folders.fetch(client, key, job, lambda share: show(key, share)),
                self._fetched,
            )

    def _fetched(self, key: str, outcome: Any) -> None:
        ledger = self._ledger
        ledger.board.show_share(key, None)
        if isinstance(outcome, LinkError):
            self._due_s[key] = time.monotonic() + _LATER_POLL_S
        elif isinstance(outcome, FigurineError):
            ledger.errors[key] = outcome
            ledger.wanted.discard(key)
            ledger.board.notify(outcome, key)
        else:
            ledger.wanted.discard(key)
            ledger.trim()

    def _fetch_review(self, record: Record) -> None:
        ledger, key, job = self._ledger, record.key, record.job
        if job is None or not self._may_transfer(key):
            return

        def fetched(key: str, outcome: Any) -> None:
            if isinstance(outcome, LinkError):
                self._due_s[key] = time.monotonic() + _LATER_POLL_S
            elif isinstance(outcome, FigurineError):
                ledger.reviews.give_up(key, job)
                ledger.tell(outcome, key)

        self._transfer(key, lambda client: ledger.reviews.fetch(client, key, job), fetched)

    def _may_transfer(self, key: str) -> bool:
        return key not in self._under_way and time.monotonic() >= self._due_s.get(key, 0.0)

    def _transfer(self, key: str, work: Callable[[Client], Any], done: Callable[[str, Any], None]) -> None:
        def arrived(outcome: Any) -> None:
            self._under_way.discard(key)
            done(key, outcome)

        self._under_way.add(key)
        self._transfers.submit(
            Transfer(self._link.new_client(), work, lambda outcome: self._later(lambda: arrived(outcome)))
        )
