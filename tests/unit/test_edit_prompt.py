# SPDX-License-Identifier: GPL-3.0-or-later
"""What an editor is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from inference_server.stages.normalize.edit_prompt import EditCase, build_prompt, choose_aspect_ratio


def test_only_a_humanoid_is_put_into_an_a_pose() -> None:
    humanoid, other = build_prompt("humanoid", "white (#FFFFFF)"), build_prompt("other", "white (#FFFFFF)")
    assert "A-pose" in humanoid
    assert "45 degrees" in humanoid
    for word in ("pose", "arm", "hand", "character"):
        assert word not in other.lower(), word
    assert "Do not make it stand like a person" in other


@pytest.mark.parametrize("case", ["humanoid", "other"])
def test_every_instruction_is_complete(case: EditCase) -> None:
    prompt = build_prompt(case, "pale green (#A8E0B0)")
    assert "flat pale green (#A8E0B0) that fills the picture" in prompt
    for word in ("front", "orthographic", "very same", "margin", "No floor, no shadow", "cut off"):
        assert word in prompt
    assert "{" not in prompt


def test_tall_humanoids_fit_an_upright_picture() -> None:
    rgba = np.zeros((400, 400, 4), np.uint8)
    rgba[20:380, 100:300, 3] = 255
    assert choose_aspect_ratio("humanoid", rgba) == "3:4"
    assert choose_aspect_ratio("other", rgba) == "1:1"
    rgba[20:380, 50:350, 3] = 255
    assert choose_aspect_ratio("humanoid", rgba) == "1:1"
