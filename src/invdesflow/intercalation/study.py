"""Putting the comparison of a host with each of its guests together from what is known of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from invdesflow.crystals.symmetry import primitive
from invdesflow.epw.documents import ElectronPhononDocument
from invdesflow.errors import IntercalationError
from invdesflow.intercalation.comparison import (
    compare_energies,
    compare_predictions,
    compare_stabilities,
    compare_structures,
)
from invdesflow.intercalation.coupling import comparable_calculations, compare_coupling
from invdesflow.intercalation.documents import (
    CouplingChange,
    CrystalSources,
    EnergyChange,
    Pair,
    PairComparison,
    PhononChange,
    PredictionChange,
    StabilityChange,
    StructureChange,
)
from invdesflow.intercalation.equal_settings import require_equal_phonons, require_equal_relaxations
from invdesflow.intercalation.gamma_modes import GammaModes
from invdesflow.intercalation.reasons import value_or_reason
from invdesflow.intercalation.site_mapping import host_cells
from invdesflow.intercalation.vibrations import calculated_modes, compare_phonons
from invdesflow.relaxation.documents import RelaxationDocument
from invdesflow.screening.documents import ScreeningDocument
from invdesflow.screening.phonon_documents import PhononDocument

__all__ = ["KnownCrystal", "StudySettings", "compare_pair"]

T = TypeVar("T")
Arrays = Mapping[str, NDArray[Any]]


class StudySettings(BaseModel):
    """How the comparison is made."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    network_element: str | None = Field(
        None, description="element whose motions are followed, such as H; none: the lightest of the host"
    )
    window_boundaries_mev: tuple[float, ...] | None = Field(
        None, description="where lambda is parted; none: in the gaps of the phonons, of each crystal its own"
    )


@dataclass(frozen=True)
class KnownCrystal:
    """What is known of one crystal.

    Parameters
    ----------
    candidate_id
        The crystal.
    relaxation
        With the potential.
    phonon, screening
        None where they were not asked for.
    modes
        Phonons at Gamma with the potential; None where there are none.
    modes_reason
        Why there are none.
    calculations
        All electron-phonon calculations of it.
    """

    candidate_id: str
    relaxation: RelaxationDocument
    phonon: PhononDocument | None = None
    screening: ScreeningDocument | None = None
    modes: GammaModes | None = None
    modes_reason: str = ""
    calculations: tuple[ElectronPhononDocument, ...] = field(default=())

    def sources(self, calculation: ElectronPhononDocument | None) -> CrystalSources:
        """Name the documents."""
        return CrystalSources(
            candidate_id=self.candidate_id,
            relaxation_id=self.relaxation.relaxation_id,
            phonon_id=self.phonon and self.phonon.phonon_id,
            screening_id=self.screening and self.screening.screening_id,
            elph_id=calculation and calculation.elph_id,
        )


def compare_pair(
    pair: Pair,
    host: KnownCrystal,
    guest: KnownCrystal,
    *,
    references: Mapping[str, float],
    arrays_of: Callable[[ElectronPhononDocument], Arrays],
    settings: StudySettings,
) -> PairComparison:
    """Compare a crystal with guests to its host, as far as both are known.

    Parameters
    ----------
    pair
        What was put in where.
    host, guest
        What is known of the two.
    references
        As for `invdesflow.intercalation.comparison.compare_energies`.
    arrays_of
        Gives the arrays of an electron-phonon calculation.
    settings
        How; with the element of the network.

    Raises
    ------
    IntercalationError
        If the settings name no element of the network.

    Returns
    -------
    PairComparison
        What cannot be compared, also because the settings are not equal, is missing with its reason.
    """
    relaxed = host.relaxation, guest.relaxation
    guests = tuple(pair.guests)
    cells, _ = value_or_reason(
        lambda: host_cells(
            primitive(host.relaxation.final_structure), primitive(guest.relaxation.final_structure), guests
        )
    )
    element = settings.network_element
    if element is None:
        raise IntercalationError("No element of the network was named.", "Name one, such as H.")
    chosen, problem = value_or_reason(lambda: comparable_calculations(host.calculations, guest.calculations))
    states = (_latest_status(one.calculations) for one in (host, guest))
    coupling, coupling_phonons = CouplingChange.missing(problem, *states), PhononChange.missing(problem, element)
    if chosen is not None:
        coupling = _coupling(chosen, guests, arrays_of, settings)
        coupling_phonons = _calculated_phonons(chosen, guests, element)
    return PairComparison(
        pair=pair,
        formula=guest.relaxation.reduced_formula,
        space_group_number=guest.relaxation.spacegroup_after,
        host_cells=cells,
        host=host.sources(chosen and chosen[0]),
        guest=guest.sources(chosen and chosen[1]),
        structure=_or_missing(lambda: compare_structures(*relaxed, guests), StructureChange.missing),
        energy=_or_missing(lambda: compare_energies(*relaxed, guests, references), EnergyChange.missing),
        stability=_or_missing(lambda: _stabilities(host, guest), StabilityChange.missing),
        prediction=_or_missing(lambda: compare_predictions(*_screenings(host, guest)), PredictionChange.missing),
        phonons=_phonons(host, guest, guests, element),
        coupling=coupling,
        coupling_phonons=coupling_phonons,
    )


def _latest_status(calculations: Sequence[ElectronPhononDocument]) -> str | None:
    latest = max(calculations, key=lambda one: one.updated_at, default=None)
    return None if latest is None else latest.status


def _screenings(host: KnownCrystal, guest: KnownCrystal) -> tuple[ScreeningDocument, ScreeningDocument]:
    if host.screening is None or guest.screening is None:
        raise IntercalationError("not both were screened")
    return host.screening, guest.screening


def _stabilities(host: KnownCrystal, guest: KnownCrystal) -> StabilityChange:
    require_equal_relaxations(host.relaxation, guest.relaxation)
    return compare_stabilities(*_screenings(host, guest))


def _coupling(
    calculations: tuple[ElectronPhononDocument, ElectronPhononDocument],
    guests: tuple[str, ...],
    arrays_of: Callable[[ElectronPhononDocument], Arrays],
    settings: StudySettings,
) -> CouplingChange:
    """Compare calculations; one whose arrays are gone still has its numbers."""
    nothing: Arrays = {}
    (before, lost), (after, also_lost) = (value_or_reason(partial(arrays_of, one)) for one in calculations)
    change = compare_coupling(
        *calculations, (before or nothing, after or nothing), guests, settings.window_boundaries_mev
    )
    problem = lost or also_lost
    return change.model_copy(update={"split_reason": problem}) if problem else change


def _phonons(host: KnownCrystal, guest: KnownCrystal, guests: tuple[str, ...], element: str) -> PhononChange:
    before, after = host.phonon, guest.phonon
    statuses = None if before is None else before.status, None if after is None else after.status
    if host.modes is None or guest.modes is None or before is None or after is None:
        return PhononChange.missing(host.modes_reason or guest.modes_reason or "no phonons", element, *statuses)
    _, problem = value_or_reason(lambda: require_equal_phonons(before, after))
    if problem:
        return PhononChange.missing(problem, element, *statuses)
    return compare_phonons(host.modes, guest.modes, guests, element, statuses)


def _calculated_phonons(
    calculations: tuple[ElectronPhononDocument, ElectronPhononDocument], guests: tuple[str, ...], element: str
) -> PhononChange:
    host, guest = calculations
    statuses = host.status, guest.status
    modes, problem = value_or_reason(lambda: (calculated_modes(host), calculated_modes(guest)))
    if modes is None:
        return PhononChange.missing(problem, element, *statuses)
    return compare_phonons(*modes, guests, element, statuses)


def _or_missing(compute: Callable[[], T], missing: Callable[[str], T]) -> T:
    found, problem = value_or_reason(compute)
    return missing(problem) if found is None else found
