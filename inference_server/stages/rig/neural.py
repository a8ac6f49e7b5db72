# SPDX-License-Identifier: GPL-3.0-or-later
"""Neural rig: UniRig finds the joints and weighs the vertices. A skeleton that is given is only weighed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

from inference_server.core.frames import from_blender, front_facing_rolls, to_blender
from inference_server.core.own_rig import fill_skin, kept_rig
from inference_server.core.stage import Device, Requirements, RunContext
from inference_server.core.types import Engine, Mesh, Rig, RigInput, Skeleton, Skin, StageName
from inference_server.errors import RigFailed
from inference_server.stages.network_errors import memory_errors, weight_errors
from inference_server.stages.rig.draft import DraftRig
from inference_server.weights import WeightStore, hash_file

SKELETON_ID, SKIN_ID = "unirig-skeleton", "unirig-skin"
# Beside the weights of a network that is trained by the artist's own means: its official configuration.
CONFIG_NAME = "config.json"
_SURE_FROM = 0.7
# The skeleton's share of the work, where both are done.
_SKELETON_SHARE = 0.5
_FEWER_BEAMS = "Close other programs, lower the number of beams, or choose the draft engine."


class NeuralRig:
    """Skeleton and skin, or the skin alone for a skeleton that is given."""

    name: ClassVar[StageName] = "rig"
    engine: ClassVar[Engine] = "neural"
    version: ClassVar[int] = 1
    requires: Requirements
    setting_names: ClassVar[tuple[str, ...]] = ("kind", "beams", "skin")
    uses_seed: ClassVar[bool] = True

    _device: Any = None
    _loading: ModuleType
    _autorig: ModuleType
    _skinning: ModuleType
    _naming: ModuleType
    _tails: ModuleType
    _facing: ModuleType

    def __init__(self, weights: WeightStore) -> None:
        """Raises WeightsMissing, WeightsCorrupt: the weights are looked for, not read."""
        self._paths = {item: weights.locate(item) / weights.set_of(item).converted for item in (SKELETON_ID, SKIN_ID)}
        self._networks: dict[str, Any] = {}
        self._draft = DraftRig()
        configs = (path.with_name(CONFIG_NAME) for path in self._paths.values())
        self.requires = Requirements(
            peak_bytes=9 << 30,
            weight_ids=tuple(self._paths),
            modules=("torch", "safetensors", "fast_simplification"),
            weight_digests=(
                *(digest for item in self._paths for digest in weights.digests(item)),
                *(hash_file(config) for config in configs if config.is_file()),
            ),
        )

    def load(self, device: Device) -> None:
        """Import torch and the networks' code; each network is read when it is needed first."""
        from models.common import device as devices
        from models.draft import facing
        from models.unirig import autorig, loading, naming, skinning, tails

        self._loading, self._autorig, self._skinning = loading, autorig, skinning
        self._naming, self._tails, self._facing = naming, tails, facing
        self._device = devices.pick_device(device.name)
        self._draft.load(device)

    def run(self, value: RigInput, ctx: RunContext) -> Rig:
        """Raises RigFailed, WeightsMissing, WeightsCorrupt, OutOfMemory."""
        kept = kept_rig(value)
        if kept is not None:
            return kept
        if value.skeleton is None and ctx.settings["kind"] == "none":
            return self._draft.run(value, ctx)
        is_draft_skin = ctx.settings["skin"] == "draft"
        found_share = 0.0 if value.skeleton else 1.0 if is_draft_skin else _SKELETON_SHARE
        with memory_errors("the mesh was rigged", _FEWER_BEAMS), _rig_errors():
            skeleton = value.skeleton or self._find(value.mesh, ctx, found_share)
            if is_draft_skin:
                ctx.note("The weights are a draft: choose the engine's own when the skeleton is right.")
                return self._draft.run(RigInput(value.mesh, skeleton, value.skin), ctx)
            skin = self._weigh(value.mesh, skeleton, ctx, found_share)
        return Rig(skeleton, fill_skin(value.skin, skin))

    def unload(self) -> None:
        """Drop the networks."""
        self._networks.clear()
        self._draft.unload()
        if self._device is not None:
            from models.common.offload import release_cached

            release_cached(self._device)

    def _find(self, mesh: Mesh, ctx: RunContext, share: float) -> Skeleton:
        """A skeleton for the mesh, with names. share: of the stage's work that this is."""
        network = self._network(SKELETON_ID, self._loading.load_skeleton_network)
        decoding = self._autorig.decoding_of(ctx.settings["beams"])
        joints = self._autorig.find_joints(
            network,
            (to_blender(mesh.vertices), mesh.faces),
            ctx.seed,
            decoding,
            lambda done: ctx.progress(done * share, 1.0),
        )
        if joints.seed != ctx.seed:
            ctx.note(f"Seed {ctx.seed} gave no usable skeleton; this one is of seed {joints.seed}.")
        return self._named(joints, mesh, ctx)

    def _named(self, joints: Any, mesh: Mesh, ctx: RunContext) -> Skeleton:
        """The joints as bones with ends, names and roles, told from their places alone."""
        heads = from_blender(joints.heads)
        naming = self._naming.name_bones(heads, joints.parents)
        wanted = ctx.settings["kind"]
        kind = naming.kind if wanted == "auto" else wanted
        if wanted not in ("auto", "generic", naming.kind):
            ctx.note(f"A {wanted} was asked for, but the bones that were found are of a {naming.kind} body.")
        if wanted == "auto" and naming.kind != "generic" and naming.confidence < _SURE_FROM:
            ctx.note(f"The body was taken for {kind} ({naming.confidence:.0%} sure): the kind can be set.")
        tails = self._tails.end_bones(heads, joints.parents, naming.roles, float(mesh.vertices[mesh.faces, 1].max()))
        # A wrong turn hides the face that the picture shows: only four legs that are seen tell where a body points.
        is_turned = naming.kind == "quadruped" and naming.confidence >= _SURE_FROM
        return Skeleton(
            names=naming.names,
            roles=naming.roles,
            parents=joints.parents,
            heads=heads,
            tails=tails,
            rolls=front_facing_rolls(heads, tails),
            kind=kind,
            confidence=naming.confidence,
            turn_rad=self._facing.turn_toward(naming.front) if is_turned else 0.0,
        )

    def _weigh(self, mesh: Mesh, skeleton: Skeleton, ctx: RunContext, start: float) -> Skin:
        """start: the share of the stage's work that is done already."""
        network = self._network(SKIN_ID, self._skinning.load_skin_network)
        indices, weights = self._skinning.predict_skin(
            network,
            (to_blender(mesh.vertices), mesh.faces),
            self._skinning.Bones(to_blender(skeleton.heads), skeleton.parents.astype(np.int64)),
            report=lambda done, total: ctx.progress(start + (1.0 - start) * done / total, 1.0),
        )
        return Skin(indices, weights)

    def _network(self, weight_id: str, load: Callable[..., Any]) -> Any:
        """The network, read from its file if it is not here yet. Raises WeightsMissing, WeightsCorrupt."""
        if weight_id not in self._networks:
            path = self._paths[weight_id]
            with weight_errors(weight_id):
                self._networks[weight_id] = load(path, self._device, *self._config(weight_id, path))
        return self._networks[weight_id]

    def _config(self, weight_id: str, path: Path) -> tuple[Any, ...]:
        """The configuration beside the weights; nothing where they are the published ones."""
        config = path.with_name(CONFIG_NAME)
        if not config.is_file():
            return ()
        from models.unirig.config import ConfigUnknown, skeleton_config
        from models.unirig.skin_config import skin_config

        read = {SKELETON_ID: skeleton_config, SKIN_ID: skin_config}[weight_id]
        try:
            return (read(json.loads(config.read_text(encoding="utf-8"))),)
        except (ValueError, TypeError, AttributeError) as error:
            raise ConfigUnknown(f"{config} cannot be used: {error}.") from error


@contextmanager
def _rig_errors() -> Iterator[None]:
    """What the networks' code says of the mesh, as RigFailed."""
    try:
        yield
    except ValueError as error:
        raise RigFailed(
            f"The mesh could not be rigged: {str(error).rstrip('.')}.",
            "Try another seed, repair the mesh, or choose the draft engine.",
        ) from error
