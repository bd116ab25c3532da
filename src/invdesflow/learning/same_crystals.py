"""Which of many documents are about one crystal."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TypeVar

from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Structure

__all__ = ["same_crystals"]

T = TypeVar("T")


def same_crystals(items: Iterable[T], crystal: Callable[[T], tuple[Structure, float]]) -> list[list[T]]:
    """Group what is about the same crystal at the same pressure.

    Parameters
    ----------
    items
        Anything about crystals.
    crystal
        Says which crystal an item is about, and at which pressure (GPa).

    Returns
    -------
    list of list
        Groups in the order of their first items, each in the order of the items.
    """
    matcher = StructureMatcher()
    groups: dict[tuple[str, float], list[list[T]]] = defaultdict(list)
    for item in items:
        structure, pressure_gpa = crystal(item)
        alike = groups[structure.composition.reduced_formula, pressure_gpa]
        for group in alike:
            if matcher.fit(structure, crystal(group[0])[0]):
                group.append(item)
                break
        else:
            alike.append([item])
    return [group for alike in groups.values() for group in alike]
