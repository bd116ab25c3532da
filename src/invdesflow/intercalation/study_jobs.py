"""The job that compares hosts and guests, and the function that it and every later look at them call."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from jobflow import job
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from invdesflow.database import Database
from invdesflow.database.arrays import pack_arrays, unpack_arrays
from invdesflow.database.documents import Provenance
from invdesflow.database.provenance import current_provenance
from invdesflow.database.stages import StageRecord, Stopwatch
from invdesflow.errors import IntercalationError, InvDesFlowError
from invdesflow.intercalation.comparison import element_references
from invdesflow.intercalation.documents import (
    CrystalSources,
    IntercalationStudyDocument,
    Pair,
    PairComparison,
    study_id,
)
from invdesflow.intercalation.known_crystals import (
    KnownModes,
    arrays_of_calculation,
    element_relaxations,
    known_crystal,
)
from invdesflow.intercalation.mode_matching import network_element
from invdesflow.intercalation.potential_errors import lattice_warnings
from invdesflow.intercalation.ranking import ranked
from invdesflow.intercalation.reasons import value_or_reason
from invdesflow.intercalation.study import KnownCrystal, StudySettings, compare_pair
from invdesflow.makers import SettingsMaker
from invdesflow.progress import track
from invdesflow.relaxation.documents import RelaxationDocument

__all__ = ["StudyMaker", "StudyOutput", "build_studies", "refresh_studies_of", "refresh_study"]

_DEFAULT = StudySettings()


class StudyOutput(BaseModel):
    """What a job that compares did."""

    model_config = ConfigDict(extra="forbid")

    record: StageRecord
    study_ids: list[str] = Field(description="one for each host")


@dataclass
class StudyMaker(SettingsMaker):
    """Compare hosts with all their guests, and write one study for each host.

    1. Read what is known of them: relaxations, phonons, predictions, calculations from first principles.
    2. Find the phonons at Gamma with the potential, as far as an earlier look did not store them.
    3. Compare every crystal with its host at equal settings. What is missing says why.
    4. Write the studies; pairs that an earlier look compared stay in, and are compared again.

    Parameters
    ----------
    name
        Name of the job.
    settings
        How the comparison is made.
    """

    name: str = "intercalation studies"
    settings: StudySettings = field(default_factory=StudySettings)

    @job
    def make(
        self,
        pairs: list[Pair],
        relaxation_ids: dict[str, str],
        phonon_ids: dict[str, str],
        campaign: str,
        campaign_round: int,
    ) -> StudyOutput:
        """Compare the pairs of one round.

        Parameters
        ----------
        pairs
            Hosts and crystals with guests.
        relaxation_ids, phonon_ids
            candidate_id -> identifier, as the jobs before return them; hosts are in them, too.
        campaign, campaign_round
            The round, for the provenance.

        Raises
        ------
        InvDesFlowError
            If no host can be compared; one among others that cannot is counted with the reason.
        """
        watch, stored, passed, errors = Stopwatch(), [], 0, []
        provenance = current_provenance(campaign, campaign_round)
        with Database() as database:
            for host_id, of_host in track(_by_host(pairs).items(), "comparing"):
                known = [pair for pair in of_host if pair.guest_id in relaxation_ids]
                for _ in range(len(of_host) - len(known)):
                    watch.reject(["a guest that was not relaxed"])
                if host_id not in relaxation_ids or not known:
                    for _ in known:
                        watch.reject(["a host that was not relaxed"])
                    continue
                try:
                    (study,) = build_studies(
                        database, known, relaxation_ids, phonon_ids, settings=self.settings, provenance=provenance
                    )
                except InvDesFlowError as error:
                    errors.append(error)
                    for _ in known:
                        watch.reject([error.problem])
                    continue
                database.collection(IntercalationStudyDocument).upsert([study])
                stored.append(study.study_id)
                passed += len(known)
        if errors and not stored:
            raise errors[0]
        record = watch.record(self.name, entered=len(pairs), passed=passed, note=f"{len(stored)} hosts")
        return StudyOutput(record=record, study_ids=stored)


def build_studies(
    database: Database,
    pairs: Iterable[Pair],
    relaxation_ids: Mapping[str, str],
    phonon_ids: Mapping[str, str],
    *,
    settings: StudySettings = _DEFAULT,
    provenance: Provenance | None = None,
) -> Iterator[IntercalationStudyDocument]:
    """Compare hosts and guests with what the database knows of them now.

    Parameters
    ----------
    database
        Where they are; phonons at Gamma are put into its blobs, the studies are the caller's to write.
    pairs
        Hosts and crystals with guests.
    relaxation_ids, phonon_ids
        candidate_id -> identifier.
    settings
        How.
    provenance
        For the documents.

    Yields
    ------
    IntercalationStudyDocument
        One for each host, with the pairs that an earlier look stored; those of them whose relaxation is gone stay as
        they were, with a warning.

    Raises
    ------
    IntercalationError
        If a host, or a guest that no earlier look compared, was not relaxed.
    """
    for host_id, of_host in _by_host(pairs).items():
        asked = {
            name: CrystalSources(
                candidate_id=name, relaxation_id=relaxation_ids.get(name), phonon_id=phonon_ids.get(name)
            )
            for name in [host_id, *(pair.guest_id for pair in of_host)]
        }
        host = database.collection(RelaxationDocument).get(asked[host_id].relaxation_id or "")
        if host is None:
            raise IntercalationError(f"The host {host_id} was not relaxed.", "Relax it first.")
        name = study_id(host_id, host.potential, host.settings)
        earlier = database.collection(IntercalationStudyDocument).get(name)
        before = {} if earlier is None else {one.pair.guest_id: one for one in earlier.pairs}
        sources = {guest_id: one.guest for guest_id, one in before.items()} | asked
        compared = {guest_id: one.pair for guest_id, one in before.items()} | {pair.guest_id: pair for pair in of_host}
        stored, _ = value_or_reason(partial(_stored_arrays, database, earlier))
        modes = KnownModes(host.potential, stored or {})
        crystals, lost = _crystals(database, sources, modes, before)
        pairs_known = [pair for guest_id, pair in compared.items() if guest_id in crystals]
        kept = [before[guest_id] for guest_id in lost]
        study = _study(
            database, host_id, pairs_known, crystals, settings=settings, kept=kept, warnings=list(lost.values())
        )
        arrays = database.blobs.put(pack_arrays(modes.arrays)) if modes.arrays else None
        yield study.model_copy(update={"arrays": arrays, "provenance": provenance or study.provenance})


def refresh_study(
    database: Database, study: IntercalationStudyDocument, settings: StudySettings | None = None
) -> IntercalationStudyDocument:
    """Compare the pairs of a stored study again, with what the database knows now, and store it.

    Parameters
    ----------
    database
        Where it is.
    study
        As it was stored.
    settings
        How; by default as before.
    """
    settings = settings or StudySettings(
        network_element=study.network_element, window_boundaries_mev=study.window_boundaries_mev
    )
    crystals = [source for one in study.pairs for source in (one.host, one.guest)]
    relaxation_ids = {one.candidate_id: one.relaxation_id for one in crystals if one.relaxation_id}
    phonon_ids = {one.candidate_id: one.phonon_id for one in crystals if one.phonon_id}
    pairs = [one.pair for one in study.pairs]
    (again,) = build_studies(
        database, pairs, relaxation_ids, phonon_ids, settings=settings, provenance=study.provenance
    )
    database.collection(IntercalationStudyDocument).upsert([again])
    return again


def refresh_studies_of(database: Database, candidate_ids: Iterable[str]) -> None:
    """Compare again every study that has one of these candidates as host or as guest.

    One that cannot be compared again stays as it was, with a warning.
    """
    names = list(candidate_ids)
    concerned = {"$or": [{"host_id": {"$in": names}}, {"pairs.pair.guest_id": {"$in": names}}]}
    for study in list(database.collection(IntercalationStudyDocument).find(concerned)):
        try:
            refresh_study(database, study)
        except InvDesFlowError as error:
            warnings = dict.fromkeys([*study.warnings, f"These are numbers of an earlier look: {error.problem}"])
            database.collection(IntercalationStudyDocument).upsert(
                [study.model_copy(update={"warnings": list(warnings)})]
            )


def _by_host(pairs: Iterable[Pair]) -> dict[str, list[Pair]]:
    """Group pairs by their host."""
    grouped: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        grouped[pair.host_id].append(pair)
    return dict(grouped)


def _crystals(
    database: Database, sources: Mapping[str, CrystalSources], modes: KnownModes, earlier: Mapping[str, PairComparison]
) -> tuple[dict[str, KnownCrystal], dict[str, str]]:
    """Return what is known of each crystal; for the guests of an earlier look of which nothing is left, a warning."""
    crystals, lost = {}, {}
    for name, source in sources.items():
        try:
            crystals[name] = known_crystal(database, source, modes)
        except InvDesFlowError as error:
            if name not in earlier:
                raise
            lost[name] = f"{earlier[name].formula} is shown as an earlier look compared it: {error.problem}"
    return crystals, lost


def _study(
    database: Database,
    host_id: str,
    pairs: list[Pair],
    crystals: Mapping[str, KnownCrystal],
    *,
    settings: StudySettings,
    kept: list[PairComparison],
    warnings: list[str],
) -> IntercalationStudyDocument:
    """Compare pairs; join those that were compared before and cannot be again, with warnings of that."""
    host = crystals[host_id].relaxation
    element = settings.network_element or network_element(host.elements)
    symbols = {symbol for crystal in crystals.values() for symbol in crystal.relaxation.elements}
    references = element_references(element_relaxations(database, symbols, host.potential), host)
    comparisons = [
        compare_pair(
            pair,
            crystals[host_id],
            crystals[pair.guest_id],
            references=references,
            arrays_of=lambda calculation: arrays_of_calculation(database, calculation),
            settings=settings.model_copy(update={"network_element": element}),
        )
        for pair in pairs
    ]
    return IntercalationStudyDocument(
        study_id=study_id(host_id, host.potential, host.settings),
        host_id=host_id,
        host_formula=host.reduced_formula,
        host_space_group_number=host.spacegroup_after,
        potential=host.potential,
        relaxation_settings=host.settings,
        pressure_gpa=host.settings.pressure_gpa,
        network_element=element,
        window_boundaries_mev=settings.window_boundaries_mev,
        pairs=ranked([*comparisons, *kept]),
        warnings=[*_warnings(crystals.values(), host.potential.digest), *warnings],
    )


def _stored_arrays(database: Database, earlier: IntercalationStudyDocument | None) -> Mapping[str, NDArray[Any]]:
    if earlier is None or earlier.arrays is None:
        return {}
    return unpack_arrays(database.blobs.get(earlier.arrays))


def _warnings(crystals: Iterable[KnownCrystal], digest: str) -> list[str]:
    found = (
        warning for crystal in crystals for warning in lattice_warnings(crystal.relaxation.initial_structure, digest)
    )
    return list(dict.fromkeys(found))
