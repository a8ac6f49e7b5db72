# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server says, drawn in the panel in other languages; test_addon_languages.py runs each function."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.integration.addon_language_cases import speaking
from tests.integration.addon_panel_cases import show
from tests.integration.addon_session import Session
from tests.integration.layout_recorder import Recorder, draw

URL = "http://127.0.0.1:47110"
ERROR = {
    "code": "NoSubject",
    "message": "No subject was found in the picture: it is only 4 × 200 pixels.",
    "hint": "Use a picture of one character that stands out from a plain or transparent background.",
    "retryable": False,
}
FINDINGS = {
    "format": "figurine-normalization",
    "steps": ["tilt: draft, turned by 12° clockwise"],
    "diagnoses": [{"severity": 0.7, "sentence": "There are 3 separate subjects: use a picture of one, or cut it out."}],
}
NETWORK = {
    "id": "one",
    "title": "One",
    "use": "finds a skeleton in any mesh",
    "licence": "MIT",
    "repository": "maker/one",
    "state": "absent",
    "size_bytes": 7_200_000_000,
    "is_size_exact": True,
    "fetched_bytes": 3_100_000_000,
    "download": {"step": "failed", "done_bytes": 0, "total_bytes": None, "error": ERROR},
}
OBSTACLE = "This server was installed without the neural engine, so it has no use for models."
IN_JAPANESE = (
    "画像に被写体が見つかりませんでした：4 × 200ピクセルしかありません。",
    "無地または透明の背景にキャラクター1体がはっきり写った画像を使ってください。",
    "傾き：ドラフト、時計回りに12°回転",
    "別々の被写体が3つあります。1つだけの画像を使うか、切り抜いてください。",
    "次のボーンの位置は推測です：tail。",
    "ドラフト：oneの重みがこのコンピューターにありません。a.binがありません。実行してください：figurineweightsfetchone",
    "7.2GB · MIT.どんなメッシュからもスケルトンを見つけます。",
    "[ダウンロードを続ける · 取得済み3.1GB]",
    "このサーバーはニューラルエンジンなしでインストールされており、モデルは使いません。",
)


def the_server_is_understood_in_japanese(session: Session) -> None:
    """Errors, findings, steps, warnings, reasons and networks; in English they are as they were sent."""
    session.preferences.command = "figurine serve"
    session.tick()
    table = session.module("languages").with_server(
        session.module("languages").read_tables(), session.module("server_sentences").read_server_tables()
    )["ja_JP"]
    with speaking(session, lambda text: table.get(("*", text), text)):
        japanese = " ".join(_drawn(session)).replace(" ", "")
    for sentence in IN_JAPANESE:
        assert sentence.replace(" ", "") in japanese, (sentence, japanese)
    english = " ".join(_drawn(session))
    told = (
        ERROR["message"],
        ERROR["hint"],
        "Tilt: draft, turned by 12° clockwise",
        FINDINGS["diagnoses"][0]["sentence"],
    )
    for sentence in (*told, "7.2 GB · MIT. Finds a skeleton in any mesh.", OBSTACLE):
        assert sentence in english, (sentence, english)


def the_add_on_s_own_words_stay(session: Session) -> None:
    """Where a word is also one of the server's; and a language that only one of the two has is no fault."""
    merge = session.module("languages").with_server
    own = {"ja_JP": {("*", "left"): "own", ("Operator", "left"): "button"}, "xx": {("*", "a"): "b"}}
    merged = merge(own, {"ja_JP": {"left": "server", "right": "server"}})
    assert merged["ja_JP"] == {("*", "left"): "own", ("Operator", "left"): "button", ("*", "right"): "server"}
    assert merged["xx"] == own["xx"]


def _drawn(session: Session) -> Iterator[str]:
    documents, errors, views = (session.module(name) for name in ("documents", "errors", "jobs.views"))
    review = session.module("jobs.review")
    running = views.ServerView("running", URL, "0.1.0", ("draft",), True)
    found = documents.parse(review.Normalization, FINDINGS)
    reason = "The weights of one are not on this machine: a.bin is missing. Run: figurine weights fetch one"
    stage = {"stage": "rig", "engine": "draft", "seconds": 1.0, "reused": False, "fallback_reason": reason}
    warning = documents.parse(
        documents.JobWarning, {"stage": "rig", "sentence": "The place of these bones is a guess: tail."}
    )
    waiting = views.JobView(
        "k1",
        "waiting",
        "fox",
        "a" * 32,
        3,
        stages=(documents.parse(documents.StageResult, stage),),
        settings={"pause_after": "normalize"},
        warnings=(warning.sentence,),
        review=review.Review(Path("before.png"), Path("after.png"), found.steps, found.diagnoses),
    )
    show(session, server=running, jobs=(waiting,), focus="k1")
    yield draw("FIGURINE_PT_main").text
    failed = errors.JobFailed(documents.parse(errors.ServerWords, ERROR))
    show(session, server=running, jobs=(dataclasses.replace(waiting, state="failed", error=failed),), focus="k1")
    yield draw("FIGURINE_PT_main").text
    yield from _drawn_models(session, running)


def _drawn_models(session: Session, running: Any) -> Iterator[str]:
    documents, views = session.module("documents"), session.module("jobs.views")
    listed = {"weights": [NETWORK], "free_bytes": 10, "obstacle": OBSTACLE}
    told = documents.parse(documents.WeightList, listed)
    show(session, server=running)
    session.now.snapshot = dataclasses.replace(
        session.now.snapshot, models=views.ModelsView(told.weights, True, told.free_bytes, told.obstacle)
    )
    yield draw("FIGURINE_PT_models").text
    terms = Recorder()
    session.module("operators.models").draw_terms(terms, told.weights[0], told.free_bytes)
    yield terms.text
