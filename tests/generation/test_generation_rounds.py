"""What a source contributes to a round: its own crystals, each once, whoever else works on the same round."""

from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from invdesflow.crystals.identity import candidate_id
from invdesflow.generation.documents import CandidateDocument, Generator, Origin, candidate_document
from invdesflow.generation.gates import GateSettings
from invdesflow.generation.known_compounds import KnownCompounds
from invdesflow.generation.rounds import GenerationRound
from invdesflow.superconductors.documents import SuperconductorDocument
from invdesflow.superconductors.loading import load_catalogue_into

FCC = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
METALS = ["Ti", "V", "Cr", "Zr", "Nb", "Mo", "Hf", "Ta", "W", "Sc"]


@dataclass(frozen=True)
class Drawn:
    index: int
    structure: Structure
    intended_space_group: int | None = 225

    @property
    def candidate_id(self):
        return candidate_id(self.structure)


def rock_salt(metal: str, other: str = "N", a: float = 4.4) -> Structure:
    return Structure(Lattice(a * FCC), [metal, other], [[0, 0, 0], [0.5] * 3])


def proposals(other: str = "N", metals=METALS):
    return [Drawn(index, rock_salt(metal, other)) for index, metal in enumerate(metals)]


def origin_of(kind: str, seed: int = 1):
    def origin(proposal: Drawn) -> Origin:
        return Origin(kind=kind, generator=Generator(name=kind, version="1"), seed=seed, index=proposal.index)

    return origin


def run(database, drawn, n_candidates, *, kind="substitution", campaign_round=0, origin=None):
    generation = GenerationRound(database, "test", campaign_round, GateSettings(), origin or origin_of(kind))
    return generation.run(kind, iter(drawn), n_candidates)


def stored(database):
    return {document.candidate_id: document for document in database.collection(CandidateDocument).find()}


def physics(database):
    """Return what is stored, without times."""
    return {
        key: (document.status, document.rejections, [origin.model_dump(exclude={"at"}) for origin in document.origins])
        for key, document in stored(database).items()
    }


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr("invdesflow.generation.rounds._BATCH", 3)


def test_accepted_and_rejected_proposals_are_stored_and_no_more_are_drawn(database, small_batches):
    drawn = proposals()
    drawn[1] = Drawn(1, rock_salt("V", a=2.0))  # atoms in each other
    drawn[2] = replace(drawn[2], intended_space_group=221)
    source = iter(drawn)
    output = run(database, source, 5)
    assert output.candidate_ids == [drawn[index].candidate_id for index in (0, 3, 4, 5, 6)]
    assert next(source).index == 7
    documents = stored(database)
    assert [document.status for document in documents.values()].count("rejected") == 2
    assert all(document.provenance.campaign_round == 0 for document in documents.values())
    assert output.record.entered == 7
    assert sum(output.record.rejected.values()) == 2
    assert output.record.reused == 0


def test_a_compound_of_the_shipped_set_is_no_new_composition(database, monkeypatch):
    compounds = KnownCompounds.of([("TiN", 225)])
    monkeypatch.setattr("invdesflow.generation.rounds.shipped_compounds", lambda: compounds)
    nitride, other = proposals(metals=["Ti", "V"])
    run(database, [nitride, other], 2)
    novelty = {key: document.novelty for key, document in stored(database).items()}
    assert (novelty[nitride.candidate_id].new_composition, novelty[nitride.candidate_id].known_compound) == (
        False,
        True,
    )
    assert (novelty[other.candidate_id].new_composition, novelty[other.candidate_id].known_compound) == (True, False)
    assert novelty[nitride.candidate_id].new_structure


def test_what_is_known_is_a_duplicate(database):
    load_catalogue_into(database)
    [known, *_] = database.collection(SuperconductorDocument).find({"reduced_formula": "NbN"})
    unheard_of = [Drawn(2, rock_salt("Sc", "As", 5.5))]
    output = run(database, [Drawn(1, known.structure, None), *unheard_of], 1)
    assert output.candidate_ids == [unheard_of[0].candidate_id]
    assert output.record.rejected == {"duplicate": 1}


def test_fewer_candidates_than_asked_for_are_returned(database):
    assert len(run(database, proposals(), 50).candidate_ids) == len(METALS)


def test_a_second_source_of_the_round_counts_its_own_crystals(database, small_batches):
    first = run(database, proposals(), 6)
    # The same crystals in the other order, under the same seed and in part under the same indices.
    reverse = [Drawn(index, rock_salt(metal)) for index, metal in enumerate(reversed(METALS))]
    second = run(database, [*reverse, *proposals("C")[:4]], 7, kind="diffusion")
    assert len(first.candidate_ids) == 6
    assert len(second.candidate_ids) == 7
    assert not set(first.candidate_ids) & set(second.candidate_ids)
    assert second.record.rejected == {"known candidate": 6}
    documents = stored(database)
    assert [origin.kind for origin in documents[first.candidate_ids[0]].origins] == ["substitution", "diffusion"]

    before = physics(database)
    for output, again in (
        (first, run(database, proposals(), 6)),
        (second, run(database, [*reverse, *proposals("C")[:4]], 7, kind="diffusion")),
    ):
        assert again.candidate_ids == output.candidate_ids
        assert again.record.reused == len(output.candidate_ids)
        assert again.record.rejected == output.record.rejected
    assert physics(database) == before


def test_a_later_round_finds_what_the_first_one_found(database):
    run(database, proposals(), 3)
    output = run(database, proposals(), 3, campaign_round=1)
    assert output.record.rejected == {"known candidate": 3}
    assert len(output.candidate_ids) == 3
    assert {origin.campaign_round for origin in stored(database)[proposals()[0].candidate_id].origins} == {0, 1}


@pytest.mark.parametrize("drawn_before", [1, 4, 7])
def test_a_killed_run_is_continued(database, small_batches, drawn_before):
    drawn = proposals()
    drawn[3] = Drawn(3, rock_salt("Zr", a=2.0))
    complete = run(database, drawn, 8)
    expected = physics(database)
    database.raw["candidates"].delete_many({})

    def killed():
        yield from islice(drawn, drawn_before)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(database, killed(), 8)
    n_stored = len(stored(database))
    assert n_stored == drawn_before // 3 * 3
    continued = run(database, drawn, 8)
    assert continued.candidate_ids == complete.candidate_ids
    assert continued.record.reused == n_stored
    assert continued.record.rejected == complete.record.rejected
    assert physics(database) == expected


def test_another_version_of_the_program_continues_the_round(database):
    def newer(proposal):
        origin = origin_of("substitution")(proposal)
        return origin.model_copy(update={"generator": Generator(name="substitution", version="2")})

    first = run(database, proposals(), 4)
    assert run(database, proposals(), 4, origin=newer).candidate_ids == first.candidate_ids


def test_a_crystal_drawn_twice_counts_once(database):
    drawn = proposals(metals=["Ti", "Ti", "V", "Ti"])
    output = run(database, drawn, 4)
    assert output.candidate_ids == [drawn[0].candidate_id, drawn[2].candidate_id]
    assert output.record.rejected == {"known candidate": 2}
    assert [origin.index for origin in stored(database)[drawn[0].candidate_id].origins] == [0, 1, 3]
    assert run(database, drawn, 4).candidate_ids == output.candidate_ids


def test_a_crystal_that_another_source_inserts_at_the_same_moment_is_the_others(database):
    def origin(proposal: Drawn) -> Origin:
        if proposal.index == 1:
            foreign = origin_of("import")(proposal)
            database.collection(CandidateDocument).insert_new([candidate_document(proposal.structure, foreign, [])])
        return origin_of("substitution")(proposal)

    drawn = proposals()
    output = run(database, drawn, 3, origin=origin)
    assert output.candidate_ids == [drawn[index].candidate_id for index in (0, 2, 3)]
    assert output.record.rejected == {"known candidate": 1}
    assert [origin.kind for origin in stored(database)[drawn[1].candidate_id].origins] == ["import", "substitution"]
