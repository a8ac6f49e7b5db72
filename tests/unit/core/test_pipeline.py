# SPDX-License-Identifier: GPL-3.0-or-later
"""The chain, run with tiny real stages: order, re-use, cancellation, errors, records."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference_server.core.pipeline import Pipeline
from inference_server.core.stage import Control, Progress, RunContext
from inference_server.core.types import (
    Rig,
    Skin,
    SourceImage,
    StageName,
)
from inference_server.errors import (
    BakeFailed,
    Cancelled,
    DeviceLost,
    DiskFull,
    EmptySurface,
    FigurineError,
    OutOfMemory,
    OutputUnwritable,
    RigFailed,
)
from tests.unit.core.tiny_stages import TinyRig, Workshop, content_of, make, new_pipeline

ALL = ["normalize", "geometry", "texture", "rig", "export"]


def test_stages_run_in_order_each_loaded_when_it_is_needed(
    pipeline: Pipeline, workshop: Workshop, source: SourceImage
) -> None:
    outcome = make(pipeline, source)
    assert workshop.log == [f"{verb} {name}" for name in ALL for verb in ("load", "run")]
    assert [record.stage for record in outcome.records] == ALL
    assert outcome.asset.textured.mesh.vertices[:, 1].max() == pytest.approx(1.7, rel=1e-5)
    assert outcome.files.fbx.read_bytes()
    assert list(workshop.folder.iterdir()) == []  # the stage's work files; the result's are in the cache


def test_stages_stay_loaded_between_runs(pipeline: Pipeline, workshop: Workshop, source: SourceImage) -> None:
    make(pipeline, source)
    workshop.log.clear()
    make(pipeline, source, depth=2.0, texture_px=1024)
    assert workshop.log == [f"run {name}" for name in ALL[1:]]


def test_a_small_budget_holds_the_last_ones(workshop: Workshop, tmp_path: Path, source: SourceImage) -> None:
    pipeline = new_pipeline(workshop, tmp_path, budget_bytes=2)  # each tiny stage declares one byte
    make(pipeline, source)
    assert [line for line in workshop.log if "unload" in line] == [f"unload {name}" for name in ALL[:3]]
    workshop.log.clear()
    make(pipeline, source, kind="generic", name="other")
    assert workshop.log == ["run rig", "run export"]


def test_what_is_kept_needs_no_stage_loaded(workshop: Workshop, tmp_path: Path, source: SourceImage) -> None:
    make(new_pipeline(workshop, tmp_path), source)
    workshop.log.clear()
    make(new_pipeline(workshop, tmp_path), source)
    assert workshop.log == []


@pytest.mark.parametrize("error", [MemoryError(), OutOfMemory("The device is full."), DeviceLost("It is gone.")])
def test_all_stages_are_unloaded_where_memory_or_device_gave_out(
    pipeline: Pipeline, workshop: Workshop, source: SourceImage, error: Exception
) -> None:
    def fail(ctx: RunContext, result: Any) -> Any:
        raise error

    workshop.faults["texture"] = fail
    with pytest.raises(FigurineError):
        make(pipeline, source)
    assert workshop.log[-4:] == ["run texture", "unload normalize", "unload geometry", "unload texture"]
    assert workshop.ran.count("texture") == 1  # nothing is tried again behind the caller's back


def test_everything_is_kept_and_comes_back_equal(pipeline: Pipeline, workshop: Workshop, source: SourceImage) -> None:
    first = make(pipeline, source)
    workshop.log.clear()
    second = make(pipeline, source)
    assert workshop.log == []
    assert content_of(first) == content_of(second)
    assert [record.reused for record in first.records] == [False] * 5
    assert [record.reused for record in second.records] == [True] * 5
    assert [record.notes[0] for record in second.records] == [f"{name} was here" for name in ALL]
    assert [record.notes for record in second.records] == [record.notes for record in first.records]
    assert [record.seconds for record in second.records] == [record.seconds for record in first.records]


def test_a_rig_that_tears_the_mesh_is_told_and_kept(
    pipeline: Pipeline, workshop: Workshop, source: SourceImage
) -> None:
    torn = "Bones move places that are not joined:"  # the tiny rig binds each vertex to any bone
    for _ in range(2):
        (rig,) = (record for record in make(pipeline, source).records if record.stage == "rig")
        assert [note.startswith(torn) for note in rig.notes] == [False, True]
    workshop.faults["rig"] = lambda ctx, result: Rig(
        result.skeleton, Skin(0 * result.skin.indices, result.skin.weights)
    )
    (rig,) = (record for record in make(pipeline, source, seed=1).records if record.stage == "rig")
    assert rig.notes[1:] == ("Bones move nothing: spine, leg.L, leg.R, head.",)


def test_another_process_life_goes_on_from_the_folder(workshop: Workshop, tmp_path: Path, source: SourceImage) -> None:
    results = []
    for _ in range(2):
        results.append(content_of(make(new_pipeline(workshop, tmp_path), source)))
    assert results[0] == results[1]
    assert workshop.ran == ALL


@pytest.mark.parametrize(
    ("chosen", "again"),
    [
        ({"kind": "humanoid"}, ["rig"]),
        ({"seeds": {"rig": 5}}, ["rig", "export"]),
        ({"seed": 5}, ["rig", "export"]),
        ({"depth": 2.0}, ["geometry", "texture", "rig", "export"]),
        ({"texture_px": 1024}, ["texture"]),
        ({"height_m": 1.0}, ["export"]),
        ({"name": "other"}, ["export"]),
        ({"engine": "draft"}, ["export"]),  # the fallback reason is written into the files
    ],
)
def test_only_what_a_change_decides_runs_again(
    pipeline: Pipeline, workshop: Workshop, source: SourceImage, chosen: dict[str, Any], again: list[str]
) -> None:
    make(pipeline, source)
    workshop.log.clear()
    make(pipeline, source, **chosen)
    if chosen.keys() & {"kind", "texture_px"}:  # the tiny stages give the same result: but the record has another key
        again = [*again, "export"]
    assert workshop.ran == again


def test_another_picture_runs_all_that_sees_it(pipeline: Pipeline, workshop: Workshop, source: SourceImage) -> None:
    make(pipeline, source)
    workshop.log.clear()
    make(pipeline, replace(source, rgba=source.rgba[::-1]))
    assert workshop.ran == ["normalize", "geometry", "texture", "export"]  # the mesh came out the same: its rig is kept


def test_another_version_of_a_stage_runs_it_again(
    pipeline: Pipeline, workshop: Workshop, source: SourceImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(pipeline, source)
    workshop.log.clear()
    monkeypatch.setattr(TinyRig, "version", 2)
    make(pipeline, source)
    assert workshop.ran == ["rig", "export"]


def test_a_stage_sees_the_settings_it_declares_and_no_others(
    pipeline: Pipeline, workshop: Workshop, source: SourceImage
) -> None:
    make(pipeline, source, depth=2.0, kind="generic")
    assert workshop.seen_settings == {
        "normalize": {},
        "geometry": {"depth": 2.0},
        "texture": {"texture_px": 2048},
        "rig": {"kind": "generic"},
        "export": {},
    }


def test_records_say_how_it_was_made(pipeline: Pipeline, source: SourceImage) -> None:
    outcome = make(pipeline, source, engines={"rig": "draft"}, seed=3, seeds={"rig": 4})
    by_stage = {record.stage: record for record in outcome.records}
    assert by_stage["geometry"].fallback_reason == "no weights"
    assert by_stage["rig"].fallback_reason == ""
    assert (by_stage["geometry"].seed, by_stage["rig"].seed) == (3, 4)
    assert by_stage["export"].engine == "blender"
    assert all(record.peak_bytes > 0 and record.seconds >= 0 for record in outcome.records)
    provenance = outcome.asset.provenance
    assert (provenance.source_sha256, provenance.product_version) == (source.sha256, "0.0.test")
    assert [record.stage for record in provenance.stages] == ALL[:-1]


def test_progress_covers_every_stage_and_never_goes_back(pipeline: Pipeline, source: SourceImage) -> None:
    steps: list[Progress] = []
    make(pipeline, source, Control(steps.append))
    places = [(ALL.index(step.stage), step.fraction) for step in steps]
    assert places == sorted(places)
    assert {(stage, end) for stage in range(5) for end in (0.0, 1.0)} <= set(places)


@pytest.mark.parametrize("stage", ALL)
def test_cancelling_stops_at_the_next_step_and_keeps_what_is_done(
    pipeline: Pipeline, workshop: Workshop, source: SourceImage, stage: StageName
) -> None:
    def stop_in(progress: Progress) -> None:
        if progress.stage == stage and progress.fraction == 0.0:
            control.cancel()

    control = Control(stop_in)
    with pytest.raises(Cancelled):
        make(pipeline, source, control)
    assert workshop.ran == ALL[: ALL.index(stage) + 1]
    assert list(workshop.folder.iterdir()) == []
    make(pipeline, source)
    assert workshop.ran == [*ALL[: ALL.index(stage) + 1], *ALL[ALL.index(stage) :]]


def test_a_job_cancelled_before_it_starts_does_nothing(
    pipeline: Pipeline, workshop: Workshop, source: SourceImage
) -> None:
    control = Control()
    control.cancel()
    with pytest.raises(Cancelled):
        make(pipeline, source, control)
    assert workshop.log == []


@pytest.mark.parametrize(
    ("stage", "spoil", "error"),
    [
        ("geometry", lambda mesh: replace(mesh, faces=np.zeros((0, 3))), EmptySurface),
        ("geometry", lambda mesh: replace(mesh, vertices=mesh.vertices * np.nan), EmptySurface),
        ("texture", lambda textured: replace(textured, uv=textured.uv + 2), BakeFailed),
        ("rig", lambda rig: replace(rig, skin=replace(rig.skin, weights=rig.skin.weights / 2)), RigFailed),
        ("rig", lambda rig: replace(rig, skeleton=replace(rig.skeleton, parents=[-1] * 5)), RigFailed),
        ("rig", lambda rig: replace(rig, skin=Skin(rig.skin.indices[1:], rig.skin.weights[1:])), RigFailed),
    ],
)
def test_a_bad_result_is_a_typed_error_and_is_not_kept(
    pipeline: Pipeline,
    workshop: Workshop,
    source: SourceImage,
    stage: StageName,
    spoil: Callable[[Any], Any],
    error: type[Exception],
) -> None:
    workshop.faults[stage] = lambda ctx, result: spoil(result)
    with pytest.raises(error):
        make(pipeline, source)
    assert workshop.log[-1] == f"run {stage}"  # it stays loaded: it only could not do this
    del workshop.faults[stage]
    workshop.log.clear()
    make(pipeline, source)
    assert workshop.ran == ALL[ALL.index(stage) :]


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (RigFailed("no", "yes"), RigFailed),
        (MemoryError(), OutOfMemory),
        (OSError(errno.ENOSPC, "No space left on device"), DiskFull),
        (ZeroDivisionError(), ZeroDivisionError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_earlier_results_stay_when_a_stage_fails(
    pipeline: Pipeline,
    workshop: Workshop,
    source: SourceImage,
    raised: BaseException,
    expected: type[BaseException],
) -> None:
    def fail(ctx: RunContext, result: Any) -> Any:
        raise raised

    workshop.faults["rig"] = fail
    with pytest.raises(expected):
        make(pipeline, source)
    assert ("unload rig" in workshop.log) == (expected is not RigFailed)  # what it did is known, or it is not
    workshop.faults.clear()
    workshop.log.clear()
    make(pipeline, source)
    assert workshop.ran == ["rig", "export"]


def test_memory_that_runs_out_over_a_key_is_a_typed_error(
    pipeline: Pipeline, source: SourceImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(value: Any) -> str:
        raise MemoryError

    monkeypatch.setattr("inference_server.core.pipeline.digest", fail)
    with pytest.raises(OutOfMemory):
        make(pipeline, source)


def test_a_cache_that_cannot_be_read_is_a_typed_error_and_is_left_alone(
    pipeline: Pipeline, workshop: Workshop, source: SourceImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(pipeline, source)
    before = sorted(tmp_path.rglob("*"))

    def refuse(path: Path, *arguments: Any, **more: Any) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        with pytest.raises(OutputUnwritable, match="Permission denied"):
            make(pipeline, source)
    assert sorted(tmp_path.rglob("*")) == before
    workshop.log.clear()
    make(pipeline, source)
    assert workshop.log == []
