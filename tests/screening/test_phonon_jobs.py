"""The phonons of a shortlist, in a database."""

import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.database.arrays import unpack_arrays
from invdesflow.relaxation.documents import RelaxationDocument, Subject
from invdesflow.relaxation.potentials import find_potential, load_calculator
from invdesflow.relaxation.relaxation import RelaxationSettings, failed_relaxation, relax
from invdesflow.screening.phonon_documents import PhononDocument, phonon_id
from invdesflow.screening.phonon_jobs import DynamicalStabilityMaker
from invdesflow.screening.phonons import PhononSettings, failed_phonons

SETTINGS = PhononSettings(min_length=6.0, max_atoms=20)


def rocksalt() -> Structure:
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0] * 3, [0.5] * 3])


def aluminium() -> Structure:
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.05), ["Al"], [[0] * 3])


@pytest.fixture(scope="module")
def potential():
    return find_potential()


@pytest.fixture
def shortlist(database, potential):
    calculator = load_calculator(potential)
    crystals = {"salt": rocksalt(), "aluminium": aluminium(), "lost": Structure(Lattice.cubic(3), ["Cu"], [[0] * 3])}
    relaxation_ids = {}
    for name, structure in crystals.items():
        result = failed_relaxation(structure, "lost") if name == "lost" else relax(structure, calculator)
        document = RelaxationDocument.from_result(
            structure, result, Subject(kind="candidate", id=name), potential, RelaxationSettings()
        )
        database.collection(RelaxationDocument).upsert([document])
        relaxation_ids[name] = document.relaxation_id
    return relaxation_ids


def run(maker, relaxation_ids):
    return type(maker).make.original(maker, [*relaxation_ids, "never relaxed"], relaxation_ids, "test", 0)


def test_every_candidate_gets_its_own_answer_once(database, shortlist, monkeypatch):
    maker = DynamicalStabilityMaker(settings=SETTINGS)
    output = run(maker, shortlist)
    assert output.stable_ids == ["salt"]
    assert set(output.phonon_ids) == {"salt", "aluminium"}
    assert output.record.rejected == {"failed": 1, "not relaxed with this potential": 2}
    assert (output.record.entered, output.record.passed, output.record.reused) == (4, 1, 0)
    phonons = database.collection(PhononDocument)
    salt = phonons.get(output.phonon_ids["salt"])
    assert (salt.candidate_id, salt.relaxation_id, salt.status) == ("salt", shortlist["salt"], "stable")
    assert salt.spectrum.imaginary_modes == []
    assert salt.provenance.campaign == "test"
    bands = unpack_arrays(database.blobs.get(salt.arrays))
    assert bands["phonon_frequencies_cm1"].shape[1] == 3 * len(salt.primitive)
    large = phonons.get(output.phonon_ids["aluminium"])
    assert "more than 20" in large.reason
    assert large.arrays is None

    def unused(*args):
        raise AssertionError("what is stored is computed again")

    monkeypatch.setattr("invdesflow.screening.phonon_jobs.load_calculator", unused)
    again = run(maker, shortlist)
    assert again.stable_ids == output.stable_ids
    assert again.record.reused == 2
    assert phonons.get(output.phonon_ids["salt"]) == salt


def test_one_crystal_that_breaks_the_potential_leaves_the_others(database, shortlist, monkeypatch):
    from invdesflow.screening import phonon_jobs

    harmonic = phonon_jobs.harmonic_phonons

    def breaking(structure, *args):
        if structure.composition.reduced_formula == "Al":
            raise RuntimeError("no neighbours\nof any atom")
        return harmonic(structure, *args)

    monkeypatch.setattr(phonon_jobs, "harmonic_phonons", breaking)
    output = run(DynamicalStabilityMaker(settings=SETTINGS), shortlist)
    assert output.stable_ids == ["salt"]
    broken = database.collection(PhononDocument).get(output.phonon_ids["aluminium"])
    assert (broken.status, broken.reason) == ("failed", "RuntimeError: no neighbours")


def test_the_maker_survives_the_way_to_a_queue():
    maker = DynamicalStabilityMaker(settings=SETTINGS)
    assert DynamicalStabilityMaker.from_dict(maker.as_dict()).settings == SETTINGS


def test_another_question_is_another_document(potential):
    first = phonon_id(rocksalt(), potential, SETTINGS)
    assert first == phonon_id(rocksalt(), potential, SETTINGS)
    assert first != phonon_id(rocksalt(), potential, PhononSettings())
    assert first != phonon_id(aluminium(), potential, SETTINGS)
    assert first != phonon_id(rocksalt(), potential.model_copy(update={"digest": "other"}), SETTINGS)


def test_a_verdict_needs_its_grounds(potential):
    asked = {"candidate_id": "c", "relaxation_id": "r"}
    failed = PhononDocument.from_result(rocksalt(), failed_phonons("why"), potential, SETTINGS, **asked)
    assert PhononDocument.from_mongo(failed.to_mongo()) == failed
    with pytest.raises(ValueError, match="reason"):
        PhononDocument.model_validate(failed.to_mongo() | {"reason": ""})
    with pytest.raises(ValueError, match="frequencies"):
        PhononDocument.model_validate(failed.to_mongo() | {"status": "unstable"})
