"""Host and guests side by side, with differences: the layout of the table of the intercalation paper."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from invdesflow.epw.documents import Method
from invdesflow.intercalation.documents import (
    BondChange,
    Compared,
    IntercalationStudyDocument,
    PairComparison,
    PhononChange,
)
from invdesflow.intercalation.published import Quantity, published_crystal
from invdesflow.plotting.critical_temperatures import METHOD_LABELS

__all__ = ["Cell", "Missing", "Row", "missing_values", "study_rows"]


@dataclass(frozen=True)
class Cell:
    """One value among guests; empty where it is missing."""

    value: str
    difference: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Row:
    """One quantity."""

    group: str
    name: Markup
    unit: str
    host: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Missing:
    """Quantities of one group and one pair that are missing for one reason."""

    formula: str
    group: str
    quantities: tuple[Markup, ...]
    reason: str


Read = Callable[[PairComparison], Compared]


@dataclass(frozen=True)
class _Quantity:
    group: str
    name: str
    unit: str
    digits: int
    read: Read


_SHAPE, _ENERGY, _GAMMA, _PREDICTED = "Crystal", "Energy", "Phonons at Γ, potential", "Predicted"
_CALCULATED, _PUBLISHED = "First principles", "Published"
_THZ, _MEV, _ANGSTROM = "THz", "meV", "Å"


def study_rows(study: IntercalationStudyDocument, pairs: Sequence[PairComparison]) -> list[Row]:
    """Lay out a study.

    Parameters
    ----------
    study
        The study.
    pairs
        Those of its pairs that become columns, in this order.

    Returns
    -------
    list of Row
        Quantities that no pair has are left out; `missing_values` says why.
    """
    rows = [_row(quantity, pairs) for quantity in _quantities(pairs)]
    return [row for row in rows if row.host or any(cell.value for cell in row.cells)] + _published(study, pairs)


def missing_values(pairs: Sequence[PairComparison]) -> list[Missing]:
    """List what is missing of every pair, and why."""
    found: dict[tuple[str, str, str], list[Markup]] = {}
    for pair in pairs:
        for quantity in _quantities([pair]):
            value = quantity.read(pair)
            reason = value.reason
            if reason and not (quantity.read is _intercalation and value.guest is not None):
                found.setdefault((pair.formula, quantity.group, reason), []).append(Markup(quantity.name))  # noqa: S704 - our own words
    return [Missing(formula, group, tuple(names), reason) for (formula, group, reason), names in found.items()]


def _quantities(pairs: Sequence[PairComparison]) -> Iterator[_Quantity]:
    yield _Quantity(_SHAPE, "volume, host cell", "Å³", 2, lambda pair: pair.structure.volume_a3)
    yield _Quantity(_SHAPE, "<i>a</i>", _ANGSTROM, 3, lambda pair: pair.structure.lattice_constant_a)
    for elements, number in _bonds(pairs):
        name = "-".join(elements) + (f", {number + 1}." if number else "")
        yield _Quantity(_SHAPE, name, _ANGSTROM, 3, _bond(elements, number))
    yield _Quantity(_ENERGY, "formation", "eV/atom", 3, lambda pair: pair.energy.formation_ev_per_atom)
    at_least = ", at least" if any(pair.stability.missing_systems for pair in pairs) else ""
    yield _Quantity(
        _ENERGY, f"above the hull{at_least}", "eV/atom", 3, lambda pair: pair.stability.above_hull_ev_per_atom
    )
    yield _Quantity(_ENERGY, "intercalation", "eV/guest", 2, _intercalation)
    yield from _phonons(_GAMMA, lambda pair: pair.phonons, pairs)
    yield _Quantity(_PREDICTED, "<i>T</i><sub>c</sub>", "K", 2, lambda pair: pair.prediction.tc_k)
    yield _Quantity(_PREDICTED, "its standard deviation", "K", 2, lambda pair: pair.prediction.tc_std_k)
    yield _Quantity(_PREDICTED, "λ", "", 3, lambda pair: pair.prediction.lambda_)
    yield _Quantity(_PREDICTED, "ω<sub>log</sub>", _MEV, 1, lambda pair: pair.prediction.omega_log_mev)
    yield _Quantity(
        _CALCULATED, "<i>N</i>(<i>E</i><sub>F</sub>), host cell", "1/eV", 2, lambda pair: pair.coupling.dos_per_ev
    )
    yield _Quantity(_CALCULATED, "bands at <i>E</i><sub>F</sub>", "", 0, lambda pair: pair.coupling.bands_at_fermi)
    yield _Quantity(_CALCULATED, "λ", "", 3, lambda pair: pair.coupling.lambda_)
    yield _Quantity(_CALCULATED, "ω<sub>log</sub>", _MEV, 2, lambda pair: pair.coupling.omega_log_mev)
    for method, label in METHOD_LABELS.items():
        if any(pair.coupling.tc_k(method) for pair in pairs):
            yield _Quantity(_CALCULATED, f"<i>T</i><sub>c</sub>, {label}", "K", 1, _tc(method))
    yield from _phonons(_CALCULATED, lambda pair: pair.coupling_phonons, pairs)


def _phonons(
    group: str, of: Callable[[PairComparison], PhononChange], pairs: Sequence[PairComparison]
) -> Iterator[_Quantity]:
    element = pairs[0].phonons.network_element

    def breathing(pair: PairComparison) -> Compared:
        mode = of(pair).breathing
        if mode is None:
            return Compared.missing(of(pair).breathing_reason)
        return Compared.of(mode.host_thz, mode.guest_thz)

    yield _Quantity(group, "E<sub>g</sub> breathing mode", _THZ, 2, breathing)
    yield _Quantity(group, f"mean of {element} modes", _THZ, 2, lambda pair: of(pair).mean_thz)
    yield _Quantity(group, f"softest {element} mode", _THZ, 2, lambda pair: of(pair).softest_thz)


def _bonds(pairs: Sequence[PairComparison]) -> list[tuple[tuple[str, str], int]]:
    """List the kinds of bonds of the host: their elements, and which of several lengths."""
    found = next((pair.structure.bonds for pair in pairs if pair.structure.bonds), [])
    kinds: list[tuple[tuple[str, str], int]] = []
    for bond in found:
        kinds.append((bond.elements, sum(elements == bond.elements for elements, _ in kinds)))
    return kinds


def _bond(elements: tuple[str, str], number: int) -> Read:
    def read(pair: PairComparison) -> Compared:
        alike: list[BondChange] = [bond for bond in pair.structure.bonds if bond.elements == elements]
        if len(alike) <= number:
            return Compared.missing(pair.structure.bonds_reason or "no such bond")
        return Compared.of(alike[number].host_a, alike[number].guest_a)

    return read


def _tc(method: Method) -> Read:
    return lambda pair: pair.coupling.tc_k(method) or Compared.missing(pair.coupling.tc_reason or "not asked for")


def _intercalation(pair: PairComparison) -> Compared:
    """Return the energy as a value of the guest alone."""
    energy = pair.energy
    return Compared.of(None, energy.intercalation_ev, energy.intercalation_reason or "only guests have it")


def _row(quantity: _Quantity, pairs: Sequence[PairComparison]) -> Row:
    compared = [quantity.read(pair) for pair in pairs]
    host = next((one.host for one in compared if one.host is not None), None)
    cells = tuple(
        Cell(
            _number(one.guest, quantity.digits),
            "" if one.difference is None else f"{one.difference:+.{quantity.digits}f}",
            one.reason if one.guest is None else "",
        )
        for one in compared
    )
    return Row(quantity.group, Markup(quantity.name), quantity.unit, _number(host, quantity.digits), cells)  # noqa: S704


def _published(study: IntercalationStudyDocument, pairs: Sequence[PairComparison]) -> list[Row]:
    rows = []
    quantities: list[tuple[Quantity, str, str]] = [
        ("tc_k", "<i>T</i><sub>c</sub>", "K"),
        ("lattice_constant_a", "<i>a</i>", _ANGSTROM),
    ]
    for quantity, name, unit in quantities:
        crystals = [(study.host_formula, study.host_space_group_number)]
        crystals += [(pair.formula, pair.space_group_number) for pair in pairs]
        values = [_literature(*crystal, quantity) for crystal in crystals]
        if any(values):
            cells = tuple(Cell(value) for value in values[1:])
            rows.append(Row(_PUBLISHED, Markup(name), unit, values[0], cells))  # noqa: S704 - our own words
    return rows


def _literature(formula: str, space_group_number: int | None, quantity: Quantity) -> str:
    known = published_crystal(formula, space_group_number)
    return (known and " / ".join(f"{value.value:g}" for value in known.of(quantity))) or ""


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
