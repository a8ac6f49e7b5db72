# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes into the extension cannot be smuggled: links, names that lead out, wheels that are not what was tracked."""

from __future__ import annotations

import io
import stat
import subprocess
import zipfile
from pathlib import Path

import pytest

from build_addon import (
    BESIDE_PACKAGES,
    MANIFEST,
    VERSION_SOURCE,
    BuildFailed,
    require_safe_names,
    require_sound_wheel,
    tracked_files,
)

FILES = {"inference_server/__init__.py": b"", "models/__init__.py": b"", "README.md": b""}
DESCRIPTION = {"figurine-1.0.0.dist-info/METADATA": b"Name: figurine"}
HONEST = {"inference_server/__init__.py": b"", "models/__init__.py": b"", **DESCRIPTION}


def wheel_of(members: dict[str, bytes], mode: int = stat.S_IFREG | 0o644) -> bytes:
    """A zip of these members; the last one has this mode."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            about = zipfile.ZipInfo("placeholder")
            about.filename = name  # as it is: ZipInfo's own constructor cuts names at a NUL
            is_last = name == list(members)[-1]
            about.external_attr = (mode if is_last else stat.S_IFREG | 0o644) << 16
            archive.writestr(about, content)
    return buffer.getvalue()


def test_an_honest_wheel_is_taken() -> None:
    require_sound_wheel(wheel_of(HONEST), FILES, "1.0.0")


@pytest.mark.parametrize(
    "name",
    [
        "../outside.py",
        "inference_server/../../outside.py",
        "/etc/passwd",
        "C:/Windows/x.py",
        "inference_server\\..\\..\\x.py",
        "inference_server//x.py",
        "inference_server/./x.py",
        "inference_server/nul.py",
        "inference_server/x.py.",
        "inference_server/x\n.py",
        "inference_server/",
        "INFERENCE_SERVER/__init__.py",
        "",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(BuildFailed, match=r"name|one file"):
        require_safe_names([*HONEST, name])
    if name:
        with pytest.raises(BuildFailed):
            require_sound_wheel(wheel_of({**HONEST, name: b"x"}), FILES, "1.0.0")


@pytest.mark.parametrize(
    "members",
    [
        {**HONEST, "inference_server/more.py": b"import os"},
        {**HONEST, "figurine-2.0.0.dist-info/METADATA": b""},
        {**HONEST, "README.md": b""},
        {**HONEST, "sitecustomize.py": b"import os"},
        {**HONEST, "inference_server/__init__.py": b"import os"},
        DESCRIPTION,
    ],
)
def test_a_wheel_that_differs_from_the_tracked_files_is_refused(members: dict[str, bytes]) -> None:
    with pytest.raises(BuildFailed, match="wheel"):
        require_sound_wheel(wheel_of(members), FILES, "1.0.0")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFDIR, stat.S_IFIFO])
def test_a_member_that_is_no_plain_file_is_refused(kind: int) -> None:
    with pytest.raises(BuildFailed, match="no plain file"):
        require_sound_wheel(wheel_of(HONEST, kind | 0o777), FILES, "1.0.0")


def test_a_member_that_is_there_twice_is_refused() -> None:
    buffer = io.BytesIO(wheel_of(HONEST))
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("models/__init__.py", b"import os")
    with pytest.raises(BuildFailed, match="one file"):
        require_sound_wheel(buffer.getvalue(), FILES, "1.0.0")


@pytest.mark.parametrize("damage", ["cut", "text", "flipped"])
def test_a_damaged_wheel_is_refused(damage: str) -> None:
    whole = wheel_of({**HONEST, "inference_server/__init__.py": b""})
    content = {
        "cut": whole[: len(whole) // 2],
        "text": b"no zip",
        "flipped": whole.replace(b"Name: figurine", b"Name: somebody"),
    }[damage]
    with pytest.raises(BuildFailed, match=r"no sound zip|is damaged"):
        require_sound_wheel(content, FILES, "1.0.0")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The smallest repository with the files that the build asks for."""
    folder = tmp_path / "clone"
    for name in (MANIFEST, VERSION_SOURCE, *BESIDE_PACKAGES, "models/__init__.py"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x", encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    track(folder)
    return folder


def track(folder: Path) -> None:
    subprocess.run(["git", "add", "--all"], cwd=folder, check=True)


def test_the_smallest_clone_is_read(clone: Path) -> None:
    assert tracked_files(clone)["models/__init__.py"] == b"x"


def test_a_tracked_link_is_refused(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    (clone / "models/link.py").symlink_to(tmp_path / "secret")
    track(clone)
    with pytest.raises(BuildFailed, match=r"models/link\.py is tracked as a link"):
        tracked_files(clone)


def test_a_file_or_folder_that_became_a_link_is_refused(clone: Path, tmp_path: Path) -> None:
    (clone / "models").rename(tmp_path / "elsewhere")
    (clone / "models").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BuildFailed, match="through a link"):
        tracked_files(clone)


def test_a_submodule_is_refused(clone: Path) -> None:
    entry = f"160000,{'1' * 40},models/other"
    subprocess.run(["git", "update-index", "--add", "--cacheinfo", entry], cwd=clone, check=True)
    with pytest.raises(BuildFailed, match="models/other is tracked as a link or a submodule"):
        tracked_files(clone)


def test_a_tracked_name_that_windows_reads_otherwise_is_refused(clone: Path) -> None:
    (clone / "models/a\\b.py").write_text("x", encoding="utf-8")
    track(clone)
    with pytest.raises(BuildFailed, match="leads out of its folder"):
        tracked_files(clone)
