# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture, and tiny editors of random weights, for the tests of jobs that use them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from inference_server.stages.normalize import editors, pose_edit
from tests.integration.addon_fixtures import make_results
from tests.integration.tiny_store import SIDE_PX, STEPS


@pytest.fixture(scope="session")
def imported_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """fixtures.json of finished jobs, for the add-on's cases."""
    return make_results(tmp_path_factory.mktemp("addon-results"))


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory, make_figure_picture: Callable[..., Image.Image]) -> Path:
    """A simple person, already cut out."""
    path = tmp_path_factory.mktemp("picture") / "person.png"
    make_figure_picture(512).save(path)
    return path


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights folder with tiny editors and a tiny pose network in their official layouts."""
    pytest.importorskip("torch", reason="needs the networks' libraries: pip install 'figurine[neural]'")
    from tests.integration.tiny_editors import save_flux2_klein, save_qwen_image_edit, save_vitpose

    root = tmp_path_factory.mktemp("editors") / "weights"
    save_flux2_klein(root / "flux2-klein-4b")
    save_qwen_image_edit(root / "qwen-image-edit-2511")
    save_vitpose(root / "vitpose-base")
    return root


@pytest.fixture
def small_edits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures so small, and so few steps, that a tiny network on a CPU takes no time."""
    pipeline = pytest.importorskip(
        "diffusers.pipelines.qwenimage.pipeline_qwenimage_edit_plus",
        reason="needs the networks' libraries: pip install 'figurine[neural]'",
    )
    recipes = importlib.import_module("models.pose_edit.recipes")
    monkeypatch.setattr(pose_edit, "SENT_SIDE_PX", SIDE_PX)
    monkeypatch.setattr(editors, "SIZES_PX", {"1:1": (SIDE_PX, SIDE_PX), "3:4": (96, SIDE_PX)})
    monkeypatch.setattr(pipeline, "VAE_IMAGE_SIZE", SIDE_PX**2)
    monkeypatch.setattr(pipeline, "CONDITION_IMAGE_SIZE", 56**2)
    few = {weight_id: replace(recipe, steps=STEPS) for weight_id, recipe in recipes.RECIPES.items()}
    monkeypatch.setattr(recipes, "RECIPES", few)
