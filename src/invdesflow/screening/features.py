"""Physically motivated features of a crystal for the baseline Tc model.

All features are intensive and do not change under rotation, translation, permutation of sites or a supercell. They are
grouped by what of the McMillan-Hopfield picture, lambda = N(E_F) <I^2> / (M <omega^2>), they stand for: the elements
(composition statistics), the electrons (band filling, electron density, d-band width), the springs (bond weights,
Einstein frequencies) and the geometry (radial distribution, orientational order, symmetry).
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invdesflow.crystals.symmetry import symmetry_of
from invdesflow.errors import StructureError
from invdesflow.screening.elements import BOND_CLASSES, PROPERTIES, ElementTable, bond_class
from invdesflow.screening.environments import CUTOFF, Bonds, find_bonds

__all__ = ["FEATURES_VERSION", "crystal_features"]

FEATURES_VERSION = 1
RADIAL_GRID = np.linspace(0.8, 2.2, 8)  # reduced distances
CONTRASTS = ("electronegativity", "d_electrons", "mendeleev", "covalent_radius", "mass", "melting_point", "group")
SUBLATTICE_PROPERTIES = ("row", "group", "electronegativity", "covalent_radius", "mass", "melting_point", "mendeleev")
LIGHT = (1, 5, 6, 7)  # H, B, C, N: the sublattices of the high-frequency superconductors

FloatArray = NDArray[np.float64]
Features = dict[str, float]


def crystal_features(structure: Any, table: ElementTable) -> Features:
    """Compute the features of one crystal.

    Parameters
    ----------
    structure
        Ordered pymatgen ``Structure``.
    table
        Element properties.

    Returns
    -------
    dict
        Name of the feature -> value; the same names in the same order for every crystal.

    Raises
    ------
    StructureError
        If the structure is disordered, has an isolated site or coinciding sites, contains an element without
        properties, or its symmetry cannot be found.
    """
    if not structure.is_ordered:
        raise StructureError("the structure is disordered.", "Screen an ordered approximant.")
    numbers = np.array([site.specie.Z for site in structure], dtype=np.intp)
    unknown = table.unknown(numbers)
    if unknown:
        raise StructureError(f"element with Z = {unknown[0]} has no tabulated properties.")
    bonds = find_bonds(structure, table.column("covalent_radius")[numbers])
    per_atom = structure.volume / len(structure)
    return (
        _composition(numbers, table)
        | _electrons(numbers, table, bonds, per_atom)
        | _springs(numbers, table, bonds)
        | _contrasts(numbers, table, bonds)
        | _sublattices(numbers, table, bonds)
        | _geometry(numbers, table, bonds, per_atom)
        | _symmetry(structure)
    )


def _statistics(name: str, values: FloatArray) -> Features:
    mean = float(values.mean())
    return {
        f"{name}:mean": mean,
        f"{name}:deviation": float(np.abs(values - mean).mean()),
        f"{name}:min": float(values.min()),
        f"{name}:max": float(values.max()),
    }


def _composition(numbers: NDArray[np.intp], table: ElementTable) -> Features:
    features: Features = {}
    for column, name in enumerate(PROPERTIES):
        features |= _statistics(name, table.values[numbers, column])
    classes = np.array([bond_class(int(z)) for z in numbers])
    features |= {f"fraction:{name}": float((classes == k).mean()) for k, name in enumerate(BOND_CLASSES)}
    features |= {f"fraction:Z{z}": float((numbers == z).mean()) for z in LIGHT}
    counts = np.bincount(numbers) / len(numbers)
    features["elements"] = float((counts > 0).sum())
    features["largest_fraction"] = float(counts.max())
    return features


def _electrons(numbers: NDArray[np.intp], table: ElementTable, bonds: Bonds, per_atom: float) -> Features:
    s, p, d, f = (table.column(f"{shell}_electrons")[numbers] for shell in "spdf")
    valence = s + p + d + f
    band = valence - np.where(table.column("group")[numbers] == 12, d, 0.0)
    radius = table.column("covalent_radius")[numbers]
    metal = (table.column("group")[numbers] >= 3) & (table.column("group")[numbers] <= 11)
    # Harrison: V_dd ~ (r_i r_j)^(3/2) / d^5; the second moment of the d band is the sum of its squares.
    hopping = (radius[bonds.centre] * radius[bonds.neighbour]) ** 1.5 / bonds.distance**5
    width = np.sqrt(bonds.site_sum(np.where(metal[bonds.centre] & metal[bonds.neighbour], hopping, 0.0) ** 2))
    hybrid = np.sqrt(bonds.site_sum(np.where(metal[bonds.centre] & ~metal[bonds.neighbour], hopping, 0.0) ** 2))
    d_sites = metal if metal.any() else np.ones(len(numbers), bool)
    d_count = float((s + d)[metal].mean()) if metal.any() else 0.0
    return {
        "valence_per_atom": float(valence.mean()),
        "band_electrons_per_atom": float(band.mean()),
        "valence_density": float(valence.mean() / per_atom),
        "band_density": float(band.mean() / per_atom),
        "sp_density": float((s + p).mean() / per_atom),
        "d_density": float(np.where(metal, d, 0.0).mean() / per_atom),
        "electron_parity": float(np.abs((band.sum() / _formula_units(numbers)) % 2)),
        "d_fraction": float(metal.mean()),
        "d_filling": d_count,
        "d_width:mean": float(width[d_sites].mean()),
        "d_width:max": float(width.max()),
        "d_hybrid:mean": float(hybrid[d_sites].mean()),
        "d_states": float(metal.mean() / (width[d_sites].mean() + hybrid[d_sites].mean() + 1e-3)),
        "free_electron_states": float((band.mean() / per_atom) ** (1 / 3) * per_atom),
    }


def _formula_units(numbers: NDArray[np.intp]) -> int:
    counts = np.bincount(numbers)
    return int(np.gcd.reduce(counts[counts > 0]))


def _springs(numbers: NDArray[np.intp], table: ElementTable, bonds: Bonds) -> Features:
    mass = table.column("mass")[numbers]
    melting = table.column("melting_point")[numbers]
    pair_melting = np.sqrt(melting[bonds.centre] * melting[bonds.neighbour])
    stiffness = bonds.site_sum(bonds.weight)
    hard = bonds.site_sum(bonds.weight * pair_melting / bonds.distance**2) / 1000.0
    reduced_mass = mass[bonds.centre] * mass[bonds.neighbour] / (mass[bonds.centre] + mass[bonds.neighbour])
    features = _statistics("stiffness", stiffness) | _statistics("hardness", hard)
    features |= _statistics("einstein", np.sqrt(stiffness / mass)) | _statistics("einstein_hard", np.sqrt(hard / mass))
    features["einstein:log_mean"] = float(np.log(stiffness / mass).mean() / 2)
    features["einstein_hard:log_mean"] = float(np.log(hard / mass).mean() / 2)
    features["bond_mode:max"] = float(np.sqrt(bonds.weight / reduced_mass).max())
    features["log_mass:mean"] = float(np.log(mass).mean())
    features["inverse_mass:mean"] = float((1 / mass).mean())
    return features


def _contrasts(numbers: NDArray[np.intp], table: ElementTable, bonds: Bonds) -> Features:
    features: Features = {}
    for name in CONTRASTS:
        values = table.column(name)[numbers]
        local = bonds.site_mean(np.abs(values[bonds.centre] - values[bonds.neighbour]))
        around = bonds.site_mean(values[bonds.neighbour])
        features[f"contrast:{name}:mean"] = float(local.mean())
        features[f"contrast:{name}:max"] = float(local.max())
        features[f"contrast:{name}:min"] = float(local.min())
        features[f"around:{name}:deviation"] = float(np.abs(around - around.mean()).mean())
        features[f"autocorrelation:{name}"] = float((values * around).mean() - values.mean() ** 2)
    return features


def _sublattices(numbers: NDArray[np.intp], table: ElementTable, bonds: Bonds) -> Features:
    """Average over parts of the crystal; a part that is absent has zeros."""
    group = table.column("group")[numbers]
    metal = (group >= 3) & (group <= 11)
    counts = np.bincount(numbers)[numbers]
    masks = {
        "d_metals": metal,
        "others": ~metal,
        "light": np.isin(numbers, LIGHT),
        "majority": counts == counts.max(),
        "minority": counts == counts.min(),
    }
    values = {name: table.column(name)[numbers] for name in SUBLATTICE_PROPERTIES}
    values["stiffness"] = bonds.site_sum(bonds.weight)
    values["nearest_reduced"] = bonds.nearest()[1]
    values["metal_neighbours"] = bonds.site_mean(metal[bonds.neighbour].astype(float))
    return {
        f"{part}:{name}": float(value[mask].mean()) if mask.any() else 0.0
        for part, mask in masks.items()
        for name, value in values.items()
    }


def _geometry(numbers: NDArray[np.intp], table: ElementTable, bonds: Bonds, per_atom: float) -> Features:
    radius = table.column("covalent_radius")[numbers]
    nearest, nearest_reduced = bonds.nearest()
    features: Features = {
        "volume_per_atom": per_atom,
        "packing:covalent": float(4 / 3 * np.pi * (radius**3).mean() / per_atom),
        "packing:atomic": float(4 / 3 * np.pi * (table.column("atomic_radius")[numbers] ** 3).mean() / per_atom),
        "volume_ratio": float(per_atom / table.column("molar_volume")[numbers].mean()),
    }
    features |= _statistics("nearest", nearest) | _statistics("nearest_reduced", nearest_reduced)
    features |= _radial(numbers, table, bonds) | _class_bonds(numbers, bonds) | _light_sublattice(numbers, bonds)
    for degree in (4, 6):
        features |= _statistics(f"order{degree}", bonds.orientational_order(degree))
    coordination = bonds.site_sum((bonds.reduced < 1.25 * nearest_reduced[bonds.centre]).astype(float))
    features |= _statistics("coordination", coordination)
    tensor = np.einsum("p,pi,pj->ij", bonds.weight, bonds.direction, bonds.direction) / bonds.weight.sum()
    low, middle, high = np.linalg.eigvalsh(tensor)
    return features | {"anisotropy:low": float(low), "anisotropy:mid": float(middle), "anisotropy:high": float(high)}


def _radial(numbers: NDArray[np.intp], table: ElementTable, bonds: Bonds) -> Features:
    d = table.column("d_electrons")[numbers]
    chi = table.column("electronegativity")[numbers]
    channels = {
        "all": np.ones(len(bonds.centre)),
        "d": np.sqrt(d[bonds.centre] * d[bonds.neighbour]),
        "polar": (chi[bonds.centre] - chi[bonds.neighbour]) ** 2,
    }
    step = RADIAL_GRID[1] - RADIAL_GRID[0]
    basis = np.exp(-0.5 * ((bonds.reduced[:, None] - RADIAL_GRID) / (0.6 * step)) ** 2)
    basis *= (1.0 - (bonds.distance / CUTOFF) ** 2)[:, None] ** 2
    features: Features = {}
    for name, channel in channels.items():
        density = channel @ basis / bonds.sites
        features |= {f"radial:{name}:{x:.1f}": float(y) for x, y in zip(RADIAL_GRID, density, strict=True)}
    return features


def _class_bonds(numbers: NDArray[np.intp], bonds: Bonds) -> Features:
    classes = np.array([bond_class(int(z)) for z in numbers])
    count = len(BOND_CLASSES)
    pair = classes[bonds.centre] * count + classes[bonds.neighbour]
    totals = np.bincount(pair, weights=bonds.weight, minlength=count * count).reshape(count, count) / bonds.sites
    return {
        f"bonds:{BOND_CLASSES[i]}-{BOND_CLASSES[j]}": float(totals[i, j]) for i in range(count) for j in range(i, count)
    }


def _light_sublattice(numbers: NDArray[np.intp], bonds: Bonds) -> Features:
    features: Features = {}
    for z in LIGHT:
        alike = (numbers[bonds.centre] == z) & (numbers[bonds.neighbour] == z)
        features[f"closeness:Z{z}"] = float(1.0 / bonds.distance[alike].min()) if alike.any() else 0.0
    return features


def _symmetry(structure: Any) -> Features:
    symmetry = symmetry_of(structure)
    primitive_sites = len(symmetry.primitive_atoms)
    orbits = len(np.unique(symmetry.orbits))
    operations, centrosymmetric = _point_group(symmetry.number)
    return {
        "space_group": float(symmetry.number),
        "point_operations": float(operations),
        "centrosymmetric": float(centrosymmetric),
        "primitive_sites": float(primitive_sites),
        "orbits": float(orbits),
        "orbits_per_site": orbits / primitive_sites,
    }


@lru_cache(maxsize=230)
def _point_group(space_group: int) -> tuple[int, bool]:
    """Return the order of the crystal class and whether it holds the inversion."""
    from pymatgen.symmetry.groups import PointGroup, SpaceGroup

    rotations = [op.rotation_matrix for op in PointGroup(SpaceGroup.from_int_number(space_group).point_group)]
    return len(rotations), any(np.array_equal(rotation, -np.eye(3)) for rotation in rotations)
