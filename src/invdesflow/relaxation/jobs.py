"""Jobs that relax candidates and whatever competes with them for the hull."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain

from jobflow import job
from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Structure

from invdesflow.database import Database
from invdesflow.database.provenance import current_provenance
from invdesflow.database.stages import StageRecord, Stopwatch
from invdesflow.generation.documents import CandidateDocument
from invdesflow.makers import SettingsMaker
from invdesflow.progress import track
from invdesflow.relaxation.batch import relax_batch
from invdesflow.relaxation.documents import RelaxationDocument, Subject, relaxation_id
from invdesflow.relaxation.elements import reference_structures
from invdesflow.relaxation.entries import subsystem_names
from invdesflow.relaxation.potentials import Kind, Potential
from invdesflow.relaxation.registered import find_registered_potential
from invdesflow.relaxation.relaxation import RelaxationSettings
from invdesflow.superconductors.documents import SuperconductorDocument
from invdesflow.superconductors.references import ReferenceDocument

__all__ = ["RelaxMaker", "RelaxationOutput"]


class RelaxationOutput(BaseModel):
    """What a relaxing job did."""

    model_config = ConfigDict(extra="forbid")

    record: StageRecord
    relaxation_ids: dict[str, str] = Field(description="candidate_id -> relaxation_id, converged or not")


@dataclass
class RelaxMaker(SettingsMaker):
    """Relax candidates, and the crystals that compete with them for the convex hull, in worker processes.

    1. Collect the candidates, and within their chemical systems the elements, the known superconductors at this
       pressure, and the imported reference crystals near the hull.
    2. Leave out what is stored with the same potential and settings.
    3. Relax the rest side by side; every result is stored as it comes, converged or not, with the reason.

    Parameters
    ----------
    name
        Name of the job.
    potential
        Program of the interatomic potential.
    model
        Its weights: a name that the program knows, or a path; by default CHGNet 0.3.0 or SevenNet-0. For DeePMD also
        the name of a potential in the registry; by default the promoted one.
    settings
        Convergence, pressure, symmetry.
    max_reference_e_above_hull_ev_per_atom
        Imported reference crystals further above the hull of their data set do not compete (eV/atom).
    time_limit_s
        Wall time for one crystal (s).
    """

    name: str = "relax"
    potential: Kind = "CHGNet"
    model: str | None = None
    settings: RelaxationSettings = field(default_factory=RelaxationSettings)
    max_reference_e_above_hull_ev_per_atom: float = 0.01
    time_limit_s: float = 600.0

    @job
    def make(self, candidate_ids: list[list[str]], campaign: str, campaign_round: int) -> RelaxationOutput:
        """Relax the candidates of one round.

        Parameters
        ----------
        candidate_ids
            Candidates of every source of the round.
        campaign, campaign_round
            The round, for the provenance.

        Raises
        ------
        PotentialError
            If the potential cannot be loaded. What happens to one crystal is the reason in its document.
        """
        watch = Stopwatch()
        with Database() as database:
            potential = find_registered_potential(database, self.potential, self.model)
            candidates = dict(_candidate_structures(database, chain(*candidate_ids)))
            systems = [{site.specie.symbol for site in structure} for structure in candidates.values()]
            competitors = dict(self._competitors(database, systems, potential))
            reused = self._relax(database, candidates | competitors, potential, campaign, campaign_round)
            identifiers = {
                subject.id: relaxation_id(subject, structure, potential, self.settings)
                for subject, structure in candidates.items()
            }
            failed = _reasons(database, identifiers.values())
        for reason in failed:
            watch.reject([reason])
        record = watch.record(
            self.name,
            entered=len(candidates),
            passed=len(candidates) - len(failed),
            reused=reused,
            note=f"{len(competitors)} competing crystals for the hull",
        )
        return RelaxationOutput(record=record, relaxation_ids=identifiers)

    def _competitors(
        self, database: Database, systems: list[set[str]], potential: Potential
    ) -> Iterator[tuple[Subject, Structure]]:
        """Yield what competes within the systems, as far as the potential goes."""
        known_elements = set(potential.elements)
        for symbol in sorted(set().union(*systems) & known_elements):
            for polymorph, structure in reference_structures(symbol).items():
                yield Subject(kind="element", id=polymorph), structure
        within = {frozenset(part.split("-")) for system in systems for part in subsystem_names(_name(system))}
        competing = {system for system in within if system <= known_elements}
        at_pressure = {"pressure_gpa": self.settings.pressure_gpa}
        for known in database.collection(SuperconductorDocument).find(at_pressure):
            if frozenset(known.elements) in competing:
                yield Subject(kind="superconductor", id=known.superconductor_id), known.structure
        near_hull = {"e_above_hull_ev_per_atom": {"$lte": self.max_reference_e_above_hull_ev_per_atom}}
        names = [_name(system) for system in competing]
        for reference in database.collection(ReferenceDocument).find({"chemical_system": {"$in": names}} | near_hull):
            yield Subject(kind="reference", id=reference.reference_id), reference.structure

    def _relax(
        self,
        database: Database,
        subjects: dict[Subject, Structure],
        potential: Potential,
        campaign: str,
        campaign_round: int,
    ) -> int:
        """Relax and store what is not stored; return the number of those that are."""
        collection = database.collection(RelaxationDocument)
        identifiers = {
            subject: relaxation_id(subject, structure, potential, self.settings)
            for subject, structure in subjects.items()
        }
        stored = collection.existing(identifiers.values())
        missing = {subject: structure for subject, structure in subjects.items() if identifiers[subject] not in stored}
        provenance = current_provenance(campaign, campaign_round)
        results = relax_batch(
            missing,
            potential,
            self.settings,
            workers=database.settings.workers,
            time_limit_s=self.time_limit_s,
        )
        with closing(results):
            for subject, result in track(results, "relaxing", total=len(missing)):
                document = RelaxationDocument.from_result(
                    missing[subject], result, subject, potential, self.settings, provenance=provenance
                )
                collection.upsert([document])
        return len(subjects) - len(missing)


def _name(system: Iterable[str]) -> str:
    return "-".join(sorted(system))


def _candidate_structures(database: Database, candidate_ids: Iterable[str]) -> Iterator[tuple[Subject, Structure]]:
    for candidate in database.collection(CandidateDocument).find_in("candidate_id", candidate_ids):
        yield Subject(kind="candidate", id=candidate.candidate_id), candidate.structure


def _reasons(database: Database, relaxation_ids: Iterable[str]) -> list[str]:
    """Return why relaxations did not converge."""
    criteria = {"relaxation_id": {"$in": list(relaxation_ids)}, "converged": False}
    return [row["reason"] for row in database.collection(RelaxationDocument).values(criteria, ["reason"])]
