"""Candidates that relax into one crystal: the first of them is kept, the others are refused and say into what."""

import pytest
from documents import POTENTIAL, SETTINGS, candidate, relaxation, rock_salt
from pymatgen.core import Lattice, Structure

from invdesflow.generation.documents import CandidateDocument
from invdesflow.relaxation.documents import RelaxationDocument, Subject
from invdesflow.screening.distinctness import relaxed_into
from invdesflow.screening.documents import ScreeningDocument
from invdesflow.screening.gates import Thresholds
from invdesflow.screening.jobs import ScreenMaker
from invdesflow.superconductors.catalogue import load_catalogue
from invdesflow.superconductors.documents import SuperconductorDocument

ENERGY_EV = -8.0


def stretched(share: float) -> Structure:
    """Return niobium nitride as rock salt, longer along one axis."""
    crystal = rock_salt("Nb", "N", 4.4)
    crystal.apply_strain([0.0, 0.0, share])
    return crystal


def relaxed(
    database, proposed: Structure, found: Structure, energy_ev: float = ENERGY_EV, **fields: object
) -> RelaxationDocument:
    """Store a candidate and what became of it."""
    document = candidate(proposed)
    database.collection(CandidateDocument).upsert([document])
    result = relaxation(Subject(kind="candidate", id=document.candidate_id), found, energy_ev, **fields)
    database.collection(RelaxationDocument).upsert([result])
    return result


@pytest.fixture
def pair(database):
    """Return the relaxations of two candidates that became one crystal, the first of them stored first."""
    return [
        relaxed(database, stretched(0.02), rock_salt("Nb", "N", 4.41)),
        relaxed(database, stretched(0.1), stretched(0.005), ENERGY_EV + 0.0005),
    ]


def test_the_first_of_two_is_kept_whoever_is_asked_first(database, pair):
    first, second = pair
    expected = {second.relaxation_id: f"{first.subject.id} of candidates"}
    assert relaxed_into(database, [first, second]) == expected
    assert relaxed_into(database, [second, first]) == expected
    assert relaxed_into(database, [second]) == expected
    assert relaxed_into(database, [first]) == {}


def test_a_third_is_refused_by_the_first_too(database, pair):
    third = relaxed(database, stretched(-0.1), rock_salt("Nb", "N", 4.40))
    assert relaxed_into(database, [third]) == {third.relaxation_id: f"{pair[0].subject.id} of candidates"}


@pytest.mark.parametrize(
    ("found", "changes"),
    [
        (stretched(0.0), {"energy_ev": ENERGY_EV + 0.01}),
        (rock_salt("Nb", "N", 4.6), {}),
        (Structure(Lattice.cubic(2.77), ["Nb", "N"], [[0] * 3, [0.5] * 3]), {}),
        (stretched(0.0), {"settings": SETTINGS.model_copy(update={"pressure_gpa": 50.0})}),
        (stretched(0.0), {"potential": POTENTIAL.model_copy(update={"digest": "1" * 64})}),
    ],
    ids=["energy", "volume", "structure", "pressure", "potential"],
)
def test_what_ends_elsewhere_is_a_crystal_of_its_own(database, pair, found, changes):
    other = relaxed(database, stretched(-0.1), found, **changes)
    assert other.relaxation_id not in relaxed_into(database, [*pair, other])


def test_a_refused_candidate_keeps_nobody_out(database, pair):
    first, second = pair
    database.raw["candidates"].update_one({"candidate_id": first.subject.id}, {"$set": {"status": "rejected"}})
    assert relaxed_into(database, [second]) == {}


def test_a_known_crystal_is_found_again(database):
    known = next(one for one in load_catalogue() if one.name == "Nb3Sn")
    database.collection(SuperconductorDocument).upsert([known])
    distorted = known.structure.copy()
    distorted.apply_strain([0.0, 0.0, 0.1])
    found = relaxed(database, distorted, known.structure)
    assert relaxed_into(database, [found]) == {found.relaxation_id: f"{known.superconductor_id} of superconductors"}


@pytest.mark.parametrize("distinct", [True, False])
def test_the_screening_refuses_the_second_unless_both_are_wanted(database, pair, distinct):
    relaxation_ids = {one.subject.id: one.relaxation_id for one in pair}
    maker = ScreenMaker(thresholds=Thresholds(formation_energy_ev_per_atom=None, e_above_hull_ev_per_atom=None, tc_k=1))
    output = ScreenMaker.make.original(maker, [list(relaxation_ids)], relaxation_ids, "test", 0, distinct)
    assert set(output.passed_ids) == set(list(relaxation_ids)[: 1 if distinct else 2])
    (document,) = database.collection(ScreeningDocument).find({"candidate_id": pair[1].subject.id})
    refused = {gate.gate: gate.reason for gate in document.gates if gate.rejecting and not gate.passed}
    assert refused == ({"duplicate": f"relaxes into {pair[0].subject.id} of candidates"} if distinct else {})
    assert output.record.rejected == ({"duplicate": 1} if distinct else {})
