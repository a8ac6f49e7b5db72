# SPDX-License-Identifier: GPL-3.0-or-later
"""Several shapes to choose from: made of following seeds, kept, and gone on with from the chosen one."""

from __future__ import annotations

import pytest

from inference_server.core.digest import digest
from inference_server.core.pipeline import Pipeline
from inference_server.core.stage import Control, JobPaused, Progress, RunContext
from inference_server.core.types import Mesh, NormalizedImage, SourceImage
from tests.unit.core.tiny_stages import TinyGeometry, Workshop, make


@pytest.fixture
def chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """A geometry stage with chance in it: the seed is the width."""

    def of_the_seed(self: TinyGeometry, value: NormalizedImage, ctx: RunContext) -> Mesh:
        return Mesh(self.workshop.body.vertices * (1 + ctx.seed % 100), self.workshop.body.faces)

    monkeypatch.setattr(TinyGeometry, "uses_seed", True)
    monkeypatch.setattr(TinyGeometry, "make", of_the_seed)


@pytest.mark.usefixtures("chance")
def test_the_job_waits_with_all_of_them_and_goes_on_with_the_chosen_one(
    pipeline: Pipeline, workshop: Workshop, source: SourceImage
) -> None:
    shown: list[tuple[Mesh, ...]] = []
    told: list[Progress] = []
    results: list[object] = []
    control = Control(told.append, lambda record, result: results.append(result), on_candidates=shown.append)
    with pytest.raises(JobPaused, match="geometry"):
        make(pipeline, source, control, seed=7, candidates=3)
    (meshes,) = shown
    assert workshop.log.count("run geometry") == 3
    assert len({digest(mesh) for mesh in meshes}) == 3
    assert digest(results[-1]) == digest(meshes[0])
    fractions = [item.fraction for item in told if item.stage == "geometry"]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    workshop.log.clear()
    chosen: list[object] = []
    make(pipeline, source, Control(on_result=lambda record, result: chosen.append(result)), seeds={"geometry": 8})
    assert "run geometry" not in workshop.log
    assert digest(chosen[1]) == digest(meshes[1])


@pytest.mark.usefixtures("chance")
def test_seeds_go_round(pipeline: Pipeline, source: SourceImage) -> None:
    shown: list[tuple[Mesh, ...]] = []
    with pytest.raises(JobPaused):
        make(pipeline, source, Control(on_candidates=shown.append), seed=2**32 - 1, candidates=2)
    make(pipeline, source, seeds={"geometry": 0})
    assert digest(shown[0][0]) != digest(shown[0][1])


def test_an_engine_without_chance_makes_one(pipeline: Pipeline, workshop: Workshop, source: SourceImage) -> None:
    make(pipeline, source, candidates=4)
    assert workshop.log.count("run geometry") == 1
