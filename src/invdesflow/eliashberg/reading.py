"""Reading alpha2F from the files of EPW, of Quantum ESPRESSO, and from tables of two columns."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from invdesflow.eliashberg.formats import LAYOUTS, Layout, Rows, read_rows
from invdesflow.eliashberg.spectrum import Alpha2F
from invdesflow.eliashberg.units import MEV_PER_UNIT, UNITS, EnergyUnit
from invdesflow.errors import SpectrumError

__all__ = ["SpectrumFile", "read_alpha2f", "read_spectra"]

FloatArray = NDArray[np.float64]

_AGREEMENT = 1e-3
"""Largest relative difference between lambda of a file's curve and the lambda that its program wrote below it."""

_ZERO = 1e-3
"""Share of the maximum that alpha2F may have at zero energy, where it must vanish."""

_TAIL = 1e-2
"""Share of the maximum that alpha2F may have in the last row: programs go on above the highest phonon."""


@dataclass(frozen=True, slots=True)
class SpectrumFile:
    """What a file holds.

    Attributes
    ----------
    format
        Name of the format.
    spectra
        alpha2F, one for each smearing in the file.
    smearings, smearing_unit
        What these smearings are, as the file says it; empty where there is one spectrum.
    branches
        Share of each phonon branch in alpha2F, in the order of their frequencies, at the energies of the spectrum,
        shape (branches, n); no branches where the file does not tell them apart.
    """

    format: str
    spectra: tuple[Alpha2F, ...]
    smearings: tuple[float, ...]
    smearing_unit: str
    branches: FloatArray

    def spectrum(self, smearing: int = 1) -> Alpha2F:
        """Spectrum of a smearing, counted from 1.

        Raises
        ------
        SpectrumError
            If there is no such smearing.
        """
        if not 1 <= smearing <= len(self.spectra):
            raise SpectrumError(
                f"There is no smearing {smearing} in {self.format}.", f"Choose one from 1 to {len(self.spectra)}."
            )
        return self.spectra[smearing - 1]


def read_alpha2f(path: Path, units: EnergyUnit | None = None, smearing: int = 1) -> Alpha2F:
    """Read one spectrum.

    Parameters
    ----------
    path, units
        See `read_spectra`.
    smearing
        Which of the smearings in the file, counted from 1.

    Raises
    ------
    SpectrumError
        If the file cannot be read (see `read_spectra`), or has no such smearing.
    """
    return read_spectra(path, units).spectrum(smearing)


def read_spectra(path: Path, units: EnergyUnit | None = None) -> SpectrumFile:
    """Read every spectrum of a file, whose format is recognised by its content.

    Formats are EPW's ``.a2f``, ``.a2f_iso``, ``.a2f_proj`` and the ``.a2f.*`` of its phonon self-energy, ``a2F.dos*``
    of matdyn.x, ``alpha2F.dat`` of lambda.x, and two columns of numbers.

    Parameters
    ----------
    path
        File to read.
    units
        Unit of the energies of two columns; the programs' own files say theirs.

    Raises
    ------
    SpectrumError
        If the file is missing, foreign, truncated or damaged, contradicts its own lambda, or holds no spectrum
        (`Alpha2F`); one line that names file and line.
    """
    if ".a2f_tr" in path.name:
        raise SpectrumError(f"{path} is EPW's transport spectral function.", "Give its .a2f file.")
    rows = read_rows(path)
    layout = next((layout for layout in LAYOUTS if layout.recognises(rows)), None)
    if layout is None:
        return _two_columns(path, rows, units)
    if units is not None:
        raise SpectrumError(f"{path} is {layout.name} and says its unit itself.", "Leave the unit out.")
    energies = rows.numbers[:, 0] * MEV_PER_UNIT[layout.unit]
    columns = list(layout.columns(rows))
    if max(columns, default=0) >= rows.numbers.shape[1]:
        raise SpectrumError(f"{path} lacks columns that {layout.name} has.", "It is cut off: write it again.")
    spectra = tuple(_spectrum(path, energies, rows.numbers[:, column]) for column in columns)
    _check_complete(path, layout, rows, spectra)
    branches = rows.numbers[energies > 0.0][:, layout.branches(rows)].T
    return SpectrumFile(layout.name, spectra, layout.smearings(rows), layout.smearing_unit, branches)


def _two_columns(path: Path, rows: Rows, units: EnergyUnit | None) -> SpectrumFile:
    count = rows.numbers.shape[1]
    if count != 2:
        raise SpectrumError(
            f"{path} has {count} columns and is no file of EPW or Quantum ESPRESSO that we know.",
            "Keep the columns of energy and alpha2F.",
        )
    if units is None:
        raise SpectrumError(f"{path} does not say the unit of its energies.", f"Give it: {', '.join(UNITS)}.")
    spectrum = _spectrum(path, rows.numbers[:, 0] * MEV_PER_UNIT[units], rows.numbers[:, 1])
    return SpectrumFile("two columns", (spectrum,), (), "", np.empty((0, len(spectrum.values))))


def _spectrum(path: Path, energies: FloatArray, values: FloatArray) -> Alpha2F:
    """Leave out the rows below and at zero energy, where there must be nothing."""
    below = energies < 0.0
    if (np.abs(values[below]) > 0.0).any():
        raise SpectrumError(
            f"{path}: alpha2F is not zero at negative energies: there are imaginary phonons.",
            "Relax the structure or use denser meshes; an unstable crystal has no Tc.",
        )
    at_zero = energies == 0.0
    if (np.abs(values[at_zero]) > _ZERO * np.abs(values).max(initial=0.0)).any():
        raise SpectrumError(
            f"{path}: alpha2F is not zero at zero energy, so lambda is infinite.", "Use a smaller smearing."
        )
    positive = ~(below | at_zero)
    try:
        return Alpha2F(energies[positive], values[positive])
    except SpectrumError as error:
        raise SpectrumError(f"{path}: {error.problem}", error.remedy) from error


def _check_complete(path: Path, layout: Layout, rows: Rows, spectra: tuple[Alpha2F, ...]) -> None:
    if not layout.lambda_label:
        if any(spectrum.values[-1] > _TAIL * spectrum.values.max() for spectrum in spectra):
            raise SpectrumError(f"{path} ends below the highest phonon: it is truncated.", "Write it again.")
        return
    for spectrum, stated in zip(spectra, layout.stated_lambdas(path, rows), strict=False):
        if abs(spectrum.lambda_ - stated) > _AGREEMENT * stated:
            raise SpectrumError(
                f"{path}: the curve gives lambda = {spectrum.lambda_:.4f}, but the file says {stated:.4f}.",
                "It is incomplete or was edited: write it again.",
            )
