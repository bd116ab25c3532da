"""The arrays of a calculation in one compressed block, as it lies in GridFS."""

import zlib
from collections.abc import Mapping
from io import BytesIO
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.lib.format import read_array
from numpy.typing import NDArray

from invdesflow.errors import DatabaseError

__all__ = ["pack_arrays", "unpack_arrays"]

_DAMAGE = (BadZipFile, EOFError, OSError, RuntimeError, ValueError, zlib.error)


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
        with ZipFile(BytesIO(content)) as packed:
            return {name.removesuffix(".npy"): _array(packed.read(name)) for name in packed.namelist()}
    except _DAMAGE as error:
        raise DatabaseError("The arrays of the calculation are damaged.", "Repeat it with --again.") from error


def _array(content: bytes) -> NDArray[Any]:
    return np.asarray(read_array(BytesIO(content), allow_pickle=False))
