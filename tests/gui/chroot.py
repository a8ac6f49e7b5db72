# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds a Blender that can open a window without a screen: the machine's own, or one in a cached Debian chroot.

BLENDER=/path/to/blender in the environment: that one, on this system, which must have Xvfb. Otherwise, as root, Debian
sid with Blender in ~/.cache/figurine/sid, built once (about two minutes, 1.8 GB) and used again. Otherwise Unavailable
says why not. Standard library only.

The chroot lives in mount and process namespaces of its own: what is mounted and started in there is gone when the
process that opened it is, however that ended, so the folder may be removed at any time when nobody holds its lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

_SUITE = "sid"
# python3-numpy and python3-requests: official builds bring them. python3-cattr: Blender's own extension add-on wants
# it. python3-venv: the server's environment is made by the Python that Blender runs on.
_PACKAGES = (
    "blender xvfb libgl1-mesa-dri libegl1 libegl-mesa0 libglx-mesa0 xauth xkb-data fonts-dejavu-core "
    "python3-numpy python3-requests python3-cattr python3-venv ca-certificates"
).split()
_BUILD_TIMEOUT_S = 1200
_STAMP = "figurine-recipe"
# What tells pip and its kin where to go; passed on as it is.
_PASSED_ON = re.compile(r"PIP_.*|(https?|no|all)_proxy|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE", re.I)
_USER_PIP_CONF = "/etc/figurine-user-pip.conf"
_USER_PIP_CONFS = (Path.home() / ".pip/pip.conf", Path.home() / ".config/pip/pip.conf")  # the later one wins
# Where other machines' names are found.
_NAMES = {path: path for path in (Path("/etc/resolv.conf"), Path("/etc/hosts"))}


class Unavailable(Exception):
    """No Blender for the window tier; the message says why and what would help."""


@dataclass(frozen=True)
class Place:
    """Where Blender runs. Paths under the folders that were given to `open_place` are the same inside and outside."""

    blender: str
    prefix: tuple[str, ...]
    environment: Mapping[str, str]

    def start(self, command: list[str], environment: Mapping[str, str], **options: object) -> subprocess.Popen[bytes]:
        """A process in the place, with its environment and this one's additions."""
        return subprocess.Popen([*self.prefix, *command], env={**self.environment, **environment}, **options)

    def processes(self) -> dict[int, str]:
        """Command lines of all that runs in the place, by its process id there."""
        script = 'for p in /proc/[0-9]*; do echo "${p#/proc/} $(tr "\\0" " " <$p/cmdline 2>/dev/null)"; done'
        listing = subprocess.run([*self.prefix, "sh", "-c", script], capture_output=True, text=True, check=True)
        lines = (line.split(" ", 1) for line in listing.stdout.splitlines())
        return {int(pid): command.strip() for pid, command in lines if command.strip()}


@contextlib.contextmanager
def open_place(*folders: Path) -> Iterator[Place]:
    """Blender's place, with `folders` (absolute, existing) in it, until the block ends. Raises Unavailable."""
    blender = os.environ.get("BLENDER")
    if blender:
        if not shutil.which(blender):
            raise Unavailable(f"BLENDER={blender} is no program")
        if not shutil.which("Xvfb"):
            raise Unavailable("Xvfb is missing: sudo apt-get install -y xvfb")
        yield Place(str(shutil.which(blender)), (), dict(os.environ))
        return
    _check_means()
    cache = Path.home() / ".cache" / "figurine"
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / f"{_SUITE}.lock") as lock:
        root = _build_unless_there(cache / _SUITE, lock)
        with _namespace(root, _NAMES | _pip_files() | {folder: folder for folder in folders}) as prefix:
            yield Place("/usr/bin/blender", prefix, _environment())


def _check_means() -> None:
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        raise Unavailable("BLENDER is not set, and only root can make a Debian chroot for one")
    if shutil.which("debootstrap") is None and os.environ.get("CI") == "true" and shutil.which("apt-get"):
        for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "debootstrap"]):
            environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
            subprocess.run(["apt-get", *words], env=environment, stdout=subprocess.DEVNULL, check=False)
    for program, package in (("debootstrap", "debootstrap"), ("unshare", "util-linux"), ("nsenter", "util-linux")):
        if shutil.which(program) is None:
            raise Unavailable(f"BLENDER is not set and {program} is missing: sudo apt-get install -y {package}")
    probe = subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, text=True)
    if probe.returncode != 0:
        raise Unavailable(f"this machine allows no mount namespaces: {probe.stderr.strip()}")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Hold the file's lock: alone while building (see `_build_unless_there`), with others while using."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def _build_unless_there(root: Path, lock: int) -> Path:
    """Make `root` whole, then share its lock. A build that was cut short left no stamp and starts anew."""
    mirror = _mirror()
    recipe = hashlib.sha256(" ".join([_SUITE, *_PACKAGES]).encode()).hexdigest()
    stamp = root / _STAMP
    if not stamp.is_file() or stamp.read_text() != recipe:
        print(f"Building a Debian {_SUITE} chroot with Blender in {root}; this takes some minutes …", flush=True)
        shutil.rmtree(root, ignore_errors=True)
        log = root.with_suffix(".log")
        try:
            _build(root, mirror, log)
        except (subprocess.SubprocessError, OSError) as error:
            shutil.rmtree(root, ignore_errors=True)
            raise Unavailable(f"the Debian chroot could not be built ({error}); the log is {log}") from error
        stamp.write_text(recipe)
    fcntl.flock(lock, fcntl.LOCK_SH)
    return root


def _build(root: Path, mirror: list[str], log: Path) -> None:
    """Debian's base and the packages, into an empty `root`."""
    root.mkdir(parents=True)
    script = "apt-get update -q && apt-get install -y -q --no-install-recommends " + " ".join(_PACKAGES)
    with log.open("wb") as output:
        said = {"stdout": output, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL, "check": True}
        bootstrap = ["debootstrap", "--variant=minbase", _SUITE, str(root), *mirror]
        subprocess.run(["unshare", "--mount", *bootstrap], timeout=_BUILD_TIMEOUT_S, **said)
        # A mirror that lags has an index past its date; its signature is checked all the same.
        (root / "etc/apt/apt.conf.d/99lagging").write_text('Acquire::Check-Valid-Until "false";\n')
        _link(root / "etc/mtab", "/proc/mounts")
        with _namespace(root, _NAMES) as prefix:
            environment = _environment() | {"DEBIAN_FRONTEND": "noninteractive"}
            subprocess.run([*prefix, "sh", "-c", script], env=environment, timeout=_BUILD_TIMEOUT_S, **said)


def _link(path: Path, target: str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def _mirror() -> list[str]:
    """The mirror that this machine's own Debian uses; empty for debootstrap's own choice."""
    release = Path("/etc/os-release")
    if not release.is_file() or not re.search(r'^ID="?debian"?$', release.read_text(), re.M):
        return []
    for path in [*sorted(Path("/etc/apt/sources.list.d").glob("debian.*")), Path("/etc/apt/sources.list")]:
        text = path.read_text() if path.is_file() else ""
        found = re.search(r"^URIs:\s*(\S+)", text, re.M) or re.search(r"^deb\s+(?:\[.*?\]\s+)?(\S+)", text, re.M)
        if found:
            return [found[1]]
    return []


@contextlib.contextmanager
def _namespace(root: Path, binds: Mapping[Path, Path]) -> Iterator[tuple[str, ...]]:
    """Namespaces in which `root` is mounted, and in it what `binds` names (here → there).

    Yields the words that run a command in there.
    """
    script = (
        _mount_script(root, binds) + "echo ready\nexec cat\n"
    )  # ends, and all in there with it, when this process does
    holder = subprocess.Popen(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation=private", "sh", "-ec", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None and holder.stdout is not None and holder.stderr is not None
    try:
        if holder.stdout.readline() != "ready\n":
            raise Unavailable(f"the chroot cannot be mounted: {holder.stderr.read().strip()}")
        first = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()[0]
        yield ("nsenter", "--target", first, "--mount", "--pid", "chroot", str(root))
    finally:
        holder.kill()
        holder.wait()
        for stream in (holder.stdin, holder.stdout, holder.stderr):
            stream.close()


def _mount_script(root: Path, binds: Mapping[Path, Path]) -> str:
    """Shell lines that mount what programs expect, and `binds`."""
    lines = [
        f"mount -t proc proc '{root}/proc'",
        f"mount --rbind /dev '{root}/dev'",
        f"mount -t tmpfs tmpfs '{root}/dev/shm'",
        f"mount --rbind /sys '{root}/sys'",
        f"mount -t tmpfs tmpfs '{root}/tmp'",
    ]
    for source, target in binds.items():
        inside = f"{root}{target}"
        make = f"mkdir -p '{inside}'" if source.is_dir() else f"mkdir -p '{Path(inside).parent}'; touch '{inside}'"
        lines += [make, f"mount --bind '{source.resolve()}' '{inside}'"]
    return "\n".join(lines) + "\n"


def _pip_files() -> dict[Path, Path]:
    """Files and folders of this machine from which pip learns where packages are and whom to trust: here → there."""
    binds = {path: path for path in [Path("/etc/pip.conf")] if path.is_file()}
    texts = [value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)]
    for path in _USER_PIP_CONFS:
        if path.is_file():
            binds[path] = Path(_USER_PIP_CONF)
    texts += [path.read_text() for path in binds]
    for word in " ".join(texts).split():
        address = urlsplit(word)
        # The pages of an index name files beside it.
        path = Path(unquote(address.path)).parent if address.scheme == "file" else Path(word)
        if path.is_absolute() and path != Path("/") and path.exists():
            binds[path] = path
    return binds


def _environment() -> dict[str, str]:
    """What programs in the chroot are told about this machine."""
    environment = {name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)}
    if any(path.is_file() for path in _USER_PIP_CONFS):
        environment.setdefault("PIP_CONFIG_FILE", _USER_PIP_CONF)
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {**environment, "PATH": path, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
