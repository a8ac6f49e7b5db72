# SPDX-License-Identifier: GPL-3.0-or-later
"""A small explorer: jacket, neckerchief, goggles pushed up into wild hair, stout boots."""

import numpy as np
from features import WHITE, cuff, flat_below, glints, spots
from sdf import (
    Field,
    ball,
    blend,
    both_sides,
    box,
    cone,
    cut,
    drum,
    ellipsoid,
    grow,
    half_space,
    meet,
    paint,
    ring,
    slab,
    spot,
    stroke,
    tube,
    union,
)
from studio import Material, Part

SKIN = Material("#fbbf94", softness=0.12)
BLUSH = Material("#ee8f78", softness=0.1)
HAIR = Material("#8a3b1e", roughness=0.6)
IRIS = Material("#2f8f6b", roughness=0.7)
DARK = Material("#23161a", roughness=0.7)
MOUTH = Material("#8c3030")
JACKET = Material("#1f8a8c", roughness=0.7)
TRIM = Material("#16686d", roughness=0.7)
SHIRT = Material("#fbeecb", roughness=0.75)
SCARF = Material("#e23f35", roughness=0.7)
TROUSERS = Material("#d9a95c", roughness=0.75)
LEATHER = Material("#6b3a22", roughness=0.5, coat=0.15)
SOLE = Material("#3a2219", roughness=0.7)
BRASS = Material("#f0bd45", roughness=0.3, metallic=0.6)
GLASS = Material("#6fd3e8", roughness=0.1, coat=1.0)

SHOULDER, ELBOW, WRIST = (0.2, 1.03, 0.0), (0.42, 0.83, 0.0), (0.6, 0.655, 0.03)
HIP, KNEE, ANKLE = (0.115, 0.62, 0.0), (0.165, 0.38, 0.01), (0.2, 0.13, 0.0)

SKULL = ellipsoid((0, 1.5, 0), (0.365, 0.345, 0.335))
HEAD = blend(0.1, SKULL, ellipsoid((0, 1.375, 0.05), (0.26, 0.2, 0.235)))
TORSO = blend(
    0.1,
    cone((0, 0.76, 0), (0, 0.98, 0), 0.185, 0.165),
    ellipsoid((0, 0.66, 0), (0.205, 0.14, 0.17)),
)
ARM = blend(0.04, cone(SHOULDER, ELBOW, 0.09, 0.08), cone(ELBOW, WRIST, 0.08, 0.085))
LEG = blend(0.04, cone(HIP, KNEE, 0.125, 0.108), cone(KNEE, ANKLE, 0.108, 0.1))


def model() -> list[Part]:
    return [*face(), *hair(), *upper_clothes(), *lower_clothes()]


def hand() -> Field:
    """The left hand with spread fingers, its back to the viewer."""
    wrist, along = np.array(WRIST), np.array([0.71, -0.69, 0.1])
    across = np.array([0.69, 0.71, 0.0])
    palm = wrist + 0.085 * along
    fingers = [
        cone(palm + along * 0.04 + across * s, palm + along * r + across * s * 1.9, 0.03, 0.026)
        for s, r in ((-0.042, 0.125), (0.0, 0.145), (0.042, 0.125))
    ]
    thumb = cone(
        palm - along * 0.01 - across * 0.04, palm + along * 0.045 - across * 0.105 + (0, 0, 0.03), 0.032, 0.026
    )
    flat = ellipsoid(palm, (0.085, 0.068, 0.05), (0, 0, -44))
    return blend(0.025, flat, thumb, *fingers, cone(wrist - 0.06 * along, palm, 0.052, 0.05))


def face() -> list[Part]:
    ears = both_sides(ellipsoid((0.385, 1.43, 0.0), (0.055, 0.085, 0.05), (0, 0, -14)))
    skin = blend(
        0.03, HEAD, ears, ellipsoid((0, 1.405, 0.315), (0.04, 0.034, 0.045)), cone((0, 1.0, 0), (0, 1.3, 0), 0.09, 0.09)
    )
    smile = stroke(
        [(-0.085, 1.315), (-0.045, 1.288), (0.01, 1.281), (0.06, 1.296), (0.1, 1.33)], [0.007, 0.01, 0.011, 0.01, 0.007]
    )
    brow = stroke([(0.075, 1.592), (0.14, 1.61), (0.205, 1.583)], [0.016, 0.021, 0.011])
    return [
        Part("skin", skin, SKIN, 200),
        Part("hands", both_sides(hand()), SKIN, 300),
        Part("blush", spots(HEAD, (0.225, 1.355), (0.052, 0.036), 0.003), BLUSH),
        Part("lashes", spots(HEAD, (0.142, 1.463), (0.084, 0.108), 0.004), DARK),
        Part("eyes", spots(HEAD, (0.14, 1.455), (0.078, 0.1)), WHITE),
        Part("irises", spots(HEAD, (0.132, 1.455), (0.056, 0.074), 0.009), IRIS),
        Part("pupils", spots(HEAD, (0.132, 1.455), (0.034, 0.048), 0.011), DARK),
        glints(HEAD, 0.132, 0.014, (0.022, 1.49, 0.019, 0.023)),
        Part("brows", paint(HEAD, both_sides(brow), 0.016), HAIR),
        Part("mouth", paint(HEAD, smile, 0.004), MOUTH),
    ]


def hair() -> list[Part]:
    shell = grow(SKULL, 0.05)
    opening = ellipsoid((0, 1.37, 0.33), (0.335, 0.31, 0.36))
    ears = both_sides(ellipsoid((0.42, 1.41, 0.05), (0.12, 0.13, 0.13)))
    cap = cut(0.05, shell, opening, ears, half_space((0, 1, 0.5), (0, 1.3, 0)))
    crown = np.array([-0.06, 1.83, 0.1])
    fringe = [
        tube([crown, (x0, 1.8, 0.27), (x1, y, z)], [0.07, 0.07, 0.012])
        for x0, x1, y, z in (
            (-0.23, -0.33, 1.57, 0.2),
            (-0.14, -0.2, 1.635, 0.33),
            (-0.03, -0.04, 1.655, 0.375),
            (0.09, 0.13, 1.635, 0.36),
            (0.18, 0.26, 1.595, 0.28),
            (0.25, 0.355, 1.53, 0.15),
        )
    ]
    spikes = [
        tube([(x0, y0, -0.02), ((x0 + x1) / 2, (y0 + y1) / 2 + 0.03, -0.01), (x1, y1, 0.0)], [0.12, 0.08, 0.015])
        for x0, y0, x1, y1 in (
            (-0.02, 1.78, 0.12, 2.0),
            (-0.14, 1.75, -0.12, 1.975),
            (0.14, 1.74, 0.32, 1.88),
            (-0.24, 1.66, -0.38, 1.83),
            (0.26, 1.6, 0.45, 1.66),
            (-0.28, 1.56, -0.46, 1.62),
        )
    ]
    mane = blend(0.025, cap, *fringe, *spikes)
    band = meet(0.012, grow(blend(0.025, cap, *fringe), 0.016), tilted_layer())
    lens = both_sides(drum((0.12, 1.765, 0.36), 0.1, 0.05, 0.02, (62, 0, 0)))
    glass = both_sides(ellipsoid((0.12, 1.787, 0.402), (0.075, 0.03, 0.075), (62, 0, 0)))
    bridge = cone((-0.05, 1.77, 0.385), (0.05, 1.77, 0.385), 0.026, 0.026)
    return [
        Part("hair", mane, HAIR, 220),
        Part("goggle band", band, LEATHER, 200),
        Part("goggles", union(lens, bridge), BRASS, 180),
        Part("goggle glass", glass, GLASS),
    ]


def tilted_layer() -> Field:
    """A layer that rises to the front, for the band of the goggles."""
    above, below = half_space((0, 1, -0.35), (0, 1.67, 0)), half_space((0, -1, 0.35), (0, 1.61, 0))
    return meet(0.01, above, below)


def upper_clothes() -> list[Part]:
    arms = both_sides(ARM)
    whole = blend(0.07, grow(TORSO, 0.03), arms)
    beyond_wrist = both_sides(half_space((-0.71, 0.69, -0.1), (0.595, 0.66, 0.03)))
    gap = spot((0, 0.88), (0.075, 0.36))
    jacket = cut(0.02, whole, gap, beyond_wrist, half_space((0, 1, 0), (0, 0.665, 0)))
    cuffs = both_sides(cuff(ARM, (0.71, -0.69, 0.1), (0.545, 0.71, 0.03), (0.6, 0.655, 0.03)))
    hem = cut(0.012, meet(0.012, grow(TORSO, 0.042), slab(0.665, 0.705)), gap)
    pockets = both_sides(meet(0.012, grow(whole, 0.014), spot_box((0.132, 0.79), (0.045, 0.045))))
    flaps = both_sides(meet(0.012, grow(whole, 0.024), spot_box((0.132, 0.83), (0.05, 0.016))))
    scarf = blend(
        0.02,
        ring((0, 1.125, 0.02), 0.125, 0.062, (12, 0, 0)),
        ball((0.0, 1.06, 0.185), 0.048),
        tube([(0, 1.06, 0.185), (-0.05, 0.99, 0.215), (-0.075, 0.91, 0.215)], [0.03, 0.042, 0.012]),
        tube([(0, 1.06, 0.185), (0.05, 0.985, 0.215), (0.06, 0.925, 0.215)], [0.03, 0.042, 0.012]),
    )
    return [
        Part("shirt", meet(0.01, grow(TORSO, 0.008), slab(0.62, 1.2)), SHIRT),
        Part("jacket", jacket, JACKET, 240),
        Part("cuffs", cuffs, TRIM, 240),
        Part("hem", hem, TRIM),
        Part("pockets", pockets, JACKET),
        Part("flaps", flaps, TRIM),
        Part("scarf", scarf, SCARF, 180),
    ]


def spot_box(centre: tuple[float, float], half: tuple[float, float]) -> Field:
    return box((*centre, 1.0), (*half, 1.0), 0.012)


def lower_clothes() -> list[Part]:
    trousers = blend(0.05, grow(TORSO, 0.004), both_sides(LEG))
    belt = meet(0.012, grow(trousers, 0.018), slab(0.6, 0.653))
    buckle = cut(
        0.008, box((0, 0.622, 0.2), (0.055, 0.043, 0.02), 0.014), box((0, 0.622, 0.2), (0.03, 0.02, 0.1), 0.008)
    )
    pouch = box((-0.2, 0.585, 0.1), (0.055, 0.07, 0.045), 0.025, (0, -40, 0))
    foot = blend(
        0.06,
        ellipsoid((0.225, 0.085, 0.11), (0.115, 0.09, 0.16), (0, 8, 0)),
        ellipsoid((0.205, 0.085, -0.02), (0.1, 0.09, 0.11)),
    )
    shaft = meet(0.01, grow(LEG, 0.026), slab(0.05, 0.285))
    boot = flat_below(0.02, blend(0.05, foot, shaft))
    sole = meet(0.012, grow(foot, 0.014), slab(0.0, 0.045))
    boot_cuff = ring((0.182, 0.285, 0.005), 0.118, 0.03, (0, 0, 8))
    laces = [
        paint(blend(0.05, foot, shaft), stroke([(0.165, y), (0.255, y + 0.012)], [0.01, 0.01]), 0.008)
        for y in (0.15, 0.19, 0.23)
    ]
    return [
        Part("trousers", meet(0.01, trousers, slab(0.2, 0.72)), TROUSERS, 180),
        Part("belt", belt, LEATHER),
        Part("buckle", buckle, BRASS),
        Part("pouch", pouch, LEATHER),
        Part("boots", both_sides(boot), LEATHER, 180),
        Part("boot cuffs", both_sides(boot_cuff), TRIM, 180),
        Part("soles", both_sides(sole), SOLE, 180),
        Part("laces", both_sides(union(*laces)), SHIRT),
    ]
