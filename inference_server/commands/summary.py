# SPDX-License-Identifier: GPL-3.0-or-later
"""What a finished run says: for people on standard error, the files alone on standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from inference_server.core.pipeline import Outcome
from inference_server.core.settings import JobSettings
from inference_server.core.types import RiggedAsset, RiggedScene, StageRecord, TexturedScene

_LABEL_WIDTH = 10


def print_files(folder: Path, names: Iterable[str]) -> None:
    """One path a line: what programs read."""
    for name in names:
        print(folder / name)


def print_summary(outcome: Outcome, settings: JobSettings, *, is_skeleton_given: bool) -> None:
    """Which engine did each stage, what body it was taken for, and every warning."""
    lines = [*_stage_lines(outcome.records), *_fallback_lines(outcome.records)]
    if not isinstance(outcome.asset, TexturedScene):
        lines.append(_line("kind", _kind(outcome.asset, settings, is_skeleton_given)))
    lines += [
        _line("warning", f"{record.stage}: {' '.join(note.split())}")
        for record in outcome.records
        for note in record.notes
    ]
    print("\n".join(lines), file=sys.stderr)


def print_lines(lines: Iterable[tuple[str, str]]) -> None:
    """Labels and what they say, on standard error."""
    print("\n".join(_line(label, " ".join(text.split())) for label, text in lines), file=sys.stderr)


def _stage_lines(records: Iterable[StageRecord]) -> Iterator[str]:
    for record in records:
        spent = "kept from an earlier run" if record.reused else f"{record.seconds:.1f} s"
        yield _line(record.stage, f"{record.engine:<8} {spent}")


def _fallback_lines(records: Iterable[StageRecord]) -> Iterator[str]:
    stages: dict[str, list[str]] = {}
    for record in records:
        if record.fallback_reason:
            stages.setdefault(record.fallback_reason, []).append(record.stage)
    for reason, names in stages.items():
        yield _line("why draft", f"{', '.join(names)}: {reason}")


def _kind(asset: RiggedAsset | RiggedScene, settings: JobSettings, is_skeleton_given: bool) -> str:
    skeleton = asset.rig.skeleton
    if is_skeleton_given:
        return f"{skeleton.kind}, as the skeleton says"
    if settings.kind != "auto":
        return f"{skeleton.kind}, as asked"
    return f"{skeleton.kind}, {skeleton.confidence:.0%} sure"


def _line(label: str, text: str) -> str:
    return f"{label:<{_LABEL_WIDTH}} {text}"
