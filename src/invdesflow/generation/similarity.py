"""Which elements replace each other in crystals: a distance on tabulated properties, and weights made of it."""

from collections.abc import Collection, Mapping
from functools import cache
from math import exp, log

from ase.data import covalent_radii
from pymatgen.core import Element

from invdesflow.errors import ConfigurationError

__all__ = ["DEFAULT_ELEMENTS", "dissimilarity", "replacement_weights"]

MENDELEEV_SCALE = 10.0
"""Steps of Pettifor's Mendeleev number that count as one unit."""
RADIUS_SCALE = 0.2
"""Difference of the logarithms of the covalent radii that counts as one unit."""
ELECTRONEGATIVITY_SCALE = 0.8
"""Difference of the Pauling electronegativities that counts as one unit."""
MAX_Z = 94
"""The heaviest element with a usual volume."""

DEFAULT_ELEMENTS: tuple[str, ...] = tuple(
    element.symbol
    for element in (Element.from_Z(z) for z in range(1, MAX_Z + 1))
    if not element.is_noble_gas and not element.is_radioactive
)
"""Elements that candidates are made of unless asked otherwise: neither radioactive nor a noble gas."""


@cache
def dissimilarity(first: str, second: str) -> float:
    """Return how unlike two elements are as a part of a crystal (dimensionless; 0 for the same element).

    Parameters
    ----------
    first, second
        Symbols.

    Returns
    -------
    float
        ``|dM| / 10 + |d ln r| / 0.2 + |dX| / 0.8`` with Pettifor's Mendeleev number M, the covalent radius r and
        Pauling's electronegativity X.

    Raises
    ------
    ConfigurationError
        If a symbol is unknown, or one of the three properties is not tabulated for it.

    Notes
    -----
    M: Pettifor, J. Phys. C 19, 285 (1986). r: Cordero et al., Dalton Trans. 2832 (2008). The three scales were chosen
    with ``benchmarks/similarity.py`` for how well the distance ranks the elements that fill the same slot of the same
    prototype; it ranks them better than M alone or the ionic substitution probabilities of Hautier et al. (2011).
    """
    a, b = _properties(first), _properties(second)
    scales = (MENDELEEV_SCALE, RADIUS_SCALE, ELECTRONEGATIVITY_SCALE)
    return sum(abs(x - y) / scale for x, y, scale in zip(a, b, scales, strict=True))


def replacement_weights(symbol: str, choices: Collection[str], softness: float) -> Mapping[str, float]:
    """Return the weight of every other element as a replacement of one.

    Parameters
    ----------
    symbol
        Element to be replaced.
    choices
        Elements to choose from.
    softness
        Decay of the weight ``exp(-dissimilarity / softness)``: small keeps to the nearest neighbours, large explores.

    Returns
    -------
    Mapping of str to float
        Symbol -> weight, normalised to one, heaviest first; `symbol` itself is left out.

    Raises
    ------
    ConfigurationError
        As `dissimilarity`.
    """
    weights = {other: exp(-dissimilarity(symbol, other) / softness) for other in choices if other != symbol}
    total = sum(weights.values())
    ordered = sorted(weights, key=lambda other: (-weights[other], other))
    return {other: weights[other] / total for other in ordered}


@cache
def _properties(symbol: str) -> tuple[float, float, float]:
    if not Element.is_valid_symbol(symbol):
        raise ConfigurationError(f"{symbol!r} is not an element.", "Give symbols such as Nb.")
    element = Element(symbol)
    if element.Z > MAX_Z or element.X != element.X:  # pymatgen has NaN where Pauling gives none
        raise ConfigurationError(f"No similarity is tabulated for {symbol}.", "Exclude the element.")
    return float(element.mendeleev_no), log(covalent_radii[element.Z]), float(element.X)
