# SPDX-License-Identifier: GPL-3.0-or-later
"""Enlarging pictures by Swin2SR, a tile at a time: memory stays the same however large the picture is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import Swin2SRConfig, Swin2SRForImageSuperResolution

from models.common.checkpoint import CheckpointDamaged, load_strictly, read_json, read_tensors

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
# Buffers that the network computes by itself; checkpoints of earlier versions carry them.
DERIVED = (".relative_coords_table", ".relative_position_index", ".attn_mask")


@dataclass(frozen=True)
class Tiling:
    """How a picture is cut up. side_px: of a tile; overlap_px: what neighbours share, over which one fades into the
    other. Both in pixels of the small picture, multiples of the network's window (8).
    """

    side_px: int = 192
    overlap_px: int = 32

    def starts(self, length: int) -> list[int]:
        """Where tiles begin along a side of that length: the last one ends with it or beyond."""
        step = self.side_px - self.overlap_px
        return list(range(0, max(1, length - self.overlap_px), step))


def load_network(folder: Path, device: torch.device, dtype: torch.dtype) -> Swin2SRForImageSuperResolution:
    """The network of a published folder, ready to run; nothing is looked up elsewhere.

    Raises CheckpointMissing, CheckpointDamaged, CheckpointMismatch.
    """
    network = Swin2SRForImageSuperResolution(read_config(folder / CONFIG_FILE))
    tensors = read_tensors(folder / WEIGHTS_FILE)
    own = {key: tensor for key, tensor in tensors.items() if not key.endswith(DERIVED)}
    load_strictly(network, own, f"{folder.name}/{WEIGHTS_FILE}")
    return network.to(device=device, dtype=dtype).eval()


def read_config(path: Path) -> Swin2SRConfig:
    """The official config.json. Raises CheckpointMissing, CheckpointDamaged where it is of no network that enlarges."""
    document = read_json(path)
    try:
        config = Swin2SRConfig.from_dict(document)
    except (ValueError, TypeError, AttributeError) as error:
        raise CheckpointDamaged(f"{path} cannot be read: {error}. Fetch it again: figurine weights fetch") from error
    if document.get("model_type") != Swin2SRConfig.model_type or config.upscale < 2:
        raise CheckpointDamaged(f"{path} is of no Swin2SR that enlarges. Fetch it again: figurine weights fetch")
    return config


@torch.inference_mode()
def enlarge(
    network: Swin2SRForImageSuperResolution,
    rgb: np.ndarray,
    raise_if_cancelled: Callable[[], None] = lambda: None,
    tiling: Tiling | None = None,
) -> np.ndarray:
    """The picture at the network's own factor k: (k·H, k·W, 3) float32, 0..255.

    rgb: (H, W, 3) uint8 or float32, sRGB, 0..255. raise_if_cancelled is called before each tile.
    """
    tiling = tiling or Tiling()
    factor, parameter = network.config.upscale, next(network.parameters())
    filled = _fill_windows(rgb, network.config.window_size)
    picture = torch.from_numpy(filled / 255).permute(2, 0, 1)[None].clamp(0, 1)
    height, width = filled.shape[:2]
    large = torch.zeros(3, factor * height, factor * width)
    weight = torch.zeros(factor * height, factor * width)
    for rows, columns in _tiles(tiling, height, width):
        raise_if_cancelled()
        tile = picture[:, :, rows, columns].to(device=parameter.device, dtype=parameter.dtype)
        made = network(tile).reconstruction[0].float().cpu()
        at = tuple(slice(factor * part.start, factor * part.stop) for part in (rows, columns))
        down, along = (_fading(side, factor * tiling.overlap_px) for side in made.shape[1:])
        share = down[:, None] * along
        large[:, at[0], at[1]] += made * share
        weight[at] += share
    large = (large / weight)[:, : factor * rgb.shape[0], : factor * rgb.shape[1]]
    return large.clamp(0, 1).permute(1, 2, 0).mul(255).numpy()


def _tiles(tiling: Tiling, height: int, width: int) -> Iterator[tuple[slice, slice]]:
    for top in tiling.starts(height):
        for left in tiling.starts(width):
            yield (
                slice(top, min(top + tiling.side_px, height)),
                slice(left, min(left + tiling.side_px, width)),
            )


def _fill_windows(rgb: np.ndarray, window: int) -> np.ndarray:  # (H, W, 3) -> (h, w, 3) float32
    """Mirrored at the right and the bottom to whole windows, as the official processor does."""
    missing = [-side % window for side in rgb.shape[:2]]
    return np.pad(rgb.astype(np.float32), ((0, missing[0]), (0, missing[1]), (0, 0)), mode="symmetric")


def _fading(length: int, overlap: int) -> Tensor:
    """Weights along a tile: rising over the overlap at its start, falling at its end, never 0."""
    ramp = torch.arange(1, length + 1, dtype=torch.float32)
    return torch.minimum(torch.minimum(ramp, ramp.flip(0)) / (overlap + 1), torch.tensor(1.0))
