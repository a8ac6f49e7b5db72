# SPDX-License-Identifier: GPL-3.0-or-later
"""figurine weights: which networks' weights there are, which are here; fetch, convert and check them."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator

import filelock
from tqdm import tqdm

from inference_server.config import load_config, make_home
from inference_server.core.lifeline import end_with_parent
from inference_server.errors import FigurineError, StateError, typed_system_errors
from inference_server.weights import FetchedSet, FetchStep, WeightStore, read_manifest

_LOCKS = ".locks"
# A line a block would be thousands a second on a fast connection.
_REPORT_EVERY_S = 0.2


def list_weights(options: argparse.Namespace) -> int:
    """Print every set and whether it is here."""
    store = _store()
    rows = [
        {
            "id": weights.id,
            "state": store.state(weights.id),
            "title": weights.title,
            "use": weights.use,
            "repository": weights.repository,
            "licence": weights.licence,
            "folder": str(store.folder(weights.id)),
        }
        for weights in store.sets()
    ]
    if options.json:
        print(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        print(
            f"  {row['state']:<8} {row['id']:<24} {row['title']}: {row['use']} ({row['licence']}, {row['repository']})"
        )
    return 0


def fetch_weights(options: argparse.Namespace) -> int:
    """Fetch the named sets, and convert those that were published as pickles; what is here already is left alone."""
    if options.end_with_stdin:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
        end_with_parent(lambda: os.kill(os.getpid(), signal.SIGTERM))
    if not options.json:
        return _fetch(options, _store(), _Reporter(is_told=False))
    try:
        return _fetch(options, _store(), _Reporter(is_told=True))
    except FigurineError as error:
        print(json.dumps({"error": error.to_document()}), flush=True)
        return error.exit_code


def _fetch(options: argparse.Namespace, store: WeightStore, reporter: _Reporter) -> int:
    from inference_server.weights_convert import convert
    from inference_server.weights_hub import fetch

    say = reporter.say
    for weight_id in options.ids:
        with _only_fetcher(store, weight_id):
            if store.state(weight_id) == "present" and not options.again:
                say(f"{weight_id} is here.")
                continue
            if options.again or not store.has_pickle(weight_id):
                fetched = fetch(store, weight_id, say, reporter.report)
                commit, folder = fetched.revision[:12], store.folder(weight_id)
                say(f"{weight_id}: {len(fetched.files)} files of commit {commit} in {folder}")
            if store.set_of(weight_id).converted:
                reporter.report("converting", 0, None)
                _tell_converted(store, weight_id, convert(store, weight_id, say), say)
    return 0


class _Reporter:
    """What a fetch prints. is_told: how far it is, one JSON object a line, instead of sentences."""

    def __init__(self, *, is_told: bool) -> None:
        self._is_told = is_told
        self._step = ""
        self._next_s = 0.0

    def say(self, sentence: str) -> None:
        """A sentence for a person."""
        if not self._is_told:
            print(sentence)

    def report(self, step: FetchStep, done_bytes: int, total_bytes: int | None) -> None:
        """A line for a program, now and then."""
        now_s = time.monotonic()
        if self._is_told and (step != self._step or now_s >= self._next_s or done_bytes == total_bytes):
            self._step, self._next_s = step, now_s + _REPORT_EVERY_S
            print(json.dumps({"step": step, "done_bytes": done_bytes, "total_bytes": total_bytes}), flush=True)


@contextlib.contextmanager
def _only_fetcher(store: WeightStore, weight_id: str) -> Iterator[None]:
    """Hold the set's lock. Raises StateError where another program fetches it: both would write the same files."""
    lock = store.root / _LOCKS / store.set_of(weight_id).id
    with typed_system_errors(str(store.root)):
        lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(lock, timeout=0):
            yield
    except filelock.Timeout as error:
        title = store.set_of(weight_id).title
        raise StateError(f"Another program is fetching {title} now.", "Wait until it is done.") from error


def convert_weights(options: argparse.Namespace) -> int:
    """Make safetensors of the pickles of the named sets."""
    from inference_server.weights_convert import convert

    store = _store()
    for weight_id in options.ids:
        _tell_converted(store, weight_id, convert(store, weight_id, print), print)
    return 0


def _tell_converted(store: WeightStore, weight_id: str, fetched: FetchedSet, say: Callable[[str], None]) -> None:
    for file in fetched.files:
        say(f"  {file.path}: {file.size:,} bytes, sha256 {file.sha256}")
    say(f"{weight_id} can be used. {store.published(weight_id)} is not needed any more.")


def verify_weights(options: argparse.Namespace) -> int:
    """Read every byte of the named sets, of all that are here by default; 1 when one is damaged."""
    store = _store()
    ids = options.ids or [weights.id for weights in store.sets() if store.folder(weights.id).is_dir()]
    damaged = False
    for weight_id in ids:
        size = sum(path.stat().st_size for path in store.folder(weight_id).rglob("*") if path.is_file())
        try:
            with tqdm(total=size, unit="B", unit_scale=True, desc=weight_id, disable=None, leave=False) as bar:
                store.verify(weight_id, bar.update)
        except FigurineError as error:
            damaged = True
            print(f"{weight_id}: {error}")
        else:
            print(f"{weight_id} is whole.")
    if not ids:
        print("No weights are here. See figurine weights list.")
    return 1 if damaged else 0


def _store() -> WeightStore:
    config = load_config().config
    make_home(config)
    return WeightStore(config.weights_root, read_manifest())
