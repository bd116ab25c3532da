"""Drawing the candidates of a round: what is stored, where it says it comes from, and what a second run does."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from invdesflow.errors import CampaignError, ConfigurationError, ModelError
from invdesflow.generation.diffusion.conditions import Conditions
from invdesflow.generation.diffusion.jobs import GenerateMaker
from invdesflow.generation.diffusion.model import GeneratorModel
from invdesflow.generation.diffusion.proposals import draw_crystals
from invdesflow.generation.diffusion.sampling import Sampler, SamplerSettings
from invdesflow.generation.documents import CandidateDocument
from invdesflow.generation.gates import GateSettings, check
from invdesflow.generation.jobs import SubstituteMaker, round_seed
from invdesflow.superconductors.loading import load_catalogue_into

CONDITIONS = Conditions(elements=("Nb", "Ti", "Zr", "B", "C", "N"), required_elements=("C",), tc_k=15.0)
STEPS = SamplerSettings(steps=4)


@pytest.fixture
def maker(untrained_generator):
    return GenerateMaker(n_candidates=5, seed=3, model=str(untrained_generator), conditions=CONDITIONS, sampler=STEPS)


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr("invdesflow.generation.rounds._BATCH", 3)


def run(maker, campaign_round=0):
    return type(maker).make.original(maker, "test", campaign_round)


def stored(database):
    return {document.candidate_id: document for document in database.collection(CandidateDocument).find()}


def physics(database):
    """Return what is stored, without times."""
    return {
        key: (document.status, document.rejections, [origin.model_dump(exclude={"at"}) for origin in document.origins])
        for key, document in stored(database).items()
    }


def test_accepted_and_refused_crystals_are_stored_with_where_they_come_from(database, maker):
    output = run(maker)
    documents = stored(database)
    assert len(output.candidate_ids) == output.record.passed == 5
    assert {key for key, document in documents.items() if document.status == "accepted"} == set(output.candidate_ids)
    assert output.record.rejected
    assert output.record.entered == 5 + sum(output.record.rejected.values())

    model = GeneratorModel.load(Path(maker.model))
    drawn = islice(draw_crystals(Sampler(model, CONDITIONS, STEPS), round_seed(3, 0), 1000), output.record.entered)
    for crystal in drawn:
        document = documents[crystal.candidate_id]
        origin = next(origin for origin in document.origins if origin.index == crystal.index)
        assert (origin.kind, origin.seed, origin.campaign, origin.campaign_round) == (
            *("diffusion", round_seed(3, 0)),
            *("test", 0),
        )
        assert (origin.generator.name, origin.generator.digest) == ("untrained generator", model.digest)
        assert origin.conditions == CONDITIONS.model_dump(
            mode="json", include={"elements", "required_elements", "tc_k"}
        )
        assert {"C"} <= set(document.elements) <= set(CONDITIONS.elements)
        if origin == document.origins[0]:  # the same crystal may be drawn again
            refusals = check(crystal.structure, GateSettings(), crystal.intended_space_group)
            assert [found for found in document.rejections if found.gate != "duplicate"] == refusals
        if document.status == "accepted":
            assert document.space_group_number == crystal.intended_space_group


def test_run_again_the_job_finds_what_it_stored(database, maker):
    first, before = run(maker), physics(database)
    again = run(maker)
    assert again.candidate_ids == first.candidate_ids
    assert again.record.rejected == first.record.rejected
    assert again.record.reused > 0
    assert physics(database) == before


def test_another_round_draws_other_crystals(database, maker):
    first, second = run(maker), run(maker, 1)
    assert len(second.candidate_ids) == 5
    assert not set(first.candidate_ids) & set(second.candidate_ids)


def killed_after(count):
    """Return a drawing that is interrupted after some crystals."""

    def draw(sampler, seed, most):
        yield from islice(draw_crystals(sampler, seed, most), count)
        raise KeyboardInterrupt

    return draw


def test_two_sources_of_a_round_count_their_own_and_a_killed_one_continues(database, maker, small_batches, monkeypatch):
    load_catalogue_into(database)
    substitute = SubstituteMaker(n_candidates=4, seed=3)
    complete = [run(maker), run(substitute)]
    expected = physics(database)
    assert [len(output.candidate_ids) for output in complete] == [5, 4]
    assert not set(complete[0].candidate_ids) & set(complete[1].candidate_ids)
    for output, kind in zip(complete, ("diffusion", "substitution"), strict=True):
        assert {expected[key][2][0]["kind"] for key in output.candidate_ids} == {kind}

    database.raw["candidates"].delete_many({})
    with monkeypatch.context() as patch:
        patch.setattr("invdesflow.generation.diffusion.jobs.draw_crystals", killed_after(4))
        with pytest.raises(KeyboardInterrupt):
            run(maker)
    survived = set(stored(database))
    assert len(survived) == 3  # the batch that was complete
    continued = [run(maker), run(substitute)]
    assert [output.candidate_ids for output in continued] == [output.candidate_ids for output in complete]
    assert [output.record.rejected for output in continued] == [output.record.rejected for output in complete]
    assert continued[0].record.reused == len(survived)
    assert physics(database) == expected


def test_what_cannot_be_drawn_is_said_before_anything_is_stored(database, maker):
    impossible = [
        (replace(maker, n_candidates=0), CampaignError, "0 candidates"),
        (replace(maker, conditions=Conditions(elements=("Xe",))), ConfigurationError, "never saw Xe"),
        (replace(maker, conditions=Conditions(space_group=225, n_atoms=1000)), ConfigurationError, "can hold"),
        (replace(maker, conditions=Conditions(composition="NbC", space_group=229)), ConfigurationError, "can hold"),
        (replace(maker, model="nowhere.safetensors"), ModelError, "nowhere"),
    ]
    for wrong, error, message in impossible:
        with pytest.raises(error, match=message):
            run(wrong)
    assert stored(database) == {}


def test_conditions_that_hardly_anything_meets_end_the_drawing(database, maker, monkeypatch):
    monkeypatch.setattr("invdesflow.generation.diffusion.jobs._DRAWINGS_PER_CANDIDATE", 4)
    strict = replace(maker, n_candidates=3, gates=GateSettings(min_contact_ratio=5.0))
    with pytest.raises(CampaignError, match="Only 0 of 3 candidates were accepted in 12 drawings"):
        run(strict)
    assert {rejection.gate for document in stored(database).values() for rejection in document.rejections} >= {
        "contact"
    }
