# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures the server under 50 polling clients: their latencies, how much they slow a job, and the estimate of its end.

    python -m tests.bench.server [--rounds N] [--json FILE]

Jobs run in turn without and with the clients, so that both see the same machine; the ratio of their medians counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.integration.server_process import Server, has_ended

CLIENTS = 50
POLL_EVERY_S = 0.5


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, Server(Path(scratch) / "home") as server:
        results = measure(server, options.rounds)
        results["start_s"] = round(server.start_s, 2)
    for name, value in results.items():
        print(f"| {name} | {value} |")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    return 0


def measure(server: Server, rounds: int) -> dict[str, Any]:
    """Job seconds without and with clients, latencies in milliseconds, estimate over truth."""
    depth = iter(0.5 + number / 100 for number in range(200))  # another depth: nothing to re-use
    run_job(server, next(depth))
    alone, watched, latencies_s, estimates = [], [], [], []
    for _ in range(rounds):
        alone.append(run_job(server, next(depth))[0])
        seconds, ratio, latencies = run_job(server, next(depth), CLIENTS)
        watched.append(seconds)
        estimates.append(ratio)
        latencies_s += latencies
    latencies_s.sort()
    return {
        "job alone, median s": round(statistics.median(alone), 2),
        "job watched by 50 clients, median s": round(statistics.median(watched), 2),
        "slow-down": round(statistics.median(watched) / statistics.median(alone), 3),
        "answers": len(latencies_s),
        "latency p50, ms": round(1000 * latencies_s[len(latencies_s) // 2], 1),
        "latency p99, ms": round(1000 * latencies_s[int(0.99 * len(latencies_s))], 1),
        "latency worst, ms": round(1000 * latencies_s[-1], 1),
        "cancel to stopped, worst of 8, s": round(max(cancel_job(server, next(depth), 0.4 * n) for n in range(8)), 2),
        "first estimate over truth, by round": [round(ratio, 2) for ratio in estimates],
    }


def run_job(server: Server, depth: float, clients: int = 0) -> tuple[float, float, list[float]]:
    """Seconds from submission to the end, the first estimate over the truth, and the latencies of the clients."""
    started = time.perf_counter()
    job_id = server.submit(depth=depth)
    with PollingClients(server, job_id, clients) as polling:
        ratio = follow(server, job_id)
        seconds = time.perf_counter() - started
    return seconds, ratio, polling.latencies_s


def cancel_job(server: Server, depth: float, after_s: float) -> float:
    """Seconds from the request to cancel, this long after the job began, to its end."""
    job_id = server.submit(depth=depth)
    server.wait(job_id, lambda job: job["state"] != "queued")
    time.sleep(after_s)
    started = time.perf_counter()
    server.request("DELETE", f"/v1/jobs/{job_id}")
    server.wait(job_id)
    return time.perf_counter() - started


def follow(server: Server, job_id: str) -> float:
    """Wait for the job's end; the first estimate over the truth."""
    estimate: tuple[float, float] | None = None
    while not has_ended(job := server.job(job_id)):
        if estimate is None and job["state"] == "running" and job["eta_s"] is not None:
            estimate = (time.perf_counter(), job["eta_s"])
        time.sleep(0.1)
    ended = time.perf_counter()
    assert job["state"] == "done", job["error"]
    return estimate[1] / (ended - estimate[0]) if estimate else float("nan")


class PollingClients:
    """Clients on keep-alive connections, in one thread, each asking for the job twice a second."""

    def __init__(self, server: Server, job_id: str, count: int) -> None:
        self.latencies_s: list[float] = []
        self._address = urlsplit(server.handshake.url)
        self._token = server.handshake.token
        self._job_id = job_id
        self._count = count
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._poll_all()), daemon=True)

    def __enter__(self) -> PollingClients:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    async def _poll_all(self) -> None:
        await asyncio.gather(*(self._poll(number) for number in range(self._count)))

    async def _poll(self, number: int) -> None:
        await asyncio.sleep(POLL_EVERY_S * number / self._count)
        reader, writer = await asyncio.open_connection(self._address.hostname, self._address.port)
        head_lines = "\r\n".join((f"Host: {self._address.netloc}", f"Authorization: Bearer {self._token}", "", ""))
        revision = 0
        while not self._stop.is_set():
            started = time.perf_counter()
            writer.write(f"GET /v1/jobs/{self._job_id}?since={revision} HTTP/1.1\r\n{head_lines}".encode())
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            body = await reader.readexactly(int(length.split(b":")[1]))
            self.latencies_s.append(time.perf_counter() - started)
            revision = json.loads(body)["revision"]
            await asyncio.sleep(POLL_EVERY_S)
        writer.close()


if __name__ == "__main__":
    sys.exit(main())
