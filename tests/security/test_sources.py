# SPDX-License-Identifier: GPL-3.0-or-later
"""What our own sources never do. Names are looked for in the syntax tree, so that texts and comments may name them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("inference_server", "models", "blender_addon", "examples")
# Converts foreign weight files once, with a reader that builds tensors and nothing else.
EXEMPT = {ROOT / "models/common/pickled.py"}
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}
FLAGS = {"allow_pickle": True, "trust_remote_code": True, "shell": True, "verify": False, "weights_only": False}
CALLS = {"eval", "exec", "os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "torch.load"}


def sources() -> list[Path]:
    below = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    return [path for path in [*ROOT.glob("*.py"), *below] if path not in EXEMPT]


def findings(source: str) -> Iterator[str]:
    """What is forbidden in a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in MODULES:
            yield str(node.module)
        elif isinstance(node, ast.Call):
            if ast.unparse(node.func) in CALLS:
                yield ast.unparse(node.func)
            for keyword in node.keywords:
                value = keyword.value
                if keyword.arg in FLAGS and not (
                    isinstance(value, ast.Constant) and value.value is not FLAGS[keyword.arg]
                ):
                    yield f"{keyword.arg}={ast.unparse(value)}"


def test_the_sources_are_found() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in sources()}
    assert {"inference_server/app.py", "inference_server/core/exchange.py", "bootstrap.py"} <= names


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_forbidden_is_done(path: Path) -> None:
    assert list(findings(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import shelve as s",
        "def f():\n    import dill",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=flag)",
        "f(trust_remote_code=True)",
        "subprocess.run('ls', shell=True)",
        "requests.get(url, verify=False)",
        "torch.load(path)",
        "os.system('ls')",
        "eval(text)",
    ],
)
def test_what_is_forbidden_is_found(source: str) -> None:
    assert len(list(findings(source))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "# import pickle",
        "text = 'shell=True'",
        "np.load(path, allow_pickle=False)",
        "requests.get(url, verify=True)",
        "evaluate(x)",
    ],
)
def test_what_is_not_forbidden_is_not(source: str) -> None:
    assert list(findings(source)) == []
