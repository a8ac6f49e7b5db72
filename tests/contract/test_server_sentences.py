# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server says to artists has its translations, and each of these is of something that it says."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch
from functools import cache

from blender_addon.server_sentences import read_server_tables
from blender_addon.wording import sentence_case

from .server_templates import ROOT, said_in, sources, texts_in

LOCALES = ("ja_JP", "zh_HANT")
# Sources of which no artist meets a word.
UNHEARD_SOURCES = {
    "inference_server/cli.py": "the terminal is English",
    "inference_server/commands/*": "the terminal is English",
    "inference_server/config.py": "for whoever sets the server up; it does not start then",
    "inference_server/jobs/schema.py": "for whoever sets the server up; it does not start then",
    "inference_server/api/answers.py": "describes the interface to programmers",
    "inference_server/api/documents.py": "describes the interface to programmers",
    "inference_server/api/operation.py": "describes the interface to programmers",
    "inference_server/api/schema.py": "describes the interface to programmers",
    "inference_server/api/bodies.py": "a request that was made by hand",
    "inference_server/core/correction.py": "a correction that was written by hand",
    "inference_server/core/codec.py": "faults of our own, which the log tells",
    "inference_server/core/exchange.py": "faults of our own, which the log tells",
    "inference_server/core/types.py": "faults of our own, which the log tells",
    "inference_server/core/voxel_report.py": "the terminal's voxelize; the add-on has its own",
    "inference_server/blender_worker/voxel*.py": "the terminal's voxelize; the add-on has its own",
    "inference_server/stages/normalize/edit_prompt.py": "said to an image model",
    "models/birefnet/model.py": "calls that our own stages never make",
    "models/step1x3d/geometry/checkpoint.py": "weights of another network than the manifest's",
    "models/step1x3d/geometry/config.py": "weights of another network than the manifest's",
    "models/step1x3d/geometry/labels.py": "weights of another network than the manifest's",
    "models/unirig/config.py": "weights of another network than the manifest's",
    "models/unirig/skin_config.py": "weights of another network than the manifest's",
}
# Sentences of other sources that no artist meets.
UNHEARD = {
    "describes the interface to programmers": (
        "A PNG, JPEG, WebP, AVIF or GIF picture.",
        "A mesh; its file name ends in one of {a}.",
        "A picture of the image's size: white where its subject is, or its alpha.",
        "A rig.json to bind the mesh to.",
        "As the header.",
        "Of the content that is wanted; another is not given.",
        "Only jobs with a smaller number.",
        "So many jobs at most.",
        "The revision that is known already: where there is no later one, the reply is short.",
        "What is chosen; all else has its default.",
    ),
    "a request that was made by hand": (
        "/v1/openapi.json lists what it does.",
        "/v1/weights lists them.",
        "A job starts from an image, a mesh, or both.",
        "A mask came without its picture.",
        "A mesh that is textured from an image is not bound to a skeleton in the same job.",
        "A skeleton came without its mesh.",
        "A web page of another origin sent the request.",
        "Ask for the file without a range.",
        "Files: {a}.",
        "Header and form name different idempotency keys.",
        "Only Figurine's own page and programs may.",
        "Send both, or the image alone.",
        "Send both, or the mesh alone.",
        "Send it once.",
        "Send multipart/form-data with {a}.",
        "Send one JSON object.",
        "Send one as the part `image`.",
        "Send one of these files, or both.",
        "Send one.",
        "Send the mesh with the image, or with the skeleton.",
        "Texts: {a}.",
        "That part lies outside the file.",
        "The body is {a}.",
        "The form has an unknown {a} part, {b}.",
        "The form has no picture.",
        "The form has {a} parts {b}.",
        "The idempotency key is unusable.",
        "This address does not do that.",
        "This idempotency key was used for another request.",
        "Use 1 to 128 printable ASCII characters.",
        "Use a new key for a new job.",
        "{a} is JSON, but no object.",
        "{a} is not JSON.",
    ),
    "the add-on says it in its own words": (
        "Send it as Authorization: Bearer …; a server on this machine writes it to server.json in its data folder.",
    ),
    "faults of our own": (
        "The photo is {a} of shape {b}; an RGBA picture of 8 bits is needed.",
        "View {a} is {b} of shape {c}; a square picture of 8 bits is needed.",
        "{a} names for {b} bones",
    ),
    "names": ("{a} ({b} joints)", "Apple GPU"),
}
# Values that are put together from words, as in "1 bone" and "52 bones".
PUT_TOGETHER = {"{a} bone{s}", "{a} vertex", "{a} vertices", "{a} loose speck{s}", "{a} edge{s}"}
_FIELD = re.compile(r"{(\w+)}")


def test_every_sentence_has_its_translations() -> None:
    unheard = {sentence for sentences in UNHEARD.values() for sentence in sentences}
    said = _said() - unheard
    for locale, table in read_server_tables().items():
        missing = sorted(said - set(table))
        assert not missing, f"server/{locale}.json lacks {len(missing)}:\n" + "\n".join(missing)


def test_no_translation_is_of_something_gone() -> None:
    known = {text for path in sources() for text in texts_in(path)} | _uses() | PUT_TOGETHER
    for locale, table in read_server_tables().items():
        gone = sorted(set(table) - known)
        assert not gone, f"server/{locale}.json translates what nobody says:\n" + "\n".join(gone)


def test_the_exceptions_are_needed() -> None:
    paths = [str(path.relative_to(ROOT)) for path in sources()]
    said = _said()
    for pattern in UNHEARD_SOURCES:
        assert any(fnmatch(path, pattern) for path in paths), pattern
    for sentence in (sentence for sentences in UNHEARD.values() for sentence in sentences):
        assert sentence in said, sentence


def test_translations_hold_the_same_values() -> None:
    tables = read_server_tables()
    assert tuple(tables) == LOCALES
    assert len({frozenset(table) for table in tables.values()}) == 1
    for locale, table in tables.items():
        for text, local in table.items():
            assert local.strip(), (locale, text)
            fields = set(_FIELD.findall(text)) - {"s"}  # other languages have other plurals
            assert set(_FIELD.findall(local)) == fields, (locale, text, local)


@cache
def _said() -> set[str]:
    heard = [path for path in sources() if not _is_unheard(str(path.relative_to(ROOT)))]
    return {sentence for path in heard for sentence in said_in(path)} | _uses()


def _is_unheard(path: str) -> bool:
    return any(fnmatch(path, pattern) for pattern in UNHEARD_SOURCES)


def _uses() -> set[str]:
    """What the panel says of each network."""
    manifest = tomllib.loads((ROOT / "models/manifest.toml").read_text(encoding="utf-8"))
    return {f"{sentence_case(entry['use'])}." for entry in manifest["weights"]}
