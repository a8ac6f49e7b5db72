# SPDX-License-Identifier: GPL-3.0-or-later
"""A frog in a yellow raincoat: wide head, round eyes on top, red boots."""

import numpy as np
from features import NOSE, WHITE, cuff, flat_below, glints, spots
from sdf import (
    ball,
    blend,
    both_sides,
    box,
    cone,
    cut,
    drum,
    ellipsoid,
    half_space,
    meet,
    paint,
    ring,
    spot,
    stroke,
    tube,
    union,
)
from studio import Material, Part

SKIN = Material("#6cc04a", roughness=0.45, coat=0.2)
BELLY = Material("#e6efb4", roughness=0.5)
COAT = Material("#f9c31f", roughness=0.35, coat=0.4)
LINING = Material("#e0902a", roughness=0.5)
BOOT = Material("#d8342f", roughness=0.3, coat=0.5)
RIM = Material("#fff1e0", roughness=0.5)
CHEEK = Material("#f59a8d", roughness=0.6)
BLUE = Material("#3f7fd6", roughness=0.35, coat=0.3)

EYE = np.array([0.2, 1.74, 0.06])
SHOULDER, WRIST = np.array([0.24, 1.02, 0.0]), np.array([0.6, 0.72, 0.04])
SKULL = blend(0.1, ellipsoid((0, 1.45, 0.0), (0.43, 0.3, 0.34)), both_sides(ball(EYE, 0.15)))
TRUNK = blend(0.08, cone((0, 1.02, 0), (0, 0.72, 0), 0.2, 0.27), ellipsoid((0, 0.66, 0), (0.31, 0.17, 0.26)))
ARM = cone(SHOULDER, WRIST, 0.1, 0.105)


def model() -> list[Part]:
    return [*head(), *trunk(), *both_arms(), *both_legs()]


def head() -> list[Part]:
    grin = stroke([(-0.25, 1.42), (-0.16, 1.365), (0, 1.345), (0.16, 1.365), (0.25, 1.42)], [0.014] * 5)
    chin = spot((0, 1.27), (0.3, 0.13))
    white = both_sides(ellipsoid(EYE + np.array([0.005, 0.01, 0.055]), (0.115, 0.12, 0.105)))
    pupil = spots(white, (0.2, 1.75), (0.05, 0.072))
    return [
        Part("skull", SKULL, SKIN, 200),
        Part("chin", paint(SKULL, chin, 0.005), BELLY, 200),
        Part("whites", white, WHITE, 200),
        Part("pupils", pupil, NOSE, 220),
        glints(white, 0.2, 0.012, (0.018, 1.78, 0.017, 0.022)),
        Part("grin", paint(SKULL, grin, 0.012), NOSE, 220),
        Part("nostrils", spots(SKULL, (0.045, 1.5), (0.013, 0.02), 0.01), NOSE),
        Part("cheeks", spots(SKULL, (0.3, 1.43), (0.06, 0.04)), CHEEK),
    ]


def trunk() -> list[Part]:
    front_edge = stroke([(0, 1.1), (0, 0.5)], [0.016, 0.016])
    buttons = [ball((0.075, y, 0.262 + 0.05 * (0.95 - y)), 0.03) for y in (0.95, 0.82, 0.69)]
    hood = cut(0.02, ellipsoid((0, 1.2, -0.12), (0.32, 0.19, 0.26)), ellipsoid((0, 1.3, 0.06), (0.28, 0.19, 0.3)))
    hem = meet(0.02, ellipsoid((0, 0.66, 0), (0.325, 0.185, 0.275)), half_space((0, 1, 0), (0, 0.57, 0)))
    return [
        Part("coat", TRUNK, COAT, 200),
        Part("hem", hem, LINING, 180),
        Part("edge", paint(TRUNK, front_edge, 0.006), LINING, 200),
        Part("buttons", union(*buttons), BLUE),
        Part("hood", hood, COAT, 180),
        Part("collar", ring((0, 1.15, 0.01), 0.17, 0.045), LINING),
        Part("pockets", both_sides(paint(TRUNK, spot((0.17, 0.66), (0.075, 0.05)), 0.012)), LINING),
    ]


def both_arms() -> list[Part]:
    along = (WRIST - SHOULDER) / np.linalg.norm(WRIST - SHOULDER)
    across = np.array([-along[1], along[0], 0.0])
    palm = WRIST + 0.09 * along
    fingers = [
        tube([palm, palm + 0.1 * along + s * across, palm + 0.155 * along + 1.2 * s * across], [0.04, 0.035, 0.046])
        for s in (-0.085, 0.0, 0.085)
    ]
    return [
        Part("sleeves", both_sides(ARM), COAT, 220),
        Part("cuffs", both_sides(cuff(ARM, along, WRIST - 0.06 * along, WRIST + 0.05 * along)), LINING, 240),
        Part("hands", both_sides(blend(0.02, ball(palm, 0.075), *fingers)), SKIN, 280),
    ]


def both_legs() -> list[Part]:
    leg = cone((0.15, 0.56, 0), (0.18, 0.3, 0), 0.095, 0.085)
    boot = flat_below(
        0.0,
        blend(
            0.06, cone((0.185, 0.32, 0), (0.19, 0.13, 0), 0.11, 0.12), ellipsoid((0.2, 0.09, 0.09), (0.125, 0.11, 0.19))
        ),
    )
    sole = box((0.2, 0.022, 0.07), (0.135, 0.022, 0.2), 0.02)
    return [
        Part("legs", both_sides(leg), SKIN, 200),
        Part("boots", both_sides(boot), BOOT, 220),
        Part("boot rims", both_sides(drum((0.183, 0.35, 0), 0.128, 0.03, 0.025)), RIM, 200),
        Part("soles", both_sides(sole), RIM, 180),
    ]
