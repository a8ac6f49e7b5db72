# SPDX-License-Identifier: GPL-3.0-or-later
"""What an installation's output means for an artist: the cause in one sentence, and what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import DiskFull, FigurineError, InstallFailed
from ..phrases import phrase

INSTALL_AGAIN = "click Install Server again"
_DISK_FULL = re.compile(
    r"No space left on device|\[Errno 28\]|WinError 112|Disk quota exceeded|not enough space on the"
)
_NO_WHEEL = re.compile(r"No matching distribution found for (\S+)")


@dataclass(frozen=True)
class _Cause:
    """pattern: in the output. message: may name groups of the pattern."""

    pattern: re.Pattern[str]
    message: str
    hint: str


# The first that is found counts: a broken connection is followed by "no matching distribution".
_CAUSES = (
    _Cause(
        re.compile(r"CERTIFICATE_VERIFY_FAILED|SSLError|SSLCertVerificationError"),
        "The downloads were refused: the connection's certificate is not trusted on this machine.",
        "A company's proxy or an antivirus program may stand in between: ask who runs it for its certificate, set the "
        "variable PIP_CERT to it, then click Install Server again.",
    ),
    _Cause(
        re.compile(r"ProxyError|Tunnel connection failed|407 Proxy"),
        "The proxy of this network does not let the downloads through.",
        "Set the variable HTTPS_PROXY to the proxy's address, with name and password where it needs them, then click "
        "Install Server again.",
    ),
    _Cause(
        re.compile(r"(?P<why>connection broken by|Max retries exceeded)[^\n]*/whl/c"),
        "PyTorch's own address, download.pytorch.org, was not reached.",
        "Check the connection, and whether this network lets you through to it, then click Install Server again.",
    ),
    _Cause(
        re.compile(
            r"connection broken by|Max retries exceeded|ReadTimeout|ConnectTimeout|NewConnectionError|IncompleteRead"
            r"|ProtocolError|Connection aborted|HTTP error 5\d\d"
        ),
        "The downloads did not arrive: there is no connection to the internet, or it broke off.",
        "Check the connection, then click Install Server again. What has arrived is not downloaded twice.",
    ),
    _Cause(
        re.compile(r"DO NOT MATCH THE HASHES|BadZipFile|has a corrupt|is not a zip file|invalid wheel|is invalid"),
        "A download arrived damaged.",
        "Check the connection, then click Install Server again.",
    ),
    _Cause(
        re.compile(r"requires a different Python: (?P<version>\S+)"),
        "This version of the server does not run under Python {version}, which this Blender brings.",
        "Use a Blender from 4.2 to 5.2, or the Figurine that belongs to this one.",
    ),
    _Cause(
        re.compile(r"WinError 32|being used by another process"),
        "Another program holds a file of the installation; often it is an antivirus program that looks at it.",
        "Wait a minute, then click Install Server again.",
    ),
    _Cause(
        re.compile(r"DLL load failed|WinError (?:126|127|1114)\b"),
        "A library cannot be loaded: mostly Microsoft's Visual C++ runtime is missing or too old.",
        "Install it from https://aka.ms/vs/17/release/vc_redist.x64.exe, then click Install Server again.",
    ),
    _Cause(
        re.compile(r"version `(?P<library>GLIBC(?:XX)?_[\d.]+)' not found"),
        "This Linux is too old for a library: it lacks {library}.",
        "Use a Linux from 2019 or later, or run the server on another machine.",
    ),
    _Cause(
        re.compile(r"ImportError: (?P<library>\S+\.so[\w.]*): cannot open shared object file"),
        "A library of the system is missing: {library}.",
        "Install it with the system's package manager, then click Install Server again. Where it is one of NVIDIA's, "
        "choose CPU as the processor.",
    ),
    _Cause(
        re.compile(r"ended with code (?P<code>-4|3221225501)\b"),
        "This computer's processor lacks instructions that a library needs.",
        "Run the server on another machine, and enter its address in Preferences.",
    ),
    _Cause(
        re.compile(r"No matching distribution found for (?P<package>torch)\b"),
        "There is no ready-made PyTorch for this computer: there is none for Macs with Intel's processors, for Linux "
        "before 2019, and for some versions of Python.",
        "Install the server without the neural engine, or run it on another machine.",
    ),
    _Cause(
        re.compile(r"Long Path support|WinError 206|File name too long"),
        "The paths of the installation are longer than this system allows.",
        "Choose a folder with a shorter path for the server in Preferences, then click Install Server again.",
    ),
    _Cause(
        re.compile(r"PermissionError|Permission denied|WinError 5\b|Read-only file system"),
        "Blender may not write the files of the installation.",
        "Look whether an antivirus program or the folder's rights forbid it, then click Install Server again.",
    ),
)


def explain_failure(step: str, output: tuple[str, ...], folder: Path, system: str) -> FigurineError:
    """The error for a step whose program failed with this output. system: as the artist would name it."""
    text = "\n".join(output)
    if _DISK_FULL.search(text):
        return DiskFull(str(folder), INSTALL_AGAIN)
    for cause in _CAUSES:
        found = cause.pattern.search(text)
        if found:
            return InstallFailed(phrase(cause.message, **found.groupdict()), cause.hint, text)
    found = _NO_WHEEL.search(text)
    if found:
        return InstallFailed(
            phrase("There is no ready-made {package} for {system}.", package=found[1], system=system),
            "Run the server on another machine, and enter its address in Preferences.",
            text,
        )
    return InstallFailed(
        phrase("{step} failed: {why}", step=phrase(step), why=_last_sentence(output)),
        "Click Install Server again. If it fails again, Copy Diagnostics says all that is known.",
        text,
    )


def _last_sentence(output: tuple[str, ...]) -> str:
    """The last line that pip marks as an error, or else the last line that says anything."""
    said = [line.strip() for line in output if line.strip()]
    marked = [line.removeprefix("ERROR:").strip() for line in said if line.startswith("ERROR:")]
    return (marked or said or ["it said nothing"])[-1]
