"""Relaxations kept in a file, and the crystals that compete with others for the convex hull; without a database."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field
from pymatgen.core import Structure

from invdesflow.campaigns.journal import Journal
from invdesflow.errors import StructureError
from invdesflow.generation.evaluation.shares import Metrics, Share
from invdesflow.progress import track
from invdesflow.relaxation.batch import relax_batch
from invdesflow.relaxation.documents import RelaxationDocument, Subject, relaxation_id
from invdesflow.relaxation.elements import reference_structures
from invdesflow.relaxation.entries import subsystem_names
from invdesflow.relaxation.hull import HullEntry, Stability, assess_stability, hull_entries
from invdesflow.relaxation.potentials import Potential
from invdesflow.relaxation.relaxation import DEFAULT_SETTINGS
from invdesflow.superconductors.importers import ReferenceCrystal, read_materials_project

__all__ = ["Competitors", "HullSummary", "find_competitors", "relax_kept", "stabilities", "summarise_hull"]

NEAR_HULL_EV_PER_ATOM = 0.01
"""Crystals further above the hull of their data set do not compete, as in a campaign."""
MOST_SITES = 20
"""Larger cells do not compete: they take as long as all the others together."""


@dataclass(frozen=True, eq=False)
class Competitors:
    """Crystals that compete for the hull.

    Attributes
    ----------
    crystals
        Elements, then compounds, not relaxed.
    left_out
        Compounds near the hull that are left out because they are too large or too many.
    """

    crystals: Mapping[Subject, Structure]
    left_out: int


class HullSummary(Metrics):
    """What the hulls were made of."""

    elements: Share = Field(description="polymorphs of the elements that converged")
    compounds: Share = Field(description="competing compounds that converged")
    left_out: int = Field(ge=0, description="compounds near the hull that were too large or too many to be relaxed")
    systems: Share = Field(
        description="chemical systems in which a competitor is known, of all within those of the crystals; the others"
        " have no compound in the data set, or none that converged"
    )
    complete: Share = Field(description="crystals with a competitor in every chemical system within their own")


def relax_kept(
    subjects: Mapping[Subject, Structure], potential: Potential, path: Path, *, workers: int | None = None
) -> dict[Subject, RelaxationDocument]:
    """Relax crystals with the default settings, or read what the file has already.

    Parameters
    ----------
    subjects
        Crystals.
    potential
        Potential of all of them.
    path
        JSON lines, see `invdesflow.campaigns.journal.Journal`.
    workers
        Processes, see `invdesflow.relaxation.batch.relax_batch`.

    Raises
    ------
    PotentialError
        If the potential cannot be loaded.
    ConfigurationError
        If the file belongs to other relaxations.
    """
    question = {"potential": potential.digest, "settings": DEFAULT_SETTINGS.model_dump(mode="json")}
    journal = Journal(path, question, RelaxationDocument)
    identifiers = {s: relaxation_id(s, structure, potential, DEFAULT_SETTINGS) for s, structure in subjects.items()}
    known = {document.relaxation_id: document for document in journal.read()}
    missing = {identifier: subject for subject, identifier in identifiers.items() if identifier not in known}
    results = relax_batch({s: subjects[s] for s in missing.values()}, potential, DEFAULT_SETTINGS, workers=workers)
    with closing(results):
        for subject, result in track(results, "relaxing", total=len(missing)):
            document = RelaxationDocument.from_result(subjects[subject], result, subject, potential, DEFAULT_SETTINGS)
            journal.append(document)
            known[document.relaxation_id] = document
    return {subject: known[identifier] for subject, identifier in identifiers.items()}


def find_competitors(
    systems: Collection[frozenset[str]], potential: Potential, materials_project: Path | None, most: int
) -> Competitors:
    """Collect what competes within chemical systems, as far as the potential goes.

    Parameters
    ----------
    systems
        Chemical systems as sets of symbols.
    potential
        Only its elements compete.
    materials_project
        JSON lines of crystals; None leaves the elements alone.
    most
        Most compounds; those of the fewest atoms are taken.

    Raises
    ------
    ConfigurationError
        If the file cannot be read.
    """
    elements = dict(_elements(set().union(*systems) & set(potential.elements)))
    within = {frozenset(part.split("-")) for system in systems for part in subsystem_names("-".join(sorted(system)))}
    near = list(_near_hull(materials_project, within, potential)) if materials_project else []
    small = sorted((entry for entry in near if len(entry.structure) <= MOST_SITES), key=_cost)[:most]
    compounds = {Subject(kind="reference", id=entry.dataset_id): entry.structure for entry in small}
    return Competitors(elements | compounds, len(near) - len(compounds))


def _elements(symbols: Iterable[str]) -> Iterator[tuple[Subject, Structure]]:
    for symbol in sorted(symbols):
        try:
            polymorphs = reference_structures(symbol)
        except StructureError:  # the hull of its compounds is unknown then, and counted so
            continue
        for name, structure in polymorphs.items():
            yield Subject(kind="element", id=name), structure


def _near_hull(path: Path, systems: set[frozenset[str]], potential: Potential) -> Iterator[ReferenceCrystal]:
    for entry in track(read_materials_project(path), "reading"):
        if not isinstance(entry, ReferenceCrystal) or entry.e_above_hull_ev_per_atom is None:
            continue
        system = frozenset(element.symbol for element in entry.structure.composition)
        competing = len(system) > 1 and system in systems and system <= set(potential.elements)
        if competing and entry.e_above_hull_ev_per_atom <= NEAR_HULL_EV_PER_ATOM:
            yield entry


def _cost(entry: ReferenceCrystal) -> tuple[int, str]:
    return len(entry.structure), entry.dataset_id


def stabilities(
    relaxations: Sequence[RelaxationDocument], competitors: Iterable[RelaxationDocument]
) -> list[Stability | None]:
    """Compare every crystal with the competitors alone, not with the other crystals, as published metrics do.

    Returns
    -------
    list of Stability or None
        None where the relaxation did not converge, or an element of the crystal has no converged reference.
    """
    rivals = list(hull_entries(competitors))
    return [_stability(document, rivals) for document in track(relaxations, "hull")]


def _stability(document: RelaxationDocument, rivals: Sequence[HullEntry]) -> Stability | None:
    own = next(hull_entries([document]), None)
    if own is None:
        return None
    within = [rival for rival in rivals if rival.system <= own.system and rival.id != own.id]
    if not {frozenset([symbol]) for symbol in own.system} <= {rival.system for rival in within}:
        return None
    return assess_stability([*within, own], [own.id])[own.id]


def summarise_hull(
    found: Sequence[Stability | None], competitors: Iterable[RelaxationDocument], left_out: int
) -> HullSummary:
    """Say what hulls were made of."""
    converged: dict[bool, list[bool]] = {True: [], False: []}
    for document in competitors:
        converged[document.subject.kind == "element"].append(document.converged)
    coverages = [one.coverage for one in found if one is not None]
    present = {system for coverage in coverages for system in coverage.present}
    missing = {system for coverage in coverages for system in coverage.missing}
    return HullSummary(
        elements=Share.of(converged[True]),
        compounds=Share.of(converged[False]),
        left_out=left_out,
        systems=Share(count=len(present), total=len(present | missing)),
        complete=Share.of(not coverage.missing for coverage in coverages),
    )
