"""Space groups by their Hermann-Mauguin symbols."""

from functools import cache

from pymatgen.symmetry.groups import SpaceGroup

__all__ = ["named_space_group"]


@cache
def named_space_group(symbol: str) -> SpaceGroup:
    """Return a space group, and keep it.

    pymatgen forgets a group that nobody holds, and takes more than a second for the operations of the next Fm-3m. While
    it is held, `Structure.from_spacegroup` finds it, too.

    Raises
    ------
    ValueError
        If there is no such symbol.
    """
    return SpaceGroup(symbol)
