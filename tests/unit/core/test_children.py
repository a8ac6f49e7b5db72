# SPDX-License-Identifier: GPL-3.0-or-later
"""What child processes get to know."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from inference_server.config import SECRETS
from inference_server.core.children import SECRET_VARIABLES, child_environment, outsider_environment
from inference_server.core.exchange import Exchange
from inference_server.errors import ExportCrashed
from inference_server.stages.blender import BlenderProcess


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRET_VARIABLES:
        monkeypatch.setenv(name, f"s3cret-{name}")
    monkeypatch.setenv("FIGURINE_HOME", "kept")


def test_every_secret_setting_has_its_variable_listed() -> None:
    assert {f"FIGURINE_{name.upper()}" for name in SECRETS} <= set(SECRET_VARIABLES)


def test_our_own_children_know_the_secrets_and_others_do_not(secrets: None) -> None:
    assert child_environment()["FIGURINE_GEMINI_KEY"] == "s3cret-FIGURINE_GEMINI_KEY"
    outside = outsider_environment()
    assert not [value for value in outside.values() if "s3cret" in value]
    assert outside["FIGURINE_HOME"] == "kept"
    assert outside["PYTHONPATH"] == child_environment()["PYTHONPATH"]


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for Blender is a shell script")
def test_blender_is_started_without_them(secrets: None, tmp_path: Path) -> None:
    seen = tmp_path / "environment"
    program = tmp_path / "blender"
    program.write_text(f"#!/bin/sh\nenv > '{seen}'\n", encoding="utf-8")
    program.chmod(0o755)
    with (
        pytest.raises(ExportCrashed),
        BlenderProcess(program, tmp_path / "work").call("export", Exchange({}, {}), lambda: None),
    ):
        pass
    text = seen.read_text(encoding="utf-8")
    assert "FIGURINE_HOME=kept" in text
    assert "s3cret" not in text
