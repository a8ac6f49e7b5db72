# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is killed, every accepted job ends done, once, with the digests of an undisturbed run."""

from __future__ import annotations

import random
import time
from pathlib import Path

import psutil
import pytest

from tests.integration.jobs import ROOT, figurine, report_of
from tests.integration.server_process import EXAMPLE, Server, has_ended

pytestmark = [pytest.mark.blender, pytest.mark.timeout(1800)]

VICTIMS = ("http", "worker", "blender")
# Different meshes: a job whose stages an earlier one has computed would be over before it can be struck.
DEPTHS = (0.9, 1.0, 1.1, 1.2)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[float, dict[str, str]]:
    """Digests of runs that nobody disturbed, by depth."""
    folder = tmp_path_factory.mktemp("undisturbed")
    digests = {}
    for depth in DEPTHS:
        done = figurine("run", EXAMPLE, "--out", folder / "out", "--depth", str(depth), home=folder / "home")
        assert done.exit_code == 0, done.stderr
        digests[depth] = report_of(folder / "out")["digests"]
    return digests


def strike(server: Server, victim: str) -> None:
    """Kill one process of the server; the HTTP process is started again, as an artist would."""
    if victim == "http":
        workers = server.workers()
        server.kill()
        _, alive = psutil.wait_procs(workers, timeout=15)
        assert not alive, "a worker outlived its server"
        server.start()
        return
    for worker in server.workers():
        try:
            targets = [worker] if victim == "worker" else worker.children()
        except psutil.NoSuchProcess:
            continue
        for target in targets:
            try:
                target.kill()
            except psutil.NoSuchProcess:
                continue


def _may_lose_a_worker(server: Server, jobs: list[str]) -> bool:
    """A job is given up when its third worker ends within one stage: the storm strikes at most the first and second."""
    return all(job["attempts"] < 2 for job in map(server.job, jobs) if not has_ended(job))


def storm(strikes: int, seed: int, home: Path, undisturbed: dict[float, dict[str, str]]) -> None:
    """Jobs come in while processes are killed at random moments."""
    chance = random.Random(seed)
    server = Server(home)
    server.start()
    try:
        jobs = []
        for strike_number in range(strikes):
            jobs.append(server.submit(seed=strike_number, depth=DEPTHS[strike_number % len(DEPTHS)]))
            time.sleep(chance.uniform(0.3, 5.0))
            victim = VICTIMS[strike_number] if strike_number < 3 else chance.choice(VICTIMS)
            strike(server, victim if _may_lose_a_worker(server, jobs) else "http")
        for number, job_id in enumerate(jobs):
            job = server.wait(job_id)
            assert job["state"] == "done", (number, job["error"])
            assert server.digests(job_id) == undisturbed[DEPTHS[number % len(DEPTHS)]]
        work = home / "work"
        assert not work.exists() or list(work.iterdir()) == []
    finally:
        server.stop()


@pytest.mark.full
def test_twenty_strikes(tmp_path: Path, undisturbed: dict[float, dict[str, str]]) -> None:
    storm(20, 11, tmp_path / "home", undisturbed)


def test_a_job_that_kills_its_worker_three_times_fails_and_the_queue_goes_on(tmp_path: Path) -> None:
    with Server(tmp_path / "home") as server:
        poison = server.submit(ROOT / "examples/robot.jpg")
        healthy = server.submit(ROOT / "examples/lantern.png", kind="none", outputs="rig", texture_px=1024)
        for attempt in range(1, 4):
            server.wait(
                poison,
                lambda job, attempt=attempt: (
                    job["state"] == "running" and job["attempts"] == attempt and not job["stages"]
                ),
            )
            for worker in server.workers():
                worker.kill()
        failed = server.wait(poison)
        assert (failed["state"], failed["error"]["code"]) == ("failed", "WorkerLost")
        assert server.wait(healthy)["state"] == "done"


def test_two_workers_never_run_one_job(tmp_path: Path) -> None:
    """Four jobs, two workers: each job is computed once, by its journal and by its attempts."""
    import os
    import subprocess

    from tests.integration.jobs import command

    home = tmp_path / "home"
    with Server(home) as server:
        environment = os.environ | {"FIGURINE_HOME": str(home)}
        with subprocess.Popen(
            command("worker", "--end-with-stdin"), cwd=ROOT, env=environment, stdin=subprocess.PIPE
        ) as second:
            jobs = [
                server.submit(depth=0.5 + number / 10, kind="none", outputs="rig", texture_px=1024)
                for number in range(4)
            ]
            ended = [server.wait(job_id) for job_id in jobs]
            assert second.stdin is not None
            second.stdin.close()
            second.wait(timeout=30)
        assert [job["state"] for job in ended] == ["done"] * 4
        assert [job["attempts"] for job in ended] == [1] * 4
    logs = [(home / "logs" / name).read_text(encoding="utf-8") for name in ("worker.log", "worker-2.log")]
    assert [log.count("is ready") for log in logs] == [1, 1]
    for job_id in jobs:
        assert sum(f"job {job_id} is done" in log for log in logs) == 1
