# SPDX-License-Identifier: GPL-3.0-or-later
"""The command: one clear line and the right exit code, whatever happens."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from inference_server import __version__, cli
from inference_server.errors import BlenderMissing, FigurineError, NoSubject

# Runs the real command; the picture's decoder announces itself and then waits to be stopped.
WAITING = """
import sys, time
from inference_server import cli
from inference_server.commands import make
def wait(path, limit):
    print("working", flush=True)
    time.sleep(60)
make.read_image = wait
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def _own_signal_handler() -> Iterator[None]:
    """main() takes SIGTERM; give it back."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def run(*arguments: str) -> int:
    """The exit code, however the command ends."""
    try:
        return cli.main(arguments)
    except SystemExit as end:
        assert isinstance(end.code, int)
        return end.code


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["dance"], "dance"),
        (["run"], "IMAGE"),
        (["run", "a.png"], "--out"),
        (["run", "a.png", "--out"], "--out"),
        (["run", "a.png", "--out", "d", "--colour", "red"], "--colour"),
        (["run", "a.png", "--out", "d", "--seed", "x"], "--seed"),
        (["run", "a.png", "--out", "d", "--height", "tall"], "--height"),
        (["run", "a.png", "--out", "d", "--kind", "fish"], "fish"),
        (["run", "a.png", "--out", "d", "--engine", "hosted"], "hosted"),
        (["run", "a.png", "--out", "d", "b\nc"], "b c"),
        (["rig", "a.obj"], "--out"),
        (["rig", "a.obj", "--out", "d", "--height", "2"], "--height"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], word: str
) -> None:
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert word in err
    assert "--help" in err


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--seed", "-1"], "seed"),
        (["--height", "0"], "height"),
        (["--height", "nan"], "height"),
        (["--depth", "9"], "depth"),
        (["--texture", "1000"], "texture size"),
    ],
)
def test_values_out_of_range_are_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, options: list[str], word: str
) -> None:
    picture = tmp_path / "a.png"
    Image.new("RGB", (8, 8)).save(picture)
    assert run("run", str(picture), "--out", str(tmp_path / "out"), *options) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith("figurine: ")
    assert word in err
    assert not (tmp_path / "out").exists()


def test_without_a_verb_the_verbs_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 2
    out, err = capsys.readouterr()
    first, *verbs = err.splitlines()
    assert out == ""
    assert first == "figurine: name a verb. See figurine VERB --help."
    assert [line.split()[0] for line in verbs] == [
        "run",
        "rig",
        "texture",
        "voxelize",
        "serve",
        "worker",
        "weights",
        "doctor",
    ]
    assert all(len(line.split()) > 3 for line in verbs)


@pytest.mark.parametrize("port", ["99999", "-1"])
def test_a_port_that_cannot_be_is_said_with_its_flag(capsys: pytest.CaptureFixture[str], port: str) -> None:
    assert run("serve", "--port", port) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"figurine: --port {port} cannot be used (0 to 65535 is allowed).")
    assert err.count("\n") == 1


def test_an_address_that_cannot_be_listened_on_is_said_with_its_flags(tmp_path: Path) -> None:
    environment = os.environ | {"FIGURINE_HOME": str(tmp_path), "FIGURINE_TOKEN": "x" * 32}
    command = [sys.executable, "-m", "inference_server", "serve", "--host", "192.0.2.1", "--port", "47555"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith("figurine: The server cannot listen on 192.0.2.1, port 47555: ")
    assert done.stderr.endswith("Choose --host 127.0.0.1 and a --port from 1024 on.\n")


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"figurine {__version__}\n"
    for arguments in (["--help"], ["run", "--help"], ["rig", "--help"], ["doctor", "--help"]):
        assert run(*arguments) == 0
        assert "usage: figurine" in capsys.readouterr().out


def doctor_that(monkeypatch: pytest.MonkeyPatch, behave: Callable[[argparse.Namespace], int]) -> None:
    """Put another function in the place of a verb, to see what becomes of what it raises."""
    monkeypatch.setattr("inference_server.commands.doctor.run_doctor", behave)


def raising(error: BaseException) -> Callable[[argparse.Namespace], int]:
    def behave(options: argparse.Namespace) -> int:
        raise error

    return behave


@pytest.mark.parametrize(
    ("error", "exit_code", "line"),
    [
        (NoSubject("Nothing stands out.", "Use another picture."), 2, "Nothing stands out. Use another picture."),
        (BlenderMissing("No\nBlender."), 1, "No Blender."),
        (KeyboardInterrupt(), 1, "Stopped. Finished stages are kept"),
        (ZeroDivisionError("two\nlines"), 1, "Unexpected error: ZeroDivisionError: two lines."),
    ],
)
@pytest.mark.parametrize("debug", [False, True])
def test_what_a_verb_raises_is_one_line_and_a_traceback_only_on_request(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    exit_code: int,
    line: str,
    debug: bool,
) -> None:
    doctor_that(monkeypatch, raising(error))
    assert run("doctor", *(["--debug"] if debug else [])) == exit_code
    err = capsys.readouterr().err
    assert err.splitlines()[-1].startswith(f"figurine: {line}")
    assert ("Traceback" in err) == debug
    assert (err.count("\n") == 1) != debug


def test_errors_of_the_tree_set_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Odd(FigurineError):
        exit_code = 2

    doctor_that(monkeypatch, raising(Odd("odd")))
    assert run("doctor") == 2


def stop_while_working(tmp_path: Path, number: signal.Signals) -> tuple[int, str]:
    command = [sys.executable, "-c", WAITING, "run", "a.png", "--out", str(tmp_path / "out")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        process.send_signal(number)
        return process.wait(timeout=30), process.communicate()[1]
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_one_line(tmp_path: Path, number: signal.Signals) -> None:
    exit_code, err = stop_while_working(tmp_path, number)
    assert exit_code == 1
    assert err.startswith("figurine: Stopped.")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_told_to_stop_has_not_failed(tmp_path: Path, number: signal.Signals) -> None:
    environment = os.environ | {"FIGURINE_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", "inference_server", "worker"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        log = tmp_path / "home" / "logs" / "worker.log"
        deadline_s = time.monotonic() + 30
        while not (log.exists() and "is ready" in log.read_text()):
            assert process.poll() is None and time.monotonic() < deadline_s
            time.sleep(0.05)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (0, "")
        assert "Traceback" not in err and "Stopped" not in err
    finally:
        process.kill()
        process.wait()


def test_doctor_speaks_json(capsys: pytest.CaptureFixture[str]) -> None:
    exit_code = run("doctor", "--json")
    findings = json.loads(capsys.readouterr().out)
    assert {"Python", "Draft engine", "Blender", "Memory", "Disk"} <= {finding["name"] for finding in findings}
    needed = [finding["is_ok"] for finding in findings if finding["needed"]]
    assert exit_code == (0 if all(needed) else 1)
    for finding in findings:
        assert finding["is_ok"] or not finding["needed"] or finding["mend"]


def test_doctor_prints_where_the_console_knows_no_arrows() -> None:
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "FIGURINE_BLENDER": "/nowhere/blender"}
    command = [sys.executable, "-m", "inference_server", "doctor"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == ""
    assert "MISSING Blender: /nowhere/blender does not answer" in done.stdout


def test_a_program_that_is_no_blender_is_named(tmp_path: Path) -> None:
    program = tmp_path / "blender"
    program.write_text("this is no program")
    mesh = tmp_path / "a.obj"
    mesh.write_text("v 0 0 0\n")
    environment = os.environ | {"FIGURINE_BLENDER": str(program)}
    command = [sys.executable, "-m", "inference_server", "rig", str(mesh), "--out", str(tmp_path / "out")]
    for mode in (0o644, 0o755):
        program.chmod(mode)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1
        assert done.stderr.startswith(f"figurine: {program} cannot be started")
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
