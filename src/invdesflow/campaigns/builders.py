"""Builder of the `summary` collection."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from invdesflow.campaigns.summary import build_summary
from invdesflow.database.builders import DocumentBuilder
from invdesflow.database.collection import Collection
from invdesflow.database.documents import Document, content_hash
from invdesflow.database.summary import SummaryDocument
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.generation.documents import CandidateDocument
from invdesflow.relaxation.choice import chosen_relaxation
from invdesflow.relaxation.documents import RelaxationDocument
from invdesflow.relaxation.entries import stored_entries, subsystem_names
from invdesflow.relaxation.hull import HullEntry, assess_stability
from invdesflow.screening.documents import ScreeningDocument
from invdesflow.screening.phonon_documents import PhononDocument

__all__ = ["SummaryBuilder", "SummaryItem"]


@dataclass(frozen=True)
class SummaryItem:
    """The candidates of one chemical system with all that their summaries are made of."""

    candidates: Sequence[CandidateDocument]
    relaxations: Mapping[str, RelaxationDocument]
    screenings: Mapping[str, Sequence[ScreeningDocument]]
    phonons: Mapping[str, Sequence[PhononDocument]]
    couplings: Mapping[str, Sequence[ElectronPhononDocument]]
    entries: Sequence[HullEntry]
    digests: Mapping[str, str]


class SummaryBuilder(DocumentBuilder[SummaryDocument]):
    """Keep one summary per candidate current: with its own documents, and with everything that competes on its hull."""

    target: ClassVar[type[Document]] = SummaryDocument

    def current_digests(self) -> dict[str, str]:
        """Return, for every candidate, the state of its documents and of the relaxations in its chemical system."""
        relaxations = self._states(RelaxationDocument, "subject.id")
        screenings = self._states(ScreeningDocument, "candidate_id")
        phonons = self._states(PhononDocument, "candidate_id")
        couplings = self._states(ElectronPhononDocument, "candidate_id")
        hulls = self._states(RelaxationDocument, "chemical_system")
        hull_of_system: dict[str, list[str]] = {}
        digests = {}
        fields = ["candidate_id", "chemical_system", "updated_at"]
        fields_of_summary = sorted(SummaryDocument.model_fields)  # one that lacks a field is built again
        for row in self.database.collection(CandidateDocument).values({}, fields):
            system = row["chemical_system"]
            if system not in hull_of_system:
                hull_of_system[system] = [hulls[part] for part in subsystem_names(system) if part in hulls]
            state = {
                "candidate": row["updated_at"].isoformat(),
                "relaxations": relaxations.get(row["candidate_id"]),
                "screenings": screenings.get(row["candidate_id"]),
                "phonons": phonons.get(row["candidate_id"]),
                "couplings": couplings.get(row["candidate_id"]),
                "hull": hull_of_system[system],
                "schema_version": SummaryDocument.current_schema_version,
                "fields": fields_of_summary,
            }
            digests[row["candidate_id"]] = content_hash("src", state)
        return digests

    def gather(self, digests: dict[str, str]) -> Iterator[SummaryItem]:
        """Yield the stale candidates, those of one chemical system together."""
        candidates = self._documents(CandidateDocument, "candidate_id", digests)
        by_system = _by(candidates, lambda candidate: candidate.chemical_system)
        relaxations = _by(self._documents(RelaxationDocument, "subject.id", digests), lambda found: found.subject.id)
        screenings, phonons, couplings = (
            _by(self._documents(model, "candidate_id", digests), lambda found: found.candidate_id)
            for model in (ScreeningDocument, PhononDocument, ElectronPhononDocument)
        )
        chosen = {key: best for key, found in relaxations.items() if (best := chosen_relaxation(found)) is not None}
        for system, members in by_system.items():
            potentials = {
                chosen[candidate.candidate_id].potential.digest
                for candidate in members
                if candidate.candidate_id in chosen
            }
            yield SummaryItem(
                candidates=members,
                relaxations=chosen,
                screenings=screenings,
                phonons=phonons,
                couplings=couplings,
                entries=[entry for digest in potentials for entry in stored_entries(self.database, [system], digest)],
                digests=digests,
            )

    def build(self, item: SummaryItem) -> list[SummaryDocument]:
        """Build the summaries of one chemical system."""
        wanted = {
            item.relaxations[candidate.candidate_id].relaxation_id
            for candidate in item.candidates
            if candidate.candidate_id in item.relaxations
        }
        stability = assess_stability(item.entries, wanted)
        summaries = []
        for candidate in item.candidates:
            relaxation = item.relaxations.get(candidate.candidate_id)
            summaries.append(
                build_summary(
                    candidate,
                    relaxation,
                    item.screenings.get(candidate.candidate_id, []),
                    None if relaxation is None else stability.get(relaxation.relaxation_id),
                    phonons=item.phonons.get(candidate.candidate_id, []),
                    couplings=item.couplings.get(candidate.candidate_id, []),
                    sources_digest=item.digests[candidate.candidate_id],
                )
            )
        return summaries

    def keys(self, item: SummaryItem) -> list[str]:
        """Return the candidates of one chemical system."""
        return [candidate.candidate_id for candidate in item.candidates]

    def _states(self, model: type[Document], field: str) -> dict[str, str]:
        """Return, for every value of a field, a digest of the documents that have it and of when each changed."""
        groups: dict[str, list[list[str]]] = defaultdict(list)
        for row in self.database.collection(model).values({}, [field, model.key, "updated_at"]):
            value: Any = row
            for part in field.split("."):
                value = value[part]
            groups[value].append([row[model.key], row["updated_at"].isoformat()])
        return {value: content_hash("grp", {"members": sorted(members)}) for value, members in groups.items()}

    def _documents(self, model: type[Any], field: str, keys: Iterable[str]) -> Iterator[Any]:
        collection: Collection[Any] = self.database.collection(model)
        return collection.find_in(field, keys)


def _by(documents: Iterable[Any], key: Callable[[Any], str]) -> dict[str, list[Any]]:
    """Sort documents into lists by something that they say."""
    lists: dict[str, list[Any]] = defaultdict(list)
    for document in documents:
        lists[key(document)].append(document)
    return lists
