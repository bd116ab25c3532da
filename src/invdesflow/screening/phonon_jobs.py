"""The job that asks whether shortlisted candidates are dynamically stable."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ase.calculators.calculator import Calculator
from jobflow import job
from pydantic import BaseModel, ConfigDict, Field
from pymatgen.core import Structure

from invdesflow.database import Database
from invdesflow.database.arrays import pack_arrays
from invdesflow.database.documents import Provenance
from invdesflow.database.provenance import current_provenance
from invdesflow.database.stages import StageRecord, Stopwatch
from invdesflow.errors import PotentialError
from invdesflow.makers import SettingsMaker
from invdesflow.progress import track
from invdesflow.relaxation.documents import RelaxationDocument
from invdesflow.relaxation.potentials import Kind, Potential, load_calculator
from invdesflow.relaxation.registered import find_registered_potential
from invdesflow.screening.phonon_documents import PhononDocument, phonon_id
from invdesflow.screening.phonons import PhononResult, PhononSettings, failed_phonons, harmonic_phonons

__all__ = ["DynamicalStabilityMaker", "DynamicalStabilityOutput"]


class DynamicalStabilityOutput(BaseModel):
    """What a job that computes phonons did."""

    model_config = ConfigDict(extra="forbid")

    record: StageRecord
    phonon_ids: dict[str, str] = Field(description="candidate_id -> phonon_id, whatever the answer")
    stable_ids: list[str] = Field(description="candidates without imaginary modes")


@dataclass
class DynamicalStabilityMaker(SettingsMaker):
    """Compute harmonic phonons of relaxed candidates with an interatomic potential.

    1. Take the first of the shortlist, as far as their relaxation with the same potential converged.
    2. Leave out what is stored with the same potential and settings.
    3. Compute the rest one after the other; every answer is stored as it comes, with its reason where there is none.

    Parameters
    ----------
    name
        Name of the job.
    most
        Candidates of the shortlist that are looked at, its first ones; none looks at all.
    potential
        Program of the interatomic potential; the one of the relaxations, or no crystal is at rest.
    model
        Its weights: a name that the program knows, or a path; by default CHGNet 0.3.0 or SevenNet-0.
    settings
        Supercell, displacements, tolerances.
    """

    name: str = "phonons"
    most: int | None = 10
    potential: Kind = "CHGNet"
    model: str | None = None
    settings: PhononSettings = field(default_factory=PhononSettings)

    @job
    def make(
        self, candidate_ids: list[str], relaxation_ids: dict[str, str], campaign: str, campaign_round: int
    ) -> DynamicalStabilityOutput:
        """Compute the phonons of some candidates of one round.

        Parameters
        ----------
        candidate_ids
            Candidates on the shortlist, best first, such as those that passed a screening.
        relaxation_ids
            candidate_id -> relaxation_id, as a relaxing job returns them.
        campaign, campaign_round
            The round, for the provenance.

        Raises
        ------
        PotentialError
            If the potential cannot be loaded. What happens to one crystal is the reason in its document.
        """
        watch = Stopwatch()
        candidate_ids = candidate_ids[: self.most]
        with Database() as database:
            potential = find_registered_potential(database, self.potential, self.model)
            relaxed = _relaxed(database, {name: relaxation_ids.get(name) for name in candidate_ids}, potential)
            identifiers = {
                name: phonon_id(relaxation.final_structure, potential, self.settings)
                for name, relaxation in relaxed.items()
            }
            collection = database.collection(PhononDocument)
            stored = collection.existing(identifiers.values())
            missing = {name: row for name, row in relaxed.items() if identifiers[name] not in stored}
            for document in self._compute(database, missing, potential, current_provenance(campaign, campaign_round)):
                collection.upsert([document])
            found = collection.values({"phonon_id": {"$in": list(identifiers.values())}}, ["phonon_id", "status"])
            answers = {row["phonon_id"]: row["status"] for row in found}
        status = {name: answers[identifier] for name, identifier in identifiers.items()}
        stable = [name for name in candidate_ids if status.get(name) == "stable"]
        for name in set(candidate_ids) - set(stable):
            watch.reject([status.get(name, "not relaxed with this potential")])
        reused = len(relaxed) - len(missing)
        record = watch.record(self.name, entered=len(candidate_ids), passed=len(stable), reused=reused)
        return DynamicalStabilityOutput(record=record, phonon_ids=identifiers, stable_ids=stable)

    def _compute(
        self,
        database: Database,
        relaxations: Mapping[str, RelaxationDocument],
        potential: Potential,
        provenance: Provenance,
    ) -> Iterator[PhononDocument]:
        if not relaxations:
            return
        calculator = load_calculator(potential)
        for candidate_id, relaxation in track(relaxations.items(), "phonons", total=len(relaxations)):
            structure = relaxation.final_structure
            result = _phonons(structure, calculator, potential, self.settings)
            yield PhononDocument.from_result(
                structure,
                result,
                potential,
                self.settings,
                arrays=database.blobs.put(pack_arrays(result.bands)) if result.bands else None,
                candidate_id=candidate_id,
                relaxation_id=relaxation.relaxation_id,
                provenance=provenance,
            )


def _relaxed(
    database: Database, relaxation_ids: Mapping[str, str | None], potential: Potential
) -> dict[str, RelaxationDocument]:
    """Return the relaxations of candidates that converged with this potential."""
    criteria = {
        "relaxation_id": {"$in": [identifier for identifier in relaxation_ids.values() if identifier]},
        "potential.digest": potential.digest,
        "converged": True,
    }
    found = {row.relaxation_id: row for row in database.collection(RelaxationDocument).find(criteria)}
    return {name: found[identifier] for name, identifier in relaxation_ids.items() if identifier in found}


def _phonons(
    structure: Structure, calculator: Calculator, potential: Potential, settings: PhononSettings
) -> PhononResult:
    try:
        potential.require(element.symbol for element in structure.composition.elements)
        return harmonic_phonons(structure, calculator, settings)
    except PotentialError as error:
        return failed_phonons(error.problem)
    except Exception as error:  # noqa: BLE001 - one structure's failure, whatever it is, is its own
        first_line = str(error).partition("\n")[0]
        return failed_phonons(f"{type(error).__name__}: {first_line}")
