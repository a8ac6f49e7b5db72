# SPDX-License-Identifier: GPL-3.0-or-later
"""Cutting a subject from a background that is neither smooth nor a room: a photograph, foliage, stones.

A first guess comes from GrabCut, seeded by how unlike the border and how near to the middle a pixel is. Patches of one
colour are then judged by more than colour: the guess, how they stand out from all that is tied to the border (Zhu et
al., "Saliency optimization from robust background detection", 2014), their place, and their likeness to the border and
to their mirror image; and once more by the likeness to other patches near them and anywhere, which were judged. GrabCut
within what stays undecided draws the outline.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.sparse import coo_array, csr_array, diags_array
from scipy.sparse.csgraph import dijkstra
from scipy.sparse.linalg import spsolve
from skimage.segmentation import slic

from .backdrop import border_ring, to_lab

GUESS_ROUNDS = 3  # of GrabCut
LIKELY_SUBJECT = 0.55  # the middle is the subject at first; radius in half picture sides
RING_COLORS = 5  # clusters in a busy border: wall, floor, foliage, light, rest

SIDE_PX = 256  # of the picture that is judged: patches are about ten pixels wide
PATCHES = 700
COMPACTNESS = 0.25  # of patches: low, they follow edges
LAB_SCALE = 10.0  # in which patches see colours
TEXTURE_REACH_PX = 2.5  # sigma within which lightness is called texture

TIED = 8.0  # Lab: patches are tied along paths whose steps add up to less
LOOSE = 1e-3  # length of a path's step that cannot be seen
NEIGHBOURHOOD = 0.25  # sigma of nearness, in picture sides
CENTER_PULL = 0.6  # how fast standing out counts less away from the middle
ALIKE = 10.0  # Lab: neighbours that differ by less are pulled to one verdict
LEAST_PULL = 0.1
BORDER_WEIGHT = 50.0  # the border is background
EVIDENCE_WEIGHT = 2.0  # of a patch's own evidence against its neighbours' pull
MIRROR_REACH = 0.05  # in picture sides: the two halves of a subject are not quite alike
MIRROR_COST = 200.0  # Lab a picture side beyond it

JUDGED_REACHES = ((8.0, 0.25), (8.0, 1.0), (14.0, 0.12))  # sigmas of likeness in Lab, of nearness in picture sides

# Log odds of being subject: the intercept, and a coefficient for each piece of evidence. Fitted by logistic regression
# on the patches of 105 composed pictures (35 subjects before 8 photographs, sharp and blurred).
FIRST = (
    *(-5.605, 1.429, 2.481, 3.597, 3.490, -3.394, 0.838, -1.756, -0.959, -1.360, -0.149, -0.554),
    *(-1.159, -0.243, 0.479, 4.398, -1.278),
)
SECOND = (
    *(1.623, 0.974, 1.074, -2.868, 0.194, 1.275, -0.547, 1.073),
    *(0.299, 0.049, -0.695, 0.072, -1.036, 0.352, -0.166, -0.106, -0.144, -0.054, -0.067),
    *(-0.063, -0.212, 0.212, -0.096),
)

SURE_BACKGROUND, SURE_SUBJECT = 0.1, 0.95  # beyond these GrabCut may not change a verdict
OUTLINE_ROUNDS = 2


@dataclass(frozen=True)
class _Patches:
    """A picture in patches of one colour; N of them.

    labels: (h, w) int64. look: (N, 4) Lab and texture. place: (N, 2) y, x from the middle in picture sides. area: (N,)
    pixels. on_border: (N,) bool. neighbours: (E, 2) int64. unlike, apart: (N, N) distance of looks, of places.
    """

    labels: np.ndarray
    look: np.ndarray
    place: np.ndarray
    area: np.ndarray
    on_border: np.ndarray
    neighbours: np.ndarray
    unlike: np.ndarray
    apart: np.ndarray

    def mean(self, image: np.ndarray) -> np.ndarray:  # (h, w) -> (N,)
        return np.bincount(self.labels.ravel(), image.ravel(), len(self.area)) / self.area


def cut_from_busy(rgb: np.ndarray) -> np.ndarray:  # (H, W, 3) uint8 -> (H, W) bool
    """The subject before a busy background. May be empty."""
    height, width = rgb.shape[:2]
    guess = _guess_subject(rgb)
    if not guess.any():
        return np.zeros((height, width), bool)
    scale = min(1.0, SIDE_PX / max(height, width))
    size = max(8, round(width * scale)), max(8, round(height * scale))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    patches = _find_patches(small)
    odds = _judge(patches, patches.mean(cv2.resize(guess.astype(np.float32), size)))
    belief = cv2.GaussianBlur(odds[patches.labels].astype(np.float32), (0, 0), 1.0)
    seeds = np.where(belief > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    seeds[belief < SURE_BACKGROUND] = cv2.GC_BGD
    seeds[belief > SURE_SUBJECT] = cv2.GC_FGD
    seeds[border_ring(seeds.shape)] = cv2.GC_BGD
    if not (seeds % 2 == 1).any():  # neither sure nor likely subject
        return np.zeros((height, width), bool)
    inside = grab_cut(small, seeds, OUTLINE_ROUNDS)
    inside = ~touching_border(~inside)  # what the subject encloses belongs to it: real gaps cannot be told here
    return cv2.resize(inside.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0.5


def touching_border(mask: np.ndarray) -> np.ndarray:  # (H, W) bool -> (H, W) bool
    """The parts of a mask that are connected with the picture's border."""
    labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)[1]
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    touches = np.zeros(labels.max() + 1, bool)
    touches[border] = True
    touches[0] = False
    return touches[labels]


def grab_cut(rgb: np.ndarray, seeds: np.ndarray, rounds: int) -> np.ndarray:
    """Where GrabCut finds the subject: (H, W) bool. rgb: (H, W, 3) uint8; seeds: (H, W) uint8 as cv2.grabCut takes
    them, changed.
    """
    cv2.setRNGSeed(0)  # its colour mixtures start from random clusters
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(np.ascontiguousarray(rgb[..., ::-1]), seeds, None, *models, rounds, cv2.GC_INIT_WITH_MASK)
    return (seeds == cv2.GC_FGD) | (seeds == cv2.GC_PR_FGD)


def _guess_subject(rgb: np.ndarray) -> np.ndarray:  # (H, W, 3) uint8 -> (H, W) bool
    """GrabCut at half the resolution, seeded by how unlike the border a pixel is and how near to the middle."""
    full_height, full_width = rgb.shape[:2]
    rgb = cv2.resize(rgb, (full_width // 2, full_height // 2), interpolation=cv2.INTER_AREA)
    lab, ring = to_lab(rgb), border_ring((full_height // 2, full_width // 2))
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    cv2.setRNGSeed(0)
    count = min(RING_COLORS, int(ring.sum()))
    _, labels, centers = cv2.kmeans(lab[ring], count, None, criteria, 2, cv2.KMEANS_PP_CENTERS)
    spread = np.sqrt(((lab[ring] - centers[labels.ravel()]) ** 2).sum(axis=1).mean()) + 2.0
    unlike = np.linalg.norm(lab[:, :, None] - centers, axis=3).min(axis=2) / spread
    height, width = ring.shape
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    from_center = np.hypot(x, y)
    nearness = np.exp(-1.5 * from_center**2)
    score = cv2.GaussianBlur((np.minimum(unlike, 4.0) * nearness).astype(np.float32), (0, 0), 0.01 * max(ring.shape))
    seeds = np.where((score > 1.0) | (from_center < LIKELY_SUBJECT), cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    seeds[ring] = cv2.GC_BGD
    if not (seeds == cv2.GC_PR_FGD).any():
        return np.zeros((full_height, full_width), bool)
    inside = ~touching_border(~grab_cut(rgb, seeds, GUESS_ROUNDS))
    return cv2.resize(inside.astype(np.float32), (full_width, full_height), interpolation=cv2.INTER_LINEAR) > 0.5


def _find_patches(rgb: np.ndarray) -> _Patches:  # (h, w, 3) uint8
    height, width = rgb.shape[:2]
    lab = to_lab(rgb)
    light = cv2.cvtColor(rgb.astype(np.float32) / 255.0, cv2.COLOR_RGB2Lab)[..., 0]
    smooth = cv2.GaussianBlur(light, (0, 0), TEXTURE_REACH_PX)
    variance = cv2.GaussianBlur(light * light, (0, 0), TEXTURE_REACH_PX) - smooth * smooth
    texture = np.sqrt(np.maximum(variance, 0.0))
    labels = slic(
        lab / LAB_SCALE,
        n_segments=PATCHES,
        compactness=COMPACTNESS,
        start_label=0,
        convert2lab=False,
        max_num_iter=5,
    )
    area = np.bincount(labels.ravel()).astype(np.float64)
    y, x = np.mgrid[0:height, 0:width]
    layers = [*np.moveaxis(lab, 2, 0), texture, y / height - 0.5, x / width - 0.5]
    means = np.stack([np.bincount(labels.ravel(), layer.ravel()) / area for layer in layers], axis=1)
    pairs = np.concatenate(
        [
            np.stack([first.ravel(), second.ravel()], axis=1)
            for first, second in ((labels[:, :-1], labels[:, 1:]), (labels[:-1], labels[1:]))
        ]
    )
    neighbours = np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)
    rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    on_border = np.bincount(rim, minlength=len(area)) > 0
    look, place = means[:, :4], means[:, 4:]
    return _Patches(labels, look, place, area, on_border, neighbours, _distances(look), _distances(place))


def _judge(patches: _Patches, guess: np.ndarray) -> np.ndarray:  # (N,) -> (N,)
    """How likely each patch is subject, 0..1. guess: which share of it was guessed to be."""
    pull = _pull(patches)
    evidence = _gather_evidence(patches, pull, guess)
    first = _settle(patches, pull, _logistic(evidence, FIRST))
    judged = np.log((first + 1e-3) / (1.001 - first))
    second = _logistic([judged, *_likeness_to_judged(patches, first), *evidence[:-1]], SECOND)
    return _settle(patches, pull, second)


def _gather_evidence(patches: _Patches, pull: csr_array, guess: np.ndarray) -> list[np.ndarray]:
    """What tells subject from background, each (N,): how tied to the border, how far it stands out and how far when
    smoothed, its likeness to the border, the way there, its place, its mirror image, its texture, the guess.
    """
    lengths = _path_lengths(patches)
    tie = np.exp(-(lengths**2) / (2.0 * TIED**2))
    tied = 1.0 - np.exp(-((tie @ patches.on_border) ** 2 / tie.sum(axis=1)) / 2.0)
    contrast, standing = _stand_out(patches, tied, pull)
    to_border = np.sort(patches.unlike[:, patches.on_border], axis=1)
    count = to_border.shape[1]
    way = lengths[:, patches.on_border].min(axis=1)
    y, x = 2.0 * patches.place.T
    mirrored = np.linalg.norm((patches.place * [1, -1])[:, None] - patches.place, axis=2)
    to_mirror = (patches.unlike + MIRROR_COST * np.maximum(mirrored - MIRROR_REACH, 0.0)).min(axis=1)
    texture = (patches.look[:, 3] - np.median(patches.look[patches.on_border, 3])) / 10.0
    return [
        tied,
        _by_upper_tenth(contrast),
        _by_upper_tenth(standing),
        np.log1p(to_border[:, min(2, count - 1)] / 5.0),
        np.log1p(to_border[:, count // 5] / 10.0),
        np.log1p(way / 5.0),
        _by_upper_tenth(way),
        x**2 + y**2,
        x**2,
        y,
        y**2,
        np.log1p(to_mirror / 8.0),
        texture,
        np.abs(texture),
        guess,
        guess * np.exp(-2.0 * (x**2 + y**2)),
    ]


def _path_lengths(patches: _Patches) -> np.ndarray:
    """(N, N): a path between neighbours is as long as its steps of colour; along the border it costs nothing."""
    count = len(patches.area)
    step = patches.unlike[tuple(patches.neighbours.T)]
    least = np.full(count, np.inf)
    for end in patches.neighbours.T:
        np.minimum.at(least, end, step)
    step = np.maximum(step - np.median(least), 0.0) + LOOSE
    border = np.flatnonzero(patches.on_border)
    first, second = (border[index] for index in np.triu_indices(len(border), 1))
    lengths = np.concatenate([step, np.full(len(first), LOOSE)])
    ends = np.concatenate([patches.neighbours.T, np.stack([first, second])], axis=1)
    return dijkstra(coo_array((lengths, tuple(ends)), (count, count)).tocsr(), directed=False)


def _stand_out(patches: _Patches, tied: np.ndarray, pull: csr_array) -> tuple[np.ndarray, np.ndarray]:
    """How far a patch stands out from what is tied to the border, plain and smoothed: (N,) each. tied: (N,), 0..1."""
    nearness = np.exp(-(patches.apart**2) / (2.0 * NEIGHBOURHOOD**2))
    contrast = (patches.unlike * nearness) @ tied / nearness.sum(axis=1)
    centered = np.exp(-4.0 * CENTER_PULL * (patches.place**2).sum(axis=1))
    wanted = contrast / max(float(contrast.max()), 1e-6) * centered
    weight = diags_array(wanted + tied + BORDER_WEIGHT * patches.on_border)
    return contrast, spsolve((pull + weight).tocsc(), wanted)


def _by_upper_tenth(values: np.ndarray) -> np.ndarray:  # (N,) -> (N,)
    return values / (np.quantile(values, 0.9) + 1e-6)


def _pull(patches: _Patches) -> csr_array:
    """(N, N) Laplacian: neighbours of one colour are to be judged alike."""
    first, second = patches.neighbours.T
    strength = np.exp(-(patches.unlike[first, second] ** 2) / (2.0 * ALIKE**2)) + LEAST_PULL
    rows, columns = np.concatenate([first, second]), np.concatenate([second, first])
    count = len(patches.area)
    weights = coo_array((np.concatenate([strength, strength]), (rows, columns)), (count, count)).tocsr()
    return diags_array(np.asarray(weights.sum(axis=1)).ravel()) - weights


def _settle(patches: _Patches, pull: csr_array, odds: np.ndarray) -> np.ndarray:  # (N,) -> (N,)
    """The verdicts after neighbours pulled at each other; the border is background."""
    weight = diags_array(EVIDENCE_WEIGHT + BORDER_WEIGHT * patches.on_border)
    return np.clip(spsolve((pull + weight).tocsc(), EVIDENCE_WEIGHT * odds), 0.0, 1.0)


def _likeness_to_judged(patches: _Patches, odds: np.ndarray) -> list[np.ndarray]:
    """Log ratios of subject to background, (N,) each, among the patches that are alike and near, and that are near, by
    reach.
    """
    inside, outside = patches.area * odds, patches.area * (1.0 - odds)
    ratios = []
    for alike, near in JUDGED_REACHES:
        nearness = np.exp(-(patches.apart**2) / (2.0 * near**2))
        likeness = np.exp(-(patches.unlike**2) / (2.0 * alike**2)) * nearness
        np.fill_diagonal(likeness, 0.0)
        ratios.append(np.log((likeness @ inside + 0.5) / (likeness @ outside + 0.5)))
        ratios.append(np.log((nearness @ inside + 1.0) / (nearness @ outside + 1.0)))
    return ratios


def _logistic(evidence: list[np.ndarray], fitted: tuple[float, ...]) -> np.ndarray:
    """fitted: the intercept, and a coefficient for each piece of evidence."""
    return 1.0 / (1.0 + np.exp(-(fitted[0] + np.stack(evidence, axis=1) @ np.array(fitted[1:]))))


def _distances(points: np.ndarray) -> np.ndarray:  # (N, D) -> (N, N)
    return np.linalg.norm(points[:, None] - points, axis=2)
