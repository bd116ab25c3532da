"""Screening candidates of a database with the models that ship."""

import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.generation.documents import CandidateDocument, Generator, Origin, candidate_document
from invdesflow.screening.documents import ScreeningDocument
from invdesflow.screening.gates import Thresholds
from invdesflow.screening.jobs import ScreenMaker

ELEMENTS = {"nitride": ("Nb", "N", 4.39), "carbide": ("Nb", "C", 4.47), "salt": ("Na", "Cl", 5.64)}


@pytest.fixture
def candidates(database):
    """Return the identifiers of three rock salts that were proposed."""
    origin = Origin(kind="import", generator=Generator(name="test"))
    identifiers = {}
    for name, (first, second, a) in ELEMENTS.items():
        crystal = Structure.from_spacegroup("Fm-3m", Lattice.cubic(a), [first, second], [[0, 0, 0], [0.5] * 3])
        document = candidate_document(crystal, origin, [])
        database.collection(CandidateDocument).upsert([document])
        identifiers[name] = document.candidate_id
    return identifiers


def run(candidates, **options):
    maker = ScreenMaker(thresholds=Thresholds(e_above_hull_ev_per_atom=None, tc_k=3.0), **options)
    return ScreenMaker.make.original(maker, [list(candidates.values())], None, "test", 0)


def documents(database, candidates):
    found = {one.candidate_id: one for one in database.collection(ScreeningDocument).find({})}
    return {name: found[identifier] for name, identifier in candidates.items()}


def test_candidates_pass_or_are_rejected_with_numbers_and_reasons(database, candidates):
    output = run(candidates)
    found = documents(database, candidates)
    assert output.record.entered == 3
    assert output.passed_ids == sorted(output.passed_ids, key=lambda name: -found_tc(found, name))
    assert candidates["nitride"] in output.passed_ids
    salt = found["salt"]
    assert not salt.passed
    assert next(gate.gate for gate in salt.gates if not gate.passed) == "classifier"
    assert output.record.rejected["classifier"] == 1
    for document in found.values():
        assert set(document.models) == {"classifier", "formation-energy", "tc", "cost"}
        assert document.core_hours > 0
        assert document.provenance.campaign == "test"
    assert run(candidates).passed_ids == output.passed_ids
    assert database.collection(ScreeningDocument).count() == 3


def found_tc(found, identifier):
    return next(document.tc_k for document in found.values() if document.candidate_id == identifier)


def test_a_model_that_is_not_there_is_a_recorded_rejection(database, candidates, tmp_path):
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"no weights")
    damaged.with_suffix(".json").write_text('{"kind": "cost", "version": 1, "sha256": "0"}')
    output = run(candidates, models={"tc": "lost", "cost": str(damaged)})
    assert output.passed_ids == []
    nitride = documents(database, candidates)["nitride"]
    assert set(nitride.models) == {"classifier", "formation-energy"}
    assert nitride.core_hours is None
    [tc] = [gate for gate in nitride.gates if gate.gate == "tc"]
    assert tc.reason.startswith("There is no model 'lost'")
    assert nitride.superconductor_probability is not None
