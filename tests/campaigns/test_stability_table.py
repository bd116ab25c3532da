"""The stability table, worked out on paper, from states and from documents in a database."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from documents import POTENTIAL, caesium_chloride, candidate, element, references, relaxation, rock_salt

from invdesflow.campaigns.builders import SummaryBuilder
from invdesflow.campaigns.stability_table import CandidateState, read_states, stability_table
from invdesflow.cli.report import report_stability
from invdesflow.errors import CampaignError
from invdesflow.generation.documents import CandidateDocument, Generator, Origin
from invdesflow.relaxation.documents import RelaxationDocument, Subject
from invdesflow.screening.phonon_documents import PhononDocument
from invdesflow.screening.phonon_spectrum import Spectrum
from invdesflow.screening.phonons import PhononResult, PhononSettings, failed_phonons

DRAWN = "diffusion: drawer 0123456789ab"


def state(source, **known):
    return CandidateState(sources=frozenset([source]), **known)


def test_shares_are_of_what_is_known():
    relaxed = {"converged": True, "max_force": 0.02, "hull_complete": True}
    rows = stability_table(
        [
            state("a", **relaxed, formation_energy_ev_per_atom=-0.3, e_above_hull_ev_per_atom=0.0, phonons="stable"),
            state("a", **relaxed, formation_energy_ev_per_atom=-0.1, e_above_hull_ev_per_atom=0.1, phonons="unstable"),
            state("a", **relaxed, formation_energy_ev_per_atom=0.2, e_above_hull_ev_per_atom=0.3, phonons="failed"),
            state("a", **(relaxed | {"max_force": 0.04})),
            state("a", converged=False, max_force=3.0, formation_energy_ev_per_atom=-9.0),
            state("a"),
            state("b"),
        ]
    )
    assert [row.source for row in rows] == ["a", "b", "all"]
    row = rows[0]
    assert row.candidates == 6
    assert (row.relaxed.count, row.relaxed.total) == (4, 5)
    assert row.median_max_force == 0.02
    assert (row.negative_formation_energy.count, row.negative_formation_energy.total) == (2, 3)
    assert {limit: share.count for limit, share in row.within_hull.items()} == {"0": 1, "0.05": 1, "0.1": 2}
    assert {share.total for share in row.within_hull.values()} == {3}
    assert (row.dynamically_stable.count, row.dynamically_stable.total) == (1, 2)
    assert (row.phonons_failed, row.phonons_missing) == (1, 1)
    assert rows[1].relaxed.share is None
    assert rows[2].candidates == 7


def test_a_candidate_of_two_sources_counts_in_each_and_once_in_all():
    rows = stability_table([CandidateState(sources=frozenset("ab"), converged=True)])
    assert [(row.source, row.candidates, row.relaxed.count) for row in rows] == [
        ("a", 1, 1),
        ("b", 1, 1),
        ("all", 1, 1),
    ]


def test_nothing_has_no_rows():
    assert stability_table([]) == []


SPECTRUM = Spectrum(
    acoustic_thz=[0.0] * 3, lowest_thz=2.0, highest_thz=9.0, lowest_interpolated_thz=None, imaginary_modes=[]
)


def phonons(name: str, relaxed: RelaxationDocument, *, stable: bool) -> PhononDocument:
    result = PhononResult("stable", "", spectrum=SPECTRUM) if stable else failed_phonons("not relaxed")
    return PhononDocument.from_result(
        relaxed.final_structure,
        result,
        POTENTIAL,
        PhononSettings(),
        candidate_id=name,
        relaxation_id=relaxed.relaxation_id,
    )


@pytest.fixture
def campaign(database):
    """Substituted MgB (rock salt, below its elements), drawn MgB (CsCl, above them), and Mg, which was not relaxed."""
    salt, chloride, metal = (
        candidate(structure) for structure in (rock_salt("Mg", "B"), caesium_chloride("Mg", "B"), element("Mg", 3.3))
    )
    drawn = Origin(
        kind="diffusion", generator=Generator(name="drawer", digest="0123456789abcdef" * 4), campaign="other"
    )
    chloride = chloride.model_copy(update={"origins": [drawn]})
    database.collection(CandidateDocument).upsert([salt, chloride, metal])
    relaxed = [
        relaxation(Subject(kind="candidate", id=salt.candidate_id), rock_salt("Mg", "B"), -4.2),
        relaxation(Subject(kind="candidate", id=chloride.candidate_id), caesium_chloride("Mg", "B"), -3.92),
    ]
    database.collection(RelaxationDocument).upsert([*references(), *relaxed])
    database.collection(PhononDocument).upsert(
        [
            phonons(salt.candidate_id, relaxed[0], stable=True),
            phonons(chloride.candidate_id, relaxed[1], stable=False),
        ]
    )
    builder = SummaryBuilder()
    builder.run_here(database)
    assert builder.failures == []


def test_the_database_gives_the_rows_of_its_documents(database, campaign):
    rows = {row.source: row for row in stability_table(read_states(database))}
    assert set(rows) == {DRAWN, "substitution", "all"}
    made, drawn = rows["substitution"], rows[DRAWN]
    # Mg -1.5 and B -6.5 eV/atom: MgB of its elements has -4.0.
    assert (made.candidates, made.relaxed.count, made.relaxed.total) == (2, 1, 1)
    assert made.negative_formation_energy.count == 1
    assert made.within_hull["0"].count == 1
    assert (made.dynamically_stable.count, made.phonons_missing) == (1, 0)
    assert drawn.negative_formation_energy.count == 0
    assert drawn.within_hull["0.1"].count == 0  # 0.28 above the rock salt
    assert (drawn.phonons_failed, drawn.dynamically_stable.total) == (1, 0)
    assert rows["all"].complete_hulls.count == 2
    only = stability_table(read_states(database, "by-hand"))
    assert [(row.source, row.candidates) for row in only] == [("substitution", 2), ("all", 2)]


def invdesflow(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "invdesflow"
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=300, check=False)


def test_the_command_prints_the_table(database, campaign):
    table = invdesflow("report", "stability")
    assert DRAWN in table.stdout
    assert "50% (1/2)" in table.stdout


def test_the_command_prints_json(database):
    done = invdesflow("report", "stability", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, [])


def test_an_empty_database_says_so(database, capsys):
    report_stability()
    assert "no candidates yet" in capsys.readouterr().err


def test_a_campaign_that_does_not_exist_is_an_error(database):
    with pytest.raises(CampaignError, match="none"):
        report_stability(campaign="none")
