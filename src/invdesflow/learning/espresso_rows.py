"""What models learn from single runs of pw.x: formation energies and total energies; pure functions over documents."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from math import inf
from typing import Any

from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure

from invdesflow.epw.flows import MAY_BE_MAGNETIC
from invdesflow.errors import StructureError
from invdesflow.espresso.documents import EspressoTaskDocument
from invdesflow.espresso.input_files import read_namelists, split_cards
from invdesflow.espresso.protocols import load_protocol
from invdesflow.learning.potential.espresso_frames import theory_of
from invdesflow.learning.same_crystals import same_crystals
from invdesflow.learning.training_sets import TrainingRow
from invdesflow.relaxation.elements import reference_structures
from invdesflow.screening.training.formation_energy_data import LARGEST_ENERGY, LARGEST_VOLUME, MOST_SITES

__all__ = ["formation_energy_rows", "is_beyond_the_model", "total_energy_rows"]

LARGEST_PRESSURE_GPA = 0.5
"""Of a crystal that counts as relaxed at no pressure: what the protocol `fast` tolerates."""
_COARSEST_RESULT = "fast"
"""Protocol with the coarsest k-mesh whose numbers are results."""
_CORRECTED_ELEMENTS = frozenset({"H", "N", "O", "F", "Si", "S", "Cl", "Se", "Br", "Sb", "Te", "I"})
"""Elements whose compounds carry an energy correction in the Materials Project (Wang et al., Sci. Rep. 11, 15496
(2021)), which plain PBE energies do not have."""

_Level = tuple[str, str, str]
"""Element, theory and pseudopotential: energies of one level may be subtracted."""


def is_beyond_the_model(structure: Structure, formation_energy_ev_per_atom: float) -> bool:
    """Tell whether a crystal is none that the formation energy model is for."""
    wide = structure.volume > LARGEST_VOLUME * len(structure)
    return len(structure) > MOST_SITES or wide or formation_energy_ev_per_atom > LARGEST_ENERGY


def formation_energy_rows(tasks: Sequence[EspressoTaskDocument]) -> Iterator[TrainingRow | str]:
    """Yield formation energies at no pressure, or the reason why a run gives none.

    Compounds and elements count where they were relaxed at no pressure and calculated at the same level of theory, and
    elements in the phase that is their reference: of an element with several, all of them, of which the lowest is
    taken. Of several levels a crystal's highest cutoff speaks.

    Parameters
    ----------
    tasks
        Runs of pw.x, with the relaxations that they go on from.
    """
    runs = (task for task in tasks if task.program == "pw.x" and task.status == "completed")
    relaxations = frozenset(task.task_id for task in runs if _mode(task) == "vc-relax")
    elements, compounds = [], []
    for task in tasks:
        reason = _why_not_static(task) or _why_not_relaxed(task, relaxations)
        if reason:
            yield reason
        elif len(task.structure.composition.elements) > 1:
            compounds.append(task)
        else:
            elements.append(task)
    references = _reference_energies(elements)
    compounds.sort(key=lambda task: (-_cutoff_ry(task), task.task_id))
    for group in same_crystals(compounds, lambda task: (task.structure, 0.0)):
        found = [_formed(task, references) for task in group]
        chosen = next((one for one in found if not isinstance(one, str)), found[0])
        yield chosen
        yield from ["another level than that of its highest cutoff"] * (len(group) - 1)


def total_energy_rows(tasks: Sequence[EspressoTaskDocument]) -> Iterator[TrainingRow | str]:
    """Yield total energies at the level of theory that occurs most; the forces stand in the folder of the task."""
    reasons = [_why_not_static(task) for task in tasks]
    static = [task for task, reason in zip(tasks, reasons, strict=True) if not reason]
    yield from filter(None, reasons)
    theories = Counter(theory_of(task.final_input) for task in static)
    most = min(theories, key=lambda theory: (-theories[theory], theory), default="")
    for task in static:
        if theory_of(task.final_input) != most:
            yield "another theory than most"
        else:
            pressure = task.results.get("pressure_gpa")
            yield _row(task, 0.0 if pressure is None else pressure, energy_ev=float(task.results["energy_ev"]))


def _row(task: EspressoTaskDocument, pressure_gpa: float, **labels: float) -> TrainingRow:
    return TrainingRow(
        source=f"espresso_tasks:{task.task_id}",
        formula=task.structure.composition.reduced_formula,
        structure=task.structure,
        pressure_gpa=pressure_gpa,
        labels=labels,
    )


def _why_not_static(task: EspressoTaskDocument) -> str:
    if task.program != "pw.x" or _mode(task) != "scf":
        return "no self-consistent run of pw.x"
    if task.status != "completed" or task.results.get("energy_ev") is None:
        return "pw.x did not converge"
    return ""


def _why_not_relaxed(task: EspressoTaskDocument, relaxations: frozenset[str]) -> str:
    pressure = task.results.get("pressure_gpa")
    symbols = {site.specie.symbol for site in task.structure}
    if relaxations.isdisjoint(task.parents):
        return "not relaxed"
    if pressure is None or abs(pressure) > LARGEST_PRESSURE_GPA:
        return "under pressure"
    if _k_spacing(task) > load_protocol(_COARSEST_RESULT).k_spacing * (1.0 + 1e-6):
        return "coarse k-mesh"
    if _CORRECTED_ELEMENTS & symbols:
        return "element whose energy the Materials Project corrects"
    if MAY_BE_MAGNETIC & symbols:
        return "element that may be magnetic"
    return ""


def _formed(task: EspressoTaskDocument, references: dict[_Level, float]) -> TrainingRow | str:
    levels = [_level(task, site.specie.symbol) for site in task.structure]
    if not all(level in references for level in levels):
        return "a reference phase of an element was not calculated at this level"
    energy = _energy(task) - sum(references[level] for level in levels) / len(levels)
    if is_beyond_the_model(task.structure, energy):
        return "beyond what the model is for"
    return _row(task, 0.0, formation_energy_ev_per_atom=energy)


def _reference_energies(elements: Iterable[EspressoTaskDocument]) -> dict[_Level, float]:
    """Return the energy (eV/atom) of the lowest reference phase at each level where all of them were calculated."""
    found: dict[_Level, dict[str, float]] = {}
    for task in elements:
        [symbol] = task.pseudopotentials
        energies = found.setdefault(_level(task, symbol), {})
        for phase in _phases_of(symbol, task.structure):
            energies[phase] = min(energies.get(phase, _energy(task)), _energy(task))
    return {
        level: min(energies.values())
        for level, energies in found.items()
        if energies and set(energies) == set(_phases(level[0]))
    }


def _phases_of(symbol: str, structure: Structure) -> list[str]:
    matcher = StructureMatcher()
    return [name for name, phase in _phases(symbol).items() if matcher.fit(structure, phase)]


@lru_cache
def _phases(symbol: str) -> dict[str, Structure]:
    try:
        return reference_structures(symbol)
    except StructureError:
        return {}


def _level(task: EspressoTaskDocument, symbol: str) -> _Level:
    return symbol, theory_of(task.final_input), task.pseudopotentials[symbol].sha256


def _energy(task: EspressoTaskDocument) -> float:
    return float(task.results["energy_ev"]) / len(task.structure)


def _variable(task: EspressoTaskDocument, group: str, name: str) -> Any:
    return read_namelists(task.final_input)[group][name]


def _mode(task: EspressoTaskDocument) -> str:
    return str(_variable(task, "control", "calculation"))


def _cutoff_ry(task: EspressoTaskDocument) -> float:
    return float(_variable(task, "system", "ecutwfc"))


def _k_spacing(task: EspressoTaskDocument) -> float:
    """Return the widest distance of neighbouring k-points (1/Angstrom, with the 2 pi); infinite without a mesh."""
    words = split_cards(task.final_input)["K_POINTS"].split()
    if words[1] != "automatic":
        return inf
    lengths = task.structure.lattice.reciprocal_lattice.abc
    return float(max(length / int(points) for length, points in zip(lengths, words[2:5], strict=True)))
