# SPDX-License-Identifier: GPL-3.0-or-later
"""Draft rig: a skeleton from the shape, weights by distance through the body. Corrections find their mesh prepared."""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar

from inference_server.core.digest import digest
from inference_server.core.frames import front_facing_rolls
from inference_server.core.own_rig import fill_skin, kept_rig
from inference_server.core.stage import Device, Requirements, RunContext
from inference_server.core.types import Engine, Mesh, Rig, RigInput, Skeleton, Skin, StageName
from inference_server.errors import RigFailed

_SURE_FROM = 0.7
# What is kept ready for another correction takes up to 8 MB a mesh, and 0.2 KB a vertex.
_KEPT_MESHES = 8
_KEPT_VERTICES = 500_000


@dataclass
class _KnownMesh:
    """solid: what a skeleton is found in; prepared: what is bound to it. None until it is needed."""

    vertex_count: int
    solid: Any = None
    prepared: Any = None


class DraftRig:
    """Skeleton and skin, or the skin alone for a skeleton that is given."""

    name: ClassVar[StageName] = "rig"
    engine: ClassVar[Engine] = "draft"
    version: ClassVar[int] = 7
    requires: ClassVar[Requirements] = Requirements(peak_bytes=3 << 29)
    setting_names: ClassVar[tuple[str, ...]] = ("kind",)
    uses_seed: ClassVar[bool] = False

    _skeleton: ModuleType
    _weights: ModuleType

    def __init__(self) -> None:
        self._meshes: OrderedDict[str, _KnownMesh] = OrderedDict()  # the least recently used first

    def load(self, device: Device) -> None:
        """Import the classical code."""
        from models.draft import skeleton, weights

        self._skeleton, self._weights = skeleton, weights

    def run(self, value: RigInput, ctx: RunContext) -> Rig:
        """Raises RigFailed."""
        kept = kept_rig(value)
        if kept is not None:
            return kept
        mesh = value.mesh
        known = self._known(mesh)
        with ThreadPoolExecutor(1) as beside:  # what is bound does not depend on the bones
            prepared = beside.submit(self._prepare, mesh, known)
            skeleton = value.skeleton or self._estimate(mesh, known, ctx)
        ctx.progress(1, 2)
        try:
            known.prepared = prepared.result()
            binding = self._weights.bind_prepared(known.prepared, skeleton.heads, skeleton.tails, skeleton.parents)
        except ValueError as error:
            raise RigFailed(
                f"The mesh could not be bound: {error}.", "Check that the skeleton lies in the mesh."
            ) from error
        return Rig(skeleton, fill_skin(value.skin, Skin(binding.indices, binding.weights)))

    def unload(self) -> None:
        """Forget the meshes that were kept ready."""
        self._meshes.clear()

    def _known(self, mesh: Mesh) -> _KnownMesh:
        """What is known of the mesh, kept for the next correction: most of the work does not change with bones."""
        key = digest(mesh)
        known = self._meshes.pop(key, None) or _KnownMesh(len(mesh.vertices))
        self._meshes[key] = known
        while len(self._meshes) > _KEPT_MESHES or self._kept_vertices() > _KEPT_VERTICES:
            self._meshes.popitem(last=False)
        return known

    def _prepare(self, mesh: Mesh, known: _KnownMesh) -> Any:
        return known.prepared or self._weights.prepare_mesh(mesh.vertices, mesh.faces)

    def _kept_vertices(self) -> int:
        return sum(known.vertex_count for known in self._meshes.values())

    def _estimate(self, mesh: Mesh, known: _KnownMesh, ctx: RunContext) -> Skeleton:
        kind = ctx.settings["kind"]
        try:
            if kind != "none":
                known.solid = known.solid or self._skeleton.find_solid(mesh.vertices, mesh.faces)
            found = self._skeleton.estimate_skeleton(mesh.vertices, mesh.faces, kind, known.solid)
        except ValueError as error:
            raise RigFailed(f"No skeleton was found: {error}.", "Choose another kind, or none.") from error
        for sentence in found.notes:
            ctx.note(sentence)
        if kind == "auto" and found.confidence < _SURE_FROM:
            ctx.note(f"The body was taken for {found.kind} ({found.confidence:.0%} sure): the kind can be set.")
        return Skeleton(
            names=found.names,
            roles=found.roles,
            parents=found.parents,
            heads=found.heads,
            tails=found.tails,
            rolls=front_facing_rolls(found.heads, found.tails),
            kind=found.kind,
            confidence=found.confidence,
            guessed=found.guessed,
            turn_rad=found.turn_rad,
        )
