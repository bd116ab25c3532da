import dataclasses
import re
from pathlib import Path

import ase.io
import numpy as np
import pytest

from invdesflow.errors import EspressoError
from invdesflow.espresso.parsers.pw_xml import PwResult, read_pw_xml

DATA = Path(__file__).parents[1] / "data" / "pw"
XML = "outputs/out/crystal.save/data-file-schema.xml"


def read(case: str) -> PwResult:
    return read_pw_xml(DATA / case / XML)


@pytest.mark.parametrize("case", ["al_scf", "al_vc_relax", "silicon"])
def test_xml_agrees_with_what_ase_reads_in_standard_output(case: str) -> None:
    result, atoms = read(case), ase.io.read(DATA / case / "outputs/pw.out", format="espresso-out")
    assert result.converged
    assert result.energy_ev == pytest.approx(atoms.get_potential_energy(), rel=2e-7)  # CODATA 2006
    np.testing.assert_allclose(result.forces_ev_per_angstrom, atoms.get_forces(), atol=1e-5)
    np.testing.assert_allclose(result.structure.lattice.matrix, atoms.cell.array, atol=1e-5)
    np.testing.assert_allclose(result.structure.frac_coords, atoms.get_scaled_positions(), atol=1e-7)
    printed = np.array([atoms.calc.kpts[i].eps_n for i in range(len(result.k_points))])
    np.testing.assert_allclose(result.eigenvalues_ev, printed, atol=1e-4)


@pytest.mark.parametrize("case", ["al_scf", "al_vc_relax", "silicon", "al_spin_polarised"])
def test_pressure_is_the_one_printed(case: str) -> None:
    printed = re.findall(r"P=\s*(\S+)", (DATA / case / "outputs/pw.out").read_text())
    assert read(case).pressure_gpa == pytest.approx(float(printed[-1]) / 10.0, abs=1e-3)


def test_metal_has_a_fermi_energy_and_no_gap() -> None:
    result = read("al_scf")
    printed = re.search(r"Fermi energy is\s*(\S+)", (DATA / "al_scf/outputs/pw.out").read_text())
    assert result.fermi_energy_ev == pytest.approx(float(printed[1]), abs=1e-4)
    assert (result.is_metal, result.gap_ev, result.fixed_occupations) == (True, 0.0, False)
    assert (result.version, result.calculation, result.n_electrons, result.fft_grid) == (
        "6.7MaX",
        "scf",
        3,
        (15, 15, 15),
    )


def test_insulator_has_a_gap_and_no_fermi_energy() -> None:
    result = read("silicon")
    assert result.gap_ev == pytest.approx(result.lowest_unoccupied_ev - result.highest_occupied_ev, abs=1e-10)
    assert (result.is_metal, result.fermi_energy_ev, result.fixed_occupations) == (False, None, True)


def test_k_points_are_those_of_the_input() -> None:
    result = read("al_nscf")
    lines = (DATA / "al_nscf/inputs/pw.in").read_text().partition("K_POINTS crystal\n216\n")[2].splitlines()
    given = np.array([line.split() for line in lines], dtype=float)
    np.testing.assert_allclose(result.k_points, given[:, :3], atol=1e-9)
    np.testing.assert_allclose(result.weights, 1 / 216)


def test_automatic_mesh_has_the_weights_of_its_stars() -> None:
    result = read("al_scf")
    assert np.abs(result.k_points * 12 - np.rint(result.k_points * 12)).max() < 1e-9
    np.testing.assert_allclose(result.weights * 12**3, np.rint(result.weights * 12**3), atol=1e-4)
    electrons = 2 * result.weights @ result.occupations.sum(axis=1)
    assert electrons == pytest.approx(result.n_electrons, abs=1e-6)


def test_bands_at_a_fixed_density_have_no_energy() -> None:
    result = read("al_nscf")
    assert (result.energy_ev, result.converged, result.scf_error_ev, result.pressure_gpa) == (None,) * 4
    assert result.eigenvalues_ev.shape == (216, 10)
    assert result.fermi_energy_ev is not None
    assert result.is_metal


def test_top_band_is_empty_unless_bands_are_missing() -> None:
    result = read("al_scf")
    assert result.top_band_occupation == 0
    cut = dataclasses.replace(result, occupations=result.occupations[:, :2])
    assert cut.top_band_occupation > 0.9


def test_small_gap_is_seen_through_smearing_and_a_wrong_fermi_energy() -> None:
    insulator = dataclasses.replace(read("silicon"), fixed_occupations=False, fermi_energy_ev=7.5)
    assert insulator.gap_ev == pytest.approx(0.385, abs=1e-3)
    assert dataclasses.replace(insulator, n_electrons=7.0).is_metal
    assert dataclasses.replace(insulator, n_electrons=16.0).gap_ev is None  # no empty band


def test_spin_channels_are_separate() -> None:
    result = read("al_spin_polarised")
    assert result.eigenvalues_ev.shape == result.occupations.shape == (2, 3, 6)
    up, down = (result.weights @ channel.sum(axis=1) for channel in result.occupations)
    assert up + down == pytest.approx(3, abs=1e-6)
    assert up - down == pytest.approx(result.total_magnetisation, abs=1e-3)
    assert result.absolute_magnetisation == pytest.approx(0.75, abs=0.01)
    assert result.is_metal


def test_relaxation_says_that_it_converged_and_where_it_ended() -> None:
    result = read("al_vc_relax")
    assert result.ionic_converged is True
    assert result.structure.volume ** (1 / 3) * 4 ** (1 / 3) == pytest.approx(3.9472, abs=1e-4)
    assert read("al_scf").ionic_converged is None


@pytest.mark.parametrize("case", ["not_converged", "max_seconds"])
def test_numbers_of_an_unfinished_cycle_are_absent(case: str) -> None:
    result = read(case)
    assert (result.converged, result.energy_ev, result.fermi_energy_ev) == (False, None, None)


@pytest.mark.parametrize("content", ["", "JOB DONE.", "<a/>", None])
def test_damaged_file_is_named(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "data-file-schema.xml"
    if content is None:
        whole = (DATA / "al_scf" / XML).read_text()
        content = whole[: len(whole) // 2]
    path.write_text(content)
    with pytest.raises(
        EspressoError, match=r"data-file-schema\.xml cannot be read as an XML file of pw\.x: .+\."
    ) as caught:
        read_pw_xml(path)
    assert "\n" not in str(caught.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EspressoError, match=r"absent\.xml cannot be read: No such file"):
        read_pw_xml(tmp_path / "absent.xml")
