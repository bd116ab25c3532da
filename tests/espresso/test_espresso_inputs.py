import re
from typing import Any

import f90nml
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from invdesflow.errors import EspressoError
from invdesflow.espresso.input_files import split_cards, validate_pw_input
from invdesflow.espresso.inputs import (
    automatic_k_points,
    explicit_k_points_card,
    matdyn_input,
    namelists,
    ph_input,
    pw_input,
    q2r_input,
)
from invdesflow.espresso.meshes import explicit_k_points
from invdesflow.espresso.parsers.pw_xml import BOHR_ANGSTROM

ORDER_OF_PW = ["control", "system", "electrons", "ions", "cell"]
GROUPS: dict[str, dict[str, Any]] = {
    "cell": {"press": -12.5, "cell_dynamics": "bfgs"},
    "ions": {"ion_dynamics": "bfgs"},
    "electrons": {"conv_thr": 1e-12},
    "system": {"ecutwfc": 15.0, "starting_magnetization": [0.5, 0.5], "noncolin": False},
    "control": {"calculation": "vc-relax", "tstress": True},
}
FILES = {"Mg": "Mg.pz-n-vbc.UPF", "B": "B.pz-vbc.UPF"}


def magnesium_diboride() -> Structure:
    """The atoms out of the order in which pw.x numbers the elements."""
    lattice = Lattice.hexagonal(3.0864, 3.5215)
    return Structure(lattice, ["B", "Mg", "B"], [[1 / 3, 2 / 3, 0.5], [0, 0, 0], [2 / 3, 1 / 3, 0.5]])


def written(structure: Structure, files: dict[str, str]) -> str:
    return pw_input(structure, files, GROUPS, automatic_k_points((8, 8, 6)))


def cards(text: str) -> dict[str, list[list[str]]]:
    return {name: [line.split() for line in card.splitlines()[1:]] for name, card in split_cards(text).items()}


def test_namelists_are_in_the_order_in_which_pw_reads_them() -> None:
    text = written(magnesium_diboride(), FILES)
    assert re.findall(r"^&(\w+)", text, re.MULTILINE) == ORDER_OF_PW
    assert text.rindex("\n/") < text.index("ATOMIC_SPECIES")


def test_values_survive_the_namelists() -> None:
    found = f90nml.reads(written(magnesium_diboride(), FILES))
    assert found["control"] == {
        "prefix": "crystal",
        "outdir": "./out/",
        "pseudo_dir": "./pseudo/",
        "calculation": "vc-relax",
        "tstress": True,
    }
    assert found["system"]["ibrav"] == 0
    assert (found["system"]["nat"], found["system"]["ntyp"]) == (3, 2)
    assert found["system"]["noncolin"] is False
    assert found["system"]["starting_magnetization"] == [0.5, 0.5]
    assert found["cell"]["press"] == -12.5
    assert found["electrons"]["conv_thr"] == 1e-12


def test_a_list_fills_an_array_from_its_first_element() -> None:
    text = namelists({"inputepw": {"proj": ["B:p", "Mg:s"], "temps": [1.0, 2.0, 3.0]}})
    found = f90nml.reads(text)["inputepw"]
    assert found["proj"] == ["B:p", "Mg:s"]
    assert found.start_index.get("proj", [1]) == [1]
    assert found["temps"] == [1.0, 2.0, 3.0]


def test_crystal_survives_the_cards() -> None:
    structure = magnesium_diboride()
    text = written(structure, FILES)
    validate_pw_input(text)
    found = cards(text)
    assert found["ATOMIC_SPECIES"] == [["B", "10.811000", "B.pz-vbc.UPF"], ["Mg", "24.305000", "Mg.pz-n-vbc.UPF"]]
    assert split_cards(text)["CELL_PARAMETERS"].startswith("CELL_PARAMETERS angstrom\n")
    assert split_cards(text)["ATOMIC_POSITIONS"].startswith("ATOMIC_POSITIONS crystal\n")
    cell = np.array(found["CELL_PARAMETERS"], dtype=float)
    assert np.abs(cell - structure.lattice.matrix).max() < 1e-11
    assert [row[0] for row in found["ATOMIC_POSITIONS"]] == ["B", "Mg", "B"]
    positions = np.array([row[1:] for row in found["ATOMIC_POSITIONS"]], dtype=float)
    assert np.abs(positions - structure.frac_coords).max() < 1e-11
    assert found["K_POINTS"] == [["8", "8", "6", "0", "0", "0"]]
    again = Structure(Lattice(cell), [row[0] for row in found["ATOMIC_POSITIONS"]], positions)
    assert again.get_space_group_info(symprec=1e-9)[1] == 191  # thirds keep all digits that QE wants to see


def test_last_bits_and_signs_of_zero_make_no_other_input() -> None:
    structure = magnesium_diboride()
    noisy = Structure(
        structure.lattice.matrix + np.array([[-0.0, 0, -1e-16], [0, 3e-16, -2e-17], [-1e-14, 0, 0]]),
        structure.species,
        structure.frac_coords - 1e-15,
    )
    assert "-0.000000000000" not in written(noisy, FILES)
    assert written(noisy, FILES) == written(structure, FILES)


def test_an_input_without_k_points_is_refused() -> None:
    text = pw_input(magnesium_diboride(), FILES, GROUPS, "")
    with pytest.raises(EspressoError, match="K_POINTS"):
        validate_pw_input(text)


@given(mesh=st.tuples(*[st.integers(1, 6)] * 3))
def test_explicit_k_points_are_the_uniform_mesh_with_equal_weights(mesh: tuple[int, int, int]) -> None:
    lines = explicit_k_points_card(explicit_k_points(mesh)).splitlines()
    assert lines[:2] == ["K_POINTS crystal", str(np.prod(mesh))]
    rows = np.array([line.split() for line in lines[2:]], dtype=float)
    assert rows[:, 3].sum() == pytest.approx(1.0, abs=1e-9)
    assert np.ptp(rows[:, 3]) == 0.0
    # EPW and Wannier90 demand that k = i / n to 1e-6 or so, in Fortran order of the list with the last index fastest
    expected = [[i / mesh[0], j / mesh[1], k / mesh[2]] for i, j, k in np.ndindex(*mesh)]
    assert np.abs(rows[:, :3] - expected).max() < 1e-11


def test_ph_input_names_what_the_next_steps_look_for() -> None:
    text = ph_input((3, 3, 2), {"tr2_ph": 1e-14, "start_q": 2, "last_q": 2})
    title, first, *_ = text.splitlines()
    assert "&" not in title  # ph.x takes the first line for a title, whatever it is
    assert first == "&inputph"
    found = f90nml.reads(text)["inputph"]
    assert found == {
        "prefix": "crystal",
        "outdir": "./out/",
        "fildyn": "dyn",
        "fildvscf": "dvscf",
        "ldisp": True,
        "nq1": 3,
        "nq2": 3,
        "nq3": 2,
        "tr2_ph": 1e-14,
        "start_q": 2,
        "last_q": 2,
    }


def test_q2r_reads_what_ph_wrote_and_matdyn_what_q2r_wrote() -> None:
    q2r, ph = f90nml.reads(q2r_input({"zasr": "crystal"}))["input"], f90nml.reads(ph_input((1, 1, 1), {}))["inputph"]
    assert q2r["fildyn"] == ph["fildyn"]
    assert q2r["zasr"] == "crystal"
    matdyn = f90nml.reads(matdyn_input({"asr": "crystal"}))["input"]
    assert matdyn == {"flfrc": q2r["flfrc"], "q_in_cryst_coord": False, "asr": "crystal"}


def test_matdyn_input_ends_with_its_q_points() -> None:
    points = np.array([[0, 0, 0], [0.5, 0, 0.5], [1 / 3, 1 / 3, 2 / 3], [-1e-17, 0.25, -0.125]])
    text = matdyn_input({"asr": "crystal"}, points)
    assert f90nml.reads(text)["input"]["q_in_cryst_coord"] is True
    number, *rows = text.split("\n/\n")[1].strip().splitlines()
    assert int(number) == 4
    assert np.abs(np.array([row.split() for row in rows], dtype=float) - points).max() < 1e-11
    assert "-0.000000000000" not in text
    assert matdyn_input({"dos": True}).rstrip().endswith("/")


def test_masses_are_those_of_the_elements() -> None:
    structure = Structure(Lattice.cubic(BOHR_ANGSTROM * 5), ["H", "Pb"], [[0, 0, 0], [0.5] * 3])
    species = cards(written(structure, {"H": "h.upf", "Pb": "pb.upf"}))["ATOMIC_SPECIES"]
    assert [(row[0], pytest.approx(float(row[1]), abs=2e-3)) for row in species] == [("H", 1.008), ("Pb", 207.2)]
