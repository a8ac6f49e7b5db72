# SPDX-License-Identifier: GPL-3.0-or-later
"""What Copy Diagnostics says, and what it must not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from blender_addon.diagnostics import diagnostics
from blender_addon.documents import Weights
from blender_addon.errors import FigurineError
from blender_addon.jobs.views import ModelsView
from blender_addon.runtime import Runtime


def test_it_names_what_matters_and_the_end_of_the_log(runtime: Runtime) -> None:
    runtime.complain(FigurineError("It broke.", "Mend it.", "its details"))
    runtime.paths.log.write_text("\n".join(f"line {number} {'ü' * 400}" for number in range(1000)), encoding="utf-8")
    text = diagnostics(runtime, "5.0.1")
    for words in ("Figurine 0.1.0", "Blender 5.0.1", "It broke.", "Mend it.", "its details", "line 999 "):
        assert words in text
    assert "line 900 " not in text


def test_it_names_the_models_that_are_there(runtime: Runtime) -> None:
    def model(weight_id: str, state: Literal["present", "absent"]) -> Weights:
        return Weights(weight_id, "", "", "", "", state, None, False, 0, None)

    assert "Models:" not in diagnostics(runtime, "5.0.1")
    told = ModelsView((model("one", "present"), model("two", "absent")), is_known=True)
    runtime.snapshot = replace(runtime.snapshot, models=told)
    assert "Models: one\n" in diagnostics(runtime, "5.0.1")


def test_no_token_and_no_password_is_in_it(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = {"entered": "t0ken-entered", "handshake": "t0ken-handshake", "environment": "t0ken-environment"}
    tokens["key"] = "t0ken-key"
    tokens["hub"] = "t0ken-hub"
    monkeypatch.setenv("HF_TOKEN", tokens["hub"])
    monkeypatch.setenv("FIGURINE_TOKEN", tokens["environment"])
    monkeypatch.setenv("FIGURINE_GEMINI_KEY", tokens["key"])
    home = runtime.choices.connection.home
    home.mkdir()
    handshake = {"url": "http://127.0.0.1:1", "token": tokens["handshake"], "pid": 1, "version": "0.1.0"}
    (home / "server.json").write_text(json.dumps(handshake), encoding="utf-8")
    address = "http://me:t0ken-password@box"
    connection = replace(runtime.choices.connection, mode="address", token=tokens["entered"], address=address)
    runtime.apply(replace(runtime.choices, connection=connection))
    runtime.complain(FigurineError("It broke.", "", f"with {' '.join(tokens.values())}"))
    text = diagnostics(runtime, "5.0.1")
    assert "t0ken" not in text
    assert "http://…@box" in text


def test_the_name_of_the_user_is_in_no_form_of_a_path(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    class WindowsHome:
        """Path.home() as it is on Windows."""

        def __str__(self) -> str:
            return "C:\\Users\\Ann"

        def as_posix(self) -> str:
            return "C:/Users/Ann"

    monkeypatch.setattr(Path, "home", WindowsHome)
    missing = FileNotFoundError(2, "No such file or directory", "C:\\Users\\Ann\\x")
    runtime.complain(FigurineError("C:\\Users\\Ann\\x is gone.", "Look into C:/Users/Ann.", str(missing)))
    text = diagnostics(runtime, "5.0.1")
    assert "Ann" not in text
    assert "~" in text
