"""A small committee that learns Tc from features: it stands for the Tc model where that is refitted each round."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from sklearn.ensemble import ExtraTreesRegressor

from invdesflow.errors import LearningError

__all__ = ["SurrogateSettings", "TreeSurrogate"]

FloatArray = NDArray[np.float64]


class SurrogateSettings(BaseModel):
    """How the committee is grown."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    trees: int = Field(50, ge=2, description="members")
    feature_share: float = Field(0.1, gt=0, le=1, description="features that a node may choose from")
    smallest_leaf: int = Field(1, ge=1, description="calculations that a leaf needs")


@dataclass(frozen=True)
class TreeSurrogate:
    """Extremely randomised trees (Geurts, Ernst & Wehenkel 2006) that were fitted to what is known.

    The spread among fully grown trees is large where they had to guess and next to nothing at what they have seen. It
    is not calibrated.
    """

    forest: ExtraTreesRegressor

    @classmethod
    def fit(cls, features: FloatArray, tc_k: FloatArray, settings: SurrogateSettings, seed: int) -> Self:
        """Grow the trees.

        Parameters
        ----------
        features
            Shape (samples, features).
        tc_k
            Tc in K, shape (samples,).
        settings
            How large.
        seed
            Of the random splits.

        Raises
        ------
        LearningError
            If there is nothing to learn from, or a number is not finite.
        """
        if len(tc_k) == 0:
            raise LearningError("there is no label to learn from.", "Calculate an initial set first.")
        if not (np.isfinite(features).all() and np.isfinite(tc_k).all()):
            raise LearningError("a feature or a label is not finite.", "Leave out what has no result.")
        forest = ExtraTreesRegressor(
            n_estimators=settings.trees,
            max_features=settings.feature_share,
            min_samples_leaf=settings.smallest_leaf,
            random_state=seed,
            n_jobs=1,
        )
        return cls(forest.fit(features.astype(np.float32), tc_k))

    def predict(self, features: FloatArray) -> FloatArray:
        """Return Tc by every tree, K, shape (samples, trees)."""
        values = np.ascontiguousarray(features, dtype=np.float32)
        return np.column_stack([tree.predict(values, check_input=False) for tree in self.forest.estimators_])
