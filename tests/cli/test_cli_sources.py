"""What the terminal says of the two sources: where a crystal is from, and what a stage did."""

from pymatgen.core import Lattice, Structure

from invdesflow.campaigns.history import CandidateHistory
from invdesflow.cli.campaign import _account
from invdesflow.cli.history import print_history
from invdesflow.database.stages import StageRecord
from invdesflow.generation.documents import Generator, Origin, candidate_document

ROCK_SALT = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.4), ["Nb", "N"], [[0, 0, 0], [0.5] * 3])
ROUND = {"campaign": "small", "campaign_round": 2}


def test_the_history_says_where_a_crystal_is_from(capsys):
    drawn = Origin(
        kind="diffusion",
        generator=Generator(name="superconductors", version="1", digest="0123456789abcdef" * 4),
        conditions={"elements": ["Nb", "N"], "tc_k": 15.0},
        seed=42,
        index=7,
        **ROUND,
    )
    made = Origin(
        kind="substitution",
        parents=["sc-1"],
        replacements={"Ti": "Nb"},
        generator=Generator(name="invdesflow substitution", version="0.1"),
        seed=43,
        index=8,
        **ROUND,
    )
    candidate = candidate_document(ROCK_SALT, drawn, []).model_copy(update={"origins": [drawn, made]})
    nothing = {"relaxations": [], "screenings": [], "phonons": [], "couplings": []}
    print_history(CandidateHistory(summary=None, candidate=candidate, **nothing))
    shown = " ".join(capsys.readouterr().out.split())
    assert (
        "campaign small, round 2: diffusion by superconductors 0123456789ab as number 7 of seed 42 "
        "(elements Nb, N, tc k 15)" in shown
    )
    assert "campaign small, round 2: substitution in sc-1 as number 8 of seed 43 (Ti -> Nb)" in shown


def test_a_stage_is_told_in_one_line_most_frequent_reason_first():
    record = StageRecord(stage="generate", entered=20, passed=6, rejected={"contact": 3, "volume": 11}, seconds=1.0)
    assert _account(record) == "generate: 6 of 20 passed (rejected: volume 11, contact 3)"
    assert _account(StageRecord(stage="relax", entered=6, passed=6, seconds=1.0)) == "relax: 6 of 6 passed"
