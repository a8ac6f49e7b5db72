# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel's words for the networks' weights, and why they cannot be fetched."""

from __future__ import annotations

import re

from .documents import Weights
from .jobs.views import ModelsView, Snapshot
from .phrases import joined, phrase
from .runtime import Runtime
from .server_sentences import recognised
from .wording import percent, sentence_case

_STEPS = {
    "queued": "Waits for its turn",
    "downloading": "Downloading",
    "checking": "Checking",
    "converting": "Converting",
}
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_HUB = "https://huggingface.co/"
_KILO = 1000
OFFLINE = "It is downloaded from the internet: turn on Preferences > System > Network > Allow Online Access."
_CHOOSE = "Choose one in Preferences that was installed with figurine[neural]."
_ADD = "The installed server has the draft engine alone: press Add the Neural Engine."


def size_text(size_bytes: int) -> str:
    """A size as people say it: "178 MB", "7.2 GB"."""
    if size_bytes >= _KILO**3:
        return phrase("{value:.1f} GB", value=size_bytes / _KILO**3)
    return phrase("{max} MB", max=max(1, round(size_bytes / _KILO**2))) if size_bytes else "0 MB"


def model_size(model: Weights) -> str:
    """Of its download; rough ones are marked."""
    if model.size_bytes is None:
        return "size unknown"
    return f"{'' if model.is_size_exact else '≈ '}{size_text(model.size_bytes)}"


def model_share(model: Weights) -> float:
    """How much of its step is done, 0 to 1."""
    download = model.download
    return min(1.0, download.done_bytes / download.total_bytes) if download and download.total_bytes else 0.0


def model_progress(model: Weights) -> str:
    """Of one that waits or is fetched: the step, and how far that is."""
    download = model.download
    if download is None or download.step == "failed":
        return ""
    if download.total_bytes and download.step == "downloading":
        done, total = size_text(download.done_bytes), size_text(download.total_bytes)
        share = percent(model_share(model))
        return phrase("{percent} · {done} of {total}", percent=share, done=done, total=total)
    if download.total_bytes and download.step == "checking":
        return phrase("Checking · {percent}", percent=percent(model_share(model)))
    return _STEPS[download.step]


def is_underway(model: Weights) -> bool:
    """Whether it waits or is fetched."""
    return model.download is not None and model.download.step != "failed"


def summary(view: ModelsView) -> str:
    """How many are there, how large those are, and what is free."""
    here = [model for model in view.models if model.state == "present"]
    size = size_text(sum(model.size_bytes or 0 for model in here))
    return phrase(
        "{count} of {count_2} are on the server, {size}; {size_text} are free there.",
        count=len(here),
        count_2=len(view.models),
        size=size,
        size_text=size_text(view.free_bytes),
    )


def use_of(model: Weights) -> str:
    """What the network does, as a sentence."""
    return recognised(f"{sentence_case(model.use)}.")


def page_of(model: Weights) -> str:
    """Where its publisher describes it and its licence, "" where that is no address on the hub."""
    return f"{_HUB}{model.repository}" if _REPOSITORY.fullmatch(model.repository) else ""


def find_model(now: Runtime, weight_id: str) -> Weights | None:
    """The set of this id, as the server told it last."""
    return next((model for model in now.snapshot.models.models if model.id == weight_id), None)


def fetch_obstacle(now: Runtime) -> str:
    """Why nothing can be downloaded now, "" where it can."""
    if now.snapshot.server.state != "running" or not now.snapshot.models.is_known:
        return "The server has to run: press Start Server."
    if now.snapshot.models.obstacle:
        return _ADD if now.lacks_neural else joined((now.snapshot.models.obstacle, _CHOOSE), " ")
    if not now.choices.connection.online_access:
        return OFFLINE
    return ""


def arrivals(before: Snapshot, after: Snapshot) -> list[str]:
    """Titles of what was being fetched and is there now."""
    fetched = {model.id for model in before.models.models if is_underway(model)}
    return [model.title for model in after.models.models if model.id in fetched and model.state == "present"]
