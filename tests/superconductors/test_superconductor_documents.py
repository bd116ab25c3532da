import numpy as np
import pytest
from pydantic import ValidationError
from pymatgen.core import Lattice, Structure

from invdesflow.superconductors.documents import Calculation, Measurement, SuperconductorDocument, merge


def lead(a: float = 4.95) -> Structure:
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(a), ["Pb"], [[0, 0, 0]])


def document(**fields) -> SuperconductorDocument:
    return SuperconductorDocument.from_structure(lead(), name="Pb", lattice_source="test", **fields)


MEASURED = Measurement(tc_k=7.196, source="one")
CALCULATED = Calculation(method="test", lambda_=1.55, omega_log_mev=4.83, source="two")


def test_composition_and_symmetry_are_worked_out():
    made = document(experiment=[MEASURED])
    assert (made.reduced_formula, made.elements, made.nelements) == ("Pb", ["Pb"], 1)
    assert (made.space_group_number, made.space_group_symbol) == (225, "Fm-3m")


def test_identifier_does_not_depend_on_the_cell_but_on_the_pressure():
    supercell = lead().make_supercell([2, 1, 1], in_place=False)
    other = SuperconductorDocument.from_structure(supercell, name="lead", lattice_source="elsewhere")
    assert other.superconductor_id == document().superconductor_id
    assert document(pressure_gpa=1.0).superconductor_id != document().superconductor_id


def test_survives_the_database():
    made = document(experiment=[MEASURED], theory=[CALCULATED])
    again = SuperconductorDocument.from_mongo(made.to_mongo())
    assert again.model_dump() == made.model_dump()


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_a_value_is_a_number(value):
    with pytest.raises(ValidationError):
        Measurement(tc_k=value, source="one")
    with pytest.raises(ValidationError):
        Calculation(method="test", lambda_=value, source="one")


def test_a_value_has_a_source():
    with pytest.raises(ValidationError):
        Measurement(tc_k=1.0, source="")


def test_merging_unites_values_and_is_idempotent():
    old = document(experiment=[MEASURED], dataset_ids=["a:1"])
    new = document(experiment=[MEASURED], theory=[CALCULATED], dataset_ids=["b:2"])
    once = merge(old, new)
    assert once.experiment == [MEASURED]
    assert once.theory == [CALCULATED]
    assert once.dataset_ids == ["a:1", "b:2"]
    assert once.created_at == old.created_at
    assert merge(once, new) is once
    assert merge(old, old) is old


def test_different_crystals_do_not_merge():
    with pytest.raises(ValueError, match="different superconductors"):
        merge(document(), document(pressure_gpa=2.0))
