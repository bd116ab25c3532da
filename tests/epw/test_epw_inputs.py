import f90nml
import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.epw.inputs import (
    Setup,
    coarse_input,
    epw_input,
    fine_input,
    gap_input,
    path_input,
    wannier_input,
)
from invdesflow.espresso.inputs import ph_input, pw_input
from invdesflow.espresso.meshes import FineMesh
from invdesflow.espresso.protocols import load_protocol

PROTOCOL = load_protocol("moderate")
LATTICE = Lattice.hexagonal(3.0864, 3.5215)
STRUCTURE = Structure(LATTICE, ["Mg", "B", "B"], [[0, 0, 0], [1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]])
SETUP = Setup(STRUCTURE, (6, 6, 4), (3, 3, 2), 5, {"bands_skipped": "exclude_bands = 1-3"})
FINE = FineMesh(k=(24, 24, 20), q=(12, 12, 10))
CHOICE = {
    "proj": ["B:p", "Mg:s"],
    "dis_froz_max": 7.25,
    "num_iter": 300,
    "wdata": ["write_hr = .true.", "dis_num_iter = 500"],
}
STAGES = {
    "Wannier": wannier_input(SETUP, CHOICE),
    "coarse": coarse_input(SETUP),
    "fine": fine_input(SETUP, FINE, PROTOCOL),
    "path": path_input(SETUP, FINE, PROTOCOL, "path.dat"),
    "gap": gap_input(SETUP, FINE, PROTOCOL, temperature_k=12.5, cutoff_ev=0.8),
}


def read(stage: str) -> f90nml.Namelist:
    return f90nml.reads(STAGES[stage])["inputepw"]


def mesh(found: f90nml.Namelist, name: str) -> list[int]:
    return [found[f"{name}{axis}"] for axis in (1, 2, 3)]


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_says_the_same_of_crystal_files_and_bands(stage: str) -> None:
    title, first, *_ = STAGES[stage].splitlines()
    assert title
    assert "&" not in title  # epw.x takes the first line for a title
    assert first == "&inputepw"
    found = read(stage)
    ph = f90nml.reads(ph_input((3, 3, 2), {}))["inputph"]
    assert found["prefix"] == ph["prefix"]
    assert found["outdir"] == "./out/"
    assert found["outdir"].endswith("/")  # else EPW does not find its files
    assert found["dvscf_dir"] == "./save/"
    assert found["bands_skipped"] == "exclude_bands = 1-3"
    assert found["nbndsub"] == 5
    assert (mesh(found, "nk"), mesh(found, "nq")) == ([6, 6, 4], [3, 3, 2])
    assert found["vme"] is False
    assert found["etf_mem"] == 1


def test_masses_are_in_the_order_in_which_pw_numbers_the_elements() -> None:
    groups = {"control": {}, "system": {}, "electrons": {}}
    card = pw_input(STRUCTURE, {"Mg": "mg", "B": "b"}, groups, "").split("ATOMIC_SPECIES\n")[1].splitlines()[:2]
    assert [line.split()[0] for line in card] == ["B", "Mg"]
    assert [float(line.split()[1]) for line in card] == read("coarse")["amass"] == pytest.approx([10.811, 24.305])


def test_wannier_functions_are_made_once_and_without_phonons() -> None:
    found = read("Wannier")
    assert (found["wannierize"], found["elph"], found["epwwrite"]) == (True, False, True)
    assert found["proj"] == ["B:p", "Mg:s"]
    assert found["wdata"] == ["write_hr = .true.", "dis_num_iter = 500"]
    assert found["dis_froz_max"] == 7.25
    assert [read(stage)["wannierize"] for stage in ("coarse", "fine", "path", "gap")] == [False] * 4
    assert not any("proj" in read(stage) for stage in ("coarse", "fine", "path", "gap"))


def test_what_is_written_by_one_stage_is_read_by_the_next() -> None:
    coarse = read("coarse")
    assert (coarse["elph"], coarse["epwwrite"], coarse["epwread"], coarse["kmaps"]) == (True, True, False, False)
    assert mesh(coarse, "nkf") == mesh(coarse, "nqf") == [1, 1, 1]
    for stage in ("fine", "path", "gap"):
        found = read(stage)
        assert (found["epwread"], found["epwwrite"], found["kmaps"]) == (True, False, True)
        assert (found["epbwrite"], found["epbread"]) == (False, False)
    assert read("fine")["ephwrite"] is True
    assert (read("gap")["elph"], read("gap")["ep_coupling"], read("gap")["ephwrite"]) == (False, False, False)


@pytest.mark.parametrize("stage", ["fine", "gap"])
def test_gap_is_solved_on_the_mesh_of_its_matrix_elements(stage: str) -> None:
    found, fine = read(stage), read("fine")
    assert mesh(found, "nkf") == [24, 24, 20]
    assert mesh(found, "nqf") == [12, 12, 10]
    assert found["mp_mesh_k"] is True
    for name in ("fsthick", "degaussw", "degaussq", "nqstep", "eps_acustic", "muc"):
        assert found[name] == fine[name]
    assert found["muc"] == PROTOCOL.mu_stars[0]
    assert found["fsthick"] == PROTOCOL.fsthick_ev


def test_gap_input_asks_for_one_temperature() -> None:
    found = read("gap")
    assert (found["nstemp"], found["temps"]) == (1, 12.5)
    assert (found["wscut"], found["npade"]) == (0.8, 30)
    assert found["limag"] is found["lpade"] is True


def test_equations_are_those_of_the_protocol() -> None:
    assert ("laniso" in read("gap"), "liso" in read("gap")) == (True, False)
    isotropic = load_protocol("fast")
    text = gap_input(SETUP, FINE, isotropic, temperature_k=1.0, cutoff_ev=0.8)
    found = f90nml.reads(text)["inputepw"]
    assert ("laniso" in found, "liso" in found) == (False, True)


def test_path_takes_its_q_points_from_a_file_only() -> None:
    found = read("path")
    assert found["filqf"] == "path.dat"
    assert not any(name.startswith("nqf") for name in found)
    assert mesh(found, "nkf") == [24, 24, 20]
    assert found["phonselfen"] is True
    assert "mp_mesh_k" not in found  # the sum over k has to have all of them
    assert set(found) - {"filqf", "phonselfen", "delta_approx", "eps_acustic"} <= set(read("fine"))


def test_bands_that_are_not_skipped_are_not_mentioned() -> None:
    text = epw_input(Setup(STRUCTURE, (6, 6, 4), (3, 3, 2), 8, {}), FINE, {"elph": True})
    assert "bands_skipped" not in text
