"""What can be known to go wrong before the first expensive step, and is then said at once."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from ase.data import covalent_radii
from pymatgen.core import DummySpecies, Structure

from invdesflow.crystals.geometry import neighbours
from invdesflow.errors import EspressoError, StructureError
from invdesflow.espresso.calculation import Calculation
from invdesflow.espresso.cutoffs import check_cutoff
from invdesflow.espresso.disk_space import check_disk, estimate_disk
from invdesflow.espresso.meshes import Meshes, n_points
from invdesflow.espresso.programs import Program, find_program
from invdesflow.espresso.pseudopotentials import Pseudopotential
from invdesflow.espresso.tasks import run_root
from invdesflow.screening.wave_vectors import CrystalSymmetry, Mesh

__all__ = [
    "check_before_running",
    "check_crystal",
    "check_meshes",
    "check_moments",
    "check_orbitals",
    "check_programs",
]

SMALLEST_CONTACT = 0.4
"""Distance over the sum of the covalent radii below which two atoms overlap; sodium at 320 GPa still has 0.57."""
LARGEST_CONTACT = 2.0
"""The same, above which an atom has no neighbour: it stands in a vacuum, and no metal holds it."""
LARGEST_MOMENT = 0.5
"""Moment of a site in Bohr magnetons above which a crystal is taken for a magnet; CHGNet errs by 0.03 on average."""
MOST_K_POINTS = 40_000
"""Dimension of the list of k-points in Quantum ESPRESSO (npk); ph.x keeps k and k + q in one list."""
MOST_FINE_POINTS = 100_000_000
"""epw.x keeps the list of the fine k-points on every rank: here 3 GB."""

_CHAIN: tuple[Program, ...] = ("pw.x", "ph.x", "q2r.x", "matdyn.x", "projwfc.x", "epw.x")


def check_before_running(
    structure: Structure, calculation: Calculation, moments_mu_b: Sequence[float] | None = None
) -> None:
    """Refuse what cannot come to a good end: crystal, pseudopotentials, cutoff, meshes, programs, space on the disk.

    Parameters
    ----------
    structure
        Primitive cell.
    calculation
        Protocol and pseudopotentials.
    moments_mu_b
        Expected magnetic moment of each site, such as CHGNet's, if something is known of it.

    Raises
    ------
    StructureError
        If the crystal cannot be calculated, or is too large for the protocol.
    EspressoError
        If a pseudopotential or a program is missing, the cutoff is too low, a mesh does not fit, or there is too little
        space.
    """
    protocol = calculation.protocol
    check_crystal(structure, protocol.max_atoms)
    if moments_mu_b is not None:
        check_moments(structure, moments_mu_b)
    pseudopotentials = calculation.pseudopotentials(structure)
    check_orbitals(pseudopotentials)
    check_cutoff(protocol, pseudopotentials)
    check_meshes(structure, Meshes.of(structure, protocol))
    check_programs(_CHAIN)
    check_disk(estimate_disk(structure, protocol, pseudopotentials), run_root())


def check_crystal(structure: Structure, max_atoms: int) -> None:
    """Refuse a crystal that is disordered, too large, has atoms that overlap or stand alone, or is of no elements.

    Raises
    ------
    StructureError
        With the atoms and the distance.
    """
    name = structure.composition.reduced_formula
    if not structure.is_ordered:
        raise StructureError(f"{name} has partially occupied sites.", "Give an ordered approximant.")
    if any(isinstance(site.specie, DummySpecies) for site in structure):
        raise StructureError(f"{name} holds a site that is no element.", "Replace it by an element.")
    if len(structure) > max_atoms:
        raise StructureError(
            f"The primitive cell of {name} has {len(structure)} atoms, more than the {max_atoms} of the protocol.",
            "Raise max_atoms if you have the hours; they grow with the fourth power.",
        )
    radii = covalent_radii[[site.specie.Z for site in structure]]
    reach = 2 * LARGEST_CONTACT * float(radii.max())
    centres, points, distances = neighbours(structure.lattice.matrix, structure.cart_coords, reach)
    ratios = distances / (radii[centres] + radii[points])
    if len(ratios) and ratios.min() < SMALLEST_CONTACT:
        worst = int(np.argmin(ratios))
        pair = "-".join(structure[int(i)].specie.symbol for i in (centres[worst], points[worst]))
        raise StructureError(f"{name} has two atoms ({pair}) at {distances[worst]:.2f} A.", "Relax or repair it.")
    nearest = np.full(len(structure), np.inf)
    np.minimum.at(nearest, centres, ratios)
    if nearest.max() > LARGEST_CONTACT:
        symbol = structure[int(np.argmax(nearest))].specie.symbol
        raise StructureError(f"{name} has an isolated atom ({symbol}): no neighbour is near.", "Give a crystal.")


def check_moments(structure: Structure, moments_mu_b: Sequence[float]) -> None:
    """Refuse a crystal that is expected to be magnetic: the chain has no spin.

    Raises
    ------
    StructureError
        With the largest moment.
    """
    sizes = np.abs(np.asarray(moments_mu_b, dtype=float))
    if sizes.max() > LARGEST_MOMENT:
        largest = int(np.argmax(sizes))
        raise StructureError(
            f"{structure.composition.reduced_formula} is expected to be magnetic: {sizes[largest]:.1f} Bohr magnetons "
            f"on {structure[largest].specie.symbol}.",
            "EPW knows no spin polarisation.",
        )


def check_orbitals(pseudopotentials: Mapping[str, Pseudopotential]) -> None:
    """Refuse pseudopotentials without the atomic orbitals from which the Wannier functions start.

    Raises
    ------
    EspressoError
        With the files.
    """
    without = ", ".join(str(pseudo.path) for pseudo in pseudopotentials.values() if not pseudo.has_pswfc)
    if without:
        raise EspressoError(
            f"There are no atomic orbitals (PP_PSWFC) in {without}, and Wannier functions need them.",
            "Take another family, such as pseudodojo-pbe-standard.",
        )


def check_meshes(structure: Structure, meshes: Meshes) -> None:
    """Refuse meshes that the programs cannot hold.

    Raises
    ------
    EspressoError
        With the counts and the setting that makes the mesh.
    """
    symmetry = CrystalSymmetry(structure)
    counts = [
        ("k-points of the density", "k_spacing", _irreducible(symmetry, meshes.k_scf), MOST_K_POINTS),
        ("k-points of the Wannier functions", "wannier_k_multiple", n_points(meshes.k_wannier), MOST_K_POINTS),
        ("fine k-points", "fine_q_spacings", n_points(meshes.fine[-1].k), MOST_FINE_POINTS),
    ]
    for what, setting, number, most in counts:
        if number > most:
            raise EspressoError(f"There are {number} {what} or more, and {most} fit.", f"Change {setting}.")
    q_points = symmetry.irreducible_points(meshes.q)[0]
    pairs = 2 * max(symmetry.count_points(meshes.k_scf, q) for q in q_points)
    if pairs > MOST_K_POINTS:
        raise EspressoError(
            f"At one q-point there are {pairs} points k and k + q, and {MOST_K_POINTS} fit.", "Raise k_spacing."
        )


def check_programs(programs: Iterable[Program]) -> None:
    """Refuse to start without the programs.

    Raises
    ------
    EspressoError
        As `invdesflow.espresso.programs.find_program`.
    """
    for program in programs:
        find_program(program)


def _irreducible(symmetry: CrystalSymmetry, mesh: Mesh) -> int:
    """Count the irreducible points, or if they are far too many anyway, give a number that they exceed."""
    at_least = n_points(mesh) // 96  # no point group, time reversal included, has more members
    return at_least if at_least > MOST_K_POINTS else symmetry.count_points(mesh)
