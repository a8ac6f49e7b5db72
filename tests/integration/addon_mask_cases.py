# SPDX-License-Identifier: GPL-3.0-or-later
"""Masks and the pictures of single steps, in Blender; test_addon_ui.py runs each function."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from tests.integration.addon_approval_cases import FOX, PUP, _show_job, _wait_for_review, _waiting_job
from tests.integration.addon_panel_cases import all_text, reason
from tests.integration.addon_session import Session
from tests.integration.layout_recorder import draw

SIDE_PX = 192
DISC_SHARE = np.pi / 4 * (976 / 1024) ** 2  # of a square of 1024 px, with a margin of 24 px about the disc


def a_mask_belongs_to_its_picture(session: Session) -> None:
    """Chosen as a file or as an image, sent with the picture, and forgotten with it."""
    request, generate = session.request, session.module("operators.generate")
    session.preferences.command = "figurine serve"
    session.tick()
    assert "{Mask}" not in all_text()
    assert "no images" in reason(bpy.ops.figurine.use_mask)
    request.picture = str(FOX)
    assert "{Mask}" in all_text()
    assert generate.request_of(request).mask is None
    request.mask = str(PUP)
    assert generate.request_of(request).mask == PUP
    painted = _image("Outline", np.ones((4, 4, 4)))
    assert bpy.ops.figurine.use_mask(image="Outline") == {"FINISHED"}
    assert generate.request_of(request).mask.name == "Outline.png", "the image is taken instead of the file"
    bpy.ops.figurine.drop_picture(filepath=str(PUP))
    assert (request.mask, request.mask_image) == ("", None), "it was the other picture's"
    request.mask = str(FOX)
    request.image = painted
    assert request.mask == ""
    request.image = None
    request.mask = str(session.folder / "gone.png")
    assert bpy.ops.figurine.generate() == {"CANCELLED"}
    assert "gone.png" in all_text() and "there is no such file" in all_text()


def a_busy_picture_is_cut_out_by_the_mask_that_is_given_to_it(session: Session) -> None:
    """What the warning names: the job waits with a doubtful outline, gets a mask, and waits with that one."""
    session.use_own_server()
    spotted, inside = _busy_picture()
    picture = session.folder / "spotted.png"
    _save(_image("spotted", spotted), picture)
    session.generate(picture, engine="draft", kind="none", pause_after="normalize", import_when_done=False)
    key = _wait_for_review(session)
    review = session.job().review
    assert list(review.pictures)[:2] == ["before", "background"]
    assert "give a mask of the subject" in draw("FIGURINE_PT_main").text
    mask = np.ones((SIDE_PX, SIDE_PX, 4))
    mask[..., :3] = inside[..., None]
    session.request.mask_image = _image("Outline", mask)
    assert bpy.ops.figurine.replace_picture(key=key, source="REQUEST") == {"FINISHED"}
    session.tick_until(lambda: session.job().review not in (None, review))
    masked = session.job().review
    assert masked.steps[0] == "background: mask, given with the picture"
    assert "background" not in masked.pictures
    assert "give a mask" not in draw("FIGURINE_PT_main").text
    assert abs(_opaque_share(masked.after) - DISC_SHARE) < 0.02
    session.request.mask_image.scale(SIDE_PX // 2, SIDE_PX // 2)
    assert bpy.ops.figurine.replace_picture(key=key, source="REQUEST") == {"FINISHED"}
    session.tick_until(lambda: session.job().state == "failed")
    text = draw("FIGURINE_PT_main").text
    assert "192 × 192" in text and "Save the mask in the size of its picture" in text
    error, phrases = session.job().error, session.module("phrases")
    assert isinstance(error.message, phrases.Phrase) and isinstance(error.hint, phrases.Phrase), "known to languages"
    session.stop_server()


def the_picture_of_each_step_can_be_chosen(session: Session) -> None:
    """Only those that there are, beside the picture as it was read; what another job lacks is shown as its last."""
    job, window = _waiting_job(session), bpy.context.window_manager.figurine
    assert "Cut Out" not in _pictures_shown(), "without steps there is nothing to choose"
    review = dataclasses.replace(job.review, between=(("background", FOX), ("pose", PUP)))
    _show_job(session, dataclasses.replace(job, review=review))
    assert _pictures_shown() == ["Before", "After", "(Cut Out)", "(Redrawn)", "(After)"]
    window.beside = "pose"
    assert _pictures_shown()[:2] == ["Before", "Redrawn"]
    assert bpy.ops.figurine.open_picture.get_rna_type().properties["picture"].enum_items.keys() == [
        *("before", "background", "resolution", "tilt", "pose", "after")
    ]
    _show_job(session, job)
    assert _pictures_shown() == ["Before", "After"]


def _pictures_shown() -> list[str]:
    """The titles of the pictures and, in (brackets), what can be chosen."""
    lines = draw("FIGURINE_PT_main").lines
    first = lines.index("Before")
    end = next(index for index, line in enumerate(lines) if line.startswith(("It ", "It’s", "Nothing was")))
    return [line for line in lines[first:end] if line not in ("(picture)", "[Open Picture]")]


def _busy_picture() -> tuple[np.ndarray, np.ndarray]:
    """(S, S, 4) of a disc of noise before noise, and (S, S) where the disc is; top row first."""
    row, column = np.mgrid[:SIDE_PX, :SIDE_PX] - SIDE_PX / 2
    inside = row**2 + column**2 < (0.3 * SIDE_PX) ** 2
    spotted = np.ones((SIDE_PX, SIDE_PX, 4))
    spotted[..., :3] = np.random.default_rng(3).uniform(0, 0.6, (SIDE_PX, SIDE_PX, 3))
    spotted[inside, 0] += 0.4
    return spotted, inside


def _opaque_share(path: Path) -> float:
    image = bpy.data.images.load(str(path))
    alpha = np.array(image.pixels[:]).reshape(-1, 4)[:, 3]
    return float((alpha > 0.5).mean())


def _image(name: str, rgba: np.ndarray) -> Any:
    """rgba: (H, W, 4), top row first."""
    image = bpy.data.images.new(name, rgba.shape[1], rgba.shape[0], alpha=True)
    image.pixels.foreach_set(rgba[::-1].astype(np.float32).reshape(-1))
    return image


def _save(image: Any, path: Path) -> None:
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
