# SPDX-License-Identifier: GPL-3.0-or-later
"""figurine weights convert: a published pickle becomes safetensors, once; both digests are kept; nothing runs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.fake_hub import COMMIT, FakeHub, serve_hub
from tests.integration.jobs import Done, figurine

pytest.importorskip("torch", reason="needs the networks' libraries: pip install 'figurine[neural]'")

import torch
from safetensors.torch import load_file

ID = "unirig-skeleton"
PICKLE = "skeleton/articulation-xl_quantization_256/model.ckpt"


class Planted:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)  # noqa: TID251 - what must not run


def save_pickle(home: Path, **more: object) -> Path:
    path = home / "weights" / ID / PICKLE
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {"model.weight": torch.arange(6.0).reshape(2, 3), "model.bias": torch.zeros(2)}
    torch.save({"state_dict": weights, "optimizer_states": [{"state": torch.ones(100_000)}], **more}, path)
    return path


def weights(home: Path, *words: str) -> Done:
    return figurine("weights", *words, home=home)


def state(home: Path) -> str:
    rows = json.loads(weights(home, "list", "--json").stdout)
    return str(next(row["state"] for row in rows if row["id"] == ID))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_pickle_becomes_safetensors_and_both_digests_are_kept(tmp_path: Path) -> None:
    path = save_pickle(tmp_path)
    assert state(tmp_path) == "absent"
    assert f"figurine weights convert {ID}" in weights(tmp_path, "verify", ID).stdout
    done = weights(tmp_path, "convert", ID)
    assert done.exit_code == 0, done.stderr
    made = path.parents[2] / "model.safetensors"
    assert set(load_file(made)) == {"model.weight", "model.bias"} and made.stat().st_size < 1000
    files = json.loads((path.parents[2] / "figurine.json").read_text())["files"]
    assert {name: file["sha256"] for name, file in files.items()} == {PICKLE: digest(path), made.name: digest(made)}
    assert digest(path) in done.stdout and digest(made) in done.stdout
    assert state(tmp_path) == "present"
    path.unlink()
    assert state(tmp_path) == "present" and weights(tmp_path, "verify", ID).exit_code == 0
    assert PICKLE in (path.parents[2] / "figurine.json").read_text()
    made.write_bytes(made.read_bytes()[:-1])
    assert state(tmp_path) == "damaged"


def test_a_pickle_that_asks_for_more_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    path = save_pickle(tmp_path, callbacks=Planted(tmp_path / "it-ran"))
    failed = weights(tmp_path, "convert", ID)
    assert failed.exit_code == 1 and len(failed.stderr.strip().splitlines()) == 1
    assert "was refused" in failed.stderr and "system" in failed.stderr
    assert not (tmp_path / "it-ran").exists()
    assert [item.name for item in path.parents[2].iterdir()] == ["skeleton"]


def test_what_cannot_be_converted_is_told_in_one_line(tmp_path: Path) -> None:
    absent = weights(tmp_path, "convert", ID)
    assert absent.exit_code == 1 and f"figurine weights fetch {ID}" in absent.stderr
    needless = weights(tmp_path, "convert", "birefnet")
    assert needless.exit_code == 1 and "needs no conversion" in needless.stderr


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    with serve_hub(save_pickle(tmp_path / "published").read_bytes()) as served:
        yield served


def test_fetching_converts_and_a_changed_pickle_is_not_converted_again(tmp_path: Path, hub: FakeHub) -> None:
    environment = {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path), "NO_PROXY": "127.0.0.1"}
    home = tmp_path / "home"
    done = figurine("weights", "fetch", ID, home=home, environment=environment)
    assert done.exit_code == 0, done.stderr
    assert state(home) == "present"
    record = json.loads((home / "weights" / ID / "figurine.json").read_text())
    assert record["revision"] == COMMIT and set(record["files"]) == {PICKLE, "model.safetensors"}
    (home / "weights" / ID / "model.safetensors").unlink()
    hub.ranges.clear()
    assert figurine("weights", "fetch", ID, home=home, environment=environment).exit_code == 0
    assert hub.ranges == [] and state(home) == "present"
    save_pickle(home, epoch=1)
    failed = weights(home, "convert", ID)
    assert failed.exit_code == 1 and "differs from the file that was fetched" in failed.stderr
