"""Reading from the database what is known of hosts and guests."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from ase.calculators.calculator import Calculator
from numpy.typing import NDArray

from invdesflow.crystals.symmetry import primitive
from invdesflow.database import Database
from invdesflow.database.arrays import unpack_arrays
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.errors import IntercalationError, InvDesFlowError
from invdesflow.intercalation.documents import CrystalSources
from invdesflow.intercalation.gamma_modes import GammaModes
from invdesflow.intercalation.study import KnownCrystal
from invdesflow.relaxation.documents import PotentialReference, RelaxationDocument
from invdesflow.relaxation.potentials import find_potential, load_calculator
from invdesflow.screening.documents import ScreeningDocument
from invdesflow.screening.phonon_documents import PhononDocument

__all__ = ["KnownModes", "arrays_of_calculation", "element_relaxations", "known_crystal"]

Arrays = Mapping[str, NDArray[Any]]


class KnownModes:
    """Phonons at Gamma with one potential: those that were stored, and those that are computed when they are missed.

    Parameters
    ----------
    potential
        The weights; they are loaded when they are needed first.
    stored
        Arrays of an earlier look at the same host.
    """

    def __init__(self, potential: PotentialReference, stored: Arrays) -> None:
        self._potential = potential
        self._stored = dict(stored)
        self._calculator = cache(self._load)
        self.arrays: dict[str, NDArray[Any]] = {}

    def of(self, relaxation: RelaxationDocument, phonon: PhononDocument) -> GammaModes:
        """Return the phonons at Gamma of a relaxed crystal, and remember them in `arrays`.

        Raises
        ------
        IntercalationError
            If the potential gives none.
        PotentialError
            If the weights are missing, or are not those that relaxed the crystal.
        StructureError
            If the symmetry cannot be found.
        """
        beginning = f"{phonon.phonon_id}."
        known = {
            name.removeprefix(beginning): array for name, array in self._stored.items() if name.startswith(beginning)
        }
        if known:
            modes = GammaModes.of_arrays(known, primitive(relaxation.final_structure))
        else:
            modes = GammaModes.from_potential(
                relaxation.final_structure, self._calculator(), phonon.settings.displacement
            )
        self.arrays |= {beginning + name: array for name, array in modes.arrays().items()}
        return modes

    def _load(self) -> Calculator:
        found = find_potential(self._potential.kind, self._potential.model)
        if found.digest != self._potential.digest:
            raise IntercalationError(
                f"The weights of {found.kind} {found.model} are not those that relaxed these crystals.",
                "Relax them again, or install the weights of that time.",
            )
        return load_calculator(found)


def known_crystal(database: Database, sources: CrystalSources, modes: KnownModes) -> KnownCrystal:
    """Collect what is known of one crystal.

    Parameters
    ----------
    database
        Where to look.
    sources
        The crystal, its relaxation and, if they were asked for, its phonons.
    modes
        Gives phonons at Gamma.

    Raises
    ------
    IntercalationError
        If it was not relaxed.
    """
    relaxation = sources.relaxation_id and database.collection(RelaxationDocument).get(sources.relaxation_id)
    if not relaxation:
        raise IntercalationError(f"{sources.candidate_id} was not relaxed.", "Relax host and guests first.")
    phonon = database.collection(PhononDocument).get(sources.phonon_id) if sources.phonon_id else None
    gamma, reason = _modes(relaxation, phonon, modes)
    at_rest = {"candidate_id": sources.candidate_id, "relaxation_id": relaxation.relaxation_id}
    screenings = database.collection(ScreeningDocument).find(at_rest, sort=[("updated_at", -1)], limit=1)
    at_pressure = {"candidate_id": sources.candidate_id, "pressure_gpa": relaxation.settings.pressure_gpa}
    return KnownCrystal(
        candidate_id=sources.candidate_id,
        relaxation=relaxation,
        phonon=phonon,
        screening=next(screenings, None),
        modes=gamma,
        modes_reason=reason,
        calculations=tuple(database.collection(ElectronPhononDocument).find(at_pressure)),
    )


def element_relaxations(
    database: Database, elements: Iterable[str], potential: PotentialReference
) -> list[RelaxationDocument]:
    """Return the relaxed crystals of elements with one potential."""
    criteria = {"chemical_system": {"$in": sorted(elements)}, "potential.digest": potential.digest, "converged": True}
    return list(database.collection(RelaxationDocument).find(criteria))


def arrays_of_calculation(database: Database, calculation: ElectronPhononDocument) -> Arrays:
    """Return the arrays of an electron-phonon calculation; none where it has none.

    Raises
    ------
    DatabaseError
        If they are gone or damaged.
    """
    return {} if calculation.arrays is None else unpack_arrays(database.blobs.get(calculation.arrays))


def _modes(
    relaxation: RelaxationDocument, phonon: PhononDocument | None, modes: KnownModes
) -> tuple[GammaModes | None, str]:
    formula = relaxation.reduced_formula
    if phonon is None:
        return None, f"the phonons of {formula} were not asked for"
    if phonon.status == "failed":
        return None, f"{formula}: {phonon.reason}"
    try:
        return modes.of(relaxation, phonon), ""
    except InvDesFlowError as error:
        return None, f"{formula}: {error.problem}"
