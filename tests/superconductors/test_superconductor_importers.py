import csv
import gzip
import json
import math
import zipfile

import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.vasp import Poscar

from invdesflow.eliashberg.formulas import KELVIN_PER_MEV
from invdesflow.errors import ConfigurationError
from invdesflow.superconductors.importers import (
    ReferenceCrystal,
    Refusal,
    materials_project,
    read_alexandria,
    read_folder,
    read_htsc,
    read_jarvis,
    read_materials_project,
    source,
)

DIBORIDE = Structure.from_spacegroup(
    "P6/mmm", Lattice.hexagonal(3.08, 3.52), ["Mg", "B"], [[0, 0, 0], [1 / 3, 2 / 3, 1 / 2]]
)
DISORDERED_CIF = """data_x
_cell_length_a 4
_cell_length_b 4
_cell_length_c 4
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Nb1 Nb 0 0 0 0.5
Ti1 Ti 0 0 0 0.5
"""


def split(results):
    results = list(results)
    return [r for r in results if not isinstance(r, Refusal)], [r for r in results if isinstance(r, Refusal)]


def jarvis_row(**changes):
    row = {"jid": "JVASP-1", "Tc_K": 32.7, "lambda_ep": 0.7, "wlog_K": 850.0, "poscar": Poscar(DIBORIDE).get_str()}
    return row | changes


def alexandria_row(**changes):
    row = {
        "mat_id": "agm1",
        "Tc_K": 8.5,
        "lambda_ep": 0.49,
        "wlog_K": 777.0,
        "lattice": DIBORIDE.lattice.matrix.tolist(),
        "species": [site.specie.symbol for site in DIBORIDE],
        "frac": DIBORIDE.frac_coords.tolist(),
    }
    return row | changes


def write_lines(path, rows):
    with gzip.open(path, "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


def test_jarvis_table(tmp_path):
    path = tmp_path / "jarvis.csv"
    rows = [jarvis_row(), jarvis_row(jid="bad", poscar=""), jarvis_row(jid="none", lambda_ep="nan")]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    documents, refusals = split(read_jarvis(path))
    assert [refusal.name for refusal in refusals] == ["bad", "none"]
    published, recomputed = documents[0].theory
    assert (published.tc_k, published.mu_star, published.lambda_) == (32.7, 0.085, 0.7)
    assert published.omega_log_mev == pytest.approx(850.0 / KELVIN_PER_MEV)
    by_hand = 850.0 / 1.2 * math.exp(-1.04 * 1.7 / (0.7 - 0.10 * (1 + 0.62 * 0.7)))
    assert recomputed.tc_k == pytest.approx(by_hand)
    assert recomputed.mu_star == 0.10
    assert documents[0].experiment == []


def test_jarvis_public_form_is_the_same_crystal(tmp_path):
    atoms = {
        "lattice_mat": DIBORIDE.lattice.matrix.tolist(),
        "coords": DIBORIDE.cart_coords.tolist(),
        "elements": ["Mg", "B ", "B"],
        "cartesian": True,
    }
    path = tmp_path / "public.json.zip"
    with zipfile.ZipFile(path, "w") as archive:
        rows = [{"jid": "JVASP-1", "atoms": atoms, "lamb": 0.7, "wlog": 850.0, "Tc": 32.7}, {"jid": "JVASP-2"}]
        archive.writestr("public.json", json.dumps(rows))
    documents, refusals = split(read_jarvis(path))
    assert documents[0].reduced_formula == "MgB2"
    assert documents[0].space_group_number == 191
    assert [refusal.name for refusal in refusals] == ["JVASP-2"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"lambda_ep": None}, "cannot be read"),
        ({"lambda_ep": -0.1}, "negative"),
        ({"frac": [[0, 0, 0], [0, 0, 0.01], [0.3, 0.6, 0.5]]}, "apart"),
        ({"frac": [[0, 0, 0], [0, 0, float("nan")], [0.3, 0.6, 0.5]]}, "finite"),
        ({"species": ["Mg", "Xx", "B"]}, "no elements"),
        ({"lattice": [[1, 0, 0], [2, 0, 0], [0, 0, 1]]}, "no volume"),
        ({"species": ["Mg"]}, "1 species and 3 positions"),
    ],
)
def test_alexandria_refuses_with_the_reason_and_reads_on(tmp_path, changes, reason):
    path = write_lines(tmp_path / "a.jsonl.gz", [alexandria_row(**changes), alexandria_row()])
    documents, refusals = split(read_alexandria(path))
    assert len(documents) == 1
    assert reason in refusals[0].reason


def test_alexandria_refuses_a_missing_field(tmp_path):
    row = alexandria_row()
    del row["wlog_K"]
    _, refusals = split(read_alexandria(write_lines(tmp_path / "a.jsonl.gz", [row])))
    assert "wlog_K" in refusals[0].reason


def test_duplicates_have_one_identifier(tmp_path):
    supercell = DIBORIDE.make_supercell([1, 1, 2], in_place=False)
    again = alexandria_row(
        lattice=supercell.lattice.matrix.tolist(),
        species=[site.specie.symbol for site in supercell],
        frac=supercell.frac_coords.tolist(),
    )
    documents, _ = split(read_alexandria(write_lines(tmp_path / "a.jsonl.gz", [alexandria_row(), again])))
    assert len({document.superconductor_id for document in documents}) == 1


def test_htsc_in_both_forms(tmp_path):
    published, listed = tmp_path / "published.json", tmp_path / "list.json"
    cif = DIBORIDE.to(fmt="cif")
    published.write_text(json.dumps({"MgB2-MgB2": {"cif": cif, "tc": 40}, "damaged": {"cif": "data_", "tc": 1}}))
    rows = [
        {"formula": "MgB2", "structure": DIBORIDE.as_dict(), "tc": 40, "lambda": 0.87, "pressure_gpa": 1.0},
        {"formula": "no Tc", "structure": cif},
    ]
    listed.write_text(json.dumps(rows))
    documents, refusals = split(read_htsc(published))
    assert documents[0].theory[0].tc_k == 40
    assert documents[0].experiment == []
    assert [refusal.name for refusal in refusals] == ["damaged"]
    documents, refusals = split(read_htsc(listed))
    assert (documents[0].pressure_gpa, documents[0].theory[0].lambda_) == (1.0, 0.87)
    assert "'tc'" in refusals[0].reason


def test_folder_takes_what_can_be_computed(tmp_path):
    tmp_path = tmp_path / "crystals"
    (tmp_path / "deeper").mkdir(parents=True)
    (tmp_path / "deeper" / "POSCAR-mgb2").write_text(Poscar(DIBORIDE).get_str())
    (tmp_path / "mgb2.cif").write_text(DIBORIDE.to(fmt="cif"))
    (tmp_path / "disordered.cif").write_text(DISORDERED_CIF)
    (tmp_path / "cut.cif").write_text(DIBORIDE.to(fmt="cif")[:300])
    (tmp_path / "notes.txt").write_text("not a crystal")
    (tmp_path / ".hidden").write_text("")
    documents, refusals = split(read_folder(tmp_path))
    assert [document.reduced_formula for document in documents] == ["MgB2", "MgB2"]
    assert documents[0].superconductor_id == documents[1].superconductor_id
    assert not documents[0].theory
    reasons = {refusal.name: refusal.reason for refusal in refusals}
    assert set(reasons) == {"cut.cif", "disordered.cif", "notes.txt"}
    assert "disordered" in reasons["disordered.cif"]


def test_materials_project_file(tmp_path):
    row = {"id": "mp-1", "e_form": None, "ehull": 0.0} | {
        key: value for key, value in alexandria_row().items() if key in ("lattice", "species", "frac")
    }
    crystals, refusals = split(read_materials_project(write_lines(tmp_path / "mp.jsonl.gz", [row, row | {"frac": 3}])))
    assert isinstance(crystals[0], ReferenceCrystal)
    assert (crystals[0].dataset_id, crystals[0].e_above_hull_ev_per_atom) == ("materials-project:mp-1", 0.0)
    assert len(refusals) == 1


def test_materials_project_without_a_key_says_so(monkeypatch):
    monkeypatch.delenv("MP_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match=r"mp-api|MP_API_KEY"):
        list(materials_project.read_materials_project())


@pytest.mark.parametrize("read", [read_jarvis, read_alexandria, read_htsc, read_folder, read_materials_project])
def test_a_missing_file_is_an_error_of_one_line(read, tmp_path):
    with pytest.raises(ConfigurationError) as raised:
        list(read(tmp_path / "absent.json"))
    assert "\n" not in str(raised.value)


def test_a_damaged_archive_is_an_error(tmp_path):
    path = tmp_path / "cut.json.gz"
    path.write_bytes(gzip.compress(b"[]" * 1000)[:-10])
    with pytest.raises(ConfigurationError, match="damaged"):
        list(read_jarvis(path))


def test_an_unreachable_server_is_an_error():
    with pytest.raises(ConfigurationError, match="cannot be reached"):
        source.read_text("https://127.0.0.1:9/nothing")
