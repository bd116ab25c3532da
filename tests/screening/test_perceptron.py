"""The numpy perceptrons against torch."""

import numpy as np
import pytest
import torch

from invdesflow.errors import ModelError
from invdesflow.screening.perceptron import PerceptronCommittee


def committee(seeds):
    networks = []
    for seed in seeds:
        torch.manual_seed(seed)
        networks.append(
            torch.nn.Sequential(
                torch.nn.Linear(5, 8), torch.nn.SiLU(), torch.nn.Linear(8, 7), torch.nn.SiLU(), torch.nn.Linear(7, 2)
            )
        )
    layers = [[module for module in network if isinstance(module, torch.nn.Linear)] for network in networks]
    return networks, PerceptronCommittee(
        tuple(np.stack([net[k].weight.detach().numpy().T for net in layers]) for k in range(3)),
        tuple(np.stack([net[k].bias.detach().numpy() for net in layers]) for k in range(3)),
    )


def test_equals_torch():
    networks, ours = committee([0, 1, 2])
    samples = np.random.default_rng(0).normal(size=(11, 5)) * 20
    with torch.no_grad():
        theirs = np.stack([network(torch.tensor(samples, dtype=torch.float32)).numpy() for network in networks], axis=1)
    np.testing.assert_allclose(ours.predict(samples), theirs, rtol=2e-5, atol=2e-5)
    again = PerceptronCommittee.from_arrays(ours.to_arrays())
    np.testing.assert_array_equal(again.predict(samples), ours.predict(samples))


def test_layers_that_do_not_fit_are_refused():
    _, ours = committee([0])
    arrays = ours.to_arrays()
    with pytest.raises(ModelError, match="lack bias1"):
        PerceptronCommittee.from_arrays({name: array for name, array in arrays.items() if name != "bias1"})
    with pytest.raises(ModelError, match="do not fit"):
        PerceptronCommittee.from_arrays(arrays | {"weight1": arrays["weight1"][:, :-1]})
