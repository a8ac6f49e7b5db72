# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a job is, and how long it will still take, from how long its stages took on this machine before."""

from __future__ import annotations

from dataclasses import dataclass

from inference_server.core.chains import CHAINS
from inference_server.core.types import StageName
from inference_server.jobs.folder import CORRECTIONS, JobFolders
from inference_server.jobs.model import Job, timing_kind
from inference_server.jobs.store import JobStore

# A stage that takes no time at all still is a step.
_LEAST_S = 0.01


@dataclass(frozen=True)
class Outlook:
    """progress: 0 to 1 of the job. eta_s: seconds of work until it ends or waits, None where that is not known."""

    progress: float
    eta_s: float | None


class Estimator:
    """Asks the table once for each kind of stage."""

    def __init__(self, store: JobStore, folders: JobFolders) -> None:
        self._store = store
        self._folders = folders
        self._seconds: dict[tuple[str, str, str], float | None] = {}

    def look(self, job: Job) -> Outlook:
        """The outlook of a job."""
        chain = _chain_of(job)
        expected = {stage: self._expect(job, stage) for stage in chain}
        known = [seconds for seconds in expected.values() if seconds is not None]
        usual_s = sum(known) / len(known) if known else 1.0
        weights = {stage: max(usual_s if seconds is None else seconds, _LEAST_S) for stage, seconds in expected.items()}
        finished = {entry.stage for entry in job.journal}
        shares = {stage: 1.0 if stage in finished else job.fraction * (stage == job.stage) for stage in chain}
        progress = sum(weights[stage] * shares[stage] for stage in chain) / sum(weights.values())
        if job.state == "done":
            return Outlook(1.0, None)
        if job.state not in ("queued", "running"):
            return Outlook(progress, None)
        left = [stage for stage in _until_pause(job, chain) if shares[stage] < 1.0]
        if any(expected[stage] is None for stage in left):
            return Outlook(progress, None)
        return Outlook(progress, sum(weights[stage] * (1.0 - shares[stage]) for stage in left))

    def _expect(self, job: Job, stage: StageName) -> float | None:
        kinds = dict.fromkeys(
            (timing_kind(job.input_kind, stage, is_corrected=self._is_corrected(job)), job.input_kind)
        )
        asked = (self._ask(stage, engine, kind) for engine in _engines(job, stage) for kind in kinds)
        return next((seconds for seconds in asked if seconds is not None), None)

    def _is_corrected(self, job: Job) -> bool:
        return job.parent is not None and self._folders.input(job.id, CORRECTIONS).exists()

    def _ask(self, stage: str, engine: str, kind: str) -> float | None:
        key = (stage, engine, kind)
        if key not in self._seconds:
            self._seconds[key] = self._store.expected_seconds(stage, engine, kind)
        return self._seconds[key]


def _chain_of(job: Job) -> tuple[StageName, ...]:
    chain = CHAINS[job.input_kind]
    return chain[:-1] if job.settings.get("outputs") == "rig" else chain


def _engines(job: Job, stage: StageName) -> tuple[str, ...]:
    """The engine that did or does the stage, else those that may, the likelier first."""
    done = next((entry.engine for entry in job.journal if entry.stage == stage), None)
    if done is not None:
        return (done,)
    if stage == job.stage and job.engine is not None:
        return (job.engine,)
    if stage == "export":
        return ("blender",)
    policy = job.settings.get("engines", {}).get(stage, job.settings.get("engine", "auto"))
    return ("neural", "draft") if policy == "auto" else (policy,)


def _until_pause(job: Job, chain: tuple[StageName, ...]) -> tuple[StageName, ...]:
    pause = job.settings.get("pause_after")
    return chain if pause is None else chain[: chain.index(pause) + 1]
