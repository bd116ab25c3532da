"""Growing the forests of the classifier."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier

from invdesflow.screening.training.fitting import forest_arrays
from invdesflow.screening.tree_ensemble import TreeEnsemble

__all__ = ["Growth", "grow_forest"]


@dataclass(frozen=True)
class Growth:
    """How a forest grows.

    Parameters
    ----------
    trees
        Trees of each member.
    leaf
        Fewest crystals in a leaf.
    share
        Of the inputs that a split tries.
    seed
        Of everything random.
    """

    trees: int = 100
    leaf: int = 2
    share: float = 0.5
    seed: int = 0


def grow_forest(statistics: NDArray[np.float32], truth: NDArray[np.bool_], growth: Growth) -> TreeEnsemble:
    """Grow extremely randomised trees; superconductors weigh as much as the other crystals together.

    The forest tells the share of superconductors.

    Parameters
    ----------
    statistics, truth
        What the forest reads and whether it is a superconductor, shapes (crystals, inputs) and (crystals,).
    growth
        How.
    """
    forest = ExtraTreesClassifier(
        growth.trees,
        max_features=growth.share,
        min_samples_leaf=growth.leaf,
        class_weight="balanced",
        random_state=growth.seed,
    )
    # The arrays hold the share of the first class; False comes first.
    return forest_arrays(forest.fit(statistics, ~truth))
