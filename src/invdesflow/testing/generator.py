"""A small diffusion model for tests: it knows real templates, elements and volumes, and has learned nothing else.

Use it with ``pytest_plugins = ["invdesflow.testing.generator"]``.
"""

from pathlib import Path

import pytest
import torch

from invdesflow.generation.diffusion.encoding import encode
from invdesflow.generation.diffusion.model import GeneratorModel
from invdesflow.generation.diffusion.network import Denoiser, NetworkSettings
from invdesflow.generation.diffusion.orbits import EncodedCrystals
from invdesflow.generation.diffusion.training_set import TrainingSet
from invdesflow.superconductors.catalogue import load_catalogue

__all__ = ["untrained_generator", "write_untrained_generator"]

_NETWORK = NetworkSettings(width=16, layers=1, frequencies=2, radial=4, time_waves=4)
_MOST_ATOMS = 8


def write_untrained_generator(path: Path) -> Path:
    """Write a model whose network is untrained and whose templates are those of the catalogue's small crystals.

    Parameters
    ----------
    path
        The ``.safetensors`` file to write; the card comes beside it.

    Returns
    -------
    Path
        The same.
    """
    known = [found for found in load_catalogue() if len(found.structure) <= _MOST_ATOMS]
    crystals = EncodedCrystals.of(
        [encode(found.structure) for found in known],
        [max((value.tc_k for value in found.experiment), default=float("nan")) for found in known],
        [found.reduced_formula for found in known],
        [found.superconductor_id for found in known],
    )
    training_set = TrainingSet.of(crystals)
    statistics = training_set.lattice_statistics()
    torch.manual_seed(0)
    network = Denoiser(_NETWORK, torch.from_numpy(statistics.mean), torch.from_numpy(statistics.spread))
    GeneratorModel.save(
        path,
        network,
        predict="clean",
        prior=training_set.prior(),
        elements=training_set.known_elements,
        card={"model_id": "untrained generator", "metrics": {}},
    )
    return path


@pytest.fixture(scope="session")
def untrained_generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the file of an untrained model."""
    return write_untrained_generator(tmp_path_factory.mktemp("generator") / "untrained.safetensors")
