"""The text of the inputs of pw.x, ph.x, q2r.x and matdyn.x."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

import numpy as np
from f90nml import Namelist
from numpy.typing import ArrayLike
from pymatgen.core import Structure

__all__ = [
    "DYNAMICAL_MATRICES",
    "OUTDIR",
    "POTENTIAL_CHANGES",
    "PREFIX",
    "automatic_k_points",
    "explicit_k_points_card",
    "matdyn_input",
    "namelists",
    "ph_input",
    "pw_input",
    "q2r_input",
]

PREFIX = "crystal"
OUTDIR = "./out/"  # EPW does not find its files without the slash
DYNAMICAL_MATRICES = "dyn"
POTENTIAL_CHANGES = "dvscf"
FORCE_CONSTANTS = "force_constants.fc"

Parameters = Mapping[str, Any]


def namelists(groups: Mapping[str, Parameters]) -> str:
    """Write Fortran namelists in the order in which they are given.

    Parameters
    ----------
    groups
        Name of the group -> parameter -> value; a list fills an array from its first element.
    """
    text = StringIO()
    # f90nml would sort a plain dictionary; pw.x reads its namelists in one order only.
    Namelist(OrderedDict((name, OrderedDict(parameters)) for name, parameters in groups.items())).write(text)
    return text.getvalue()


def pw_input(
    structure: Structure, files: Mapping[str, str], groups: Mapping[str, Parameters], k_points_card: str
) -> str:
    """Write an input of pw.x.

    Parameters
    ----------
    structure
        The crystal; QE finds its symmetry from the cell and the positions (``ibrav = 0``).
    files
        Element -> name of its pseudopotential in the folder ``./pseudo``.
    groups
        Parameters by namelist (``control``, ``system``, ``electrons``, and for relaxations ``ions`` and ``cell``)
        beside those that follow from the crystal and from the layout of our run folders.
    k_points_card
        The card ``K_POINTS``. Without it pw.x would run to its end with Gamma alone.
    """
    elements = sorted({site.specie.symbol for site in structure})
    groups = {
        "control": {"prefix": PREFIX, "outdir": OUTDIR, "pseudo_dir": "./pseudo/", **groups["control"]},
        "system": {"ibrav": 0, "nat": len(structure), "ntyp": len(elements), **groups["system"]},
        **{name: groups[name] for name in ("electrons", "ions", "cell") if name in groups},
    }
    masses = {site.specie.symbol: float(site.specie.atomic_mass) for site in structure}
    species = [f"{element} {masses[element]:.6f} {files[element]}" for element in elements]
    positions = [f"{site.specie.symbol} {_row(site.frac_coords)}" for site in structure]
    cards = [
        "ATOMIC_SPECIES",
        *species,
        "CELL_PARAMETERS angstrom",
        *(_row(vector) for vector in structure.lattice.matrix),
        "ATOMIC_POSITIONS crystal",
        *positions,
        k_points_card,
    ]
    return namelists(groups) + "\n".join(cards) + "\n"


def automatic_k_points(mesh: Sequence[int]) -> str:
    """Write the card of a Gamma-centred mesh that pw.x reduces by symmetry."""
    return "K_POINTS automatic\n{} {} {} 0 0 0".format(*mesh)


def explicit_k_points_card(k_points: ArrayLike) -> str:
    """Write the card of a list of k-points of equal weight.

    Parameters
    ----------
    k_points
        Crystal coordinates, (n, 3).
    """
    points = np.asarray(k_points, dtype=float)
    weight = 1.0 / len(points)
    rows = [f"{_row(point)} {weight:.12e}" for point in points]
    return "\n".join(["K_POINTS crystal", str(len(points)), *rows])


def ph_input(mesh: Sequence[int], parameters: Parameters) -> str:
    """Write an input of ph.x for the q-points of a mesh.

    Parameters
    ----------
    mesh
        Divisions of the mesh of q-points.
    parameters
        What says which of them, and how (``start_q``, ``last_q``, ``tr2_ph``, ...).
    """
    layout = {"prefix": PREFIX, "outdir": OUTDIR, "fildyn": DYNAMICAL_MATRICES, "fildvscf": POTENTIAL_CHANGES}
    divisions = {f"nq{axis}": int(n) for axis, n in enumerate(mesh, start=1)}
    return "phonons\n" + namelists({"inputph": {**layout, "ldisp": True, **divisions, **parameters}})


def q2r_input(parameters: Parameters) -> str:
    """Write an input of q2r.x, which makes force constants of the dynamical matrices."""
    return namelists({"input": {"fildyn": DYNAMICAL_MATRICES, "flfrc": FORCE_CONSTANTS, **parameters}})


def matdyn_input(parameters: Parameters, q_points: ArrayLike | None = None) -> str:
    """Write an input of matdyn.x: frequencies on a list of q-points, or a density of states.

    Parameters
    ----------
    parameters
        Beside the file of force constants.
    q_points
        Crystal coordinates, (n, 3); none for a density of states.
    """
    text = namelists({"input": {"flfrc": FORCE_CONSTANTS, "q_in_cryst_coord": q_points is not None, **parameters}})
    if q_points is None:
        return text
    points = np.asarray(q_points, dtype=float)
    return text + "\n".join([str(len(points)), *(_row(point) for point in points)]) + "\n"


def _row(vector: ArrayLike) -> str:
    # + 0.0: a number that rounds to zero must not carry a sign that depends on its last bit
    return " ".join(f"{round(float(x), 12) + 0.0:.12f}" for x in np.asarray(vector))
