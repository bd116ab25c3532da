"""The text of the inputs of epw.x, one for each stage.

1. *Wannier*: localised functions and the Hamiltonian in them, nothing of phonons yet.
2. *coarse*: the matrix elements on the coarse meshes, and their transformation to the Wannier basis.
3. *fine*: interpolation onto fine meshes, and alpha2F.
4. *path*: the coupling of every phonon along a path, for the figures.
5. *gap*: the Eliashberg equations at one temperature, from the matrix elements on a fine mesh.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pymatgen.core import Structure

from invdesflow.espresso.inputs import OUTDIR, PREFIX, namelists
from invdesflow.espresso.meshes import FineMesh, Mesh
from invdesflow.espresso.protocols import Protocol

__all__ = [
    "ACOUSTIC_CM1",
    "FOLDER_OF_PHONONS",
    "Setup",
    "coarse_input",
    "epw_input",
    "fine_input",
    "gap_input",
    "path_input",
    "wannier_input",
]

FOLDER_OF_PHONONS = "save"
_NO_MESH = FineMesh(k=(1, 1, 1), q=(1, 1, 1))
ACOUSTIC_CM1 = 2.0  # a phonon below it, which near Gamma is noise, is left out of the coupling
_INTERPOLATION = {
    "wannierize": False,
    "epbwrite": False,
    "epbread": False,
    "epwwrite": False,
    "epwread": True,
    "kmaps": True,
    "ephwrite": False,
}


@dataclass(frozen=True)
class Setup:
    """What all stages of one calculation share.

    Attributes
    ----------
    structure
        The crystal, for the masses in the order in which pw.x numbers the elements.
    k_mesh, q_mesh
        Coarse meshes of the electrons and of the phonons.
    n_wannier
        Number of Wannier functions.
    kept
        What every stage repeats of the choice of bands (``bands_skipped``).
    """

    structure: Structure
    k_mesh: Mesh
    q_mesh: Mesh
    n_wannier: int
    kept: Mapping[str, Any]


def epw_input(setup: Setup, fine: FineMesh, parameters: Mapping[str, Any]) -> str:
    """Write an input of epw.x.

    Parameters
    ----------
    setup
        What all stages share.
    fine
        Meshes of the interpolation.
    parameters
        What is to be done.
    """
    masses = {site.specie.symbol: float(site.specie.atomic_mass) for site in setup.structure}
    layout = {
        "prefix": PREFIX,
        "outdir": OUTDIR,
        "dvscf_dir": f"./{FOLDER_OF_PHONONS}/",
        "amass": [round(masses[element], 6) for element in sorted(masses)],
        "iverbosity": 2,
        "ep_coupling": True,
        "etf_mem": 1,
        "vme": False,
        "nbndsub": setup.n_wannier,
    }
    meshes = {"nk": setup.k_mesh, "nq": setup.q_mesh, "nkf": fine.k, "nqf": fine.q}
    divisions = {f"{name}{axis}": int(n) for name, mesh in meshes.items() for axis, n in enumerate(mesh, start=1)}
    return "epw\n" + namelists({"inputepw": {**layout, **divisions, **parameters, **setup.kept}})


def wannier_input(setup: Setup, choice: Mapping[str, Any]) -> str:
    """Write the input that makes Wannier functions.

    Parameters
    ----------
    setup
        What all stages share.
    choice
        Projections, windows and steps (``proj``, ``dis_froz_max``, ``num_iter``, ...).
    """
    return epw_input(setup, _NO_MESH, {"elph": False, "wannierize": True, "epwwrite": True, "epwread": False, **choice})


def coarse_input(setup: Setup) -> str:
    """Write the input that takes the coupling to the Wannier basis, whatever it is interpolated to."""
    todo = {
        "elph": True,
        "wannierize": False,
        "epbwrite": False,
        "epbread": False,
        "epwwrite": True,
        "epwread": False,
        "kmaps": False,
    }
    return epw_input(setup, _NO_MESH, todo)


def fine_input(setup: Setup, fine: FineMesh, protocol: Protocol) -> str:
    """Write the input that interpolates the coupling onto fine meshes and makes alpha2F."""
    todo = {
        "elph": True,
        "mp_mesh_k": True,
        "ephwrite": True,
        "eliashberg": True,
        "liso": True,
        "muc": protocol.mu_stars[0],
        "nstemp": 1,
        "temps": 1.0,  # of no consequence: the equations are solved elsewhere, but EPW wants one
    }
    return epw_input(setup, fine, {**_INTERPOLATION, **_electrons(protocol), **_phonons(protocol), **todo})


def path_input(setup: Setup, fine: FineMesh, protocol: Protocol, q_file: str) -> str:
    """Write the input that finds the coupling of every phonon along a path.

    Parameters
    ----------
    setup, fine, protocol
        As for `fine_input`; of `fine` only the k-mesh counts, and it is not reduced by symmetry.
    q_file
        Name of the file that lists the q-points.
    """
    todo = {"elph": True, "phonselfen": True, "delta_approx": True, "eps_acustic": ACOUSTIC_CM1, "filqf": q_file}
    text = epw_input(setup, fine, {**_INTERPOLATION, **_electrons(protocol), **todo})
    return "\n".join(line for line in text.splitlines() if not line.strip().startswith("nqf")) + "\n"


def gap_input(
    setup: Setup,
    fine: FineMesh,
    protocol: Protocol,
    *,
    temperature_k: float,
    cutoff_ev: float,
) -> str:
    """Write the input that solves the Eliashberg equations at one temperature.

    Parameters
    ----------
    setup, fine, protocol
        As for `fine_input`, whose matrix elements are read.
    temperature_k
        Temperature in K.
    cutoff_ev
        Matsubara cutoff in eV.
    """
    todo = {
        "elph": False,
        "ep_coupling": False,
        "mp_mesh_k": True,
        "eliashberg": True,
        "laniso" if protocol.anisotropic else "liso": True,
        "limag": True,
        "lpade": True,
        "npade": protocol.npade,
        "conv_thr_iaxis": protocol.conv_thr_iaxis,
        "nsiter": protocol.nsiter,
        "wscut": cutoff_ev,
        "muc": protocol.mu_stars[0],
        "nstemp": 1,
        "temps": temperature_k,
    }
    return epw_input(setup, fine, {**_INTERPOLATION, **_electrons(protocol), **_phonons(protocol), **todo})


def _electrons(protocol: Protocol) -> dict[str, Any]:
    return {"fsthick": protocol.fsthick_ev, "degaussw": protocol.degaussw_ev}


def _phonons(protocol: Protocol) -> dict[str, Any]:
    return {"degaussq": protocol.degaussq_mev, "nqstep": protocol.nqstep, "eps_acustic": ACOUSTIC_CM1}
