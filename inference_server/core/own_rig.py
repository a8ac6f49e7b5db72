# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh that is rigged already: whether its bones and weights are kept, weighed anew, or replaced."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference_server.core.settings import JobSettings
from inference_server.core.types import Rig, RigInput, SceneMesh, Skeleton, Skin
from inference_server.errors import AlreadyRigged, SettingInvalid, SkeletonInvalid

REPLACED = "The file had a rig of its own; it was replaced."
REWEIGHED = "The corrected bones were weighed anew: the weights that the file had are not in the result."
_NOTHING_TO_KEEP = "The file has no rig that could be kept: one was made."


def rig_task(scene: SceneMesh, skeleton: Skeleton | None, settings: JobSettings) -> tuple[RigInput, tuple[str, ...]]:
    """What the rig stage is to do, and sentences for the artist. skeleton: given by the caller, None where it is to be
    found.

    Raises AlreadyRigged where the choice is open, SkeletonInvalid where the file's rig cannot be kept, SettingInvalid
    where two skeletons are to be taken.
    """
    own, choice = scene.own_rig, settings.existing_rig
    is_kept = choice in ("keep", "reweigh")
    if own is None:
        return RigInput(scene.mesh, skeleton), (_NOTHING_TO_KEEP,) if is_kept and skeleton is None else ()
    if skeleton is not None and is_kept:
        raise SettingInvalid("A skeleton was given, and the mesh's own is to be kept too.", "Leave one of the two out.")
    if skeleton is not None or choice == "replace":
        return RigInput(scene.mesh, skeleton), (REPLACED,)
    if choice == "ask":
        raise AlreadyRigged(
            f"The mesh has a rig already, of {_count(own.bone_count, 'bone')}.",
            "Choose whether to keep it or to replace it (setting existing_rig).",
        )
    if own.rig is None:
        raise SkeletonInvalid(f"The mesh's own rig cannot be kept. {own.obstacle}", "Mend it, or have it replaced.")
    if choice == "reweigh":
        sentence = f"Its own {_count(own.bone_count, 'bone')} were kept and weighed anew."
        return RigInput(scene.mesh, own.rig.skeleton), (sentence,)
    return RigInput(scene.mesh, own.rig.skeleton, own.rig.skin), _kept_notes(own.rig, own.cut_count)


def kept_rig(value: RigInput) -> Rig | None:
    """The rig that is given whole, None where something is left to compute."""
    if value.skeleton is None or value.skin is None or not _is_weighed(value.skin).all():
        return None
    return Rig(value.skeleton, value.skin)


def fill_skin(given: Skin | None, computed: Skin) -> Skin:
    """The given weights, and the computed ones of vertices that have none."""
    if given is None:
        return computed
    kept = _is_weighed(given)[:, None]
    return Skin(np.where(kept, given.indices, computed.indices), np.where(kept, given.weights, computed.weights))


def _is_weighed(skin: Skin) -> NDArray[np.bool_]:  # (V,)
    return np.asarray(skin.weights.any(axis=1))


def _kept_notes(rig: Rig, cut_count: int) -> tuple[str, ...]:
    bones, missing = _count(len(rig.skeleton.names), "bone"), int((~_is_weighed(rig.skin)).sum())
    notes = [f"Its own {bones} and their weights were kept."]
    if missing:
        notes.append(f"No bone moved {_count(missing, 'vertex', 'vertices')} of it: these were weighed.")
    if cut_count:
        vertices = _count(cut_count, "vertex", "vertices")
        notes.append(f"{vertices} followed more than four bones: the strongest four are kept.")
    return tuple(notes)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
