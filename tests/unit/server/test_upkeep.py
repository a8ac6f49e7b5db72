# SPDX-License-Identifier: GPL-3.0-or-later
"""Retention, liveness, silent workers, the handshake: what keeps the server in order."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from inference_server.config import Config, load_config, make_home
from inference_server.errors import NotFound
from inference_server.jobs.folder import JobFolders, new_job_id
from inference_server.jobs.handshake import Handshake, read_handshake, remove_handshake, write_handshake
from inference_server.jobs.liveness import is_gone, new_worker_name
from inference_server.jobs.model import NewJob
from inference_server.jobs.queue import StaleWatch
from inference_server.jobs.retention import delete_old_jobs
from inference_server.jobs.store import JobStore


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config({"FIGURINE_HOME": str(tmp_path)}).config


def ended_job(store: JobStore, folders: JobFolders, size: int = 10) -> str:
    job_id = new_job_id()
    folders.save_artifact(job_id, "figure.fbx", bytes(size))
    store.add(NewJob(job_id, "image", "a.png", {}, job_id), 100)
    job = store.claim("worker")
    assert job is not None and job.lease is not None
    store.finish(job_id, job.lease, [])
    return job_id


def test_old_jobs_go_and_young_ones_stay(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    store, folders = JobStore(config.database), JobFolders(config.jobs_root)
    old = ended_job(store, folders)
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s + 31 * 86_400)
    young = ended_job(store, folders)
    assert delete_old_jobs(config, store, folders) == [old]
    assert not folders.folder(old).exists() and not store.exists(old)
    assert folders.folder(young).exists() and store.exists(young)


def test_above_the_size_the_oldest_go_first_and_running_ones_never(config: Config) -> None:
    store, folders = JobStore(config.database), JobFolders(config.jobs_root)
    tight = replace(config, keep_gib=0)
    running_id = new_job_id()
    folders.save_artifact(running_id, "normalized.png", bytes(10))
    store.add(NewJob(running_id, "image", "a.png", {}, running_id), 100)
    assert store.claim("worker") is not None
    first, second = ended_job(store, folders), ended_job(store, folders)
    assert delete_old_jobs(tight, store, folders) == [first, second]
    assert folders.folder(running_id).exists() and store.exists(running_id)


def test_folders_of_requests_that_were_cut_off_go(config: Config) -> None:
    store, folders = JobStore(config.database), JobFolders(config.jobs_root)
    cut_off, being_accepted = new_job_id(), new_job_id()
    for job_id in (cut_off, being_accepted):
        folders.save_artifact(job_id, "figure.fbx", b"x")
    os.utime(folders.folder(cut_off), (1000, 1000))
    delete_old_jobs(config, store, folders)
    assert not folders.folder(cut_off).exists()
    assert folders.folder(being_accepted).exists()


def test_a_worker_is_known_by_its_process_whatever_the_clock_does(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = new_worker_name()
    assert not is_gone(mine)
    boot_s = psutil.boot_time()
    monkeypatch.setattr(psutil, "boot_time", lambda: boot_s + 3600)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert not is_gone(mine)
    code = "from inference_server.jobs.liveness import new_worker_name; print(new_worker_name())"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert is_gone(ended)


def test_silence_is_measured_by_the_steady_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "time", lambda: 0.0)  # the wall clock may jump as it likes
    watch = StaleWatch(patience_s=30.0)
    assert not watch.is_silent("job", "lease", 1)
    clock[0] += 29.0
    assert not watch.is_silent("job", "lease", 1)
    assert not watch.is_silent("job", "lease", 2), "it beat"
    clock[0] += 31.0
    assert not watch.is_silent("job", "another lease", 2), "another run"
    clock[0] += 31.0
    assert watch.is_silent("job", "another lease", 2)
    watch.forget_others(set())
    assert not watch.is_silent("job", "another lease", 2)


def test_the_handshake_is_private_and_removed_by_its_owner_alone(tmp_path: Path) -> None:
    mine = Handshake("http://127.0.0.1:1", "secret token", 4242, "1.0")
    write_handshake(tmp_path, mine)
    assert stat.S_IMODE((tmp_path / "server.json").stat().st_mode) == 0o600
    assert read_handshake(tmp_path) == mine
    remove_handshake(tmp_path, 1)
    assert read_handshake(tmp_path) == mine
    remove_handshake(tmp_path, 4242)
    assert read_handshake(tmp_path) is None
    (tmp_path / "server.json").write_text("half {", encoding="utf-8")
    assert read_handshake(tmp_path) is None


def test_an_input_that_jobs_share_counts_once(config: Config) -> None:
    folders = JobFolders(config.jobs_root)
    first, second = new_job_id(), new_job_id()
    folders.save_input(first, "picture", io.BytesIO(bytes(1000)))
    folders.copy_inputs(first, second)
    folders.save_artifact(second, "figure.fbx", bytes(10))
    assert sorted(folders.sizes()) == sorted((first, second))
    assert sum(folders.sizes().values()) == 1010
    folders.remove(first)
    assert folders.sizes() == {second: 1010}


def test_a_folder_that_goes_while_it_is_looked_at_is_passed_over(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = JobFolders(config.jobs_root)
    old, gone = new_job_id(), new_job_id()
    folders.save_input(old, "picture", io.BytesIO(b"x"))
    os.utime(folders.folder(old), (1000, 1000))
    monkeypatch.setattr(JobFolders, "_folders", lambda self: [self.folder(gone), self.folder(old)])
    assert folders.older_than(3600.0) == [old]
    assert folders.sizes() == {gone: 0, old: 1}


def test_an_input_that_goes_while_it_is_copied_is_said_to_be_gone(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = JobFolders(config.jobs_root)
    first = new_job_id()
    folders.save_input(first, "picture", io.BytesIO(b"x"))
    found = folders.inputs(first)
    folders.remove(first)
    monkeypatch.setattr(JobFolders, "inputs", lambda self, job_id: found)
    with pytest.raises(NotFound, match="input is gone"):
        folders.copy_inputs(first, new_job_id())


def test_a_process_that_may_not_be_looked_at_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(process: psutil.Process) -> str:
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr(psutil.Process, "status", refuse)
    assert not is_gone(new_worker_name())


@pytest.mark.skipif(os.name == "nt", reason="modes of folders are POSIX")
def test_the_data_folder_is_private_unless_it_was_there(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        (tmp_path / "shared").mkdir(mode=0o755)
        for name, mode in (("new", 0o700), ("shared", 0o755)):
            make_home(load_config({"FIGURINE_HOME": str(tmp_path / name)}).config)
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == mode
    finally:
        os.umask(before)
