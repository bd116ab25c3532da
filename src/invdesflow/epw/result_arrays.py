"""The arrays of a result: bands, phonons, spectral functions and gaps, by name.

================================  =========================================================================
``phonon_q_points``               crystal coordinates along the path, (nq, 3)
``phonon_distances``              length of the path in 1/Angstrom with the 2 pi, (nq,)
``phonon_frequencies_cm1``        along the path, after the acoustic sum rule, negative where imaginary, (nq, modes)
``phonon_dos_cm1``                frequencies of the density of states, (n,)
``phonon_dos``                    states per cm-1, (n,); ``phonon_dos_by_atom`` (atoms, n)
``path_labels``                   names of special points, and ``path_label_indices`` where they are on the phonon path
``alpha2f_mev``, ``alpha2f``      energies and spectral function of the finest mesh, (n,)
``alpha2f_smearings_mev``         smearings of the phonons, (10,)
``alpha2f_smeared``               spectral functions with them, (10, n), at ``alpha2f_smeared_mev``
``alpha2f_by_mode``               contributions of the branches, (modes, n), at ``alpha2f_by_mode_mev``
``electron_k_points``             crystal coordinates along the path, (nk, 3)
``electron_distances``            length of the path, (nk,)
``bands_ev``                      of pw.x along the path, from the Fermi level, (nk, bands)
``wannier_bands_ev``              interpolated, from the Fermi level, (nk, functions)
``dos_ev``, ``dos``               energies from the Fermi level; states per eV and cell, both spins, (n,)
``path_lambda``                   coupling of every phonon along the path, (nq, modes)
``gap_T``                         for each temperature T in K: gap in meV (n,), and ``gap_density_T`` its distribution
================================  =========================================================================
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invdesflow.eliashberg.reading import read_spectra
from invdesflow.epw.coupling_jobs import ALPHA2F, ALPHA2F_BY_BRANCH
from invdesflow.epw.outputs import FineOutput, GapOutput
from invdesflow.epw.parsers.gap_functions import read_gap_distribution
from invdesflow.epw.parsers.wannier import WannierHamiltonian, read_hamiltonian
from invdesflow.epw.path_jobs import read_path_couplings
from invdesflow.espresso.inputs import PREFIX
from invdesflow.espresso.meshes import band_path, explicit_k_points, mesh_of_spacing
from invdesflow.espresso.outputs import PhononOutput, PwOutput
from invdesflow.espresso.parsers.matdyn import read_frequencies, read_phonon_dos
from invdesflow.espresso.ph_jobs import PHONON_DOS, PHONON_FREQUENCIES
from invdesflow.espresso.protocols import Protocol
from invdesflow.espresso.pw_jobs import read_pw
from invdesflow.espresso.tasks import task_path

__all__ = ["coupling_arrays", "phonon_arrays"]

Arrays = dict[str, NDArray[Any]]

_DOS_POINTS = 601
_DOS_WIDTH_EV = 0.15
_DOS_RANGE_EV = 12.0


def phonon_arrays(static: PwOutput, phonons: PhononOutput, protocol: Protocol) -> Arrays:
    """Read the phonons along the path and their density of states."""
    path = band_path(static.structure, protocol.path_spacing)
    density = read_phonon_dos(task_path(phonons.dos_task_id) / PHONON_DOS)
    return {
        "phonon_q_points": path.points,
        "phonon_distances": path.distances,
        "phonon_frequencies_cm1": read_frequencies(task_path(phonons.bands_task_id) / PHONON_FREQUENCIES).values,
        "phonon_dos_cm1": density.frequencies_cm1,
        "phonon_dos": density.total,
        "phonon_dos_by_atom": density.by_atom,
        "path_labels": np.array(list(path.labels.values())),
        "path_label_indices": np.array(list(path.labels)),
    }


def coupling_arrays(
    fine: FineOutput, gaps: Sequence[GapOutput], path_task_id: str | None, protocol: Protocol
) -> Arrays:
    """Read spectral functions, gaps and electron bands, and interpolate the density of states."""
    wannier, folder = fine.coarse.wannier, task_path(fine.series[-1].task_id)
    structure, fermi = wannier.nscf.structure, fine.fermi_energy_ev
    smeared, by_branch = read_spectra(folder / ALPHA2F), read_spectra(folder / ALPHA2F_BY_BRANCH)
    spectrum = smeared.spectrum()
    bands = read_pw(wannier.bands.task_id)
    hamiltonian = read_hamiltonian(task_path(wannier.task_id) / f"{PREFIX}_hr.dat")
    energies = np.linspace(-_DOS_RANGE_EV, _DOS_RANGE_EV, _DOS_POINTS)
    mesh = explicit_k_points(mesh_of_spacing(structure, protocol.dos_spacing))
    path = band_path(structure, protocol.path_spacing)
    shape = (len(path.points), 3 * len(structure))
    along_path = {} if path_task_id is None else {"path_lambda": read_path_couplings(path_task_id, shape)}
    return (
        along_path
        | _gap_distributions(gaps)
        | {
            "alpha2f_mev": spectrum.energies_mev,
            "alpha2f": spectrum.values,
            "alpha2f_smearings_mev": np.array(smeared.smearings),
            "alpha2f_smeared_mev": spectrum.energies_mev,
            "alpha2f_smeared": np.array([one.values for one in smeared.spectra]),
            "alpha2f_by_mode_mev": by_branch.spectrum().energies_mev,
            "alpha2f_by_mode": by_branch.branches,
            "electron_k_points": bands.k_points,
            "electron_distances": path.distances,
            "bands_ev": bands.eigenvalues_ev - fermi,
            "wannier_bands_ev": hamiltonian.eigenvalues(bands.k_points) - fermi,
            "dos_ev": energies,
            "dos": _density_of_states(hamiltonian, mesh, energies + fermi),
        }
    )


def _gap_distributions(gaps: Sequence[GapOutput]) -> Arrays:
    arrays: Arrays = {}
    for gap in gaps:
        if gap.distribution_file is not None:
            found = read_gap_distribution(task_path(gap.task_id) / gap.distribution_file)
            name = f"{gap.temperature_k:.6g}"
            arrays |= {f"gap_{name}": found.gap_mev, f"gap_density_{name}": found.density}
    return arrays


def _density_of_states(
    hamiltonian: WannierHamiltonian, k_points: NDArray[np.float64], energies_ev: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return states per eV and cell, both spins, of the interpolated bands broadened by Gaussians."""
    bands = hamiltonian.eigenvalues(k_points).ravel()
    counts, edges = np.histogram(bands, bins=4 * len(energies_ev), range=(energies_ev[0] - 1.0, energies_ev[-1] + 1.0))
    centres = 0.5 * (edges[1:] + edges[:-1])
    offsets = (energies_ev[:, None] - centres) / _DOS_WIDTH_EV
    broadened = np.exp(-(offsets**2)) / (_DOS_WIDTH_EV * np.sqrt(np.pi))
    return np.asarray(2.0 * broadened @ counts / len(k_points))
