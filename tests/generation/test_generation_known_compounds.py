"""The shipped set of known compounds, and how such a set is built."""

import json
from pathlib import Path

import numpy as np
import pytest

from invdesflow.errors import ModelError
from invdesflow.generation.known_compounds import KnownCompounds, build, shipped_compounds
from invdesflow.superconductors.catalogue import load_catalogue

ROCK_SALT = {
    "lattice": [[0, 2.82, 2.82], [2.82, 0, 2.82], [2.82, 2.82, 0]],
    "species": ["Na", "Cl"],
    "frac": [[0, 0, 0], [0.5, 0.5, 0.5]],
    "e_form": None,
    "ehull": None,
}


def test_compounds_are_found_by_formula_and_by_space_group() -> None:
    known = KnownCompounds.of([("NaCl", 225), ("NaCl", 221), ("MgB2", 191)])
    assert known.has_formula("NaCl")
    assert not known.has_formula("KCl")
    assert known.has_formula_and_space_group("NaCl", 221)
    assert not known.has_formula_and_space_group("MgB2", 225)
    assert (len(known.formulas), len(known.compounds)) == (2, 3)


def test_an_empty_set_knows_nothing() -> None:
    assert not KnownCompounds.of([]).has_formula("NaCl")


@pytest.mark.parametrize(("formula", "number"), [("MgB2", 191), ("Nb3Sn", 223), ("SrTiO3", 221), ("Nb", 229)])
def test_the_shipped_set_knows_textbook_compounds(formula: str, number: int) -> None:
    assert shipped_compounds().has_formula_and_space_group(formula, number)


def test_the_shipped_set_holds_the_catalogue() -> None:
    known = shipped_compounds()
    missing = [one.name for one in load_catalogue() if not known.has_formula(one.reduced_formula)]
    assert missing == []


def test_the_shipped_set_does_not_know_what_nobody_made() -> None:
    known = shipped_compounds()
    assert not any(known.has_formula(f"Xe{n}Rn{n + 1}At") for n in range(1, 200))


def test_the_shipped_set_is_small_and_sorted() -> None:
    known = shipped_compounds()
    assert (np.diff(known.formulas.astype(object)) > 0).all()
    assert known.formulas.nbytes + known.compounds.nbytes < 1_000_000


def test_building_counts_sources_and_refusals(tmp_path: Path) -> None:
    source = tmp_path / "crystals.jsonl"
    rows = [ROCK_SALT | {"id": "1"}, ROCK_SALT | {"id": "2"}, ROCK_SALT | {"id": "3", "species": ["Na", "Qq"]}]
    source.write_text("\n".join(json.dumps(row) for row in rows))
    output = tmp_path / "known.safetensors"
    card = build({"materials_project": source}, output)
    counted = card["sources"][1]
    assert (counted["crystals"], counted["refused"], counted["formulas"], counted["new_formulas"]) == (3, 1, 1, 1)
    known = KnownCompounds.load(output)
    assert known.has_formula_and_space_group("NaCl", 225)
    assert len(known.formulas) == card["formulas"]


def test_a_tampered_set_is_refused(tmp_path: Path) -> None:
    output = tmp_path / "known.safetensors"
    build({}, output)
    content = bytearray(output.read_bytes())
    content[-1] ^= 1
    output.write_bytes(bytes(content))
    with pytest.raises(ModelError, match="SHA-256"):
        KnownCompounds.load(output)
