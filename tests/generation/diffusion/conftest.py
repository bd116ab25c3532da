"""Crystals and a small network for the tests of the generator."""

from functools import cache

import pytest
import torch
from pymatgen.core import Lattice, Structure

from invdesflow.generation.diffusion.encoding import encode
from invdesflow.generation.diffusion.model import GeneratorModel
from invdesflow.generation.diffusion.network import Denoiser, NetworkSettings
from invdesflow.generation.diffusion.orbits import EncodedCrystals
from invdesflow.generation.diffusion.training_set import TrainingSet

SMALL_NETWORK = NetworkSettings(width=32, layers=2, frequencies=4, radial=8, time_waves=8)


@cache
def prototype(
    symbol: str, lattice: Lattice, species: tuple[str, ...], sites: tuple[tuple[float, ...], ...]
) -> Structure:
    """Build a crystal once: completing the orbits of Fm-3m takes pymatgen half a second."""
    return Structure.from_spacegroup(symbol, lattice, species, sites)


def variant(made: Structure, lattice: Lattice, replaced: dict[str, str]) -> Structure:
    return Structure(lattice, [replaced[site.specie.symbol] for site in made], made.frac_coords)


def rocksalt(cation: str, anion: str, a: float) -> Structure:
    made = prototype("Fm-3m", Lattice.cubic(4), ("Na", "Cl"), ((0, 0, 0), (0.5, 0.5, 0.5)))
    return variant(made, Lattice.cubic(a), {"Na": cation, "Cl": anion})


def rutile(metal: str, a: float, c: float, x: float) -> Structure:
    return Structure.from_spacegroup("P4_2/mnm", Lattice.tetragonal(a, c), [metal, "O"], [[0, 0, 0], [x, x, 0]])


def diboride(metal: str, a: float, c: float) -> Structure:
    made = prototype("P6/mmm", Lattice.hexagonal(3, 3.5), ("Mg", "B"), ((0, 0, 0), (1 / 3, 2 / 3, 0.5)))
    return variant(made, Lattice.hexagonal(a, c), {"Mg": metal, "B": "B"})


@pytest.fixture(scope="session")
def crystals() -> list[Structure]:
    """A few prototypes of several families with real elements; sizes and positions vary smoothly."""
    metals = ["Ti", "V", "Zr", "Nb", "Hf", "Ta", "Mo", "W", "Cr", "Sc"]
    sizes = [1.47, 1.34, 1.60, 1.46, 1.59, 1.46, 1.39, 1.39, 1.28, 1.62]
    structures = [rocksalt(m, x, 1.9 * r + 1.5) for m, r in zip(metals, sizes, strict=True) for x in ("N", "C")]
    structures += [
        rutile(m, 3.1 * r, 2.0 * r, 0.305 + 0.001 * i) for i, (m, r) in enumerate(zip(metals, sizes, strict=True))
    ]
    structures += [diboride(m, 2.1 * r, 2.3 * r) for m, r in zip(metals, sizes, strict=True)]
    monoclinic = Lattice.monoclinic(5.1, 5.2, 5.3, 99)
    structures += [
        Structure.from_spacegroup(
            "P2_1/c", monoclinic, [m, "O", "O"], [[0.27, 0.04, 0.21], [0.07, 0.34, 0.34], [0.45, 0.76, 0.48]]
        )
        for m in ("Zr", "Hf")
    ]
    return structures


@pytest.fixture(scope="session")
def encoded(crystals) -> EncodedCrystals:
    tc_k = [float(i % 20) if i % 3 else float("nan") for i in range(len(crystals))]
    formulas = [crystal.composition.reduced_formula for crystal in crystals]
    return EncodedCrystals.of([encode(crystal) for crystal in crystals], tc_k, formulas, formulas)


@pytest.fixture(scope="session")
def training_set(encoded) -> TrainingSet:
    return TrainingSet.of(encoded)


@pytest.fixture
def network(training_set) -> Denoiser:
    """An untrained network whose every weight, also of the heads, is random."""
    statistics = training_set.lattice_statistics()
    torch.manual_seed(3)
    made = Denoiser(SMALL_NETWORK, torch.from_numpy(statistics.mean), torch.from_numpy(statistics.spread))
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return made.eval().double()


@pytest.fixture(scope="session")
def small_model(training_set) -> GeneratorModel:
    """A model whose network is untrained: every weight is random, but so small that lattices stay near their mean."""
    statistics = training_set.lattice_statistics()
    torch.manual_seed(5)
    made = Denoiser(SMALL_NETWORK, torch.from_numpy(statistics.mean), torch.from_numpy(statistics.spread))
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    card = {"model_id": "untrained", "version": 1}
    return GeneratorModel(made.eval(), "clean", training_set.prior(), training_set.known_elements, card, "0" * 64)
