"""Spectra for the tests, on the grid i * d that epw.x asks for."""

import numpy as np

from invdesflow.eliashberg.spectrum import Alpha2F


def peaks(highest_mev: float, lambda_: float, *shapes: tuple[float, float, float]) -> Alpha2F:
    """Gaussians (centre, width in meV, height) that vanish at zero energy like acoustic phonons, of a given lambda."""
    energies = np.arange(1, 501) * highest_mev / 500
    values = sum(height * np.exp(-0.5 * ((energies - centre) / width) ** 2) for centre, width, height in shapes)
    values *= 1.0 - np.exp(-((energies / shapes[0][0]) ** 2))
    spectrum = Alpha2F(energies, values)
    return spectrum.scaled(lambda_ / spectrum.lambda_)


def aluminium() -> Alpha2F:
    return peaks(45.0, 0.42, (22.0, 4.0, 0.35), (36.0, 1.8, 0.75))


def magnesium_diboride() -> Alpha2F:
    return peaks(120.0, 0.73, (35.0, 6.0, 0.25), (64.0, 5.0, 1.0), (90.0, 5.0, 0.5))


def hydride(lambda_: float) -> Alpha2F:
    return peaks(260.0, lambda_, (60.0, 12.0, 0.3), (130.0, 25.0, 0.8), (200.0, 15.0, 0.9))


def soft(lambda_: float) -> Alpha2F:
    return peaks(12.0, lambda_, (4.0, 0.6, 0.8), (8.5, 0.7, 0.8))


def einstein(energy_mev: float, lambda_: float) -> Alpha2F:
    """One phonon energy: only the middle point couples."""
    spectrum = Alpha2F(np.array([0.99, 1.0, 1.01]) * energy_mev, np.array([0.0, 1.0, 0.0]))
    return spectrum.scaled(lambda_ / spectrum.lambda_)
