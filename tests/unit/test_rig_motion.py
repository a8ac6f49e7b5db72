# SPDX-License-Identifier: GPL-3.0-or-later
"""One validator for the rigs of both engines: a tree of bones, valid weights, each bone moves one connected region."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inference_server.core.motion import asset_problems
from inference_server.core.stage import Control, Device, RunContext
from inference_server.core.types import Mesh, Rig, RigInput, Skin
from inference_server.stages.rig.draft import DraftRig
from models.draft.framing import frame_subject
from models.draft.matting import cut_out
from models.draft.surface import build_mesh

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def drafted(picture: str, tmp_path: Path) -> tuple[Mesh, Rig]:
    """The draft's mesh of an example, and the draft's rig of it."""
    cut = cut_out(np.asarray(Image.open(EXAMPLES / picture).convert("RGBA"))).rgba
    made = build_mesh(frame_subject(cut).rgba)
    mesh = Mesh(made.vertices, made.faces)
    stage = DraftRig()
    stage.load(Device())
    return mesh, stage.run(RigInput(mesh), RunContext("rig", "draft", 0, {"kind": "auto"}, Control()))


def written(_: str, tmp_path: Path) -> tuple[Mesh, Rig]:
    """A doll of tubes, and the rig that tiny networks in the official layout give it."""
    pytest.importorskip("torch", reason="needs the networks' libraries: pip install 'figurine[neural]'")
    from tests.integration.test_neural_rig import figure
    from tests.integration.tiny_unirig import save_tiny_unirig
    from tests.unit.test_neural_rig import context, stage_of

    save_tiny_unirig(tmp_path)
    doll = figure()
    mesh = Mesh(np.asarray(doll.vertices), doll.faces)
    return mesh, stage_of(tmp_path).run(RigInput(mesh), context())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # gpytoolbox imports a name that scipy is to drop
@pytest.mark.parametrize(
    ("make", "picture"),
    [(drafted, "adventurer.png"), (drafted, "pup.png"), (drafted, "frog.png"), (written, "")],
    ids=["adventurer", "pup", "frog", "neural"],
)
def test_rigs_of_both_engines_move_as_bodies_do(make, picture: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    mesh, rig = make(picture, tmp_path)
    assert len(rig.skeleton.names) > 5
    assert asset_problems(mesh, rig) == []
    mixed = np.random.default_rng(0).permutation(len(mesh.vertices))
    torn = replace(rig, skin=Skin(rig.skin.indices[mixed], rig.skin.weights[mixed]))
    assert asset_problems(mesh, torn)[0].startswith("Bones move places that are not joined: ")
