# SPDX-License-Identifier: GPL-3.0-or-later
"""A tin robot: screen face, bellows for arms, big boots."""

import numpy as np
from features import spots
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
    paint,
    ring,
    spot,
    stroke,
    tube,
    union,
)
from studio import Material, Part

SHELL = Material("#f7b52c", roughness=0.35, coat=0.4)
CREAM = Material("#fff3dc", roughness=0.4, coat=0.3)
STEEL = Material("#59657a", roughness=0.4, metallic=0.3)
SCREEN = Material("#152233", roughness=0.12, coat=1.0)
LIGHT = Material("#4ff0e4", glow=1.0)
RED = Material("#e8403a", roughness=0.3, coat=0.5)
BLUE = Material("#2f8fd8", roughness=0.35, coat=0.4)

SHOULDER, WRIST = np.array([0.33, 1.02, 0.0]), np.array([0.62, 0.7, 0.03])
HIP, ANKLE = np.array([0.15, 0.62, 0.0]), np.array([0.2, 0.24, 0.0])
SKULL = box((0, 1.52, 0), (0.37, 0.28, 0.28), 0.12)
CHEST = blend(0.05, box((0, 0.92, 0), (0.27, 0.235, 0.21), 0.1), box((0, 0.74, 0), (0.22, 0.1, 0.18), 0.08))


def model() -> list[Part]:
    return [*head(), *trunk(), *both_arms(), *both_legs()]


def head() -> list[Part]:
    screen = box((0, 1.51, 0.25), (0.29, 0.2, 0.06), 0.055)
    frame = box((0, 1.51, 0.24), (0.315, 0.225, 0.055), 0.05)
    smile = stroke([(-0.075, 1.43), (-0.04, 1.4), (0, 1.39), (0.04, 1.4), (0.075, 1.43)], [0.012] * 5)
    bolts = both_sides(
        union(drum((0.4, 1.52, 0), 0.12, 0.05, 0.025, (0, 0, 90)), drum((0.45, 1.52, 0), 0.07, 0.03, 0.02, (0, 0, 90)))
    )
    return [
        Part("skull", SKULL, SHELL, 180),
        Part("frame", frame, CREAM, 180),
        Part("screen", screen, SCREEN, 180),
        Part("eyes", spots(screen, (0.125, 1.545), (0.05, 0.07)), LIGHT),
        Part("smile", paint(screen, smile, 0.006), LIGHT),
        Part("cheeks", spots(screen, (0.21, 1.445), (0.032, 0.022), 0.005), RED),
        Part("bolts", bolts, BLUE, 200),
        Part("mast", cone((0, 1.78, 0), (0, 1.97, 0), 0.022, 0.018), STEEL),
        Part("mast foot", ellipsoid((0, 1.8, 0), (0.1, 0.045, 0.1)), BLUE),
        Part("beacon", ball((0, 2.01, 0), 0.062), RED),
    ]


def trunk() -> list[Part]:
    panel = box((0, 0.93, 0.19), (0.185, 0.15, 0.045), 0.035)
    dial = drum((-0.08, 0.96, 0.235), 0.075, 0.02, 0.012, (90, 0, 0))
    needle = stroke([(-0.08, 0.95), (-0.045, 0.995)], [0.011, 0.006])
    keys = [ball((0.05 + 0.08 * i, 0.855, 0.235), 0.026) for i in (-2, -1, 0, 1)]
    heart = both_sides(stroke([(0.0, 0.945), (0.022, 0.975)], [0.012, 0.03]))
    return [
        Part(
            "neck",
            union(
                drum((0, 1.2, 0), 0.11, 0.08, 0.02), ring((0, 1.185, 0), 0.115, 0.028), ring((0, 1.23, 0), 0.115, 0.028)
            ),
            STEEL,
        ),
        Part("chest", CHEST, SHELL, 180),
        Part("panel", panel, CREAM, 180),
        Part("dial", dial, BLUE),
        Part("dial face", drum((-0.08, 0.96, 0.25), 0.055, 0.012, 0.006, (90, 0, 0)), CREAM),
        Part("needle", paint(drum((-0.08, 0.96, 0.252), 0.055, 0.012, 0.006, (90, 0, 0)), needle, 0.005), RED),
        Part("heart", paint(panel, lambda p: heart(p - np.array([0.09, 0.0, 0.0], np.float32)), 0.014), RED),
        Part("red keys", union(*keys[::2]), RED),
        Part("blue keys", union(*keys[1::2]), BLUE),
        Part("pelvis", box((0, 0.635, 0), (0.2, 0.085, 0.15), 0.07), STEEL),
        Part("belt", box((0, 0.695, 0), (0.235, 0.028, 0.195), 0.025), CREAM),
    ]


def bellows(start: np.ndarray, end: np.ndarray, radius: float, folds: int) -> Field:
    """A ribbed hose from `start` to `end`."""
    axis = (end - start) / np.linalg.norm(end - start)
    tilt = np.degrees(np.arctan2(-axis[0], axis[1]))
    ribs = [ring(start + (end - start) * t, radius - 0.01, 0.026, (0, 0, tilt)) for t in np.linspace(0.04, 0.96, folds)]
    return blend(0.02, cone(start, end, radius - 0.008, radius - 0.008), *ribs)


def both_arms() -> list[Part]:
    along = (WRIST - SHOULDER) / np.linalg.norm(WRIST - SHOULDER)
    across = np.array([-along[1], along[0], 0.0])
    elbow = SHOULDER + 0.5 * (WRIST - SHOULDER)
    cup = cone(elbow + 0.07 * along, WRIST, 0.1, 0.118)
    palm = WRIST + 0.1 * along
    claws = [
        tube([palm, palm + 0.075 * along + s * across, palm + 0.175 * along + 0.75 * s * across], [0.03, 0.032, 0.024])
        for s in (-0.105, 0.0, 0.105)
    ]
    return [
        Part("shoulders", both_sides(ball(SHOULDER, 0.125)), BLUE, 200),
        Part("upper arms", both_sides(bellows(SHOULDER, elbow, 0.072, 5)), STEEL, 260),
        Part("forearms", both_sides(cup), SHELL, 220),
        Part(
            "cuffs",
            both_sides(ring(WRIST + 0.045 * along, 0.092, 0.034, (0, 0, np.degrees(np.arctan2(-along[0], along[1]))))),
            CREAM,
            260,
        ),
        Part("claws", both_sides(blend(0.015, ball(palm, 0.07), *claws)), STEEL, 300),
    ]


def both_legs() -> list[Part]:
    boot = blend(
        0.05,
        box((0.215, 0.11, 0.06), (0.135, 0.11, 0.19), 0.09),
        cone((0.205, 0.15, -0.01), (0.2, 0.27, 0), 0.115, 0.11),
    )
    boot = cut(0.01, boot, box((0, -0.5, 0), (2, 0.53, 2), 0.01))
    sole = box((0.215, 0.03, 0.06), (0.145, 0.03, 0.2), 0.028)
    cap = paint(boot, spot((0.22, 0.125), (0.09, 0.06)), 0.006)
    return [
        Part("legs", both_sides(bellows(HIP, ANKLE, 0.085, 6)), STEEL, 220),
        Part("boots", both_sides(boot), SHELL, 200),
        Part("boot tops", both_sides(ring((0.2, 0.275, 0), 0.095, 0.034)), CREAM, 200),
        Part("soles", both_sides(sole), BLUE, 180),
        Part("toe caps", both_sides(cap), CREAM, 180),
    ]
