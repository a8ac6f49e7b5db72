# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import json

import pytest

from blender_addon.errors import DiskFull, PictureUnreadable
from blender_addon.phrases import Phrase, joined, phrase, translated, untranslated

# What a table of translations could hold.
WORDS = {
    "{name} cannot be used: {why}.": "{why}，所以無法使用 {name}。",
    "it is empty": "它是空的",
    "{count:,} faces": "{count:,} 個面",
    "Name": "名稱",
    "It is over.": "結束了。",
}


def local(text: str) -> str:
    return translated(text, lambda template: WORDS.get(template, template))


def test_a_phrase_is_its_english() -> None:
    made = phrase("{count:,} faces", count=12000)
    assert made == "12,000 faces" and isinstance(made, str)
    assert json.loads(json.dumps([made])) == ["12,000 faces"]


def test_it_is_said_in_another_language_with_its_values() -> None:
    assert local(phrase("{count:,} faces", count=12000)) == "12,000 個面"


def test_values_may_change_places_and_are_translated_where_they_are_phrases() -> None:
    made = phrase("{name} cannot be used: {why}.", name="Name", why=phrase("it is empty"))
    assert made == "Name cannot be used: it is empty."
    assert local(made) == "它是空的，所以無法使用 Name。"


def test_a_phrase_within_one_that_has_no_translation() -> None:
    assert local(phrase("{part}!", part=phrase("Name"))) == "名稱!"
    assert local(joined(["Name", untranslated("Name"), "Other"], " · ")) == "名稱 · Name · Other"


@pytest.mark.parametrize("text", ["Nothing", phrase("Nothing"), phrase("{count} things", count=2)])
def test_without_a_translation_it_stays_english(text: str) -> None:
    assert local(text) == text


def test_a_plain_sentence_is_found_whole() -> None:
    assert local("It is over.") == "結束了。"
    assert local("It is over. Really.") == "It is over. Really."


def test_a_name_is_not_taken_for_a_word() -> None:
    assert local("Name") == "名稱"
    assert local(untranslated("Name")) == "Name"


def test_another_case_is_still_the_phrase() -> None:
    made = phrase("Name").recased(str.lower)
    assert (made, local(made)) == ("name", "名稱")


def test_braces_of_a_value_are_no_placeholders() -> None:
    made = phrase("{name} cannot be used: {why}.", name="{why}", why="{name}")
    assert made == "{why} cannot be used: {name}."
    assert local(made) == "{name}，所以無法使用 {why}。"


def test_a_copy_keeps_its_template() -> None:
    made = copy.deepcopy(phrase("{count:,} faces", count=12000))
    assert isinstance(made, Phrase) and local(made) == "12,000 個面"


def test_errors_carry_phrases() -> None:
    error = PictureUnreadable("fox.png", "it is empty")
    assert local(error.message) == "它是空的，所以無法使用 fox.png。"
    assert error == PictureUnreadable("fox.png", "it is empty")
    assert str(DiskFull("/there")) == "No space is left on this machine, in /there."
