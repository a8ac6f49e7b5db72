# SPDX-License-Identifier: GPL-3.0-or-later
"""Neural normalization: BiRefNet cuts the subject out where the picture brings no alpha, Swin2SR enlarges a small one
where its weights are here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

from inference_server.core.stage import Device, Requirements, RunContext
from inference_server.core.types import Engine, StageName, UInt8
from inference_server.stages.network_errors import memory_errors, weight_errors
from inference_server.stages.normalize.chain import NormalizeChain, Subject
from inference_server.stages.normalize.editing import Editing
from inference_server.weights import WeightStore

# The first that is here is used: who has fetched the larger wants it.
WEIGHT_IDS = ("birefnet-matting", "birefnet", "birefnet-lite")
# By how often they enlarge. Without them the draft's interpolation does it, and says so.
UPSCALER_IDS = {2: "swin2sr-x2", 4: "swin2sr-x4"}
_FILE = "model.safetensors"
_INPUT_SIDES_PX = {"birefnet-matting": 2048}
_USUAL_SIDE_PX = 1024
_PEAK_BYTES = 5 << 30
_INSTEAD = "Close other programs, {}, or choose the draft engine."


class NeuralNormalize(NormalizeChain):
    """Alpha of the picture where it has one, BiRefNet's otherwise, with the subject's own colours at its edge."""

    name: ClassVar[StageName] = "normalize"
    engine: ClassVar[Engine] = "neural"
    version: ClassVar[int] = 2
    requires: Requirements

    _device: Any = None
    _matte: ModuleType

    def __init__(self, weights: WeightStore, editing: Editing | None = None) -> None:
        """Raises WeightsMissing, WeightsCorrupt: the weights are looked for, not read."""
        super().__init__(editing)
        self._id = next((item for item in WEIGHT_IDS if weights.state(item) == "present"), WEIGHT_IDS[-1])
        self._path = weights.locate(self._id) / _FILE
        self._upscalers: dict[int, Path] = {
            factor: weights.locate(item) for factor, item in UPSCALER_IDS.items() if weights.state(item) != "absent"
        }
        ids = (self._id, *(UPSCALER_IDS[factor] for factor in self._upscalers))
        self._networks: dict[str, Any] = {}
        self.requires = Requirements(
            peak_bytes=_PEAK_BYTES + (editing.peak_bytes if editing else 0),
            weight_ids=ids,
            modules=("torch", "safetensors", *(("transformers",) if self._upscalers else ())),
            weight_digests=(
                *(digest for item in ids for digest in weights.digests(item)),
                *(editing.weight_digests if editing else ()),
            ),
            services=editing.services if editing else (),
        )

    def load(self, device: Device) -> None:
        """Import torch and the classical code; a network itself is read when a picture needs it."""
        from models.birefnet import matte
        from models.common import device as devices

        super().load(device)
        self._matte = matte
        self._device = devices.pick_device(device.name)
        self._dtype = devices.usual_dtype(self._device)

    def unload(self) -> None:
        """Drop the networks."""
        super().unload()
        self._networks.clear()
        if self._device is not None:
            from models.common.offload import release_cached

            release_cached(self._device)

    def _cut_out(self, rgba: UInt8, ctx: RunContext) -> Subject:
        """The subject with the network's alpha. Raises WeightsMissing, WeightsCorrupt, OutOfMemory."""
        rgb = np.ascontiguousarray(rgba[..., :3])
        side = _INPUT_SIDES_PX.get(self._id, _USUAL_SIDE_PX)
        with memory_errors("the background was removed", _INSTEAD.format("fetch the smaller birefnet-lite")):
            network = self._network(
                self._id, lambda: self._matte.load_network(self._path, str(self._device), self._dtype)
            )
            alpha = self._matte.estimate_alpha(network, rgb, self._matte.InputSize(side), ctx.raise_if_cancelled)
        seen = np.rint(alpha * 255.0).astype(np.uint8)
        cutout: UInt8 = self._matting.own_colors(rgb, seen, self._matting.clean_alpha(seen, "the network found none"))
        return Subject(cutout, f"neural, {self._id}")

    def _enlarge(self, rgba: UInt8, factor: float, ctx: RunContext) -> tuple[UInt8, str]:
        """By the network that enlarges enough, or the strongest that is here; alpha apart from the colours."""
        if not self._upscalers:
            fetch = f"figurine weights fetch {UPSCALER_IDS[2 if factor <= 2 else 4]}"
            ctx.note(
                f"The picture was enlarged by interpolation, which adds no detail. For a network that does: {fetch}"
            )
            return self._interpolate(rgba, factor)
        from models.swin2sr import upscale

        times = min(self._upscalers, key=lambda own: (own < factor, own if own >= factor else -own))
        weight_id = UPSCALER_IDS[times]
        with memory_errors("the picture was enlarged", _INSTEAD.format("use a larger picture")):
            network = self._network(
                weight_id, lambda: upscale.load_network(self._upscalers[times], self._device, self._dtype)
            )
            color = upscale.enlarge(network, self._upscale.continue_colors(rgba), ctx.raise_if_cancelled)
        height, width = color.shape[:2]
        larger: UInt8 = self._upscale.join(color, self._upscale.enlarge_alpha(rgba[..., 3], width, height))
        return larger, f"neural, {weight_id}, {times} times its size"

    def _network(self, weight_id: str, read: Callable[[], Any]) -> Any:
        if weight_id not in self._networks:
            with weight_errors(weight_id):
                self._networks[weight_id] = read()
        return self._networks[weight_id]
