"""The training set of the classifier in numbers: graphs, features of the sites, kinds and folds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from invdesflow.errors import StructureError, TrainingError
from invdesflow.progress import track
from invdesflow.screening.crystal_graph import CrystalGraph, GraphBatch, crystal_graph
from invdesflow.screening.description import CrystalDescription
from invdesflow.screening.elements import ElementTable, periodic_table
from invdesflow.screening.graph_encoder import CUTOFF, MOST_NEIGHBOURS
from invdesflow.screening.site_features import SiteScale, potential_features
from invdesflow.screening.training.classes import DATA_SETS, KINDS, Crystal, kinds_of, read_crystals
from invdesflow.screening.training.descriptions import describe_set
from invdesflow.screening.training.splits import fold_of, is_held_out

__all__ = ["ClassTable", "build_table", "fit_scale", "read_table"]

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class ClassTable:
    """Crystals with a kind; one entry for each.

    Parameters
    ----------
    graphs, potential
        Graph and the potential's features of the sites.
    kinds, data_sets, formulas
        Kind (one of `KINDS`), data set and reduced formula, shape (crystals,).
    checked
        Whether it is one of the 105 superconductors of the paper, shape (crystals,).
    folds
        Cross-validation fold, shape (crystals,).
    held_out
        Whether the formula belongs to the tenth that no shipped model learns from, shape (crystals,).
    """

    graphs: list[CrystalGraph]
    potential: list[NDArray[np.float32]]
    kinds: NDArray[np.str_]
    data_sets: NDArray[np.str_]
    formulas: NDArray[np.str_]
    checked: BoolArray
    folds: NDArray[np.int64]
    held_out: BoolArray

    @property
    def labelled(self) -> BoolArray:
        """Rows with a class: superconductors and true negatives."""
        return np.asarray(self.kinds != "conductor")

    @property
    def positive(self) -> BoolArray:
        """Superconductors."""
        return np.asarray(self.kinds == "superconductor")

    @property
    def pretraining(self) -> BoolArray:
        """Rows that the rule of the paper calls possible superconductors: conductors without magnetic moment."""
        return np.isin(self.kinds, ("superconductor", "metal", "conductor"))

    def taught(self, fold: int) -> BoolArray:
        """Rows that the member of a fold may learn from."""
        return np.asarray((self.folds != fold) & ~self.held_out)

    def batch(self, rows: NDArray[np.int64], scale: SiteScale) -> tuple[Tensor, GraphBatch]:
        """Return features of the sites and graphs of some rows."""
        batch = GraphBatch.of([self.graphs[row] for row in rows])
        features = scale.features(batch.numbers.numpy(), np.concatenate([self.potential[row] for row in rows]))
        return torch.from_numpy(features), batch

    def crystals(self, rows: NDArray[np.int64], scale: SiteScale) -> list[tuple[CrystalGraph, NDArray[np.float32]]]:
        """Return graph and features of the sites of some rows."""
        return [(self.graphs[row], scale.features(self.graphs[row].numbers, self.potential[row])) for row in rows]


def read_table(data: Mapping[str, Path], cache: Path | None) -> ClassTable:
    """Read, describe and label the data sets.

    Parameters
    ----------
    data
        Path by name of the data set.
    cache
        Folder for CHGNet's descriptions.
    """
    crystals = read_crystals(data)
    descriptions: list[CrystalDescription | str] = []
    for name in (name for name in DATA_SETS if name in data):
        descriptions += describe_set([one.structure for one in crystals if one.data_set == name], cache)
    return build_table(crystals, descriptions)


def build_table(crystals: Sequence[Crystal], descriptions: Sequence[CrystalDescription | str]) -> ClassTable:
    """Collect the crystals that have a kind, a description, a graph and elements with all properties.

    Raises
    ------
    TrainingError
        If none has.
    """
    kinds, elements = kinds_of(crystals, descriptions), periodic_table()
    kept: list[int] = []
    graphs: list[CrystalGraph] = []
    potential: list[NDArray[np.float32]] = []
    for number, crystal in enumerate(track(crystals, "graphs", len(crystals))):
        description = descriptions[number]
        if kinds[number] not in KINDS or isinstance(description, str):
            continue
        try:
            graph = crystal_graph(crystal.structure, CUTOFF, MOST_NEIGHBOURS)
        except StructureError:
            continue
        if not elements.unknown(graph.numbers):
            kept.append(number)
            graphs.append(graph)
            potential.append(potential_features(description))
    if not kept:
        raise TrainingError("there is no crystal to learn from.", "Check the data files.")
    rows = [crystals[number] for number in kept]
    return ClassTable(
        graphs=graphs,
        potential=potential,
        kinds=kinds[kept],
        data_sets=np.array([one.data_set for one in rows]),
        formulas=np.array([one.formula for one in rows]),
        checked=np.array([one.checked for one in rows]),
        folds=np.array([fold_of(one.formula) for one in rows]),
        held_out=np.array([is_held_out(one.formula) for one in rows]),
    )


def fit_scale(table: ClassTable, use_potential: bool) -> SiteScale:
    """Standardise the elements of the rows that may be learned from, and the potential's features over their sites."""
    taught = np.flatnonzero(~table.held_out)
    present = np.unique(np.concatenate([table.graphs[row].numbers for row in taught]))
    properties: ElementTable = periodic_table()
    values = properties.values[present]
    elements = np.full(properties.values.shape, np.nan, dtype=np.float32)
    elements[present] = (values - values.mean(axis=0)) / _deviation(values)
    if not use_potential:
        return SiteScale(elements, np.empty(0, np.float32), np.empty(0, np.float32))
    sites = np.concatenate([table.potential[row] for row in taught])
    return SiteScale(elements, sites.mean(axis=0), _deviation(sites))


def _deviation(rows: NDArray[Any]) -> NDArray[Any]:
    """Return the standard deviation of each column; 1 where it does not vary."""
    deviation: NDArray[Any] = rows.std(axis=0)
    deviation[deviation == 0] = 1.0
    return deviation
