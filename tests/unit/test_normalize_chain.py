# SPDX-License-Identifier: GPL-3.0-or-later
"""The chain of the normalize stage: each step by each mode, what it says and shows, and the editor's place in it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from inference_server.core.digest import digest
from inference_server.core.settings import JobSettings
from inference_server.core.stage import Control, Device, RunContext
from inference_server.core.types import NormalizedImage, SourceImage, UInt8
from inference_server.errors import Cancelled, EngineUnavailable, NoSubject
from inference_server.stages.normalize.draft import DraftNormalize
from inference_server.stages.normalize.editing import EditContext, Editing

SIDE = 900
Picture = Callable[..., Image.Image]


@dataclass(frozen=True)
class Result:
    image: NormalizedImage
    notes: list[str]

    def step(self, name: str) -> str:
        """What was told of a step, "" where nothing was."""
        return next((step.split(": ", 1)[1] for step in self.image.steps if step.startswith(f"{name}: ")), "")

    @property
    def shown(self) -> list[str]:
        return [picture.step for picture in self.image.pictures]


def run(
    rgba: UInt8,
    stage: DraftNormalize | None = None,
    control: Control | None = None,
    *,
    mask: bool = False,
    **chosen: Any,
) -> Result:
    """mask: whether the alpha is a mask that came beside the picture."""
    stage = stage or DraftNormalize()
    stage.load(Device("cpu"))
    document = JobSettings(**chosen).to_document()
    settings = {name: document[name] for name in stage.setting_names}
    ctx = RunContext("normalize", "draft", 7, settings, control or Control())
    return Result(stage.run(SourceImage(rgba, "0", has_mask=mask), ctx), ctx.notes)


@pytest.fixture(autouse=True)
def quick_remesher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gpytoolbox.remesh_botsch", None)  # the kind is the same


@pytest.fixture(scope="module")
def figure(make_figure_picture: Picture) -> UInt8:
    return np.asarray(make_figure_picture(SIDE))


def leaning(rgba: UInt8, degrees: float) -> UInt8:
    matrix = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), degrees, 1.0)
    return cv2.warpAffine(rgba, matrix, (SIDE, SIDE), flags=cv2.INTER_NEAREST)


def before_white(rgba: UInt8) -> UInt8:
    return np.where(rgba[..., 3:] > 0, rgba, 255).astype(np.uint8)


def test_a_good_picture_is_only_framed(figure: UInt8) -> None:
    found = run(figure)
    assert found.image.rgba.shape == (1024, 1024, 4)
    assert found.step("background") == "alpha of the picture"
    assert found.step("framing").startswith("centred and squared")
    assert len(found.image.steps) == 2 and found.shown == [] and found.notes == []


def test_off_takes_the_picture_as_it_is(figure: UInt8) -> None:
    found = run(figure[50:850], normalize="off")
    np.testing.assert_array_equal(found.image.rgba[50:850], figure[50:850])
    assert found.image.steps == ("background: off, the picture as it is", "framing: off, padded to a square")
    opaque = run(before_white(figure), normalize="off")
    assert opaque.image.subject_fraction == 1.0 and opaque.shown == []


def test_every_picture_is_told_from_its_background_as_asked(figure: UInt8) -> None:
    picture = before_white(figure)
    plain = run(picture)
    assert "draft" in plain.step("background") and plain.shown == ["background"]
    assert 0.1 < plain.image.subject_fraction < 0.5
    wrong = picture.copy()
    wrong[: SIDE // 2, :, 3] = 0  # an alpha that hides half of the figure
    assert "alpha" in run(wrong).step("background")
    by_hand = run(wrong, normalize_steps={"background": "on"})
    assert "draft" in by_hand.step("background")
    np.testing.assert_array_equal(by_hand.image.rgba, plain.image.rgba)


@pytest.mark.parametrize("chosen", [{}, {"normalize_steps": {"background": "on"}}, {"normalize": "off"}])
def test_a_mask_that_was_given_says_what_the_subject_is(figure: UInt8, chosen: dict[str, Any]) -> None:
    half = figure.copy()
    half[: SIDE // 2, :, 3] = 0
    masked = run(half, mask=True, **chosen)
    assert masked.step("background") == "mask, given with the picture"
    assert "background" not in masked.shown
    assert masked.image.subject_fraction == run(half, normalize=chosen.get("normalize", "auto")).image.subject_fraction


def test_one_step_by_hand_and_the_others_off(figure: UInt8) -> None:
    found = run(leaning(figure, 10.0), normalize="off", normalize_steps={"tilt": "on"})
    assert "10°" in found.step("tilt") and found.step("background").startswith("off")
    assert found.step("framing").startswith("off")


def test_a_small_subject_is_enlarged_and_nothing_else_is(figure: UInt8, make_figure_picture: Picture) -> None:
    small = np.asarray(make_figure_picture(300))
    found = run(small)
    assert found.step("resolution").startswith("draft, interpolated to 3.")
    assert found.step("framing") == "centred and squared"
    assert any("pixels large" in note for note in found.notes)
    plain = run(small, normalize_steps={"resolution": "off"})
    assert plain.step("resolution") == "" and "interpolated" in plain.step("framing")
    assert np.abs(found.image.rgba.astype(int) - plain.image.rgba).max() > 16
    assert run(figure).step("resolution") == ""
    assert run(figure, normalize_steps={"resolution": "on"}).step("resolution").startswith("draft, interpolated to 1.")


@pytest.mark.parametrize("degrees", [10.0, -14.0])
def test_a_leaning_subject_is_straightened_where_that_is_sure(figure: UInt8, degrees: float) -> None:
    found = run(leaning(figure, degrees))
    assert f"{abs(degrees):.0f}°" in found.step("tilt") and found.shown == ["tilt"]
    assert any("it was straightened" in note for note in found.notes)
    assert [item.code for item in found.image.diagnoses] == ["tilt"]
    straight = run(figure).image.rgba[..., 3] > 127
    made = found.image.rgba[..., 3] > 127
    assert (made & straight).sum() / (made | straight).sum() > 0.93
    left = run(leaning(figure, degrees), normalize_steps={"tilt": "off"})
    assert left.step("tilt") == "" and any("leans by" in note for note in left.notes)


def test_a_slight_tilt_is_turned_only_by_hand(figure: UInt8) -> None:
    slight = leaning(figure, 2.0)
    assert run(slight).step("tilt") == ""
    assert "2°" in run(slight, normalize_steps={"tilt": "on"}).step("tilt")


def test_the_pictures_of_steps_do_not_decide_what_follows(figure: UInt8) -> None:
    first, second = run(leaning(figure, 10.0)).image, run(leaning(figure, 10.0)).image
    assert digest(first) == digest(second)
    other = NormalizedImage(first.rgba, first.steps, first.diagnoses, first.subject_fraction)
    assert digest(other) == digest(first)


@pytest.mark.parametrize("normalize", ["auto", "off"])
def test_a_clear_picture_has_no_subject(figure: UInt8, normalize: str) -> None:
    clear = figure.copy()
    clear[..., 3] = 0
    with pytest.raises(NoSubject) as caught:
        run(clear, normalize=normalize)
    assert caught.value.message and caught.value.hint


def test_an_opaque_alpha_is_no_alpha(figure: UInt8) -> None:
    np.testing.assert_array_equal(
        run(before_white(figure)).image.rgba,
        run(np.dstack([before_white(figure)[..., :3], np.full((SIDE, SIDE), 254, np.uint8)])).image.rgba,
    )


def test_a_picture_of_two_colours_is_cut_out(figure: UInt8) -> None:
    one_bit = np.dstack([np.where(figure[..., 3:] > 0, 0, 255).astype(np.uint8)] * 3 + [np.full((SIDE, SIDE), 255)])
    found = run(one_bit.astype(np.uint8)).image.rgba[..., 3] > 127
    wanted = run(figure).image.rgba[..., 3] > 127
    assert (found & wanted).sum() / (found | wanted).sum() > 0.97


@dataclass
class DrawingEditor:
    """Draws a given picture, and remembers what it was asked."""

    drawn: UInt8
    name: str = "local"
    title: str = "Pencil"
    identity: tuple[str, ...] = ("pencil-1",)
    peak_bytes: int = 5
    asked: tuple[UInt8, EditContext] | None = None
    is_unloaded: bool = False

    def edit(self, rgba: UInt8, ctx: EditContext) -> UInt8:
        ctx.raise_if_cancelled()
        ctx.progress(1, 2)
        ctx.note("drawn by hand")
        self.asked = rgba, ctx
        return self.drawn

    def unload(self) -> None:
        self.is_unloaded = True


@dataclass(frozen=True)
class Verdict:
    is_accepted: bool
    sentence: str = ""


@pytest.fixture
def merged(make_figure_picture: Picture) -> Iterator[UInt8]:
    """The figure with its arms at its body: what an edit would cure."""
    rgba = np.asarray(make_figure_picture(SIDE)).copy()
    rgba[round(0.36 * SIDE) : round(0.66 * SIDE), round(0.3 * SIDE) : round(0.7 * SIDE)] = (200, 60, 50, 255)
    yield rgba


def with_editor(editor: DrawingEditor, verdict: Verdict) -> DraftNormalize:
    return DraftNormalize(Editing({editor.name: editor}, lambda before, after, case: verdict))


def test_an_edit_takes_the_originals_place(figure: UInt8, merged: UInt8) -> None:
    editor = DrawingEditor(before_white(figure)[..., :3])
    found = run(merged, with_editor(editor, Verdict(True)))
    assert found.step("pose") == "local, Pencil, put into an A-pose" and found.shown == ["pose"]
    np.testing.assert_array_equal(found.image.rgba, run(before_white(figure)).image.rgba)
    assert editor.asked is not None
    sent, ctx = editor.asked
    assert (ctx.case, ctx.seed) == ("humanoid", 7) and not sent[0, 0, 3]
    assert "drawn by hand" in found.notes


def test_an_edit_that_does_not_hold_leaves_the_original_and_says_so(figure: UInt8, merged: UInt8) -> None:
    why = "The edited picture was not used, because its colours are not those of the picture."
    found = run(merged, with_editor(DrawingEditor(before_white(figure)), Verdict(False, why)))
    np.testing.assert_array_equal(found.image.rgba, run(merged).image.rgba)
    assert found.step("pose").startswith("kept") and why in found.notes and "pose" in found.shown


def test_an_empty_edit_leaves_the_original(figure: UInt8, merged: UInt8) -> None:
    found = run(merged, with_editor(DrawingEditor(np.full((300, 300, 3), 200, np.uint8)), Verdict(True)))
    np.testing.assert_array_equal(found.image.rgba, run(merged).image.rgba)
    assert any("it is empty" in note for note in found.notes)


def test_no_editor_is_called_unless_the_diagnoses_or_the_artist_ask(figure: UInt8, merged: UInt8) -> None:
    editor = DrawingEditor(before_white(figure))
    stage = with_editor(editor, Verdict(True))
    assert run(figure, stage).step("pose") == "" and editor.asked is None
    assert run(merged, stage, normalize_steps={"pose": "off"}).step("pose") == "" and editor.asked is None
    run(figure, stage, normalize_steps={"pose": "on"})
    assert editor.asked is not None


def test_the_hosted_editor_is_never_taken_by_itself(figure: UInt8, merged: UInt8) -> None:
    editor = DrawingEditor(before_white(figure), name="hosted")
    stage = with_editor(editor, Verdict(True))
    assert run(merged, stage).step("pose").startswith("not normalized") and editor.asked is None
    assert run(merged, stage, editor="hosted").step("pose") == "hosted, Pencil, put into an A-pose"


@pytest.mark.parametrize("kind", ["quadruped", "bird", "generic", "none"])
def test_nothing_but_a_humanoid_is_posed(figure: UInt8, merged: UInt8, kind: str) -> None:
    editor = DrawingEditor(before_white(figure))
    stage = with_editor(editor, Verdict(True))
    assert run(merged, stage, kind=kind).step("pose").startswith("kept") and editor.asked is None
    run(merged, stage, kind=kind, normalize_steps={"pose": "on"})
    assert editor.asked is not None and editor.asked[1].case == "other"


def test_without_an_editor_the_pose_is_said_not_to_be_normalized(merged: UInt8) -> None:
    assert run(merged).step("pose").startswith("not normalized")
    with pytest.raises(EngineUnavailable, match="No editor"):
        run(merged, normalize_steps={"pose": "on"})
    with pytest.raises(EngineUnavailable, match="hosted editor"):
        run(merged, with_editor(DrawingEditor(merged), Verdict(True)), editor="hosted")


def test_an_editor_decides_what_is_kept_and_gives_its_memory_back(figure: UInt8) -> None:
    editor = DrawingEditor(figure)
    stage, plain = with_editor(editor, Verdict(True)), DraftNormalize()
    assert stage.requires.weight_digests == ("pencil-1",) and plain.requires.weight_digests == ()
    assert stage.requires.peak_bytes - plain.requires.peak_bytes == 5
    assert set(stage.setting_names) - set(plain.setting_names) == {"kind"}
    assert stage.uses_seed and not plain.uses_seed
    stage.unload()
    assert editor.is_unloaded


def test_a_cancelled_edit_ends_the_job(figure: UInt8, merged: UInt8) -> None:
    control = Control()
    editor = DrawingEditor(figure)
    stage = with_editor(editor, Verdict(True))
    editor.edit = lambda rgba, ctx: (control.cancel(), ctx.raise_if_cancelled())  # type: ignore[method-assign,assignment]
    with pytest.raises(Cancelled):
        run(merged, stage, control)
