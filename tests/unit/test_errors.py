# SPDX-License-Identifier: GPL-3.0-or-later
"""The error tree: what the docstring draws is what there is."""

from __future__ import annotations

import errno
import inspect
import json
import re

import pytest

from inference_server import errors
from inference_server.errors import FigurineError, typed_system_errors

CLASSES = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, FigurineError)]


def drawn_tree() -> dict[str, tuple[str, int]]:
    """Each class drawn in the docstring: its branch, and the status written beside it or beside its branch."""
    lines = (errors.__doc__ or "").partition("FigurineError\n")[2].partition("\n\n")[0].splitlines()
    tree: dict[str, tuple[str, int]] = {}
    branch, status = "", 0
    for line in lines:
        entries = re.findall(r"([A-Z]\w+)(?: (\d{3}))?", line)
        if "──" in line:
            (branch, number), *entries = entries
            status = int(number)
            tree[branch] = ("FigurineError", status)
        for name, number in entries:
            tree[name] = (branch, int(number or status))
    return tree


def test_every_class_is_drawn_in_its_branch_with_its_status() -> None:
    tree = drawn_tree()
    assert tree.keys() == {cls.__name__ for cls in CLASSES} - {"FigurineError"}
    for cls in CLASSES:
        if cls is not FigurineError:
            branch, status = tree[cls.__name__]
            assert branch in {base.__name__ for base in cls.__mro__[1:]}, cls
            assert cls.http_status == status, cls


def test_codes_are_unique_and_every_class_has_its_numbers() -> None:
    codes = [cls("m", "h").code for cls in CLASSES]
    assert len(set(codes)) == len(codes)
    for cls in CLASSES:
        assert 400 <= cls.http_status <= 599
        assert cls.exit_code in (1, 2)
        assert isinstance(cls.retryable, bool)
        assert cls.__doc__


def test_bad_input_ends_with_exit_code_2() -> None:
    assert {cls.__name__ for cls in CLASSES if cls.exit_code == 2} == {"DiskFull", "InputError"} | {
        cls.__name__ for cls in errors.InputError.__subclasses__()
    }


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_one_json_shape(cls: type[FigurineError]) -> None:
    error = cls("It broke.", "Mend it.")
    document = error.to_document()
    assert json.loads(json.dumps(document)) == document
    assert document == {
        "code": cls.__name__,
        "message": "It broke.",
        "hint": "Mend it.",
        "retryable": cls.retryable,
    }
    assert str(error) == "It broke. Mend it."
    assert str(cls("It broke.")) == "It broke."


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), errors.DiskFull),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), errors.DiskFull),
        (PermissionError(errno.EACCES, "Permission denied"), errors.OutputUnwritable),
        (OSError(errno.EROFS, "Read-only file system"), errors.OutputUnwritable),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory"), errors.OutputUnwritable),
        (IsADirectoryError(errno.EISDIR, "Is a directory"), errors.OutputUnwritable),
        (OSError(errno.ENAMETOOLONG, "File name too long"), errors.OutputUnwritable),
        (MemoryError(), errors.OutOfMemory),
    ],
)
def test_system_errors_become_typed(raised: Exception, expected: type[FigurineError]) -> None:
    with pytest.raises(expected) as caught, typed_system_errors("the folder"):
        raise raised
    assert caught.value.__cause__ is raised
    if expected is not errors.OutOfMemory:
        assert "the folder" in caught.value.message


@pytest.mark.parametrize("raised", [OSError(errno.EIO, "Input/output error"), ValueError("x"), errors.NoSubject("x")])
def test_other_errors_pass_unchanged(raised: Exception) -> None:
    with pytest.raises(type(raised)) as caught, typed_system_errors("the folder"):
        raise raised
    assert caught.value is raised
