# SPDX-License-Identifier: GPL-3.0-or-later
"""The label model's controls: three tokens that say what the shape should be like.

The published pipeline reads its label dictionary in ways that its own documentation does not expect: `edge_type`, which
its examples pass, is passed over; sharpness is only found as the first element of a list under `geometry_type`; a pose
is looked up among the symmetries. Parity reproduces that, key by key; `is_fixed` reads what was meant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from models.step1x3d.geometry.config import LabelEncoderConfig

Label = Mapping[str, Any]
# A table's name and a row of it; None stands for zeros.
Row = tuple[str, int] | None

POSES = {"unknown": 0, "t-pose": 1, "a-pose": 2}
SYMMETRIES = {"asymmetry": 0, "x": 1, "y": 0, "z": 0}
QUALITIES = {"normal": 0, "smooth": 1, "sharp": 2}
TOKENS = 3


class LabelUnknown(ValueError):
    """The label has no row in the tables. The message names it and what there is."""


def label_rows(label: Label, *, is_fixed: bool) -> tuple[Row, Row, Row]:
    """Where the tokens for pose, symmetry and quality come from. Raises LabelUnknown."""
    if is_fixed:
        quality = label.get("edge_type", label.get("geometry_type", "normal"))
        return (
            _row("tpose", POSES, _word(label.get("pose", "unknown"))),
            _row("symmetry_type", SYMMETRIES, label.get("symmetry", "asymmetry")),
            _row("geometry_quality", QUALITIES, _word(quality)),
        )
    pose = ("tpose", 0) if "pose" not in label else _row("symmetry_type", POSES, _first(label["pose"]))
    if pose is not None and pose[0] == "symmetry_type" and pose[1] >= len(set(SYMMETRIES.values())):
        raise LabelUnknown(f"The pose {label['pose']!r} has no row in the published tables.")
    return (
        pose,
        _row("symmetry_type", SYMMETRIES, label.get("symmetry", "asymmetry")),
        _row("geometry_quality", QUALITIES, _first(label.get("geometry_type", ["normal"]))),
    )


def _row(table: str, rows: Mapping[str, int], word: Any) -> Row:
    if not word:
        return None
    if not isinstance(word, str) or word not in rows:
        raise LabelUnknown(f"The label {word!r} is unknown; known: {', '.join(rows)}.")
    return table, rows[word]


def _first(value: Any) -> Any:
    """The first element: of a list its word, of a word its first letter, as the published pipeline has it."""
    return value[0] if value else None


def _word(value: Any) -> Any:
    return value[0] if isinstance(value, list | tuple) else value


class LabelEncoder(nn.Module):
    """Labels → tokens (B, 3, hidden_size): pose, symmetry, quality."""

    def __init__(self, config: LabelEncoderConfig) -> None:
        super().__init__()
        self.embedding_table_tpose = nn.Embedding(len(POSES), config.hidden_size)
        self.embedding_table_symmetry_type = nn.Embedding(len(set(SYMMETRIES.values())), config.hidden_size)
        self.embedding_table_geometry_quality = nn.Embedding(len(QUALITIES), config.hidden_size)

    def forward(self, labels: Sequence[Label], *, is_fixed: bool = False) -> Tensor:
        """Raises LabelUnknown."""
        return torch.stack([self._tokens(label_rows(label, is_fixed=is_fixed)) for label in labels])

    def _tokens(self, rows: tuple[Row, Row, Row]) -> Tensor:
        zeros = torch.zeros_like(self.embedding_table_tpose.weight[0])
        tables = {table for table, _ in filter(None, rows)}
        weights = {table: getattr(self, f"embedding_table_{table}").weight for table in tables}
        return torch.stack([zeros if row is None else weights[row[0]][row[1]] for row in rows])
