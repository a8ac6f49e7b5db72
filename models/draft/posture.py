# SPDX-License-Identifier: GPL-3.0-or-later
"""How a figure on two legs holds itself, which a picture from the front does not show.

A body is no straight stick from the side: the neck lies behind the chest, the face before the neck, the belly before
the seat, the calves behind the thighs. The offsets bring the side views of humanoids, cartoon and real, nearest to
their makers' on average.
Frame and units: those of models.draft.inflate.
"""

from dataclasses import replace

import numpy as np
from scipy import ndimage

from .feet import set_on_feet
from .figure import AXIS_BAND, Figure, longest_run
from .inflate import FIELD_PX, InflatedBody
from .shades import smoothstep

# Places in shares of the way down, and how far forward of the chest the middle lies there, in the way from the neck to
# the ground.
TRUNK_LINE = ((0.1, -0.016), (0.35, 0.0), (0.62, 0.012), (0.92, 0.0))  # from the neck to the crotch
LEG_LINE = ((0.15, 0.010), (0.5, 0.0), (0.7, -0.013), (1.0, -0.013))  # from the crotch to the ground
HEAD_FORWARD = 0.035  # of the head's height: the face, and cartoons' large ones the more
TALLEST_HEAD = 0.25  # of the figure's height: what is above is hair or a hat
LINE_SMOOTHING = 0.025  # of the way from the neck to the ground
LEAST_LEGS = (0.03, 0.06)  # of the figure's height: what shows less of a gap between legs may be a vase
HIGHEST_CROTCH = 1.0 / 3.0  # of the way from the neck to the ground: a gap above is between head and raised arms


def stand(body: InflatedBody, figure: Figure) -> InflatedBody:
    """Set a figure that is not cropped on its feet and let it sway. body: with the depth of its parts."""
    ground = (body.distance.shape[0] / 2 - figure.bottom - 1) / FIELD_PX
    return body if -body.borders.bottom >= ground else _sway(set_on_feet(body, figure), figure)


def _sway(body: InflatedBody, figure: Figure) -> InflatedBody:
    """Let the body's middle sway in depth as a standing body's does, as surely as two legs are seen."""
    crotch, gap_end = _find_gap(body, figure)
    if crotch == gap_end:
        return body
    certainty = smoothstep(np.float32(gap_end - crotch) / (figure.bottom - figure.top), *LEAST_LEGS)
    length, trunk, leg = figure.bottom - figure.neck, crotch - figure.neck, figure.bottom - crotch
    head = figure.neck - figure.top
    places = [figure.neck - 0.5 * head]
    offsets = [HEAD_FORWARD * min(head, TALLEST_HEAD * (figure.bottom - figure.top))]
    for start, way, line in ((figure.neck, trunk, TRUNK_LINE), (crotch, leg, LEG_LINE)):
        places += [start + share * way for share, _ in line]
        offsets += [forward * length for _, forward in line]
    sway = np.interp(np.arange(len(body.middle)), places, offsets)
    sway = certainty * ndimage.gaussian_filter1d(sway, LINE_SMOOTHING * length, mode="nearest") / FIELD_PX
    return replace(body, middle=(body.middle + sway[:, None]).astype(np.float32))


def _find_gap(body: InflatedBody, figure: Figure) -> tuple[int, int]:
    """First and one past the last row of the longest gap on the axis between two legs; the ground twice for none."""
    band = round(AXIS_BAND * FIELD_PX)
    inside = body.distance > 0
    beside = np.maximum.accumulate(inside, axis=1) & np.maximum.accumulate(inside[:, ::-1], axis=1)[:, ::-1]
    near = slice(max(figure.axis - band, 0), figure.axis + band + 1)
    gap = (beside & ~inside)[:, near].any(axis=1)
    gap[: figure.neck + round(HIGHEST_CROTCH * (figure.bottom - figure.neck))] = False
    if not gap.any():
        return figure.bottom, figure.bottom
    return longest_run(gap)
