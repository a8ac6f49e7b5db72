# SPDX-License-Identifier: GPL-3.0-or-later
"""Neural figures in Blender: drafts that are upgraded and figures with another seed, by tiny checkpoints in the
published layouts.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.integration.jobs import figurine
from tests.integration.test_addon_ui import archive, run

__all__ = ["archive"]  # a fixture

pytestmark = [
    pytest.mark.blender,
    pytest.mark.skipif(importlib.util.find_spec("bpy") is None, reason="the bpy module is not installed"),
]
CASE = "addon_neural_cases.upgrade_and_other_seeds"
TIMEOUT_S = 1800


def test_the_panel_says_what_the_server_computes_on(archive: Path, tmp_path: Path) -> None:
    run("addon_neural_cases.the_server_says_what_it_computes_on", archive, tmp_path)


@pytest.mark.full
@pytest.mark.timeout(TIMEOUT_S)
def test_a_draft_becomes_neural_and_has_other_seeds(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch", reason="needs the networks' libraries: pip install 'figurine[neural]'")
    from tests.integration.brightness_net import save_brightness_net
    from tests.integration.tiny_unirig import save_tiny_unirig
    from tests.integration.tiny_weights import LABEL_ID, add_geometry_weights, add_texture_weights

    home = tmp_path / "answers" / CASE / "home"
    add_geometry_weights(home, LABEL_ID)
    add_texture_weights(home)
    save_tiny_unirig(home)
    save_brightness_net(home / "weights" / "birefnet-lite" / "model.safetensors")
    for weight_id in ("birefnet-lite", "unirig-skeleton", "unirig-skin"):
        assert figurine("weights", "verify", weight_id, home=home).exit_code == 0
    monkeypatch.setenv("FIGURINE_NETWORKS_ON_CPU", "1")
    run(CASE, archive, tmp_path, TIMEOUT_S)
