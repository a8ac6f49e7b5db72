# SPDX-License-Identifier: GPL-3.0-or-later
"""From a square picture to a closed triangle mesh.

Frame and units: those of models.draft.inflate.
"""

from dataclasses import dataclass, replace

import numpy as np
from skimage.measure import marching_cubes

from .errors import EmptySurfaceFound
from .figure import find_figure, shape_figure
from .inflate import InflatedBody, inflate
from .layers import raise_layers
from .occlusion import find_occlusions
from .posture import stand
from .relief import displace_front
from .remesh import drop_islands, relax, remesh_botsch
from .slit import SLITS_PX, are_whole, cut, find_seams, measure_arms
from .viewpoint import STRAIGHT, Viewpoint, find_viewpoint, slant_body

CELLS = 128  # marching-cubes cells across the picture: finer doubles the remeshing time for 0.001 of silhouette IoU
FINEST_CELLS = 256  # a tiny body is not marched finer than this to reach its face budget
MOST_FACES = 50_000  # a bulky body is marched in larger cells: remeshing takes a second per 100,000 faces
SMALLEST_ISLAND = 0.005  # share of the faces; specks below it break later steps and nobody sees them


@dataclass(frozen=True)
class BodyMesh:
    """A closed, manifold mesh wound outward, in the picture's frame.

    vertices: (V, 3) float32. faces: (F, 3) int32.
    remesher: "botsch" (gpytoolbox), or "relax" where that is not installed.
    viewpoint: from where the picture shows the subject; the mesh is not turned by it.
    """

    vertices: np.ndarray
    faces: np.ndarray
    remesher: str
    viewpoint: Viewpoint


def build_mesh(rgba: np.ndarray, depth: float = 1.0, face_budget: int = 16000) -> BodyMesh:  # rgba: (S, S, 4) uint8
    """Inflate the picture's subject into a mesh of about `face_budget` triangles.

    depth: factor on the third dimension, > 0.
    Raises EmptySurfaceFound when the subject is too thin or too faint to become a surface.
    """
    body, viewpoint = _shape_body(rgba, depth)
    body = raise_layers(body, find_occlusions(rgba, body), depth)
    faces_per_square_cell = _count_faces(_sample(body, CELLS)[0]) / CELLS**2
    vertices, faces = _march(body, min(CELLS, round(np.sqrt(MOST_FACES / faces_per_square_cell))))
    remesher = "botsch"
    try:
        vertices, faces = remesh_botsch(vertices, faces, _edge_length(vertices, faces, face_budget))
    except ImportError:
        remesher = "relax"
        vertices, faces = _march(body, min(round(np.sqrt(face_budget / faces_per_square_cell)), FINEST_CELLS))
        vertices = relax(vertices, faces, body)
    vertices = body.project(vertices)
    vertices, faces = drop_islands(vertices, faces, SMALLEST_ISLAND)
    vertices = displace_front(vertices, faces, rgba, body)
    return BodyMesh(vertices.astype(np.float32), faces, remesher, viewpoint)


def _shape_body(rgba: np.ndarray, depth: float) -> tuple[InflatedBody, Viewpoint]:  # rgba: (S, S, 4) uint8
    """The silhouette inflated, with the depth that its anatomy or its place on the ground tells."""
    body = inflate(rgba[..., 3], depth, is_cut_flat=True)
    viewpoint = find_viewpoint(body)
    if viewpoint is not STRAIGHT:
        return slant_body(body, viewpoint), viewpoint
    parted = _part_arms(rgba, replace(body, flatness=body.flatness / depth))
    return _shape(body if parted is None else inflate(parted, depth, is_cut_flat=True)), STRAIGHT


def _shape(body: InflatedBody) -> InflatedBody:
    figure = find_figure(body)
    return stand(shape_figure(body, figure), figure) if figure else body


def _part_arms(rgba: np.ndarray, body: InflatedBody) -> np.ndarray | None:  # rgba: (S, S, 4) uint8
    """The alpha with arms cut off a figure's sides, where only that lets the skeleton find them. body: of depth 1."""
    figure = find_figure(body)
    seams = find_seams(rgba, body, figure) if figure else {}
    arms = measure_arms(_shape(body)) if seams else None
    if arms is None:
        return None
    wanted = seams.keys() - are_whole(set(seams), arms, seams)
    parted = None
    while wanted and parted is None:
        for width_px in SLITS_PX:
            narrower = cut(rgba[..., 3], [seams[side] for side in wanted], width_px)
            found = measure_arms(_shape(inflate(narrower, is_cut_flat=True))) or {}
            freed = are_whole(wanted, found, seams) if arms.keys() <= found.keys() else set()
            if freed != wanted:
                break
            parted = narrower
        wanted = freed
    return parted


def _sample(body: InflatedBody, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """f in a grid of so many cells across the picture, (X, Y, Z) float32, and its first point, (3,) float64.

    Raises EmptySurfaceFound.
    """
    pitch = 1.0 / cells
    across = np.arange(-(cells // 2) - 4, cells // 2 + 5) * pitch
    back, front = body.reach()
    along = np.arange(np.floor(back / pitch) - 2, np.ceil(front / pitch) + 3) * pitch
    values = body.evaluate_grid(across, across, along)
    values[np.abs(values) < 1e-4 * pitch] = -1e-4 * pitch  # a zero at a grid point would make faces without area
    if values.max() <= 0:
        raise EmptySurfaceFound(
            f"No surface was found: the subject is everywhere thinner than 1/{cells} of the picture. "
            "Crop the picture closer to the subject, or use one with a more solid subject."
        )
    return values, np.array([across[0], across[0], along[0]])


def _count_faces(values: np.ndarray) -> int:  # (X, Y, Z)
    """How many triangles marching cubes will make: a vertex on each edge that crosses 0, and, as the surface is closed,
    two faces a vertex.
    """
    inside = values > 0
    ends = ((inside[1:], inside[:-1]), (inside[:, 1:], inside[:, :-1]), (inside[..., 1:], inside[..., :-1]))
    return 2 * sum(int(np.count_nonzero(first != second)) for first, second in ends)


def _march(body: InflatedBody, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Marching cubes on {f = 0}: (V, 3) float64 and (F, 3) int32, closed, wound outward. Raises EmptySurfaceFound."""
    values, first = _sample(body, cells)
    vertices, faces, _, _ = marching_cubes(values, 0.0, spacing=(1.0 / cells,) * 3, gradient_direction="ascent")
    return drop_islands(vertices + first, faces, SMALLEST_ISLAND)


def _edge_length(vertices: np.ndarray, faces: np.ndarray, face_budget: int) -> float:
    """The edge of the equilateral triangle of which `face_budget` cover the surface."""
    corners = vertices[faces]
    area = 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum()
    return float(np.sqrt(4.0 / np.sqrt(3.0) * area / face_budget))
