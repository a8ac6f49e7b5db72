# SPDX-License-Identifier: GPL-3.0-or-later
"""figurine serve: the HTTP process, a supervisor thread in it, and one worker child."""

from __future__ import annotations

import argparse
import errno
import ipaddress
import json
import logging
import os
import secrets
import signal
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

import filelock
import requests

from inference_server import __version__
from inference_server.app import Services, create_app
from inference_server.config import SECRETS, Config, Origins, load_config, make_home
from inference_server.core.lifeline import end_with_parent
from inference_server.errors import ServerRunning, SettingInvalid, typed_system_errors
from inference_server.http_server import build_http_server
from inference_server.jobs.folder import JobFolders
from inference_server.jobs.handshake import Handshake, read_handshake, remove_handshake, write_handshake
from inference_server.jobs.queue import TableQueue
from inference_server.jobs.store import JobStore
from inference_server.jobs.supervisor import Supervisor
from inference_server.logs import configure_logging
from inference_server.readiness import Readiness
from inference_server.weights_downloads import Downloads

_LOCK_NAME = "server.lock"
_PORTS_TRIED = 20
_PORT_LIMIT = 65536
_ASK_TIMEOUT_S = 1.0
_OTHERS = stat.S_IRWXG | stat.S_IRWXO

log = logging.getLogger("figurine.server")


def run_serve(options: argparse.Namespace) -> int:
    """Serve until told to stop. Raises ServerRunning, SettingInvalid, OutputUnwritable, DiskFull."""
    flags = {name: getattr(options, name) for name in ("host", "port") if getattr(options, name) is not None}
    origins = load_config(flags=flags)
    if options.print_config:
        _print_config(origins)
        return 0
    config = origins.config
    _require_token_beyond_loopback(config)
    with typed_system_errors(str(config.home)):
        make_home(config)
        with _only_server(config):
            _serve(config, with_worker=not options.no_worker, end_with_stdin=options.end_with_stdin)
    return 0


def _serve(config: Config, *, with_worker: bool, end_with_stdin: bool) -> None:
    configure_logging(config, "server")
    _warn_of_readers(config)
    listener = _listen(config)
    address, port = listener.getsockname()[:2]
    config = replace(config, port=port)
    token = config.token or secrets.token_urlsafe(32)
    store, folders = JobStore(config.database), JobFolders(config.jobs_root)
    supervisor = Supervisor(config, store, folders, with_worker=with_worker)
    downloads = Downloads(config.home, config.weights_root)
    readiness = Readiness(config)
    application = create_app(
        Services(config, store, folders, TableQueue(store), token, __version__, supervisor, downloads, readiness)
    )
    server = build_http_server(application, listener, config.max_upload_mib << 20)
    url = _url(address, port)
    supervisor.start()
    readiness.start()
    try:
        write_handshake(config.home, Handshake(url, token, os.getpid(), __version__))
        if end_with_stdin:
            end_with_parent(lambda: os.kill(os.getpid(), signal.SIGTERM))
        print(f"Figurine {__version__} serves on {url} (data in {config.home})", flush=True)
        log.info("serving on %s", url)
        server.run()
    except KeyboardInterrupt:  # before waitress listens for it itself
        log.info("told to stop")
    finally:
        remove_handshake(config.home, os.getpid())
        server.close()
        downloads.stop()
        readiness.stop()
        supervisor.stop()
        store.close()
        log.info("stopped")


@contextmanager
def _only_server(config: Config) -> Iterator[None]:
    """Hold the data folder's lock. Raises ServerRunning where another server has it."""
    try:
        with filelock.FileLock(config.home / _LOCK_NAME, timeout=0):
            yield
    except filelock.Timeout as error:
        running = read_handshake(config.home)
        where = f" at {running.url}" if running else ""
        raise ServerRunning(
            f"A Figurine server already runs on {config.home}{where}.",
            "Use that one, stop it first, or set FIGURINE_HOME to another folder.",
        ) from error


def _require_token_beyond_loopback(config: Config) -> None:
    if not _is_loopback(config.host) and config.token is None:
        raise SettingInvalid(
            f"The server would listen on {config.host}, which other machines can reach, without a token of yours.",
            "Set FIGURINE_TOKEN to a secret of 24 characters or more, or listen on 127.0.0.1.",
        )


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(config: Config) -> socket.socket:
    """A listening socket on the port, or on the next free one where another program has it.

    Raises ServerRunning where a Figurine server has it, SettingInvalid where the host is not an address of this
    machine.
    """
    tried = range(config.port, min(_PORT_LIMIT, config.port + _PORTS_TRIED))
    for port in tried:
        try:
            family = socket.getaddrinfo(config.host, port, type=socket.SOCK_STREAM)[0][0]
            listener = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            raise SettingInvalid(f"{config.host} is no address of this machine: {error}.", "Use 127.0.0.1.") from error
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((config.host, port))
            listener.listen(128)
            return listener
        except OSError as error:
            listener.close()
            if error.errno != errno.EADDRINUSE:
                raise SettingInvalid(
                    f"The server cannot listen on {config.host}, port {port}: {error.strerror}.",
                    "Choose --host 127.0.0.1 and a --port from 1024 on.",
                ) from error
            if _is_figurine(config.host, port):
                raise ServerRunning(
                    f"Another Figurine server, with another data folder, already serves on port {port}.",
                    "Use that one, or choose a port with --port.",
                ) from None
    raise ServerRunning(f"Ports {tried[0]} to {tried[-1]} are all taken.", "Choose a free one with --port.")


def _warn_of_readers(config: Config) -> None:
    """Say it where others may look into the data folder. It may be meant, so nothing is changed."""
    found = config.home.stat()
    if os.name == "posix" and found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) & _OTHERS:
        log.warning("other users of this machine may look into %s; chmod 700 forbids it", config.home)


def _url(address: str, port: int) -> str:
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def _is_figurine(host: str, port: int) -> bool:
    """Whether what listens there answers as a Figurine server."""
    session = requests.Session()
    session.trust_env = False
    try:
        answer = session.get(f"{_url(host, port)}/v1/health", timeout=_ASK_TIMEOUT_S).json()
    except (requests.RequestException, ValueError):
        return False
    return isinstance(answer, dict) and answer.get("service") == "figurine"


def _print_config(origins: Origins) -> None:
    for field in fields(origins.config):
        value: Any = getattr(origins.config, field.name)
        shown = "••••" if field.name in SECRETS and value else json.dumps(value, default=str)
        print(f"{field.name} = {shown}  # {origins.sources[field.name]}")
