# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an edit may take the original's place: by outlines and colours, and by joints where ViTPose is here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inference_server.core.stage import Device
from inference_server.core.types import UInt8
from inference_server.stages.network_errors import weight_errors
from inference_server.stages.normalize.editing import EditCase, PoseReader, Verdict
from inference_server.weights import WeightStore

POSE_WEIGHTS = "vitpose-base"
_NOT_USED = "The edited picture was not used, because {}; the original was kept."


class VitPoseReader:
    """A PoseReader. The network is read when the first picture needs it."""

    _network: Any = None

    def __init__(self, weights: WeightStore, device: Device | None = None) -> None:
        self._weights = weights
        self._device = device or Device()
        self.identity: tuple[str, ...] = weights.digests(POSE_WEIGHTS)

    def measure(self, rgba: UInt8) -> Any:  # rgba: (H, W, 4) uint8, the subject cut out
        """A models.human_pose.measure.PoseMeasure. Raises WeightsMissing, WeightsCorrupt."""
        from models.human_pose.measure import measure_pose

        if self._network is None:
            from models.common.device import pick_device
            from models.human_pose.vitpose import PoseNetwork

            folder = self._weights.locate(POSE_WEIGHTS)
            with weight_errors(POSE_WEIGHTS):
                self._network = PoseNetwork.load(folder, pick_device(self._device.name))
        return measure_pose(self._network.find(rgba))

    def unload(self) -> None:
        """Drop the network."""
        self._network = None


@dataclass(frozen=True)
class Ruling:
    """A Verdict."""

    is_accepted: bool
    sentence: str


@dataclass(frozen=True)
class EditJudge:
    """Judges edits. reader: None where there are no weights for it."""

    reader: PoseReader | None = None

    def __call__(self, before: UInt8, after: UInt8, case: EditCase) -> Verdict:
        """Both (H, W, 4) uint8, each cut out in its own frame. Raises WeightsMissing, WeightsCorrupt."""
        from models.draft.errors import NoSubjectFound
        from models.draft.verify_edit import verify_edit

        try:
            verdict = verify_edit(before, after, "a_pose" if case == "humanoid" else "as_it_is")
        except NoSubjectFound:
            return Ruling(False, _NOT_USED.format("it is empty"))
        if not verdict.is_accepted or case == "other" or self.reader is None:
            return Ruling(verdict.is_accepted, verdict.sentence)
        fault = _fault_of_joints(self.reader.measure(after))
        return Ruling(False, _NOT_USED.format(fault)) if fault else Ruling(True, verdict.sentence)


def _fault_of_joints(pose: Any) -> str:
    """Why a person's joints speak against an A-pose. A drawn body in which none are found says nothing."""
    if not pose.is_human or pose.is_a_pose:
        return ""
    if not pose.is_frontal:
        return "the character does not face the viewer in it"
    return "the arms are not apart from the body in it" if not pose.are_arms_apart else "it shows no A-pose"
