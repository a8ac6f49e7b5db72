# SPDX-License-Identifier: GPL-3.0-or-later
"""What the add-on is installed from: wheels of a few hundred bytes, an index that never answers, a clone."""

from __future__ import annotations

import shutil
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import build_addon
from blender_addon.setup.probes import NETWORK_MODULES
from blender_addon.setup.torch_builds import TORCH

ROOT = Path(__file__).resolve().parents[2]
_MODULES = {
    "inference_server/__init__.py": "",
    "inference_server/__main__.py": "print('hello')\n",
    "inference_server/cli.py": "",
}


def make_wheel(
    folder: Path, version: str = "9.9.9", requires: str = "", files: dict[str, bytes | str] | None = None
) -> Path:
    """A wheel named figurine, with these files more. requires: one requirement, of its extra too."""
    return make_library(folder, "figurine", version, {**_MODULES, **(files or {})}, requires)


def make_networks(folder: Path, version: str = "9.9.9") -> Path:
    """A wheel named figurine whose extra needs PyTorch, and that brings all else that is tested with it."""
    names = [name for name in NETWORK_MODULES if name != "torch"]
    return make_wheel(folder, version, f'{TORCH}; extra == "neural"', {f"{name}/__init__.py": "" for name in names})


def make_torch(folder: Path, version: str = "2.13.0+cpu", cuda: str = "") -> Path:
    """A wheel named torch that says of itself what PyTorch does. cuda: what it was built for."""
    source = f"""
from types import SimpleNamespace
__version__ = {version!r}
version = SimpleNamespace(cuda={cuda or None!r})
cuda = SimpleNamespace(is_available=lambda: {bool(cuda)})
backends = SimpleNamespace(mps=SimpleNamespace(is_available=lambda: False))
"""
    return make_library(folder, "torch", version, {"torch/__init__.py": source})


def make_library(folder: Path, name: str, version: str, files: dict[str, bytes | str], requires: str = "") -> Path:
    """A wheel of these files."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    about = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nProvides-Extra: neural\n"
    metadata += f"Requires-Dist: {requires}\n" if requires else ""
    members = {
        **files,
        f"{about}/METADATA": metadata,
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in [*members, f"{about}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**members, f"{about}/RECORD": record}.items():
            archive.writestr(name, content)
    return path


@contextmanager
def silent_index() -> Iterator[tuple[str, threading.Event]]:
    """A package index that takes requests and never answers; its URL, and an event that the first request sets."""
    asked, closing = threading.Event(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.set()
            closing.wait(60)
            self.close_connection = True

        def log_message(self, form: str, *arguments: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/simple", asked
    finally:
        closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def make_clone(folder: Path) -> Path:
    """A repository of the files that the extension needs, as they are in the working tree now."""
    wanted = [*build_addon.PACKAGES, *build_addon.BESIDE_PACKAGES]
    listing = _git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *wanted)
    for name in listing.split("\0")[:-1]:
        if (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)
    _git(folder, "init", "--quiet")
    _git(folder, "add", "--all")
    return folder


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout
