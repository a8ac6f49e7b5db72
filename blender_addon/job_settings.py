# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel's fields mean to the server."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Blender's names hold 63 bytes; the armature's ends in _rig.
_LONGEST_NAME_BYTES = 59
# Device names that Windows takes for no file, whatever their extension.
_RESERVED_NAMES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


@dataclass(frozen=True)
class Wishes:
    """The request as the artist set it. name: "" for the picture's. height_m: 0 for automatic. pause_after: "" for
    never. The rest as the server documents it.
    """

    name: str = ""
    engine: str = "auto"
    kind: str = "auto"
    height_m: float = 0.0
    seed: int = 0
    depth: float = 1.0
    texture_px: int = 2048
    pause_after: str = ""


def settings_document(wishes: Wishes, picture: Path) -> Mapping[str, Any]:
    """The `settings` of a job. What is automatic is left out."""
    document: dict[str, Any] = {
        "name": safe_name(wishes.name or picture.stem),
        "engine": wishes.engine,
        "kind": wishes.kind,
        "seed": wishes.seed,
        "depth": round(wishes.depth, 4),  # Blender's floats are single precision
        "texture_px": wishes.texture_px,
    }
    if wishes.height_m > 0:
        document["height_m"] = round(wishes.height_m, 6)
    if wishes.pause_after:
        document["pause_after"] = wishes.pause_after
    return document


def safe_name(text: str) -> str:
    """A name that the server accepts, from any text: letters, digits, - and _ are kept."""
    kept = re.sub(r"[^\w\-]+", "_", unicodedata.normalize("NFKC", text)).strip("_")
    kept = kept.encode()[:_LONGEST_NAME_BYTES].decode(errors="ignore").strip("_")
    if not kept:
        return "figurine"
    return f"{kept}_" if kept.lower() in _RESERVED_NAMES else kept
