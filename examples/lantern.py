# SPDX-License-Identifier: GPL-3.0-or-later
"""A camping lantern: red lacquer, brass rims, a warm globe behind four wires, a ring to carry it by."""

import numpy as np
from sdf import Field, ball, blend, cone, cut, drum, ellipsoid, paint, ring, spot, stroke, tube, union
from studio import Material, Part

LACQUER = Material("#c8181e", roughness=0.35, coat=0.25)
DEEP = Material("#8f1f24", roughness=0.4, coat=0.3)
BRASS = Material("#f0b840", roughness=0.28, metallic=0.7)
GLOBE = Material("#f2a93f", roughness=0.25, coat=0.5, glow=0.12)
HALO = Material("#ffc24a", roughness=0.3, glow=0.25)
FLAME = Material("#f4581c", roughness=0.4, glow=0.5)
CORE = Material("#ffe884", roughness=0.4, glow=0.6)

GLASS = blend(0.05, ellipsoid((0, 0.78, 0), (0.36, 0.4, 0.36)), drum((0, 0.78, 0), 0.25, 0.36, 0.05))


def model() -> list[Part]:
    return [*base(), *globe(), *top()]


def base() -> list[Part]:
    tank = blend(0.03, drum((0, 0.13, 0), 0.47, 0.115, 0.06), drum((0, 0.28, 0), 0.37, 0.09, 0.05))
    knob = drum((0.5, 0.16, 0), 0.075, 0.045, 0.02, (0, 0, 90))
    burner = drum((0, 0.385, 0), 0.3, 0.045, 0.02)
    holes = [
        ball((0.31 * np.sin(a), 0.402, 0.31 * np.cos(a)), 0.017) for a in np.linspace(0, 2 * np.pi, 18, endpoint=False)
    ]
    return [
        Part("tank", tank, LACQUER, 180),
        Part("foot", ring((0, 0.045, 0), 0.45, 0.045), BRASS, 180),
        Part("belt", ring((0, 0.225, 0), 0.425, 0.022), BRASS, 180),
        Part("burner", cut(0.01, burner, *holes), BRASS, 180),
        Part("knob", union(knob, cone((0.44, 0.16, 0), (0.5, 0.16, 0), 0.03, 0.03)), BRASS),
    ]


def globe() -> list[Part]:
    def flame(scale: float) -> Field:
        points = [(0.0, 0.62), (0.0, 0.62 + 0.1 * scale), (0.012, 0.62 + 0.21 * scale), (-0.008, 0.62 + 0.32 * scale)]
        return stroke(points, [0.07 * scale, 0.09 * scale, 0.05 * scale, 0.006])

    wires = [wire(np.radians(angle)) for angle in (45, 135, 225, 315)]
    return [
        Part("glass", GLASS, GLOBE, 180),
        Part("halo", paint(GLASS, spot((0, 0.74), (0.2, 0.25)), 0.003), HALO),
        Part("flame", paint(GLASS, flame(1.0), 0.005), FLAME, 180),
        Part("flame core", paint(GLASS, flame(0.58), 0.007), CORE, 180),
        Part("wires", union(*wires), BRASS, 220),
    ]


def wire(angle: float) -> Field:
    """One upright of the cage, bowed around the globe, at `angle` about +Y."""
    profile = [(0.33, 0.33), (0.385, 0.5), (0.4, 0.78), (0.385, 1.06), (0.33, 1.22)]
    return tube([(r * np.sin(angle), y, r * np.cos(angle)) for r, y in profile], [0.019] * 5)


def top() -> list[Part]:
    cap = blend(0.04, drum((0, 1.2, 0), 0.38, 0.05, 0.04), cone((0, 1.2, 0), (0, 1.36, 0), 0.27, 0.15))
    chimney = drum((0, 1.45, 0), 0.17, 0.1, 0.03)
    slots = [
        ellipsoid((0.17 * np.sin(a), 1.49, 0.17 * np.cos(a)), (0.02, 0.04, 0.02))
        for a in np.linspace(0, 2 * np.pi, 12, endpoint=False)
    ]
    hood = blend(0.03, drum((0, 1.57, 0), 0.23, 0.03, 0.025), ellipsoid((0, 1.59, 0), (0.19, 0.075, 0.19)))
    return [
        Part("cap", cap, LACQUER, 180),
        Part("cap rim", ring((0, 1.165, 0), 0.37, 0.028), BRASS, 180),
        Part("chimney", cut(0.01, chimney, *slots), BRASS, 160),
        Part("flue", drum((0, 1.45, 0), 0.13, 0.09, 0.02), DEEP),
        Part("hood", hood, LACQUER, 160),
        Part("lug", ball((0, 1.675, 0), 0.045), BRASS),
        Part("handle", ring((0, 1.83, 0), 0.17, 0.03, (90, 0, 0)), BRASS, 180),
    ]
