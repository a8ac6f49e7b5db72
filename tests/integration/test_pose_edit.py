# SPDX-License-Identifier: GPL-3.0-or-later
"""From a cut-out figure to a checked cut-out of its edit, by the real SDK; the fake service draws as it is told."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from inference_server.core.types import UInt8
from inference_server.errors import EditorRefused
from inference_server.stages.normalize.edit_prompt import EditCase
from inference_server.stages.normalize.hosted_editor import HostedEditor
from inference_server.stages.normalize.pose_edit import PoseEdit, edit_pose
from models.draft.errors import NoSubjectFound
from models.draft.matting import cut_out
from tests.integration.fake_gemini import KEY, MODEL, FakeGemini, data_reply, fake_gemini, parts_reply, png_of

pytest.importorskip("google.genai", reason="needs the extra hosted (google-genai), which is not installed")

SKIN, CLOTH = (200, 140, 110, 255), (150, 30, 40, 255)


def figure(reach: int) -> UInt8:
    """A figure on a clear ground, its hands so many pixels beside its shoulders."""
    rgba = np.zeros((400, 400, 4), np.uint8)
    for side in (-1, 1):
        cv2.line(rgba, (200 + side * 30, 140), (200 + side * (30 + reach), 235), SKIN, 18)
        cv2.line(rgba, (200 + side * 16, 240), (200 + side * 26, 350), CLOTH, 22)
    cv2.rectangle(rgba, (172, 120), (228, 245), CLOTH, -1)
    cv2.circle(rgba, (200, 90), 36, SKIN, -1)
    return rgba


def drawn(rgba: UInt8, ground: tuple[int, int, int]) -> bytes:
    """The figure as the service would send it."""
    share = rgba[..., 3:] / 255.0
    return png_of(np.uint8(rgba[..., :3] * share + np.array(ground) * (1 - share)))


def edit(fake: FakeGemini, case: EditCase = "humanoid") -> PoseEdit:
    editor = HostedEditor(MODEL, KEY, fake.url, timeout_s=20)
    return edit_pose(figure(8), case, editor, lambda rgba: cut_out(rgba).rgba, lambda: None)


def test_a_good_edit_is_cut_out_and_taken() -> None:
    with fake_gemini() as fake:
        fake.replies = [data_reply(drawn(figure(85), (217, 217, 217)))]
        result = edit(fake)
    assert result.sentence == ""
    assert result.rgba is not None
    assert result.rgba.shape == (400, 400, 4)
    inside, truth = result.rgba[..., 3] >= 128, figure(85)[..., 3] >= 128
    assert (inside & truth).sum() / (inside | truth).sum() > 0.95
    [request] = fake.requests
    assert "A-pose" in request.prompt
    assert request.body["generationConfig"]["imageConfig"]["aspectRatio"] == "3:4"
    with Image.open(request.file) as sent:
        assert (sent.size, sent.mode, sent.info) == ((1024, 1024), "RGB", {})
        assert (np.asarray(sent) == result.sent).all()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (drawn(figure(8), (217, 217, 217)), "arms are not apart"),
        (png_of(np.full((400, 400, 3), 217, np.uint8)), "empty"),
    ],
    ids=["unchanged", "empty"],
)
def test_a_bad_edit_is_not_taken_and_said(answer: bytes, words: str) -> None:
    with fake_gemini() as fake:
        fake.replies = [data_reply(answer)]
        result = edit(fake)
    assert result.rgba is None
    assert words in result.sentence
    assert result.edited.rgb.shape == (400, 400, 3)


def test_an_animal_keeps_its_stance() -> None:
    with fake_gemini() as fake:
        fake.replies = [data_reply(drawn(figure(8), (217, 217, 217)))]
        result = edit(fake, "other")
    assert result.rgba is not None
    assert "pose" not in fake.requests[0].prompt.lower()


def test_the_editors_errors_pass_and_an_empty_picture_is_not_sent() -> None:
    with fake_gemini() as fake:
        fake.replies = [parts_reply(None, "IMAGE_SAFETY")]
        with pytest.raises(EditorRefused):
            edit(fake)
        with pytest.raises(NoSubjectFound):
            empty = np.zeros((32, 32, 4), np.uint8)
            edit_pose(empty, "other", HostedEditor(MODEL, KEY, fake.url), lambda rgba: rgba, lambda: None)
    assert len(fake.requests) == 1
