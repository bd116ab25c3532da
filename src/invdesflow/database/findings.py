"""`Finding`: one thing that a crash has left, and what mends it."""

from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Finding"]


@dataclass(frozen=True)
class Finding:
    """One thing that a crash has left.

    Attributes
    ----------
    kind
        What it is, such as *dangling blob*.
    place
        Collection or folder.
    identifier
        Which one.
    remark
        What is wrong; where it cannot be mended here, what the user can do.
    repair
        Mends it; none where that is not for us to do. It never removes what a document refers to, nor a document that
        somebody was told of.
    """

    kind: str
    place: str
    identifier: str
    remark: str
    repair: Callable[[], object] | None = field(compare=False, repr=False)
