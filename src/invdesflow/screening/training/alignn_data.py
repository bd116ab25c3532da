"""Inputs and targets of the ALIGNN model for whole training sets, kept in a file."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from invdesflow.progress import track
from invdesflow.screening.alignn_graph import AlignnGraph
from invdesflow.screening.alignn_inputs import CrystalInputs, Featuriser
from invdesflow.screening.tc_baseline import critical_temperature
from invdesflow.screening.training.descriptions import describe_set
from invdesflow.screening.training.electron_phonon_data import Compound
from invdesflow.screening.training.splits import fold_of, is_held_out

__all__ = ["MU_STAR", "AlignnData"]

MU_STAR = 0.10
"""Coulomb pseudopotential of every Tc in training and evaluation."""
_KINDS = {
    "atoms": ("numbers", "sites", "multiplicity"),
    "bonds": ("source", "target", "distance", "bond_count"),
    "angles": ("first", "second", "cosine", "angle_count"),
}
"""The arrays of a graph by what they hold one number for."""


@dataclass(frozen=True)
class AlignnData:
    """A training set; a compound that has no inputs is left out.

    Attributes
    ----------
    inputs
        Of each compound.
    formulas
        Reduced formulas.
    targets
        `OUTPUTS` of the network; NaN where unknown, shape (samples, 5).
    tc_k
        Tc at mu* = 0.10, K: as published, or from lambda and omega_log, shape (samples,).
    folds, held_out
        Cross-validation fold, and whether the formula belongs to the frozen tenth, shape (samples,).
    benchmark
        Whether the row counts in the figures (Alexandria), shape (samples,).
    """

    inputs: Sequence[CrystalInputs]
    formulas: NDArray[np.str_]
    targets: NDArray[np.float64]
    tc_k: NDArray[np.float64]
    folds: NDArray[np.intp]
    held_out: NDArray[np.bool_]
    benchmark: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.inputs)

    def rows(self, chosen: NDArray[np.bool_]) -> "AlignnData":
        """Return the rows where the mask is true."""
        arrays = ("formulas", "targets", "tc_k", "folds", "held_out", "benchmark")
        inputs = [self.inputs[index] for index in np.flatnonzero(chosen).tolist()]
        return replace(self, inputs=inputs, **{name: getattr(self, name)[chosen] for name in arrays})

    @classmethod
    def of(
        cls, sets: Sequence[Sequence[Compound]], featuriser: Featuriser, cache: Path | None, benchmark: int = 0
    ) -> Self:
        """Describe sets of compounds.

        Parameters
        ----------
        sets
            The sets.
        featuriser
            What turns crystals into numbers.
        cache
            Folder for what is slow to compute.
        benchmark
            Which of the sets counts in the figures.
        """
        found = [one for compounds in sets for one in _inputs(compounds, featuriser, cache)]
        numbers = np.repeat(np.arange(len(sets)), [len(compounds) for compounds in sets])
        kept = [k for k, one in enumerate(found) if not isinstance(one, str)]
        compounds = [compound for one in sets for compound in one]
        rows = [compounds[k] for k in kept]
        coupling, frequency = np.array([c.lambda_ for c in rows]), np.array([c.omega_log_mev for c in rows])
        published = np.array([c.tc_k for c in rows])
        tc = np.where(np.isnan(published), critical_temperature(coupling, frequency, MU_STAR), published)
        density, debye = np.array([c.dos_per_atom for c in rows]), np.array([c.debye_k for c in rows])
        formulas = [c.structure.composition.reduced_formula for c in rows]
        return cls(
            inputs=[one for one in found if not isinstance(one, str)],
            formulas=np.array(formulas),
            targets=np.column_stack([np.log(coupling), np.log(frequency), np.sqrt(tc), np.log(density), np.log(debye)]),
            tc_k=tc,
            folds=np.array([fold_of(formula) for formula in formulas]),
            held_out=np.array([is_held_out(formula) for formula in formulas]),
            benchmark=numbers[kept] == benchmark,
        )


def _inputs(compounds: Sequence[Compound], featuriser: Featuriser, cache: Path | None) -> list[CrystalInputs | str]:
    structures = [compound.structure for compound in compounds]
    path = None if cache is None else cache / f"alignn-{_digest(compounds, featuriser)}.npz"
    if path is not None and path.exists():
        return list(_read(path))
    pairs = zip(structures, describe_set(structures, cache), strict=True)
    found = [featuriser.inputs(*pair) for pair in track(pairs, "graphs and features", len(structures))]
    if path is not None and not all(isinstance(one, str) for one in found):
        _write(path, found)
    return found


def _digest(compounds: Sequence[Compound], featuriser: Featuriser) -> str:
    content = hashlib.sha256(repr(featuriser.card()).encode())
    for compound in compounds:
        structure = compound.structure
        content.update(np.array(structure.atomic_numbers).tobytes())
        content.update(structure.lattice.matrix.tobytes() + structure.frac_coords.tobytes())
    return content.hexdigest()


def _write(path: Path, found: Sequence[CrystalInputs | str]) -> None:
    known = [one for one in found if not isinstance(one, str)]
    arrays: dict[str, NDArray[Any]] = {}
    for kind, names in _KINDS.items():
        arrays[f"{kind}_per_crystal"] = np.array([len(getattr(one.graph, names[0])) for one in known])
        arrays |= {f"graph.{name}": np.concatenate([getattr(one.graph, name) for one in known]) for name in names}
    new = path.with_name(f"new-{path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays |= {
        "reasons": np.array([one if isinstance(one, str) else "" for one in found]),
        "atoms": np.concatenate([one.atoms for one in known]),
        "features": np.array([one.features for one in known]),
        "fractions": np.array([one.fractions for one in known]),
    }
    np.savez(new, **arrays)  # type: ignore[arg-type]  # the arrays are no options
    new.replace(path)


def _read(path: Path) -> Iterator[CrystalInputs | str]:
    with np.load(path) as file:
        arrays = dict(file)
    cuts = {kind: np.cumsum(arrays[f"{kind}_per_crystal"])[:-1] for kind in _KINDS}
    split = {name: np.split(arrays[f"graph.{name}"], cuts[kind]) for kind, names in _KINDS.items() for name in names}
    atoms = np.split(arrays["atoms"], cuts["atoms"])
    number = 0
    for reason in arrays["reasons"].tolist():
        if reason:
            yield reason
            continue
        graph = AlignnGraph(**{name: parts[number] for name, parts in split.items()})
        yield CrystalInputs(graph, atoms[number], arrays["features"][number], arrays["fractions"][number])
        number += 1
