# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture of a job that waits, before, after each step and after all, and what was found about it: fetched here,
to be judged.

<folder>/<key>/review/<digest>/    complete, or not there; another result has another digest
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..client import PICTURED_STEPS, REVIEW_NAMES, Client
from ..documents import Artifact, DocumentInvalid, Job, parse
from ..errors import ResultDamaged, typed_file_errors
from ..server_sentences import ServerText

_BEFORE, _AFTER, _FINDINGS = REVIEW_NAMES
_DIGEST_LETTERS = 16
_THEN = "click Retry"


@dataclass(frozen=True)
class Diagnosis:
    """One finding about the picture. severity: 0..1, from 0.5 on the model will suffer. sentence: names the cure."""

    severity: float
    sentence: ServerText

    @property
    def is_serious(self) -> bool:
        """Whether the model will suffer."""
        return self.severity >= 0.5


@dataclass(frozen=True)
class Normalization:
    """normalize.json. steps: what was done, in order. diagnoses: worst first."""

    format: Literal["figurine-normalization"]
    steps: tuple[ServerText, ...]
    diagnoses: tuple[Diagnosis, ...]


@dataclass(frozen=True)
class Review:
    """What there is to judge. before, after: local PNG files, of this result and no other. between: of the steps that
    have a picture of their own, in order.
    """

    before: Path
    after: Path
    steps: tuple[str, ...]
    diagnoses: tuple[Diagnosis, ...]
    between: tuple[tuple[str, Path], ...] = ()

    @property
    def pictures(self) -> dict[str, Path]:
        """All of them, in order, by "before", the steps' names and "after"."""
        return {"before": self.before, **dict(self.between), "after": self.after}


class Reviews:
    """Of all jobs, below one folder; read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, Review] = {}
        self._given_up: set[Path] = set()

    def find(self, key: str, job: Job) -> Review | None:
        """Of the job as it waits now; None where it is not here. What was damaged here is taken away."""
        place = self._place(key, job)
        if place is None:
            return None
        if place not in self._read and place.is_dir():
            try:
                findings = _parsed(place / _FINDINGS)
            except ResultDamaged:
                shutil.rmtree(place, ignore_errors=True)
                return None
            between = tuple((step, path) for step, path in _step_pictures(place).items() if path.is_file())
            self._read[place] = Review(place / _BEFORE, place / _AFTER, findings.steps, findings.diagnoses, between)
        return self._read.get(place)

    def is_missing(self, key: str, job: Job) -> bool:
        """Whether it can be fetched and is not here."""
        place = self._place(key, job)
        return place is not None and place not in self._read and place not in self._given_up and not place.is_dir()

    def give_up(self, key: str, job: Job) -> None:
        """Do not try to fetch it again in this Blender."""
        place = self._place(key, job)
        if place is not None:
            self._given_up.add(place)

    def fetch(self, client: Client, key: str, job: Job) -> None:
        """Fetch it in place of an earlier result's. Raises ResultDamaged, DiskFull, FolderUnwritable, LinkError,
        Refused; nothing is left then.
        """
        place = self._place(key, job)
        assert place is not None
        partial = place.with_name("part")
        try:
            with typed_file_errors(partial, _THEN):
                shutil.rmtree(place.parent, ignore_errors=True)
                partial.mkdir(parents=True)
            for artifact in _files(job):
                client.download(job.id, artifact, partial / artifact.name)
            _parsed(partial / _FINDINGS)
            with typed_file_errors(place, _THEN):
                partial.replace(place)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _place(self, key: str, job: Job) -> Path | None:
        """None where the job has nothing to judge now."""
        files = _files(job)
        if job.state != "waiting" or not {file.name for file in files}.issuperset(REVIEW_NAMES):
            return None
        digest = hashlib.sha256("".join(file.sha256 for file in files).encode()).hexdigest()
        return self._folder / key / "review" / digest[:_DIGEST_LETTERS]


def _files(job: Job) -> list[Artifact]:
    by_name = {file.name: file for file in job.artifacts}
    names = (*REVIEW_NAMES, *(f"{step}.png" for step in PICTURED_STEPS))
    return [by_name[name] for name in names if name in by_name]


def _step_pictures(place: Path) -> dict[str, Path]:
    return {step: place / f"{step}.png" for step in PICTURED_STEPS}


def _parsed(path: Path) -> Normalization:
    """Raises ResultDamaged."""
    try:
        return parse(Normalization, json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError, DocumentInvalid) as error:
        raise ResultDamaged(path.name, str(error)) from error
