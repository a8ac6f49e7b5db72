# SPDX-License-Identifier: GPL-3.0-or-later
"""What survives Blender, also when two write at once and when the disk is full."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blender_addon.documents import Input, Job
from blender_addon.errors import DiskFull, JobFailed, JournalDamaged, ServerWords
from blender_addon.jobs.aim import Aim, SentPart
from blender_addon.jobs.journal import Journal, Owners, Record

ROOT = Path(__file__).resolve().parents[3]
WORDS = ServerWords("NoSubject", "Nothing stands out.", "Crop it.", False)
DOCUMENT = Job(
    id="1" * 32,
    number=4,
    revision=9,
    state="failed",
    input=Input("image", "fox.png"),
    settings={"seed": 1},
    created_s=1.5,
    cancel_requested=False,
    stage="normalize",
    engine="draft",
    stage_progress=0.5,
    progress=0.1,
    eta_s=None,
    stages=(),
    warnings=(),
    error=WORDS,
    artifacts=(),
)


def new_record(**values: Any) -> Record:
    return replace(Record(uuid.uuid4().hex, "me", "fox", 1.0, {"seed": 1}, True), **values)


def opened(folder: Path) -> Journal:
    journal = Journal(folder)
    journal.open()
    return journal


def test_what_was_put_is_read_again(tmp_path: Path) -> None:
    records = [
        new_record(),
        new_record(job=DOCUMENT, job_id=DOCUMENT.id, server="home:x"),
        new_record(end="failed", failure=WORDS),
        new_record(mesh="mesh.obj", skeleton="skeleton.json", aim=Aim("skin", "fox_rig", (SentPart("fox", 7),))),
    ]
    journal = opened(tmp_path / "jobs")
    for record in records:
        journal.put(record)
    again = opened(tmp_path / "jobs")
    assert list(again.records.values()) == records
    assert records[0].error is None
    assert records[1].error == records[2].error == JobFailed(WORDS)
    assert [record.is_busy for record in records] == [True, False, False, True]


def test_a_job_that_was_deleted_stays_hidden_and_one_that_was_swept_does_not(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    for record in (
        new_record(job_id="1" * 32, delete_asked=True),
        new_record(job_id="2" * 32),
    ):
        journal.put(record)
        journal.remove(record.key)
    again = opened(tmp_path)
    assert again.hidden == ("1" * 32,)
    assert again.records == {}


def test_two_journals_keep_each_others_records(tmp_path: Path) -> None:
    first, second = opened(tmp_path), opened(tmp_path)
    one, two = new_record(), new_record()
    first.put(one)
    second.put(two)
    assert second.records == {one.key: one, two.key: two}
    first.refresh()
    assert first.records == second.records
    first.remove(two.key)
    second.put(replace(one, is_imported=True))
    assert set(second.records) == {one.key}


def test_two_processes_write_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    script = (
        "import sys, uuid\nfrom pathlib import Path\nfrom blender_addon.jobs.journal import Journal, Record\n"
        "journal = Journal(Path(sys.argv[1])); journal.open()\n"
        "for n in range(20): journal.put(Record(uuid.uuid4().hex, sys.argv[2], 'fox', 1.0, {}, True))"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    writers = [subprocess.Popen([*command, name], cwd=ROOT) for name in ("one", "two")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    owners = [record.owner for record in opened(tmp_path).records.values()]
    assert (owners.count("one"), owners.count("two")) == (20, 20)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["jobs.json", "jobs.lock"]


def test_a_full_disk_loses_neither_the_file_nor_the_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = opened(tmp_path)
    first, second = new_record(), new_record()
    journal.put(first)
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left")))
        with pytest.raises(DiskFull):
            journal.put(second)
    assert set(opened(tmp_path).records) == {first.key}
    assert set(journal.records) == {first.key, second.key}
    journal.put(replace(first, is_imported=True))
    assert set(opened(tmp_path).records) == {first.key, second.key}
    assert not list(tmp_path.glob("*.part"))


def test_damage_is_told_once_and_what_is_in_memory_is_written(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    record = new_record()
    (tmp_path / "jobs.json").write_text("not json")
    with pytest.raises(JournalDamaged):
        journal.put(record)
    journal.put(record)
    assert set(opened(tmp_path).records) == {record.key}
    assert len(list(tmp_path.glob("jobs-damaged-*.json"))) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("created_s", "yesterday"), ("is_imported", 1), ("key", None), ("job", {"id": 1}), ("end", "exploded")],
)
def test_a_record_of_another_shape_is_damage(tmp_path: Path, name: str, value: object) -> None:
    opened(tmp_path).put(new_record())
    document = json.loads((tmp_path / "jobs.json").read_text())
    document["jobs"][0][name] = value
    (tmp_path / "jobs.json").write_text(json.dumps(document))
    with pytest.raises(JournalDamaged):
        opened(tmp_path)


def test_fields_of_a_later_version_are_ignored(tmp_path: Path) -> None:
    record = new_record()
    opened(tmp_path).put(record)
    document = json.loads((tmp_path / "jobs.json").read_text())
    document["jobs"][0]["mood"] = "good"
    (tmp_path / "jobs.json").write_text(json.dumps(document))
    assert opened(tmp_path).records == {record.key: record}


def test_an_owner_is_alive_until_its_process_ends(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom blender_addon.jobs.journal import Owners\n"
        "owners = Owners(Path(sys.argv[1])); owners.enter(); print(owners.me, flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    mine = Owners(tmp_path)
    mine.enter()
    try:
        assert other.stdout is not None
        theirs = new_record(owner=other.stdout.readline().strip())
        assert not mine.is_alone(theirs)
        assert not mine.is_alone(new_record(owner=mine.me))
    finally:
        other.kill()
        other.communicate()
    assert mine.is_alone(theirs)
    assert mine.is_alone(new_record(owner="somebody"))
    mine.leave()
    assert list((tmp_path / "owners").iterdir()) == []
