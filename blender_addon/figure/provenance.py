# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a figure comes from, as short facts that Blender shows among an object's custom properties."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PREFIX = "figurine_"


def facts_of(report: Mapping[str, Any], more: Mapping[str, str]) -> dict[str, str]:
    """Custom properties, all text, in the order in which they are read.

    report: report.json, or empty. more: what the report does not know, by its name without the prefix (job, server).

    figurine_version, _blender, _engine, _seed, _kind, _input, _input_sha256; _stage_NAME for each stage; _digest_NAME
    for each digest; _guessed, the bones whose place is a guess; _warnings, one sentence a line. Text, because seeds
    may be larger than Blender's whole numbers.
    """
    facts = _facts_of_report(report) if report else {}
    facts |= more
    return {PREFIX + name: text for name, text in facts.items() if text}


def _facts_of_report(report: Mapping[str, Any]) -> dict[str, str]:
    stages = {f"stage_{stage['stage']}": _stage(stage) for stage in report["stages"]}
    digests = {f"digest_{name}": str(digest) for name, digest in report["digests"].items()}
    return {
        "version": str(report.get("figurine", "")),
        "blender": str(report.get("blender") or ""),
        "engine": str(report.get("engine", "")),
        "seed": str(report.get("settings", {}).get("seed", "")),
        "kind": str(report.get("kind", {}).get("value", "")),
        "input": str(report.get("input", {}).get("name", "")),
        "input_sha256": str(report.get("input", {}).get("sha256", "")),
        **stages,
        **digests,
        "guessed": ", ".join(report.get("guessed", ())),
        "warnings": "\n".join(warning["sentence"] for warning in report.get("warnings", ())),
    }


def _stage(stage: Mapping[str, Any]) -> str:
    """ "draft, version 1, seed 0", and the weights of a neural one."""
    weights = "".join(f", weights {digest}" for digest in stage.get("weight_digests", ()))
    return f"{stage['engine']}, version {stage['version']}, seed {stage['seed']}{weights}"
