# SPDX-License-Identifier: GPL-3.0-or-later
"""What is run in every Blender: the add-on's cases, found without Blender, by the file that they are in."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.integration import addon_fixtures, addon_sessions
from tests.integration.addon_fixtures import Verdict, Wanted

# What is counted apart: cases that bring their own parts of the add-on, those of Voxelize, and those that install it.
KINDS = ("parts", "voxels", "installed")
# By the case, why no Blender of the matrix runs it.
LEFT_OUT = {
    "addon_cases.fifty_rounds": "50 jobs after each other: make test-full runs them in one Blender",
    "addon_neural_cases.upgrade_and_other_seeds": "needs tiny networks in its data folder: make test-full makes them",
}
# For the cases of a file, on a machine that does other things, too.
TIMEOUT_S = 1800
NOT_DONE = "Blender ended, or had no time left, before it was done."


@dataclass(frozen=True)
class Given:
    """fixtures: of the results that are imported. archive: the add-on as cases install it."""

    fixtures: Path
    archive: Path

    @classmethod
    def made_in(cls, folder: Path) -> Given:
        """By the real pipeline."""
        return cls(addon_fixtures.make_results(folder), addon_sessions.make_archive(folder / "addon.zip"))


@dataclass(frozen=True)
class Piece:
    """Cases of one file. name: the file's. runner: of these cases; gives the troubles of those that failed."""

    kind: str
    name: str
    cases: list[str]
    runner: Callable[[Given, Path, str, list[str]], dict[str, str]]

    def run(self, given: Given, scratch: Path, python: str) -> dict[str, str]:
        """In the Blender of that Python; what went wrong, by the case."""
        return self.runner(given, scratch, python, self.cases)


def pieces(word: str = "") -> list[Piece]:
    """All; or those of this kind; or those with a case that has the word in its file or its name."""
    found = []
    for piece in _all():
        asked = [case for case in piece.cases if word == piece.kind or word in f"{piece.name}.{case}"]
        kept = [case for case in asked if case not in LEFT_OUT]
        if kept:
            found.append(Piece(piece.kind, piece.name, kept, piece.runner))
    return found


def _all() -> Iterator[Piece]:
    for name in addon_fixtures.CASE_FILES:
        file = addon_fixtures.HERE / name
        yield Piece("parts", file.stem, addon_fixtures.names_in(file), _run_parts)
    for file in addon_fixtures.voxel_case_files():
        yield Piece("voxels", file.stem, addon_fixtures.names_in(file), _run_voxels)
    cases = addon_sessions.session_case_names()
    for name, of_file in itertools.groupby(cases, lambda case: case.partition(".")[0]):
        yield Piece("installed", name, list(of_file), _run_sessions)


def _run_parts(given: Given, scratch: Path, python: str, cases: list[str]) -> dict[str, str]:
    return _troubles(cases, addon_fixtures.run_cases(given.fixtures, scratch, python, Wanted(cases, TIMEOUT_S)))


def _run_voxels(given: Given, scratch: Path, python: str, cases: list[str]) -> dict[str, str]:
    return _troubles(cases, addon_fixtures.run_voxel_cases(scratch, python, Wanted(cases, TIMEOUT_S)))


def _troubles(cases: list[str], verdicts: dict[str, Verdict]) -> dict[str, str]:
    said = {case: verdicts[case].trouble if case in verdicts else NOT_DONE for case in cases}
    return {case: trouble for case, trouble in said.items() if trouble}


def _run_sessions(given: Given, scratch: Path, python: str, cases: list[str]) -> dict[str, str]:
    folder = scratch / "sessions"
    with contextlib.suppress(subprocess.TimeoutExpired):  # the case that hung and those behind it are told by name
        addon_sessions.run_sessions(cases, given.archive, folder, TIMEOUT_S, python)
    said = {case: addon_sessions.trouble_of(folder / "answers", case) for case in cases}
    return {case: trouble for case, trouble in said.items() if trouble}
