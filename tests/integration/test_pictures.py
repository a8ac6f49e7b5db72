# SPDX-License-Identifier: GPL-3.0-or-later
"""Every picture of the measuring set becomes a sound figure."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.inspector import inspect
from tests.integration.jobs import ROOT, assert_sound, figurine

PICTURES = sorted((ROOT.parent / "shared" / "images").glob("*.png"))


@pytest.mark.full
@pytest.mark.shared
@pytest.mark.blender
@pytest.mark.timeout(3600)
def test_every_picture_becomes_a_sound_figure(tmp_path: Path) -> None:
    failures = []
    home = tmp_path / "home"
    for picture in PICTURES:
        folder = tmp_path / picture.stem
        done = figurine("run", picture, "--out", folder, "--name", "figure", home=home)
        assert done.exit_code == 0, f"{picture.name}: {done.stderr}"
        (seen,) = inspect(folder / "figure.fbx", is_posed=True)
        try:
            assert_sound(seen, folder, home)
        except AssertionError as error:
            failures.append(f"{picture.name}: {error}")
    assert not failures, "\n".join(failures)
    assert len(PICTURES) >= 30
