# SPDX-License-Identifier: GPL-3.0-or-later
"""Neural normalization: BiRefNet cuts the subject out where the picture brings no alpha. No pose or view is changed."""

from __future__ import annotations

from types import ModuleType
from typing import Any, ClassVar

import numpy as np

from inference_server.core.stage import Device, Requirements, RunContext
from inference_server.core.types import Engine, StageName, UInt8
from inference_server.errors import OutOfMemory, WeightsCorrupt
from inference_server.stages.normalize.subject import Subject, SubjectNormalize
from inference_server.weights import WeightStore

# The first that is here is used: who has fetched the larger wants it.
WEIGHT_IDS = ("birefnet-matting", "birefnet", "birefnet-lite")
_FILE = "model.safetensors"
_INPUT_SIDES_PX = {"birefnet-matting": 2048}
_USUAL_SIDE_PX = 1024


class NeuralNormalize(SubjectNormalize):
    """Alpha of the picture where it has one, BiRefNet's otherwise, with the subject's own colours at its edge."""

    name: ClassVar[StageName] = "normalize"
    engine: ClassVar[Engine] = "neural"
    version: ClassVar[int] = 1
    requires: Requirements
    setting_names: ClassVar[tuple[str, ...]] = ()
    uses_seed: ClassVar[bool] = False

    _network: Any = None
    _device: Any = None
    _matte: ModuleType

    def __init__(self, weights: WeightStore) -> None:
        """Raises WeightsMissing, WeightsCorrupt: the weights are looked for, not read."""
        self._id = next((item for item in WEIGHT_IDS if weights.state(item) == "present"), WEIGHT_IDS[-1])
        self._path = weights.locate(self._id) / _FILE
        self.requires = Requirements(
            peak_bytes=5 << 30,
            weight_ids=(self._id,),
            modules=("torch", "safetensors"),
            weight_digests=weights.digests(self._id),
        )

    def load(self, device: Device) -> None:
        """Import torch and the classical code; the network itself is read when a picture needs it."""
        from models.birefnet import matte
        from models.common import device as devices

        super().load(device)
        self._matte = matte
        self._device = devices.pick_device(device.name)
        self._dtype = devices.usual_dtype(self._device)

    def unload(self) -> None:
        """Drop the network."""
        self._network = None
        if self._device is not None and self._device.type == "cuda":
            import torch

            torch.cuda.empty_cache()

    def _cut_out(self, rgba: UInt8, ctx: RunContext) -> Subject:
        """Raises WeightsCorrupt, OutOfMemory."""
        rgba = self._matting.reduce_picture(rgba)
        if self._matting.has_alpha(rgba):
            return Subject(self._matting.take_alpha(rgba).rgba, "alpha of the picture")
        return Subject(self._cut_by_network(rgba, ctx), self._id)

    def _cut_by_network(self, rgba: UInt8, ctx: RunContext) -> UInt8:
        """The subject with the network's alpha: (H, W, 4) uint8."""
        import torch

        rgb = np.ascontiguousarray(rgba[..., :3])
        side = _INPUT_SIDES_PX.get(self._id, _USUAL_SIDE_PX)
        try:
            if self._network is None:
                self._network = self._read_network()
            ctx.progress(1, 4)
            alpha = self._matte.estimate_alpha(self._network, rgb, self._matte.InputSize(side), ctx.raise_if_cancelled)
        except torch.OutOfMemoryError as error:
            raise OutOfMemory(
                f"{self._device} ran out of memory while the background was removed.",
                "Close other programs that use it, fetch the smaller birefnet-lite, or choose the draft engine.",
            ) from error
        ctx.progress(2, 4)
        seen = np.rint(alpha * 255.0).astype(np.uint8)
        cutout: UInt8 = self._matting.own_colors(rgb, seen, self._matting.clean_alpha(seen, "the network found none"))
        return cutout

    def _read_network(self) -> Any:
        from models.common.checkpoint import CheckpointError

        try:
            return self._matte.load_network(self._path, str(self._device), self._dtype)
        except CheckpointError as error:
            raise WeightsCorrupt(str(error), f"Run: figurine weights verify {self._id}") from error
