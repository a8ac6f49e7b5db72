# SPDX-License-Identifier: GPL-3.0-or-later
"""The editors of pose and view: the one on this machine, and the hosted one, which is used where it is asked for."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from inference_server.core.codec import png_bytes
from inference_server.core.stage import Device
from inference_server.core.types import UInt8
from inference_server.errors import EditorNotSetUp, EngineUnavailable, FigurineError, OutOfMemory, WeightsCorrupt
from inference_server.stages.network_errors import memory_errors, weight_errors
from inference_server.stages.normalize.edit_prompt import AspectRatio
from inference_server.stages.normalize.editing import EditContext, Editing, EditorName, PoseEditor
from inference_server.stages.normalize.hosted_editor import HostedEditor
from inference_server.stages.normalize.judging import POSE_WEIGHTS, EditJudge, VitPoseReader
from inference_server.stages.normalize.pose_edit import prepare_edit
from inference_server.weights import WeightStore

# Sides at about a megapixel that the local editors were trained on: width, height.
SIZES_PX: Mapping[AspectRatio, tuple[int, int]] = {"1:1": (1024, 1024), "3:4": (880, 1184)}
# Beside the weights: pictures, latents, the decoder.
_WORKING_BYTES = 4 << 30
_HOSTED_BYTES = 256 << 20
_GIB = 1 << 30
_WITHOUT_EDIT = "Close other programs, or go on without an edit of the pose."


@dataclass(frozen=True)
class EditorChoices:
    """What the server's configuration says of editors. local_id: weights of the one on this machine. hosted: None where
    pictures must not leave it.
    """

    local_id: str
    hosted: HostedEditor | None = None


def set_up_editors(weights: WeightStore, choices: EditorChoices) -> Editing:
    """The editors that can be used here, why the others cannot, and who judges. Nothing is loaded."""
    editors: dict[EditorName, PoseEditor] = {}
    absent: dict[EditorName, FigurineError] = {}
    has_networks = importlib.util.find_spec("diffusers") is not None
    try:
        if not has_networks:
            raise EngineUnavailable(
                "The local editor of pose and view needs the networks' libraries, which are not installed.",
                "Run: pip install 'figurine[neural]'",
            )
        editors["local"] = LocalPoseEditor(weights, choices.local_id)
    except (EngineUnavailable, WeightsCorrupt) as error:
        absent["local"] = error
    if choices.hosted is None:
        absent["hosted"] = EditorNotSetUp(
            "The hosted editor is off on this server: no picture may leave it.",
            "Set hosted_editor and gemini_key in the server's config.toml, or choose another editor.",
        )
    else:
        editors["hosted"] = HostedPoseEditor(choices.hosted)
    reader = VitPoseReader(weights) if has_networks and weights.state(POSE_WEIGHTS) != "absent" else None
    return Editing(editors, EditJudge(reader), absent, reader)


class HostedPoseEditor:
    """Sends the framed subject to the provider, and nothing else of the job."""

    name: EditorName = "hosted"
    peak_bytes: int = _HOSTED_BYTES

    def __init__(self, service: HostedEditor) -> None:
        self._service = service
        self.title = service.model
        self.identity: tuple[str, ...] = (service.model, service.base_url)

    def edit(self, rgba: UInt8, ctx: EditContext) -> UInt8:
        """Raises what `HostedEditor.edit` raises, and NoSubjectFound where there is nothing to send."""
        request = prepare_edit(rgba, ctx.case)
        ctx.progress(0, 1)
        ctx.note(f"The picture was sent to the hosted editor {self.title} at {self._service.base_url}.")
        answer = self._service.edit(
            png_bytes(request.picture), request.prompt, ctx.raise_if_cancelled, request.aspect_ratio
        )
        if answer.attempts > 1:
            ctx.note(f"The hosted editor was asked {answer.attempts} times; each may be billed.")
        ctx.progress(1, 1)
        return answer.rgb

    def unload(self) -> None:
        """Nothing is held."""


class LocalPoseEditor:
    """An instruction editor of models/pose_edit, loaded when the first picture needs it."""

    name: EditorName = "local"
    _loaded: Any = None

    def __init__(self, weights: WeightStore, weight_id: str, device: Device | None = None) -> None:
        """Raises WeightsMissing, WeightsCorrupt: the weights are looked for, not read."""
        self._id = weight_id
        self._folder = weights.locate(weight_id)
        self._device = device or Device()
        self.title = weights.set_of(weight_id).title
        self.identity: tuple[str, ...] = weights.digests(weight_id)
        self._weight_bytes = sum(path.stat().st_size for path in _weight_files(self._folder))
        self.peak_bytes: int = self._weight_bytes + _WORKING_BYTES

    def edit(self, rgba: UInt8, ctx: EditContext) -> UInt8:
        """Raises WeightsMissing, WeightsCorrupt, OutOfMemory, NoSubjectFound."""
        from models.pose_edit.editor import Instruction

        request = prepare_edit(rgba, ctx.case)
        width, height = SIZES_PX[request.aspect_ratio]
        instruction = Instruction(request.picture, request.prompt, width, height, ctx.seed)
        with memory_errors(f"{self.title} edited the picture", _WITHOUT_EDIT):
            editor = self._load(ctx)
            drawn: UInt8 = editor.draw(instruction, ctx.progress, ctx.raise_if_cancelled)
        return drawn

    def unload(self) -> None:
        """Drop the networks."""
        if self._loaded is not None:
            from models.common.device import pick_device
            from models.common.offload import release_cached

            self._loaded = None
            release_cached(pick_device(self._device.name))

    def _load(self, ctx: EditContext) -> Any:
        if self._loaded is None:
            from models.common.device import pick_device
            from models.pose_edit.editor import LocalEditor
            from models.pose_edit.recipes import RECIPES

            ctx.raise_if_cancelled()
            free = psutil.virtual_memory().available
            if free < self._weight_bytes:
                raise OutOfMemory(
                    f"{self.title} needs {self._weight_bytes / _GIB:.0f} GiB of main memory; {free / _GIB:.0f} are "
                    "free.",
                    _WITHOUT_EDIT,
                )
            with weight_errors(self._id):
                self._loaded = LocalEditor.load(self._folder, RECIPES[self._id], pick_device(self._device.name))
        return self._loaded


def _weight_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.safetensors"))
