# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server tells of its devices and of neural stages is what the registry of engines then does."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from inference_server.api.documents import ComputeDocument, NeuralStageDocument
from inference_server.config import Config, load_config
from inference_server.core.chains import ENGINES, GPU_STAGES, NEURAL_WEIGHTS
from inference_server.core.types import StageName
from inference_server.engines import build_registry
from inference_server.errors import WeightsMissing
from inference_server.readiness import Readiness
from inference_server.stages.blender import BlenderProcess
from inference_server.stages.registry import EngineRegistry
from inference_server.weights import OWN_MANIFEST_NAME, WeightStore, read_manifest

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="needs the networks' libraries: pip install 'figurine[neural]'"
)
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="drivers are looked for in /dev on Linux alone")
PATIENCE_S = 120


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config({"FIGURINE_HOME": str(tmp_path / "home")}).config


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    """What the system shows of its drivers: nothing yet."""
    (tmp_path / "dev").mkdir()
    return tmp_path / "dev"


def put_weights(root: Path, *wanted: str) -> WeightStore:
    """Files of a byte in the places of these sets', and a manifest of the folder's own that asks for no more."""
    sets = {weight_id: weights for weight_id, weights in read_manifest().items() if weight_id in wanted}
    lines = []
    for weight_id, weights in sets.items():
        paths = [weights.converted] if weights.converted else [file.path for file in weights.files]
        for path in paths:
            file = root / weight_id / PurePosixPath(path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"w")
        listed = ", ".join(f'{{ path = "{path}" }}' for path in paths)
        words = dict.fromkeys(("title", "use", "repository", "revision", "licence"), "of a test")
        lines += ["[[weights]]", f'id = "{weight_id}"', *(f'{key} = "{word}"' for key, word in words.items())]
        lines.append(f"files = [{listed}]")
    (root / OWN_MANIFEST_NAME).write_text("\n".join(lines) or "weights = []", encoding="utf-8")
    store = WeightStore(root, read_manifest())
    for weight_id in sets:
        store.verify(weight_id, lambda count: None)
    return store


def told(config: Config, devices: Path) -> ComputeDocument:
    """By a server that has started, once it knows its GPUs."""
    readiness = Readiness(config, devices)
    readiness.start()
    try:
        return known(readiness)
    finally:
        readiness.stop()


def known(readiness: Readiness) -> ComputeDocument:
    deadline_s = time.monotonic() + PATIENCE_S
    while not (answer := readiness.tell()).devices:
        assert not answer.neural and time.monotonic() < deadline_s
        time.sleep(0.05)
    return answer


def states(answer: ComputeDocument) -> dict[str, str]:
    return {stage.stage: stage.state for stage in answer.neural}


def by_name(answer: ComputeDocument, name: str) -> NeuralStageDocument:
    return next(stage for stage in answer.neural if stage.stage == name)


def test_the_table_has_every_neural_stage_and_known_weights() -> None:
    assert set(NEURAL_WEIGHTS) == {stage for stage, engines in ENGINES.items() if "neural" in engines}
    assert {item for lines in NEURAL_WEIGHTS.values() for line in lines for item in line} <= read_manifest().keys()


@on_linux
@needs_torch
def test_without_gpu_and_weights_each_stage_says_what_is_hardest_to_mend(config: Config, devices: Path) -> None:
    answer = told(config, devices)
    (cpu,) = answer.devices
    assert cpu.kind == "cpu" and cpu.name and cpu.memory_bytes > 1 << 28
    assert states(answer) == {
        "normalize": "no_weights",
        "geometry": "no_gpu",
        "texture": "no_gpu",
        "rig": "no_weights",
    }
    assert by_name(answer, "texture").weights == ("step1x3d-texture", "sdxl-base", "sdxl-vae-fp16-fix")
    assert by_name(answer, "rig").reason.endswith("figurine weights fetch unirig-skeleton unirig-skin")
    allowed = states(told(replace(config, networks_on_cpu=True), devices))
    assert set(allowed.values()) == {"no_weights"}, "the configuration says that the CPU will do"


@on_linux
@needs_torch
@pytest.mark.parametrize("stage", NEURAL_WEIGHTS)
def test_a_stage_is_ready_with_these_weights_and_with_none_less(
    config: Config, devices: Path, stage: StageName
) -> None:
    config = replace(config, networks_on_cpu=True)
    firsts = [line[0] for line in NEURAL_WEIGHTS[stage]]
    for lacking in (None, *range(len(firsts))):
        here = [item for place, item in enumerate(firsts) if place != lacking]
        root = config.home / f"weights-{lacking}"
        root.mkdir(parents=True)
        registry = EngineRegistry(BlenderProcess(None, config.work_root), put_weights(root, *here))
        config.weights_root.unlink(missing_ok=True)
        config.weights_root.symlink_to(root)
        found = by_name(told(config, devices), stage)
        if lacking is None:
            requires = registry.choose(stage, "neural").stage.requires
            assert (found.state, found.reason, found.weights) == ("ready", "", ())
            assert requires.wants_gpu == (stage in GPU_STAGES)
        else:
            with pytest.raises(WeightsMissing):
                registry.choose(stage, "neural")
            assert (found.state, found.weights) == ("no_weights", (firsts[lacking],))


@on_linux
@needs_torch
def test_weights_that_come_are_told_at_the_next_question(config: Config, devices: Path) -> None:
    readiness = Readiness(config, devices)
    readiness.start()
    assert by_name(readiness.tell(), "rig").state == "no_weights"
    config.weights_root.mkdir(parents=True)
    put_weights(config.weights_root, "unirig-skeleton", "unirig-skin")
    assert by_name(readiness.tell(), "rig").state == "ready"
    readiness.stop()


def test_a_manifest_that_cannot_be_read_is_a_reason_and_no_failure(config: Config, devices: Path) -> None:
    config.weights_root.mkdir(parents=True)
    (config.weights_root / OWN_MANIFEST_NAME).write_text("[[weights]]\nid = 3\n")
    found = told(config, devices).neural
    assert {stage.state for stage in found} == {"no_weights"} and "manifest.toml cannot be read" in found[0].reason


def test_without_the_libraries_nobody_looks_for_gpus(
    config: Config, devices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (devices / "nvidia0").touch()
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else find_spec(name))
    readiness = Readiness(config, devices)
    readiness.start()
    answer = readiness.tell()
    assert [device.kind for device in answer.devices] == ["cpu"]
    assert set(states(answer).values()) == {"no_library"} and "figurine[neural]" in answer.neural[0].reason
    readiness.stop()


@pytest.fixture
def looking(config: Config, devices: Path) -> Iterator[Readiness]:
    """One that has a driver to ask about."""
    (devices / "nvidia0").touch()
    readiness = Readiness(config, devices)
    readiness.start()
    yield readiness
    readiness.stop()


@needs_torch
def test_where_a_driver_is_torch_is_asked_in_a_process_of_its_own(looking: Readiness) -> None:
    assert looking.tell() == ComputeDocument((), ()), "nothing is claimed before it is known"
    answer = known(looking)
    assert answer.devices[-1].kind == "cpu" and len({device.kind for device in answer.devices}) == len(answer.devices)
    assert looking._child is not None and looking._child.returncode == 0


@needs_torch
def test_the_child_ends_with_the_server(looking: Readiness) -> None:
    looking.stop()
    assert looking._child is not None and looking._child.returncode is not None
    assert [device.kind for device in looking.tell().devices] in (["cpu"], ["cuda", "cpu"], ["mps", "cpu"])


@needs_torch
def test_a_child_that_dies_has_found_none(looking: Readiness) -> None:
    assert looking._child is not None
    looking._child.kill()
    assert [device.kind for device in known(looking).devices] == ["cpu"]


@needs_torch
@pytest.mark.parametrize("stage", GPU_STAGES)
def test_auto_takes_a_network_without_a_gpu_where_the_configuration_says_so(
    config: Config, stage: StageName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference_server.stages.registry.has_gpu", lambda: False)
    config.weights_root.mkdir(parents=True)
    put_weights(config.weights_root, *(line[0] for line in NEURAL_WEIGHTS[stage]))
    for is_allowed, engine in ((False, "draft"), (True, "neural")):
        allowed = replace(config, networks_on_cpu=is_allowed)
        choice = build_registry(allowed, BlenderProcess(None, config.work_root)).choose(stage, "auto")
        assert (choice.stage.engine, bool(choice.fallback_reason)) == (engine, not is_allowed)
