"""Which documents a kind of model learns from, and what of them; pure functions over documents."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan

from invdesflow.epw.choice import most_accurate
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.espresso.documents import EspressoTaskDocument
from invdesflow.learning.espresso_rows import formation_energy_rows, is_beyond_the_model, total_energy_rows
from invdesflow.learning.same_crystals import same_crystals
from invdesflow.learning.training_set_documents import Kind
from invdesflow.learning.training_sets import TrainingRow, TrainingSet, freeze
from invdesflow.screening.tc_baseline import critical_temperature
from invdesflow.screening.training.classes import GAP_EV, HIGH_TC_K, LOW_TC_K
from invdesflow.screening.training.electron_phonon_data import LARGEST_LAMBDA, SMALLEST_OMEGA_MEV
from invdesflow.superconductors.documents import Calculation, SuperconductorDocument
from invdesflow.superconductors.references import ReferenceDocument

__all__ = ["MU_STAR", "Sources", "build_training_set"]

MU_STAR = 0.10
"""Coulomb pseudopotential of every Tc that is learned."""
_NO_RESULT = "smoke"
"""Protocol that only tests an installation."""
_PUBLISHED = frozenset({"superconductors", "references"})
Found = TrainingRow | str
"""A row, or the reason why there is none."""
_Reader = Callable[[ElectronPhononDocument, float], dict[str, float] | str]


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
    formula, pressure and structure the calculation of one's own is kept before the published one; of several of one's
    own the most accurate that ended speaks alone (`invdesflow.epw.choice.most_accurate`), also if it found nothing.

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
    own_first = sorted(rows, key=lambda row: (row.collection in _PUBLISHED, row.source))
    return [group[0] for group in same_crystals(own_first, lambda row: (row.structure, row.pressure_gpa))]


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


def _speaking(documents: Iterable[ElectronPhononDocument]) -> Iterator[ElectronPhononDocument | str]:
    """Yield the calculation that speaks for each crystal, and why each other one does not."""
    ended = []
    for document in documents:
        if document.protocol == _NO_RESULT:
            yield "smoke protocol, whose numbers are no results"
        elif document.status in ("running", "failed"):
            yield document.status
        else:
            ended.append(document)
    for group in same_crystals(ended, lambda found: (found.relaxed_structure or found.structure, found.pressure_gpa)):
        chosen = most_accurate(group)
        for document in group:
            yield document if document is chosen else "a more accurate or later calculation of the crystal speaks"


def _calculated(document: ElectronPhononDocument, mu_star: float) -> dict[str, float] | str:
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


def _own_rows(documents: Iterable[ElectronPhononDocument], labels_of: _Reader, mu_star: float) -> Iterator[Found]:
    for found in _speaking(documents):
        if isinstance(found, str):
            yield found
        else:
            labels = labels_of(found, mu_star)
            yield labels if isinstance(labels, str) else _own_row(found, labels, mu_star)


def _tc_rows(sources: Sources, mu_star: float) -> Iterator[Found]:
    for known in sources.superconductors:
        labels = _published(known, mu_star)
        yield labels if isinstance(labels, str) else _known_row(known, labels, mu_star)
    yield from _own_rows(sources.electron_phonon, _calculated, mu_star)


def _classifier_rows(sources: Sources, mu_star: float) -> Iterator[Found]:
    for known in sources.superconductors:
        labels = _class_of(_published(known, mu_star))
        yield labels if isinstance(labels, str) else _known_row(known, labels, mu_star)
    yield from _own_rows(sources.electron_phonon, _calculated_class, mu_star)


def _calculated_class(document: ElectronPhononDocument, mu_star: float) -> dict[str, float] | str:
    if _is_no_superconductor(document):
        return {"positive": 0.0}
    return _class_of(_calculated(document, mu_star))


def _class_of(labels: dict[str, float] | str) -> dict[str, float] | str:
    if isinstance(labels, str):
        return labels
    tc_k = labels["tc_k"]
    if LOW_TC_K <= tc_k < HIGH_TC_K:
        return f"Tc between {LOW_TC_K:g} and {HIGH_TC_K:g} K"
    return {"positive": float(tc_k >= HIGH_TC_K), "tc_k": tc_k}


def _is_no_superconductor(document: ElectronPhononDocument) -> bool:
    """Tell whether a crystal is a magnet or an insulator, as far as the calculation can be believed."""
    gap = None if document.electrons is None else document.electrons.gap_ev
    return document.status == "magnetic" or (document.status == "insulating" and (gap or 0.0) >= GAP_EV)


def _generator_rows(sources: Sources, mu_star: float) -> Iterator[Found]:
    for known in sources.superconductors:
        labels = _published(known, mu_star)
        tc_k = {} if isinstance(labels, str) else {"tc_k": labels["tc_k"]}
        yield _known_row(known, tc_k, mu_star if tc_k else None)
    yield from _own_rows(sources.electron_phonon, _calculated_tc, mu_star)


def _calculated_tc(document: ElectronPhononDocument, mu_star: float) -> dict[str, float] | str:
    labels = _calculated(document, mu_star)
    return labels if isinstance(labels, str) else {"tc_k": labels["tc_k"]}


def _formation_rows(sources: Sources, _: float) -> Iterator[Found]:
    for known in sources.references:
        energy = known.formation_energy_ev_per_atom
        if energy is None:
            yield "no formation energy"
        elif is_beyond_the_model(known.structure, energy):
            yield "beyond what the model is for"
        else:
            yield TrainingRow(
                source=f"references:{known.reference_id}",
                formula=known.reduced_formula,
                structure=known.structure,
                labels={"formation_energy_ev_per_atom": energy},
            )
    yield from formation_energy_rows(sources.espresso_tasks)


def _potential_rows(sources: Sources, _: float) -> Iterator[Found]:
    yield from total_energy_rows(sources.espresso_tasks)


_READERS: Mapping[Kind, Callable[[Sources, float], Iterator[Found]]] = {
    "tc": _tc_rows,
    "classifier": _classifier_rows,
    "formation-energy": _formation_rows,
    "generator": _generator_rows,
    "potential": _potential_rows,
}
