"""Materials Project: reference crystals, against which novelty is judged; they are not superconductors."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pymatgen.core import Structure

from invdesflow.errors import ConfigurationError
from invdesflow.superconductors.importers.crystal import crystal, require_separate
from invdesflow.superconductors.importers.refusal import Refusal, attempt
from invdesflow.superconductors.importers.source import read_text

__all__ = ["ReferenceCrystal", "read_materials_project"]


@dataclass(frozen=True)
class ReferenceCrystal:
    """A crystal that is known to exist or to have been calculated."""

    dataset_id: str
    structure: Structure
    formation_energy_ev_per_atom: float | None
    e_above_hull_ev_per_atom: float | None


def read_materials_project(
    path: Path | str | None = None, max_e_above_hull: float = 0.1, max_sites: int = 40
) -> Iterator[ReferenceCrystal | Refusal]:
    """Read reference crystals from a local file, or from the Materials Project itself.

    Parameters
    ----------
    path
        JSON lines (id, lattice, species, frac, e_form, ehull), also compressed. None asks the Materials Project through
        mp-api, with the key in the environment variable MP_API_KEY.
    max_e_above_hull
        Highest energy above the hull in eV/atom that is asked for; a local file is taken as it is.
    max_sites
        Most atoms per cell that are asked for.

    Yields
    ------
    ReferenceCrystal or Refusal
        Every crystal, or why it is not taken.

    Raises
    ------
    ConfigurationError
        If the file cannot be read, mp-api is not installed, there is no key, or the server does not answer.
    """
    if path is None:
        yield from _ask(max_e_above_hull, max_sites)
        return
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if line.strip():
            yield attempt(f"line {number}", partial(_from_line, line))


def _from_line(line: str) -> ReferenceCrystal:
    row: Mapping[str, Any] = json.loads(line)
    structure = crystal(row["lattice"], row["species"], row["frac"])
    return _reference(f"materials-project:{row['id']}", structure, row["e_form"], row["ehull"])


def _reference(name: str, structure: Structure, formation: float | None, hull: float | None) -> ReferenceCrystal:
    require_separate(structure)
    return ReferenceCrystal(name, structure, formation, hull)


def _ask(max_e_above_hull: float, max_sites: int) -> Iterator[ReferenceCrystal | Refusal]:
    try:
        from mp_api.client import MPRester
    except ImportError as error:
        raise ConfigurationError("mp-api is not installed.", "Install it with: pip install invdesflow[mp].") from error
    key = os.environ.get("MP_API_KEY")
    if not key:
        raise ConfigurationError("The Materials Project needs a key.", "Set MP_API_KEY.")
    fields = ["material_id", "structure", "formation_energy_per_atom", "energy_above_hull"]
    try:
        with MPRester(key) as rester:
            answers = rester.materials.summary.search(
                energy_above_hull=(0, max_e_above_hull), num_sites=(1, max_sites), fields=fields
            )
    except Exception as error:  # the client raises whatever its transport does
        raise ConfigurationError(
            f"The Materials Project does not answer: {type(error).__name__}.", "Check the network and MP_API_KEY."
        ) from error
    for answer in answers:
        name = f"materials-project:{answer.material_id}"
        values = (answer.structure, answer.formation_energy_per_atom, answer.energy_above_hull)
        yield attempt(name, partial(_reference, name, *values))
