# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server computes on, in the panel's words, and why the neural engine cannot make a whole figure there."""

from __future__ import annotations

from .documents import Compute, Device, NeuralStage
from .phrases import phrase

_READY = "ready"
# A figure's shape decides: without it there is nothing neural to paint or to rig.
_SHAPE = "geometry"
# Cards are called by powers of two.
_GIB_BYTES = 1 << 30


def device_text(compute: Compute) -> str:
    """What networks run on, in a few words; "" while the server looks for it."""
    if not compute.devices:
        return ""
    states = {stage.stage: stage.state for stage in compute.neural}
    if compute.devices[0].kind != "cpu":
        return _named(compute.devices[0])
    if "no_library" in states.values():
        return phrase("Without the neural engine: drafts only")
    if _READY not in states.values():
        return phrase("No GPU: drafts only")
    if states.get(_SHAPE) == "no_gpu":
        return phrase("No GPU: shapes and textures are drafts")
    return phrase("No GPU: networks run on the processor")


def neural_obstacle(compute: Compute) -> str:
    """Why no whole figure can be neural there, "" where one can, or where that is not known yet."""
    lacking = [stage for stage in compute.neural if stage.state != _READY]
    for state in ("no_library", "no_gpu", "no_weights"):
        found = [stage for stage in lacking if stage.state == state]
        if found:
            return _reason(state, found)
    return lacking[0].reason if lacking else ""


def _reason(state: str, stages: list[NeuralStage]) -> str:
    if state == "no_library":
        return "The server was installed without the neural engine: the section Models says how to add it."
    if state == "no_gpu":
        return "The server has no GPU: shape and texture would take hours there."
    ids = ", ".join(dict.fromkeys(item for stage in stages for item in stage.weights))
    if not ids:
        return stages[0].reason
    return phrase("The server lacks weights for it ({join}): download them under Models.", join=ids)


def _named(device: Device) -> str:
    size = phrase("{gigabytes} GB", gigabytes=round(device.memory_bytes / _GIB_BYTES))
    return phrase("{name}, {size}", name=device.name, size=size)
