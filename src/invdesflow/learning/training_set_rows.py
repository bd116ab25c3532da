"""Which documents a kind of model learns from, and what of them; pure functions over documents."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any

from pymatgen.analysis.structure_matcher import StructureMatcher

from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.espresso.documents import EspressoTaskDocument
from invdesflow.learning.training_set_documents import Kind
from invdesflow.learning.training_sets import TrainingRow, TrainingSet, freeze
from invdesflow.screening.tc_baseline import critical_temperature
from invdesflow.screening.training.classes import GAP_EV, HIGH_TC_K, LOW_TC_K
from invdesflow.screening.training.electron_phonon_data import LARGEST_LAMBDA, SMALLEST_OMEGA_MEV
from invdesflow.screening.training.formation_energy_data import LARGEST_ENERGY, LARGEST_VOLUME, MOST_SITES
from invdesflow.superconductors.documents import Calculation, SuperconductorDocument
from invdesflow.superconductors.references import ReferenceDocument

__all__ = ["MU_STAR", "Sources", "build_training_set"]

MU_STAR = 0.10
"""Coulomb pseudopotential of every Tc that is learned."""
_CORRECTED_ELEMENTS = frozenset({"H", "N", "O", "F", "Si", "S", "Cl", "Se", "Br", "Sb", "Te", "I"})
"""Elements whose compounds carry an energy correction in the Materials Project (Wang et al., Sci. Rep. 11, 15496
(2021)), which plain PBE energies do not have."""

_NO_RESULT = "smoke"
"""Protocol that only tests an installation."""

Found = TrainingRow | str
"""A row, or the reason why there is none."""


@dataclass(frozen=True)
class Sources:
    """The documents that training sets are made of."""

    superconductors: Sequence[SuperconductorDocument] = ()
    electron_phonon: Sequence[ElectronPhononDocument] = ()
    references: Sequence[ReferenceDocument] = ()
    espresso_tasks: Sequence[EspressoTaskDocument] = ()


def build_training_set(kind: Kind, sources: Sources, mu_star: float = MU_STAR) -> TrainingSet:
    """Make the training set of a kind of model.

    Only converged, dynamically stable results count. The Tc of every row is computed from its lambda and omega_log, by
    the formula and at the mu* of the Tc model, so that no two mu* are ever mixed. Of crystals that are the same in
    formula, pressure and structure the calculation of one's own is kept before the published one.

    Parameters
    ----------
    kind
        Kind of model.
    sources
        Documents; those that a kind does not learn from do not matter.
    mu_star
        Coulomb pseudopotential.

    Raises
    ------
    LearningError
        If there is nothing to learn from, or a document is contaminated (`freeze`).
    """
    left_out: Counter[str] = Counter()
    rows = []
    for found in _READERS[kind](sources, mu_star):
        if isinstance(found, str):
            left_out[found] += 1
        else:
            rows.append(found)
    if kind != "potential":  # strained cells of one crystal are what a potential learns from
        kept = _distinct(rows)
        left_out["same formula and structure"] += len(rows) - len(kept)
        rows = kept
    has_tc = kind in {"tc", "classifier", "generator"}
    return freeze(kind, rows, mu_star=mu_star if has_tc else None, left_out=+left_out)


def _distinct(rows: Iterable[TrainingRow]) -> list[TrainingRow]:
    groups: dict[tuple[str, float], list[TrainingRow]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.collection != "electron_phonon", row.source)):
        groups[row.formula, row.pressure_gpa].append(row)
    matcher = StructureMatcher()
    kept: list[TrainingRow] = []
    for group in groups.values():
        distinct: list[TrainingRow] = []
        for row in group:
            if not any(matcher.fit(row.structure, other.structure) for other in distinct):
                distinct.append(row)
        kept += distinct
    return kept


def _tc_k(coupling: float, frequency_mev: float, mu_star: float) -> float:
    sound = isfinite(coupling) and isfinite(frequency_mev)
    return float(critical_temperature(coupling, frequency_mev, mu_star)) if sound else nan  # type: ignore[arg-type]


def _coupling_labels(coupling: float, frequency_mev: float, mu_star: float) -> dict[str, float] | str:
    """Return lambda, omega_log and Tc; what is not a number goes on, so that it is noticed."""
    if coupling <= 0.0:
        return "lambda is not positive"
    if coupling > LARGEST_LAMBDA or frequency_mev < SMALLEST_OMEGA_MEV:
        return "on the verge of instability"
    tc_k = _tc_k(coupling, frequency_mev, mu_star)
    return {"lambda_": coupling, "omega_log_mev": frequency_mev, "tc_k": tc_k}


def _published(document: SuperconductorDocument, mu_star: float) -> dict[str, float] | str:
    """Return the labels of the first calculation that has lambda and omega_log at the pressure of the crystal."""
    for calculation in document.theory:
        if _is_complete(calculation) and calculation.pressure_gpa == document.pressure_gpa:
            return _coupling_labels(calculation.lambda_, calculation.omega_log_mev, mu_star)  # type: ignore[arg-type]
    return "no calculated lambda and omega_log"


def _is_complete(calculation: Calculation) -> bool:
    return calculation.lambda_ is not None and calculation.omega_log_mev is not None


def _calculated(document: ElectronPhononDocument, mu_star: float) -> dict[str, float] | str:
    if document.protocol == _NO_RESULT:
        return "smoke protocol, whose numbers are no results"
    if document.status != "completed":
        return document.status.replace("_", " ")
    if document.phonons is not None and document.phonons.imaginary_modes:
        return "dynamically unstable"
    if document.relaxed_structure is None or document.lambda_ is None or document.omega_log_mev is None:
        return "incomplete"
    labels = _coupling_labels(document.lambda_, document.omega_log_mev, mu_star)
    if not isinstance(labels, str) and document.dos_per_ev is not None and document.dos_per_ev > 0:
        labels["dos_per_atom"] = document.dos_per_ev / len(document.relaxed_structure)
    return labels


def _known_row(document: SuperconductorDocument, labels: dict[str, float], mu_star: float | None) -> TrainingRow:
    return TrainingRow(
        source=f"superconductors:{document.superconductor_id}",
        formula=document.reduced_formula,
        structure=document.structure,
        pressure_gpa=document.pressure_gpa,
        labels=labels,
        mu_star=mu_star,
    )


def _own_row(document: ElectronPhononDocument, labels: dict[str, float], mu_star: float | None) -> TrainingRow:
    return TrainingRow(
        source=f"electron_phonon:{document.elph_id}",
        formula=document.reduced_formula,
        structure=document.relaxed_structure or document.structure,
        pressure_gpa=document.pressure_gpa,
        labels=labels,
        mu_star=mu_star,
    )


def _tc_rows(sources: Sources, mu_star: float) -> Iterator[Found]:
    for known in sources.superconductors:
        labels = _published(known, mu_star)
        yield labels if isinstance(labels, str) else _known_row(known, labels, mu_star)
    for own in sources.electron_phonon:
        labels = _calculated(own, mu_star)
        yield labels if isinstance(labels, str) else _own_row(own, labels, mu_star)


def _classifier_rows(sources: Sources, mu_star: float) -> Iterator[Found]:
    for known in sources.superconductors:
        labels = _class_of(_published(known, mu_star))
        yield labels if isinstance(labels, str) else _known_row(known, labels, mu_star)
    for own in sources.electron_phonon:
        if _is_no_superconductor(own):
            yield _own_row(own, {"positive": 0.0}, mu_star)
        else:
            labels = _class_of(_calculated(own, mu_star))
            yield labels if isinstance(labels, str) else _own_row(own, labels, mu_star)


def _class_of(labels: dict[str, float] | str) -> dict[str, float] | str:
    if isinstance(labels, str):
        return labels
    tc_k = labels["tc_k"]
    if LOW_TC_K <= tc_k < HIGH_TC_K:
        return f"Tc between {LOW_TC_K:g} and {HIGH_TC_K:g} K"
    return {"positive": float(tc_k >= HIGH_TC_K), "tc_k": tc_k}


def _is_no_superconductor(document: ElectronPhononDocument) -> bool:
    """Tell whether a crystal is a magnet or an insulator, as far as the calculation can be believed."""
    if document.protocol == _NO_RESULT:
        return False
    gap = None if document.electrons is None else document.electrons.gap_ev
    return document.status == "magnetic" or (document.status == "insulating" and (gap or 0.0) >= GAP_EV)


def _generator_rows(sources: Sources, mu_star: float) -> Iterator[Found]:
    for known in sources.superconductors:
        labels = _published(known, mu_star)
        tc_k = {} if isinstance(labels, str) else {"tc_k": labels["tc_k"]}
        yield _known_row(known, tc_k, mu_star if tc_k else None)
    for own in sources.electron_phonon:
        labels = _calculated(own, mu_star)
        yield labels if isinstance(labels, str) else _own_row(own, {"tc_k": labels["tc_k"]}, mu_star)


def _formation_rows(sources: Sources, _: float) -> Iterator[Found]:
    for known in sources.references:
        energy = known.formation_energy_ev_per_atom
        volume = known.structure.volume / len(known.structure)
        if energy is None:
            yield "no formation energy"
        elif len(known.structure) > MOST_SITES or volume > LARGEST_VOLUME or energy > LARGEST_ENERGY:
            yield "beyond what the model is for"
        else:
            yield TrainingRow(
                source=f"references:{known.reference_id}",
                formula=known.reduced_formula,
                structure=known.structure,
                labels={"formation_energy_ev_per_atom": energy},
            )
    yield from _own_formation_rows(sources.espresso_tasks)


def _own_formation_rows(tasks: Sequence[EspressoTaskDocument]) -> Iterator[Found]:
    """Yield formation energies from total energies, where the elements were calculated at the same level."""
    elements: dict[tuple[Any, ...], float] = {}
    compounds = []
    for task in tasks:
        energy = _static_energy(task)
        if isinstance(energy, str):
            yield energy
        elif len(task.structure.composition.elements) > 1:
            compounds.append((task, energy))
        else:
            [symbol] = task.pseudopotentials
            key = _level(task, symbol)
            elements[key] = min(elements.get(key, energy), energy)
    for task, energy in compounds:
        symbols = [site.specie.symbol for site in task.structure]
        levels = [_level(task, symbol) for symbol in symbols]
        if _CORRECTED_ELEMENTS & set(symbols):
            yield "element whose energy the Materials Project corrects"
        elif not all(level in elements for level in levels):
            yield "an element was not calculated at this level"
        else:
            formed = energy - sum(elements[level] for level in levels) / len(levels)
            yield _task_row(task, {"formation_energy_ev_per_atom": formed})


def _potential_rows(sources: Sources, _: float) -> Iterator[Found]:
    """Yield total energies at the level of theory that occurs most; the forces stand in the folder of the task."""
    static = [(task, _static_energy(task)) for task in sources.espresso_tasks]
    levels = Counter(_cutoff(task) for task, energy in static if not isinstance(energy, str))
    for task, energy in static:
        if isinstance(energy, str):
            yield energy
        elif _cutoff(task) != min(levels, key=lambda level: (-levels[level], level)):
            yield "another cutoff than most"
        else:
            yield _task_row(task, {"energy_ev": energy * len(task.structure)})


def _task_row(task: EspressoTaskDocument, labels: dict[str, float]) -> TrainingRow:
    pressure = task.results.get("pressure_gpa")
    return TrainingRow(
        source=f"espresso_tasks:{task.task_id}",
        formula=task.structure.composition.reduced_formula,
        structure=task.structure,
        pressure_gpa=0.0 if pressure is None else pressure,
        labels=labels,
    )


def _static_energy(task: EspressoTaskDocument) -> float | str:
    """Return the total energy of a self-consistent run (eV/atom), or why there is none."""
    if task.program != "pw.x" or not re.search(r"calculation\s*=\s*'scf'", task.final_input):
        return "no self-consistent run of pw.x"
    energy = task.results.get("energy_ev")
    if task.status != "completed" or energy is None:
        return "pw.x did not converge"
    return float(energy) / len(task.structure)


def _cutoff(task: EspressoTaskDocument) -> str:
    found = re.search(r"ecutwfc\s*=\s*([\d.]+)", task.final_input)
    return "" if found is None else found[1]


def _level(task: EspressoTaskDocument, symbol: str) -> tuple[str, ...]:
    return symbol, task.pseudopotentials[symbol].sha256, _cutoff(task)


_READERS: Mapping[Kind, Callable[[Sources, float], Iterator[Found]]] = {
    "tc": _tc_rows,
    "classifier": _classifier_rows,
    "formation-energy": _formation_rows,
    "generator": _generator_rows,
    "potential": _potential_rows,
}
