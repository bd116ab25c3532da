"""What the ALIGNN model sees of a crystal: its graph, its atoms and its features as a whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pymatgen.core import Structure
from torch import Tensor

from invdesflow.errors import ModelError, StructureError
from invdesflow.screening.alignn_graph import AlignnBatch, AlignnGraph, alignn_graph
from invdesflow.screening.description import FEATURES as LEARNED
from invdesflow.screening.description import CrystalDescription
from invdesflow.screening.elements import PROPERTIES, ElementTable
from invdesflow.screening.features import FEATURES_VERSION, crystal_features

__all__ = ["CrystalInputs", "Featuriser", "InputScale", "designed_features"]

CLIP = 6.0  # standard deviations; keeps the perceptrons from running away on a single strange feature
FRACTION_SCALE = 5.0  # brings the atomic fractions of the elements to order one

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class CrystalInputs:
    """One crystal in numbers.

    Attributes
    ----------
    graph
        Its graph.
    atoms
        CHGNet's features of the atoms of the graph, shape (atoms, 64).
    features
        Features of structure and composition, then the mean of CHGNet's features of the sites (those of the crystal
        grow with the cell), shape (features + 64,).
    fractions
        Atomic fractions of the elements, shape (elements,).
    """

    graph: AlignnGraph
    atoms: FloatArray
    features: FloatArray
    fractions: FloatArray


def designed_features(inputs: Sequence[CrystalInputs]) -> FloatArray:
    """Return the features of structure and composition alone, shape (crystals, features)."""
    return np.array([one.features[:-LEARNED] for one in inputs])


@dataclass(frozen=True)
class Featuriser:
    """Turns crystals into numbers.

    Parameters
    ----------
    table
        Properties of the elements, for the features of structure and composition.
    elements
        Atomic numbers that the model knows.
    neighbours
        Bonds of an atom.
    """

    table: ElementTable
    elements: tuple[int, ...]
    neighbours: int

    def inputs(self, structure: Structure, description: CrystalDescription | str) -> CrystalInputs | str:
        """Return the numbers, or the reason why there are none."""
        unseen = sorted({element.symbol for element in structure.elements if element.Z not in self.elements})
        if unseen:
            return f"the model has not seen {', '.join(unseen)}"
        if isinstance(description, str):
            return description
        try:
            features = list(crystal_features(structure, self.table).values())
            graph = alignn_graph(structure, self.neighbours)
        except StructureError as error:
            return str(error)
        numbers = np.array(structure.atomic_numbers)
        return CrystalInputs(
            graph=graph,
            atoms=description.atoms[graph.sites],
            features=np.concatenate([features, description.atoms.mean(axis=0)]).astype(np.float32),
            fractions=(numbers[:, None] == np.array(self.elements)).mean(axis=0).astype(np.float32),
        )

    def card(self) -> dict[str, Any]:
        """Return what the card of a model says of it."""
        return {
            "features_version": FEATURES_VERSION,
            "elements": list(self.elements),
            "element_properties": list(self.table.names),
            "neighbours": self.neighbours,
        }

    @classmethod
    def from_card(cls, card: Mapping[str, Any], table: NDArray[Any]) -> Self:
        """Rebuild it from a card and the table of element properties.

        Raises
        ------
        ModelError
            If the features are of another version.
        """
        found = card["features_version"], tuple(card["element_properties"])
        if found != (FEATURES_VERSION, PROPERTIES):
            raise ModelError(f"the model needs features of version {found[0]}.", "Install the package again.")
        return cls(ElementTable(table, found[1]), tuple(int(z) for z in card["elements"]), int(card["neighbours"]))


@dataclass(frozen=True)
class InputScale:
    """Means and standard deviations of the inputs of one network, and the element features of its atoms.

    Attributes
    ----------
    atom_mean, atom_scale
        Of CHGNet's features of an atom, shape (64,).
    feature_mean, feature_scale
        Of the features of a crystal, shape (features + 64,).
    """

    atom_mean: FloatArray
    atom_scale: FloatArray
    feature_mean: FloatArray
    feature_scale: FloatArray

    @classmethod
    def of(cls, inputs: Sequence[CrystalInputs]) -> Self:
        """Measure a training set; what does not vary gets the scale 1."""
        parts = np.concatenate([one.atoms for one in inputs]), np.array([one.features for one in inputs])
        moments: list[FloatArray] = []
        for values in parts:
            deviation = values.std(axis=0, dtype=np.float64)
            scale = np.where(deviation > 1e-6, deviation, 1.0)
            moments += [values.mean(axis=0, dtype=np.float64).astype(np.float32), scale.astype(np.float32)]
        return cls(*moments)

    def features(self, inputs: Sequence[CrystalInputs]) -> FloatArray:
        """Return standardised features that are not clipped, shape (crystals, features + 64)."""
        return (np.array([one.features for one in inputs]) - self.feature_mean) / self.feature_scale

    def crystals(self, inputs: Sequence[CrystalInputs]) -> FloatArray:
        """Return clipped features and element fractions, shape (crystals, features + 64 + elements)."""
        fractions = FRACTION_SCALE * np.array([one.fractions for one in inputs])
        return np.concatenate([np.clip(self.features(inputs), -CLIP, CLIP), fractions], axis=1)

    def tensors(self, inputs: Sequence[CrystalInputs], elements: FloatArray) -> tuple[AlignnBatch, Tensor, Tensor]:
        """Return what `AlignnNetwork` asks for.

        Parameters
        ----------
        inputs
            Crystals.
        elements
            Features of the elements by atomic number, shape (numbers, element features).
        """
        batch = AlignnBatch.of([one.graph for one in inputs])
        learned = np.concatenate([one.atoms for one in inputs])
        learned = np.clip((learned - self.atom_mean) / self.atom_scale, -CLIP, CLIP)
        atoms = np.concatenate([elements[batch.numbers.numpy()], learned], axis=1)
        return batch, torch.from_numpy(atoms).float(), torch.from_numpy(self.crystals(inputs)).float()

    @staticmethod
    def widths(elements: FloatArray, inputs: CrystalInputs) -> tuple[int, int]:
        """Return the lengths of the inputs of an atom and of a crystal."""
        return elements.shape[1] + LEARNED, len(inputs.features) + len(inputs.fractions)
