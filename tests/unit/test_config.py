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
        "hosted_editor = 1",
        "hosted_editor = 'yes'",
        "hosted_model = ''",
        "hosted_model = 'a/../b'",
        "hosted_url = 'http://example.com'",
        "hosted_url = 'https://'",
        "hosted_url = 'https://[broken'",
        "hosted_url = 'https://host:99999'",
        "hosted_url = 'https://user:word@example.com'",
        "hosted_url = 'https://example.com?key=1'",
        "hosted_url = 7",
        "gemini_key = 'short'",
        "gemini_key = 7",
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


@pytest.mark.parametrize(("written", "value"), [("true", True), ("1", True), ("FALSE", False), ("0", False)])
def test_a_switch_can_be_an_environment_variable(home: Path, written: str, value: bool) -> None:
    assert load(home, FIGURINE_HOSTED_EDITOR=written).config.hosted_editor is value


def test_the_hosted_editor_is_off_and_its_address_encrypted_or_local(home: Path) -> None:
    config = load(home).config
    assert (config.hosted_editor, config.gemini_key) == (False, None)
    assert config.hosted_url.startswith("https://")
    assert load(home, FIGURINE_HOSTED_URL="http://127.0.0.1:8080/").config.hosted_url == "http://127.0.0.1:8080"
    assert load(home, FIGURINE_HOSTED_URL="https://proxy.example/gemini").config.hosted_url.endswith("/gemini")
    assert load(home, FIGURINE_GEMINI_KEY="").config.gemini_key is None


@pytest.mark.parametrize("key", ["AIza-is this one? 0123456789", "AIza-\n-0123456789-0123", "short"])
def test_a_key_is_shown_nowhere(home: Path, key: str) -> None:
    with pytest.raises(SettingInvalid) as caught:
        load(home, FIGURINE_GEMINI_KEY=key)
    assert key not in f"{caught.value}{caught.value!r}{caught.value.__cause__!r}"
    good = "AIza-0123456789-abcdef"
    origins = load(home, FIGURINE_GEMINI_KEY=good)
    assert origins.config.gemini_key == good
    assert good not in f"{origins!r}{origins.config}"
