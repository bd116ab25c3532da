"""Batches whose members are good and unlike each other, chosen greedily."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist, pdist

__all__ = ["determinantal", "farthest_points", "length_scale", "similarity", "standardise"]

FloatArray = NDArray[np.float64]
_JITTER = 1e-10
"""Conditional variance below which a point is a copy of those that were chosen."""


def standardise(features: FloatArray) -> FloatArray:
    """Return the columns with mean 0 and variance 1; those that do not vary become 0. Shape (n, features)."""
    centred = features - features.mean(axis=0)
    deviation = centred.std(axis=0)
    varies = deviation > 1e-12 * np.maximum(np.abs(features).max(axis=0, initial=0.0), 1.0)
    return np.asarray(np.where(varies, centred / np.where(varies, deviation, 1.0), 0.0), dtype=np.float64)


def farthest_points(points: FloatArray, count: int) -> list[tuple[int, float]]:
    """Choose points that are far apart: after the first, always the one farthest from all chosen (Gonzalez 1985).

    Parameters
    ----------
    points
        The best first; equally far ones are taken in this order, shape (n, dimensions).
    count
        How many to choose, at most n.

    Returns
    -------
    list
        (index, distance to the nearest chosen before it) in the order of choice; the first has infinite distance.
    """
    gap = np.full(len(points), np.inf)
    chosen: list[tuple[int, float]] = []
    for _ in range(count):
        following = int(np.argmax(gap))
        chosen.append((following, float(gap[following])))
        gap = np.minimum(gap, np.linalg.norm(points - points[following], axis=1))
        gap[[index for index, _ in chosen]] = -1.0
    return chosen


def length_scale(points: FloatArray) -> float:
    """Return the median distance between two points, or 1 where all coincide."""
    distances = pdist(points)
    median = float(np.median(distances)) if len(distances) else 0.0
    return median if median > 0 else 1.0


def similarity(points: FloatArray) -> FloatArray:
    """Return exp(-d^2 / 2 l^2) between all points with the median distance l, shape (n, n)."""
    return np.asarray(np.exp(-0.5 * (cdist(points, points) / length_scale(points)) ** 2), dtype=np.float64)


def determinantal(log_quality: FloatArray, kernel: FloatArray, count: int, weight: float) -> list[tuple[int, float]]:
    """Find greedily the batch S with the largest product of qualities times det(K_S)^weight.

    That is the mode of a determinantal point process with the kernel q_i K_ij q_j and q = quality^(1 / 2 weight)
    (Kulesza & Taskar, Found. Trends Mach. Learn. 5, 123 (2012)). Greedily, one more point adds ln quality
    + weight ln(variance left of it after those chosen); the variances are updated as rows of a Cholesky factor
    (Chen, Zhang & Zhou, NeurIPS 2018, algorithm 1).

    Parameters
    ----------
    log_quality
        ln of the score; minus infinity is chosen last. Equal ones are taken in the order given, shape (n,).
    kernel
        Similarity with diagonal 1, positive semi-definite, shape (n, n).
    count
        How many to choose, at most n.
    weight
        What unlikeness counts against quality, > 0.

    Returns
    -------
    list
        (index, variance left of it when it was chosen, between 0 and 1) in the order of choice. Copies of what was
        chosen, whose variance is 0, come last.
    """
    variance = np.diag(kernel).astype(np.float64)
    rows = np.zeros((count, len(kernel)))
    free = np.ones(len(kernel), dtype=bool)
    chosen: list[tuple[int, float]] = []
    for step in range(count):
        following = _best(log_quality, variance, free, weight)
        left = float(variance[following])
        chosen.append((following, left))
        free[following] = False
        if left > 0:
            projected = kernel[following] - rows[:step, following] @ rows[:step]
            rows[step] = projected / np.sqrt(left)
            variance = variance - rows[step] ** 2
            variance[variance < _JITTER] = 0.0
    return chosen


def _best(log_quality: FloatArray, variance: FloatArray, free: NDArray[np.bool_], weight: float) -> int:
    """Return the free point with the largest gain; among points without any, the one of best quality."""
    with np.errstate(divide="ignore"):
        gain = log_quality + weight * np.log(variance)
    candidates: Sequence[int] = np.flatnonzero(free).tolist()
    return max(candidates, key=lambda index: (gain[index], log_quality[index], -index))
