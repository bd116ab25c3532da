"""Documents made by hand for the tests of training sets and retraining."""

from math import sqrt

import numpy as np
from pymatgen.core import Element, Lattice, Structure

from invdesflow.crystals.symmetry import space_group
from invdesflow.database.documents import content_hash
from invdesflow.epw.documents import CriticalTemperature, ElectronPhononDocument
from invdesflow.superconductors.documents import Calculation, SuperconductorDocument


def caesium_chloride(first, second, a=3.2):
    return Structure(Lattice.cubic(a), [first, second], [[0, 0, 0], [0.5] * 3])


def known(structure, lambda_=0.8, omega_log_mev=15.0, *, dataset="alexandria:test", mu_star=0.10, tc_k=5.0, **fields):
    pressure_gpa = fields.get("pressure_gpa", 0.0)
    theory = Calculation(
        method="published: test",
        tc_k=tc_k,
        mu_star=mu_star,
        lambda_=lambda_,
        omega_log_mev=omega_log_mev,
        source="test",
        pressure_gpa=pressure_gpa,
    )
    return SuperconductorDocument.from_structure(
        structure, name=structure.formula, lattice_source="test", theory=[theory], dataset_ids=[dataset], **fields
    )


def coupled(structure, lambda_=0.9, omega_log_mev=14.0, *, status="completed", tag="", mu_star=0.10, **fields):
    """What EPW could have found of a crystal."""
    number, _ = space_group(structure)
    finished = status in ("completed", "not_converged")
    values = {
        "elph_id": content_hash("elph", {"formula": structure.formula, "tag": tag, "a": structure.lattice.a}),
        "candidate_id": None,
        "reduced_formula": structure.composition.reduced_formula,
        "space_group_number": number,
        "structure": structure,
        "pressure_gpa": 0.0,
        "protocol": "fast",
        "settings": {},
        "pseudopotentials": {},
        "status": status,
        "reason": "" if status in ("completed", "running") else f"it is {status}",
        "relaxed_structure": structure,
        "lambda_": lambda_ if finished else None,
        "omega_log_mev": omega_log_mev if finished else None,
        "arrays": "0" * 64 if finished else None,
        "critical_temperatures": [CriticalTemperature(method="allen_dynes", mu_star=mu_star, tc_k=9.0)]
        if finished
        else [],
    }
    return ElectronPhononDocument(**(values | fields))


METALS = ("Al", "Ti", "V", "Cr", "Zr", "Nb", "Mo", "Ta", "W", "Re", "Ru", "Rh", "Pd", "Cu", "Ag")


def alloy(first, second, squeeze=1.0):
    """CsCl-type alloy at a plausible lattice constant, times a factor."""
    radius = (Element(first).atomic_radius + Element(second).atomic_radius) * 2 / sqrt(3)
    return caesium_chloride(first, second, float(radius) * squeeze)


def matthias(structure):
    """Lambda and omega_log (meV) that follow the band filling, as Matthias' rule has it."""
    filling = np.mean([site.specie.group for site in structure])
    mass = np.mean([site.specie.atomic_mass for site in structure])
    return float(0.25 + np.exp(-((filling - 5) ** 2) / 2)), float(200 / np.sqrt(mass))
