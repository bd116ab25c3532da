"""Cheap work of the real kind: candidates, training sets with their blobs, summaries, in a campaign of small jobs."""

import secrets
import time
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from jobflow import Flow, Response, job
from pymatgen.core import Lattice, Structure

from invdesflow.campaigns.campaign_maker import CampaignMaker
from invdesflow.campaigns.jobs import FinishRoundMaker
from invdesflow.database import Database
from invdesflow.database.stages import StageRecord, Stopwatch
from invdesflow.database.summary import SummaryDocument
from invdesflow.generation.documents import CandidateDocument, Generator, NoveltyResult, Origin, candidate_document
from invdesflow.learning.training_set_documents import TrainingSetDocument
from invdesflow.learning.training_sets import TrainingRow, TrainingSet, freeze
from invdesflow.testing.faults.promises import Promise, Promises

__all__ = [
    "CheapCampaignMaker",
    "CheapInParallelMaker",
    "candidate",
    "counted",
    "crystal",
    "store_step",
    "training_set",
]

_ELEMENTS = ["Li", "Na", "K", "Rb", "Cs", "Mg", "Ca", "Sr", "Ba", "Sc", "Y", "Ti", "Zr", "Nb", "Mo", "B", "C", "N", "O"]


def crystal(number: int) -> Structure:
    """Return a crystal of the caesium chloride type, another composition for every number below 171."""
    pair = list(combinations(_ELEMENTS, 2))[number]
    return Structure(Lattice.cubic(3.0), list(pair), [[0, 0, 0], [0.5, 0.5, 0.5]])


def candidate(number: int, campaign: str) -> CandidateDocument:
    """Return the candidate with this crystal."""
    origin = Origin(
        kind="substitution", parents=["sc-0"], generator=Generator(name="faults"), campaign=campaign, campaign_round=0
    )
    return candidate_document(crystal(number), origin, [], NoveltyResult(new_composition=True, new_structure=True))


def training_set(number: int) -> TrainingSet:
    """Return a set of a few rows, whose blob is written before its document."""
    rows = [
        TrainingRow(
            source=f"candidates:cand-{one}",
            formula=crystal(one).composition.reduced_formula,
            structure=crystal(one),
            labels={},
            mu_star=0.1,
        )
        for one in (number, *range(160, 170))
    ]
    return freeze("generator", rows, mu_star=0.1)


def counted(identifier: str, version: int, payload: int = 0) -> SummaryDocument:
    """Return a summary that says how often it has been written, and carries some bytes."""
    return SummaryDocument(
        candidate_id=identifier,
        reduced_formula="MgB2",
        anonymous_formula="AB2",
        chemical_system="B-Mg",
        elements=["B", "Mg"],
        nelements=2,
        nsites=3,
        space_group_number=191,
        space_group_symbol="P6/mmm",
        volume_per_atom=9.7,
        stage="screened",
        rejected=False,
        origins=["substitution"],
        campaigns=[secrets.token_hex(payload // 2) or "none"],
        sources_digest="none",
        tc_k=float(version),
    )


def store_step(database: Database, promises: Promises, number: int, campaign: str) -> None:
    """Store a candidate, and a training set with its blob; promise each after its write was acknowledged."""
    proposed = candidate(number, campaign)
    database.collection(CandidateDocument).insert_new([proposed])
    promises.note(Promise(collection="candidates", identifier=proposed.candidate_id))
    rows = training_set(number)
    rows.save(database)
    promises.note(
        Promise(collection=TrainingSetDocument.collection, identifier=rows.document.training_set_id),
    )


@dataclass
class CheapCampaignMaker(CampaignMaker):
    """A campaign of small jobs, of which the first replaces itself by the others.

    Parameters
    ----------
    promises
        File of what was acknowledged.
    n_steps
        Number of jobs that store something.
    pause_s
        How long each of them takes besides (s).
    name
        Name of the flow.
    """

    promises: str = ""
    n_steps: int = 4
    pause_s: float = 0.02
    name: str = "cheap"

    def make(self, campaign: str, campaign_round: int) -> Flow:
        """Return the flow of one round."""
        begin = self.begin(campaign, campaign_round)
        return Flow([begin], name=f"{campaign} round {campaign_round}")

    @job(name="begin")
    def begin(self, campaign: str, campaign_round: int) -> Response[None]:
        """Replace this job by the steps and the end of the round."""
        steps = [self.step(campaign, number) for number in range(self.n_steps)]
        finish = FinishRoundMaker().make(campaign, campaign_round, [one.output for one in steps])
        return Response(replace=Flow([*steps, finish], output=finish.output))

    @job(name="step")
    def step(self, campaign: str, number: int) -> StageRecord:
        """Store what belongs to one number."""
        watch = Stopwatch()
        with Database() as database:
            store_step(database, Promises(Path(self.promises)), number, campaign)
        time.sleep(self.pause_s)
        return watch.record(f"step {number}", entered=1, passed=1)


@dataclass
class CheapInParallelMaker(CheapCampaignMaker):
    """The same, several jobs at a time."""

    name: str = "cheap in parallel"
    parallel = True
