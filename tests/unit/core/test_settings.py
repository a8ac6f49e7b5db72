# SPDX-License-Identifier: GPL-3.0-or-later
"""What a caller may choose, and names that are safe everywhere."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inference_server.core.settings import JobSettings, read_normalization, safe_name
from inference_server.errors import SettingInvalid

RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


@pytest.mark.parametrize(
    "chosen",
    [
        {"seed": 0},
        {"seed": 2**32 - 1},
        {"seeds": {"rig": 5}},
        {"depth": 0.1},
        {"depth": 3.0},
        {"height_m": 0.001},
        {"height_m": 1000.0},
        {"steps": 2},
        {"guidance": 1.0},
        {"resolution": 512},
        {"candidates": 8},
        {"faces": 500_000},
        {"symmetry": "symmetric", "edges": "sharp"},
        {"texture_px": 1024},
        {"texture_px": 4096},
        {"kind": "quadruped"},
        {"engine": "draft"},
        {"engines": {"geometry": "draft"}},
        {"name": "fox_kid-2"},
        {"normalize": "off"},
        {"normalize_steps": {"background": "on", "pose": "off"}},
        {"editor": "hosted"},
    ],
)
def test_values_in_range(chosen: dict[str, Any]) -> None:
    document = JobSettings(**chosen).to_document()
    assert {key: document[key] for key in chosen} == chosen
    assert json.loads(json.dumps(document)) == document


@pytest.mark.parametrize(
    "chosen",
    [
        {"seed": -1},
        {"seed": 2**32},
        {"seeds": {"rig": -1}},
        {"seeds": {"paint": 1}},
        {"depth": 0.099},
        {"depth": 3.01},
        {"depth": float("nan")},
        {"height_m": 0.0},
        {"height_m": -1.7},
        {"height_m": float("inf")},
        {"height_m": float("nan")},
        {"steps": 1},
        {"guidance": 0.5},
        {"resolution": 200},
        {"faces": 999},
        {"faces": 500_001},
        {"candidates": 0},
        {"candidates": 9},
        {"symmetry": "x"},
        {"edges": "normal"},
        {"speed": "slow"},
        {"texture_px": 2047},
        {"texture_px": 0},
        {"kind": "fish"},
        {"engine": "hosted"},
        {"engines": {"geometry": "magic"}},
        {"engines": {"paint": "draft"}},
        {"normalize": "on"},
        {"normalize_steps": {"sharpen": "on"}},
        {"normalize_steps": {"tilt": "twice"}},
        {"editor": "gimp"},
        {"name": ""},
        {"name": "../elsewhere"},
        {"name": "con"},
    ],
)
def test_values_out_of_range(chosen: dict[str, Any]) -> None:
    with pytest.raises(SettingInvalid) as caught:
        JobSettings(**chosen)
    assert caught.value.message
    assert caught.value.hint


def test_stages_may_differ_from_the_job() -> None:
    settings = JobSettings(engine="draft", engines={"rig": "auto"}, seed=1, seeds={"rig": 2})
    assert (settings.engine_for("rig"), settings.engine_for("geometry")) == ("auto", "draft")
    assert (settings.seed_for("rig"), settings.seed_for("geometry")) == (2, 1)


@given(st.text())
@example("CON")
@example("lpt9")
@example("Com¹")
@example("nul.txt")
@example("a" * 58 + "_b")
@example("日本語の名前" * 20)
@example("𠀀" * 40)
@example("\ud800\x00")
def test_any_text_becomes_a_file_stem(text: str) -> None:
    name = safe_name(text)
    assert re.fullmatch(r"[\w\-]+", name)
    assert len(name.encode()) <= 59
    assert name.lower() not in RESERVED
    assert safe_name(name) == name
    assert JobSettings(name=name).name == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("fox kid (final).v2", "fox_kid_final_v2"),
        ("Käse", "Käse"),
        ("../../etc/passwd", "etc_passwd"),
        ("...", "figurine"),
        ("", "figurine"),
        ("Aux", "Aux_"),
        ("ﬁne", "fine"),
    ],
)
def test_known_names(text: str, name: str) -> None:
    assert safe_name(text) == name


@pytest.mark.parametrize(
    ("text", "mode", "steps"),
    [
        ("auto", "auto", {}),
        ("off", "off", {}),
        ("background=on", "auto", {"background": "on"}),
        ("off, tilt=on,pose=auto", "off", {"tilt": "on", "pose": "auto"}),
    ],
)
def test_a_normalization_from_one_text(text: str, mode: str, steps: dict[str, str]) -> None:
    assert read_normalization(text) == {"normalize": mode, "normalize_steps": steps}


@pytest.mark.parametrize("text", ["", "on", "sharpen=on", "tilt=maybe", "tilt=", "=on", "off,,"])
def test_a_normalization_that_is_none(text: str) -> None:
    with pytest.raises(SettingInvalid) as caught:
        read_normalization(text)
    assert "Choose" in caught.value.hint
