# SPDX-License-Identifier: GPL-3.0-or-later
"""What a view takes and answers, said once: requests are checked by it and the OpenAPI document is made from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import request

from inference_server.errors import FigurineError, RequestInvalid

View = TypeVar("View", bound=Callable[..., Any])
# Larger whole numbers are not exact in every JSON reader.
LARGEST_INTEGER = 2**53 - 1
_WHOLE_NUMBER = re.compile(r"[0-9]{1,16}")
_OPERATION = "figurine_operation"


@dataclass(frozen=True)
class IntegerQuery:
    """A whole number in the query; None where it is left out and has no default."""

    name: str
    description: str
    minimum: int = 0
    maximum: int = LARGEST_INTEGER
    default: int | None = None

    def read(self) -> int | None:
        """Of the current request. Raises RequestInvalid."""
        text = request.args.get(self.name)
        if text is None:
            return self.default
        if not (_WHOLE_NUMBER.fullmatch(text) and self.minimum <= int(text) <= self.maximum):
            raise RequestInvalid(
                f"{self.name} is {text!r}.", f"It must be a whole number from {self.minimum} to {self.maximum}."
            )
        return int(text)

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        default = {} if self.default is None else {"default": self.default}
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum, **default}


@dataclass(frozen=True)
class TextQuery:
    """A text in the query that fits a pattern as a whole."""

    name: str
    description: str
    pattern: str

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return {"type": "string", "pattern": f"^{self.pattern}$"}


@dataclass(frozen=True)
class Operation:
    """One method of one address.

    replies: the type of the body by status; None for a file. errors: what it may raise beside what every request may.
    body: the type of a JSON body, or a multipart form's schema. is_open: also answers without the token.
    """

    summary: str
    replies: Mapping[int, Any]
    errors: tuple[type[FigurineError], ...] = ()
    query: tuple[IntegerQuery | TextQuery, ...] = ()
    headers: tuple[TextQuery, ...] = ()
    body: Any = None
    body_is_required: bool = False
    form: Mapping[str, Any] | None = None
    is_open: bool = False


def describe(operation: Operation) -> Callable[[View], View]:
    """Tie the description to the view."""

    def tie(view: View) -> View:
        setattr(view, _OPERATION, operation)
        return view

    return tie


def operation_of(view: Callable[..., Any]) -> Operation:
    """The description of a view."""
    operation: Operation = getattr(view, _OPERATION)
    return operation
