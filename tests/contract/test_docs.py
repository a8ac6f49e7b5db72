# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the code is in the manual, and what is in the manual is in the code."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from inference_server import cli
from inference_server.config import Config, load_config
from inference_server.core.pipeline import Outcome
from inference_server.core.report import build_report
from inference_server.core.rig_document import SCHEMA_PATH, skeleton_from_document
from inference_server.core.settings import JobSettings
from inference_server.core.types import KINDS, STAGE_NAMES
from inference_server.errors import SkeletonInvalid

DOCS = Path(__file__).resolve().parents[2] / "docs"
SCHEMA = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def names_in(text: str) -> set[str]:
    """Everything set as code."""
    return set(re.findall(r"`([^`\n]+)`", text))


def rows_of(text: str) -> dict[str, list[str]]:
    """Rows of the page's tables by their first column, for each name in it."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return {name: row for row in rows for name in names_in(row[0])}


def verbs() -> dict[str, argparse.ArgumentParser]:
    actions = cli._build_parser()._actions
    return dict(next(action for action in actions if isinstance(action, argparse._SubParsersAction)).choices)


def flags() -> Iterator[tuple[str, argparse.Action]]:
    for verb, parser in verbs().items():
        yield from ((verb, action) for action in actions_of(parser))


def actions_of(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Of a parser and of those under it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from actions_of(below)
        if not isinstance(action, argparse._HelpAction):
            yield action


@pytest.mark.parametrize("name", [field.name for field in fields(Config)])
def test_every_setting_is_described(name: str) -> None:
    row = rows_of(page("configuration.md"))[name]
    assert row[1] == f"`FIGURINE_{name.upper()}`"
    if name not in ("home", "blender"):
        default = getattr(load_config({}).config, name)
        shown = json.dumps(default) if isinstance(default, bool) else str(default)
        assert row[2].strip("`") == (f"{default:g}" if isinstance(default, float) else shown)


def test_no_setting_is_described_that_is_not_there() -> None:
    described = {
        name for name in names_in(page("configuration.md")) if name.startswith("FIGURINE_") and "…" not in name
    }
    assert described - {"FIGURINE_"} == {f"FIGURINE_{field.name.upper()}" for field in fields(Config)}


def test_the_example_configuration_is_valid(tmp_path: Path) -> None:
    example = page("configuration.md").partition("```toml\n")[2].partition("```")[0]
    (tmp_path / "config.toml").write_text(example, encoding="utf-8")
    assert load_config({"FIGURINE_HOME": str(tmp_path)}).config.cache_mib == 10_000


def test_every_verb_and_flag_is_described() -> None:
    text = page("command-line.md")
    for verb, action in flags():
        assert f"## figurine {verb}" in text
        for flag in action.option_strings:
            assert re.search(rf"`{flag}[` ]", text), f"{verb} {flag}"
        for choice in action.choices or ():
            assert f"`{choice}`" in text, f"{verb} {choice}"


def test_defaults_of_flags_are_the_described_ones() -> None:
    rows = {name.split()[0]: row for name, row in rows_of(page("command-line.md")).items()}
    for _, action in flags():
        if action.option_strings and action.default not in (None, False):
            default = f"{action.default:g}" if isinstance(action.default, float) else str(action.default)
            assert rows[action.option_strings[0]][1].strip("`") == default


def test_no_flag_is_described_that_is_not_there() -> None:
    known = {flag for _, action in flags() for flag in action.option_strings} | {"--help", "--version"}
    for name in ("command-line.md", "configuration.md", "rig-json.md", "report-json.md"):
        assert set(re.findall(r"(?<![\w-])--[a-z]+(?:-[a-z]+)*", page(name))) <= known, name


def test_every_field_of_rig_json_is_described() -> None:
    rows = rows_of(page("rig-json.md"))
    bone = SCHEMA["$defs"]["bone"]
    for properties, required in ((SCHEMA["properties"], None), (bone["properties"], bone["required"])):
        for name in properties:
            assert name in rows
            if required is not None:
                assert (rows[name][1] == "yes") == (name in required), name
    assert {f'"{kind}"' for kind in KINDS} <= names_in(page("rig-json.md"))


def test_the_example_rig_is_valid_and_read() -> None:
    example = json.loads(page("rig-json.md").partition("```json\n")[2].partition("```")[0])
    jsonschema.Draft202012Validator(SCHEMA).validate(example)
    assert skeleton_from_document(example).names == ("root", "lid")


def test_what_a_reader_needs_of_rig_json_is_what_is_described() -> None:
    example = json.loads(page("rig-json.md").partition("```json\n")[2].partition("```")[0])
    rows = rows_of(page("rig-json.md"))
    for key in list(example):
        smaller = {name: value for name, value in example.items() if name != key}
        assert is_refused(smaller) == (rows[key][1] == "yes"), key
    for key in list(example["bones"][1]):
        bones = [example["bones"][0], {name: value for name, value in example["bones"][1].items() if name != key}]
        assert is_refused({**example, "bones": bones}) == (rows[key][1] == "yes"), key


def is_refused(document: dict[str, Any]) -> bool:
    try:
        skeleton_from_document(document)
    except SkeletonInvalid:
        return True
    return False


def test_every_field_of_report_json_is_described(tiny_outcome: Outcome) -> None:
    report = build_report(tiny_outcome, JobSettings(), Path("fox.png"), 1.0, {"rig.json": b"{}"})
    described = names_in(page("report-json.md"))
    inner = [report["input"], report["settings"], report["kind"], report["digests"], *report["stages"]]
    inner += [*report["warnings"], *report["files"].values()]
    named = set(report).union(*(set(item) for item in inner)) - {"rig.json"}
    assert named <= described, named - described
    assert set(STAGE_NAMES) <= described
    assert set(rows_of(page("report-json.md"))) <= named | set(STAGE_NAMES)


def test_links_between_pages_lead_somewhere() -> None:
    for path in DOCS.glob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name} → {target}"
