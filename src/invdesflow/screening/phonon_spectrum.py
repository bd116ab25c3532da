"""What the force constants of a crystal say: its frequencies, and which of them are imaginary."""

import numpy as np
from numpy.typing import NDArray
from phonopy import Phonopy
from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Lattice

from invdesflow.screening.phonon_cells import irreducible_wave_vectors

__all__ = ["ImaginaryMode", "Spectrum", "find_spectrum"]


class ImaginaryMode(BaseModel):
    """A mode along which the energy falls."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    q: tuple[float, float, float] = Field(description="wave vector in reciprocal vectors of the primitive cell")
    frequency_thz: float = Field(lt=0, description="minus the modulus of the imaginary frequency (THz)")
    interpolated: bool = Field(description="q need not fit the supercell: a point of the band path")


class Spectrum(BaseModel):
    """Frequencies of a crystal; imaginary ones are given as negative numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    acoustic_thz: list[float] = Field(description="acoustic modes at Gamma before the sum rule is imposed (THz)")
    lowest_thz: float = Field(description="lowest frequency where q fits the supercell, acoustic at Gamma left out")
    highest_thz: float = Field(description="highest frequency where q fits the supercell (THz)")
    lowest_interpolated_thz: float | None = Field(
        description="lowest frequency on the band path, out of the neighbourhood of Gamma (THz); none if that is all"
    )
    imaginary_modes: list[ImaginaryMode] = Field(
        description="where q fits the supercell all, at one q of each star; of each segment of the band path the lowest"
    )


def find_spectrum(phonon: Phonopy, path: list[NDArray[np.float64]], imaginary_tolerance: float) -> Spectrum:
    """Compute the frequencies of a crystal and collect the imaginary ones.

    Parameters
    ----------
    phonon
        With force constants; on return they obey the acoustic sum rule and the symmetry of exchange.
    path
        Wave vectors of each segment of the band path.
    imaginary_tolerance
        Imaginary frequencies up to this are left out (THz).
    """
    acoustic, _ = _gamma(phonon)
    phonon.symmetrize_force_constants(show_drift=False)
    _, optical = _gamma(phonon)
    operations = np.asarray(phonon.primitive_symmetry.reciprocal_operations)
    points = irreducible_wave_vectors(np.asarray(phonon.supercell_matrix), operations)
    exact = [phonon.run_qpoints([q]).frequencies[0] if q.any() else optical for q in points]
    # Nearer to Gamma than any exact frequency, the interpolation bends acoustic branches below zero.
    between = [segment[_lengths(phonon, segment) > _shortest_exact(phonon) - 1e-6] for segment in path]
    path = [segment for segment in between if len(segment)]
    bands = [phonon.run_qpoints(segment).frequencies for segment in path]
    found = [
        *((q, frequency, False) for q, at_q in zip(points, exact, strict=True) for frequency in at_q),
        *((q[band.min(axis=1).argmin()], band.min(), True) for q, band in zip(path, bands, strict=True)),
    ]
    return Spectrum(
        acoustic_thz=acoustic.tolist(),
        lowest_thz=np.concatenate(exact).min(),
        highest_thz=np.concatenate(exact).max(),
        lowest_interpolated_thz=min((band.min() for band in bands), default=None),
        imaginary_modes=[
            ImaginaryMode(q=tuple(q), frequency_thz=frequency, interpolated=interpolated)
            for q, frequency, interpolated in found
            if frequency < -imaginary_tolerance
        ],
    )


def _lengths(phonon: Phonopy, wave_vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the lengths of wave vectors, without 2 pi (1/Angstrom)."""
    return np.asarray(np.linalg.norm(wave_vectors @ np.linalg.inv(phonon.primitive.cell).T, axis=1))


def _shortest_exact(phonon: Phonopy) -> float:
    """Return the length of the shortest wave vector that fits the supercell, without 2 pi (1/Angstrom)."""
    reciprocal = Lattice(phonon.supercell.cell).reciprocal_lattice_crystallographic
    return float(min(reciprocal.get_niggli_reduced_lattice().abc))


def _gamma(phonon: Phonopy) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Part the frequencies at Gamma (THz) into the three that are most like rigid translations and the others."""
    at_gamma = phonon.run_qpoints([[0.0, 0.0, 0.0]], with_eigenvectors=True)
    translations = np.kron(np.sqrt(phonon.primitive.masses / phonon.primitive.masses.sum())[:, None], np.eye(3))
    likeness = (np.abs(translations.T @ at_gamma.eigenvectors[0]) ** 2).sum(axis=0)
    order = np.argsort(likeness)
    frequencies = at_gamma.frequencies[0]
    return np.sort(frequencies[order[-3:]]), np.sort(frequencies[order[:-3]])
