"""A forest of regression trees as plain arrays: evaluation without the library that grew it, storage without pickle."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invdesflow.errors import ModelError

__all__ = ["TreeEnsemble"]

ARRAYS = ("feature", "threshold", "right", "values", "roots")


@dataclass(frozen=True)
class TreeEnsemble:
    """Binary regression trees, node after node, in depth-first order: the left child of a node is the next node.

    Parameters
    ----------
    feature
        Feature that a node asks for, or -1 for a leaf, shape (nodes,), int16.
    threshold
        A sample goes left where its feature, as float32, is <= threshold, shape (nodes,), float32.
    right
        Right child of an inner node, counted from its root, shape (nodes,), uint16.
    values
        Outputs of the leaves in the order of the nodes, shape (leaves, outputs), float32.
    roots
        First node of each tree, shape (trees,), int32.
    """

    feature: NDArray[np.int16]
    threshold: NDArray[np.float32]
    right: NDArray[np.uint16]
    values: NDArray[np.float32]
    roots: NDArray[np.int32]

    def __post_init__(self) -> None:
        inner = self.feature >= 0
        ends = np.append(self.roots[1:], len(self.feature))
        owner = np.repeat(np.arange(len(self.roots)), ends - self.roots)
        consistent = (
            len(self.roots) > 0
            and self.roots[0] == 0
            and (ends > self.roots).all()
            and len(self.threshold) == len(self.right) == len(self.feature)
            and not inner[ends - 1].any()
            and (~inner).sum() == len(self.values)
            and (self.roots[owner] + self.right < ends[owner])[inner].all()
            and (self.roots[owner] + self.right > np.arange(len(self.feature)) + 1)[inner].all()
        )
        if not consistent:
            raise ModelError("the trees of the model are not consistent.", "Install the package again.")

    @property
    def trees(self) -> int:
        """Number of trees."""
        return len(self.roots)

    def predict(self, samples: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Evaluate every tree on every sample.

        Parameters
        ----------
        samples
            Features, shape (samples, features).

        Returns
        -------
        ndarray
            Shape (samples, trees, outputs).
        """
        return self.values[self.leaves(samples)].astype(np.float64)

    def leaves(self, samples: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
        """Return the leaf of every tree that each sample falls into, as a row of `values`, shape (samples, trees).

        All trees and samples descend together, one level at a time; those that reached a leaf drop out.
        """
        x = np.asarray(samples, dtype=np.float32)
        count = len(x)
        leaf_number = np.cumsum(self.feature < 0) - 1
        node = np.tile(self.roots.astype(np.int64), count)
        row = np.repeat(np.arange(count), self.trees)
        root = node.copy()
        active = np.flatnonzero(self.feature[node] >= 0)
        while len(active):
            here = node[active]
            goes_left = x[row[active], self.feature[here]] <= self.threshold[here]
            node[active] = np.where(goes_left, here + 1, root[active] + self.right[here])
            active = active[self.feature[node[active]] >= 0]
        return leaf_number[node].reshape(count, self.trees)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to store, by name."""
        return {name: getattr(self, name) for name in ARRAYS}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "TreeEnsemble":
        """Rebuild a forest from its arrays.

        Raises
        ------
        ModelError
            If an array is missing or the arrays do not describe trees.
        """
        missing = [name for name in ARRAYS if name not in arrays]
        if missing:
            raise ModelError(f"the weights lack {', '.join(missing)}.", "Install the package again.")
        return cls(**{name: arrays[name] for name in ARRAYS})
