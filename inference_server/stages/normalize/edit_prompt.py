# SPDX-License-Identifier: GPL-3.0-or-later
"""What an instruction editor is asked for: one edit that turns, poses and clears, because each edit costs identity."""

from __future__ import annotations

from typing import Literal

from inference_server.core.types import UInt8
from inference_server.stages.normalize.editing import EditCase

AspectRatio = Literal["1:1", "3:4"]

_A_POSE = """\
Redraw the character of this picture as a character sheet's front view in a neutral A-pose.
Pose: standing upright on both feet, facing the camera straight on, head level, looking ahead with a neutral \
expression. Both arms are straight and held about 45 degrees away from the torso, with a clearly visible gap of \
background between each arm and the body; hands open and relaxed. Legs are straight and apart, with background \
visible between them; feet point forward. The pose is symmetric.
Hands are empty: leave out what the character holds. Keep everything that it wears, wings and tail included."""

_FRONT_VIEW = """\
Redraw the subject of this picture as seen exactly from its front.
View: the subject stands naturally where it is, level and upright, and its front faces the camera straight on. Keep \
its own body plan and its natural stance: an animal stays on all its legs, an object keeps its shape. Do not make it \
stand like a person, do not add limbs, and do not add or remove parts. Legs and other parts that hang down are apart \
from each other where its build allows it."""

_COMMON = """\
Camera: eye level, orthographic, no perspective distortion, no tilt.
Identity: the very same {subject}, with the same proportions, face, markings, materials, clothes and accessories, and \
the same colours and drawing style. Parts that the picture does not show continue in the same design.
Framing: the whole {subject} from top to bottom and from side to side, alone, centred, with a margin of about 8 % of \
the picture on every side. Nothing is cut off by the picture's edge.
Background: one uniform, flat {backdrop} that fills the picture. No floor, no shadow, no reflection, no gradient, no \
text, no frame and no second view.
Light: soft and even, without hard shadows or highlights."""

# Taller figures fit an upright picture also with their arms out; the others need the square.
_UPRIGHT_FROM = 1.6


def build_prompt(case: EditCase, backdrop: str) -> str:
    """The instruction. case: "humanoid" is put into an A-pose, "other" (quadrupeds, birds, objects) never is.

    backdrop: the background's colour in words, absent from the subject (models.draft.screen).
    """
    opening, subject = (_A_POSE, "character") if case == "humanoid" else (_FRONT_VIEW, "subject")
    return f"{opening}\n{_COMMON.format(subject=subject, backdrop=backdrop)}"


def choose_aspect_ratio(case: EditCase, rgba: UInt8) -> AspectRatio:  # rgba: (H, W, 4) uint8, the subject cut out
    """The ratio, as editors name it, in which the subject will be largest."""
    inside = rgba[..., 3] >= 128
    height, width = inside.any(axis=1).sum(), inside.any(axis=0).sum()
    return "3:4" if case == "humanoid" and height >= _UPRIGHT_FROM * width else "1:1"
