"""What a network reads of each site: properties of its element and what the interatomic potential knows of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from invdesflow.screening.description import FEATURES, CrystalDescription

__all__ = ["POTENTIAL_FEATURES", "SiteScale", "potential_features", "site_statistics"]

POTENTIAL_FEATURES = FEATURES + 1
"""CHGNet's features of a site and its magnetic moment."""
FloatArray = NDArray[np.float32]


def potential_features(description: CrystalDescription) -> FloatArray:
    """Return CHGNet's features and moment (Bohr magnetons) of the sites, shape (sites, `POTENTIAL_FEATURES`)."""
    return np.column_stack([description.atoms, description.magnetic_moments])


def site_statistics(features: FloatArray, volume_per_atom: float) -> FloatArray:
    """Describe a crystal as a whole.

    Parameters
    ----------
    features
        Of its sites, shape (sites, inputs).
    volume_per_atom
        Å³.

    Returns
    -------
    ndarray
        Mean, mean deviation, least and greatest of the features, and the volume, shape (4 inputs + 1,).
    """
    mean = features.mean(axis=0)
    deviation = np.abs(features - mean).mean(axis=0)
    parts = [mean, deviation, features.min(axis=0), features.max(axis=0), [volume_per_atom]]
    return np.concatenate(parts).astype(np.float32)


@dataclass(frozen=True)
class SiteScale:
    """How the features of a site are brought to order one.

    Parameters
    ----------
    elements
        Standardised properties of the elements by atomic number, NaN for an element that the model does not know, shape
        (Z_max + 1, properties).
    mean, deviation
        Of the potential's features over the sites of the training set, shape (`POTENTIAL_FEATURES`,); of length zero
        for a model that reads the elements alone.
    """

    elements: FloatArray
    mean: FloatArray
    deviation: FloatArray

    @property
    def inputs(self) -> int:
        """Number of features of a site."""
        return int(self.elements.shape[1]) + len(self.mean)

    def unknown(self, numbers: NDArray[np.int64]) -> list[int]:
        """Return the atomic numbers that the model does not know."""
        return [int(z) for z in np.unique(numbers) if z >= len(self.elements) or np.isnan(self.elements[z]).any()]

    def features(self, numbers: NDArray[np.int64], potential: FloatArray) -> FloatArray:
        """Return the features of sites.

        Parameters
        ----------
        numbers
            Atomic numbers, shape (sites,).
        potential
            From `potential_features`, shape (sites, `POTENTIAL_FEATURES`).

        Returns
        -------
        ndarray
            Shape (sites, inputs).
        """
        elements = self.elements[numbers]
        if not len(self.mean):
            return elements
        return np.concatenate([elements, (potential - self.mean) / self.deviation], axis=1)
