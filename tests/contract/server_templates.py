# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server and the models can say, read from their sources, sentence by sentence. One with values is the
template of its f-string, whose fields are {a}, {b}, … in order; an English plural's ending is {s}.
"""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("inference_server", "models")
# Calls whose texts are sentences for people also where they do not end like one.
_TELLING = re.compile(r"note|[A-Z]\w+")
_SENTENCE_ENDS = re.compile(r"(?<=[.!?]) (?=[A-Z{])")
_LOGGING = {"debug", "info", "warning", "error", "exception", "critical", "log"}


def said_in(path: Path) -> set[str]:
    """Of a source: what begins and ends like a sentence, and what errors and notes are made of."""
    tree = _tree(path)
    silent = set(_silent(tree))
    told = {part for call in ast.walk(tree) if isinstance(call, ast.Call) for part in _told(call)}
    texts = {node: template for node in ast.walk(tree) if node not in silent and (template := template_of(node))}
    found = [text for node, text in texts.items() if _is_sentence(text, is_told=node in told)]
    return {sentence for text in found for sentence in split_sentences(text)}


def texts_in(path: Path) -> set[str]:
    """All texts of a source, sentence by sentence, and whole."""
    texts = {template for node in ast.walk(_tree(path)) if (template := template_of(node)) is not None}
    return texts | {sentence for text in texts for sentence in split_sentences(text)}


def split_sentences(template: str) -> list[str]:
    """One after the other, the fields of each from {a} on; without those that are a value alone."""
    sentences = [_relettered(sentence) for sentence in _SENTENCE_ENDS.split(template.strip())]
    return [sentence for sentence in sentences if re.search("[A-Za-z]", re.sub(r"{\w*}", "", sentence))]


def sources() -> Iterator[Path]:
    """All files of the server and of the models."""
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def template_of(node: ast.AST) -> str | None:
    """Of a text or an f-string, None of anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _relettered(node.value)
    if not isinstance(node, ast.JoinedStr):
        return None
    parts = (
        part.value if isinstance(part, ast.Constant) else "{s}" if _is_plural(part) else "{}" for part in node.values
    )
    return _relettered("".join(map(str, parts)))


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _relettered(template: str) -> str:
    """Its fields, but for plurals' endings, called {a}, {b}, … in order."""
    names = iter(string.ascii_lowercase.replace("s", ""))
    return re.sub(r"{(?:[a-rt-z]?)}", lambda _: f"{{{next(names)}}}", template)


def _is_plural(part: ast.expr) -> bool:
    value = part.value if isinstance(part, ast.FormattedValue) else None
    return isinstance(value, ast.BinOp) and isinstance(value.left, ast.Constant) and value.left.value == "s"


def _is_sentence(template: str, *, is_told: bool) -> bool:
    text = template.strip()
    begins, ends = text[:1].isupper() or text.startswith(("{", "/")), text.endswith((".", "!", "?"))
    return " " in text and begins and (ends or is_told)


def _told(call: ast.Call) -> Iterator[ast.AST]:
    """What calls of classes and of `note` are given as they are."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if _TELLING.fullmatch(name):
        yield from call.args


def _silent(tree: ast.AST) -> Iterator[ast.AST]:
    """What is no text of its own, or said to no person: docstrings, parts of f-strings, decorators, the log."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield from (part for part in ast.walk(node) if part is not node and isinstance(part, ast.Constant))
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            for decorator in node.decorator_list:
                yield from ast.walk(decorator)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _LOGGING:
            yield from ast.walk(node)
