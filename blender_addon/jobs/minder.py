# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's thread: it takes orders, keeps the link to the server, and looks after the jobs. It sleeps while nobody
looks and no job of ours goes on.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..client import Client
from ..connection import Connection
from ..errors import FigurineError, InternalFault, JobLost, LinkError, ServerGone, ServerNotRunning, ServerSilent
from ..transport import Aborted
from .board import Board
from .duties import Duties
from .journal import Record
from .ledger import Ledger
from .link import Link
from .listing import Listing
from .models import Models
from .results import MASK
from .transfers import Transfers

_TICK_S = 0.5
_MEBIBYTE_BYTES = 1 << 20

Order = Callable[[], None]


class Minder:
    """watch_until_s: until then somebody looks. Methods without an underscore may be called from any thread; orders
    are done on the engine's own.
    """

    def __init__(self, folder: Path, board: Board) -> None:
        self._board = board
        self._inbox: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        self._link = Link()
        self._transfers = Transfers()
        self._ledger = Ledger(folder, board)
        self._duties = Duties(self._ledger, self._link, self._transfers, self._inbox.put)
        self._listing = Listing(self._ledger, self._link, self._transfers, self._inbox.put)
        self._models = Models()
        self._thread = threading.Thread(target=self._run, name="figurine-engine", daemon=True)
        self._was_running = False
        self.watch_until_s = 0.0

    def start(self, adopts: bool) -> None:
        """Begin. adopts: take over the jobs of Blenders that are gone."""
        self._ledger.adopts = adopts
        self._thread.start()

    def order(self, order: Order) -> None:
        """Do this when its turn comes."""
        self._inbox.put(order)

    def end(self, timeout_s: float) -> None:
        """End, whatever hangs; after so long without it."""
        deadline_s = time.monotonic() + timeout_s
        self._inbox.put(None)
        self._link.abort()
        self._transfers.abort()
        for join in (self._thread.join, self._transfers.join):
            join(max(0.0, deadline_s - time.monotonic()))

    # --- on the thread ---

    def _run(self) -> None:
        try:
            self._carry_out(self._ledger.open)
            while (order := self._next_order()) is not None:
                self._carry_out(order)
        except Aborted:
            pass
        finally:
            self._ledger.close()
            self._link.forget()

    def _carry_out(self, order: Order) -> None:
        """An order, and all that is due. A fault of ours is told, and ends nothing but its own part."""
        for part in (order, self._work, self._ledger.offer, self._show):
            try:
                part()
            except Exception as error:
                self._ledger.tell(InternalFault(error))
        self._board.flush()

    def _next_order(self) -> Order | None:
        try:
            return self._inbox.get(timeout=self._sleep_s())
        except queue.Empty:
            return lambda: None

    def _sleep_s(self) -> float | None:
        if not self._is_needed():
            return None
        if self._link.client is None:
            return max(0.0, self._link.next_try_s - time.monotonic())
        return _TICK_S

    def _is_needed(self) -> bool:
        return self._link.is_configured and (time.monotonic() < self.watch_until_s or self._duties.has_any())

    def _work(self) -> None:
        """Do what is due. A link that breaks is made anew at once: the server may have moved."""
        was_linked = self._link.client is not None
        try:
            self._step()
        except FigurineError as error:
            if was_linked and not isinstance(error, ServerSilent):
                self._link.forget()
                self._step_or_lose()
            else:
                self._lose(error)

    def _step_or_lose(self) -> None:
        try:
            self._step()
        except FigurineError as error:
            self._lose(error)

    def _step(self) -> None:
        """Raises LinkError, ServerNotInstalled, Refused, Aborted."""
        client = self._linked() if self._is_needed() else None
        if client is None:
            return
        self._duties.do(client)
        if time.monotonic() < self.watch_until_s:
            self._link.check_health()
            self._listing.do(client)
            self._models.do(client)

    def _linked(self) -> Client | None:
        was_linked = self._link.client is not None
        client = self._link.ensure()
        if client is not None and not was_linked and self._link.endpoint is not None:
            if self._ledger.server != self._link.endpoint.identity:
                self._ledger.server = self._link.endpoint.identity
                self._listing.clear()
                self._models.clear()
            self._was_running = True
            self._ledger.told_is_over()
        return client

    def _lose(self, error: FigurineError) -> None:
        here = filter(self._ledger.is_here, self._ledger.mine)
        has_jobs = any(record.is_busy and record.job_id and not record.order for record in here)
        is_away = isinstance(error, ServerNotRunning | ServerSilent)
        if is_away and has_jobs and self._was_running:
            error = ServerGone(self._link.view.url, error.details)
        self._link.lose(error)
        if has_jobs:
            self._ledger.tell(error)
        for record in self._ledger.mine:
            if record.is_busy and record.job_id is None:
                self._ledger.tell(error, record.key)

    def _show(self) -> None:
        error = self._link.view.error
        self._board.write(self._link.view, self._listing.describe(error), self._listing.has_more, self._models.view)

    # --- orders ---

    def configure(self, connection: Connection) -> None:
        """Use these preferences."""
        if self._link.configure(connection):
            self._was_running = False
            self._ledger.server = ""
            self._ledger.told_is_over()
            self._listing.clear()
            self._models.clear()

    def add(self, record: Record, picture: Path | None, mesh: Path | None = None, mask: Path | None = None) -> None:
        """Take over a new job; its files are copied, so that they may change or go."""
        record = replace(record, owner=self._ledger.owners.me)
        self._ledger.asked.add(record.key)
        try:
            if picture is not None:
                copy = self._ledger.folders.take_picture(record.key, picture, self._most_bytes())
                record = replace(record, picture=copy)
            if mesh is not None:
                record = replace(record, mesh=self._ledger.folders.take_mesh(record.key, mesh, self._most_bytes()))
            if mask is not None:
                copy = self._ledger.folders.take_picture(record.key, mask, self._most_bytes(), MASK)
                record = replace(record, mask=copy)
        except FigurineError as error:
            self._ledger.put(record)
            self._ledger.fail(record.key, error)
            return
        self._ledger.put(record)
        self._link.look_now()

    def cancel(self, key: str) -> None:
        """Stop a job. What no server can have ends at once, and an order that none has heard of is taken back."""
        self._board.show_cancelling(key, False)
        record = self._ledger.journal.records.get(key)
        if record is None:
            self._ask(key, lambda client: client.cancel(key))
            self._listing.look_now()
        elif record.is_unsent:
            self._mine(key, end="cancelled")
        elif record.order == "retry":
            self._mine(key, order="")
        else:
            self._mine(key, order="", cancel_asked=True)
            self._link.look_now()

    def resume(self, key: str, settings: Mapping[str, Any]) -> None:
        """Let a waiting job go on."""
        record = self._mine(key)
        if record is not None and record.job_id is not None:
            self._ledger.change(key, order="resume", order_settings=settings)
            self._link.look_now()

    def replace_picture(self, key: str, picture: Path, settings: Mapping[str, Any], mask: Path | None) -> None:
        """Have a job that waits or failed start again with another picture, of which a copy is kept."""
        record = self._mine(key)
        if record is None or record.job_id is None:
            return
        try:
            copy = self._ledger.folders.take_picture(key, picture, self._most_bytes(), "other")
            mask_copy = ""
            if mask is not None:
                mask_copy = self._ledger.folders.take_picture(key, mask, self._most_bytes(), "other-mask")
        except FigurineError as error:
            self._board.notify(error, key, is_reply=True)
            return
        self._ledger.change(key, order="picture", order_picture=copy, order_mask=mask_copy, order_settings=settings)
        self._link.look_now()

    def retry(self, key: str) -> None:
        """Try again what failed: the sending, the job, or the fetching."""
        record = self._mine(key)
        if record is None:
            return
        self._ledger.errors.pop(key, None)
        is_lost = bool(record.end) or not self._ledger.is_here(record)
        if is_lost and not (record.picture or record.rerun):
            self._board.notify(record.error or JobLost.elsewhere(record.name), key, is_reply=True)
        elif is_lost:
            self._ledger.change(key, end="", failure=None, server="", job_id=None, job=None, cancel_asked=False)
        elif record.job is not None and record.job.state == "done":
            self._ledger.want(key)
        elif record.job_id is not None:
            self._ledger.change(key, order="retry")
        self._link.look_now()

    def rerun(self, record: Record, key: str) -> None:
        """Make a new job from the input of the one of this key."""
        source = self._ledger.journal.records.get(key)
        job_id = key if source is None else source.job_id
        if job_id is not None:
            target = "" if source is None else source.target
            self.add(replace(record, rerun={**record.rerun, "job_id": job_id}, target=target), None)

    def delete(self, key: str) -> None:
        """Forget a job, and its files here and on the server."""
        record = self._mine(key)
        self._board.show_leaving(key, False)
        if record is None:
            return
        if record.end or record.is_unsent or not self._ledger.is_here(record):
            self._ledger.forget(key)
        else:
            self._ledger.change(key, delete_asked=True, order="", import_when_done=False)

    def fetch(self, key: str, then_import: bool) -> None:
        """Fetch the files of a job, and hand them out for import where that is wanted."""
        if self._mine(key) is None:
            return
        self._ledger.want(key)
        self._link.look_now()
        if then_import:
            self._ledger.offer_again(key)
            self._ledger.offer()

    def mark_imported(self, key: str) -> None:
        """It is in the scene."""
        if key in self._ledger.journal.records:
            self._ledger.change(key, is_imported=True)
            self._ledger.trim()

    def keep_for_later(self, key: str) -> None:
        """It stays in the list."""
        if key in self._ledger.journal.records:
            self._ledger.change(key, import_when_done=False)

    def load_more(self) -> None:
        """Show older jobs of the server."""
        self._ask(None, self._listing.load_more)

    def look_now(self) -> None:
        """Do not wait until something is asked for again."""
        self._link.look_now()
        self._listing.look_now()
        self._models.look_now()

    def fetch_model(self, weight_id: str, licence: str) -> None:
        """Have the server download weights."""
        told = self._ask(None, lambda client: client.fetch_weights(weight_id, licence))
        if told is not None:
            self._models.hear(told)

    def cancel_model(self, weight_id: str) -> None:
        """Have the server end a download of weights."""
        told = self._ask(None, lambda client: client.cancel_weights(weight_id))
        if told is not None:
            self._models.hear(told)

    def _most_bytes(self) -> int | None:
        """What the server takes, as far as it is known."""
        return None if self._link.limits is None else self._link.limits.max_upload_mib * _MEBIBYTE_BYTES

    def _mine(self, key: str, **values: Any) -> Record | None:
        """The record of a job, taken over from another Blender or from the server's list where it was not ours."""
        record = self._ledger.journal.records.get(key)
        if record is None:
            summary = self._listing.find(key)
            if summary is None:
                return None
            record = Record(key, "", summary.name, summary.created_s, {}, False, is_adopted=True)
            record = replace(record, server=self._ledger.server, job_id=summary.id)
        record = replace(record, owner=self._ledger.owners.me, **values)
        self._ledger.asked.add(key)
        self._ledger.put(record)
        return record

    def _ask(self, key: str | None, question: Callable[[Client], Any]) -> Any:
        """Ask the server now; None, after saying why, where it does not answer or says no."""
        try:
            client = self._linked()
            if client is not None:
                return question(client)
            self._board.notify(self._link.view.error or ServerNotRunning(), key, is_reply=True)
        except FigurineError as error:
            if isinstance(error, LinkError):
                self._link.lose(error)
            self._board.notify(error, key, is_reply=True)
        return None
