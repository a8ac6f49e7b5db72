# SPDX-License-Identifier: GPL-3.0-or-later
"""Which buttons fit which job."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from blender_addon import job_actions
from blender_addon.errors import JobFailed, ResultMissing, ServerWords
from blender_addon.jobs.views import JobView, ViewState

VERBS = {
    "import": job_actions.import_obstacle,
    "retry": job_actions.retry_obstacle,
    "rerun": job_actions.rerun_obstacle,
    "resume": job_actions.resume_obstacle,
    "change": job_actions.change_obstacle,
    "replace": job_actions.replace_obstacle,
    "cancel": job_actions.cancel_obstacle,
    "delete": job_actions.delete_obstacle,
}
ALLOWED = {
    "sending": {"cancel"},
    "queued": {"cancel"},
    "running": {"cancel"},
    "waiting": {"cancel", "resume", "change", "replace"},
    "fetching": set(),
    "done": {"import", "rerun", "delete"},
    "failed": {"retry", "rerun", "delete", "replace"},
    "cancelled": {"retry", "rerun", "delete"},
    "lost": {"retry", "delete"},
}


@pytest.mark.parametrize("state", get_args(ViewState))
def test_verbs_of_a_state(state: ViewState) -> None:
    job = JobView("k", state, "fox", job_id="a" * 32)
    assert {verb for verb, obstacle in VERBS.items() if not obstacle(job)} == ALLOWED[state]
    for obstacle in VERBS.values():
        reason = obstacle(job)
        assert not reason or reason.endswith(".")


def test_a_job_whose_files_are_gone_can_be_tried_again() -> None:
    job = JobView("k", "done", "fox", job_id="a" * 32, error=ResultMissing("fox"))
    assert job_actions.retry_obstacle(job) == ""


def test_only_a_mesh_that_was_rigged_already_asks_about_its_rig() -> None:
    asks = JobFailed(ServerWords("AlreadyRigged", "The mesh has a rig already.", "Choose.", False))
    other = JobFailed(ServerWords("RigFailed", "No skeleton was found.", "Choose another kind.", False))
    job = JobView("k", "failed", "fox", job_id="a" * 32, error=asks)
    assert job_actions.settle_obstacle(job) == ""
    assert "asks" in job_actions.retry_obstacle(job)
    assert job_actions.retry_obstacle(replace(job, error=other)) == ""
    for changed in (
        replace(job, error=other),
        replace(job, error=None),
        replace(job, job_id=None),
        replace(job, state="queued"),
    ):
        assert job_actions.settle_obstacle(changed).endswith(".")


def test_a_job_that_is_being_cancelled_is_not_cancelled_twice() -> None:
    assert job_actions.cancel_obstacle(JobView("k", "running", "fox", is_cancelling=True))


def test_a_job_that_the_server_never_had_cannot_be_run_again_from_a_stage() -> None:
    assert job_actions.rerun_obstacle(JobView("k", "failed", "fox"))


def test_a_textured_mesh_is_not_run_again_as_a_figure() -> None:
    job = JobView("k", "done", "chair", job_id="a" * 32)
    assert job_actions.rerun_obstacle(job) == ""
    assert "Texture Selected Mesh" in job_actions.rerun_obstacle(replace(job, target="Chair"))


def test_a_picture_is_sent_to_a_service_again_only_online() -> None:
    hosted = JobView("k", "failed", "fox", job_id="a" * 32, settings={"editor": "hosted"})
    local = JobView("k", "failed", "fox", job_id="a" * 32, settings={"editor": "local"})
    assert "Allow Online Access" in job_actions.sending_obstacle(hosted, False)
    assert job_actions.sending_obstacle(hosted, True) == ""
    assert (
        job_actions.sending_obstacle(local, False)
        == job_actions.sending_obstacle(JobView("k", "failed", "x"), False)
        == ""
    )
