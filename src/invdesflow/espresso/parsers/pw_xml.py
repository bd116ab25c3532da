"""The XML file of pw.x, ``PREFIX.save/data-file-schema.xml``.

It is read directly: the schema changed with almost every version, but the elements used here did not between 6.7 and
7.5. A run that was stopped or did not converge still leaves the file in ``PREFIX.save``, with ``status`` 0.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from pymatgen.core import Lattice, Structure
from scipy.constants import physical_constants

from invdesflow.espresso.parsers.text import FloatArray, reading

__all__ = ["BOHR_ANGSTROM", "HARTREE_EV", "HARTREE_PER_BOHR3_GPA", "RYDBERG_EV", "PwResult", "read_pw_xml"]

HARTREE_EV = physical_constants["Hartree energy in eV"][0]
RYDBERG_EV = physical_constants["Rydberg constant times hc in eV"][0]
BOHR_ANGSTROM = physical_constants["Bohr radius"][0] * 1e10
HARTREE_PER_BOHR3_GPA = physical_constants["atomic unit of energy"][0] / physical_constants["Bohr radius"][0] ** 3 / 1e9


@dataclass(frozen=True, slots=True)
class PwResult:
    """What a run of pw.x found.

    Attributes
    ----------
    calculation
        ``scf``, ``nscf``, ``bands``, ``relax`` or ``vc-relax``.
    version
        Version of pw.x.
    converged
        Whether the (last) self-consistent cycle converged; None where there is none (``nscf``, ``bands``).
    ionic_converged
        Whether the relaxation converged; None where there is none.
    energy_ev
        Total energy (of smeared electrons: F = E - TS) in eV; None unless converged.
    scf_error_ev
        Estimated error of the last self-consistent cycle in eV; None where there is none.
    fermi_energy_ev
        Fermi energy in eV; None with fixed occupations, with one for each spin, and unless converged.
    highest_occupied_ev, lowest_unoccupied_ev
        Band edges that pw.x itself found with fixed occupations, in eV.
    stress_gpa
        Stress tensor in GPa, shape (3, 3), in the sign of pw.x: positive diagonal means compressed; None if not asked.
    forces_ev_per_angstrom
        Shape (atoms, 3); None if not asked.
    structure
        The crystal, after a relaxation the final one.
    n_electrons, n_bands, fft_grid
        Electrons in the cell; bands of one spin; points of the dense FFT grid.
    spin_polarised, non_collinear
        Whether there are two spin channels; whether spinors (then there is one channel of singly occupied bands).
    total_magnetisation, absolute_magnetisation
        Integral of the magnetisation and of its modulus in Bohr magnetons per cell; None without two spin channels.
    k_points
        Crystal coordinates, shape (nk, 3).
    weights
        Sum 1, shape (nk,).
    eigenvalues_ev
        Shape (nk, nbnd), with two spin channels (2, nk, nbnd).
    occupations
        Between 0 and 1 (smearing by Methfessel and Paxton or Marzari and Vanderbilt oversteps), same shape.
    fixed_occupations
        Whether electrons were not smeared.
    wall_time_s, cpu_time_s
        Times of the whole run in seconds; None if it was cut off before they were written.
    """

    calculation: str
    version: str
    converged: bool | None
    ionic_converged: bool | None
    energy_ev: float | None
    scf_error_ev: float | None
    fermi_energy_ev: float | None
    highest_occupied_ev: float | None
    lowest_unoccupied_ev: float | None
    stress_gpa: FloatArray | None
    forces_ev_per_angstrom: FloatArray | None
    structure: Structure
    n_electrons: float
    n_bands: int
    fft_grid: tuple[int, int, int]
    spin_polarised: bool
    non_collinear: bool
    total_magnetisation: float | None
    absolute_magnetisation: float | None
    k_points: FloatArray
    weights: FloatArray
    eigenvalues_ev: FloatArray
    occupations: FloatArray
    fixed_occupations: bool
    wall_time_s: float | None
    cpu_time_s: float | None

    @property
    def pressure_gpa(self) -> float | None:
        """A third of the trace of the stress, positive when the cell wants to expand."""
        return None if self.stress_gpa is None else float(np.trace(self.stress_gpa)) / 3.0

    @property
    def gap_ev(self) -> float | None:
        """Gap between filled and empty bands on the k-points of this run; 0.0 in a metal, None without empty bands.

        Bands are counted, not compared with the Fermi energy: smearing can move that into a band of a small-gap
        semiconductor. Where the electrons of a spin do not fill whole bands, it is a metal.
        """
        gaps = [_gap(channel, filled) for channel, filled in self._channels()]
        known = [gap for gap in gaps if gap is not None]
        return None if not known else min(known)

    @property
    def is_metal(self) -> bool:
        """Whether a band is partly filled, on the k-points of this run."""
        return self.gap_ev == 0.0

    @property
    def top_band_occupation(self) -> float:
        """Largest occupation of the highest band at any k-point: where it is not small, bands are missing."""
        return float(np.abs(self.occupations[..., -1]).max())

    def _channels(self) -> list[tuple[FloatArray, float]]:
        if self.spin_polarised:
            moment = self.total_magnetisation or 0.0
            return [
                (self.eigenvalues_ev[0], (self.n_electrons + moment) / 2.0),
                (self.eigenvalues_ev[1], (self.n_electrons - moment) / 2.0),
            ]
        return [(self.eigenvalues_ev, self.n_electrons if self.non_collinear else self.n_electrons / 2.0)]


def read_pw_xml(path: Path) -> PwResult:
    """Read ``data-file-schema.xml`` (or its copy ``PREFIX.xml``).

    Raises
    ------
    EspressoError
        If the file is missing, truncated or no XML file of pw.x.
    """
    with reading(path, "an XML file of pw.x"):
        root = ElementTree.parse(path).getroot()  # noqa: S314 (a file that our own run wrote)
        return _result(root)


def _result(root: ElementTree.Element) -> PwResult:
    output = _child(root, "output")
    bands = _child(output, "band_structure")
    calculation = _text(root, "input/control_variables/calculation")
    has_cycle = calculation not in {"nscf", "bands"}
    converged = _flag(output, "convergence_info/scf_conv/convergence_achieved") if has_cycle else None
    structure = _structure(_child(output, "atomic_structure"))
    spin_polarised = bool(_flag(bands, "lsda"))
    eigenvalues, occupations = _levels(bands, spin_polarised)
    k_points, weights = _k_points(bands, output, structure)
    grid = _child(output, "basis_set/fft_grid").attrib
    return PwResult(
        calculation=calculation,
        version=_child(root, "general_info/creator").attrib["VERSION"],
        converged=converged,
        ionic_converged=_flag(output, "convergence_info/opt_conv/convergence_achieved"),
        energy_ev=_number(output, "total_energy/etot", HARTREE_EV) if converged else None,
        scf_error_ev=_number(output, "convergence_info/scf_conv/scf_error", HARTREE_EV) if has_cycle else None,
        fermi_energy_ev=None if converged is False else _fermi_energy_ev(bands),
        highest_occupied_ev=_number(bands, "highestOccupiedLevel", HARTREE_EV),
        lowest_unoccupied_ev=_number(bands, "lowestUnoccupiedLevel", HARTREE_EV),
        stress_gpa=_matrix(output, "stress", HARTREE_PER_BOHR3_GPA),
        forces_ev_per_angstrom=_matrix(output, "forces", HARTREE_EV / BOHR_ANGSTROM),
        structure=structure,
        n_electrons=float(_text(bands, "nelec")),
        n_bands=eigenvalues.shape[-1],
        fft_grid=(int(grid["nr1"]), int(grid["nr2"]), int(grid["nr3"])),
        spin_polarised=spin_polarised,
        non_collinear=bool(_flag(bands, "noncolin")),
        total_magnetisation=_number(output, "magnetization/total", 1.0) if spin_polarised else None,
        absolute_magnetisation=_number(output, "magnetization/absolute", 1.0) if spin_polarised else None,
        k_points=k_points,
        weights=weights,
        eigenvalues_ev=eigenvalues * HARTREE_EV,
        occupations=occupations,
        fixed_occupations=_text(bands, "occupations_kind") == "fixed",
        wall_time_s=_number(root, "timing_info/total/wall", 1.0),
        cpu_time_s=_number(root, "timing_info/total/cpu", 1.0),
    )


def _fermi_energy_ev(bands: ElementTree.Element) -> float | None:
    if bands.find("highestOccupiedLevel") is not None:  # which pw.x then writes under both names
        return None
    return _number(bands, "fermi_energy", HARTREE_EV)


def _structure(element: ElementTree.Element) -> Structure:
    lattice = Lattice([_floats(_child(element, f"cell/a{axis}")) * BOHR_ANGSTROM for axis in (1, 2, 3)])
    atoms = _child(element, "atomic_positions").findall("atom")
    species = [re.split(r"[^A-Za-z]", atom.attrib["name"].strip())[0] for atom in atoms]
    positions = [_floats(atom) * BOHR_ANGSTROM for atom in atoms]
    return Structure(lattice, species, positions, coords_are_cartesian=True)


def _levels(bands: ElementTree.Element, spin_polarised: bool) -> tuple[FloatArray, FloatArray]:
    found = bands.findall("ks_energies")
    values = np.array([_floats(_child(point, "eigenvalues")) for point in found])
    occupations = np.array([_floats(_child(point, "occupations")) for point in found])
    if not spin_polarised:
        return values, occupations
    up = int(_text(bands, "nbnd_up"))
    return np.stack([values[:, :up], values[:, up:]]), np.stack([occupations[:, :up], occupations[:, up:]])


def _k_points(
    bands: ElementTree.Element, output: ElementTree.Element, structure: Structure
) -> tuple[FloatArray, FloatArray]:
    points = [_child(point, "k_point") for point in bands.findall("ks_energies")]
    lattice_parameter = float(_child(output, "atomic_structure").attrib["alat"]) * BOHR_ANGSTROM
    cartesian = np.array([_floats(point) for point in points])  # 2 pi / alat
    weights = np.array([float(point.attrib["weight"]) for point in points])
    return cartesian @ (structure.lattice.matrix / lattice_parameter).T, weights / weights.sum()


def _gap(eigenvalues_ev: FloatArray, filled: float) -> float | None:
    if abs(filled - round(filled)) > 1e-3:
        return 0.0
    count = round(filled)
    if not 0 < count < eigenvalues_ev.shape[-1]:
        return None
    return max(0.0, float(eigenvalues_ev[:, count].min() - eigenvalues_ev[:, count - 1].max()))


def _child(element: ElementTree.Element, name: str) -> ElementTree.Element:
    found = element.find(name)
    if found is None:
        raise ValueError(f"it has no element {name}")
    return found


def _text(element: ElementTree.Element, name: str) -> str:
    return (_child(element, name).text or "").strip()


def _flag(element: ElementTree.Element, name: str) -> bool | None:
    found = element.findtext(name)
    return None if found is None else found.strip() == "true"


def _floats(element: ElementTree.Element) -> FloatArray:
    return np.array((element.text or "").split(), dtype=np.float64)


def _number(element: ElementTree.Element, name: str, unit: float) -> float | None:
    found = element.findtext(name)
    return None if found is None else float(found) * unit


def _matrix(output: ElementTree.Element, name: str, unit: float) -> FloatArray | None:
    found = output.find(name)
    return None if found is None else _floats(found).reshape(-1, 3) * unit
