from pathlib import Path

import numpy as np
import pytest

from invdesflow.epw.parsers.wannier import read_hamiltonian, read_wannier_output
from invdesflow.errors import EspressoError
from invdesflow.espresso.parsers.pw_xml import read_pw_xml

DATA = Path(__file__).parents[1] / "data"
WANNIER = DATA / "epw/al_wannier/outputs"


def test_bands_on_the_mesh_are_those_of_pw_in_the_frozen_window() -> None:
    hamiltonian = read_hamiltonian(WANNIER / "crystal_hr.dat")
    reference = read_pw_xml(DATA / "pw/al_nscf/outputs/out/crystal.save/data-file-schema.xml")
    frozen = read_wannier_output(WANNIER / "crystal.wout").frozen_window_ev
    bands, exact = hamiltonian.eigenvalues(reference.k_points), reference.eigenvalues_ev[:, :4]
    inside = exact < frozen[1]
    assert inside.sum() > 200
    assert np.abs(bands - exact)[inside].max() < 1e-4
    assert np.abs(bands - exact)[~inside].max() > 1.0  # disentangled


def test_bands_off_the_mesh_are_those_that_epw_interpolates() -> None:
    hamiltonian = read_hamiltonian(WANNIER / "crystal_hr.dat")
    case = DATA / "epw/al_bands"
    path = np.loadtxt(case / "inputs/path.dat", skiprows=1)[:, :3]
    lines = (case / "outputs/band.eig").read_text().splitlines()[2::2]
    printed = np.array([line.split() for line in lines], dtype=float)
    np.testing.assert_allclose(hamiltonian.eigenvalues(path), printed, atol=1e-3)


def test_hamiltonian_is_hermitian_and_fills_the_mesh() -> None:
    hamiltonian = read_hamiltonian(WANNIER / "crystal_hr.dat")
    assert (1 / hamiltonian.degeneracies).sum() == pytest.approx(6**3)
    index = {tuple(vector): number for number, vector in enumerate(hamiltonian.lattice_vectors)}
    opposite = [index[tuple(-vector)] for vector in hamiltonian.lattice_vectors]
    transposed = hamiltonian.hoppings_ev[opposite].conj().transpose(0, 2, 1)
    np.testing.assert_allclose(hamiltonian.hoppings_ev, transposed, atol=2e-6)


def test_wannier90_says_what_it_reached() -> None:
    output = read_wannier_output(WANNIER / "crystal.wout")
    assert (output.finished, output.disentangled, output.wannierised, output.error) == (True, True, None, None)
    parts = output.omega_invariant_a2 + output.omega_diagonal_a2 + output.omega_off_diagonal_a2
    assert output.spreads_a2.sum() == pytest.approx(output.omega_total_a2, abs=1e-6)
    assert parts == pytest.approx(output.omega_total_a2, abs=1e-6)
    np.testing.assert_allclose(np.abs(output.centres_angstrom), 0.386479)
    assert output.frozen_window_ev[1] == 10.0


def test_window_with_too_many_states_is_an_error() -> None:
    output = read_wannier_output(DATA / "epw/frozen_window_too_wide/outputs/crystal.wout")
    assert (output.finished, output.disentangled, output.spreads_a2.size) == (False, False, 0)
    assert output.error == "dis_windows: More states in the frozen window than target WFs"


def test_criterion_of_the_spread(tmp_path: Path) -> None:
    text = (WANNIER / "crystal.wout").read_text()
    path = tmp_path / "crystal.wout"
    path.write_text(
        text.replace("Convergence window                        :                -1", "Convergence window : 3")
    )
    assert read_wannier_output(path).wannierised is False
    path.write_text(text + "\n             <<< Wannierisation convergence criteria satisfied >>>\n")
    assert read_wannier_output(path).wannierised is True


@pytest.mark.parametrize("fraction", [0.0, 0.02, 0.5, 0.99])
def test_cut_hamiltonian_is_named(fraction: float, tmp_path: Path) -> None:
    whole = (WANNIER / "crystal_hr.dat").read_text()
    path = tmp_path / "crystal_hr.dat"
    path.write_text(whole[: int(fraction * len(whole))])
    with pytest.raises(EspressoError, match=r"crystal_hr\.dat cannot be read as a Hamiltonian of wannier90"):
        read_hamiltonian(path)


def test_foreign_output_is_named(tmp_path: Path) -> None:
    path = tmp_path / "crystal.wout"
    path.write_text("JOB DONE")
    with pytest.raises(EspressoError, match="wannier90 has not signed it"):
        read_wannier_output(path)
