# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's sentences, recognised by their templates, so that they can be said in another language.

No bpy here. The server speaks English, with values in it, to this add-on and to other programs.
translations/server/LOCALE.json holds its sentences as templates, the values as {a}, {b}, … in the order of the English
({s}: the ending of an English plural), and their translations. A sentence that none of them fits stays as it is.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated

from .phrases import Phrase, joined, phrase

# The type of what a document of the server says to people: text that is recognised when it is read.
ServerText = Annotated[str, "server"]

_FOLDER = Path(__file__).with_name("translations") / "server"
_SENTENCE_ENDS = re.compile(r"(?<=[.!?…]) (?=\S)")
# Templates with fewer letters of their own fit nearly everything: they count only where a value is known as well.
_SURE_LETTERS = 6
_NUMBER = re.compile(r"[\d.,]+")
# So often templates without letters stand in each other: "pose: local, FLUX.2, put into an A-pose".
_DEEPEST = 3
# Of a sentence whose values hold full stops.
_MOST_STOPS = 4
# Sentences are shorter; time spent on a text grows faster than its length.
_LONGEST_CHARACTERS = 2000
_REMEMBERED = 1024


def read_server_tables(folder: Path = _FOLDER) -> dict[str, dict[str, str]]:
    """By locale: the translation of each template."""
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))}


@lru_cache(maxsize=_REMEMBERED)
def recognised(text: str) -> str:
    """The same text, as a phrase where a part of it is known. Several sentences are known one by one; one that is not
    stays English between the others.
    """
    if len(text) > _LONGEST_CHARACTERS:
        return text
    parts = list(_parts(text))
    if not any(isinstance(part, Phrase) for part in parts):
        return text
    return parts[0] if len(parts) == 1 else joined(parts, " ")


@dataclass(frozen=True)
class _Template:
    """A template and what of it is not values."""

    text: str

    @cached_property
    def literals(self) -> list[str]:
        """Its own text between the values."""
        return [literal for literal, *_ in string.Formatter().parse(self.text) if literal]

    @cached_property
    def letters(self) -> int:
        """How much of it is its own text."""
        return sum(character.isalpha() for literal in self.literals for character in literal)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What sentences of it look like."""
        written = ""
        for literal, name, *_ in string.Formatter().parse(self.text):
            written += re.escape(literal)
            if name is not None:
                # What stands before a colon is told of what follows: it begins no value.
                value = "s?" if name == "s" else ".*?" if written else "(?:(?!: ).)+?"
                written += f"(?P<{name}>{value})"
        return re.compile(written, re.DOTALL)

    def read(self, text: str, depth: int) -> Phrase | None:
        """The text as a phrase of this template, None where it is none. depth: how often templates without letters may
        still stand in each other.
        """
        if not all(literal in text for literal in self.literals):
            return None
        found = self.pattern.fullmatch(text)
        if found is None:
            return None
        values = found.groupdict()
        *_, last = values
        if self.letters == 0:
            known = _known(values[last], depth - 1) if depth else None
            if known is None:
                return None
        elif self.letters < _SURE_LETTERS and not _is_word(next(iter(values.values()))):
            return None
        return phrase(self.text, **{name: _value(value) for name, value in values.items()}).recased(lambda _: text)


def _parts(text: str) -> Iterator[str]:
    """Its sentences, as phrases where they are known: as few words in each as make a known one."""
    ends = [*(found.start() for found in _SENTENCE_ENDS.finditer(text)), len(text)]
    start = 0
    while start < len(text):
        ahead = [end for end in ends if end > start][:_MOST_STOPS]
        known = next((known for end in ahead if (known := _known(text[start:end])) is not None), None)
        part = text[start : ahead[0]] if known is None else known
        yield part
        start += len(part) + 1


def _known(text: str, depth: int = _DEEPEST) -> Phrase | None:
    exact, by_word = _templates()
    if text in exact:
        return phrase(text)
    candidates = (*by_word.get(text.partition(" ")[0], ()), *by_word.get("", ()))
    ordered = sorted(candidates, key=lambda template: -template.letters)
    return next((known for template in ordered if (known := template.read(text, depth)) is not None), None)


def _is_word(text: str) -> bool:
    return text in _templates()[0] or _NUMBER.fullmatch(text) is not None


def _value(text: str) -> str:
    """A value that is known words or sentences itself, also one whose full stop the sentence around it took."""
    known = recognised(text)
    if not isinstance(known, Phrase) and text[:1].isupper():
        known = recognised(f"{text}.")
    return known.recased(lambda _: text) if isinstance(known, Phrase) else text


@lru_cache(maxsize=1)
def _templates() -> tuple[frozenset[str], dict[str, list[_Template]]]:
    """Those without values, and those with values by their first word, "" where that holds one."""
    texts = {text for table in read_server_tables().values() for text in table}
    exact = frozenset(text for text in texts if "{" not in text)
    by_word: dict[str, list[_Template]] = {}
    for text in sorted(texts - exact):
        word = text.partition(" ")[0]
        by_word.setdefault("" if "{" in word else word, []).append(_Template(text))
    return exact, by_word
