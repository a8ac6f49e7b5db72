# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetching weights from the hub: resumed where it was cut off, checked, and put in place whole. Never inside a job."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import requests
from tqdm import tqdm

from inference_server.errors import DiskFull, EngineUnavailable, WeightsCorrupt, WeightsMissing, typed_system_errors
from inference_server.weights import PARTS, FetchedSet, FetchStep, WeightFile, WeightSet, WeightStore, hash_file

_SHA256_DIGITS = 64
# Kept free beside the download: the same disk holds jobs and their cache.
_SPARE_BYTES = 1 << 30
_TIMEOUT_S = 60  # without a byte
_BLOCK_BYTES = 1 << 20

# Step, bytes that are done, bytes in all where they are known.
Report = Callable[[FetchStep, int, int | None], None]


def fetch(
    store: WeightStore,
    weight_id: str,
    say: Callable[[str], None],
    report: Report = lambda step, done, total: None,
) -> FetchedSet:
    """Download one set and put it in place. What an earlier call got is used. say: gets a sentence a step. report: gets
    how far it is, with every block.

    The hub is $HF_ENDPOINT, a token for it $HF_TOKEN.
    Raises WeightsMissing (the hub does not have or give it), WeightsCorrupt, DiskFull, EngineUnavailable.
    """
    weights = store.set_of(weight_id)
    with typed_system_errors(str(store.root)):
        parts = store.root / PARTS / weight_id
        parts.mkdir(parents=True, exist_ok=True)
        revision, files = _ask(weights)
        _check_room(store.root, files, parts)
        tally = _Tally(report, files)
        for number, file in enumerate(files, 1):
            say(f"{weights.title}: {file.path}, {number} of {len(files)}, {_megabytes(file.size)}")
            _download(weights, revision, file, parts, tally)
        tally.begin("checking")
        checked = tuple(_check(weights, file, parts, tally) for file in files)
        _put_in_place(store, weight_id, parts, files)
        fetched = FetchedSet(revision, checked)
        store.write_record(weight_id, fetched)
        return fetched


class _Tally:
    """Adds up what passes, for `report`."""

    def __init__(self, report: Report, files: tuple[WeightFile, ...]) -> None:
        sizes = [file.size for file in files if file.size is not None]
        self._report = report
        self._total = sum(sizes) if len(sizes) == len(files) else None
        self.begin("downloading")

    def begin(self, step: FetchStep) -> None:
        """Count anew."""
        self._step, self._done = step, 0
        self._report(step, 0, self._total)

    def add(self, count: int) -> None:
        """So many bytes more, or less where a file begins anew."""
        self._done += count
        self._report(self._step, self._done, self._total)


def _ask(weights: WeightSet) -> tuple[str, tuple[WeightFile, ...]]:
    """The commit, and each file's size and digest: the manifest's where it has them, otherwise what the hub says."""
    hub = _hub()
    commit, files = weights.revision, []
    for file in weights.files:
        with _hub_errors(weights, file.path):
            url = hub.hf_hub_url(weights.repository, file.path, revision=weights.revision)
            about = hub.get_hf_file_metadata(url)
        commit = about.commit_hash or commit
        # Large files are named by their sha256, small ones by a git hash.
        digest = about.etag if about.etag and len(about.etag) == _SHA256_DIGITS else None
        files.append(WeightFile(file.path, file.size or about.size, file.sha256 or digest))
    return commit, tuple(files)


def _check_room(root: Path, files: tuple[WeightFile, ...], parts: Path) -> None:
    have = sum(path.stat().st_size for path in parts.rglob("*") if path.is_file())
    wanted = sum(file.size or 0 for file in files) - have + _SPARE_BYTES
    free = shutil.disk_usage(root).free
    if free < wanted:
        raise DiskFull(
            f"The weights need {_megabytes(wanted)} on the disk of {root}; {_megabytes(free)} are free.",
            "Free some space there, or set FIGURINE_HOME to another disk.",
        )


def _download(weights: WeightSet, revision: str, file: WeightFile, parts: Path, tally: _Tally) -> None:
    """Stream a file into its part, from where that ends. A part is of one digest: another commit's begins anew."""
    target = parts / PurePosixPath(file.path)
    if target.exists():
        tally.add(target.stat().st_size)
        return
    part = target.with_name(f"{target.name}.{(file.sha256 or revision)[:12]}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    hub = _hub()
    url = hub.hf_hub_url(weights.repository, file.path, revision=revision)
    with _hub_errors(weights, file.path), part.open("ab") as stream:
        start = stream.tell()
        tally.add(start)
        if start != file.size:
            headers = hub.utils.build_hf_headers()
            if start:
                headers["Range"] = f"bytes={start}-"
            with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S) as answer:
                answer.raise_for_status()
                if start and answer.status_code != requests.codes.partial:
                    stream.truncate(0)
                    tally.add(-start)
                    start = 0
                with tqdm(total=file.size, initial=start, unit="B", unit_scale=True, disable=None, leave=False) as bar:
                    for block in answer.iter_content(_BLOCK_BYTES):
                        stream.write(block)
                        bar.update(len(block))
                        tally.add(len(block))
    part.replace(target)


def _check(weights: WeightSet, file: WeightFile, parts: Path, tally: _Tally) -> WeightFile:
    """The file with the size and digest that it has. A wrong one is removed, so that the next try starts clean."""
    path = parts / PurePosixPath(file.path)
    size, digest = path.stat().st_size, hash_file(path, tally.add)
    if (file.size or size) != size or (file.sha256 or digest) != digest:
        path.unlink()
        raise WeightsCorrupt(
            f"{weights.repository} gave another {file.path} than was announced: {size:,} bytes, sha256 {digest[:12]}….",
            f"Run again: figurine weights fetch {weights.id}",
        )
    return WeightFile(file.path, size, digest)


def _put_in_place(store: WeightStore, weight_id: str, parts: Path, files: tuple[WeightFile, ...]) -> None:
    folder = store.folder(weight_id)
    for file in files:
        target = folder / PurePosixPath(file.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        (parts / PurePosixPath(file.path)).replace(target)
    shutil.rmtree(parts)


def _hub() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise EngineUnavailable(
            "Fetching weights needs huggingface_hub, which is not installed.", "Run: pip install 'figurine[neural]'"
        ) from error
    return huggingface_hub


class _hub_errors:  # noqa: N801 - reads as the context manager that it is
    """Turn the hub's errors, and the network's, into one sentence."""

    def __init__(self, weights: WeightSet, path: str) -> None:
        self._what = f"{path} of {weights.repository}"
        self._id = weights.id

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        import httpx
        from huggingface_hub import errors

        again = f"Check the connection and run again: figurine weights fetch {self._id}. What was fetched is kept."
        if isinstance(error, errors.GatedRepoError | errors.RepositoryNotFoundError):
            raise WeightsMissing(
                f"The hub does not give {self._what}: it is private, gated or gone.",
                "Accept its licence on the hub and set HF_TOKEN.",
            ) from error
        if isinstance(error, errors.EntryNotFoundError | errors.RevisionNotFoundError):
            raise WeightsMissing(f"The hub has no {self._what}.", "Update Figurine: its manifest is older.") from error
        if isinstance(
            error, errors.HfHubHTTPError | httpx.HTTPError | errors.FileMetadataError | requests.RequestException
        ):
            raise WeightsMissing(f"{self._what} could not be fetched: {_reason(error)}.", again) from error


def _reason(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _megabytes(size: int | None) -> str:
    return "size unknown" if size is None else f"{size / 1e6:,.0f} MB"
