# SPDX-License-Identifier: GPL-3.0-or-later
"""A puppy on four legs, its head turned to the viewer: floppy ears, red collar, tail up."""

from features import NOSE, WHITE, flat_below, glints, spots
from sdf import (
    Field,
    ball,
    blend,
    both_sides,
    cone,
    drum,
    ellipsoid,
    grow,
    half_space,
    meet,
    paint,
    placed,
    ring,
    slab,
    spot,
    stroke,
    tube,
    union,
)
from studio import Material, Part

COAT = Material("#eaa04c", roughness=0.7)
CREAM = Material("#fff0d8", roughness=0.7)
BROWN = Material("#8c4f28", roughness=0.7)
DARK = Material("#22161a", roughness=0.7)
IRIS = Material("#7a4420", roughness=0.7)
TONGUE = Material("#f2707c", roughness=0.4)
COLLAR = Material("#e3342f", roughness=0.5)
BRASS = Material("#f3c13f", roughness=0.3, metallic=0.6)

# The head is modelled about the origin, facing +Z, and set on the neck with this turn.
HEAD_AT, HEAD_TURN_DEG = (0.0, 1.0, 0.44), (-2, 30, -6)

SKULL = blend(
    0.08, ellipsoid((0, 0.02, 0), (0.32, 0.285, 0.285)), both_sides(ellipsoid((0.14, -0.1, 0.08), (0.17, 0.14, 0.16)))
)
MUZZLE = blend(0.06, ellipsoid((0, -0.09, 0.25), (0.165, 0.12, 0.16)), both_sides(ball((0.065, -0.105, 0.33), 0.085)))
TORSO = blend(
    0.12,
    cone((0, 0.54, 0.24), (0, 0.53, -0.3), 0.245, 0.215),
    cone((0, 0.62, 0.28), (0, 0.86, 0.4), 0.19, 0.17),
)


def model() -> list[Part]:
    placed_head = [Part(p.name, placed(p.field, HEAD_AT, HEAD_TURN_DEG), p.material, p.cells) for p in head()]
    return [*placed_head, *body()]


def head() -> list[Part]:
    shape = blend(0.06, SKULL, MUZZLE)
    blaze = stroke([(0, 0.3), (0, 0.12), (0, 0.0)], [0.03, 0.045, 0.08])
    ear = blend(
        0.03,
        tube(
            [(0.2, 0.235, -0.03), (0.34, 0.2, -0.02), (0.4, 0.02, 0.0), (0.385, -0.16, 0.02)],
            [0.06, 0.075, 0.1, 0.05],
            8,
        ),
    )
    nose = blend(0.03, ellipsoid((0, -0.025, 0.412), (0.075, 0.05, 0.045)), ball((0, -0.05, 0.415), 0.035))
    patch = spot((0.15, 0.06), (0.125, 0.15), -15)
    return [
        Part("head", shape, COAT, 200),
        Part("muzzle", meet(0.01, grow(shape, 0.006), union(spot((0, -0.12), (0.2, 0.15)), blaze)), CREAM, 200),
        Part("patch", paint(shape, patch, 0.004), BROWN),
        Part("ears", both_sides(ear), BROWN, 200),
        Part("nose", nose, NOSE),
        *mouth(shape),
        *eyes(),
    ]


def mouth(shape: Field) -> list[Part]:
    lips = both_sides(
        stroke(
            [(0, -0.075), (0.004, -0.12), (0.05, -0.16), (0.11, -0.15), (0.15, -0.115)],
            [0.007, 0.008, 0.01, 0.01, 0.006],
        )
    )
    tongue = tube([(0, -0.17, 0.34), (0, -0.2, 0.39), (0, -0.25, 0.4)], [0.04, 0.046, 0.04])
    return [Part("lips", paint(shape, lips, 0.009), DARK, 180), Part("tongue", tongue, TONGUE)]


def eyes() -> list[Part]:
    return [
        Part("lashes", spots(SKULL, (0.144, 0.077), (0.074, 0.091), 0.008), DARK),
        Part("eyes", spots(SKULL, (0.143, 0.07), (0.068, 0.083), 0.011), WHITE),
        Part("irises", spots(SKULL, (0.138, 0.068), (0.056, 0.071), 0.014), IRIS),
        Part("pupils", spots(SKULL, (0.138, 0.068), (0.041, 0.055), 0.016), DARK),
        glints(SKULL, 0.14, 0.019, (-0.02, 0.095, 0.02, 0.023), (0.02, 0.04, 0.009, 0.01)),
        Part("brows", spots(SKULL, (0.135, 0.205), (0.045, 0.02), 0.012, -14), CREAM),
    ]


def leg(top: tuple, foot: tuple, is_hind: bool) -> Field:
    """A leg from the body at `top` to the ground at `foot`, with a paw that points forward."""
    x, y, z = foot
    shank = cone(top, (x, y + 0.1, z), 0.13, 0.085)
    toes = [ball((x + dx, 0.055, z + 0.115), 0.05) for dx in (-0.06, 0.0, 0.06)]
    parts = [shank, ellipsoid((x, 0.065, z + 0.04), (0.105, 0.07, 0.125)), *toes]
    if is_hind:
        parts.append(ellipsoid((top[0], top[1] - 0.02, top[2] + 0.02), (0.115, 0.18, 0.17)))
    return flat_below(0.012, blend(0.05, *parts))


def body() -> list[Part]:
    legs = union(
        leg((0.13, 0.42, 0.27), (0.175, 0.0, 0.34), False),
        leg((-0.13, 0.42, 0.27), (-0.175, 0.0, 0.28), False),
        leg((0.13, 0.42, -0.36), (0.17, 0.0, -0.46), True),
        leg((-0.13, 0.42, -0.36), (-0.17, 0.0, -0.4), True),
    )
    tail = tube([(0, 0.62, -0.44), (0, 0.78, -0.62), (0, 0.98, -0.68), (0, 1.14, -0.6)], [0.085, 0.072, 0.06, 0.028], 8)
    whole = blend(0.08, TORSO, legs, tail)
    bib = ellipsoid((0, 0.57, 0.5), (0.19, 0.24, 0.22))
    saddle = ellipsoid((0.06, 0.78, -0.16), (0.24, 0.2, 0.24), (0, 0, -20))
    tail_tip = half_space((0, -1, -0.3), (0, 1.0, -0.66))
    socks = slab(-0.1, 0.13)
    collar = ring((0, 0.755, 0.345), 0.182, 0.036, (26, 0, 0))
    return [
        Part("body", whole, COAT, 260),
        Part("bib", meet(0.01, grow(whole, 0.006), bib), CREAM, 180),
        Part("saddle", meet(0.01, grow(whole, 0.006), saddle), BROWN, 180),
        Part("tail tip", meet(0.01, grow(tail, 0.007), tail_tip), CREAM),
        Part("socks", meet(0.01, grow(legs, 0.006), socks), CREAM, 260),
        Part("collar", collar, COLLAR, 180),
        Part("tag", drum((0, 0.58, 0.52), 0.06, 0.014, 0.012, (75, 0, 0)), BRASS),
    ]
