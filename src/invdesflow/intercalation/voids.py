"""Voids of a crystal: the points from which every way leads nearer to an atom, as orbits of its space group."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import spglib
from ase.data import covalent_radii
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Lattice, Structure
from pymatgen.util.coord import lattice_points_in_supercell
from scipy.spatial import ConvexHull, QhullError, Voronoi, cKDTree

from invdesflow.crystals.spglib_search import found
from invdesflow.crystals.symmetry import SYMPREC, Symmetry, symmetry_of
from invdesflow.crystals.wyckoff import DENOMINATOR, OriginShift, space_group_table
from invdesflow.errors import StructureError

__all__ = ["Void", "VoidSettings", "find_voids", "void_at"]

FloatArray = NDArray[np.float64]

TOUCHING = 1.05
"""Atoms within so many radii hold a void: relaxed crystals miss exact equality by a few per cent."""
COORDINATING = 1.1
"""Atoms within so many radii are counted as its neighbours."""
ESCAPE = 0.01
"""Cosine below which a direction counts as free of atoms: the void is open there."""
_GRID = 8  # points along each cell vector for a first bound of the largest void
_VOID_KIND = 0  # no element: marks the sites of a void among the atoms


class VoidSettings(BaseModel):
    """Which empty spheres count as voids."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    min_radius_a: float = Field(1.0, gt=0, description="smallest distance to the nearest atom's centre (A)")
    merge_a: float = Field(0.2, ge=0, description="centres nearer to each other than this are one void (A)")


@dataclass(frozen=True, slots=True, eq=False)
class Void:
    """The voids of one orbit of the space group.

    Attributes
    ----------
    fractional_coords
        All sites of the orbit in the given cell, in [0, 1); shape (n_sites, 3).
    wyckoff
        Multiplicity in the conventional cell and Wyckoff letter, such as ``4b``. Of the origins that the space group
        allows, the one counts that gives the host's atoms the first letters.
    site_symmetry
        Site symmetry in Hermann-Mauguin notation, oriented, as spglib writes it.
    radius
        Distance to the nearest atom's centre (A).
    clearance
        Radius of the largest sphere that overlaps with no atom's sphere of its covalent radius (A).
    neighbours
        Element -> atoms within 1.1 radii.
    """

    fractional_coords: FloatArray
    wyckoff: str
    site_symmetry: str
    radius: float
    clearance: float
    neighbours: dict[str, int]

    @property
    def n_sites(self) -> int:
        """Sites in the given cell."""
        return len(self.fractional_coords)


def find_voids(structure: Structure, settings: VoidSettings | None = None) -> list[Void]:
    """Find the voids of a crystal by geometry.

    A void is a local maximum of the distance to the nearest atom: a node of the Voronoi diagram that lies inside the
    polyhedron of the atoms that touch it. Nodes that every operation leaves near where they are, are moved onto the
    symmetry element. The flat octahedral site of the body-centred cubic lattice, for example, is no void: away from
    its two nearest atoms there is more room on every side.

    Parameters
    ----------
    structure
        Ordered crystal in any cell.
    settings
        Which empty spheres count; default `VoidSettings()`.

    Returns
    -------
    list of Void
        Largest clearance first: the atoms themselves take room. By the distance to their centres 24d between two Mg or
        Al would be larger than 4b, the site that is filled, in nine of fourteen known A2BH6.

    Raises
    ------
    StructureError
        If the crystal is disordered, its cell is degenerate or its symmetry cannot be found.
    """
    settings = settings or VoidSettings()
    host = _Host(structure)
    orbits: list[FloatArray] = []
    for node in _nodes(host):
        if any(host.distance(node, orbit).min() < settings.merge_a for orbit in orbits):
            continue
        site = host.symmetrised(node, settings.merge_a)
        radius = host.radius(site)
        if radius >= settings.min_radius_a and host.encloses(site, radius):
            orbits.append(host.orbit(site))
    voids = (host.void(orbit) for orbit in orbits)
    return sorted(voids, key=lambda void: (-round(void.clearance, 6), void.wyckoff))


def void_at(structure: Structure, position: Iterable[float], merge_a: float = 0.2) -> Void:
    """Describe a point of a crystal as `find_voids` describes a void, whether it is one or not.

    Parameters
    ----------
    structure
        Ordered crystal in any cell.
    position
        Fractional coordinates of the point; shape (3,).
    merge_a
        It is moved onto a symmetry element that is nearer than this (A).

    Raises
    ------
    StructureError
        As `find_voids`.
    """
    host = _Host(structure)
    point = np.array(list(position), dtype=float) @ structure.lattice.matrix @ np.linalg.inv(host.lattice)
    return host.void(host.orbit(host.symmetrised(point, merge_a)))


class _Cloud(NamedTuple):
    """Atoms around a cell: positions in A, which atom of the cell each is, a tree, and a bound of the radii in A."""

    positions: FloatArray
    atoms: NDArray[np.int_]
    tree: cKDTree
    bound: float


class _Host:
    """A crystal with its symmetry, and what one asks about points in it; points are fractional in a primitive cell.

    spglib tells of a supercell only those operations that keep it, so that its orbits would fall apart.
    """

    def __init__(self, given: Structure) -> None:
        symmetry = symmetry_of(given)
        atoms = [given[int(atom)] for atom in symmetry.primitive_atoms]
        self.given = given.lattice
        self.structure = Structure(
            Lattice(symmetry.primitive_lattice),
            [atom.specie for atom in atoms],
            [atom.coords for atom in atoms],
            coords_are_cartesian=True,
        )
        self.lattice: FloatArray = self.structure.lattice.matrix
        self.symmetry: Symmetry = symmetry_of(self.structure)
        self.numbers = np.array([site.specie.Z for site in self.structure])

    def given_cell(self, points: FloatArray) -> FloatArray:
        """Return all images of points in the cell that was given, fractional there; shape (n_cells * n, 3)."""
        cells = lattice_points_in_supercell(np.rint(self.given.matrix @ np.linalg.inv(self.lattice)).astype(int))
        images = (points @ self.lattice @ self.given.inv_matrix + cells[:, None]).reshape(-1, 3)
        wrapped = _exact(images)
        ordered: FloatArray = wrapped[np.lexsort(wrapped.T[::-1])]
        return ordered

    @cached_property
    def cloud(self) -> "_Cloud":
        """All atoms that can touch an empty sphere whose centre is in the reduced cell, or are asked about around it.

        The distance to the nearest of 27 images on a grid, and how far it can be to the next point of the grid, bounds
        the radius of every void.
        """
        reduced = self.reduced
        fractions = (self.structure.cart_coords @ reduced.inv_matrix) % 1.0
        near = _images(fractions, np.ones(3, dtype=int)) @ reduced.matrix
        grid = (np.indices([_GRID] * 3).reshape(3, -1).T / _GRID) @ reduced.matrix
        bound = float(cKDTree(near).query(grid)[0].max() + np.sum(reduced.abc) / (2 * _GRID))
        farthest = COORDINATING * bound + np.ptp(covalent_radii[self.numbers]) + 1e-6
        reach = farthest * np.linalg.norm(reduced.inv_matrix, axis=0)
        images = _images(fractions, np.ceil(reach).astype(int))
        inside = ((images >= -reach) & (images <= 1 + reach)).all(axis=1)
        positions = images[inside] @ reduced.matrix
        return _Cloud(positions, np.resize(np.arange(len(fractions)), len(images))[inside], cKDTree(positions), bound)

    @cached_property
    def reduced(self) -> Lattice:
        """The same lattice with short vectors, in the same orientation."""
        return self.structure.lattice.get_lll_reduced_lattice()

    def in_reduced_cell(self, points: FloatArray) -> FloatArray:
        """Return the images of points in the reduced cell, in A."""
        wrapped: FloatArray = ((points @ self.lattice @ self.reduced.inv_matrix) % 1.0) @ self.reduced.matrix
        return wrapped

    def distance(self, point: FloatArray, others: FloatArray) -> FloatArray:
        """Return the distances in A of a point to the nearest images of others; shape (n,)."""
        distances: FloatArray = self.structure.lattice.get_all_distances(point[None], others)[0]
        return distances

    def radius(self, site: FloatArray) -> float:
        """Return the distance to the nearest atom."""
        return float(self.cloud.tree.query(self.in_reduced_cell(site))[0])

    def shell(self, site: FloatArray, reach: float) -> tuple[FloatArray, NDArray[np.int_]]:
        """Return the vectors to the atoms within a distance, and the atoms."""
        centre = self.in_reduced_cell(site)
        members = self.cloud.tree.query_ball_point(centre, reach)
        return self.cloud.positions[members] - centre, self.cloud.atoms[members]

    def encloses(self, site: FloatArray, radius: float) -> bool:
        """Tell whether every way leads nearer to one of the atoms that touch the sphere."""
        vectors, _ = self.shell(site, TOUCHING * radius)
        try:
            hull = ConvexHull(vectors / radius)
        except QhullError:  # fewer than four atoms, or all in one plane
            return False
        return bool(hull.equations[:, -1].max() < -ESCAPE)

    def symmetrised(self, point: FloatArray, tolerance: float) -> FloatArray:
        """Move a point to the centre of those of its images that are near to it."""
        for _ in range(10):
            moves = self._moves(point)
            near = np.linalg.norm(moves @ self.lattice, axis=1) <= max(tolerance, 1e-6)
            step = moves[near].mean(axis=0)
            point = point + step
            if np.abs(step).max() < 1e-10:
                break
        return point

    def orbit(self, site: FloatArray) -> FloatArray:
        """Return all sites of the orbit in the primitive cell; shape (n_sites, 3)."""
        images = self._moves(site) + site
        first: list[FloatArray] = []
        for image in images:
            if not first or self.distance(image, np.array(first)).min() > 1e-3:
                first.append(image)
        return np.array(first)

    def void(self, orbit: FloatArray) -> Void:
        """Describe an orbit of the primitive cell."""
        radius = self.radius(orbit[0])
        spread = float(np.ptp(covalent_radii[self.numbers]))
        vectors, atoms = self.shell(orbit[0], max(COORDINATING * radius, radius + spread) + 1e-6)
        distances = np.linalg.norm(vectors, axis=1)
        around = Counter(self.structure[int(atom)].specie.symbol for atom in atoms[distances <= COORDINATING * radius])
        wyckoff, site_symmetry = self._wyckoff(orbit)
        return Void(
            fractional_coords=self.given_cell(orbit),
            wyckoff=wyckoff,
            site_symmetry=site_symmetry,
            radius=radius,
            clearance=float((distances - covalent_radii[self.numbers[atoms]]).min()),
            neighbours=dict(sorted(around.items())),
        )

    def _moves(self, point: FloatArray) -> FloatArray:
        """Return the shortest ways from a point to its images, nearly: whole lattice vectors are taken off."""
        moves = self.symmetry.rotations @ point + self.symmetry.translations - point
        rounded: FloatArray = moves - np.rint(moves)
        return rounded

    def _wyckoff(self, orbit: FloatArray) -> tuple[str, str]:
        """Ask spglib for the Wyckoff position and the site symmetry, with the sites of the void as one more kind."""
        scale = (self.structure.volume / len(self.structure)) ** (1 / 3)
        positions = np.vstack([self.structure.frac_coords, orbit])
        numbers = [*self.numbers.tolist(), *[_VOID_KIND] * len(orbit)]
        dataset = found(spglib.get_symmetry_dataset, (self.lattice, positions, numbers), symprec=SYMPREC * scale)
        if dataset is None or dataset.number != self.symmetry.number:
            raise StructureError(
                "The voids of the crystal are less symmetric than the crystal.", "Give it in its standardised cell."
            )
        cells = abs(np.linalg.det(dataset.std_lattice)) / self.structure.volume
        letter = _with_first_letters(dataset, len(self.structure))
        return f"{round(len(orbit) * cells)}{letter}", str(dataset.site_symmetry_symbols[len(self.structure)])


def _images(fractions: FloatArray, counts: NDArray[np.int_]) -> FloatArray:
    """Return the images of points in `counts` cells on every side, cell by cell; shape (n_cells * n, 3)."""
    shifts = np.indices(tuple((2 * counts + 1).tolist())).reshape(3, -1).T - counts
    images: FloatArray = (shifts[:, None] + fractions).reshape(-1, 3)
    return images


def _exact(points: FloatArray) -> FloatArray:
    """Wrap points into [0, 1), and take off the rounding of coordinates that symmetry fixes in a standard cell."""
    fixed = np.rint(points * DENOMINATOR) / DENOMINATOR
    wrapped: FloatArray = np.where(np.abs(points - fixed) < 1e-6, fixed, points) % 1.0
    return wrapped


def _nodes(host: _Host) -> Iterator[FloatArray]:
    """Yield the nodes of the Voronoi diagram in one cell, fractional in the given cell, largest first."""
    cloud = host.cloud
    vertices = Voronoi(cloud.positions).vertices
    inside = vertices @ host.reduced.inv_matrix
    vertices = vertices[((inside > -1e-6) & (inside < 1 + 1e-6)).all(axis=1)]
    radii = cloud.tree.query(vertices)[0]
    for index in np.argsort(-np.round(radii, 6), kind="stable"):
        if radii[index] <= cloud.bound:
            yield vertices[index] @ np.linalg.inv(host.lattice)


def _with_first_letters(dataset: spglib.SpglibDataset, n_atoms: int) -> str:
    """Return the letter of the site behind the atoms, for the origin that gives the atoms the first letters."""
    table = space_group_table(int(dataset.number))
    ranks = [table.letters.index(letter) for letter in dataset.wyckoffs]

    def order(origin: OriginShift) -> tuple[list[str], list[tuple[str, int]], str]:
        letters = [origin.letters[rank] for rank in ranks[: n_atoms + 1]]
        return sorted(letters[:n_atoms]), sorted(zip(letters[:n_atoms], ranks, strict=False)), letters[n_atoms]

    return order(min(table.origins, key=order))[2]
