"""The solver against epw.x, run here on the same spectra with the same mu* and the same cutoff."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import spectra

from invdesflow.eliashberg.critical_temperature import critical_temperature
from invdesflow.eliashberg.formulas import mcmillan_tc
from invdesflow.eliashberg.migdal_eliashberg import gap_function
from invdesflow.eliashberg.pade import PadeApproximant, gap_edge
from invdesflow.eliashberg.pairing import Pairing
from invdesflow.eliashberg.spectrum import Alpha2F
from invdesflow.testing.isotropic_epw import epw_tc, run_epw

needs_epw = pytest.mark.skipif(shutil.which("epw.x") is None, reason="epw.x is not installed")

# Spectrum, mu*, cutoff in meV.
CASES = {
    "weak": (spectra.hydride(0.40), 0.10, 1000.0),
    "aluminium": (spectra.aluminium(), 0.10, 300.0),
    "MgB2": (spectra.magnesium_diboride(), 0.10, 1000.0),
    "lambda 1, without repulsion": (spectra.soft(1.0), 0.0, 100.0),
    "lambda 2": (spectra.hydride(2.0), 0.16, 2000.0),
    "lambda 4": (spectra.soft(4.0), 0.13, 120.0),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Alpha2F, float, float]:
    return CASES[request.param]


@needs_epw
def test_gaps_agree(case: tuple[Alpha2F, float, float], tmp_path: Path) -> None:
    spectrum, mu_star, cutoff = case
    pairing = Pairing(spectrum, mu_star, cutoff)
    tc = critical_temperature(pairing)
    assert tc is not None
    for share in (0.2, 0.9):
        run, ours = run_epw(tmp_path, *case, share * tc), gap_function(pairing, share * tc)
        assert ours is not None
        assert ours.gap_mev[0] == pytest.approx(run.gap_mev, rel=1e-4)
    assert run.lambda_ == pytest.approx(spectrum.lambda_, rel=1e-5)
    assert run.omega_log_mev == pytest.approx(spectrum.omega_log_mev, rel=1e-5)
    assert run.allen_dynes_tc_k == pytest.approx(
        float(mcmillan_tc(spectrum.lambda_, spectrum.omega_log_mev, mu_star)), abs=1e-3
    )


@needs_epw
def test_critical_temperatures_agree(case: tuple[Alpha2F, float, float], tmp_path: Path) -> None:
    ours = critical_temperature(Pairing(*case))
    assert ours is not None
    theirs = epw_tc(tmp_path, *case, bracket_k=(0.96 * ours, 1.04 * ours), tolerance_k=0.004 * ours)
    assert ours == pytest.approx(theirs, rel=0.005)


@needs_epw
@pytest.mark.parametrize("name", ["aluminium", "MgB2", "lambda 2"])
def test_gaps_on_the_real_axis_agree(name: str, tmp_path: Path) -> None:
    pairing = Pairing(*CASES[name])
    tc = critical_temperature(pairing)
    assert tc is not None
    run, ours = run_epw(tmp_path, *CASES[name], 0.2 * tc, npade=30), gap_function(pairing, 0.2 * tc)
    assert ours is not None
    approximant = PadeApproximant(ours.frequencies_mev[:40], ours.gap_mev[:40])
    energies, gaps = run.real_axis()
    below = (
        energies < run.gap_edge_mev
    )  # above it, among the phonons, Pade approximants are good to a few per cent only
    np.testing.assert_allclose(
        [approximant(complex(energy)).real for energy in energies[below]], gaps[below], rtol=0.005
    )
    assert gap_edge(ours) == pytest.approx(run.gap_edge_mev, rel=0.005)
