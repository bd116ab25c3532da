"""Formation energies of the Materials Project, as the networks see them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Lattice, Structure

from invdesflow.errors import ModelError, StructureError
from invdesflow.progress import track
from invdesflow.screening.description import CrystalDescription
from invdesflow.screening.elements import periodic_table
from invdesflow.screening.formation_energy_inputs import ATOM_FEATURES, Sight, see
from invdesflow.screening.training.splits import fold_of, is_held_out
from invdesflow.superconductors.importers.source import read_text

__all__ = ["EnergyRow", "EnergySet", "energy_set", "read_formation_energies"]

MOST_SITES = 40
LARGEST_VOLUME = 60.0
LARGEST_ENERGY = 2.5
LEGACY_SOURCES = frozenset(
    {
        "3dsc_mp_raw",
        "matminer_flla",
        "matminer_elastic_tensor",
        "matminer_dielectric_constant",
        "matminer_piezoelectric_tensor",
    }
)
"""Their formation energies are from before the corrections of 2020 (Wang et al., Sci. Rep. 11, 15496 (2021)): those of
bromides, iodides, selenides and tellurides lie 0.4 to 0.5 eV per anion higher than the present ones."""


@dataclass(frozen=True)
class EnergyRow:
    """One crystal with its formation energy.

    Attributes
    ----------
    formula
        Reduced formula.
    structure
        Crystal.
    energy_ev_per_atom
        Formation energy, eV/atom.
    legacy
        Whether the energy is from before the corrections of 2020.
    """

    formula: str
    structure: Structure
    energy_ev_per_atom: float
    legacy: bool


def read_formation_energies(path: Path) -> Iterator[EnergyRow]:
    """Read the crystals of a Materials Project file that a formation energy can be learned from.

    JSON lines: lattice, species, frac, e_form (eV/atom), and where known the collections an entry was in (source,
    separated by commas) where they are known. Left out are those without a formation energy, cells of more than
    `MOST_SITES` atoms, more than `LARGEST_VOLUME` Angstrom^3 an atom (molecules, gases), and formation energies
    above `LARGEST_ENERGY` eV/atom, where calculations failed.

    Raises
    ------
    ModelError
        If the file cannot be read, or holds no such crystal.
    """
    try:
        rows = [json.loads(line) for line in read_text(path).splitlines()]
    except ValueError as error:
        raise ModelError(f"the training data {path} cannot be read: {error}.") from error
    kept = [row for row in rows if row["e_form"] is not None and row["e_form"] <= LARGEST_ENERGY]
    for row in kept:
        lattice = Lattice(row["lattice"])
        sites = len(row["species"])
        if sites <= MOST_SITES and lattice.volume <= LARGEST_VOLUME * sites:
            structure = Structure(lattice, row["species"], row["frac"])
            sources = set(row["source"].split(",")) if "source" in row else set()
            legacy = bool(sources) and sources <= LEGACY_SOURCES
            yield EnergyRow(structure.composition.reduced_formula, structure, row["e_form"], legacy)
    if not kept:
        raise ModelError(f"the training data {path} hold no formation energies.")


@dataclass(frozen=True)
class EnergySet:
    """Crystals as the networks see them, with their formation energies.

    Attributes
    ----------
    formulas
        Reduced formula of each.
    sights
        What is seen of each.
    energies
        Formation energies, eV/atom, shape (crystals,).
    folds
        Cross-validation folds, shape (crystals,).
    held_out
        Whether the formula belongs to the tenth that no network learns from, shape (crystals,).
    legacy
        Whether the energy is from before the corrections of 2020, shape (crystals,).
    """

    formulas: tuple[str, ...]
    sights: tuple[Sight, ...]
    energies: NDArray[np.float64]
    folds: NDArray[np.intp]
    held_out: NDArray[np.bool_]
    legacy: NDArray[np.bool_]

    def rows(self, mask: NDArray[np.bool_]) -> "EnergySet":
        """Return the crystals where the mask is true."""
        chosen = np.flatnonzero(mask).tolist()
        parts = tuple(self.formulas[row] for row in chosen), tuple(self.sights[row] for row in chosen)
        return EnergySet(*parts, self.energies[mask], self.folds[mask], self.held_out[mask], self.legacy[mask])

    @property
    def taught(self) -> NDArray[np.bool_]:
        """Which crystals a network may learn from, shape (crystals,)."""
        return ~self.held_out & ~self.legacy

    def __len__(self) -> int:
        return len(self.energies)


def energy_set(
    rows: Sequence[EnergyRow], descriptions: Sequence[CrystalDescription | str | None], bonds: bool
) -> EnergySet:
    """See crystals; one without a description, with an isolated atom or an atom without features is left out.

    Parameters
    ----------
    rows
        Crystals.
    descriptions
        What CHGNet says of each, why it says nothing, or None for networks that do without.
    bonds
        Whether to look for neighbours.
    """
    table = periodic_table()
    columns = [table.column(column) for names in ATOM_FEATURES.values() for column in names]
    unknown = set(np.flatnonzero(np.isnan(columns).any(axis=0)).tolist())
    formulas, sights, energies, legacy = [], [], [], []
    for row, description in track(zip(rows, descriptions, strict=True), "looking", len(rows)):
        if isinstance(description, str) or unknown & set(row.structure.atomic_numbers):
            continue
        try:
            sights.append(see(row.structure, description, bonds))
        except StructureError:
            continue
        formulas.append(row.formula)
        energies.append(row.energy_ev_per_atom)
        legacy.append(row.legacy)
    folds = np.array([fold_of(formula) for formula in formulas])
    held_out = np.array([is_held_out(formula) for formula in formulas])
    return EnergySet(tuple(formulas), tuple(sights), np.array(energies), folds, held_out, np.array(legacy))
