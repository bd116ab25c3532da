"""A random forest on statistics of the sites: what the networks of the classifier have to beat."""

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from invdesflow.screening.site_features import SiteScale
from invdesflow.screening.training.classifier_table import ClassTable, fit_scale
from invdesflow.screening.training.splits import FOLDS

__all__ = ["forest_scores"]

TREES = 100


def forest_scores(table: ClassTable, potential: bool, seed: int) -> NDArray[np.float64]:
    """Judge every labelled crystal with a random forest that has not seen its formula; NaN for the others.

    It reads mean, mean deviation, smallest and largest element properties of the sites, the volume per atom, and, if
    asked, the same of the potential's features.
    """
    scale = fit_scale(table, potential)
    inputs = np.array([_statistics(table, scale, row) for row in range(len(table.kinds))])
    scores = np.full(len(inputs), np.nan)
    for fold in range(FOLDS):
        seen = table.labelled & table.taught(fold)
        judged = table.labelled & ~table.held_out & (table.folds == fold)
        if judged.any():
            forest = RandomForestClassifier(TREES, class_weight="balanced", min_samples_leaf=2, random_state=seed)
            scores[judged] = forest.fit(inputs[seen], table.positive[seen]).predict_proba(inputs[judged])[:, 1]
    return scores


def _statistics(table: ClassTable, scale: SiteScale, row: int) -> NDArray[np.float32]:
    graph = table.graphs[row]
    if scale.unknown(graph.numbers):  # an element that occurs in the frozen tenth alone
        return np.full(4 * scale.inputs + 1, np.nan, dtype=np.float32)
    sites = scale.features(graph.numbers, table.potential[row])
    deviation = np.abs(sites - sites.mean(axis=0)).mean(axis=0)
    parts = [sites.mean(axis=0), deviation, sites.min(axis=0), sites.max(axis=0), [graph.volume_per_atom]]
    return np.concatenate(parts).astype(np.float32)
