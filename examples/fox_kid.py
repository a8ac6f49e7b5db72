# SPDX-License-Identifier: GPL-3.0-or-later
"""A fox child on two legs: big ears, striped hoodie, and a tail that swings out to its left."""

import numpy as np
from features import NOSE, WHITE, cuff, flat_below, glints, spots
from sdf import (
    Field,
    ball,
    blend,
    both_sides,
    cone,
    cut,
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

FUR = Material("#f5842a", roughness=0.7)
CREAM = Material("#fff1da", roughness=0.7)
SOCKS = Material("#54301f", roughness=0.65)
IRIS = Material("#c9761a", roughness=0.7)
DARK = Material("#22141a", roughness=0.7)
BLUSH = Material("#f47a5e")
HOODIE = Material("#4560d8", roughness=0.75)
STRIPE = Material("#f6d04d", roughness=0.75)
RIB = Material("#33479f", roughness=0.75)
SHORTS = Material("#3b3f63", roughness=0.75)

SHOULDER, ELBOW, WRIST = (0.18, 1.0, 0.0), (0.37, 0.85, 0.0), (0.53, 0.7, 0.03)
HIP, ANKLE = (0.135, 0.58, 0.0), (0.215, 0.14, 0.0)
DOWN_THE_ARM = np.array([0.72, -0.69, 0.08])

SKULL = ellipsoid((0, 1.43, 0), (0.42, 0.345, 0.33))
TORSO = blend(0.08, cone((0, 0.68, 0), (0, 0.98, 0), 0.215, 0.16), ellipsoid((0, 0.62, 0), (0.225, 0.15, 0.19)))
ARM = blend(0.04, cone(SHOULDER, ELBOW, 0.095, 0.088), cone(ELBOW, WRIST, 0.088, 0.1))
LEG = cone(HIP, ANKLE, 0.125, 0.1)
TAIL = tube(
    [(0.05, 0.5, -0.18), (0.34, 0.32, -0.26), (0.63, 0.24, -0.26), (0.85, 0.37, -0.22), (0.93, 0.64, -0.2)],
    [0.05, 0.085, 0.14, 0.145, 0.018],
    8,
)


def model() -> list[Part]:
    return [*head(), *features(), *body(), *clothes()]


def skull_with_muzzle() -> Field:
    cheeks = [
        tube([(0.26, 1.33, 0.06), (0.42, 1.27, 0.05), (0.55, 1.27, 0.02)], [0.16, 0.1, 0.012]),
        tube([(0.24, 1.3, 0.06), (0.36, 1.2, 0.06), (0.46, 1.15, 0.03)], [0.14, 0.09, 0.012]),
    ]
    muzzle = blend(0.05, cone((0, 1.33, 0.2), (0, 1.32, 0.38), 0.16, 0.085), ball((0, 1.335, 0.39), 0.08))
    quiff = [
        tube(
            [(x, 1.74, 0.1), (1.6 * x - 0.01, 1.83, 0.13), (2.1 * x - 0.02, 1.92 - abs(x), 0.12)], [0.065, 0.04, 0.006]
        )
        for x in (-0.05, 0.0, 0.05)
    ]
    return blend(0.05, SKULL, both_sides(union(*cheeks)), muzzle, *quiff)


def ear() -> Field:
    return tube([(0.22, 1.62, -0.02), (0.31, 1.84, -0.02), (0.37, 2.06, -0.03)], [0.15, 0.115, 0.02], 8)


def head() -> list[Part]:
    shape = skull_with_muzzle()
    mask = both_sides(union(spot((0.22, 1.255), (0.27, 0.155), 14), spot((0.06, 1.28), (0.12, 0.12))))
    inner = stroke([(0.245, 1.74), (0.3, 1.85), (0.345, 1.97)], [0.062, 0.062, 0.014])
    tip = meet(0.01, grow(ear(), 0.006), half_space((-0.25, -1, 0), (0.35, 1.965, 0)))
    return [
        Part("head", shape, FUR, 220),
        Part("ears", both_sides(ear()), FUR, 200),
        Part("ear tips", both_sides(tip), SOCKS, 200),
        Part("inner ears", both_sides(paint(ear(), inner, 0.004)), CREAM, 200),
        Part("mask", meet(0.006, grow(shape, 0.006), mask), CREAM, 240),
    ]


def features() -> list[Part]:
    shape = skull_with_muzzle()
    smile = stroke(
        [(-0.095, 1.3), (-0.065, 1.268), (-0.03, 1.268), (0, 1.292), (0.03, 1.268), (0.065, 1.268), (0.095, 1.3)],
        [0.006, 0.009, 0.009, 0.008, 0.009, 0.009, 0.006],
    )
    nose = blend(0.03, ellipsoid((0, 1.385, 0.462), (0.062, 0.043, 0.04)), ball((0, 1.365, 0.465), 0.028))
    return [
        Part("nose", nose, NOSE),
        Part("mouth", paint(shape, smile, 0.01), DARK),
        Part("lashes", spots(SKULL, (0.176, 1.473), (0.083, 0.112)), DARK),
        Part("eyes", spots(SKULL, (0.174, 1.464), (0.077, 0.102), 0.009), WHITE),
        Part("irises", spots(SKULL, (0.165, 1.464), (0.058, 0.083), 0.012), IRIS),
        Part("pupils", spots(SKULL, (0.165, 1.464), (0.039, 0.06), 0.014), DARK),
        glints(SKULL, 0.165, 0.017, (0.02, 1.5, 0.02, 0.025), (-0.022, 1.435, 0.009, 0.011)),
        Part("brows", spots(SKULL, (0.165, 1.635), (0.06, 0.026), 0.012, -10), CREAM),
    ]


def body() -> list[Part]:
    wrist = np.array(WRIST)
    across = np.array([0.69, 0.72, 0.0])
    palm = wrist + 0.07 * DOWN_THE_ARM
    mitt = blend(
        0.03,
        ellipsoid(palm, (0.095, 0.082, 0.065), (0, 0, -44)),
        *(cone(palm, palm + 0.09 * DOWN_THE_ARM + across * s, 0.05, 0.04) for s in (-0.055, 0.0, 0.055)),
        cone(palm, palm + 0.01 * DOWN_THE_ARM - across * 0.105 + (0, 0, 0.03), 0.045, 0.035),
    )
    toes = [ball((x, 0.07, z), 0.062) for x, z in ((0.153, 0.2), (0.238, 0.225), (0.318, 0.19))]
    paw = blend(
        0.04,
        ellipsoid((0.228, 0.085, 0.06), (0.125, 0.085, 0.17)),
        *toes,
        meet(0.01, grow(LEG, 0.008), slab(0.1, 0.27)),
    )
    paw = flat_below(0.01, paw)
    tail_tip = meet(0.02, grow(TAIL, 0.007), half_space((-0.9, -1, 0), (0.86, 0.37, 0)))
    return [
        Part("legs", both_sides(LEG), FUR),
        Part("paws", both_sides(paw), SOCKS, 180),
        Part("mitts", both_sides(mitt), SOCKS, 260),
        Part("tail", TAIL, FUR, 180),
        Part("tail tip", tail_tip, CREAM, 140),
    ]


def clothes() -> list[Part]:
    whole = blend(0.07, grow(TORSO, 0.03), both_sides(ARM))
    past_wrist = both_sides(half_space(-DOWN_THE_ARM, (0.525, 0.705, 0.03)))
    hoodie = cut(0.02, whole, past_wrist, half_space((0, 1, 0), (0, 0.6, 0)))
    hem = meet(0.02, grow(TORSO, 0.042), slab(0.585, 0.645))
    cuffs = both_sides(cuff(ARM, DOWN_THE_ARM, (0.475, 0.755, 0.03), (0.535, 0.695, 0.03)))
    stripe = meet(0.006, grow(TORSO, 0.037), slab(0.775, 0.825))
    pouch = stroke([(-0.1, 0.69), (0, 0.695), (0.1, 0.69)], [0.046, 0.05, 0.046])
    pocket = meet(0.02, grow(whole, 0.016), pouch)
    hood = blend(0.03, ring((0, 1.1, -0.02), 0.15, 0.075, (14, 0, 0)), ellipsoid((0, 1.08, -0.17), (0.2, 0.14, 0.12)))
    cord = tube([(0.05, 1.06, 0.18), (0.06, 1.0, 0.215), (0.062, 0.93, 0.225)], [0.011, 0.011, 0.011])
    shorts = meet(0.015, blend(0.05, grow(TORSO, 0.006), both_sides(grow(LEG, 0.022))), slab(0.345, 0.66))
    shorts_hem = both_sides(meet(0.015, grow(LEG, 0.033), slab(0.33, 0.375)))
    return [
        Part("hoodie", hoodie, HOODIE, 240),
        Part("hem", hem, RIB, 180),
        Part("cuffs", cuffs, RIB, 240),
        Part("stripe", stripe, STRIPE, 200),
        Part("pocket", pocket, RIB, 160),
        Part("hood", hood, RIB, 180),
        Part("cords", both_sides(union(cord, ball((0.062, 0.925, 0.225), 0.018))), CREAM, 180),
        Part("shorts", shorts, SHORTS, 180),
        Part("shorts hem", shorts_hem, STRIPE, 180),
    ]
