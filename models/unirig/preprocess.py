# SPDX-License-Identifier: GPL-3.0-or-later
"""What the networks see of a mesh: reduced, scaled to [−1, 1], and as points with normals on its surface.

Frame: Blender's (+Z up, the character faces −Y), in which UniRig was trained.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh

from models.common.reduction import reduce_faces

MOST_FACES = 50_000  # of what the networks see: UniRig was trained on meshes reduced so far
MOST_VERTEX_SAMPLES = 8192  # of the points, those that are vertices
SKELETON_POINTS = 65_536
SKIN_POINTS = 32_768
SEED = 12_345  # the reference's own


@dataclass(frozen=True, eq=False)
class Surface:
    """vertices, vertex_normals: (V, 3) float32. faces: (F, 3) int64. face_normals: (F, 3) float32."""

    vertices: np.ndarray
    faces: np.ndarray
    vertex_normals: np.ndarray
    face_normals: np.ndarray


@dataclass(frozen=True, eq=False)
class Scaling:
    """The change of place and size that puts a box's middle at the origin and its longest side on [−1, 1].

    centre: (3,) float64. half_side: of the longest side.
    """

    centre: np.ndarray
    half_side: float

    def apply(self, points: np.ndarray) -> np.ndarray:
        """(…, 3) to [−1, 1], float32."""
        return ((points - self.centre) / self.half_side).astype(np.float32)

    def undo(self, points: np.ndarray) -> np.ndarray:
        """(…, 3) of [−1, 1] to where they came from, float32."""
        return (points * self.half_side + self.centre).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Samples:
    """Points of a surface: first vertices, then places on faces.

    points: (N, 3) float64. normals: (N, 3) float32. vertex_index: (M,). face_index: (N − M,). uv: (N − M, 2), how much
    of the face's second and third corner is in a point.
    """

    points: np.ndarray
    normals: np.ndarray
    vertex_index: np.ndarray
    face_index: np.ndarray
    uv: np.ndarray

    def interpolate(self, values: np.ndarray, faces: np.ndarray) -> np.ndarray:
        """Values of the vertices (V, K) at the points: (N, K). faces: (F, 3), those that were sampled."""
        corners = values[faces[self.face_index]]  # (N − M, 3, K)
        u, v = self.uv[:, :1], self.uv[:, 1:]
        inside = corners[:, 0] + u * (corners[:, 1] - corners[:, 0]) + v * (corners[:, 2] - corners[:, 0])
        return np.concatenate([values[self.vertex_index], inside])


def reduce_mesh(vertices: np.ndarray, faces: np.ndarray, most_faces: int = MOST_FACES) -> Surface:
    """Equal vertices merged, at most `most_faces` faces left. vertices: (V, 3) float32. faces: (F, 3).

    Raises ValueError where nothing with an area is left.
    """
    mesh = trimesh.Trimesh(vertices, faces)
    if len(mesh.faces) > most_faces:
        mesh = trimesh.Trimesh(*reduce_faces(mesh.vertices, mesh.faces, most_faces))
    if not len(mesh.faces) or not mesh.area > 0:
        raise ValueError("no surface with an area is left of the mesh")
    return Surface(
        vertices=mesh.vertices.astype(np.float32),
        faces=np.asarray(mesh.faces, np.int64),
        vertex_normals=mesh.vertex_normals.astype(np.float32),
        face_normals=mesh.face_normals.astype(np.float32),
    )


def fit_box(points: np.ndarray) -> Scaling:
    """The scaling of the points' bounding box. points: (N, 3)."""
    low, high = points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64)
    return Scaling((high + low) / 2, float((high - low).max()) / 2)


def sample_surface(surface: Surface, count: int, seed: int = SEED, most_vertices: int = MOST_VERTEX_SAMPLES) -> Samples:
    """`count` points: up to `most_vertices` vertices, the rest on faces, drawn as the reference draws them."""
    generator = np.random.RandomState(seed)
    generator.random_sample(2)  # the reference draws two numbers for a turn that it does not make
    chosen = generator.permutation(len(surface.vertices))[: min(most_vertices, count)]
    generator.permutation(count - len(chosen))  # drawn and not used
    face_index, uv = draw_on_faces(surface.vertices, surface.faces, count - len(chosen), generator)
    samples = Samples(np.empty(0), np.empty(0), chosen, face_index, uv)
    return Samples(
        points=samples.interpolate(surface.vertices, surface.faces),
        normals=np.concatenate([surface.vertex_normals[chosen], surface.face_normals[face_index]]),
        vertex_index=chosen,
        face_index=face_index,
        uv=uv,
    )


def draw_on_faces(
    vertices: np.ndarray, faces: np.ndarray, count: int, generator: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Faces (count,) and the shares of their second and third corner (count, 2).

    A face is drawn in proportion to the square of its area, as the networks were trained.
    """
    first = vertices[faces[:, 0]]
    normals = np.cross(vertices[faces[:, 1]] - first, vertices[faces[:, 2]] - first)
    sums = np.cumsum((normals**2).sum(axis=1))
    face_index = np.searchsorted(sums, generator.random_sample(count) * sums[-1])
    uv = generator.random_sample((count, 2, 1))[..., 0]
    uv[uv.sum(axis=1) > 1] -= 1
    return face_index, np.abs(uv)
