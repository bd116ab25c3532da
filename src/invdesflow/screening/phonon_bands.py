"""Phonon bands and projected density of states from force constants, as arrays to store and to draw.

They have the names and units of the arrays of electron-phonon calculations (`invdesflow.epw.result_arrays`), so that
one figure shows both.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from phonopy import Phonopy
from pymatgen.core import Lattice

from invdesflow.screening.phonon_cells import PhononCell

__all__ = ["phonon_bands"]

Arrays = dict[str, NDArray[Any]]

_CM1_PER_THZ = 1.0 / 0.0299792458
_MESH_LENGTH = 40.0  # Angstrom: as many points along each axis as a cell so long has wave vectors
_DOS_POINTS = 400


def phonon_bands(phonon: Phonopy, cell: PhononCell, points_per_segment: int) -> Arrays:
    """Compute the bands along the path of a crystal and the density of states of each atom.

    Parameters
    ----------
    phonon
        With force constants that obey the acoustic sum rule.
    cell
        Its cell and path.
    points_per_segment
        Wave vectors on each segment, ends included.

    Returns
    -------
    dict
        ``phonon_q_points`` in reciprocal vectors of the primitive cell (nq, 3), ``phonon_distances`` in 1/Angstrom with
        the 2 pi (nq,), ``phonon_frequencies_cm1``, negative where imaginary (nq, modes), ``path_labels`` with
        ``path_label_indices``, ``phonon_dos_cm1`` (n,), ``phonon_dos_by_atom`` in states per cm-1 (atoms, n), and their
        sum, ``phonon_dos``.
    """
    segments = cell.path(points_per_segment)
    points = np.concatenate(segments)
    ends = np.cumsum([len(segment) for segment in segments])
    return {
        "phonon_q_points": points,
        "phonon_distances": _distances(segments, Lattice(phonon.primitive.cell)),
        "phonon_frequencies_cm1": phonon.run_qpoints(points).frequencies * _CM1_PER_THZ,
        "path_labels": np.array([name for names in cell.labels for name in names]),
        "path_label_indices": np.array(
            [index for end, s in zip(ends, segments, strict=True) for index in (end - len(s), end - 1)]
        ),
        **_density_of_states(phonon),
    }


def _distances(segments: list[NDArray[np.float64]], lattice: Lattice) -> NDArray[np.float64]:
    """Return the length of the path up to each point; a segment begins where the one before ended."""
    reciprocal = lattice.reciprocal_lattice.matrix
    start, parts = 0.0, []
    for segment in segments:
        parts.append(start + np.linalg.norm((segment - segment[0]) @ reciprocal, axis=1))
        start = parts[-1][-1]
    return np.concatenate(parts)


def _density_of_states(phonon: Phonopy) -> Arrays:
    """Return the density of states of each atom by the tetrahedron method."""
    phonon.run_mesh(_MESH_LENGTH, with_eigenvectors=True, is_mesh_symmetry=False, is_gamma_center=True)
    frequencies = phonon.mesh.frequencies
    low, high = float(min(frequencies.min(), 0.0)), float(frequencies.max())
    pitch = (high - low) / (_DOS_POINTS - 1)
    phonon.run_projected_dos(freq_min=low - pitch, freq_max=high + pitch, freq_pitch=pitch)
    found = phonon.projected_dos
    by_atom = np.asarray(found.projected_dos) / _CM1_PER_THZ
    return {
        "phonon_dos_cm1": np.asarray(found.frequency_points) * _CM1_PER_THZ,
        "phonon_dos_by_atom": by_atom,
        "phonon_dos": by_atom.sum(axis=0),
    }
