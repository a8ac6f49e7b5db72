# SPDX-License-Identifier: GPL-3.0-or-later
"""What several of the characters have in common: eyes, noses, flat soles, cuffs."""

from sdf import Field, Vec, both_sides, grow, half_space, meet, paint, spot, union
from studio import Material, Part

WHITE = Material("#ffffff", roughness=0.6)
GLINT = Material("#ffffff", glow=1.0)
NOSE = Material("#22161a", roughness=0.2, coat=0.6)

SIDES = (-1, 1)


def spots(face: Field, centre: Vec, radii: Vec, thickness: float = 0.006, degrees: float = 0) -> Field:
    """An ellipse painted on either side of a face."""
    return paint(face, both_sides(spot(centre, radii, degrees)), thickness)


def glints(face: Field, eye_x: float, thickness: float, *lights: tuple[float, float, float, float]) -> Part:
    """The light in both eyes, which stand at ±`eye_x`. Each light: dx from the eye's middle, y, and its two radii."""
    marks = [spot((side * eye_x + dx, y), (rx, ry)) for dx, y, rx, ry in lights for side in SIDES]
    return Part("glints", paint(face, union(*marks), thickness), GLINT)


def flat_below(height: float, shape: Field) -> Field:
    """The shape from this height upward: what stands on the ground."""
    return meet(0.01, shape, half_space((0, -1, 0), (0, height, 0)))


def cuff(arm: Field, along: Vec, upper: Vec, lower: Vec) -> Field:
    """A raised band around an arm, between two points of it; `along` points to the hand."""
    return meet(0.02, grow(arm, 0.014), half_space([-x for x in along], upper), half_space(along, lower))
