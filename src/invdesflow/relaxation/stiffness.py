"""A guess of the stiffness of a crystal, from which the optimiser starts: springs between neighbours."""

import numpy as np
from ase import Atoms
from ase.data import covalent_radii

from invdesflow.relaxation.neighbours import pairs_within
from invdesflow.relaxation.symmetry import FloatArray

__all__ = ["spring_hessian"]

# Round numbers: halving or doubling one changes the evaluations of 30 crystals by less than 8 %, and no result.
CUTOFF = 6.0  # Angstrom
SPRING_CONSTANT = 1.0  # eV/Angstrom^2, at the sum of the covalent radii
SPRING_DECAY = 3.0  # per unit of the reduced distance
BULK_MODULUS = 0.2  # eV/Angstrom^3, what springs between neighbours leave out
SHEAR_MODULUS = 0.2  # eV/Angstrom^3
SITE_STIFFNESS = 3.0  # eV/Angstrom^2


def spring_hessian(atoms: Atoms, strains: FloatArray, displacements: FloatArray) -> FloatArray:
    r"""Second derivatives of the energy of a network of springs along given strains and displacements.

    Every pair within 6 Angstrom is a spring whose constant decays exponentially with the distance over the sum of the
    covalent radii, as in the exponential preconditioner of Packwood et al., J. Chem. Phys. 144, 164109 (2016). The
    strains share the springs with the displacements, so that their coupling is in the guess. An isotropic elastic
    medium and a spring to every site are added for what central forces do not resist.

    Parameters
    ----------
    atoms
        Crystal at which the guess is made.
    strains
        Symmetric matrices, shape (n_strains, 3, 3).
    displacements
        Cartesian patterns, shape (n_displacements, n_atoms, 3).

    Returns
    -------
    ndarray
        Positive definite matrix (eV and eV/Angstrom^2), strains first, shape (n_strains + n_displacements,) * 2.
    """
    first, second, vector, distance = pairs_within(atoms, CUTOFF)
    radii = covalent_radii[atoms.numbers]
    constant = SPRING_CONSTANT * np.exp(-SPRING_DECAY * (distance / (radii[first] + radii[second]) - 1))
    direction = vector / distance[:, None]
    stretch = np.concatenate(
        [
            np.einsum("bi,kij,bj->bk", direction, strains, vector),
            np.einsum("bi,kbi->bk", direction, displacements[:, second] - displacements[:, first]),
        ],
        axis=1,
    )
    hessian = 0.5 * np.einsum("b,bk,bl->kl", constant, stretch, stretch)  # every pair is counted twice
    n_strains = len(strains)
    trace = np.einsum("kii->k", strains)
    hessian[:n_strains, :n_strains] += atoms.get_volume() * (
        2 * SHEAR_MODULUS * np.eye(n_strains) + (BULK_MODULUS - 2 / 3 * SHEAR_MODULUS) * np.outer(trace, trace)
    )
    hessian[n_strains:, n_strains:] += SITE_STIFFNESS * np.eye(len(displacements))
    return np.asarray(hessian)
