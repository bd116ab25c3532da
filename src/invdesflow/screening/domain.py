"""How far a crystal is from what a model was trained on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invdesflow.errors import ModelError

__all__ = ["TrainingDomain"]

ARRAYS = ("mean", "projection", "centres", "unit")


@dataclass(frozen=True)
class TrainingDomain:
    """The region of feature space that the training set covers, described by cluster centres.

    The distance of a crystal is the root of two parts: the distance to the nearest centre within the subspace of the
    leading principal components, and the distance out of that subspace. Its unit is the 99th percentile of the
    distances of held-out training crystals, so that 1.0 is the border.

    Parameters
    ----------
    mean
        Mean of the standardised features, shape (features,).
    projection
        Orthonormal principal directions, shape (features, components).
    centres
        Cluster centres in the subspace, shape (centres, components).
    unit
        Distance that counts as 1, shape (1,).
    """

    mean: NDArray[np.float32]
    projection: NDArray[np.float32]
    centres: NDArray[np.float32]
    unit: NDArray[np.float32]

    def distance(self, standardised: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the distance to the training set, shape (samples,); above 1 is outside.

        Parameters
        ----------
        standardised
            Standardised features that are not clipped, shape (samples, features).
        """
        centred = np.asarray(standardised, dtype=np.float64) - self.mean
        inside = centred @ self.projection.astype(np.float64)
        outside = np.maximum((centred**2).sum(axis=1) - (inside**2).sum(axis=1), 0.0)
        gaps = ((inside[:, None, :] - self.centres[None].astype(np.float64)) ** 2).sum(axis=2)
        distance: NDArray[np.float64] = np.sqrt(gaps.min(axis=1) + outside) / float(self.unit[0])
        return distance

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to store, by name."""
        return {name: getattr(self, name) for name in ARRAYS}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "TrainingDomain":
        """Rebuild a domain from its arrays.

        Raises
        ------
        ModelError
            If an array is missing.
        """
        try:
            return cls(**{name: arrays[name] for name in ARRAYS})
        except KeyError as error:
            raise ModelError(f"the weights lack {error.args[0]}.", "Install the package again.") from error
