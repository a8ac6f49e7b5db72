# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration: which layer wins, where a value came from, and what is refused."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from inference_server.config import CONFIG_NAME, Config, load_config
from inference_server.errors import SettingInvalid


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def load(home: Path, file: str | None = None, flags: dict[str, Any] | None = None, **variables: str) -> Any:
    if file is not None:
        (home / CONFIG_NAME).write_text(file, encoding="utf-8")
    environment = {"FIGURINE_HOME": str(home), "PATH": "/bin", **variables}
    return load_config(environment, flags)


def test_defaults_need_nothing() -> None:
    origins = load_config({})
    assert origins.config.home.is_absolute()
    assert origins.config.blender is None
    assert origins.config.engine == "auto"
    assert set(origins.sources.values()) == {"default"}
    assert set(origins.sources) == {field.name for field in fields(Config)}


def test_the_process_environment_is_read() -> None:
    assert load_config().config.home == Path(os.environ["FIGURINE_HOME"])


def test_each_layer_overrides_the_one_before(home: Path) -> None:
    file = "engine = 'draft'\ncache_mib = 100\nmax_megapixels = 10\n"
    origins = load(home, file, {"engine": "neural"}, FIGURINE_CACHE_MIB="200", FIGURINE_ENGINE="auto")
    config = origins.config
    assert (config.engine, config.cache_mib, config.max_megapixels, config.blender) == ("neural", 200, 10.0, None)
    changed = {
        "home": "environment",
        "engine": "flag",
        "cache_mib": "environment",
        "max_megapixels": str(home / CONFIG_NAME),
    }
    assert origins.sources == {field.name: changed.get(field.name, "default") for field in fields(Config)}


def test_folders_lie_in_the_home(home: Path) -> None:
    config = load(home).config
    assert (config.cache_root, config.work_root) == (home / "cache", home / "work")
    assert not config.cache_root.exists()


def test_paths_may_be_relative_or_start_at_the_users_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("HOME", str(home))
    assert load(home, FIGURINE_BLENDER="~/blender").config.blender == home / "blender"
    assert load(home, FIGURINE_BLENDER="bin/blender").config.blender == home / "bin/blender"
    assert load(home, FIGURINE_BLENDER="").config.blender is None


@pytest.mark.parametrize(
    "file",
    [
        "colour = 'red'",
        "home = '/tmp'",
        "engine = 'hosted'",
        "engine = 3",
        "engine = ['draft']",
        "cache_mib = 'much'",
        "cache_mib = 63",
        "cache_mib = inf",
        "cache_mib = nan",
        "max_megapixels = 65",
        "max_megapixels = 0",
        "max_megapixels = nan",
        "max_megapixels = [1]",
        "blender = 5",
        "blender = '~nobody_of_that_name/blender'",
        "not toml at all",
        "[engine]\nx = 1",
    ],
)
def test_a_file_with_anything_unknown_or_unusable_is_refused(home: Path, file: str) -> None:
    with pytest.raises(SettingInvalid) as caught:
        load(home, file)
    assert CONFIG_NAME in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("content", [b"\xff\xfe", b"engine = '\x00'"])
def test_a_file_that_is_no_text_is_refused(home: Path, content: bytes) -> None:
    (home / CONFIG_NAME).write_bytes(content)
    with pytest.raises(SettingInvalid, match="cannot be read"):
        load(home)


def test_a_home_that_is_a_file_is_refused(home: Path) -> None:
    (home / "file").write_text("")
    with pytest.raises(SettingInvalid, match="cannot be read"):
        load_config({"FIGURINE_HOME": str(home / "file")})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FIGURINE_COLOUR", "red"),
        ("FIGURINE_ENGINE", "Draft"),
        ("FIGURINE_ENGINE", ""),
        ("FIGURINE_CACHE_MIB", "1.5"),
        ("FIGURINE_MAX_MEGAPIXELS", "many"),
        ("FIGURINE_HOME", ""),
    ],
)
def test_a_variable_that_is_unknown_or_unusable_is_refused(home: Path, variable: str, value: str) -> None:
    with pytest.raises(SettingInvalid):
        load(home, **{variable: value})


def test_variables_of_others_do_not_count(home: Path) -> None:
    assert load(home, MY_FIGURINE_COLOUR="red", figurine_colour="red").config.engine == "auto"
