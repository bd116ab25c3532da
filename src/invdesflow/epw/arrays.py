"""The arrays of a calculation in one compressed block, as it lies in GridFS."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from invdesflow.errors import DatabaseError

__all__ = ["pack_arrays", "unpack_arrays"]


def pack_arrays(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Pack arrays of numbers and texts; the same arrays always give the same bytes."""
    target = BytesIO()
    np.savez_compressed(target, **{name: arrays[name] for name in sorted(arrays)})  # type: ignore[arg-type]
    return target.getvalue()


def unpack_arrays(content: bytes) -> dict[str, NDArray[Any]]:
    """Unpack what `pack_arrays` packed; nothing in it can be code.

    Raises
    ------
    DatabaseError
        If it is something else.
    """
    try:
        with np.load(BytesIO(content), allow_pickle=False) as packed:
            return {name: packed[name] for name in packed.files}
    except (ValueError, OSError, BadZipFile) as error:
        raise DatabaseError("The arrays of the calculation are damaged.", "Repeat it with --again.") from error
