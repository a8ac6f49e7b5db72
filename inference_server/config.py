# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration: defaults < config.toml < FIGURINE_* environment < flags. docs/configuration.md describes every key."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

import platformdirs

from inference_server.core.choices import EnginePolicy
from inference_server.errors import SettingInvalid

_ENVIRONMENT_PREFIX = "FIGURINE_"
CONFIG_NAME = "config.toml"
LogFormat = Literal["human", "json"]
# As long as 96 random bits in hexadecimal.
_SHORTEST_TOKEN = 24
SECRETS = ("token", "gemini_key")
# By the ids of models/manifest.toml; the first is the default.
LOCAL_EDITORS = ("flux2-klein-4b", "qwen-image-edit-2511")
# Long enough that masking it in a text hits nothing else; of characters that no format escapes.
_KEY = re.compile(r"[A-Za-z0-9._-]{16,}")
_MODEL_NAME = re.compile(r"(models/)?[A-Za-z0-9][A-Za-z0-9._-]*")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Config:
    """home: the data folder (stage cache, work files). blender: the Blender program to use instead of the bpy module.
    engine: the policy where a job names none. cache_mib: room for kept stage results. max_megapixels: larger
    pictures are refused by their header.

    The server: host, port: where it listens. token: the bearer token, None for a random one; a host that is not
    loopback needs one. max_upload_mib: larger requests are refused. max_queued: so many jobs may wait. keep_days,
    keep_gib: jobs that ended longer ago, or take more together, are deleted, oldest first.

    hosted_editor: whether pictures may be sent to the hosted editor; hosted_model, hosted_url: which and where;
    gemini_key: the key for it. local_editor: weights of the editor on this machine. compile_networks: whether networks
    go through torch.compile where they can. networks_on_cpu: whether the CPU will do for those that want a GPU.
    """

    home: Path
    blender: Path | None
    engine: EnginePolicy
    cache_mib: int
    max_megapixels: float
    host: str
    port: int
    token: str | None = field(repr=False)
    max_upload_mib: int
    max_queued: int
    keep_days: int
    keep_gib: int
    log_format: LogFormat
    compile_networks: bool
    networks_on_cpu: bool
    local_editor: str
    hosted_editor: bool
    hosted_model: str
    hosted_url: str
    gemini_key: str | None = field(repr=False)

    @property
    def jobs_root(self) -> Path:
        """Where the files of jobs lie."""
        return self.home / "jobs"

    @property
    def database(self) -> Path:
        """The jobs table."""
        return self.home / "jobs.sqlite"

    @property
    def cache_root(self) -> Path:
        """Where stage results are kept."""
        return self.home / "cache"

    @property
    def weights_root(self) -> Path:
        """Where the networks' weights lie."""
        return self.home / "weights"

    @property
    def workers_root(self) -> Path:
        """Where each running worker holds a lock."""
        return self.home / "workers"

    @property
    def work_root(self) -> Path:
        """Where work files of running jobs lie."""
        return self.home / "work"


@dataclass(frozen=True)
class Origins:
    """Where each value of a configuration came from, by key."""

    config: Config
    sources: Mapping[str, str]


def load_config(environment: Mapping[str, str] | None = None, flags: Mapping[str, Any] | None = None) -> Origins:
    """The configuration and the origin of each value.

    The file is `config.toml` in the data folder. Raises SettingInvalid for an unknown key or an unusable value.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = dict(_DEFAULTS)
    sources = dict.fromkeys(values, "default")
    overrides = _from_environment(environment)
    home = _parse("home", overrides.get("home", values["home"]), "FIGURINE_HOME")
    file = home / CONFIG_NAME
    for source, layer in ((str(file), _from_file(file)), ("environment", overrides), ("flag", dict(flags or {}))):
        for key, raw in layer.items():
            values[key] = _parse(key, raw, source)
            sources[key] = source
    return Origins(Config(**values), sources)


def make_home(config: Config) -> None:
    """Make the data folder, for its owner alone; one that exists keeps its mode, which may be meant. Raises OSError."""
    config.home.mkdir(mode=0o700, parents=True, exist_ok=True)


def _from_file(path: Path) -> dict[str, Any]:
    try:
        layer = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingInvalid(f"{path} cannot be read: {error}.", "Correct or remove the file.") from error
    _reject_unknown(layer, str(path))
    if "home" in layer:
        raise SettingInvalid(f"{path} sets home, the folder that it lies in.", "Set FIGURINE_HOME instead.")
    return layer


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    layer = {
        name.removeprefix(_ENVIRONMENT_PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(_ENVIRONMENT_PREFIX)
    }
    _reject_unknown(layer, "the environment", _ENVIRONMENT_PREFIX)
    return layer


def _reject_unknown(layer: Mapping[str, Any], source: str, prefix: str = "") -> None:
    known = [field.name for field in fields(Config)]
    for key in layer:
        if key not in known:
            shown = f"{prefix}{key.upper()}" if prefix else key
            raise SettingInvalid(f"{source} has an unknown setting, {shown}.", f"Known settings: {', '.join(known)}.")


def _parse(key: str, raw: Any, source: str) -> Any:
    try:
        return _PARSERS[key](raw)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:  # RuntimeError: ~stranger has no home
        shown = "…" if key in SECRETS else repr(raw)
        what = f"--{key} {shown}" if source == "flag" else f"{source}: {key} = {shown}"
        raise SettingInvalid(f"{what} cannot be used ({error}).", "See docs/configuration.md.") from error


def _path(raw: Any) -> Path:
    if not (raw and isinstance(raw, str | Path)):
        raise ValueError("a path is needed")
    return Path(os.path.expandvars(str(raw))).expanduser().absolute()


def _choice(choices: tuple[str, ...]) -> Callable[[Any], str]:
    def parse(raw: Any) -> str:
        if raw not in choices:
            raise ValueError(f"one of {', '.join(choices)} is needed")
        return str(raw)

    return parse


def _host(raw: Any) -> str:
    if not (isinstance(raw, str) and raw.strip()):
        raise ValueError("an address is needed")
    return raw.strip()


def _token(raw: Any) -> str | None:
    if raw is None or raw == "":
        return None
    if not (isinstance(raw, str) and len(raw) >= _SHORTEST_TOKEN and raw.isascii() and raw.isprintable()):
        raise ValueError(f"{_SHORTEST_TOKEN} or more printable ASCII characters are needed")
    return raw


def _key(raw: Any) -> str | None:
    if raw is None or raw == "":
        return None
    if not (isinstance(raw, str) and _KEY.fullmatch(raw)):
        raise ValueError("16 or more letters, digits, dots, dashes and underscores are needed")
    return raw


def _switch(raw: Any) -> bool:
    named = {"true": True, "1": True, "false": False, "0": False}
    if isinstance(raw, bool):
        return raw
    if not (isinstance(raw, str) and raw.lower() in named):
        raise ValueError("true or false is needed")
    return named[raw.lower()]


def _model(raw: Any) -> str:
    if not (isinstance(raw, str) and _MODEL_NAME.fullmatch(raw)):
        raise ValueError("the name of a model is needed, as in the provider's list")
    return raw


def _url(raw: Any) -> str:
    """An address to which a secret may be sent: encrypted, or on this machine."""
    parts = urlsplit(raw) if isinstance(raw, str) else urlsplit("")
    is_private = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if not (is_private and parts.hostname) or parts.port == 0 or parts.username or parts.query or parts.fragment:
        raise ValueError("an https:// address is needed, or an http:// one of this machine")
    return str(raw).rstrip("/")


def _between(kind: type[int] | type[float], low: float, high: float) -> Callable[[Any], float]:
    def parse(raw: Any) -> float:
        value = kind(raw)
        if not low <= value <= high:
            raise ValueError(f"{low:g} to {high:g} is allowed")
        return value

    return parse


_DEFAULTS: dict[str, Any] = {
    "home": platformdirs.user_data_path("figurine", appauthor=False),
    "blender": None,
    "engine": "auto",
    "cache_mib": 4096,
    "max_megapixels": 64.0,
    "host": "127.0.0.1",
    "port": 47110,
    "token": None,
    "max_upload_mib": 256,
    "max_queued": 100,
    "keep_days": 30,
    "keep_gib": 20,
    "log_format": "human",
    "compile_networks": False,
    "networks_on_cpu": False,
    "local_editor": LOCAL_EDITORS[0],
    "hosted_editor": False,
    "hosted_model": "gemini-nano-banana-2.1",
    "hosted_url": "https://generativelanguage.googleapis.com",
    "gemini_key": None,
}
_PARSERS: dict[str, Callable[[Any], Any]] = {
    "home": _path,
    "blender": lambda raw: _path(raw) if raw else None,
    "engine": _choice(get_args(EnginePolicy)),
    "cache_mib": _between(int, 64, 10_000_000),
    "max_megapixels": _between(float, 0.01, 64),
    "host": _host,
    "port": _between(int, 0, 65535),
    "token": _token,
    "max_upload_mib": _between(int, 1, 4096),
    "max_queued": _between(int, 1, 100_000),
    "keep_days": _between(int, 1, 36_500),
    "keep_gib": _between(int, 1, 100_000),
    "log_format": _choice(get_args(LogFormat)),
    "compile_networks": _switch,
    "networks_on_cpu": _switch,
    "local_editor": _choice(LOCAL_EDITORS),
    "hosted_editor": _switch,
    "hosted_model": _model,
    "hosted_url": _url,
    "gemini_key": _key,
}
