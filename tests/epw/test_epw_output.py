from pathlib import Path

import numpy as np
import pytest

from invdesflow.eliashberg.formulas import mcmillan_tc
from invdesflow.eliashberg.reading import read_alpha2f
from invdesflow.epw.parsers.epw_output import EpwOutput, read_epw_output
from invdesflow.epw.parsers.wannier import read_wannier_output
from invdesflow.errors import EspressoError
from invdesflow.espresso.parsers.pw_xml import read_pw_xml

DATA = Path(__file__).parents[1] / "data"
EPW = DATA / "epw"


def read(case: str) -> EpwOutput:
    return read_epw_output(EPW / case / "outputs/epw.out")


def test_coupling_and_estimates_belong_together() -> None:
    output = read("al_isotropic")
    assert (output.version, output.finished, output.error, output.mu_star) == ("5.3.1", True, None, 0.1)
    assert output.mcmillan_tc_k == pytest.approx(mcmillan_tc(output.lambda_, output.omega_log_mev, 0.1), rel=1e-4)
    assert output.bcs_gap_mev == pytest.approx(3.52 / 2 * output.mcmillan_tc_k / 11.604518, rel=1e-4)
    assert output.lambda_ == pytest.approx(read_alpha2f(EPW / "al_isotropic/outputs/crystal.a2f").lambda_, abs=1e-6)


def test_fermi_energies_of_both_meshes() -> None:
    output = read("al_isotropic")
    coarse = read_pw_xml(DATA / "pw/al_nscf/outputs/out/crystal.save/data-file-schema.xml")
    assert output.coarse_fermi_energy_ev == pytest.approx(coarse.fermi_energy_ev, abs=1e-5)
    assert output.fine_fermi_energy_ev == pytest.approx(8.169519)
    assert output.dos_per_ev_spin_cell == pytest.approx(0.1935197618)


def test_isotropic_cycles() -> None:
    warm, hot = read("al_isotropic").cycles
    assert (warm.temperature_k, hot.temperature_k) == (0.5, 0.7)
    assert (warm.equations, warm.n_matsubara, warm.converged, warm.iterations.shape) == (
        "isotropic",
        554,
        True,
        (10, 3),
    )
    assert warm.iterations[-1, 1] == pytest.approx(1.358, abs=1e-3)
    assert warm.gap_mev == pytest.approx(0.1382511)
    assert warm.pade_gap_mev == pytest.approx(warm.gap_mev, rel=1e-3)
    assert warm.gap_mev > hot.gap_mev > 0
    assert warm.iterations[-1, 0] < 1e-4 < warm.iterations[-2, 0]


def test_anisotropic_cycles() -> None:
    cycles = read("al_anisotropic").cycles
    assert [(cycle.equations, cycle.converged) for cycle in cycles] == [("anisotropic", True)] * 2
    assert [cycle.gap_mev for cycle in cycles] == pytest.approx([4.145178, 4.232267])


def test_cycle_above_tc_that_did_not_converge_has_no_gap() -> None:
    output = read("above_tc_not_converged")
    below, above = output.cycles  # the third temperature of the input was never begun
    assert (output.finished, below.converged, above.converged) == (True, True, False)
    assert (above.temperature_k, above.gap_mev, len(above.iterations)) == (5.0, None, 60)
    assert abs(above.iterations[-1, 2]) < 1e-50


def test_cycle_above_tc_that_crashed_is_read_to_its_last_line() -> None:
    output = read("above_tc_rc1")
    assert (output.finished, output.error) == (False, "mix_broyden: factorization")
    assert output.cycles[0].gap_mev == pytest.approx(0.1382511)
    assert (output.cycles[1].converged, output.cycles[1].gap_mev) == (False, None)
    assert output.cycles[1].iterations[-1, 2] == -2.880913e-160  # printed without its E


def test_continuation_that_is_not_a_number_is_absent(tmp_path: Path) -> None:
    text = (EPW / "al_isotropic/outputs/epw.out").read_text()
    path = tmp_path / "epw.out"
    path.write_text(text.replace("1.382866E-01", "         NaN"))
    cycle = read_epw_output(path).cycles[0]
    assert cycle.converged
    assert (cycle.gap_mev, cycle.pade_gap_mev) == (pytest.approx(0.1382511), None)


def test_wannier_functions_are_those_of_wannier90() -> None:
    output = read("al_wannier")
    wannier = read_wannier_output(EPW / "al_wannier/outputs/crystal.wout")
    np.testing.assert_allclose(output.wannier_spreads_a2, wannier.spreads_a2, atol=1e-5)
    alat_angstrom = 1.98441203 * np.sqrt(2)
    np.testing.assert_allclose(output.wannier_centres_alat * alat_angstrom, wannier.centres_angstrom, atol=2e-5)
    assert output.cycles == []
    assert output.lambda_ is None
    assert output.timings["WANNIER"].cpu_s > 1


@pytest.mark.parametrize(
    ("case", "error"),
    [
        ("missing_dvscf", "readdvscf: error opening ./save//crystal.dvscf_q2"),
        ("ranks_not_npool", "elphel2_shuffle: only one proc per pool in shuffle mode"),
        ("frozen_window_too_wide", "wannier90: dis_windows: More states in the frozen window than target WFs"),
        ("missing_fila2f", None),
        ("nscf_without_symmetry", None),
    ],
)
def test_failed_runs_did_not_finish(case: str, error: str | None) -> None:
    output = read(case)
    assert (output.finished, output.error) == (False, error)


def test_lines_of_newer_versions_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "epw.out"
    path.write_text(
        """     Program EPW v.5.9 starts on 27Aug2025
     Electron-phonon coupling strength =    0.9429872
     Estimated Tc using McMillan expression =  99.1234 K for muc =   0.1600
     Estimated Tc using Allen-Dynes modified McMillan expression = 113.1234 K
     Estimated Tc using SISSO machine learning model = 120.1234 K
     Estimated w_log = 141.5000 meV
     Estimated BCS superconducting gap using McMillan Tc =  15.0339 meV
     temp(  1) =     10.00000 K
     Solve full-bandwidth isotropic Eliashberg equations on imaginary-axis
     Total number of frequency points nsiw(     1) =    120
        iter      ethr          znormi      deltai [meV]   shifti [meV]    mu (eV)
          1   2.479307E+00   1.367014E+00   1.049793E-01   0.000000E+00   8.100000E+00
     Convergence was reached in nsiter =      1
     For your convenience, this information is also reported in the
     functionality-dependent EPW.bib file.
"""
    )
    output = read_epw_output(path)
    assert (output.version, output.finished, output.mu_star) == ("5.9", True, 0.16)
    assert (output.mcmillan_tc_k, output.omega_log_mev, output.bcs_gap_mev) == (99.1234, 141.5, 15.0339)
    assert (output.cycles[0].equations, output.cycles[0].gap_mev) == ("isotropic", 0.1049793)


@pytest.mark.parametrize("content", ["", "     Program PWSCF v.6.7MaX starts"])
def test_foreign_file_is_named(content: str, tmp_path: Path) -> None:
    path = tmp_path / "epw.out"
    path.write_text(content)
    with pytest.raises(EspressoError, match=r"epw\.out cannot be read as an output of epw\.x"):
        read_epw_output(path)
