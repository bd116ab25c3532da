"""Measure Tc against mu*: our Eliashberg solver against bisections with epw.x, on the same spectrum in one run.

Usage: python benchmarks/eliashberg.py [FILE] [--values 20] [--tolerance 0.005]

FILE is a .a2f_iso of EPW; without one, a spectrum like that of MgB2 is used. Both take mu* as it is at the same
cutoff, ten times the highest phonon energy. For each mu*, epw.x is bracketed within 30 % of McMillan's formula and
bisected until Tc is known to the tolerance; its Pade approximants are off. Printed: both times, their ratio, and the
largest difference in Tc.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from invdesflow.eliashberg.critical_temperature import critical_temperature
from invdesflow.eliashberg.formulas import mcmillan_tc
from invdesflow.eliashberg.pairing import Pairing
from invdesflow.eliashberg.reading import read_alpha2f
from invdesflow.eliashberg.spectrum import Alpha2F
from invdesflow.testing.isotropic_epw import epw_tc

CUTOFF = 10.0
REPETITIONS = 5  # of our scan, which is so short that other work on the machine shows; the median counts
LOWER, UPPER, WIDER = 0.7, 1.3, 1.5


def example() -> Alpha2F:
    """Return three broad peaks between 30 and 90 meV, lambda 0.9."""
    energies = np.arange(1, 501) * 0.24
    peaks = ((35.0, 6.0, 0.25), (64.0, 5.0, 1.0), (90.0, 5.0, 0.5))
    values = sum(height * np.exp(-0.5 * ((energies - centre) / width) ** 2) for centre, width, height in peaks)
    spectrum = Alpha2F(energies, values * (1.0 - np.exp(-((energies / 35.0) ** 2))))
    return spectrum.scaled(0.9 / spectrum.lambda_)


def epw_scan(spectrum: Alpha2F, mu_stars: np.ndarray, cutoff_mev: float, tolerance: float) -> list[float]:
    """Tc in K for each mu*, widening the bracket where McMillan's formula is far off."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for mu_star in mu_stars:
            guess = float(mcmillan_tc(spectrum.lambda_, spectrum.omega_log_mev, mu_star))
            low, high = LOWER * guess, UPPER * guess
            while True:
                try:
                    tc = epw_tc(
                        Path(folder),
                        spectrum,
                        mu_star,
                        cutoff_mev,
                        bracket_k=(low, high),
                        tolerance_k=tolerance * guess,
                        threshold=1e-5,  # what epw.x takes by itself
                    )
                except ValueError:
                    low, high = low / WIDER, high * WIDER
                    continue
                found.append(tc)
                break
    return found


def main() -> None:
    """Run both and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--values", type=int, default=20)
    parser.add_argument("--tolerance", type=float, default=0.005)
    options = parser.parse_args()
    spectrum = example() if options.file is None else read_alpha2f(options.file)
    mu_stars = np.linspace(0.05, 0.2, options.values)
    cutoff = CUTOFF * spectrum.omega_max_mev
    print(f"lambda {spectrum.lambda_:.3f}, omega_log {spectrum.omega_log_mev:.2f} meV")
    print(f"mu* from {mu_stars[0]:g} to {mu_stars[-1]:g}, cutoff {cutoff:.0f} meV")
    ours, durations = [], []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        ours = [critical_temperature(Pairing(spectrum, mu_star, cutoff)) for mu_star in mu_stars]
        durations.append(time.perf_counter() - start)
    ours_s = statistics.median(durations)
    start = time.perf_counter()
    theirs = epw_scan(spectrum, mu_stars, cutoff, options.tolerance)
    theirs_s = time.perf_counter() - start
    difference = max(abs(a - b) / b for a, b in zip(ours, theirs, strict=True))
    print(f"ours:  {options.values} Tc in {ours_s:.3f} s, from {ours[0]:.3f} to {ours[-1]:.3f} K")
    print(f"epw.x: {options.values} Tc in {theirs_s:.1f} s, from {theirs[0]:.3f} to {theirs[-1]:.3f} K")
    print(f"ratio {theirs_s / ours_s:.0f}, largest difference in Tc {difference:.2%}")


if __name__ == "__main__":
    main()
