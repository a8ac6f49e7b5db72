# SPDX-License-Identifier: GPL-3.0-or-later
"""The mask beside a picture, with the real application: it travels with its picture, and with no other."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from blender_addon.job import Request
from tests.unit.addon.engine_bench import Blender
from tests.unit.addon.servers import FigurineServer, managed
from tests.unit.server.desk import PICTURE

pytestmark = pytest.mark.usefixtures("in_a_hurry")

MASK = PICTURE + b", white where the fox is"
OTHER = PICTURE + b", and another one"


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    return _file(tmp_path / "outline.png", MASK)


def _file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def bring_to_waiting(blender: Blender, server: FigurineServer, picture: Path, mask: Path | None) -> str:
    """The key of a job that waits after its first stage."""
    key = blender.engine.generate(Request(picture, "fox kid", {"pause_after": "normalize"}, mask=mask))
    server.desk.pause(str(blender.wait_for(key, "queued").job_id))
    blender.wait_for(key, "waiting")
    return key


def sent(server: FigurineServer, blender: Blender, key: str) -> dict[str, bytes]:
    """What the server has of a job, by the name that it stores it under."""
    return {path.name: path.read_bytes() for path in server.desk.folders.inputs(str(blender.job(key).job_id))}


def copies(jobs_folder: Path, key: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (jobs_folder / key).glob("*.png")}


def test_a_mask_goes_with_its_picture_and_again_where_the_server_lost_both(
    server: FigurineServer, home: Path, jobs_folder: Path, picture: Path, mask: Path
) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        key = bring_to_waiting(blender, server, picture, mask)
        assert sent(server, blender, key) == {"picture": PICTURE, "mask": MASK}
        assert copies(jobs_folder, key) == {"picture.png": PICTURE, "mask.png": MASK}
        job_id = str(blender.job(key).job_id)
    mask.unlink()
    shutil.rmtree(home / "jobs")
    server.desk.store.cancel(job_id)
    server.desk.store.remove(job_id)
    with Blender(jobs_folder, managed(home)) as again:
        again.engine.resume(key)
        again.wait_for(key, "lost")
        again.engine.retry(key)
        again.wait(lambda: again.job(key).job_id not in (None, job_id))
        assert sent(server, again, key) == {"picture": PICTURE, "mask": MASK}


def test_another_picture_brings_its_own_mask_or_none(
    server: FigurineServer, home: Path, jobs_folder: Path, picture: Path, mask: Path, tmp_path: Path
) -> None:
    other, other_mask = _file(tmp_path / "robot.png", OTHER), _file(tmp_path / "robot mask.png", OTHER + b"'s mask")
    with Blender(jobs_folder, managed(home)) as blender:
        key = bring_to_waiting(blender, server, picture, mask)
        blender.engine.replace_picture(key, other, {"name": "robot"}, other_mask)
        blender.wait(lambda: blender.job(key).name == "robot")
        assert sent(server, blender, key) == {"picture": OTHER, "mask": OTHER + b"'s mask"}
        assert copies(jobs_folder, key) == {"picture.png": OTHER, "mask.png": OTHER + b"'s mask"}
        server.desk.pause(str(blender.job(key).job_id))
        blender.wait_for(key, "waiting")
        blender.engine.replace_picture(key, picture, {"name": "fox"})
        blender.wait(lambda: blender.job(key).name == "fox")
        assert sent(server, blender, key) == {"picture": PICTURE}
        assert copies(jobs_folder, key) == {"picture.png": PICTURE}
        assert blender.notices == []


def test_a_mask_that_is_refused_leaves_picture_and_mask_as_they_were(
    server: FigurineServer, home: Path, jobs_folder: Path, picture: Path, mask: Path, tmp_path: Path
) -> None:
    note = _file(tmp_path / "note.png", b"no picture")
    with Blender(jobs_folder, managed(home)) as blender:
        key = bring_to_waiting(blender, server, picture, mask)
        for path, code in ((note, "UnsupportedMedia"), (tmp_path / "gone.png", "PictureUnreadable")):
            blender.engine.replace_picture(key, picture, {}, path)
            assert blender.wait_for_notice(code).is_reply
            blender.wait_for(key, "waiting")
        assert sent(server, blender, key) == {"picture": PICTURE, "mask": MASK}


def test_a_job_whose_mask_cannot_be_read_ends_at_once(
    server: FigurineServer, home: Path, jobs_folder: Path, picture: Path, tmp_path: Path
) -> None:
    with Blender(jobs_folder, managed(home)) as blender:
        key = blender.engine.generate(Request(picture, "fox kid", mask=tmp_path / "gone.png"))
        failed = blender.wait_for(key, "failed")
        assert failed.job_id is None
        assert "gone.png" in failed.error.message
