# SPDX-License-Identifier: GPL-3.0-or-later
"""Pickles are read without running anything in them: tensors come out, everything else is inert or refused."""

from __future__ import annotations

import io
import pickle  # noqa: TID251 - makes what the reader must refuse
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the networks' libraries: pip install 'figurine[neural]'")

import torch

from models.common.checkpoint import CheckpointDamaged, CheckpointError, CheckpointMissing
from models.common.pickled import PickleRefused, read_pickled


class Box(dict):  # type: ignore[type-arg]
    """A configuration object, as training scripts store it."""


Box.__module__ = "box"


class Planted:
    """Runs a function when it is unpickled."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.call


def checkpoint() -> dict[str, Any]:
    """As a training framework writes it."""
    shared = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    return {
        "state_dict": {
            "model.a": shared,
            "model.transposed": shared.T,
            "model.row": shared[1],
            "model.parameter": torch.nn.Parameter(torch.ones(2, 2, dtype=torch.bfloat16)),
            "model.count": torch.tensor(7),
            "model.empty": torch.zeros(0, 3),
        },
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3), "step": torch.tensor(1.0)}}}],
        "hyper_parameters": {"rate": 1e-4, "names": {"a", "b"}, "dtype": torch.float32, "device": torch.device("cpu")},
        "epoch": 3,
    }


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_tensors_come_out_as_they_were_saved(tmp_path: Path, protocol: int) -> None:
    saved = checkpoint()
    torch.save(saved, tmp_path / "model.ckpt", pickle_protocol=protocol)
    found = read_pickled(tmp_path / "model.ckpt")
    assert found.keys() == saved["state_dict"].keys()
    for key, tensor in saved["state_dict"].items():
        assert found[key].dtype == tensor.dtype and torch.equal(found[key], tensor.detach()), key
    assert found["model.row"].untyped_storage().nbytes() == 16  # its own memory, not the whole it was cut from


def test_a_file_of_tensors_alone_is_read(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 3).state_dict(), tmp_path / "model.pth")
    assert read_pickled(tmp_path / "model.pth").keys() == {"weight", "bias"}


def test_configuration_objects_of_training_libraries_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys
    import types

    module = types.ModuleType("box")
    module.Box = Box  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "box", module)
    saved = checkpoint() | {"hyper_parameters": Box(a=1, b=[Box(c=2)])}
    torch.save(saved, tmp_path / "model.ckpt")
    monkeypatch.delitem(sys.modules, "box")
    assert len(read_pickled(tmp_path / "model.ckpt")) == 6


@pytest.mark.parametrize("place", ["state_dict", "hyper_parameters", "optimizer_states"])
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
    "planted",
    [
        lambda mark: Planted(__import__("os").system, f"touch {mark}"),
        lambda mark: Planted(eval, f"open({str(mark)!r}, 'w')"),
        lambda mark: Planted(subprocess.run, ["touch", str(mark)]),
        lambda mark: Planted(getattr, "text", "upper"),
        lambda mark: Planted(torch.hub.load, str(mark), "x"),
        lambda mark: Planted(Path(mark).touch),
    ],
)
def test_a_planted_call_does_not_run_and_is_named(
    tmp_path: Path, place: str, protocol: int, planted: Callable[[Path], Planted]
) -> None:
    mark = tmp_path / "it-ran"
    saved = checkpoint()
    saved[place] = {"x": planted(mark), **saved["state_dict"]}
    torch.save(saved, tmp_path / "model.ckpt", pickle_protocol=protocol)
    with pytest.raises(PickleRefused, match=r"model.ckpt was refused: reading it would call \S+\.\w+, .*Nothing of it"):
        read_pickled(tmp_path / "model.ckpt")
    assert not mark.exists()


def archive_of(
    content: object,
    storages: dict[str, bytes],
    compression: int = zipfile.ZIP_STORED,
    program: bytes | None = None,
) -> bytes:
    """A file as torch.save writes it, around any pickle. program: the pickle itself, instead of the content's."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr("model/data.pkl", program or pickle.dumps(content))
        for name, numbers in storages.items():
            archive.writestr(f"model/data/{name}", numbers)
    return stream.getvalue()


def saved_bytes(change: Callable[[bytes], bytes]) -> bytes:
    stream = io.BytesIO()
    torch.save({"state_dict": {"a": torch.ones(64)}}, stream)
    return change(stream.getvalue())


def without_numbers(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w") as new:
        for info in old.infolist():
            new.writestr(info.filename, b"\0" * 8 if "/data/" in info.filename else old.read(info))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no archive"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git-LFS pointer"),
        (pickle.dumps({"a": 1}), "no archive"),
        (saved_bytes(lambda content: content[: len(content) // 2]), "not a zip file"),
        (saved_bytes(without_numbers), "larger than its numbers"),
        (archive_of([1, 2], {}), "holds no state_dict"),
        (archive_of({"state_dict": {"a": 1}}, {}), "holds no tensors"),
        (archive_of({"state_dict": {}}, {}, zipfile.ZIP_DEFLATED), "compressed"),
        (archive_of({}, {}, program=b"}r\xff\xff\xff\x7f."), "more memory than it can need"),
        (archive_of({}, {}, program=b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f."), "cannot be read as weights"),
        (archive_of(None, {}).replace(b"data.pkl", b"data.pkx"), "torch did not write it"),
    ],
)
def test_what_is_no_checkpoint_is_told_in_one_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "model.ckpt").write_bytes(content)
    with pytest.raises(CheckpointDamaged, match=said):
        read_pickled(tmp_path / "model.ckpt")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointMissing):
        read_pickled(tmp_path / "model.ckpt")


def test_damage_anywhere_in_the_table_is_an_error_of_the_tree(tmp_path: Path) -> None:
    stream = io.BytesIO()
    torch.save(checkpoint(), stream)
    content = stream.getvalue()
    start = content.index(b"state_dict") - 20
    path = tmp_path / "model.ckpt"
    for place in range(start, start + 900, 3):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x5A]) + content[place + 1 :])
        try:
            read_pickled(path)
        except CheckpointError as error:
            assert str(error).startswith("model.ckpt")
