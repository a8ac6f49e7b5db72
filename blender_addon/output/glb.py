# SPDX-License-Identifier: GPL-3.0-or-later
"""Binary glTF: its JSON, taken out and put back. Source: Khronos' glTF 2.0 specification, section 4."""

from __future__ import annotations

import json
import struct
from typing import Any

_MAGIC, _VERSION = b"glTF", 2
_HEAD, _CHUNK = struct.Struct("<4sII"), struct.Struct("<I4s")
_JSON = b"JSON"
_ALIGNMENT_bytes = 4


def split_glb(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The document, and what follows its chunk, as it is. content: a whole file of version 2."""
    length, _ = _CHUNK.unpack_from(content, _HEAD.size)
    start = _HEAD.size + _CHUNK.size
    document: dict[str, Any] = json.loads(content[start : start + length])
    return document, content[start + length :]


def join_glb(document: dict[str, Any], rest: bytes) -> bytes:
    """A whole file again."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT_bytes)
    length = _HEAD.size + _CHUNK.size + len(text) + len(rest)
    return _HEAD.pack(_MAGIC, _VERSION, length) + _CHUNK.pack(len(text), _JSON) + text + rest
