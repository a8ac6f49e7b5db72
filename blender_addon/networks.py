# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel's words for the neural engine's libraries: what they cost, what is installed, and why not now."""

from __future__ import annotations

from .models import OFFLINE, size_text
from .phrases import Phrase, joined, phrase, untranslated
from .runtime import Runtime
from .setup.environments import Installed
from .setup.torch_builds import BUILDS, Processor, Size

_DEVICES = {"cuda": "NVIDIA GPU", "mps": "Apple GPU", "cpu": "CPU"}
_MODELS_NEXT = "Next, download its models in the panel's section Models."


def install_obstacle(now: Runtime) -> str:
    """Why the neural engine cannot be added to the installed server or taken from it now, "" where it can."""
    if not now.choices.is_managed:
        return "Preferences say that the server is at an address: what it can do is chosen where it runs."
    if now.choices.command:
        return "Preferences name a Server Command: what that server can do is chosen where it was installed."
    if now.is_installing:
        return "The server is being installed."
    return "" if now.choices.connection.online_access else OFFLINE


def removal_obstacle(now: Runtime) -> str:
    """Why it cannot be removed now, "" where it can."""
    if not now.is_installed or not now.equipment.has_neural:
        return "The neural engine is not installed."
    return install_obstacle(now)


def cost_lines(platform: str, processor: Processor) -> tuple[Phrase, ...]:
    """What installing the server with it costs, for each GPU that it may be. platform: as sys.platform names it."""
    if platform == "darwin":
        return (_cost("{download} to download, {disk} on the disk.", BUILDS[platform, "mps"].size),)
    nvidia = _cost("With an NVIDIA GPU: {download} to download, {disk} on the disk.", BUILDS[platform, "cuda13"].size)
    cpu = _cost("On the CPU: {download} to download, {disk} on the disk.", BUILDS[platform, "cpu"].size)
    return {"auto": (nvidia, cpu), "nvidia": (nvidia,), "cpu": (cpu,)}[processor]


def _cost(template: str, size: Size) -> Phrase:
    sizes = {"download": f"≈ {size_text(size.download_bytes)}", "disk": f"≈ {size_text(size.disk_bytes)}"}
    return phrase(template, **sizes)


def neural_facts(installed: Installed) -> Phrase:
    """What the installed one works with: "Neural engine: NVIDIA GPU · PyTorch 2.13.0+cu130"."""
    torch = installed.torch
    if torch is None:
        return phrase("Neural engine: installed")
    parts = [phrase(_DEVICES.get(torch.device, torch.device)), untranslated(f"PyTorch {torch.version}")]
    return phrase("Neural engine: {facts}", facts=joined(parts, " · "))


def install_news(installed: Installed | None) -> tuple[str, str]:
    """What is said when an installation is done: what happened, and what is next."""
    if installed is None or not installed.equipment.has_neural:
        return "The server is installed.", "Choose a picture and press Generate; the server starts by itself."
    if installed.torch is not None and installed.torch.device == "cpu":
        return (
            "The server is installed with the neural engine. PyTorch found no GPU here: on a CPU one character takes "
            "hours.",
            _MODELS_NEXT,
        )
    return "The server is installed with the neural engine.", _MODELS_NEXT
