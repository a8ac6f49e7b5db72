# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the Blender extension: dist/figurine-<version>.zip with the server's wheel inside, and dist/index.json.

    python build_addon.py [--output dist] [--check]

What goes in are the tracked files of this clone, as they are now, and nothing else. The same files give the same zip,
bit by bit, whenever it is built, by the same hatchling and a Python with the same zlib. Blender's own `extension
validate` judges it before it is written: that of BLENDER=/path/to/blender, or of the bpy module in .venv.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import io
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent
VENV_PYTHON = ROOT / (".venv/Scripts/python.exe" if os.name == "nt" else ".venv/bin/python")
PACKAGES = ("inference_server", "models", "blender_addon")
BESIDE_PACKAGES = ("pyproject.toml", "README.md", "LICENSE")
MANIFEST = "blender_addon/blender_manifest.toml"
VERSION_SOURCE = "inference_server/__init__.py"
# Hatchling's own default, 2020-02-02, so that wheel and zip agree.
DEFAULT_EPOCH_S = 1580601600
REGULAR_MODES = ("100644", "100755")
# Names that some system cannot have, or that lead elsewhere on one.
FORBIDDEN_CHARACTERS = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\]')
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
BLENDER_TIMEOUT_S = 120
# In the bpy module's folder.
TOOL_FILES = "*/scripts/addons_core/bl_pkg/cli/blender_ext.py"
WHEEL_TIMEOUT_S = 300


class BuildFailed(Exception):
    """Why there is no zip, as a sentence."""


@dataclass(frozen=True)
class Extension:
    """A finished build. archive: the zip's bytes. wheel_bytes: the size of the wheel in it."""

    version: str
    archive: bytes
    wheel_bytes: int

    @property
    def file_name(self) -> str:
        """As Blender names extensions."""
        return f"figurine-{self.version}.zip"


def main(arguments: list[str] | None = None) -> int:
    """Build, validate, write; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=ROOT / "dist", metavar="DIR", help="where to write; dist")
    parser.add_argument("--check", action="store_true", help="build and validate, and write nothing")
    options = parser.parse_args(arguments)
    if importlib.util.find_spec("hatchling") is None and VENV_PYTHON.is_file() and not _is_venv():
        return subprocess.run([str(VENV_PYTHON), __file__, *(arguments or sys.argv[1:])], check=False).returncode
    try:
        build(ROOT, None if options.check else options.output)
    except BuildFailed as error:
        print(f"build_addon: {error}", file=sys.stderr)
        return 1
    return 0


def build(root: Path, output: Path | None) -> Extension:
    """Build the extension of a clone; write it where output is given. Raises BuildFailed."""
    started_s = time.perf_counter()
    files = tracked_files(root)
    extension = make_extension(files)
    size = len(extension.archive)
    print(f"{extension.file_name}: {size / 1e6:.2f} MB, {extension.wheel_bytes / 1e6:.2f} MB of it the server's wheel")
    print(f"sha256 {hashlib.sha256(extension.archive).hexdigest()}")
    with tempfile.TemporaryDirectory(prefix="figurine-build-") as folder:
        repository = Path(folder)
        (repository / extension.file_name).write_bytes(extension.archive)
        blender = find_extension_tool()
        if blender is None and output is None:
            raise BuildFailed("No Blender is at hand to check it: set BLENDER=/path/to/blender, or run make setup.")
        if blender is None:
            print("Not validated, and without index.json: no Blender is at hand. Set BLENDER=/path/to/blender.")
        else:
            print(ask_extension_tool(blender, "validate", str(repository / extension.file_name)))
            ask_extension_tool(blender, "server-generate", "--repo-dir", str(repository))
        if output is not None:
            _deliver(repository, output)
            print(f"In {output}: {', '.join(sorted(path.name for path in repository.iterdir()))}")
    print(f"{time.perf_counter() - started_s:.1f} s")
    return extension


def tracked_files(root: Path) -> dict[str, bytes]:
    """Content by path of the tracked files that the build needs, sorted. Raises BuildFailed where one is no plain file
    of this folder.
    """
    git = shutil.which("git")
    if git is None:
        raise BuildFailed("git is missing: only files that git tracks go into the extension.")
    listing = subprocess.run(
        [git, "-C", str(root), "ls-files", "--stage", "-z", "--", *PACKAGES, *BESIDE_PACKAGES], capture_output=True
    )
    if listing.returncode:
        why = (listing.stderr.decode("utf-8", "replace").strip().splitlines() or ["it does not say why"])[0]
        raise BuildFailed(f"git cannot list the tracked files of {root}, and only they go into the extension: {why}")
    files: dict[str, bytes] = {}
    for line in listing.stdout.decode("utf-8").split("\0")[:-1]:
        about, _, name = line.partition("\t")
        require_safe_names([name])
        if about.split()[0] not in REGULAR_MODES:
            raise BuildFailed(f"{name} is tracked as a link or a submodule. Put a plain file there.")
        files[name] = _read_plain(root, name)
    missing = [name for name in (MANIFEST, VERSION_SOURCE, *BESIDE_PACKAGES) if name not in files]
    if missing:
        raise BuildFailed(f"Not tracked by git: {', '.join(missing)}.")
    return dict(sorted(files.items()))


def _read_plain(root: Path, name: str) -> bytes:
    path = root / name
    if path.resolve() != root.resolve() / name:
        raise BuildFailed(f"{name} is reached through a link. Put a plain file there.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise BuildFailed(f"{name} is tracked, but cannot be read: {error.strerror}.") from error


def require_safe_names(names: list[str]) -> None:
    """Raises BuildFailed where a member of an archive would leave its folder, or be another file on some system."""
    seen: dict[str, str] = {}
    for name in names:
        parts = name.split("/")
        if name.startswith("/") or FORBIDDEN_CHARACTERS.search(name) or any(part in ("", ".", "..") for part in parts):
            raise BuildFailed(f"The name {name!r} leads out of its folder, or some system cannot have it.")
        if any(DEVICES.fullmatch(part) or part != part.rstrip(" .") for part in parts):
            raise BuildFailed(f"The name {name!r} cannot be a file's on Windows.")
        if name.casefold() in seen:
            raise BuildFailed(f"{name!r} and {seen[name.casefold()]!r} are one file on some systems.")
        seen[name.casefold()] = name


def make_extension(files: Mapping[str, bytes]) -> Extension:
    """The extension of these tracked files. Raises BuildFailed."""
    version = _version(files[VERSION_SOURCE])
    wheel_name, wheel = make_wheel(files, version)
    require_sound_wheel(wheel, files, version)
    members = {
        name.removeprefix("blender_addon/"): content
        for name, content in files.items()
        if name.startswith("blender_addon/")
    }
    members["blender_manifest.toml"] = _stamped(files[MANIFEST], version)
    members["LICENSE"] = files["LICENSE"]
    members[f"server/{wheel_name}"] = wheel
    require_safe_names(list(members))
    return Extension(version, zipped(members), len(wheel))


def _version(source: bytes) -> str:
    found = re.search(r'^__version__ = "(\d+\.\d+\.\d+)"$', source.decode("utf-8"), re.MULTILINE)
    if found is None:
        raise BuildFailed(f"{VERSION_SOURCE} has no __version__ of three numbers.")
    return found[1]


def _stamped(manifest: bytes, version: str) -> bytes:
    """The manifest with this version."""
    text, count = re.subn(r'^version = ".*"$', f'version = "{version}"', manifest.decode("utf-8"), flags=re.MULTILINE)
    if count != 1:
        raise BuildFailed(f"{MANIFEST} must have one line that begins with: version =")
    return text.encode()


def make_wheel(files: Mapping[str, bytes], version: str) -> tuple[str, bytes]:
    """Name and bytes of the wheel, built by hatchling in a folder that holds these files alone. Raises BuildFailed."""
    name = f"figurine-{version}-py3-none-any.whl"
    with tempfile.TemporaryDirectory(prefix="figurine-wheel-") as folder:
        source, output = Path(folder, "source"), Path(folder, "output")
        for path, content in files.items():
            target = source / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            target.chmod(0o644)
        done = subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(output)],
            cwd=source,
            env=os.environ | {"SOURCE_DATE_EPOCH": str(_epoch_s())},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WHEEL_TIMEOUT_S,
        )
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise BuildFailed(f"The wheel cannot be built (make setup installs what is needed): {said[-1]}")
        return name, (output / name).read_bytes()


def require_sound_wheel(wheel: bytes, files: Mapping[str, bytes], version: str) -> None:
    """Raises BuildFailed unless the wheel holds the tracked files of the packages as they are, its own description, and
    nothing else.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(wheel))
        damaged = archive.testzip()
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise BuildFailed(f"The wheel is no sound zip: {error}.") from error
    if damaged is not None:
        raise BuildFailed(f"The wheel's member {damaged!r} is damaged.")
    with archive:
        members = archive.infolist()
        require_safe_names([member.filename for member in members])
        expected = {name for name in files if PurePosixPath(name).parts[0] in PACKAGES}
        for member in members:
            if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
                raise BuildFailed(f"The wheel's member {member.filename!r} is no plain file.")
            if member.filename in expected:
                expected.remove(member.filename)
                if archive.read(member) != files[member.filename]:
                    raise BuildFailed(f"The wheel's member {member.filename!r} is not the tracked file.")
            elif not member.filename.startswith(f"figurine-{version}.dist-info/"):
                raise BuildFailed(f"The wheel's member {member.filename!r} is not tracked by git.")
    if expected:
        raise BuildFailed(f"The wheel lacks {min(expected)}.")


def zipped(members: Mapping[str, bytes]) -> bytes:
    """A zip of these members, the same for the same members: sorted, of one time, of one kind of system."""
    moment = time.gmtime(_epoch_s())[:6]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(members):
            about = zipfile.ZipInfo(name, moment)
            about.create_system = 3  # Unix, also where it is built on Windows
            about.external_attr = (stat.S_IFREG | 0o644) << 16
            about.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(about, members[name], compresslevel=9)
    return buffer.getvalue()


def find_extension_tool() -> list[str] | None:
    """The command of Blender's extension tool: of BLENDER, or of the bpy module's files. None where neither is."""
    program = os.environ.get("BLENDER")
    if program:
        return [program, "--factory-startup", "--command", "extension"]
    module = importlib.util.find_spec("bpy")
    if module is None or not module.submodule_search_locations:
        return None
    for folder in map(Path, module.submodule_search_locations):
        for tool in sorted(folder.glob(TOOL_FILES)):
            return [sys.executable, "-I", str(tool)]
    return None


def ask_extension_tool(tool: list[str], verb: str, *arguments: str) -> str:
    """What Blender's extension tool says. Raises BuildFailed where it objects."""
    if verb == "validate" and tool[-1].endswith(".py"):  # Blender passes its own list of tags
        tags = Path(tool[-1]).parents[3] / "modules/_bpy_internal/extensions/tags.py"
        arguments = ("--valid-tags", str(tags), *arguments)
    try:
        done = subprocess.run(
            [*tool, verb, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=BLENDER_TIMEOUT_S,
        )
    except OSError as error:
        raise BuildFailed(f"Blender at {tool[0]} cannot be started: {error.strerror}.") from error
    said = done.stdout.strip()
    if done.returncode:
        raise BuildFailed(f"Blender's extension {verb} objects: {said or done.stderr.strip()}")
    return said


def _deliver(repository: Path, output: Path) -> None:
    """Move the finished files, each whole or not at all."""
    output.mkdir(parents=True, exist_ok=True)
    for path in repository.iterdir():
        partial = output / f".{path.name}.part"
        shutil.copyfile(path, partial)
        partial.replace(output / path.name)


def _epoch_s() -> int:
    return int(os.environ.get("SOURCE_DATE_EPOCH", DEFAULT_EPOCH_S))


def _is_venv() -> bool:
    return Path(sys.prefix).resolve() == VENV_PYTHON.parent.parent.resolve()


if __name__ == "__main__":
    sys.exit(main())
