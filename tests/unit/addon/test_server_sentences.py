# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's own errors, warnings and findings, made by its own code and said in other languages."""

from __future__ import annotations

import errno
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blender_addon.documents import JobWarning, parse
from blender_addon.errors import JobFailed, ServerWords
from blender_addon.jobs.review import Normalization
from blender_addon.phrases import Phrase, translated
from blender_addon.server_sentences import read_server_tables, recognised
from blender_addon.wording import sentence_case
from inference_server.core import validate
from inference_server.core.images import decode_image, read_image
from inference_server.core.masks import decode_mask
from inference_server.core.own_rig import rig_task
from inference_server.core.settings import JobSettings
from inference_server.core.types import Mesh, OwnRig, SceneMesh, SourceImage
from inference_server.errors import typed_system_errors
from inference_server.weights import WeightStore, read_manifest
from models.common.bake.mesh import check_mesh
from models.draft.diagnose import diagnose
from models.draft.matting import cut_out

TABLES = read_server_tables()
EMPTY = Mesh(np.zeros((3, 3), np.float32), np.zeros((0, 3), np.int32))
ONE_FACE = Mesh(np.eye(3, dtype=np.float32), np.array([[0, 1, 2]], np.int32))
LATIN = re.compile(r"[A-Za-z]{2,}")


def _refused(action: Callable[[], object]) -> list[str]:
    """Message and hint of what it raises."""
    with pytest.raises(Exception) as caught:
        action()
    error = caught.value
    return [str(getattr(error, "message", error)), str(getattr(error, "hint", ""))]


def _cut_picture() -> np.ndarray:
    """A blurred subject that leaves the picture at its left edge."""
    rgba = np.full((300, 300, 4), 255, np.uint8)
    rgba[..., 3] = 0
    rgba[60:240, :200, 3] = 255
    return rgba


def _png(size: tuple[int, int], color: object) -> bytes:
    stream = io.BytesIO()
    Image.new("L", size, color).save(stream, "PNG")  # type: ignore[arg-type]
    return stream.getvalue()


def _no_space() -> None:
    with typed_system_errors("the server's data folder"):
        raise OSError(errno.ENOSPC, "No space left on device")


def _rig_notes(bone_count: int, choice: str) -> list[str]:
    scene = SceneMesh(EMPTY, (), Path("a.fbx"), own_rig=OwnRig(bone_count, None, "A bone has no name."))
    return _refused(lambda: rig_task(scene, None, JobSettings(existing_rig=choice)))  # type: ignore[arg-type]


def _said(folder: Path) -> Iterator[str]:
    source = SourceImage(np.zeros((8, 8, 4), np.uint8), "")
    folder.joinpath("空.png").write_bytes(b"")
    yield from _refused(lambda: read_image(folder / "空.png", 50))
    yield from _refused(lambda: read_image(folder / "無い.png", 50))
    yield from _refused(lambda: decode_image(_png((400, 300), 0), "絵", 0.1))
    yield from _refused(lambda: decode_mask(source, _png((4, 4), 0), 50))
    yield from _refused(lambda: decode_mask(source, _png((8, 8), 0), 50))
    yield from _refused(lambda: decode_mask(source, _png((8, 8), 255), 50))
    yield from _refused(lambda: JobSettings(seed=-7))
    yield from _refused(lambda: JobSettings(steps=-7))
    yield from _refused(_no_space)
    yield from _rig_notes(1, "ask")
    yield from _rig_notes(1052, "ask")
    yield from _rig_notes(3, "keep")
    yield from _refused(lambda: check_mesh(EMPTY.vertices, EMPTY.faces))
    yield from _refused(lambda: cut_out(np.full((200, 200, 4), 255, np.uint8)))
    yield from _refused(lambda: cut_out(np.full((4, 200, 4), 255, np.uint8)))
    yield from validate.mesh_problems(EMPTY)
    yield from validate.mesh_problems(ONE_FACE)
    yield from (finding.sentence for finding in diagnose(_cut_picture(), is_outline_sure=False))


@pytest.mark.parametrize("locale", sorted(TABLES))
def test_what_the_server_says_is_said_in_the_language(locale: str, tmp_path: Path) -> None:
    said = [text for text in _said(tmp_path) if text]
    assert len(said) > 30
    for text in said:
        known = recognised(text)
        assert known == text, "its English stays"
        assert translated(known, str) == text
        local = _in(locale, known)
        assert set(re.findall(r"\d+", text)) <= set(re.findall(r"\d+", local)), (text, local)
        names = r"Figurine|PNG|JPEG|WebP|AVIF|GIF|png|existing_rig|" + re.escape(str(tmp_path))
        assert not LATIN.search(re.sub(names, "", local)), (text, local)


def test_weights_that_are_missing_are_named(tmp_path: Path) -> None:
    message, hint = _refused(lambda: WeightStore(tmp_path, read_manifest()).locate("birefnet"))
    whole = _in("zh_HANT", recognised(f"{message} {hint}"))
    assert whole == (
        "這部電腦上沒有 BiRefNet, general 的權重：缺少 model.safetensors。請執行：figurine weights fetch birefnet"
    )


@pytest.mark.parametrize(
    ("english", "local"),
    [
        ("tilt: draft, turned by 12° clockwise", "傾斜：草稿，順時針轉 12°"),
        ("pose: local, FLUX.2 [klein], put into an A-pose", "姿勢：本機，FLUX.2 [klein]，已改為 A 姿勢"),
        ("framing: centred and squared", "構圖：置中並補成正方形"),
        (
            "framing: centred and squared, interpolated to 1.4 times its size",
            "構圖：置中並補成正方形，內插放大為 1.4 倍",
        ),
        ("background: neural, birefnet-lite", "背景：神經，birefnet-lite"),
    ],
)
def test_steps_begin_with_a_capital_in_english_alone(english: str, local: str) -> None:
    step = sentence_case(parse(Normalization, _normalization([english])).steps[0])
    assert step == translated(step, str) == english.capitalize().replace(english.lower()[1:], english[1:])
    assert _in("zh_HANT", step) == local


def test_sentences_within_sentences_have_one_full_stop() -> None:
    text = (
        "The mesh could not be rigged: The mesh has no faces, so there is nothing to paint. Give a mesh with a surface."
    )
    assert _in("zh_HANT", recognised(text)) == (
        "無法為網格建立綁定：網格沒有面，因此沒有可上色之處。請提供具有表面的網格。"
    )


def test_what_is_not_known_stays_between_what_is() -> None:
    text = "Nobody has said this. The file is gone."
    assert _in("ja_JP", recognised(text)) == "Nobody has said this. ファイルがもうありません。"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Nobody has said this.",
        "Its colour is blue.",
        "a: b",
        "one, two",
        "The file\nis gone.",
        "The file is gone. " * 200,
    ],
)
def test_what_is_not_known_is_no_phrase(text: str) -> None:
    assert type(recognised(text)) is str
    assert recognised(text) == text


def test_names_with_full_stops_stay_whole() -> None:
    assert (
        _in("ja_JP", recognised("My Fox. Final.png is empty (zero bytes).")) == "My Fox. Final.pngは空です（0バイト）。"
    )


def test_hostile_texts_are_read_soon() -> None:
    """Not by the clock: a text that took time by its length squared and more would not end here."""
    for piece in ("a. B: ", "is: cannot be used, and ", "The {a} is {b}. ", "{", "{a}"):
        text = (piece * 2000)[:2000]
        assert recognised(text) == text


def test_documents_bring_phrases() -> None:
    words = {"code": "NoSubject", "message": "The file is gone.", "hint": "Run it again.", "retryable": False}
    error = JobFailed(parse(ServerWords, words))
    warning = parse(JobWarning, {"stage": "rig", "sentence": "The place of these bones is a guess: tail, jaw."})
    finding = parse(Normalization, _normalization([])).diagnoses[0]
    assert isinstance(error.message, Phrase) and isinstance(error.hint, Phrase)
    assert _in("ja_JP", warning.sentence) == "次のボーンの位置は推測です：tail, jaw。"
    assert _in("zh_HANT", finding.sentence) == "圖片模糊，紋理會缺少細節：請使用更清晰的圖片。"
    assert type(error.code) is str


def _normalization(steps: list[str]) -> dict[str, object]:
    blur = "The picture is blurred, so fine detail is missing from the texture: use a sharper one."
    return {"format": "figurine-normalization", "steps": steps, "diagnoses": [{"severity": 0.5, "sentence": blur}]}


def _in(locale: str, text: str) -> str:
    return translated(text, lambda english: TABLES[locale].get(english, english))
