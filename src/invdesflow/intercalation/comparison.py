"""What guests change in the crystal, its energy and its predicted Tc: pure functions of documents."""

from collections.abc import Collection, Iterable, Mapping

from pymatgen.core import Structure

from invdesflow.crystals.symmetry import conventional, primitive, space_group
from invdesflow.errors import IntercalationError, StructureError
from invdesflow.intercalation.bonds import bond_changes
from invdesflow.intercalation.documents import (
    BondChange,
    Compared,
    EnergyChange,
    PredictionChange,
    StabilityChange,
    StructureChange,
)
from invdesflow.intercalation.equal_settings import require_equal_relaxations, require_equal_screenings
from invdesflow.intercalation.site_mapping import SiteMapping, host_cells
from invdesflow.relaxation.documents import RelaxationDocument
from invdesflow.screening.documents import ScreeningDocument

__all__ = [
    "compare_energies",
    "compare_predictions",
    "compare_stabilities",
    "compare_structures",
    "element_references",
]

_FIRST_CUBIC = 195


def compare_structures(
    host: RelaxationDocument, guest: RelaxationDocument, guest_elements: Collection[str]
) -> StructureChange:
    """Compare volumes, lattice constants and bonds of relaxed crystals.

    Parameters
    ----------
    host, guest
        Relaxations of the two.
    guest_elements
        Elements that were put in.

    Raises
    ------
    IntercalationError
        If one did not converge, the settings differ, or the second is not the first with guests.
    StructureError
        If the symmetry of one cannot be found.
    """
    _require_converged(host, guest)
    require_equal_relaxations(host, guest)
    before, after = primitive(host.final_structure), primitive(guest.final_structure)
    n_cells = host_cells(before, after, guest_elements)
    bonds, reason = _bonds(before, after, guest_elements)
    return StructureChange(
        volume_a3=Compared.of(before.volume, after.volume / n_cells),
        lattice_constant_a=_lattice_constants(before, after, n_cells),
        bonds=bonds,
        bonds_reason=reason,
    )


def compare_energies(
    host: RelaxationDocument,
    guest: RelaxationDocument,
    guest_elements: Collection[str],
    references: Mapping[str, float],
) -> EnergyChange:
    r"""Compare formation energies, and find what it takes to put the guests in.

    The intercalation energy is :math:`(E_\mathrm{guest} - n E_\mathrm{host} - \sum_X k_X E_X) / \sum_X k_X` with n
    cells of the host and k_X guest atoms of element X in the cell, from enthalpies.

    Parameters
    ----------
    host, guest, guest_elements
        As for `compare_structures`.
    references
        Element -> enthalpy of its lowest crystal (eV/atom), under the same conditions.

    Raises
    ------
    IntercalationError
        As `compare_structures`.
    """
    _require_converged(host, guest)
    require_equal_relaxations(host, guest)
    n_cells = host_cells(host.final_structure, guest.final_structure, guest_elements)
    missing = sorted(set(guest.elements) - references.keys())
    if missing:
        return EnergyChange.missing(f"no relaxed crystal of {', '.join(missing)} under these conditions")
    before, after = _formation_energy(host, references), _formation_energy(guest, references)
    added = guest.final_structure.composition - n_cells * host.final_structure.composition
    # Of elements at their reference, the difference of formation energies is the energy of intercalation.
    total = after * guest.nsites - n_cells * before * host.nsites
    return EnergyChange(
        formation_ev_per_atom=Compared.of(before, after),
        intercalation_ev=total / float(added.num_atoms),
        intercalation_reason="",
    )


def element_references(relaxations: Iterable[RelaxationDocument], like: RelaxationDocument) -> dict[str, float]:
    """Return the enthalpy of the lowest crystal of each element under the conditions of another relaxation.

    Parameters
    ----------
    relaxations
        Of elements.
    like
        Its potential and settings count.

    Returns
    -------
    dict
        Symbol -> eV/atom.
    """
    lowest: dict[str, float] = {}
    for relaxation in relaxations:
        alike = relaxation.potential.digest == like.potential.digest and relaxation.settings == like.settings
        enthalpy = relaxation.enthalpy_ev_per_atom
        if alike and relaxation.converged and enthalpy is not None and len(relaxation.elements) == 1:
            (symbol,) = relaxation.elements
            lowest[symbol] = min(enthalpy, lowest.get(symbol, enthalpy))
    return lowest


def compare_predictions(host: ScreeningDocument, guest: ScreeningDocument) -> PredictionChange:
    """Compare what the screening models predict.

    Raises
    ------
    IntercalationError
        If the models or mu* differ.
    """
    require_equal_screenings(host, guest)
    reason = "not predicted"
    return PredictionChange(
        tc_k=Compared.of(host.tc_k, guest.tc_k, reason),
        tc_std_k=Compared.of(host.tc_std_k, guest.tc_std_k, reason),
        lambda_=Compared.of(host.lambda_, guest.lambda_, reason),
        omega_log_mev=Compared.of(host.omega_log_mev, guest.omega_log_mev, reason),
    )


def compare_stabilities(host: ScreeningDocument, guest: ScreeningDocument) -> StabilityChange:
    """Compare the energies above the hull that the screening found."""
    missing = sorted({*host.hull_systems_missing, *guest.hull_systems_missing})
    values = host.e_above_hull_ev_per_atom, guest.e_above_hull_ev_per_atom
    return StabilityChange(
        above_hull_ev_per_atom=Compared.of(*values, "not on a hull: not relaxed, or no crystal of an element"),
        missing_systems=missing,
    )


def _require_converged(*relaxations: RelaxationDocument) -> None:
    for relaxation in relaxations:
        if not relaxation.converged or relaxation.enthalpy_ev is None:
            raise IntercalationError(
                f"{relaxation.reduced_formula} was not relaxed: {relaxation.reason or 'no energy'}."
            )


def _formation_energy(relaxation: RelaxationDocument, references: Mapping[str, float]) -> float:
    amounts = relaxation.final_structure.composition.get_el_amt_dict()
    elements = sum(amount * references[symbol] for symbol, amount in amounts.items())
    return float((relaxation.enthalpy_ev or 0.0) - elements) / relaxation.nsites


def _lattice_constants(host: Structure, guest: Structure, n_cells: int) -> Compared:
    """Compare the edges of the host's conventional cell: that with guests may hold several, when they are ordered."""
    try:
        numbers = space_group(host)[0], space_group(guest)[0]
        if min(numbers) < _FIRST_CUBIC:
            return Compared.missing("not both are cubic")
        edge = conventional(host).lattice.a
        return Compared.of(edge, edge * (guest.volume / (n_cells * host.volume)) ** (1 / 3))
    except StructureError as error:
        return Compared.missing(error.problem)


def _bonds(host: Structure, guest: Structure, guest_elements: Collection[str]) -> tuple[list[BondChange], str]:
    try:
        return bond_changes(host, guest, SiteMapping.find(host, guest, guest_elements)), ""
    except IntercalationError as error:
        return [], error.problem
