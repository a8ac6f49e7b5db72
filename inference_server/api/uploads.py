# SPDX-License-Identifier: GPL-3.0-or-later
"""The multipart form that makes a job. Files are stored as they come and never decoded here: a damaged or malicious
one meets the worker, which may die of it. Only the first bytes of a picture are looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import IO, Any

from flask import Request, request
from werkzeug.datastructures import FileStorage

from inference_server.config import Config
from inference_server.core.chains import MESH_SUFFIXES, PICTURE_FORMATS, InputKind
from inference_server.core.settings import JobSettings, safe_name, settings_from_document
from inference_server.errors import ImageUnreadable, MeshInvalid, RequestInvalid, UnsupportedMedia
from inference_server.jobs.folder import MASK

_FILE_PARTS = ("image", "mask", "mesh", "skeleton")
_TEXT_PARTS = ("settings", "idempotency_key")
_KEY_HEADER = "Idempotency-Key"
KEY_PATTERN = "[ -~]{1,128}"
# File systems hold 255 bytes; the name is only shown.
_LONGEST_NAME = 255
# Enough for the file type box of an AVIF with many brands.
_HEAD_BYTES = 64


_FILE = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
# The form as JSON Schema.
FORM: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "image": {**_FILE, "description": "A PNG, JPEG, WebP, AVIF or GIF picture."},
        "mask": {**_FILE, "description": "A picture of the image's size: white where its subject is, or its alpha."},
        "mesh": {**_FILE, "description": f"A mesh; its file name ends in one of {', '.join(MESH_SUFFIXES)}."},
        "skeleton": {**_FILE, "description": "A rig.json to bind the mesh to."},
        "settings": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/JobSettings"},
            "description": "What is chosen; all else has its default.",
        },
        "idempotency_key": {"type": "string", "pattern": f"^{KEY_PATTERN}$", "description": "As the header."},
    },
    "oneOf": [
        {"required": ["image"], "not": {"anyOf": [{"required": ["mesh"]}, {"required": ["skeleton"]}]}},
        {"required": ["mesh"], "not": {"anyOf": [{"required": ["image"]}, {"required": ["mask"]}]}},
        {"required": ["mesh", "image"], "not": {"required": ["skeleton"]}},
    ],
    "additionalProperties": False,
}


# The form that brings another picture.
PICTURE_FORM: Mapping[str, Any] = {
    "type": "object",
    "properties": {name: FORM["properties"][name] for name in ("image", "mask", "settings")},
    "required": ["image"],
    "additionalProperties": False,
}


class UploadRequest(Request):
    """A request that closes the spooled files of its form at its end, also where the form is refused half way. Its Host
    is in lower case: names of hosts mean the same in any, and Flask compares them as they are.
    """

    def __init__(self, environ: dict[str, Any], *arguments: Any, **options: Any) -> None:
        environ["HTTP_HOST"] = environ.get("HTTP_HOST", "").lower()
        super().__init__(environ, *arguments, **options)
        self._spooled: list[IO[bytes]] = []

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        stream = super()._get_file_stream(total_content_length, content_type, filename, content_length)
        self._spooled.append(stream)
        return stream

    def close(self) -> None:
        """Called when the request is over."""
        super().close()
        for stream in self._spooled:
            stream.close()


@dataclass(frozen=True)
class Upload:
    """A request for a job. files: by the name that they are stored under."""

    input_kind: InputKind
    input_name: str
    files: Mapping[str, IO[bytes]]
    settings: JobSettings
    key: str | None


@dataclass(frozen=True)
class PictureUpload:
    """Another picture for a job. files: by the name that they are stored under; without a mask, there is none any more.
    changes: of its settings, as they were sent.
    """

    name: str
    files: Mapping[str, IO[bytes]]
    changes: Mapping[str, Any]


def read_upload(config: Config) -> Upload:
    """The form of the current request. Raises UnsupportedMedia, RequestInvalid, SettingInvalid, UploadTooLarge."""
    files, texts = _parts(_FILE_PARTS, _TEXT_PARTS)
    kind = _kind_of(files.keys())
    main = "mesh" if "mesh" in files else "image"
    name = _display_name(files[main].filename or main)
    stored = {}
    if "mesh" in files:
        stored[f"mesh{_mesh_suffix(files['mesh'].stream, name)}"] = files["mesh"].stream
    if "image" in files:
        stored |= _picture_files(files, _display_name(files["image"].filename or "image"))
    if "skeleton" in files:
        stored["rig.json"] = files["skeleton"].stream
    chosen = {"name": safe_name(PurePath(name).stem), "engine": config.engine, **_settings(texts.get("settings", ""))}
    return Upload(kind, name, stored, settings_from_document(chosen), read_key(texts.get("idempotency_key")))


def _kind_of(files: Collection[str]) -> InputKind:
    """What a job of these files starts from. Raises RequestInvalid."""
    if "image" not in files and "mesh" not in files:
        raise RequestInvalid("A job starts from an image, a mesh, or both.", "Send one of these files, or both.")
    if "skeleton" in files and "mesh" not in files:
        raise RequestInvalid("A skeleton came without its mesh.", "Send both, or the image alone.")
    if "mask" in files and "image" not in files:
        raise RequestInvalid("A mask came without its picture.", "Send both, or the mesh alone.")
    if "skeleton" in files and "image" in files:
        raise RequestInvalid(
            "A mesh that is textured from an image is not bound to a skeleton in the same job.",
            "Send the mesh with the image, or with the skeleton.",
        )
    if "image" in files:
        return "mesh+image" if "mesh" in files else "image"
    return "mesh"


def read_picture() -> PictureUpload:
    """The form of the current request. Raises UnsupportedMedia, RequestInvalid, ImageUnreadable, UploadTooLarge."""
    files, texts = _parts(("image", "mask"), ("settings",))
    if "image" not in files:
        raise RequestInvalid("The form has no picture.", "Send one as the part `image`.")
    name = _display_name(files["image"].filename or "image")
    return PictureUpload(name, _picture_files(files, name), _settings(texts.get("settings", "")))


def read_key(part: str | None = None) -> str | None:
    """The client's idempotency key, from the header or this part of the form. Raises RequestInvalid."""
    given = {key for key in (part, request.headers.get(_KEY_HEADER)) if key is not None}
    if len(given) > 1:
        raise RequestInvalid("Header and form name different idempotency keys.", "Send one.")
    key = next(iter(given), None)
    if key is not None and not re.fullmatch(KEY_PATTERN, key):
        raise RequestInvalid("The idempotency key is unusable.", "Use 1 to 128 printable ASCII characters.")
    return key


def sniff_picture(head: bytes) -> str | None:
    """The format that a picture's first bytes announce: one of PICTURE_FORMATS, or None."""
    return next((name for name in PICTURE_FORMATS if _SIGNATURES[name](head)), None)


def _parts(file_parts: tuple[str, ...], text_parts: tuple[str, ...]) -> tuple[dict[str, FileStorage], dict[str, str]]:
    if request.mimetype != "multipart/form-data":
        raise UnsupportedMedia(
            f"The body is {request.mimetype or 'of no stated type'}.",
            f"Send multipart/form-data with {' or '.join(file_parts)}.",
        )
    for given, known, what in ((request.files, file_parts, "file"), (request.form, text_parts, "text")):
        for name, values in given.lists():
            if name not in known:
                raise RequestInvalid(
                    f"The form has an unknown {what} part, {name!r}.",
                    f"Files: {', '.join(file_parts)}. Texts: {', '.join(text_parts)}.",
                )
            if len(values) > 1:
                raise RequestInvalid(f"The form has {len(values)} parts {name!r}.", "Send it once.")
    return request.files.to_dict(), request.form.to_dict()


def _display_name(filename: str) -> str:
    """The last part of the client's path, without control characters."""
    last = re.split(r"[/\\]", filename)[-1]
    return "".join(character for character in last if character.isprintable())[-_LONGEST_NAME:] or "input"


def _picture_files(files: Mapping[str, FileStorage], name: str) -> dict[str, IO[bytes]]:
    """By the name that they are stored under. Raises ImageUnreadable, UnsupportedMedia."""
    _require_picture(files["image"].stream, name)
    stored = {"picture": files["image"].stream}
    if "mask" in files:
        _require_picture(files["mask"].stream, "The mask")
        stored[MASK] = files["mask"].stream
    return stored


def _require_picture(stream: IO[bytes], name: str) -> None:
    head = stream.read(_HEAD_BYTES)
    stream.seek(0)
    if not head:
        raise ImageUnreadable(f"{name} is empty (zero bytes).", "Save or download it again.")
    if sniff_picture(head) is None:
        raise UnsupportedMedia(f"{name} is not a picture that Figurine reads.", "Use a PNG, JPEG, WebP, AVIF or GIF.")


def _mesh_suffix(stream: IO[bytes], name: str) -> str:
    suffix = PurePath(name).suffix.lower()
    if suffix not in MESH_SUFFIXES:
        raise UnsupportedMedia(
            f"{name} is not a mesh file that Figurine reads.", "Use an OBJ, GLB, glTF, FBX, PLY or STL file."
        )
    if not stream.read(1):
        raise MeshInvalid(f"{name} is empty (zero bytes).", "Export it again.")
    stream.seek(0)
    return suffix


def _settings(text: str) -> dict[str, Any]:
    return read_object(text, "settings") if text.strip() else {}


def read_object(text: str | bytes, what: str) -> dict[str, Any]:
    """A JSON object. Raises RequestInvalid."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestInvalid(f"{what} is not JSON.", "Send one JSON object.") from error
    if not isinstance(document, dict):
        raise RequestInvalid(f"{what} is JSON, but no object.", "Send one JSON object.")
    return document


def _is_avif(head: bytes) -> bool:
    """A file type box with an AVIF brand: major, or among the compatible ones after four bytes of version."""
    if head[4:8] != b"ftyp":
        return False
    box = head[8 : int.from_bytes(head[:4], "big")]
    brands = [box[:4], *(box[start : start + 4] for start in range(8, len(box), 4))]
    return b"avif" in brands or b"avis" in brands


_SIGNATURES: Mapping[str, Callable[[bytes], bool]] = {
    "PNG": lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"),
    "JPEG": lambda head: head.startswith(b"\xff\xd8\xff"),
    "WEBP": lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP",
    "AVIF": _is_avif,
    "GIF": lambda head: head[:6] in (b"GIF87a", b"GIF89a"),
}
