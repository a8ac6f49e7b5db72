# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that is English everywhere, and can still be said in another language where it is shown.

No bpy here. A sentence without values needs nothing: its whole English is what a translation is found by. One with
values is made by `phrase`, so that it keeps the template that a translation is found by.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

# A sentence within a sentence brings a full stop of its own, and no space follows one.
_STOPS = re.compile("。[。 ]+")


class Phrase(str):
    """English text, filled in. template: with {names} where values stand. values: of these names; a value that is a
    phrase itself is translated too, every other is shown as it is.
    """

    template: str
    values: Mapping[str, object]

    def recased(self, change: Callable[[str], str]) -> Phrase:
        """The same phrase with its English in another case; translations keep theirs."""
        return _phrase(change(str(self)), self.template, self.values)


def phrase(template: str, **values: object) -> Phrase:
    """The template filled in as `str.format` does. Without values: the text itself, as words that are translated where
    they stand in another phrase.
    """
    if not values:
        return template if isinstance(template, Phrase) else _phrase(template, template, {})
    return _phrase(template.format(**values), template, values)


def joined(parts: Iterable[str], separator: str) -> Phrase:
    """The parts one after the other, each translated by itself."""
    numbered = {f"part_{number}": phrase(part) for number, part in enumerate(parts)}
    return phrase(separator.join(f"{{{name}}}" for name in numbered), **numbered)


def untranslated(name: str) -> Phrase:
    """A name that the artist gave, which stays as it is also where it is a word of the interface."""
    return phrase("{name}", name=name)


def translated(text: str, look_up: Callable[[str], str]) -> str:
    """The text in another language. look_up: a template's translation, or the template itself where there is none."""
    if not isinstance(text, Phrase):
        return look_up(text)
    template = look_up(text.template)
    values = {
        name: translated(value, look_up) if isinstance(value, Phrase) else value for name, value in text.values.items()
    }
    if template == text.template and values == text.values:
        return str(text)
    return _STOPS.sub("。", template.format(**values)) if values else template


def _phrase(text: str, template: str, values: Mapping[str, object]) -> Phrase:
    made = Phrase(text)
    made.template, made.values = template, values
    return made
