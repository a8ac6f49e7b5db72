# SPDX-License-Identifier: GPL-3.0-or-later
"""ViTPose through transformers: a cut-out subject goes in, joints come out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import VitPoseForPoseEstimation
from transformers.models.vitpose.image_processing_pil_vitpose import VitPoseImageProcessorPil

from models.common.checkpoint import CheckpointMismatch
from models.common.pretrained import read_network, read_part

from .measure import JOINTS, Joints

BACKGROUND = 255  # clear pixels become white: people are photographed before plain walls too
SUBJECT_ALPHA = 128


class PoseNetwork:
    """A loaded ViTPose with the seventeen joints of COCO."""

    def __init__(self, network: Any, processor: Any, device: torch.device) -> None:
        self._network = network.to(device)
        self._processor = processor
        self._device = device

    @classmethod
    def load(cls, folder: Path, device: torch.device) -> PoseNetwork:
        """folder: in transformers' layout. Raises CheckpointMissing, CheckpointDamaged, CheckpointMismatch."""
        network = read_network(VitPoseForPoseEstimation, folder, torch.float32)
        processor = read_part(VitPoseImageProcessorPil, folder)
        if network.config.num_labels != JOINTS:
            raise CheckpointMismatch(f"{folder.name} ({network.config.num_labels} joints)", ("head.conv",), (), {})
        return cls(network, processor, device)

    @torch.no_grad()
    def find(self, rgba: np.ndarray) -> Joints:  # rgba: (H, W, 4) uint8, the subject cut out
        """The joints of the one person that the picture is taken to show, in its pixels.

        A picture without a subject is looked at as a whole.
        """
        share = rgba[..., 3:].astype(np.float32) / 255.0
        rgb = np.rint(rgba[..., :3] * share + BACKGROUND * (1.0 - share)).astype(np.uint8)
        boxes = [[_box(rgba[..., 3] >= SUBJECT_ALPHA)]]
        seen = self._processor(rgb, boxes=boxes, return_tensors="pt").to(self._device)
        answer = self._network(**seen)
        answer.heatmaps = answer.heatmaps.float().cpu()
        [[person]] = self._processor.post_process_pose_estimation(answer, boxes=boxes)
        return Joints(person["keypoints"].numpy().astype(np.float32), person["scores"].numpy().astype(np.float32))


def _box(inside: np.ndarray) -> list[float]:  # (H, W) bool
    """Left, top, width, height, as COCO has it."""
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not rows.size:
        return [0.0, 0.0, float(inside.shape[1]), float(inside.shape[0])]
    return [float(value) for value in (columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1)]
