# SPDX-License-Identifier: GPL-3.0-or-later
"""What this machine computes on, and which neural stages can run on it. No stage and no network is imported for it:
GPUs are found by a child, once after the start, and weights are looked for at each question.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import platform
import subprocess
import sys
import threading
from pathlib import Path

import psutil

from inference_server.api.documents import ComputeDocument, DeviceDocument, NeuralStageDocument
from inference_server.config import Config
from inference_server.core.chains import GPU_STAGES, NEURAL_WEIGHTS
from inference_server.core.children import module_command, outsider_environment
from inference_server.core.types import StageName
from inference_server.errors import WeightsCorrupt
from inference_server.weights import WeightStore, read_manifest

# A driver that hangs is none; importing torch from a cold disk takes some ten seconds.
_PATIENCE_S = 120.0
# What the kernel shows of NVIDIA's, AMD's and WSL's drivers. Without any of it, torch finds no GPU on Linux.
_DRIVER_PATTERNS = ("nvidia*", "nvhost*", "nvgpu*", "kfd", "dxg")
_NO_LIBRARY = "The networks' libraries are not installed: pip install 'figurine[neural]'."
_NO_GPU = "There is no GPU here, and on a CPU the network takes hours; networks_on_cpu allows that."
_NO_WEIGHTS = "Its weights are not on this machine. Run: figurine weights fetch {}"

log = logging.getLogger("figurine.readiness")


class Readiness:
    """Asked from any thread, from `start` to `stop`. devices: where the system shows its drivers."""

    def __init__(self, config: Config, devices: Path = Path("/dev")) -> None:
        self._config = config
        self._devices = devices
        self._cpu = DeviceDocument("cpu", _cpu_name(), psutil.virtual_memory().total)
        self._gpus: tuple[DeviceDocument, ...] | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._find_gpus, name="gpus", daemon=True)

    def start(self) -> None:
        """Look for GPUs; returns at once. Where none can be, torch is not asked."""
        if not (_has_networks() and self._may_have_gpu()):
            self._gpus = ()
            return
        command = module_command("inference_server.stages.devices")
        try:
            self._child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=outsider_environment()
            )
        except OSError as error:
            log.warning("no GPU is used: none could be looked for: %s", error)
            self._gpus = ()
            return
        self._thread.start()

    def stop(self) -> None:
        """End the child, if it still looks."""
        if self._child is not None and self._child.stdin is not None:
            self._child.stdin.close()
            self._thread.join()

    def tell(self) -> ComputeDocument:
        """Devices and stages as they are now; nothing of either while GPUs are looked for."""
        gpus = self._gpus
        if gpus is None:
            return ComputeDocument((), ())
        return ComputeDocument((*gpus, self._cpu), self._stages(has_gpu=bool(gpus)))

    def _may_have_gpu(self) -> bool:
        if sys.platform != "linux":
            return True
        return any(any(self._devices.glob(pattern)) for pattern in _DRIVER_PATTERNS)

    def _find_gpus(self) -> None:
        """What the child prints; a child that fails has found none."""
        child = self._child
        assert child is not None and child.stdout is not None
        timer = threading.Timer(_PATIENCE_S, child.kill)
        timer.daemon = True
        timer.start()
        with child.stdout:
            answer = child.stdout.read()
        timer.cancel()
        if child.wait() != 0 or not answer:
            log.warning("no GPU is used: looking for one ended with exit code %s", child.returncode)
            self._gpus = ()
            return
        self._gpus = tuple(DeviceDocument(**gpu) for gpu in json.loads(answer.splitlines()[-1]))
        log.info("networks compute on %s", self._gpus[0].name if self._gpus else "the CPU")

    def _stages(self, *, has_gpu: bool) -> tuple[NeuralStageDocument, ...]:
        try:
            store = WeightStore(self._config.weights_root, read_manifest())
        except WeightsCorrupt as error:
            return tuple(NeuralStageDocument(stage, "no_weights", str(error), ()) for stage in NEURAL_WEIGHTS)
        is_fast = has_gpu or self._config.networks_on_cpu
        return tuple(_stage(stage, store, has_device=is_fast or stage not in GPU_STAGES) for stage in NEURAL_WEIGHTS)


def _stage(stage: StageName, store: WeightStore, *, has_device: bool) -> NeuralStageDocument:
    lines = NEURAL_WEIGHTS[stage]
    lacking = tuple(line[0] for line in lines if not any(store.state(item) == "present" for item in line))
    if not _has_networks():
        return NeuralStageDocument(stage, "no_library", _NO_LIBRARY, lacking)
    if not has_device:
        return NeuralStageDocument(stage, "no_gpu", _NO_GPU, lacking)
    if lacking:
        return NeuralStageDocument(stage, "no_weights", _NO_WEIGHTS.format(" ".join(lacking)), lacking)
    return NeuralStageDocument(stage, "ready", "", ())


def _cpu_name() -> str:
    """As Linux tells it, otherwise the family's."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [text.strip() for name, _, text in (line.partition(":") for line in lines) if name.strip() == "model name"]
    return next(filter(None, names), platform.machine())


def _has_networks() -> bool:
    return importlib.util.find_spec("torch") is not None
