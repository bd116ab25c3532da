"""Bonds and site environments of a crystal, from one neighbour list."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invdesflow.errors import StructureError

__all__ = ["Bonds", "find_bonds"]

CUTOFF = 7.0  # Angstrom; beyond the second shell of caesium
DECAY = 5.0  # per unit of reduced distance; 1 % of the contact weight is left at about 1.9 covalent contacts

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Bonds:
    """Directed neighbour pairs of a crystal.

    Parameters
    ----------
    centre, neighbour
        Site indices, shape (pairs,).
    distance
        Length in Angstrom, shape (pairs,).
    reduced
        Length over the sum of the covalent radii, shape (pairs,).
    weight
        Smooth bond weight exp(-5 (reduced - 1)), brought to zero at the cutoff, shape (pairs,).
    direction
        Unit vectors from the centre to the neighbour, shape (pairs, 3).
    sites
        Number of sites.
    """

    centre: NDArray[np.intp]
    neighbour: NDArray[np.intp]
    distance: FloatArray
    reduced: FloatArray
    weight: FloatArray
    direction: FloatArray
    sites: int

    def site_sum(self, values: FloatArray) -> FloatArray:
        """Sum a value of each pair over the neighbours of each site, shape (sites,)."""
        return np.bincount(self.centre, weights=values, minlength=self.sites).astype(np.float64)

    def site_mean(self, values: FloatArray) -> FloatArray:
        """Average a value of each pair over the neighbours of each site with the bond weights, shape (sites,)."""
        return self.site_sum(self.weight * values) / self.site_sum(self.weight)

    def nearest(self) -> tuple[FloatArray, FloatArray]:
        """Return the shortest distance (Angstrom) and the shortest reduced distance of each site, shape (sites,)."""
        shortest = np.full(self.sites, np.inf), np.full(self.sites, np.inf)
        np.minimum.at(shortest[0], self.centre, self.distance)
        np.minimum.at(shortest[1], self.centre, self.reduced)
        return shortest

    def orientational_order(self, degree: int) -> FloatArray:
        """Return Steinhardt's bond-order parameter Q_l of each site with the bond weights, shape (sites,).

        Uses the addition theorem: Q_l^2 = sum_jk w_j w_k P_l(cos theta_jk) / (sum_j w_j)^2.
        Steinhardt, Nelson and Ronchetti, Phys. Rev. B 28, 784 (1983), eq. 1.3.
        """
        values = np.empty(self.sites)
        polynomial = np.polynomial.legendre.Legendre.basis(degree)
        for site in range(self.sites):
            near = (self.centre == site) & (self.weight > 0.02)
            weights = self.weight[near] / self.weight[near].sum()
            cosines = self.direction[near] @ self.direction[near].T
            values[site] = np.sqrt(max(float(weights @ polynomial(cosines) @ weights), 0.0))
        return values


def find_bonds(structure: Any, radii: FloatArray) -> Bonds:
    """Find all neighbours within 7 Angstrom.

    Parameters
    ----------
    structure
        pymatgen ``Structure``.
    radii
        Covalent radius of each site in Angstrom, shape (sites,).

    Raises
    ------
    StructureError
        If a site has no neighbour or two sites coincide.
    """
    centre, neighbour, image, distance = structure.get_neighbor_list(CUTOFF, exclude_self=True)
    if len(np.unique(centre)) < len(structure):
        raise StructureError(f"a site has no neighbour within {CUTOFF:g} Angstrom.", "Screen bulk crystals only.")
    if distance.min() < 0.3:
        raise StructureError(f"two sites are {distance.min():.2f} Angstrom apart.", "Relax the structure first.")
    reduced = distance / (radii[centre] + radii[neighbour])
    weight = np.exp(-DECAY * (reduced - 1.0)) * (1.0 - (distance / CUTOFF) ** 2) ** 2
    fractional = structure.frac_coords[neighbour] + image - structure.frac_coords[centre]
    direction = fractional @ structure.lattice.matrix / distance[:, None]
    return Bonds(centre, neighbour, distance, reduced, weight, direction, len(structure))
