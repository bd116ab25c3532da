"""Numbers in the figures of an electron-phonon calculation whose physics is known."""

import math

import numpy as np
import pytest
import synthetic_coupling as synthetic

from invdesflow.epw.documents import CriticalTemperature
from invdesflow.errors import ConfigurationError
from invdesflow.plotting.critical_temperatures import METHOD_LABELS, critical_temperature_figure
from invdesflow.plotting.electron_bands import electron_bands_figure
from invdesflow.plotting.electron_phonon_figures import FIGURES, electron_phonon_figure, electron_phonon_figures
from invdesflow.plotting.files import write_figure
from invdesflow.plotting.gaps import gap_distributions, gap_figure
from invdesflow.plotting.mesh_convergence import mesh_convergence_figure, mesh_text
from invdesflow.plotting.phonon_bands import dos_by_element, phonon_bands_figure
from invdesflow.plotting.wave_vector_path import WaveVectorPath, special_point_html


@pytest.fixture(scope="module")
def arrays():
    return synthetic.arrays()


@pytest.fixture(scope="module")
def document():
    return synthetic.document()


def named(figure, name):
    (trace,) = (trace for trace in figure.data if trace.name == name)
    return trace


def test_special_points(arrays):
    path = WaveVectorPath.of(arrays, "phonon")
    assert list(path.ticks.values()) == ["Γ", "X", "M|R", "Γ", "Σ<sub>0</sub>"]
    to_x, to_m = math.pi / synthetic.A, 2 * math.pi / synthetic.A
    assert list(path.ticks)[:3] == pytest.approx([0.0, to_x, to_m])
    assert special_point_html("<b>") == "&lt;b&gt;"


def test_lines_are_broken_at_jumps_and_between_bands(arrays):
    path = WaveVectorPath.of(arrays, "phonon")
    (jump,) = path.jumps
    np.testing.assert_allclose(arrays["phonon_q_points"][jump - 1 : jump + 1], [[0.5, 0.5, 0], [0.5, 0.5, 0.5]])
    n = len(path.distances)
    x, y = path.lines(np.column_stack([np.arange(n), np.arange(n) + 1000.0]))
    assert len(x) == len(y) == 2 * (n + 2)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(y)), [jump, n + 1, n + 2 + jump, 2 * n + 3])
    np.testing.assert_array_equal(y[np.isfinite(y)], [*range(n), *range(1000, 1000 + n)])
    np.testing.assert_array_equal(x[np.isfinite(x)], np.tile(path.distances, 2))


def test_electron_bands(arrays):
    figure = electron_bands_figure(arrays)
    lines, dots = named(figure, "pw.x"), named(figure, "Wannier functions")
    assert (lines.mode, dots.mode) == ("lines", "markers")
    assert np.nanmin(lines.y) == pytest.approx(-synthetic.FERMI_EV)
    assert np.nanmin(dots.y) == pytest.approx(-synthetic.FERMI_EV + 0.01)
    quarter = np.flatnonzero(np.isclose(lines.x, math.pi / synthetic.A))[0]  # X: half a reciprocal vector
    assert lines.y[quarter] == pytest.approx(3.81 * (math.pi / synthetic.A) ** 2 - synthetic.FERMI_EV, rel=1e-3)
    low, high = figure.layout.yaxis.range
    assert low < -synthetic.FERMI_EV < 0 < high
    assert figure.layout.yaxis.matches or figure.layout.yaxis2.matches


def test_electron_density_of_states_holds_the_electrons(arrays):
    density = named(electron_bands_figure(arrays), "density of states")
    occupied = np.asarray(density.y) <= 0
    k_fermi = math.sqrt(synthetic.FERMI_EV / synthetic.EV_PER_SQUARE_WAVE_NUMBER)
    electrons = np.trapezoid(np.asarray(density.x)[occupied], np.asarray(density.y)[occupied])
    assert electrons == pytest.approx(synthetic.A**3 * k_fermi**3 / (3 * math.pi**2), rel=0.01)


def test_phonons_in_mev(arrays):
    bands = named(phonon_bands_figure(arrays, synthetic.STRUCTURE), "phonons")
    assert np.nanmax(bands.y) == pytest.approx(synthetic.DEBYE_MEV["C"])
    assert np.nanmax(bands.customdata) == pytest.approx(8065.544e-3 * synthetic.DEBYE_MEV["C"], rel=1e-6)


def test_density_of_states_of_each_element_holds_its_modes(arrays):
    figure = phonon_bands_figure(arrays, synthetic.STRUCTURE)
    for name, modes in {"Mg": 3, "C": 3, "Ni": 9, "all": 15}.items():
        trace = named(figure, name)
        assert np.trapezoid(trace.x, trace.y) == pytest.approx(modes, rel=0.01)
    ends = {
        name: max(np.asarray(named(figure, name).y)[np.asarray(named(figure, name).x) > 0]) for name in ("Mg", "Ni")
    }
    assert ends == pytest.approx({"Mg": 30.0, "Ni": 40.0})


def test_an_element_alone_is_drawn_once():
    structure = synthetic.STRUCTURE.copy()
    structure.remove_species(["C", "Mg"])
    assert list(dos_by_element(np.ones((3, 4)), structure)) == ["Ni"]
    with pytest.raises(ValueError, match="zip"):
        dos_by_element(np.ones((2, 4)), structure)


def test_dots_are_the_couplings_at_their_phonons(arrays):
    dots = named(phonon_bands_figure(arrays, synthetic.STRUCTURE), "λ<sub>qν</sub>")  # noqa: RUF001
    couplings = arrays["path_lambda"]
    assert len(dots.x) == (couplings > 0).sum()
    assert max(dots.marker.color) == pytest.approx(synthetic.LAMBDA)
    np.testing.assert_array_equal(dots.marker.size, dots.marker.color)
    assert dots.marker.sizemode == "area"
    # At X, half-way along the first coordinate axis that the coupling does not depend on, every phonon has all of it.
    at_x = np.isclose(dots.x, math.pi / synthetic.A)
    assert at_x.sum() == 15
    np.testing.assert_allclose(np.asarray(dots.marker.color)[at_x], synthetic.LAMBDA)


def test_couplings_that_diverge_near_gamma_do_not_set_the_scale(arrays):
    couplings = arrays["path_lambda"].copy()
    couplings[2, 0] = 50.0  # acoustic and close to Gamma
    couplings[30, 4] = 1.1  # far from it
    dots = named(phonon_bands_figure(arrays | {"path_lambda": couplings}, synthetic.STRUCTURE), "λ<sub>qν</sub>")  # noqa: RUF001
    assert max(dots.marker.color) == 50.0  # the value itself is told on hovering
    assert max(dots.marker.size) == dots.marker.cmax == 1.1
    assert dots.marker.colorbar.ticktext == ("0", "0.55", "≥ 1.1")
    optical = arrays["path_lambda"].copy()
    optical[2, 4] = 50.0
    dots = named(phonon_bands_figure(arrays | {"path_lambda": optical}, synthetic.STRUCTURE), "λ<sub>qν</sub>")  # noqa: RUF001
    assert max(dots.marker.size) == 50.0
    assert dots.marker.colorbar.ticktext[-1] == "50"


def test_without_couplings_there_are_only_lines(arrays):
    plain = {name: value for name, value in arrays.items() if name != "path_lambda"}
    figure = phonon_bands_figure(plain, synthetic.STRUCTURE)
    assert [trace.mode for trace in figure.data] == ["lines"] * 5
    nothing = plain | {"path_lambda": np.full(arrays["path_lambda"].shape, np.nan)}
    assert len(phonon_bands_figure(nothing, synthetic.STRUCTURE).data) == 5


def test_imaginary_phonons_lie_below_zero_and_are_named():
    document, arrays = synthetic.unstable()
    figure = electron_phonon_figure(document, arrays, "phonons")
    bands = named(figure, "phonons")
    assert np.nanmin(bands.y) == pytest.approx(-120 * synthetic.MEV_PER_CM1)
    assert figure.layout.yaxis.range[0] < np.nanmin(bands.y)
    assert [note.text for note in figure.layout.annotations] == ["imaginary"]
    stable = phonon_bands_figure(synthetic.arrays(), synthetic.STRUCTURE)
    assert not stable.layout.annotations
    assert stable.layout.yaxis.range[0] == 0


def test_alpha2f_ends_at_lambda(document, arrays):
    figure = electron_phonon_figure(document, arrays, "alpha2f")
    assert named(figure, "λ(ω)").y[-1] == pytest.approx(synthetic.LAMBDA, rel=0.005)
    assert figure.layout.shapes[0].x0 == pytest.approx(synthetic.CUT_MEV * math.exp(-0.5), rel=0.005)


def test_gap_distributions_begin_at_their_temperatures(arrays):
    figure = gap_figure(synthetic.gaps(), arrays, synthetic.TC)
    drawn = [trace for trace in figure.data if trace.legendgroup == "distribution"]
    assert [min(trace.x) for trace in drawn] == [2.0, 4.0, 6.0]
    for trace, temperature in zip(drawn, (2.0, 4.0, 6.0), strict=True):
        assert 2.0 > max(trace.x) - temperature > 1.0  # it does not reach the next one
        most_frequent = trace.y[int(np.argmax(trace.x))]
        assert most_frequent == pytest.approx(synthetic.gap_at(temperature, 0.7), abs=0.01)
    assert [trace.showlegend for trace in drawn] == [True, False, False]
    assert figure.layout.shapes[0].x0 == synthetic.TC


def test_distributions_keep_what_lies_between_their_gaps_and_end_on_the_paper():
    gap = np.arange(10.0)
    density = np.array([0, 0, 1.0, 0, 0, 0, 0.5, 0, 0, 0])
    figure = gap_figure([], {"gap_3": gap, "gap_density_3": density})
    (trace,) = figure.data
    assert list(trace.y) == [1, 1, 2, 3, 4, 5, 6, 7, 7]
    offsets = np.asarray(trace.x) - 3.0
    np.testing.assert_array_equal(offsets > 0, [0, 0, 1, 0, 0, 0, 1, 0, 0])
    assert figure.layout.xaxis.range[1] > max(trace.x)


def test_a_temperature_with_many_digits_is_that_of_its_distribution():
    gap = synthetic.gaps()[0].model_copy(update={"temperature_k": 7.89593373})
    figure = gap_figure([gap], {"gap_7.89593": np.arange(3.0), "gap_density_7.89593": np.array([0.0, 1.0, 0.0])})
    assert max(figure.data[0].x) - 7.89593 > 1.0


def test_temperatures_are_sorted_as_numbers():
    found = gap_distributions(
        {f"{name}_{t}": np.ones(2) for t in ("10.5", "9", "1e+02") for name in ("gap", "gap_density")}
    )
    assert list(found) == [9.0, 10.5, 100.0]


def test_gap_means_and_what_was_not_found():
    figure = gap_figure(synthetic.gaps(), {})
    assert named(figure, "isotropic gap").x == (2.0, 4.0, 6.0)
    assert named(figure, "isotropic gap").y[0] == pytest.approx(synthetic.gap_at(2.0, 1.1))
    missing = named(figure, "no gap")
    assert (missing.x, missing.customdata) == ((8.0,), ("the gap went to zero",))
    only_missing = gap_figure(synthetic.gaps()[3:], {})
    assert [trace.name for trace in only_missing.data] == ["no gap"]


def test_what_did_not_converge_is_not_drawn_as_a_gap_that_vanished():
    *below, last = synthetic.gaps()
    figure = gap_figure([*below, last.model_copy(update={"vanished": False})], {})
    assert named(figure, "unknown: not converged").marker.symbol != "x-thin"
    assert "no gap" not in [trace.name for trace in figure.data]


def test_gap_closes_at_the_tc_of_its_own_equations(document, arrays):
    assert electron_phonon_figure(document, arrays, "gap").layout.shapes[0].x0 == synthetic.TC
    isotropic = document.model_copy(update={"critical_temperatures": document.critical_temperatures[-3:]})
    line = electron_phonon_figure(isotropic, synthetic.arrays(anisotropic=False), "gap").layout.shapes[0]
    assert line.x0 == pytest.approx(11.0 * (1 - 0.3))


def test_tc_against_mu_star(document):
    figure = critical_temperature_figure(document.critical_temperatures)
    assert [trace.name for trace in figure.data] == list(METHOD_LABELS.values())
    full = named(figure, "Migdal-Eliashberg")
    assert full.x == (0.1, 0.13, 0.16)
    assert full.y == pytest.approx([9.8 * (1 - 3 * mu_star) for mu_star in full.x])


def test_a_method_without_an_answer_leaves_a_gap():
    found = [
        CriticalTemperature(method="allen_dynes", mu_star=0.1, tc_k=1.0),
        CriticalTemperature(method="allen_dynes", mu_star=0.2, tc_k=None, reason="none"),
        CriticalTemperature(method="migdal_eliashberg", mu_star=0.1, tc_k=None, reason="none"),
    ]
    (trace,) = critical_temperature_figure(found).data
    assert trace.y == (1.0, None)


def test_mesh_convergence(document):
    figure = mesh_convergence_figure(document.mesh_convergence)
    coupling, tc = figure.data
    assert coupling.y == (0.9, 0.83, synthetic.LAMBDA)
    assert tc.y == (8.4, 7.2, 6.9)
    assert coupling.yaxis != tc.yaxis
    assert coupling.x[0] == f"k {mesh_text((12, 12, 12))}<br>q {mesh_text((6, 6, 6))}"
    none = document.mesh_convergence[0].model_copy(update={"tc_k": None})
    assert mesh_convergence_figure([none]).data[1].y == (None,)


def test_every_figure_of_a_finished_calculation(document, arrays):
    assert tuple(electron_phonon_figures(document, arrays)) == FIGURES


def test_figures_that_a_calculation_did_not_come_to():
    document, arrays = synthetic.unstable()
    assert list(electron_phonon_figures(document, arrays)) == ["phonons"]
    with pytest.raises(ConfigurationError, match="dynamically unstable") as raised:
        electron_phonon_figure(document, arrays, "alpha2f")
    assert "phonons" in raised.value.remedy


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "magic"), [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<svg")])
def test_pictures(document, arrays, tmp_path, browser, suffix, magic):
    path = tmp_path / f"bands{suffix}"
    write_figure(electron_phonon_figure(document, arrays, "bands"), path)
    assert path.read_bytes().startswith(magic)
