# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON bodies of requests, read into their types."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, TypeVar, get_type_hints

from flask import request

from inference_server.api.uploads import read_object
from inference_server.core.hints import describe, fits, is_required
from inference_server.errors import RequestInvalid, UnsupportedMedia

Document = TypeVar("Document")
# Settings are a few hundred bytes.
_MOST_BYTES = 64 * 1024


@dataclass(frozen=True)
class EmptyRequest:
    """A body that says nothing."""


def read_body(kind: type[Document], most_bytes: int = _MOST_BYTES) -> Document:
    """The current request's body; an empty one is an empty object. most_bytes: a longer one is refused.

    Raises UnsupportedMedia where another type is stated (a form on a foreign page can send those), RequestInvalid,
    UploadTooLarge.
    """
    request.max_content_length = most_bytes
    content = request.get_data()
    if request.mimetype != "application/json" and (content or request.mimetype):
        raise UnsupportedMedia(f"The body is {request.mimetype or 'of no stated type'}.", "Send application/json.")
    document = read_object(content, "The body") if content else {}
    hints: dict[str, Any] = get_type_hints(kind)
    for name, value in document.items():
        if name not in hints:
            raise RequestInvalid(f"The body has an unknown member, {name!r}.", f"Known: {', '.join(hints) or 'none'}.")
        if not fits(value, hints[name]):
            raise RequestInvalid(f"{name} is {value!r}.", f"It must be {describe(hints[name])}.")
    missing = [item.name for item in fields(kind) if item.name not in document and is_required(item)]  # type: ignore[arg-type]
    if missing:
        raise RequestInvalid(f"The body lacks {', '.join(missing)}.", "See /v1/openapi.json.")
    return kind(**document)
