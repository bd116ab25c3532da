"""Formation energies, and energies above the convex hull with a record of what the hull was made of."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations

from pydantic import BaseModel, ConfigDict, Field
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition

from invdesflow.relaxation.documents import RelaxationDocument

__all__ = ["Conditions", "HullCoverage", "HullEntry", "Stability", "assess_stability", "hull_entries"]

System = frozenset[str]

_AMBIENT_PHASES_END_GPA = 1.0  # caesium changes its structure at 2.3 GPa, bismuth at 2.5
_AMBIENT_ELEMENTS = "the elements compete in their structures of ambient pressure only"


@dataclass(frozen=True)
class Conditions:
    """What enthalpies must share to be compared.

    Parameters
    ----------
    potential
        Digest of the weights.
    pressure_gpa
        Pressure (GPa).
    """

    potential: str
    pressure_gpa: float


@dataclass(frozen=True)
class HullEntry:
    """A relaxed crystal that competes for the hull.

    Parameters
    ----------
    id
        Name of the entry, unique.
    subject
        Crystal that it stands for; entries of one subject are not each other's competitors.
    composition
        Atoms in the cell.
    enthalpy_ev
        E + pV of the cell (eV).
    conditions
        Potential and pressure.
    """

    id: str
    subject: str
    composition: Composition
    enthalpy_ev: float
    conditions: Conditions

    @property
    def system(self) -> System:
        """Symbols of the elements."""
        return frozenset(element.symbol for element in self.composition)

    @property
    def enthalpy_ev_per_atom(self) -> float:
        """E + pV per atom (eV)."""
        return self.enthalpy_ev / float(self.composition.num_atoms)


class HullCoverage(BaseModel):
    """How complete a hull was: which chemical systems, of one element up to all of the crystal's, had a competitor."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    present: list[str] = Field(description="systems with an entry other than the crystal itself, such as B-Mg")
    missing: list[str] = Field(description="systems that had none: the true hull may be lower")
    caveat: str = Field(default="", description="what else may make the true hull lower; empty if nothing is known")


class Stability(BaseModel):
    """Thermodynamic stability of one crystal against all entries under the same conditions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    formation_energy_ev_per_atom: float | None = Field(description="enthalpy relative to the elements (eV/atom)")
    e_above_hull_ev_per_atom: float | None = Field(
        description="enthalpy above the hull that includes the crystal itself, 0 or more (eV/atom)"
    )
    e_above_others_ev_per_atom: float | None = Field(
        description="enthalpy above the hull of all other crystals; negative for a stable one (eV/atom)"
    )
    decomposition: dict[str, float] = Field(
        description="products on the hull of the others: formula -> atomic fraction"
    )
    coverage: HullCoverage
    reason: str = Field(description="why there are no energies; empty when there are")


def hull_entries(documents: Iterable[RelaxationDocument]) -> Iterator[HullEntry]:
    """Turn converged relaxations into entries; the others have no place on a hull."""
    for document in documents:
        if document.converged and document.enthalpy_ev is not None:
            yield HullEntry(
                id=document.relaxation_id,
                subject=f"{document.subject.kind} {document.subject.id}",
                composition=document.final_structure.composition,
                enthalpy_ev=document.enthalpy_ev,
                conditions=Conditions(document.potential.digest, document.settings.pressure_gpa),
            )


def assess_stability(entries: Iterable[HullEntry], wanted: Collection[str] | None = None) -> dict[str, Stability]:
    """Compute the stability of entries against each other.

    The reference of each element is its lowest entry under the same conditions: the same potential, the same pressure.
    One hull is built for each chemical system and condition, so that hundreds of crystals take seconds.

    Parameters
    ----------
    entries
        All that is known, elemental references included.
    wanted
        Ids of the entries to assess; by default all.

    Returns
    -------
    dict
        Entry id -> stability.
    """
    known: dict[Conditions, dict[System, list[HullEntry]]] = defaultdict(lambda: defaultdict(list))
    for entry in entries:
        known[entry.conditions][entry.system].append(entry)
    result: dict[str, Stability] = {}
    for by_system in known.values():
        for system, members in list(by_system.items()):
            subjects = [entry for entry in members if wanted is None or entry.id in wanted]
            if subjects:
                result |= _assess_system(system, subjects, by_system)
    return result


def _assess_system(
    system: System, subjects: Sequence[HullEntry], by_system: Mapping[System, Sequence[HullEntry]]
) -> dict[str, Stability]:
    coverages = {entry.id: _coverage(system, entry, by_system) for entry in subjects}
    without = sorted(element for element in system if frozenset([element]) not in by_system)
    if without:
        reason = f"no elemental reference of {', '.join(without)} with this potential and pressure"
        return {entry.id: _unknown(coverages[entry.id], reason) for entry in subjects}
    competitors = [entry for part in _systems_within(system) for entry in by_system.get(part, ())]
    diagram = PhaseDiagram([_pd_entry(entry) for entry in competitors])
    return {entry.id: _assess(entry, competitors, diagram, coverages[entry.id]) for entry in subjects}


def _coverage(system: System, entry: HullEntry, by_system: Mapping[System, Sequence[HullEntry]]) -> HullCoverage:
    present: list[str] = []
    missing: list[str] = []
    for part in _systems_within(system):
        competes = any(rival.subject != entry.subject for rival in by_system.get(part, ()))
        (present if competes else missing).append(_name(part))
    caveat = _AMBIENT_ELEMENTS if entry.conditions.pressure_gpa > _AMBIENT_PHASES_END_GPA else ""
    return HullCoverage(present=present, missing=missing, caveat=caveat)


def _assess(
    entry: HullEntry, competitors: Sequence[HullEntry], diagram: PhaseDiagram, coverage: HullCoverage
) -> Stability:
    own = _pd_entry(entry)
    others = diagram
    if any(rival.subject == entry.subject and rival is not entry for rival in competitors):
        rivals = [rival for rival in competitors if rival is entry or rival.subject != entry.subject]
        diagram = PhaseDiagram([_pd_entry(rival) for rival in rivals])
        others = _diagram_of_others(entry, competitors)
    above_hull = diagram.get_e_above_hull(own)
    if above_hull == 0:
        others = _diagram_of_others(entry, competitors)
    products, above_others = others.get_decomp_and_e_above_hull(own, allow_negative=True) if others else ({}, None)
    return Stability(
        formation_energy_ev_per_atom=float(diagram.get_form_energy_per_atom(own)),
        e_above_hull_ev_per_atom=float(above_hull),
        e_above_others_ev_per_atom=above_others and float(above_others),
        decomposition={product.composition.reduced_formula: float(part) for product, part in products.items()},
        coverage=coverage,
        reason="",
    )


def _diagram_of_others(entry: HullEntry, competitors: Sequence[HullEntry]) -> PhaseDiagram | None:
    """Return the hull without the crystal, or None where it is the only reference of its element."""
    others = [rival for rival in competitors if rival.subject != entry.subject]
    if {element for rival in others if len(rival.system) == 1 for element in rival.system} != entry.system:
        return None
    return PhaseDiagram([_pd_entry(rival) for rival in others])


def _unknown(coverage: HullCoverage, reason: str) -> Stability:
    return Stability(
        formation_energy_ev_per_atom=None,
        e_above_hull_ev_per_atom=None,
        e_above_others_ev_per_atom=None,
        decomposition={},
        coverage=coverage,
        reason=reason,
    )


def _pd_entry(entry: HullEntry) -> PDEntry:
    return PDEntry(entry.composition, entry.enthalpy_ev, name=entry.id)


def _systems_within(system: System) -> list[System]:
    """All subsets, the elements first and the system itself last."""
    symbols = sorted(system)
    parts = chain.from_iterable(combinations(symbols, size) for size in range(1, len(symbols) + 1))
    return [frozenset(part) for part in parts]


def _name(system: System) -> str:
    return "-".join(sorted(system))
