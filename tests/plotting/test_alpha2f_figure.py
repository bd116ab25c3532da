"""What the figures of alpha2F show."""

import numpy as np
import pytest

from invdesflow.eliashberg.estimates import tc_estimates
from invdesflow.eliashberg.pairing import Pairing
from invdesflow.eliashberg.spectrum import Alpha2F
from invdesflow.plotting.alpha2f import alpha2f_figure, eliashberg_figure, tc_figure


@pytest.fixture
def spectrum():
    energies = np.arange(1, 301) * 0.2
    return Alpha2F(energies, np.exp(-0.5 * ((energies - 30.0) / 5.0) ** 2))


@pytest.fixture
def estimates(spectrum):
    return [tc_estimates(Pairing.allen_dynes(spectrum, mu_star)) for mu_star in (0.0, 0.1, 0.2)]


def test_alpha2f_and_cumulative_lambda_on_two_axes(spectrum):
    curve, cumulative = alpha2f_figure(spectrum).data
    assert curve.yaxis != cumulative.yaxis
    np.testing.assert_array_equal(curve.y, spectrum.values)
    assert cumulative.y[-1] == pytest.approx(spectrum.lambda_)


def test_axes_hold_all_of_the_curves(spectrum):
    layout = alpha2f_figure(spectrum).layout
    assert layout.yaxis.range[1] > spectrum.values.max()
    assert layout.yaxis2.range[1] > spectrum.lambda_
    assert layout.xaxis.range[1] > spectrum.omega_max_mev
    assert layout.shapes[0].x0 == pytest.approx(spectrum.omega_log_mev)


def test_tc_by_every_method(estimates):
    figure = tc_figure(estimates)
    assert [trace.name for trace in figure.data] == ["Eliashberg", "Allen-Dynes", "McMillan", "SISSO"]
    np.testing.assert_allclose(figure.data[0].y, [estimate.eliashberg_k for estimate in estimates])
    assert {trace.line.dash for trace in figure.data} == {"solid", "dash", "dot", "dashdot"}


def test_a_method_without_an_answer_leaves_a_gap(spectrum):
    none = tc_estimates(Pairing.allen_dynes(spectrum.scaled(0.02), 0.2))
    assert tc_figure([none]).data[0].y == (None,)


def test_both_side_by_side(spectrum, estimates):
    figure = eliashberg_figure(spectrum, estimates)
    assert len(figure.data) == 6
    assert figure.layout.xaxis.title.text == "phonon energy (meV)"
    assert figure.layout.xaxis2.title.text == "μ*"
