"""Which orbit gets which element, where the elements are given beforehand."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

__all__ = ["assign_composition", "assign_required", "can_hold"]

_MOST_ASSIGNMENTS = 2000


def can_hold(multiplicities: Sequence[int], amounts: Mapping[int, int]) -> bool:
    """Tell whether orbits can be shared out among elements in the ratio of a formula.

    Parameters
    ----------
    multiplicities
        Atoms of every orbit.
    amounts
        Atomic number to atoms per formula unit.
    """
    largest_first = np.argsort(multiplicities)[::-1]
    return next(_assignments(multiplicities, amounts, largest_first), None) is not None


def assign_composition(
    multiplicities: Sequence[int],
    amounts: Mapping[int, int],
    log_probabilities: NDArray[np.float64],
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Draw one of the ways to share out orbits in the ratio of a formula.

    Parameters
    ----------
    multiplicities
        Atoms of every orbit; R of them.
    amounts
        Atomic number to atoms per formula unit.
    log_probabilities
        log p(element | orbit) for atomic numbers 1 and up; shape (R, n_elements).
    random
        Source of randomness.

    Returns
    -------
    numpy.ndarray
        Atomic number of every orbit, drawn in proportion to the product of the probabilities among the first
        2,000 ways in a random order; shape (R,).
    """
    order = random.permutation(len(multiplicities))
    ways = []
    for way in _assignments(multiplicities, amounts, order):
        ways.append(way)
        if len(ways) == _MOST_ASSIGNMENTS:
            break
    choices = np.array(ways)
    weights = log_probabilities[np.arange(len(multiplicities)), choices - 1].sum(1)
    weights = np.exp(weights - weights.max())
    chosen: NDArray[np.int64] = choices[random.choice(len(choices), p=weights / weights.sum())]
    return chosen


def assign_required(
    required: Sequence[int], log_probabilities: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.int64]:
    """Give every required element an orbit of its own, at random with the model's preference.

    Parameters
    ----------
    required
        Atomic numbers, at most as many as orbits.
    log_probabilities
        log p(element | orbit); shape (R, n_elements).
    random
        Source of randomness.

    Returns
    -------
    numpy.ndarray
        Atomic number of every orbit, 0 where it is left open; shape (R,). The assignment with the largest sum of
        log p and Gumbel noise.
    """
    chosen = np.zeros(len(log_probabilities), np.int64)
    if required:
        scores = log_probabilities[:, np.asarray(required) - 1]
        orbits, elements = linear_sum_assignment(scores + random.gumbel(size=scores.shape), maximize=True)
        chosen[orbits] = np.asarray(required)[elements]
    return chosen


def _assignments(
    multiplicities: Sequence[int], amounts: Mapping[int, int], order: NDArray[np.integer]
) -> Iterator[NDArray[np.int64]]:
    """Yield all ways to share out the orbits, deciding them in the given order."""
    units, rest = divmod(sum(multiplicities), sum(amounts.values()))
    if rest:
        return
    left = {number: units * amount for number, amount in amounts.items()}
    chosen = np.zeros(len(multiplicities), np.int64)

    def decide(depth: int) -> Iterator[NDArray[np.int64]]:
        if depth == len(order):
            yield chosen.copy()
            return
        orbit = order[depth]
        for number, rest in tuple(left.items()):
            if rest >= multiplicities[orbit]:
                left[number] -= multiplicities[orbit]
                chosen[orbit] = number
                yield from decide(depth + 1)
                left[number] += multiplicities[orbit]

    yield from decide(0)
