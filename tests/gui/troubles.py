# SPDX-License-Identifier: GPL-3.0-or-later
"""Each thing that can go wrong, made to go wrong: the panel must say it in the sentence that is meant for it.

play.py runs this inside Blender, for a user who has the server installed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import bpy
from driver import PACKAGE, Driver, Steps

_SOON_S = 20
_START_TIMEOUT_S = 60
_JOB_TIMEOUT_S = 150


def all_sentences(driver: Driver, pictures: str, examples: str, other_version: str, full_folder: str) -> Steps:
    """pictures: holds note.png, a text, and blank.png, without a subject. other_version: address of a server that is
    not of the add-on's version. full_folder: one on a disk without space, "" where there is none.
    """
    driver.watch_addon()
    yield from driver.open_tab()
    yield from _expect(driver, "not-running", "Server Stopped")
    yield from _addresses(driver, other_version)
    yield from _generate(driver, f"{pictures}/note.png")
    yield from _expect(driver, "refused-picture", "is not a picture that Figurine reads")
    yield from _generate(driver, f"{pictures}/blank.png")
    yield from _expect(driver, "job-failed", "No subject was found in the picture", _JOB_TIMEOUT_S)
    yield from _wrong_token(driver)
    yield from _damaged_file(driver, f"{examples}/lantern.png")
    yield from _gone_in_mid_job(driver, f"{examples}/pup.png")
    if full_folder:
        yield from _full_disk(driver, f"{examples}/robot.jpg", full_folder)


def _preferences() -> bpy.types.AddonPreferences:
    return bpy.context.preferences.addons[PACKAGE].preferences


def _runtime():
    from bl_ext.user_default.figurine import runtime

    return runtime.current()


def _expect(driver: Driver, name: str, sentence: str, timeout_s: float = _SOON_S) -> Steps:
    yield from driver.wait_for(sentence, timeout_s)
    yield from driver.redraw()
    yield from driver.scroll_up()
    driver.shot(f"trouble-{name}")
    driver.log(f"SENTENCE {name}: {sentence}")


def _generate(driver: Driver, picture: str) -> Steps:
    bpy.context.scene.figurine.picture = picture
    yield 0.5
    yield from driver.redraw()
    yield from driver.click("Generate", "operator")


def _addresses(driver: Driver, other_version: str) -> Steps:
    """A server at an address that does not answer, is of another version, or is on another machine."""
    chosen = _preferences()
    chosen.mode, chosen.address = "address", "127.0.0.1:9"
    yield from _expect(driver, "no-answer", "No server answers at http://127.0.0.1:9")
    chosen.address, chosen.token = other_version, "x" * 32
    yield from _expect(driver, "wrong-version", "The server is version 9.9.9, and this add-on is version")
    bpy.context.preferences.system.use_online_access = False
    chosen.address = "https://figurine.example.org"
    yield from _expect(driver, "online-access-off", "Allow Online Access is off. Nothing was sent.")
    bpy.context.preferences.system.use_online_access = True
    chosen.mode, chosen.token = "managed", ""
    yield from driver.wait_for("Server Stopped", _SOON_S)
    yield from driver.redraw()


def _wrong_token(driver: Driver) -> Steps:
    chosen, home = _preferences(), _runtime().choices.connection.home
    chosen.mode, chosen.token = "address", "x" * 32
    chosen.address = json.loads((home / "server.json").read_text())["url"]
    yield from _expect(driver, "wrong-token", "does not accept the token")
    chosen.mode, chosen.token = "managed", ""
    yield from driver.wait_for("Server Running", _SOON_S)


def _damaged_file(driver: Driver, picture: str) -> Steps:
    """The FBX file of a job that is done, damaged on this disk after it was imported."""
    yield from _generate(driver, picture)
    yield from driver.wait_until(_arrived(picture), _JOB_TIMEOUT_S, "the character")
    job = _runtime().snapshot.jobs[0]
    before = set(bpy.data.objects), set(bpy.data.meshes), set(bpy.data.collections)
    (job.result / "figure.fbx").write_bytes(b"no FBX file")
    yield from driver.redraw()
    yield from driver.click("Import Again", "operator")
    yield from _expect(driver, "import-failed", "Blender cannot read figure.fbx")
    assert (set(bpy.data.objects), set(bpy.data.meshes), set(bpy.data.collections)) == before
    shutil.rmtree(job.result)


def _arrived(picture: str):
    name = Path(picture).stem
    return lambda: any(job.name == name and job.is_imported for job in _runtime().snapshot.jobs)


def _gone_in_mid_job(driver: Driver, picture: str) -> Steps:
    yield from _generate(driver, picture)
    yield from driver.wait_for(f"{Path(picture).stem}: running", _START_TIMEOUT_S)
    home = _runtime().choices.connection.home
    os.kill(json.loads((home / "server.json").read_text())["pid"], signal.SIGKILL)
    yield from _expect(driver, "gone-in-mid-job", "does not answer any more, in the middle of a job")
    yield from driver.click("Start Server")
    yield from driver.wait_until(_arrived(picture), _START_TIMEOUT_S + _JOB_TIMEOUT_S, "the job to go on")


def _full_disk(driver: Driver, picture: str, folder: str) -> Steps:
    """The server's data folder on a disk without space, and back again."""
    chosen, ordinary = _preferences(), _preferences().home
    place = _runtime().choices.connection.home
    yield from _stop(driver)
    chosen.home = folder
    yield 2.0
    yield from _generate(driver, picture)
    yield from _expect(driver, "disk-full", "No space is left", _START_TIMEOUT_S)
    yield from _stop(driver)
    chosen.home = ordinary
    yield from driver.wait_until(lambda: _runtime().choices.connection.home == place, _SOON_S, "the ordinary folder")


def _stop(driver: Driver) -> Steps:
    yield from driver.click("Stop", "operator")
    yield from driver.wait_for("Server Stopped", _SOON_S)
