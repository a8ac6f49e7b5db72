# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on as it is installed, in real Blender processes, with a real server; see addon_cases.py and
addon_panel_cases.py for what is asserted. The cases of a test share a Blender.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.addon_sessions import TIMEOUT_S, make_archive, run_sessions, trouble_of

FULL_TIMEOUT_S = 3000

pytestmark = [
    pytest.mark.blender,
    pytest.mark.skipif(importlib.util.find_spec("bpy") is None, reason="the bpy module is not installed"),
]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The add-on as an extension."""
    return make_archive(tmp_path_factory.mktemp("archive") / "figurine.zip")


def assert_held(answers: Path, case: str) -> None:
    """That the case ran to its end and nothing was complained of."""
    trouble = trouble_of(answers, case)
    assert not trouble, trouble


def run(case: str, archive: Path, folder: Path, timeout_s: float = TIMEOUT_S) -> None:
    """Run a case in a process of its own."""
    assert_held(run_sessions([case], archive, folder, timeout_s), case)


@pytest.fixture(scope="module")
def answers_by_test() -> dict[str, Path]:
    """Where the answers of each test's cases lie, once they were run."""
    return {}


@pytest.fixture
def check(
    request: pytest.FixtureRequest,
    archive: Path,
    answers_by_test: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], None]:
    """Checks FILE.CASE; the first of a test's cases runs those of the others, in the same process."""

    def check_case(name: str) -> None:
        test = request.node.originalname
        if test not in answers_by_test:
            file = name.partition(".")[0]
            items = [item for item in request.session.items if item.path == request.node.path]
            cases = [f"{file}.{item.callspec.params['case']}" for item in items if item.originalname == test]
            answers_by_test[test] = run_sessions(cases, archive, tmp_path_factory.mktemp(test))
        assert_held(answers_by_test[test], name)

    return check_case


@pytest.mark.parametrize(
    "case",
    [
        "from_picture_to_pose",
        "another_file_is_not_written_into",
        pytest.param("another_scene_is_not_written_into", marks=pytest.mark.full),  # as another file
        "cancelled",
        "cancelled_before_the_server_runs",
        "switched_on_without_preferences",
        "pause_and_continue",
        "switched_on_and_off",
        "from_the_command_line",
    ],
)
def test_a_job(case: str, check: Callable[[str], None]) -> None:
    check(f"addon_cases.{case}")


@pytest.mark.parametrize(
    "case",
    [
        "every_state_has_its_sentence",
        "a_picture_that_leaves_is_said",
        "every_job_has_its_rows",
        "messages_are_shown_until_dismissed",
        "voxels_are_offered",
        "pictures_from_blender",
        "pictures_of_other_formats",
        "the_preview_is_of_the_file_as_it_is",
        "lengths_are_metres",
        "a_drop_cannot_be_repeated",
        "where_results_come_by_themselves",
        "the_log_is_looked_for_when_it_is_asked_for",
        "nothing_secret_is_copied",
        "preferences_are_drawn",
        "folders_stay_where_they_are",
        "what_waits_says_for_what",
    ],
)
def test_the_panel(case: str, check: Callable[[str], None]) -> None:
    check(f"addon_panel_cases.{case}")


@pytest.mark.parametrize(
    "case",
    ["a_rigged_mesh_asks", "the_neural_rig_has_its_settings", "meshes_that_are_sent_leave_the_picture_alone"],
)
def test_what_is_offered_about_skeletons(case: str, check: Callable[[str], None]) -> None:
    check(f"addon_rig_cases.{case}")


@pytest.mark.parametrize(
    "case",
    [
        "what_is_judged_is_shown",
        "every_source_of_another_picture",
        "before_and_after_and_approve",
        "changed_and_looked_at_again",
        "another_picture_is_looked_at_too",
        "another_file_is_open_meanwhile",
        "several_pictures_become_a_queue",
        "switched_off_while_it_waits",
    ],
)
def test_approval(case: str, check: Callable[[str], None]) -> None:
    check(f"addon_approval_cases.{case}")


@pytest.mark.parametrize(
    "case",
    [
        "the_viewport_needs_a_window",
        "a_row_has_its_picture_and_its_time",
        "every_model_has_its_row",
        "a_model_is_downloaded",
        "a_server_elsewhere_is_tested",
    ],
)
def test_inputs_models_and_servers(case: str, check: Callable[[str], None]) -> None:
    check(f"addon_input_cases.{case}")


@pytest.mark.parametrize(
    "case",
    [
        "a_mask_belongs_to_its_picture",
        "a_busy_picture_is_cut_out_by_the_mask_that_is_given_to_it",
        "the_picture_of_each_step_can_be_chosen",
    ],
)
def test_masks(case: str, check: Callable[[str], None]) -> None:
    check(f"addon_mask_cases.{case}")


@pytest.mark.full
@pytest.mark.timeout(FULL_TIMEOUT_S)
def test_fifty_rounds_leave_nothing(archive: Path, tmp_path: Path) -> None:
    run("addon_cases.fifty_rounds", archive, tmp_path, FULL_TIMEOUT_S)
