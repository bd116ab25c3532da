"""Damaged files that people write or fetch: an error of ours or a result, never anything else."""

import gzip
import json
import shutil
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from hypothesis import given
from mutations import Change, changes, damaged, fuzzing, reads_or_refuses
from pymatgen.core import Lattice, Structure

from invdesflow.campaigns.recipes import read_recipe
from invdesflow.crystals.reading import read_structure
from invdesflow.crystals.writing import structure_to_text
from invdesflow.database.stores import load_store_file
from invdesflow.espresso.input_files import read_namelists, split_cards, validate_pw_input
from invdesflow.espresso.pseudopotentials import read_upf
from invdesflow.learning.potential.frame_files import read_frames
from invdesflow.model_files import read_card
from invdesflow.settings import SETTINGS_FILE_VARIABLE, default_file, get_settings
from invdesflow.superconductors.importers import (
    read_alexandria,
    read_htsc,
    read_jarvis,
    read_materials_project,
)

TESTS = Path(__file__).parents[1]
DIBORIDE = Structure.from_spacegroup(
    "P6/mmm", Lattice.hexagonal(3.08, 3.52), ["Mg", "B"], [[0, 0, 0], [1 / 3, 2 / 3, 1 / 2]]
)
SITES = {
    "lattice": DIBORIDE.lattice.matrix.tolist(),
    "species": [site.specie.symbol for site in DIBORIDE],
    "frac": DIBORIDE.frac_coords.tolist(),
}
COUPLING = {"lambda_ep": 0.49, "wlog_K": 777.0, "Tc_K": 8.5}
SETTINGS = """data_dir: /tmp/somewhere
workers: 3
query_time_limit_s: 12.5
espresso_bin: /opt/qe/bin
espresso_launcher: mpirun -np {ranks}
espresso_ranks: 4
espresso_prelude: |
  module load qe/7.4
mongodb_uri: mongodb://db.example.org:27017/?tls=true
mongodb_database: invdesflow
mongodb_tls: true
"""
UPF = """<UPF version="2.0.1">
<PP_INFO>made for a test</PP_INFO>
<PP_HEADER generated="by hand" element="Al" pseudo_type="NC" relativistic="scalar" is_ultrasoft="F" is_paw="F"
core_correction="F" functional="PBE" z_valence="3.00" l_max="1" mesh_size="4" number_of_wfc="1" number_of_proj="1"/>
<PP_MESH mesh="4"><PP_R type="real" size="4">0.0 0.1 0.2 0.3</PP_R><PP_RAB type="real" size="4">0.1 0.1 0.1 0.1</PP_RAB>
</PP_MESH>
<PP_LOCAL type="real" size="4">-1.0 -0.9 -0.8 -0.7</PP_LOCAL>
<PP_PSWFC><PP_CHI.1 type="real" size="4" label="3S" l="0" occupation="2.0">0.0 0.1 0.2 0.3</PP_CHI.1></PP_PSWFC>
<PP_RHOATOM type="real" size="4">0.0 0.1 0.2 0.3</PP_RHOATOM>
</UPF>
"""
UPF_1 = """<PP_INFO>
made for a test
    1        The Pseudo was generated with a Scalar-Relativistic Calculation
</PP_INFO>
<PP_HEADER>
   0                   Version Number
  Al                   Element
   NC                  Norm - Conserving pseudopotential
    F                  Nonlinear Core Correction
 SLA  PZ   NOGX NOGC   PZ   Exchange-Correlation functional
    3.00000000000      Z valence
    0.00000000000      Total energy
  0.0000000  0.0000000     Suggested cutoff for wfc and rho
    1                  Max angular momentum component
    4                  Number of points in mesh
    1    1             Number of Wavefunctions, Number of Projectors
 Wavefunctions         nl  l   occ
                       3S  0  2.00
</PP_HEADER>
<PP_MESH>
  <PP_R>
0.0 0.1 0.2 0.3
  </PP_R>
  <PP_RAB>
0.1 0.1 0.1 0.1
  </PP_RAB>
</PP_MESH>
<PP_LOCAL>
-1.0 -0.9 -0.8 -0.7
</PP_LOCAL>
<PP_RHOATOM>
0.0 0.1 0.2 0.3
</PP_RHOATOM>
"""


def _lines(*rows: dict[str, object]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _settings(path: Path) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SETTINGS_FILE_VARIABLE, str(path))
        path.chmod(0o600)
        get_settings.cache_clear()
        try:
            return get_settings()
        finally:
            get_settings.cache_clear()


def _stores(path: Path) -> object:
    shutil.copy(default_file("stores/collections.yaml"), path.parent / "collections.yaml")
    path.chmod(0o600)
    return load_store_file(path, get_settings())


def _collections(path: Path) -> object:
    stores = path.with_name("local.yaml")
    shutil.copy(default_file("stores/local.yaml"), stores)
    return load_store_file(stores, get_settings())


def _pw_input(path: Path) -> None:
    text = path.read_text(errors="replace")
    read_namelists(text)
    split_cards(text)
    validate_pw_input(text)


def _frames() -> bytes:
    atoms = Atoms("Al2", cell=[4.0, 4.0, 4.0], positions=[[0, 0, 0], [2, 2, 2]], pbc=True)
    atoms.calc = SinglePointCalculator(atoms, energy=-3.0, forces=[[0, 0, 0.1], [0, 0, -0.1]], stress=[0.0] * 6)
    atoms.info = {"theory": "PBE", "pseudopotentials": {"Al": "0" * 64}}
    text = StringIO()
    write(text, [atoms, atoms], format="extxyz")
    return text.getvalue().encode()


PUBLIC_JARVIS = {
    "jid": "JVASP-1",
    "atoms": {
        "elements": SITES["species"],
        "lattice_mat": SITES["lattice"],
        "coords": SITES["frac"],
        "cartesian": False,
    },
    "lamb": 0.7,
    "wlog": 850.0,
    "Tc": 32.7,
}
CIF, POSCAR = structure_to_text(DIBORIDE, "cif"), structure_to_text(DIBORIDE, "poscar")
HTSC = [
    {"formula": "MgB2", "structure": DIBORIDE.as_dict(), "tc": 40, "lambda": 0.87, "pressure_gpa": 1.0},
    {"formula": "MgB2", "cif": CIF, "tc": 40},
    {"formula": "MgB2", "poscar": POSCAR, "tc": 40},
]

CASES: list[tuple[Callable[[Path], object], str, bytes]] = [
    (read_structure, "a.cif", CIF.encode()),
    (read_structure, "a.poscar", POSCAR.encode()),
    (read_structure, "a.extxyz", structure_to_text(DIBORIDE, "extxyz").encode()),
    (read_recipe, "discovery.yaml", default_file("flows/discovery.yaml").read_bytes()),
    (read_recipe, "verification.yaml", default_file("flows/verification.yaml").read_bytes()),
    (read_recipe, "active_learning.yaml", default_file("flows/active_learning.yaml").read_bytes()),
    (_stores, "local.yaml", default_file("stores/local.yaml").read_bytes()),
    (_stores, "mongodb.yaml", default_file("stores/mongodb.yaml").read_bytes()),
    (_collections, "collections.yaml", default_file("stores/collections.yaml").read_bytes()),
    (_settings, "settings.yaml", SETTINGS.encode()),
    (read_upf, "Al.upf", UPF.encode()),
    (read_upf, "Al.UPF", UPF_1.encode()),
    (_pw_input, "pw.in", (TESTS / "data/pw/al_scf/inputs/pw.in").read_bytes()),
    (lambda path: list(read_alexandria(path)), "a.jsonl", _lines({"mat_id": "agm1", **SITES, **COUPLING})),
    (lambda path: list(read_alexandria(path)), "a.jsonl.gz", gzip.compress(_lines({"mat_id": "agm1", **SITES}))),
    (lambda path: list(read_jarvis(path)), "jarvis.json", json.dumps([PUBLIC_JARVIS] * 2).encode()),
    (
        lambda path: list(read_jarvis(path)),
        "jarvis.csv",
        b"jid,Tc_K,lambda_ep,wlog_K,poscar\nJVASP-1,32.7,0.7,850.0," + json.dumps(POSCAR).encode() + b"\n",
    ),
    (lambda path: list(read_htsc(path)), "htsc.json", json.dumps(HTSC).encode()),
    (
        lambda path: list(read_materials_project(path)),
        "mp.jsonl",
        _lines({"id": "mp-1", "e_form": None, "ehull": 0.0, **SITES}),
    ),
    (read_frames, "frames.extxyz", _frames()),
    (
        lambda path: read_card(path.with_suffix(".safetensors")),
        "model.json",
        b'{"kind": "a", "version": 1, "sha256": "0"}',
    ),
]


@pytest.mark.parametrize(("read", "name", "whole"), CASES, ids=[name for _, name, _ in CASES])
@given(damage=changes)
@fuzzing
def test_damaged_input(
    read: Callable[[Path], object], name: str, whole: bytes, damage: list[Change], tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(damaged(whole, damage))
    reads_or_refuses(read, path)


@pytest.mark.parametrize(
    ("read", "name", "whole"),
    [case for case in CASES if case[1] not in ("model.json", "a.jsonl.gz")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_files_themselves_are_read(
    read: Callable[[Path], object], name: str, whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVDESFLOW_MONGODB_URI", "mongodb://127.0.0.1")
    get_settings.cache_clear()
    path = tmp_path / name
    path.write_bytes(whole)
    read(path)
