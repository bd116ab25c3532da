"""Fingerprints of crystals for the coverage metrics: local order parameters, and statistics of element properties."""

import csv
import hashlib
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from multiprocessing import get_context
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pymatgen.analysis.local_env import CN_OPT_PARAMS, CrystalNN, LocalStructOrderParams
from pymatgen.core import Composition, Structure

from invdesflow.crystals.symmetry import symmetry_of
from invdesflow.errors import ConfigurationError, StructureError
from invdesflow.progress import track

__all__ = [
    "COMPOSITION_FEATURES",
    "STRUCTURE_FEATURES",
    "Fingerprints",
    "composition_fingerprint",
    "fingerprints",
    "structure_fingerprint",
]

FloatArray = NDArray[np.float64]

MAX_COORDINATION = 24
STEINHARDT = ("q2", "q4", "q6")
"""Bond-orientational order parameters, asked of environments that have few motifs or none of their own."""
CHUNK = 16
"""Crystals that a worker process is handed at once."""
VERSION = 1
"""Raised when a fingerprint changes, so that what is cached is computed again."""


def _motifs(coordination: int) -> tuple[str, ...]:
    if coordination == 1:
        return ("sgl_bd",)
    own = tuple(CN_OPT_PARAMS.get(coordination, ()))
    return own + STEINHARDT if 9 <= coordination <= 12 else own


STRUCTURE_FEATURES: tuple[tuple[int, str], ...] = tuple(
    (coordination, feature)
    for coordination in range(1, MAX_COORDINATION + 1)
    for feature in ("weight", *_motifs(coordination))
)
"""Coordination number, and ``weight`` or the name of a motif."""


@cache
def _order_parameter(coordination: int, motif: str) -> LocalStructOrderParams:
    # One object per motif: asked for several at once, pymatgen shares angles between them and returns other values.
    kind, *parameters = CN_OPT_PARAMS.get(coordination, {}).get(motif, [motif])
    return LocalStructOrderParams([kind], parameters=[parameters[0] if parameters else None])


def structure_fingerprint(structure: Structure) -> FloatArray:
    """Average the local order parameters over the atoms.

    Parameters
    ----------
    structure
        Ordered crystal.

    Returns
    -------
    numpy.ndarray
        Shape (61,), in the order of `STRUCTURE_FEATURES`: for every coordination number the weight that CrystalNN
        gives it, and that weight times how close the environment is to every motif (0 to 1).

    Raises
    ------
    StructureError
        If the environment of an atom cannot be found.

    Notes
    -----
    The CrystalNN fingerprint of Zimmermann & Jain, RSC Adv. 10, 6063 (2020), preset "ops", with pymatgen's
    neighbours, motifs and order parameters. Atoms that symmetry maps onto each other share one environment.
    """
    atoms, multiplicity = np.unique(symmetry_of(structure).orbits, return_counts=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # radii that CrystalNN takes in place of unknown ones
        try:
            sites = [_site_fingerprint(structure, int(atom)) for atom in atoms]
        except Exception as error:  # qhull and CrystalNN raise whatever a hopeless cell leads to
            raise StructureError(f"The environment of an atom cannot be found: {error}.", "Leave it out.") from error
    return np.average(sites, axis=0, weights=multiplicity)


def _site_fingerprint(structure: Structure, atom: int) -> list[float]:
    environment = CrystalNN().get_nn_data(structure, atom)
    values = []
    for coordination, feature in STRUCTURE_FEATURES:
        weight = float(environment.cn_weights.get(coordination, 0.0))
        if weight and feature != "weight":
            sites = [structure[atom], *(neighbour["site"] for neighbour in environment.cn_nninfo[coordination])]
            parameter = _order_parameter(coordination, feature)
            found = parameter.get_order_parameters(sites, 0, indices_neighs=list(range(1, len(sites))))[0]
            weight *= found or 0.0  # not defined for some arrangements
        values.append(weight)
    return values


@cache
def _elements() -> dict[str, FloatArray]:
    """Return the 22 Magpie properties by element."""
    try:
        text = files("smact").joinpath("data", "magpie.csv").read_text(encoding="utf-8")
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "SMACT is not installed.", "Install it with: pip install invdesflow[evaluation]."
        ) from error
    return {row[0]: np.array(row[1:], dtype=float) for row in list(csv.reader(text.splitlines()))[1:]}


COMPOSITION_FEATURES = 132
"""Six statistics of 22 properties."""


def composition_fingerprint(composition: Composition) -> FloatArray:
    """Describe a composition by statistics of the properties of its elements.

    Parameters
    ----------
    composition
        Elements and amounts.

    Returns
    -------
    numpy.ndarray
        Shape (132,): minimum, maximum, range, mean, average deviation and mode of 22 properties, property by property.

    Raises
    ------
    StructureError
        If an element is not in the table.
    ConfigurationError
        If SMACT, whose table is read, is not installed.

    Notes
    -----
    Ward et al., npj Comput. Mater. 2, 16028 (2016). The mode is the property of the most abundant element, the
    smallest one among equally abundant elements.
    """
    table = _elements()
    amounts = composition.get_el_amt_dict()
    unknown = sorted(set(amounts) - set(table))
    if unknown:
        raise StructureError(f"No properties are tabulated for {', '.join(unknown)}.", "Leave the element out.")
    values = np.array([table[symbol] for symbol in amounts])
    fractions = np.array(list(amounts.values())) / sum(amounts.values())
    low, high, mean = values.min(axis=0), values.max(axis=0), fractions @ values
    deviation = fractions @ np.abs(values - mean)
    mode = values[np.isclose(fractions, fractions.max())].min(axis=0)
    return np.stack([low, high, high - low, mean, deviation, mode], axis=1).ravel()


@dataclass(frozen=True, eq=False)
class Fingerprints:
    """Fingerprints of a set of crystals; a row of NaN where one cannot be made.

    Attributes
    ----------
    structure
        Shape (n_crystals, 61).
    composition
        Shape (n_crystals, 132), not standardised.
    """

    structure: FloatArray
    composition: FloatArray

    def __len__(self) -> int:
        return len(self.structure)

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Tell for which crystals both could be made; shape (n_crystals,)."""
        return np.asarray(np.isfinite(self.structure).all(axis=1) & np.isfinite(self.composition).all(axis=1))

    def rows(self, chosen: NDArray[np.bool_] | NDArray[np.int_]) -> Self:
        """Return the fingerprints of some of the crystals."""
        return type(self)(self.structure[chosen], self.composition[chosen])


def fingerprints(
    structures: Sequence[Structure],
    cache_folder: Path | None = None,
    *,
    processes: int = 1,
    description: str = "fingerprints",
) -> Fingerprints:
    """Fingerprint a set of crystals; one of five atoms takes a tenth of a second.

    Parameters
    ----------
    structures
        Ordered crystals.
    cache_folder
        Where the result is kept, in a file named by a hash of the crystals, and found again; None keeps nothing.
    processes
        Worker processes.
    description
        What the progress bar says.
    """
    file = cache_folder and cache_folder / f"fingerprints-{_digest(structures)}.npz"
    if file and file.is_file():
        with np.load(file, allow_pickle=False) as stored:
            return Fingerprints(stored["structure"], stored["composition"])
    rows = list(track(_all_rows(structures, processes), description, len(structures)))
    found = Fingerprints(
        np.reshape([row[0] for row in rows], (-1, len(STRUCTURE_FEATURES))),
        np.reshape([row[1] for row in rows], (-1, COMPOSITION_FEATURES)),
    )
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(file, structure=found.structure, composition=found.composition)
    return found


def _all_rows(structures: Sequence[Structure], processes: int) -> Iterator[tuple[FloatArray, FloatArray]]:
    if processes == 1:
        yield from map(_rows, structures)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_rows, structures, chunksize=CHUNK)


def _rows(structure: Structure) -> tuple[FloatArray, FloatArray]:
    try:
        return structure_fingerprint(structure), composition_fingerprint(structure.composition)
    except StructureError:
        return np.full(len(STRUCTURE_FEATURES), np.nan), np.full(COMPOSITION_FEATURES, np.nan)


def _digest(structures: Sequence[Structure]) -> str:
    digest = hashlib.blake2b(f"version {VERSION}".encode(), digest_size=16)
    for structure in structures:
        digest.update(np.round(structure.lattice.matrix, 6).tobytes())
        digest.update(np.round(structure.frac_coords, 6).tobytes())
        digest.update(" ".join(str(site.specie) for site in structure).encode())
    return digest.hexdigest()
