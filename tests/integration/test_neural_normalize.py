# SPDX-License-Identifier: GPL-3.0-or-later
"""The neural way of the normalize stage: a tiny network in the official layout, by command line and server."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.integration.jobs import figurine, report_of
from tests.integration.server_process import Server

pytest.importorskip("torch", reason="needs the networks' libraries: pip install 'figurine[neural]'")

from inference_server.errors import WeightsCorrupt, WeightsMissing
from tests.integration.brightness_net import save_brightness_net
from tests.integration.tiny_weights import registry_of, store_of

ID = "birefnet-lite"
SMALL = ("--kind", "none", "--texture", "1024")  # what comes after the network


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bright doll before a striped dark background: no border colour tells it apart."""
    rgb = np.zeros((400, 300, 3), np.uint8)
    rgb[:, ::20, 2] = 90
    rgb[::16, :, 1] = 70
    for side in (-1, 1):
        cv2.line(rgb, (150 + 30 * side, 240), (150 + 40 * side, 380), (230, 225, 235), 26)
        cv2.line(rgb, (150 + 40 * side, 130), (150 + 90 * side, 240), (230, 225, 235), 26)
    cv2.rectangle(rgb, (105, 110), (195, 260), (250, 240, 230), -1)
    cv2.circle(rgb, (150, 70), 48, (255, 235, 225), -1)
    path = tmp_path_factory.mktemp("picture") / "doll.png"
    Image.fromarray(rgb).save(path)
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the tiny network in the place of the lite one."""
    root = tmp_path_factory.mktemp("neural") / "home"
    save_brightness_net(root / "weights" / ID / "model.safetensors")
    done = figurine("weights", "verify", ID, home=root)
    assert done.exit_code == 0, done.stdout
    return root


@pytest.mark.blender
def test_weights_that_are_there_are_used_and_named(home: Path, picture: Path, tmp_path: Path) -> None:
    done = figurine("run", picture, "--out", tmp_path / "out", *SMALL, home=home)
    assert done.exit_code == 0, done.stderr
    report = report_of(tmp_path / "out")
    stages = {stage["stage"]: stage for stage in report["stages"]}
    assert stages["normalize"]["engine"] == "neural" and stages["normalize"]["fallback_reason"] == ""
    assert stages["normalize"]["weight_digests"] == list(store_of(home).digests(ID))
    assert stages["geometry"]["engine"] == "draft" and "weights fetch" in stages["geometry"]["fallback_reason"]
    assert report["engine"] == "draft+neural"
    again = figurine("run", picture, "--out", tmp_path / "again", *SMALL, home=home)
    assert again.exit_code == 0
    assert report_of(tmp_path / "again")["stages"][0]["reused"]


@pytest.mark.blender
def test_the_server_runs_the_network_and_shows_what_it_cut_out(home: Path, picture: Path) -> None:
    with Server(home) as server:
        job = server.wait(
            server.submit(picture, engines={"normalize": "neural"}, kind="none", outputs="rig", texture_px=1024)
        )
        assert job["state"] == "done", job
        assert job["stages"][0]["engine"] == "neural"
        content = server.request("GET", f"/v1/jobs/{job['id']}/artifacts/normalized.png").content
    (home.parent / "normalized.png").write_bytes(content)
    with Image.open(home.parent / "normalized.png") as shown:
        alpha = np.asarray(shown.convert("RGBA"))[..., 3]
    doll = 0.3  # of the square, about
    assert 0.6 * doll < (alpha > 127).mean() < 1.4 * doll


def test_without_weights_auto_drafts_and_says_why_and_neural_refuses(tmp_path: Path) -> None:
    registry = registry_of(tmp_path)
    choice = registry.choose("normalize", "auto")
    assert choice.stage.engine == "draft"
    assert "figurine weights fetch birefnet-lite" in choice.fallback_reason
    assert str(tmp_path) not in choice.fallback_reason
    with pytest.raises(WeightsMissing):
        registry.choose("normalize", "neural")


def test_damaged_weights_are_an_error_and_never_a_quiet_draft(home: Path, tmp_path: Path) -> None:
    save_brightness_net(tmp_path / "weights" / ID / "model.safetensors")
    assert figurine("weights", "verify", ID, home=tmp_path).exit_code == 0
    with (tmp_path / "weights" / ID / "model.safetensors").open("ab") as stream:
        stream.write(b"more")
    with pytest.raises(WeightsCorrupt):
        registry_of(tmp_path).choose("normalize", "auto")


def test_weights_of_another_network_fail_the_run_with_their_keys(home: Path, picture: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = tmp_path / "home" / "weights" / ID / "model.safetensors"
    save_brightness_net(path)
    weights = load_file(path)
    del weights["decoder.lateral_block4.conv.bias"]
    save_file(weights, path)
    assert figurine("weights", "verify", ID, home=tmp_path / "home").exit_code == 0
    failed = figurine("run", picture, "--out", tmp_path / "out", "--engine", "auto", home=tmp_path / "home")
    assert failed.exit_code == 1
    assert "decoder.lateral_block4.conv.bias" in failed.stderr and len(failed.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
