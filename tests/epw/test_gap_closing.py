"""Tc from gaps at a few temperatures, against gaps of which it is known."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq

from invdesflow.eliashberg.critical_temperature import critical_temperature
from invdesflow.eliashberg.migdal_eliashberg import gap_function
from invdesflow.eliashberg.pade import gap_edge
from invdesflow.eliashberg.pairing import Pairing
from invdesflow.eliashberg.spectrum import Alpha2F
from invdesflow.epw.gap_closing import gap_closing_tc
from invdesflow.epw.outputs import GapOutput

TC_K = 36.0
DELTA_0 = np.pi / np.exp(np.euler_gamma)  # weak coupling, units of k_B Tc


def bcs_gap(reduced: float) -> float:
    """Solve the gap equation of weak coupling at T / Tc; units of the gap at zero."""

    def missing(gap: float) -> float:
        def integrand(energy: float) -> float:
            root = np.hypot(energy, gap)
            return (1.0 / root) * 2.0 / (np.exp(root * DELTA_0 / reduced) + 1.0)

        return float(np.log(gap)) + quad(integrand, 0.0, 60.0, limit=500)[0]

    return float(brentq(missing, 1e-3, 1.0))


def gap(temperature_k: float, largest_mev: float | None, *, vanished: bool | None = None) -> GapOutput:
    return GapOutput(
        task_id="qe-1",
        temperature_k=temperature_k,
        converged=largest_mev is not None,
        vanished=largest_mev is None if vanished is None else vanished,
        gap_min_mev=None if largest_mev is None else 0.3 * largest_mev,
        gap_max_mev=largest_mev,
        gap_mean_mev=None if largest_mev is None else 0.5 * largest_mev,
        reason="" if largest_mev is not None else "It says why.",
    )


def unknown(temperature_k: float) -> GapOutput:
    return gap(temperature_k, None, vanished=False)


@pytest.mark.parametrize(
    ("fractions", "within"), [([0.25, 0.5, 0.75, 0.9], 0.005), ([0.5, 0.6], 0.03), ([0.9, 0.97], 0.005)]
)
def test_gaps_of_weak_coupling_close_at_their_tc(fractions: list[float], within: float) -> None:
    gaps = [gap(TC_K * t, 6.8 * bcs_gap(t)) for t in fractions] + [gap(TC_K * 1.1, None), gap(TC_K * 1.2, None)]
    tc_k, reason = gap_closing_tc(gaps[::-1])
    assert reason == ""
    assert tc_k == pytest.approx(TC_K, rel=within)


@pytest.mark.parametrize(
    ("gaps", "tc_k"),
    [
        ([(1.270, 0.4794394), (1.905, 0.4418788), (2.541, 0.3469801), (3.176, None)], 3.1757),  # aluminium
        ([(47.083, 27.70863), (94.166, 25.80245), (125.555, 20.02219), (172.638, None)], 156.943),  # H3S
        ([(125.555, 20.02219), (141.249, 14.83588), (172.638, None)], 156.943),
        ([(141.249, 14.83588), (156.943, 0.02198286), (172.638, None)], 156.943),
    ],
)
def test_gaps_of_epw_close_where_the_linearised_equations_have_their_tc(
    gaps: list[tuple[float, float | None]], tc_k: float
) -> None:
    """Isotropic gaps that epw.x found, and Tc of `critical_temperature` from the same alpha2F and mu*."""
    found, reason = gap_closing_tc([gap(*one) for one in gaps])
    assert reason == ""
    assert found == pytest.approx(tc_k, rel=0.015)


def test_temperatures_at_which_nothing_is_known_change_nothing() -> None:
    gaps = [gap(TC_K * t, 6.8 * bcs_gap(t)) for t in (0.75, 0.9)] + [gap(TC_K * 1.1, None)]
    assert gap_closing_tc([*gaps, unknown(TC_K * 0.5), unknown(TC_K * 0.95), unknown(TC_K * 1.2)]) == gap_closing_tc(
        gaps
    )


@pytest.mark.parametrize("lambda_", [0.6, 1.0, 2.0])
def test_gaps_of_strong_coupling_close_at_their_tc(lambda_: float) -> None:
    energies = np.arange(1.0, 201.0)
    spectrum = Alpha2F(energies, np.exp(-0.5 * ((energies - 120.0) / 25.0) ** 2))
    pairing = Pairing.allen_dynes(spectrum.scaled(lambda_ / spectrum.lambda_), 0.1, 8.0)
    tc_k = critical_temperature(pairing)
    gaps = [gap(tc_k * t, gap_edge(gap_function(pairing, tc_k * t))) for t in (0.6, 0.75)] + [gap(1.3 * tc_k, None)]
    assert gap_closing_tc(gaps) == (pytest.approx(tc_k, rel=0.03), "")


@pytest.mark.parametrize(
    ("gaps", "said"),
    [
        ([], "epw.x is not asked for temperatures below 0.2 K"),
        ([gap(10.0, None)], "no gap was found at any of the temperatures"),
        ([unknown(10.0)], "no gap was found at any of the temperatures; epw.x did not converge at 10 K"),
        (
            [gap(5.0, 5.0), gap(10.0, 4.0), unknown(20.0), unknown(15.0)],
            "there is still a gap at 10 K; epw.x did not converge at 15, 20 K",
        ),
        ([gap(10.0, 5.0), gap(20.0, 4.0)], "there is still a gap at 20 K"),
        ([gap(10.0, None), gap(20.0, 4.0)], "there is still a gap at 20 K"),  # one run that failed below Tc
        ([gap(10.0, 5.0), gap(20.0, None)], "it lies between 10 and 20 K, and one gap tells no more"),
        (
            [gap(10.0, 4.0), gap(15.0, 4.0), gap(20.0, None)],
            "it lies between 15 and 20 K, and the gap does not fall towards it",
        ),
        (
            [gap(10.0, 5.0), gap(15.0, 4.9), gap(20.0, None)],
            "it lies between 15 and 20 K, and the gap does not fall so fast",
        ),
    ],
)
def test_gaps_that_do_not_hold_tc_give_none_and_say_why(gaps: list[GapOutput], said: str) -> None:
    assert gap_closing_tc(gaps) == (None, said)
