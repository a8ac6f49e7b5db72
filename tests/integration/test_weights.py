# SPDX-License-Identifier: GPL-3.0-or-later
"""figurine weights, against a hub on this machine: fetched whole or not at all, resumed, checked, damage named."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.fake_hub import COMMIT, FakeHub, serve_hub
from tests.integration.jobs import Done, figurine

ID = "birefnet-lite"
CONTENT = bytes(range(256)) * 20_000  # 5 MB: downloads come in blocks of one


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with serve_hub(CONTENT) as served:
        yield served


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def weights(home: Path, hub: FakeHub | None, *words: str) -> Done:
    environment = {
        "HF_ENDPOINT": hub.url if hub else "http://127.0.0.1:9",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HOME": str(home / "hf"),
        "NO_PROXY": "127.0.0.1",
    }
    return figurine("weights", *words, home=home, environment=environment)


def state(home: Path) -> str:
    rows = json.loads(weights(home, None, "list", "--json").stdout)
    return str(next(row["state"] for row in rows if row["id"] == ID))


def test_a_set_is_fetched_checked_and_recorded(home: Path, hub: FakeHub) -> None:
    assert state(home) == "absent"
    done = weights(home, hub, "fetch", ID)
    assert done.exit_code == 0, done.stderr
    folder = home / "weights" / ID
    assert (folder / "model.safetensors").read_bytes() == CONTENT
    record = json.loads((folder / "figurine.json").read_text())
    assert record == {"revision": COMMIT, "files": {"model.safetensors": {"bytes": len(CONTENT), "sha256": hub.digest}}}
    assert state(home) == "present"
    assert not list((home / "weights" / ".parts").iterdir())
    hub.ranges.clear()
    assert "is here" in weights(home, hub, "fetch", ID).stdout
    assert hub.ranges == []


def test_a_download_that_was_cut_off_goes_on_where_it_was(home: Path, hub: FakeHub) -> None:
    hub.cut_after = 3_000_000
    failed = weights(home, hub, "fetch", ID)
    assert failed.exit_code == 1 and "run again" in failed.stderr
    assert state(home) == "absent"
    hub.cut_after = None
    assert weights(home, hub, "fetch", ID).exit_code == 0
    resumed = int(hub.ranges[-1].removeprefix("bytes=").split("-")[0])
    assert 0 < resumed <= 3_000_000
    assert hashlib.sha256((home / "weights" / ID / "model.safetensors").read_bytes()).hexdigest() == hub.digest


def test_content_that_differs_from_its_digest_is_thrown_away(home: Path, hub: FakeHub) -> None:
    hub.digest = "0" * 64
    failed = weights(home, hub, "fetch", ID)
    assert failed.exit_code == 1 and "than was announced" in failed.stderr
    assert state(home) == "absent"
    hub.digest = hashlib.sha256(CONTENT).hexdigest()
    assert weights(home, hub, "fetch", ID).exit_code == 0


@pytest.mark.parametrize(
    ("status", "code", "sentence"),
    [
        (404, "EntryNotFound", "The hub has no"),
        (403, "GatedRepo", "set HF_TOKEN"),
        (401, "RepoNotFound", "private, gated or gone"),
        (500, "", "could not be fetched"),
    ],
)
def test_what_the_hub_refuses_is_told_in_one_line(
    home: Path, hub: FakeHub, status: int, code: str, sentence: str
) -> None:
    hub.status, hub.error_code = status, code
    failed = weights(home, hub, "fetch", ID)
    assert failed.exit_code == 1
    assert sentence in failed.stderr and len(failed.stderr.strip().splitlines()) == 1


def test_no_connection_is_told_in_one_line(home: Path) -> None:
    failed = weights(home, None, "fetch", ID)
    assert failed.exit_code == 1
    assert "could not be fetched" in failed.stderr and len(failed.stderr.strip().splitlines()) == 1


def test_files_put_there_by_hand_are_taken_in_by_verify(home: Path) -> None:
    folder = home / "weights" / ID
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"by hand")
    assert state(home) == "absent"
    done = weights(home, None, "verify")
    assert done.exit_code == 0 and "is whole" in done.stdout
    assert state(home) == "present"
    (folder / "model.safetensors").write_bytes(b"by hanD")
    damaged = weights(home, None, "verify", ID)
    assert damaged.exit_code == 1 and "differs" in damaged.stdout
    (folder / "model.safetensors").write_bytes(b"short")
    assert state(home) == "damaged"


def test_a_pointer_in_place_of_a_file_is_named(home: Path) -> None:
    folder = home / "weights" / ID
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    assert state(home) == "damaged"
    assert "Git-LFS pointer" in weights(home, None, "verify").stdout


def test_an_unknown_set_is_told_with_the_known_ones(home: Path) -> None:
    failed = weights(home, None, "fetch", "nothing")
    assert failed.exit_code == 1 and ID in failed.stderr
