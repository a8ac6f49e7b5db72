# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs figurine voxelize as a user would."""

from __future__ import annotations

from pathlib import Path

from tests.integration.jobs import figurine

SIZE = 24


def voxelized(mesh: Path, out: Path, home: Path, *more: str) -> Path:
    """The output folder of a run that must succeed and say nothing."""
    done = figurine("voxelize", mesh, "--out", out, "--size", str(SIZE), "--quiet", *more, home=home)
    assert done.exit_code == 0, done.stderr
    assert done.stderr == ""
    assert {Path(line) for line in done.stdout.splitlines()} == set(out.iterdir())
    assert list((home / "work").iterdir()) == []
    return out
