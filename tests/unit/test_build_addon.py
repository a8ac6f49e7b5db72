# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension's zip: what is in it, the same bits always, Blender's own judgement."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import tomllib
import zipfile
from pathlib import Path

import pytest

import build_addon
import inference_server
from build_addon import BuildFailed, build, find_extension_tool, tracked_files
from tests.integration.addon_wheels import ROOT, make_clone


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return make_clone(tmp_path / "clone")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The extension of the working tree."""
    folder = make_clone(tmp_path_factory.mktemp("build") / "clone")
    return zipfile.ZipFile(io.BytesIO(build_addon.make_extension(tracked_files(folder)).archive))


def test_it_holds_the_addon_the_licence_and_the_wheel(archive: zipfile.ZipFile) -> None:
    names = set(archive.namelist())
    version = inference_server.__version__
    wheel = f"server/figurine-{version}-py3-none-any.whl"
    assert {"__init__.py", "blender_manifest.toml", "LICENSE", "setup/install.py", "setup/guarded.py", wheel} <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith(("inference_server", "tests"))]
    with zipfile.ZipFile(io.BytesIO(archive.read(wheel))) as server:
        inside = set(server.namelist())
        assert {"inference_server/cli.py", "inference_server/core/rig.schema.json"} <= inside
        assert server.read("inference_server/cli.py") == (ROOT / "inference_server/cli.py").read_bytes()


def test_one_version_rules_all(archive: zipfile.ZipFile, clone: Path) -> None:
    manifest = tomllib.loads(archive.read("blender_manifest.toml").decode("utf-8"))
    assert manifest["version"] == inference_server.__version__
    source = clone / "inference_server/__init__.py"
    source.write_text(re.sub(r'"\d+\.\d+\.\d+"', '"7.8.9"', source.read_text(encoding="utf-8")), encoding="utf-8")
    extension = build_addon.make_extension(tracked_files(clone))
    assert extension.file_name == "figurine-7.8.9.zip"
    with zipfile.ZipFile(io.BytesIO(extension.archive)) as other:
        assert 'version = "7.8.9"' in other.read("blender_manifest.toml").decode("utf-8")
        assert "server/figurine-7.8.9-py3-none-any.whl" in other.namelist()


def test_the_same_files_give_the_same_bits(clone: Path, tmp_path: Path) -> None:
    first = build_addon.make_extension(tracked_files(clone)).archive
    other = tmp_path / "another folder ö"
    shutil.copytree(clone, other)
    for path in other.rglob("*"):
        if path.is_file() and ".git" not in path.parts:
            path.chmod(0o600)
            os.utime(path, (1, 1))
    before = os.umask(0o077)
    try:
        second = build_addon.make_extension(tracked_files(other)).archive
    finally:
        os.umask(before)
    assert hashlib.sha256(first).hexdigest() == hashlib.sha256(second).hexdigest()


def test_the_given_time_is_the_files(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    extension = build_addon.make_extension(tracked_files(clone))
    with zipfile.ZipFile(io.BytesIO(extension.archive)) as archive:
        assert {member.date_time for member in archive.infolist()} == {(2023, 11, 14, 22, 13, 20)}


def test_what_git_does_not_track_stays_out(clone: Path) -> None:
    (clone / "blender_addon/stray.py").write_text("stray", encoding="utf-8")
    (clone / "inference_server/secret.txt").write_text("secret", encoding="utf-8")
    assert not {"blender_addon/stray.py", "inference_server/secret.txt"} & set(tracked_files(clone))
    extension = build_addon.make_extension(tracked_files(clone))
    with zipfile.ZipFile(io.BytesIO(extension.archive)) as archive:
        assert "stray.py" not in archive.namelist()


def test_without_a_clone_there_is_no_extension(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="git cannot list"):
        tracked_files(tmp_path)


def test_a_file_that_is_gone_is_named(clone: Path) -> None:
    (clone / "inference_server/cli.py").unlink()
    with pytest.raises(BuildFailed, match=r"inference_server/cli\.py is tracked, but cannot be read"):
        tracked_files(clone)


@pytest.mark.parametrize("version", ["0.1", "1.0.0.dev1", "1.0.0rc1"])
def test_a_version_that_blender_does_not_take_is_refused(clone: Path, version: str) -> None:
    (clone / "inference_server/__init__.py").write_text(f'__version__ = "{version}"\n', encoding="utf-8")
    with pytest.raises(BuildFailed, match="three numbers"):
        build_addon.make_extension(tracked_files(clone))


needs_blender = pytest.mark.skipif(
    find_extension_tool() is None, reason="needs Blender's extension tool: the bpy module, or BLENDER"
)


@needs_blender
def test_blender_accepts_it_and_lists_it(clone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    extension = build(clone, tmp_path / "dist")
    assert sorted(path.name for path in (tmp_path / "dist").iterdir()) == [extension.file_name, "index.json"]
    assert (tmp_path / "dist" / extension.file_name).read_bytes() == extension.archive
    listed = json.loads((tmp_path / "dist/index.json").read_text(encoding="utf-8"))["data"]
    assert [item["id"] for item in listed] == ["figurine"]
    assert listed[0]["archive_hash"] == f"sha256:{hashlib.sha256(extension.archive).hexdigest()}"
    assert listed[0]["archive_url"] == f"./{extension.file_name}"
    assert "Success" in capsys.readouterr().out


@needs_blender
def test_what_blender_refuses_is_not_written(clone: Path, tmp_path: Path) -> None:
    manifest = clone / "blender_addon/blender_manifest.toml"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace('"Rigging"', '"AI"'), encoding="utf-8")
    with pytest.raises(BuildFailed, match="AI"):
        build(clone, tmp_path / "dist")
    assert not (tmp_path / "dist").exists()


def test_a_blender_that_is_not_there_is_said(clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLENDER", str(tmp_path / "no-blender"))
    with pytest.raises(BuildFailed, match="cannot be started"):
        build(clone, None)
