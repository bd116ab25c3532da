"""Compounds that are known outside the database: a set of hashes that ships with the package, without structures.

``python -m invdesflow.generation.known_compounds --output FILE [--materials-project PATH] [--alexandria PATH]
[--jarvis PATH]`` builds the set from public data and the packaged catalogue.
"""

import argparse
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Composition

from invdesflow.crystals.identity import enantiomorphs
from invdesflow.crystals.symmetry import space_group
from invdesflow.database.documents import utc_now
from invdesflow.errors import StructureError
from invdesflow.generation.novelty import Crystal
from invdesflow.model_files import read_model, write_model
from invdesflow.progress import track
from invdesflow.superconductors.catalogue import load_catalogue
from invdesflow.superconductors.documents import SuperconductorDocument
from invdesflow.superconductors.importers import (
    ReferenceCrystal,
    Refusal,
    read_alexandria,
    read_jarvis,
    read_materials_project,
)

__all__ = ["KnownCompounds", "build", "main", "shipped_compounds"]

SHIPPED = Path(__file__).parent / "weights" / "known_compounds.safetensors"
KIND = "known_compounds"
VERSION = 1

Hashes = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class KnownCompounds:
    """Reduced formulas, and reduced formulas with space groups, of known compounds; as hashes.

    A hash has 64 bits, so that an unknown formula is taken for a known one less than once in 10^14 questions.

    Attributes
    ----------
    formulas
        Sorted hashes of the reduced formulas; shape (n_formulas,).
    compounds
        Sorted hashes of reduced formula and space group number; shape (n_compounds,).
    """

    formulas: Hashes
    compounds: Hashes

    @classmethod
    def of(cls, compounds: Iterable[tuple[str, int]]) -> Self:
        """Make the set from pairs of a reduced formula and a space group number."""
        known = set(compounds)
        return cls(_hashes({formula for formula, _ in known}), _hashes({_name(*compound) for compound in known}))

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read the shipped set, or the one at `path`.

        Raises
        ------
        ModelError
            If a file is missing, damaged or of another version.
        """
        arrays, _ = read_model(path or SHIPPED, KIND, VERSION)
        return cls(arrays["formulas"], arrays["compounds"])

    def has_formula(self, formula: str) -> bool:
        """Tell whether a known compound has this reduced formula, in pymatgen's notation."""
        return _contains(self.formulas, formula)

    def has_formula_and_space_group(self, formula: str, number: int) -> bool:
        """Tell whether a known compound has this reduced formula and this space group number."""
        return any(_contains(self.compounds, _name(formula, hand)) for hand in enantiomorphs(number))

    def find(self, formula: str, space_group: int) -> Sequence[Crystal]:
        """Return no crystals, for the set holds none."""
        return ()


@cache
def shipped_compounds() -> KnownCompounds:
    """Return the shipped set, read once.

    Raises
    ------
    ModelError
        As `KnownCompounds.load`.
    """
    return KnownCompounds.load()


def _name(formula: str, number: int) -> str:
    return f"{formula}|{number}"


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _hashes(texts: Iterable[str]) -> Hashes:
    return np.array(sorted(map(_hash, texts)), dtype=np.uint64)


def _contains(hashes: Hashes, text: str) -> bool:
    wanted = np.uint64(_hash(text))
    place = int(np.searchsorted(hashes, wanted))
    return place < len(hashes) and bool(hashes[place] == wanted)


@dataclass(frozen=True)
class _Source:
    """A set of known compounds and how it may be used."""

    name: str
    licence: str
    read: Any


CATALOGUE = _Source("catalogue of InvDesFlow", "MIT", lambda _: iter(load_catalogue()))
SOURCES: Mapping[str, _Source] = {
    "materials_project": _Source("Materials Project, crystals near the hull", "CC BY 4.0", read_materials_project),
    "alexandria": _Source("Alexandria electron-phonon set", "MIT", read_alexandria),
    "jarvis": _Source("JARVIS supercon_3d", "NIST terms, public domain in the US", read_jarvis),
}


def build(paths: Mapping[str, Path], output: Path) -> dict[str, Any]:
    """Build the set from public data and the packaged catalogue; write it with its card.

    Parameters
    ----------
    paths
        ``materials_project``, ``alexandria`` or ``jarvis`` -> file in the form that the importer reads.
    output
        The ``.safetensors`` file; the card gets the same name with ``.json``.

    Returns
    -------
    dict
        The card: sources with licences and counts, date and SHA-256.

    Raises
    ------
    ConfigurationError
        If a source cannot be read.
    """
    known: set[tuple[str, int]] = set()
    sources: list[dict[str, Any]] = []
    for source, path in [(CATALOGUE, None), *((SOURCES[name], path) for name, path in paths.items())]:
        entries = list(_compounds(track(source.read(path), source.name)))
        found = {entry for entry in entries if entry is not None}
        sources.append(
            {
                "name": source.name,
                "licence": source.licence,
                "sha256": path and hashlib.sha256(path.read_bytes()).hexdigest(),
                "crystals": len(entries),
                "refused": entries.count(None),
                "formulas": len({formula for formula, _ in found}),
                "new_formulas": len({formula for formula, _ in found} - {formula for formula, _ in known}),
            }
        )
        known |= found
    compounds = KnownCompounds.of(known)
    card = {
        "kind": KIND,
        "version": VERSION,
        "hash": "BLAKE2b, 8 bytes, little endian, of 'formula' and of 'formula|space group number'",
        "space_groups": "spglib with invdesflow.crystals.symmetry.SYMPREC",
        "date": utc_now().date().isoformat(),
        "formulas": len(compounds.formulas),
        "compounds": len(compounds.compounds),
        "sources": sources,
    }
    digest = write_model(output, {"formulas": compounds.formulas, "compounds": compounds.compounds}, card)
    return card | {"sha256": digest}


def _compounds(
    entries: Iterable[SuperconductorDocument | ReferenceCrystal | Refusal],
) -> Iterator[tuple[str, int] | None]:
    """Yield reduced formula and space group number of every entry; None where it is refused."""
    for entry in entries:
        if isinstance(entry, SuperconductorDocument):
            yield Composition(entry.reduced_formula).reduced_formula, entry.space_group_number
        elif isinstance(entry, ReferenceCrystal):
            yield _compound(entry)
        else:
            yield None


def _compound(entry: ReferenceCrystal) -> tuple[str, int] | None:
    try:
        return entry.structure.composition.reduced_formula, space_group(entry.structure)[0]
    except StructureError:
        return None


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the set and print its card."""
    parser = argparse.ArgumentParser(prog="python -m invdesflow.generation.known_compounds", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="the .safetensors file; its card goes beside it")
    parser.add_argument("--materials-project", type=Path, help="JSON lines: id, lattice, species, frac, e_form, ehull")
    parser.add_argument("--alexandria", type=Path, help="JSON lines of the electron-phonon set")
    parser.add_argument("--jarvis", type=Path, help="JSON or CSV of supercon_3d")
    options = vars(parser.parse_args(arguments))
    output = options.pop("output")
    card = build({name: path for name, path in options.items() if path is not None}, output)
    for source in card["sources"]:
        print(f"{source['name']}: {source['crystals']} crystals, {source['new_formulas']} new formulas")  # noqa: T201
    print(f"{card['formulas']} formulas, {card['compounds']} compounds")  # noqa: T201


if __name__ == "__main__":
    main()
