"""Interpolated bands: what epw.x writes with ``band_plot = .true.`` and a path in ``filkf`` and ``filqf``."""

from pathlib import Path

from invdesflow.espresso.parsers.plot_bands import PlotBands, read_plot_bands

__all__ = ["read_electron_bands", "read_phonon_bands"]


def read_electron_bands(path: Path) -> PlotBands:
    """Read ``band.eig``: energies in eV.

    Raises
    ------
    EspressoError
        If the file is missing, truncated or of another kind.
    """
    return read_plot_bands(path, "electron bands of epw.x")


def read_phonon_bands(path: Path) -> PlotBands:
    """Read ``phband.freq``: frequencies in meV.

    Raises
    ------
    EspressoError
        If the file is missing, truncated or of another kind.
    """
    return read_plot_bands(path, "phonon bands of epw.x")
