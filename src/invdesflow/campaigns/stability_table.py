"""How stable the candidates of each source are: formation energy, hull, forces, phonons."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from pydantic import Field

from invdesflow.database.database import Database
from invdesflow.generation.documents import CandidateDocument
from invdesflow.generation.evaluation.shares import Metrics, Share
from invdesflow.relaxation.documents import RelaxationDocument
from invdesflow.screening.phonons import Verdict

__all__ = ["ALL_SOURCES", "HULL_THRESHOLDS", "CandidateState", "SourceStability", "read_states", "stability_table"]

HULL_THRESHOLDS = (0.0, 0.05, 0.1)
"""Energies above the hull that the table counts, eV/atom."""
ALL_SOURCES = "all"


@dataclass(frozen=True)
class CandidateState:
    """What is known of the stability of one candidate.

    Parameters
    ----------
    sources
        Everything that proposed it.
    converged
        Whether its relaxation converged; None if it was not relaxed.
    max_force
        Largest force on an atom where the relaxation ended, eV/Angstrom.
    formation_energy_ev_per_atom, e_above_hull_ev_per_atom
        After relaxation, eV/atom.
    hull_complete
        Whether every chemical system within had a competitor on the hull.
    phonons
        Verdict on the phonons of the relaxed crystal; None if they were not calculated.
    """

    sources: frozenset[str]
    converged: bool | None = None
    max_force: float | None = None
    formation_energy_ev_per_atom: float | None = None
    e_above_hull_ev_per_atom: float | None = None
    hull_complete: bool | None = None
    phonons: Verdict | None = None


class SourceStability(Metrics):
    """Stability of the candidates of one source; a candidate of several sources counts for each of them."""

    source: str = Field(description="kind of origin, then name and digest of the generator; 'all' for the total")
    candidates: int
    relaxed: Share = Field(description="relaxations that converged, of those that were tried")
    median_max_force: float | None = Field(description="largest force on an atom, converged relaxations (eV/A)")
    negative_formation_energy: Share = Field(description="formation energy below 0, of those that have one")
    within_hull: dict[str, Share] = Field(description="threshold (eV/atom) -> at most so far above the hull")
    complete_hulls: Share = Field(description="hulls with a competitor in every chemical system, of the known ones")
    dynamically_stable: Share = Field(description="no imaginary modes, of the phonons that gave an answer")
    phonons_failed: int = Field(description="phonon calculations without an answer")
    phonons_missing: int = Field(description="relaxed candidates whose phonons were not calculated")


def stability_table(states: Iterable[CandidateState]) -> list[SourceStability]:
    """Count the stable candidates of each source, and of all; no rows where there are no candidates."""
    groups: dict[str, list[CandidateState]] = defaultdict(list)
    every = list(states)
    for state in every:
        for source in state.sources:
            groups[source].append(state)
    rows = [_row(source, group) for source, group in sorted(groups.items())]
    return [*rows, _row(ALL_SOURCES, every)] if every else []


def _row(source: str, states: list[CandidateState]) -> SourceStability:
    relaxed = [state for state in states if state.converged]
    forces = [state.max_force for state in relaxed if state.max_force is not None]
    formation = [energy for state in relaxed if (energy := state.formation_energy_ev_per_atom) is not None]
    hull = [energy for state in relaxed if (energy := state.e_above_hull_ev_per_atom) is not None]
    complete = [bool(state.hull_complete) for state in relaxed if state.e_above_hull_ev_per_atom is not None]
    verdicts = [state.phonons for state in relaxed]
    return SourceStability(
        source=source,
        candidates=len(states),
        relaxed=Share.of(bool(state.converged) for state in states if state.converged is not None),
        median_max_force=median(forces) if forces else None,
        negative_formation_energy=Share.of(energy < 0 for energy in formation),
        within_hull={f"{limit:g}": Share.of(energy <= limit for energy in hull) for limit in HULL_THRESHOLDS},
        complete_hulls=Share.of(complete),
        dynamically_stable=Share.of(verdict == "stable" for verdict in verdicts if verdict in {"stable", "unstable"}),
        phonons_failed=verdicts.count("failed"),
        phonons_missing=verdicts.count(None),
    )


def read_states(database: Database, campaign: str | None = None) -> Iterator[CandidateState]:
    """Collect what the database knows of the candidates that no gate of the generation refused.

    Parameters
    ----------
    database
        The database; its summaries hold energies and verdicts.
    campaign
        Only what this campaign proposed; by default everything.
    """
    accepted: dict[str, Any] = {"status": "accepted"}
    if campaign is not None:
        accepted["origins.campaign"] = campaign
    energies = ["formation_energy_ev_per_atom", "e_above_hull_ev_per_atom", "hull_complete"]
    fields = ["candidate_id", "relaxation_id", "relaxation_converged", "dynamical_stability", *energies]
    summaries = {row["candidate_id"]: row for row in database.summary.values({}, fields)}
    forces = _forces(database)
    for row in database.collection(CandidateDocument).values(accepted, ["candidate_id", "origins"]):
        summary = summaries.get(row["candidate_id"], {})
        origins = [origin for origin in row["origins"] if campaign in {None, origin["campaign"]}]
        yield CandidateState(
            sources=frozenset(map(_source, origins)),
            converged=summary.get("relaxation_converged"),
            max_force=forces.get(summary.get("relaxation_id")),
            phonons=summary.get("dynamical_stability"),
            **{name: summary.get(name) for name in energies},
        )


def _forces(database: Database) -> dict[str | None, float | None]:
    """Return the largest force (eV/Angstrom) where each converged relaxation of a candidate ended."""
    rows = database.collection(RelaxationDocument).values(
        {"subject.kind": "candidate", "converged": True}, ["relaxation_id", "max_force"]
    )
    return {row["relaxation_id"]: row["max_force"] for row in rows}


def _source(origin: Mapping[str, Any]) -> str:
    """Name a source: its kind and, where there are weights, their name and digest."""
    generator = origin["generator"]
    digest = generator.get("digest")
    return str(origin["kind"]) if digest is None else f"{origin['kind']}: {generator['name']} {digest[:12]}"
