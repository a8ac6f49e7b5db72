# SPDX-License-Identifier: GPL-3.0-or-later
"""Both editors of pose and view behind the chain's protocol, and the judge: what they are given, what they say."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from inference_server.config import LOCAL_EDITORS
from inference_server.core.types import UInt8
from inference_server.errors import (
    Cancelled,
    EditorNotSetUp,
    EditorRefused,
    OutOfMemory,
    WeightsCorrupt,
    WeightsMissing,
)
from inference_server.stages.normalize import editors
from inference_server.stages.normalize.editing import EditCase, EditContext
from inference_server.stages.normalize.editors import EditorChoices, HostedPoseEditor, LocalPoseEditor, set_up_editors
from inference_server.stages.normalize.hosted_editor import HostedEditor
from inference_server.stages.normalize.judging import POSE_WEIGHTS, EditJudge, VitPoseReader
from inference_server.weights import read_manifest
from models.draft.errors import NoSubjectFound
from models.human_pose.measure import PoseMeasure
from tests.integration.fake_gemini import (
    KEY,
    MODEL,
    FakeGemini,
    Reply,
    data_reply,
    error_reply,
    fake_gemini,
    parts_reply,
)
from tests.integration.figures import drawn, figure
from tests.integration.tiny_store import SIDE_PX, STEPS, store_of

KLEIN, QWEN = LOCAL_EDITORS


def context(case: EditCase = "humanoid", seed: int = 0, **changes: Any) -> EditContext:
    """One that nobody cancels."""
    return replace(EditContext(case, seed, lambda: None, lambda done, total: None, lambda sentence: None), **changes)


class TestHosted:
    """Through the real SDK, against the fake service."""

    @pytest.fixture(autouse=True)
    def sdk(self) -> None:
        pytest.importorskip("google.genai", reason="needs the extra hosted (google-genai), which is not installed")

    def editor(self, fake: FakeGemini) -> HostedPoseEditor:
        return HostedPoseEditor(HostedEditor(MODEL, KEY, fake.url, timeout_s=20))

    def test_it_sends_the_framed_subject_and_says_so(self) -> None:
        notes: list[str] = []
        with fake_gemini() as fake:
            fake.replies = [data_reply(drawn(figure(85), (217, 217, 217)))]
            editor = self.editor(fake)
            picture = editor.edit(figure(8), context(note=notes.append))
        assert picture.shape == (400, 400, 3)
        [request] = fake.requests
        assert "A-pose" in request.prompt
        assert request.body["generationConfig"]["imageConfig"]["aspectRatio"] == "3:4"
        with Image.open(request.file) as sent:
            assert (sent.size, sent.mode, sent.info) == ((1024, 1024), "RGB", {})
            inside = np.asarray(sent)
        assert (inside[0, 0] == (217, 217, 217)).all() and (inside[:80] == inside[0, 0]).all()
        assert notes == [f"The picture was sent to the hosted editor {MODEL} at {fake.url}."]

    def test_repeats_are_told_because_they_may_be_billed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from inference_server.stages.normalize import gemini

        monkeypatch.setattr(gemini, "FIRST_DELAY_S", 0.01)
        monkeypatch.setattr(gemini, "JITTER_S", 0.01)
        notes: list[str] = []
        with fake_gemini() as fake:
            fake.replies = [error_reply(503, "busy"), data_reply(drawn(figure(85), (217, 217, 217)))]
            self.editor(fake).edit(figure(8), context(note=notes.append))
        assert notes[1] == "The hosted editor was asked 2 times; each may be billed."

    def test_an_animal_is_not_asked_into_a_pose(self) -> None:
        with fake_gemini() as fake:
            fake.replies = [data_reply(drawn(figure(8), (217, 217, 217)))]
            self.editor(fake).edit(figure(8), context("other"))
        assert "pose" not in fake.requests[0].prompt.lower()

    def test_errors_pass_and_an_empty_picture_is_not_sent(self) -> None:
        with fake_gemini() as fake:
            fake.replies = [parts_reply(None, "IMAGE_SAFETY")]
            with pytest.raises(EditorRefused):
                self.editor(fake).edit(figure(8), context())
            with pytest.raises(NoSubjectFound):
                self.editor(fake).edit(np.zeros((32, 32, 4), np.uint8), context())
        assert len(fake.requests) == 1

    def test_a_cancelled_job_does_not_wait(self) -> None:
        def cancelled() -> None:
            if fake.requests:
                raise Cancelled("The job was cancelled.")

        with fake_gemini() as fake:
            fake.replies = [Reply(hangs=True)]
            with pytest.raises(Cancelled):
                self.editor(fake).edit(figure(8), context(raise_if_cancelled=cancelled))

    def test_the_model_and_its_place_decide_and_the_key_does_not(self) -> None:
        one = HostedPoseEditor(HostedEditor(MODEL, KEY, "https://one.example"))
        other = HostedPoseEditor(HostedEditor(MODEL, KEY[::-1], "https://one.example"))
        assert one.identity == other.identity
        assert one.identity != HostedPoseEditor(HostedEditor("x-image", KEY, "https://one.example")).identity
        assert one.identity != HostedPoseEditor(HostedEditor(MODEL, KEY, "https://two.example")).identity
        assert KEY not in repr(vars(one))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*words: Any) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)


@pytest.mark.usefixtures("small_edits", "no_network")
class TestLocal:
    """Tiny pipelines of random weights, through the code that runs the published ones."""

    @pytest.mark.parametrize("weight_id", LOCAL_EDITORS)
    def test_it_draws_the_same_picture_from_the_same_seed(self, published: Path, weight_id: str) -> None:
        editor = LocalPoseEditor(store_of(published), weight_id)
        steps: list[tuple[float, float]] = []
        picture = editor.edit(figure(8), context(progress=lambda done, total: steps.append((done, total))))
        assert (picture.shape, picture.dtype) == ((SIDE_PX, 96, 3), np.uint8)
        assert picture.std() > 1
        assert steps == [(step, STEPS) for step in range(1, STEPS + 1)]
        assert (editor.edit(figure(8), context()) == picture).all()
        assert (editor.edit(figure(8), context(seed=1)) != picture).any()
        editor.unload()
        assert (editor.edit(figure(8), context()) == picture).all()

    @pytest.mark.parametrize("weight_id", LOCAL_EDITORS)
    def test_picture_and_words_both_count(self, published: Path, weight_id: str) -> None:
        editor = LocalPoseEditor(store_of(published), weight_id)
        still = figure(8)
        red = still.copy()
        red[..., 0] = 255
        square = {editor.edit(picture, context("other")).tobytes() for picture in (still, red)}
        assert len(square) == 2
        upright = editor.edit(still, context("humanoid"))
        assert upright.shape[1] < upright.shape[0], "an A-pose of a tall figure is drawn upright"

    @pytest.mark.parametrize("weight_id", LOCAL_EDITORS)
    def test_it_can_be_cancelled_within_a_step(self, published: Path, weight_id: str) -> None:
        calls: list[int] = []
        steps: list[float] = []

        def cancel_soon() -> None:
            calls.append(1)
            if len(calls) == 40:
                raise Cancelled("The job was cancelled.")

        editor = LocalPoseEditor(store_of(published), weight_id)
        with pytest.raises(Cancelled):
            editor.edit(
                figure(8),
                context(raise_if_cancelled=cancel_soon, progress=lambda done, total: steps.append(done)),
            )
        assert len(calls) == 40 and len(steps) < STEPS
        editor.edit(figure(8), context())
        assert len(calls) == 40, "the next edit still asks the last one's job"

    def test_qwens_encoder_is_told_which_tokens_are_the_pictures(self, published: Path) -> None:
        from models.pose_edit.loading import load_pipeline
        from models.pose_edit.recipes import QWEN_IMAGE_EDIT

        told: list[Any] = []
        pipeline = load_pipeline(published / QWEN, QWEN_IMAGE_EDIT)
        inner = pipeline.text_encoder.model
        inner.register_forward_pre_hook(
            lambda _, words, named: told.append(named["mm_token_type_ids"]), with_kwargs=True
        )
        pipeline.encode_prompt("Turn it.", image=[Image.fromarray(figure(8)[..., :3])], device="cpu")
        [marks] = told
        assert marks.sum() == 4, "a picture of 56 × 56 pixels is two by two merged patches"
        assert inner.rope_deltas is not None and inner.rope_deltas.item() == -2, "rows and columns, not a line of words"

    def test_its_weights_decide(self, published: Path) -> None:
        store = store_of(published)
        editor = LocalPoseEditor(store, KLEIN)
        assert editor.identity == store.digests(KLEIN) and all(len(digest) == 64 for digest in editor.identity)
        assert editor.title == "FLUX.2 [klein] 4B"
        assert editor.peak_bytes > sum(path.stat().st_size for path in (published / KLEIN).rglob("*.safetensors"))

    def test_too_little_memory_is_said_before_anything_is_read(
        self, published: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Scarce:
            available = 1000

        monkeypatch.setattr(editors.psutil, "virtual_memory", Scarce)
        monkeypatch.delattr("models.pose_edit.editor.load_pipeline")
        with pytest.raises(OutOfMemory, match=r"FLUX.2 \[klein\] 4B needs .* of main memory"):
            LocalPoseEditor(store_of(published), KLEIN).edit(figure(8), context())

    @pytest.mark.parametrize(
        ("path", "damage", "words"),
        [
            ("transformer/diffusion_pytorch_model.safetensors", "drop", "keys are missing"),
            ("transformer/diffusion_pytorch_model.safetensors", "add", "1 keys are left over"),
            ("vae/diffusion_pytorch_model.safetensors", "shape", "1 keys have another shape"),
            ("text_encoder/model-00001-of-00002.safetensors", "drop", "keys are missing"),
            ("transformer/diffusion_pytorch_model.safetensors", "cut", "cannot be read"),
            ("transformer/config.json", "cut", "cannot be read"),
            ("tokenizer/tokenizer.json", "cut", "cannot be read"),
            ("scheduler/scheduler_config.json", "cut", "cannot be read"),
            ("model_index.json", "other", "holds a StableDiffusionPipeline"),
        ],
    )
    def test_damaged_weights_are_named(
        self, published: Path, tmp_path: Path, path: str, damage: str, words: str
    ) -> None:
        shutil.copytree(published / KLEIN, tmp_path / KLEIN)
        spoil(tmp_path / KLEIN / path, damage)
        editor = LocalPoseEditor(store_of(tmp_path), KLEIN)
        with pytest.raises(WeightsCorrupt) as caught:
            editor.edit(figure(8), context())
        assert words in caught.value.message
        assert KLEIN in caught.value.hint


def spoil(path: Path, how: str) -> None:
    """Damage a file."""
    from tests.integration.tiny_editors import change_tensors

    def change(tensors: dict[str, Any]) -> None:
        key = next(name for name in sorted(tensors) if tensors[name].ndim > 1)
        if how == "add":
            tensors["stranger"] = tensors[key].clone()
        elif how == "drop":
            del tensors[key]
        else:
            tensors[key] = tensors[key][..., :1].clone()

    if how == "cut":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif how == "other":
        path.write_text('{"_class_name": "StableDiffusionPipeline"}', encoding="utf-8")
    else:
        change_tensors(path, change)


class TestSetUp:
    """Which editors there are."""

    def test_nothing_is_set_up_by_itself_and_each_says_why(self, tmp_path: Path) -> None:
        editing = set_up_editors(store_of(tmp_path), EditorChoices(KLEIN))
        assert editing.editors == {}
        assert type(editing.absent["local"]) is WeightsMissing
        assert f"figurine weights fetch {KLEIN}" in editing.absent["local"].hint
        assert type(editing.absent["hosted"]) is EditorNotSetUp
        assert "hosted_editor" in editing.absent["hosted"].hint

    def test_what_is_here_is_set_up(self, published: Path) -> None:
        service = HostedEditor(MODEL, KEY, "https://one.example")
        editing = set_up_editors(store_of(published), EditorChoices(QWEN, service))
        assert {name: editor.title for name, editor in editing.editors.items()} == {
            "local": "Qwen-Image-Edit 2511",
            "hosted": MODEL,
        }
        assert KEY not in repr(editing)

    def test_every_local_editor_has_weights_and_a_recipe(self) -> None:
        pytest.importorskip("torch", reason="needs the networks' libraries: pip install 'figurine[neural]'")
        from models.pose_edit.recipes import RECIPES

        assert set(LOCAL_EDITORS) == set(RECIPES) <= set(read_manifest())
        assert POSE_WEIGHTS in read_manifest()


class TestJudge:
    """Outlines and colours are judged in tests/unit/draft/test_verify_edit.py; here, what the joints add."""

    def test_without_a_pose_network_outlines_decide(self) -> None:
        assert EditJudge()(figure(8), figure(85), "humanoid").is_accepted
        verdict = EditJudge()(figure(8), figure(8), "humanoid")
        assert not verdict.is_accepted and verdict.sentence.endswith("the original was kept.")
        assert EditJudge()(figure(8), figure(8), "other").is_accepted
        empty = EditJudge()(figure(8), np.zeros_like(figure(8)), "humanoid")
        assert "it is empty" in empty.sentence

    @pytest.mark.parametrize(
        ("pose", "words"),
        [
            (PoseMeasure(True, (45.0, 45.0), (175.0, 175.0), 0.7), ""),
            (PoseMeasure(True, (45.0, 5.0), (175.0, 175.0), 0.7), "arms are not apart"),
            (PoseMeasure(True, (45.0, 150.0), (175.0, 175.0), 0.7), "shows no A-pose"),
            (PoseMeasure(True, (45.0, 45.0), (175.0, 90.0), 0.7), "shows no A-pose"),
            (PoseMeasure(True, (45.0, 45.0), (175.0, 175.0), -0.7), "does not face the viewer"),
            (PoseMeasure(False, (0.0, 0.0), (0.0, 0.0), 0.0), ""),
        ],
        ids=["A-pose", "one hangs", "raised", "bent", "from behind", "no person"],
    )
    def test_a_persons_joints_are_heard(self, pose: PoseMeasure, words: str) -> None:
        class Reader:
            def measure(self, rgba: UInt8) -> PoseMeasure:
                return pose

        judge = EditJudge(Reader())  # type: ignore[arg-type]
        verdict = judge(figure(8), figure(85), "humanoid")
        assert verdict.is_accepted == (not words)
        assert words in verdict.sentence
        assert judge(figure(8), figure(8), "other").is_accepted, "joints were asked for where no pose was"

    @pytest.mark.usefixtures("no_network")
    def test_a_tiny_vitpose_is_asked(self, published: Path, tmp_path: Path) -> None:
        reader = VitPoseReader(store_of(published))
        pose = reader.measure(figure(85))
        assert np.isfinite(pose.arms_deg).all()
        assert reader.measure(figure(85)) == pose
        shutil.copytree(published / POSE_WEIGHTS, tmp_path / POSE_WEIGHTS)
        spoil(tmp_path / POSE_WEIGHTS / "model.safetensors", "drop")
        with pytest.raises(WeightsCorrupt, match="1 keys are missing"):
            VitPoseReader(store_of(tmp_path)).measure(figure(85))


@pytest.mark.parametrize("size", [(300, 200), (200, 300)])
def test_joints_are_found_where_they_are(size: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch", reason="needs the networks' libraries: pip install 'figurine[neural]'")
    from transformers.models.vitpose.image_processing_pil_vitpose import VitPoseImageProcessorPil
    from transformers.models.vitpose.modeling_vitpose import VitPoseEstimatorOutput

    from models.human_pose.vitpose import PoseNetwork

    class FindsDots(torch.nn.Module):
        """Heatmaps that are high where the picture is as red as the joint's number says."""

        def forward(self, pixel_values: Any) -> VitPoseEstimatorOutput:
            red = pixel_values[:, :1] * 0.229 + 0.485
            wanted = torch.linspace(0.1, 0.7, 17)[None, :, None, None]
            likeness = torch.exp(-(((red - wanted) / 0.01) ** 2))
            return VitPoseEstimatorOutput(heatmaps=torch.nn.functional.avg_pool2d(likeness, 4))

    height, width = size
    rgba = np.full((height, width, 4), 255, np.uint8)
    rgba[..., 3] = 0
    rgba[20:-30, 30:-10] = 255
    rng = np.random.default_rng(0)
    cells = rng.permutation(24)[:17]
    truth = np.stack([45 + cells % 4 * (width - 70) / 3.5, 40 + cells // 4 * (height - 90) / 5.0], axis=1)
    for number, (x, y) in enumerate(truth):
        cv2.circle(rgba, (round(x), round(y)), 7, (round(255 * np.linspace(0.1, 0.7, 17)[number]), 255, 255, 255), -1)
    network = PoseNetwork(FindsDots(), VitPoseImageProcessorPil(), torch.device("cpu"))
    found = network.find(rgba)
    assert np.abs(found.points - truth).max() < 4.0
    assert (found.scores > 0.5).all()
