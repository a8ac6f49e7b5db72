# SPDX-License-Identifier: GPL-3.0-or-later
"""The few colours that a subject wears along its silhouette, and where each of them continues on its back."""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.cluster import hierarchy
from skimage import measure

from .fill import push_pull

LIGHTNESS_WEIGHT = 0.25  # shading changes lightness more than hue: a shirt's light and dark side are one material
SHADE_FLOOR = 25.0  # chroma is taken relative to lightness plus this: shading scales both, and black has no hue
SHADE_LEVEL = 60.0  # lightness at which relative chroma equals that of Lab, less the floor
NEW_COLOR = 15.0  # a colour this far from all others, in these coordinates, starts a cluster of its own
SOFT_BORDER = 0.5  # where colours change over a border by less of their distance, they are shades of one material
BORDER_PX = 4  # a change that takes longer than this is a shade
FARTHEST_SHADE = 20.0  # colours farther apart are never one material, however softly they pass into each other
LOOSE_CONTACT = 0.4  # a piece that meets the silhouette along less than this many square roots of its area is a detail
CONTACT = 1.5  # a piece that meets the silhouette along less than this does not reach across the back
MOST_MATERIALS = 10  # more are patterns, which look alike from afar
RARE = 0.02  # share of the silhouette below which a colour is an accident of the outline
FARTHEST_SHARE = 0.98  # the next material is looked for at this quantile of the distances: beyond lie single pixels
CLUSTER_ROUNDS = 10  # k-means no longer moves after that
SAME_MATERIAL = 16.0  # a colour farther from its nearest material is a detail of the front
LEVEL_PULL = 2  # materials spread this much farther sideways than up and down: belts and hems run level
UNDERSIDE_WEIGHT = 0.25  # of the silhouette where it looks down: chins and bellies do not reach around to the back
OWN_SHARE = 0.6  # a place keeps its own material on the back when the silhouette around speaks for it at least so much


@dataclass(frozen=True)
class Materials:
    """The materials of a silhouette.

    count: how many, K >= 1. own: (H, W) int, 0..K-1, the nearest material at every pixel.
    is_detail: (H, W) bool, the pixel's colour is none of them, or its piece does not reach the silhouette.
    """

    count: int
    own: np.ndarray
    is_detail: np.ndarray


def find_materials(color: np.ndarray, is_inside: np.ndarray, ring: np.ndarray) -> Materials:
    """Cluster the colours in the ring along the silhouette, and assign every pixel.

    color: (H, W, 3) uint8. is_inside: (H, W) bool. ring: (H, W) bool, a part of it with at least one pixel.
    """
    lab = _to_weighted_lab(color)
    samples = lab[ring]
    centers = _spread_centers(samples)
    nearest = _assign(samples, centers)[0].astype(np.int32)
    if len(centers) > 1:
        criteria = (cv2.TERM_CRITERIA_MAX_ITER, CLUSTER_ROUNDS, 0.0)
        _, nearest, centers = cv2.kmeans(
            samples, len(centers), nearest[:, None], criteria, 1, cv2.KMEANS_USE_INITIAL_LABELS
        )
        shares = np.bincount(nearest.ravel(), minlength=len(centers)) / len(samples)
        centers = centers[shares >= min(RARE, shares.max())]
    own, distance = (found.reshape(ring.shape) for found in _assign(lab.reshape(-1, 3), centers))
    count, groups = _join_shades(lab, own, centers, distance <= SAME_MATERIAL)
    own = groups[own]
    is_rooted = _keep_rooted(is_inside & (distance <= SAME_MATERIAL), own, is_inside, LOOSE_CONTACT)
    return Materials(count, own, ~is_rooted)


def continue_behind(materials: Materials, ring: np.ndarray, is_inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which material each pixel shows on the back, crisply and as a mixture: (H, W, K) float32, 0..1, summing to 1.

    ring: (H, W) float32, 0..1, 1 along the silhouette. is_inside: (H, W) bool.
    The ring's materials spread inward and the strongest takes the place, so borders stay crisp. A pixel keeps its own
    where that is nearly as strong: the hem of a shirt stays where it is, a face behind which all is hair does not.
    """
    count = materials.count
    marks = np.eye(count, dtype=np.float32)[materials.own]
    known = ring * ~materials.is_detail * _weigh_by_direction(is_inside)
    height, width = ring.shape
    narrow = (max(1, width // LEVEL_PULL), height)
    known_narrow = cv2.resize(known.astype(np.float32), narrow, interpolation=cv2.INTER_AREA)
    marks_narrow = cv2.resize(marks * known[..., None], narrow, interpolation=cv2.INTER_AREA)
    marks_narrow = marks_narrow.reshape(narrow[1], narrow[0], count)
    spread = push_pull(marks_narrow / np.maximum(known_narrow, 1e-6)[..., None], known_narrow)
    spread = cv2.resize(spread, (width, height), interpolation=cv2.INTER_LINEAR).reshape(height, width, count)
    support = np.take_along_axis(spread, materials.own[..., None], axis=2)[..., 0]
    keeps_own = ~materials.is_detail & (support >= OWN_SHARE * spread.max(axis=2))
    keeps_own = _keep_rooted(keeps_own, materials.own, is_inside, CONTACT)
    chosen = np.where(keeps_own, materials.own, spread.argmax(axis=2))
    mixture = spread / np.maximum(spread.sum(axis=2, keepdims=True), 1e-6)
    return soften_labels(chosen, count, max(1.0, width / 200.0)), mixture


def soften_labels(labels: np.ndarray, count: int, sigma: float) -> np.ndarray:  # (H, W) int -> (H, W, count) float32
    """Shares of the labels around each pixel, sharpened: specks vanish, borders become smooth and a pixel wide."""
    marks = np.eye(count, dtype=np.float32)[labels]
    near = cv2.GaussianBlur(marks, (0, 0), sigma).reshape(marks.shape) ** 4
    return near / np.maximum(near.sum(axis=2, keepdims=True), 1e-12)


def _spread_centers(samples: np.ndarray) -> np.ndarray:  # (N, 3) -> (K, 3)
    """Farthest-point samples, without regard to the outermost few."""
    middle = np.median(samples, axis=0, keepdims=True).astype(np.float32)
    centers = _find_farthest(samples, middle)[0]  # not the middle itself, which may be the grey between black and white
    while len(centers) < MOST_MATERIALS:
        candidate, distance = _find_farthest(samples, centers)
        if distance < NEW_COLOR:
            break
        centers = np.concatenate([centers, candidate])
    return centers


def _find_farthest(samples: np.ndarray, centers: np.ndarray) -> tuple[np.ndarray, float]:  # (N, 3), (K, 3)
    """The sample at FARTHEST_SHARE of the distances to the nearest centre, (1, 3), and that distance."""
    distance = _assign(samples, centers)[1]
    rank = int(FARTHEST_SHARE * (len(distance) - 1))
    place = np.argpartition(distance, rank)[rank]
    return samples[place][None], float(distance[place])


def _assign(samples: np.ndarray, centers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # (N, 3), (K, 3)
    distances = np.stack([np.linalg.norm(samples - center, axis=1) for center in centers], axis=1)
    return distances.argmin(axis=1), distances.min(axis=1)


def _join_shades(
    lab: np.ndarray, own: np.ndarray, centers: np.ndarray, is_sure: np.ndarray
) -> tuple[int, np.ndarray]:  # (H, W, 3), (H, W) int, (K, 3), (H, W) bool
    """Which clusters pass into each other without an edge: the number of groups, and each cluster's group, (K,) int."""
    count = len(centers)
    change, pairs = np.zeros((count, count)), np.zeros((count, count))
    for axis in (0, 1):
        first, second = np.arange(own.shape[axis] - BORDER_PX), np.arange(BORDER_PX, own.shape[axis])
        labels, other = own.take(first, axis), own.take(second, axis)
        border = (labels != other) & is_sure.take(first, axis) & is_sure.take(second, axis)
        step = np.linalg.norm((lab.take(first, axis) - lab.take(second, axis))[border], axis=1)
        np.add.at(change, (labels[border], other[border]), step)
        np.add.at(pairs, (labels[border], other[border]), 1.0)
    change, pairs = change + change.T, pairs + pairs.T
    apart = np.linalg.norm(centers[:, None] - centers[None], axis=2)
    gap = np.where(pairs == 0, FARTHEST_SHADE, np.where(change < SOFT_BORDER * apart * pairs, apart, np.inf))
    gap = np.where(apart < FARTHEST_SHADE, np.minimum(gap, 2.0 * FARTHEST_SHADE), 2.0 * FARTHEST_SHADE)
    groups = np.zeros(1, int)
    if count > 1:  # complete linkage: no chain of shades joins black to white
        tree = hierarchy.linkage(gap[np.triu_indices(count, 1)], "complete")
        groups = hierarchy.fcluster(tree, FARTHEST_SHADE, "distance") - 1
    return int(groups.max()) + 1, groups


def _keep_rooted(mask: np.ndarray, labels: np.ndarray, is_inside: np.ndarray, contact: float) -> np.ndarray:
    """The pieces of the mask, each of one label, that meet the silhouette along enough of their size: (H, W) bool."""
    edge = is_inside & (cv2.erode(is_inside.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    pieces = measure.label(np.where(mask, labels + 1, 0), connectivity=1)
    areas = np.bincount(pieces.ravel())
    contacts = np.bincount(pieces[edge], minlength=len(areas))
    return mask & (contacts >= contact * np.sqrt(areas))[pieces]


def _weigh_by_direction(is_inside: np.ndarray) -> np.ndarray:  # (H, W) bool -> (H, W) float32
    """UNDERSIDE_WEIGHT where the nearest silhouette looks down, 1 where it looks sideways or up."""
    distance = cv2.distanceTransform(is_inside.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    smooth = cv2.GaussianBlur(distance, (0, 0), max(1.0, is_inside.shape[1] / 100.0))
    down, right = np.gradient(smooth)
    looks_down = np.clip(-down / np.maximum(np.hypot(down, right), 1e-6), 0.0, 1.0)
    return (1.0 - (1.0 - UNDERSIDE_WEIGHT) * looks_down**2).astype(np.float32)


def _to_weighted_lab(color: np.ndarray) -> np.ndarray:  # (H, W, 3) uint8 -> float32
    """Coordinates that shading changes little: weighted lightness, and chroma relative to lightness."""
    lab = cv2.cvtColor(color.astype(np.float32) / 255.0, cv2.COLOR_RGB2Lab)
    scale = SHADE_LEVEL / (lab[..., :1] + SHADE_FLOOR)
    return np.concatenate([lab[..., :1] * LIGHTNESS_WEIGHT, lab[..., 1:] * scale], axis=2)
