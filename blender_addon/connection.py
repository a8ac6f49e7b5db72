# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the server is: an address from Preferences, or the `server.json` that a server on this machine writes."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from .documents import DocumentInvalid, parse
from .errors import AddressInvalid, OnlineAccessOff, ServerNotInstalled, ServerNotRunning
from .phrases import phrase

DEFAULT_PORT = 47110
HANDSHAKE_NAME = "server.json"
# What the server writes has four short lines.
_LARGEST_HANDSHAKE_BYTES = 16_384
# Addresses to listen on that are none to connect to, on Windows.
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}


@dataclass(frozen=True)
class Connection:
    """What Preferences say. mode: "managed": the server that this add-on installs and starts; "address": `address`,
    with `token` where one is entered. home: the server's data folder. is_installed: whether this add-on has installed
    a server; it only chooses the words where none runs.
    """

    mode: Literal["managed", "address"]
    address: str
    token: str
    home: Path
    online_access: bool
    our_version: str
    is_installed: bool = True


@dataclass(frozen=True)
class Endpoint:
    """A server to ask. url: with scheme and port, no slash at its end. identity: the same for the same server, also
    after it moved to another port.
    """

    url: str
    token: str
    identity: str


@dataclass(frozen=True)
class Handshake:
    """What a running server wrote."""

    url: str
    token: str
    pid: int
    version: str


def find_endpoint(connection: Connection) -> Endpoint:
    """The server to ask. It reads one small file. Raises AddressInvalid, OnlineAccessOff, ServerNotInstalled,
    ServerNotRunning.
    """
    handshake = read_handshake(connection.home)
    of_home = f"home:{connection.home}"
    if connection.mode == "managed":
        if handshake is None:
            raise ServerNotRunning() if connection.is_installed else ServerNotInstalled()
        endpoint = Endpoint(normalise_address(handshake.url), handshake.token, of_home)
    else:
        url = normalise_address(connection.address)
        if connection.token or not is_loopback(url):
            endpoint = Endpoint(url, connection.token, url)
        elif handshake is None:
            raise ServerNotRunning(url)
        else:
            endpoint = Endpoint(url, handshake.token, of_home)
    if not (connection.online_access or is_loopback(endpoint.url)):
        raise OnlineAccessOff(endpoint.url)
    return endpoint


def read_handshake(home: Path) -> Handshake | None:
    """None where no server wrote one, or it cannot be read."""
    try:
        with (home / HANDSHAKE_NAME).open("rb") as stream:
            return parse(Handshake, json.loads(stream.read(_LARGEST_HANDSHAKE_BYTES)))
    except (OSError, ValueError, RecursionError, DocumentInvalid):
        return None


def normalise_address(text: str) -> str:
    """The address as a URL with scheme and port and without a path, from any way to write it. Raises AddressInvalid."""
    bare = text.strip()
    if not bare:
        raise AddressInvalid(text, "it is empty")
    if re.search(r"[\s\\\x00-\x1f\x7f]", bare):
        raise AddressInvalid(text, "it has spaces or signs that no address has")
    if "@" in bare:
        raise AddressInvalid(text, "only a machine and a port belong there, no name and no password")
    has_scheme = "://" in bare
    try:
        parts = urlsplit(bare if has_scheme else f"//{bare}", scheme="http")
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise AddressInvalid(text, str(error)) from error
    if parts.scheme not in ("http", "https"):
        raise AddressInvalid(text, phrase("{scheme} is not http or https", scheme=parts.scheme))
    if parts.query or parts.fragment or parts.path.strip("/") not in ("", "v1"):
        raise AddressInvalid(text, "only a machine and a port belong there")
    if port is None and parts.scheme == "http":
        port = DEFAULT_PORT
    if port == 0:
        raise AddressInvalid(text, "0 is no port")
    shown = _ANY_ADDRESS.get(_shown_host(text, host), _shown_host(text, host))
    return f"{parts.scheme}://{shown}" + (f":{port}" if port else "")


def is_loopback(url: str) -> bool:
    """Whether this normalised address is this machine's own."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_exposed(address: str) -> bool:
    """Whether what is sent to this address, the token included, can be read on its way."""
    try:
        url = normalise_address(address)
    except AddressInvalid:
        return False
    return url.startswith("http://") and not is_loopback(url)


def default_home() -> Path:
    """The server's data folder where nothing else is set: FIGURINE_HOME, or the system's place for data."""
    chosen = os.environ.get("FIGURINE_HOME")
    if chosen:
        return expanded_folder(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "figurine"
    data = os.environ.get("XDG_DATA_HOME", "")
    usual = "Library/Application Support" if sys.platform == "darwin" else ".local/share"
    return (Path(data) if os.path.isabs(data) else Path.home() / usual) / "figurine"


def expanded_folder(text: str) -> Path:
    """The absolute folder, with variables and ~ replaced by what they stand for."""
    return Path(os.path.expanduser(os.path.expandvars(text))).absolute()


def compatible(server_version: str, our_version: str) -> bool:
    """Whether major and minor version are the same."""
    return server_version.split(".")[:2] == our_version.split(".")[:2]


def _shown_host(text: str, host: str) -> str:
    """The host as a URL writes it."""
    if ":" in host:
        try:
            return f"[{ipaddress.IPv6Address(host)}]"
        except ValueError as error:
            raise AddressInvalid(text, str(error)) from error
    if not re.fullmatch(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?", host):
        raise AddressInvalid(text, phrase("{host!r} is no name of a machine", host=host))
    if re.fullmatch(r"[0-9.]+", host):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError as error:
            raise AddressInvalid(text, str(error)) from error
    return host
