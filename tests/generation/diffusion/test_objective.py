"""Noise stays where symmetry lets it, and who knows the answer has no loss."""

from dataclasses import dataclass

import pytest
import torch

from invdesflow.generation.diffusion.batch import Frames, State
from invdesflow.generation.diffusion.network import Prediction
from invdesflow.generation.diffusion.objective import Objective, add_noise
from invdesflow.generation.diffusion.schedules import score_scale, sigma, signal, wrapped_score


@pytest.fixture
def batch(training_set):
    frames, clean, label = training_set.batch(range(len(training_set)), training_set.lattice_statistics())
    return frames, clean, label


@dataclass
class Oracle:
    """Knows the clean crystals, and so what the noise was."""

    clean: State
    predict: str
    label: torch.Tensor | None = None

    def __call__(self, frames: Frames, noisy: State, time, label):
        self.label = label
        kept = signal(time)[:, None]
        width = sigma(time)[:, None, None]
        score = wrapped_score(noisy.parameters - self.clean.parameters, width) / score_scale(time)[:, None, None]
        if self.predict == "clean":
            return Prediction(40 * self.clean.types - 20, self.clean.lattice, score)
        lattice = (noisy.lattice - kept.sqrt() * self.clean.lattice) / (1 - kept).sqrt()
        kept = kept[..., None]
        types = (noisy.types - kept.sqrt() * self.clean.types) / (1 - kept).sqrt()
        return Prediction(types, lattice, score)


@pytest.mark.parametrize("predict", ["clean", "noise"])
def test_who_knows_the_crystal_has_no_loss(batch, predict):
    frames, clean, label = batch
    objective = Objective(predict=predict)
    losses = objective.losses(Oracle(clean, predict), frames, clean, label, torch.Generator().manual_seed(0))
    assert float(losses.parameters) == pytest.approx(0, abs=1e-9)
    # noise is recovered by a division with what is left of it at early times, in single precision
    assert float(losses.lattice) == pytest.approx(0, abs=1e-12 if predict == "clean" else 1e-6)
    assert float(losses.types) == pytest.approx(0, abs=1e-6)
    assert float(objective.total(losses)) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("predict", ["clean", "noise"])
def test_who_knows_nothing_has_a_loss(batch, network, predict):
    frames, clean, label = batch
    losses = Objective(predict=predict).losses(network.float(), frames, clean, label, torch.Generator().manual_seed(0))
    assert min(float(losses.types), float(losses.lattice), float(losses.parameters)) > 0.01


def test_weights_weigh(batch):
    frames, clean, label = batch
    losses = Objective().losses(Oracle(clean, "noise"), frames, clean, label, torch.Generator().manual_seed(0))
    total = Objective(types=20, lattice=3, parameters=2).total(losses)
    assert float(total) == pytest.approx(20 * losses.types + 3 * losses.lattice + 2 * losses.parameters)


@pytest.mark.parametrize("time", [0.01, 0.5, 1.0])
def test_noise_stays_where_symmetry_lets_it(batch, time):
    frames, clean, _ = batch
    noisy, _ = add_noise(frames, clean, torch.full((len(frames),), time), torch.Generator().manual_seed(1))
    assert not noisy.lattice[~frames.lattice_free].any()
    assert torch.equal(noisy.parameters[~frames.free], clean.parameters[~frames.free] % 1)
    assert (noisy.lattice != clean.lattice)[frames.lattice_free].all()
    assert (noisy.parameters != clean.parameters)[frames.free].all()
    assert ((noisy.parameters >= 0) & (noisy.parameters < 1)).all()


def test_noise_has_the_variance_of_its_schedule(batch):
    frames, clean, _ = batch
    time = torch.full((len(frames),), 0.6)
    kept = float(signal(time)[0])
    generator = torch.Generator().manual_seed(2)
    draws = [add_noise(frames, clean, time, generator)[0] for _ in range(200)]
    spread = torch.stack([(state.types - kept**0.5 * clean.types) for state in draws]).var()
    assert float(spread) == pytest.approx(1 - kept, rel=0.01)
    moved = torch.stack([state.parameters - clean.parameters for state in draws])[:, frames.free]
    assert float((moved - moved.round()).std()) == pytest.approx(float(sigma(time)[0]), rel=0.05)


def test_labels_are_hidden_at_random(batch):
    frames, clean, _ = batch
    known = torch.ones(len(frames))
    for share in (0.0, 0.5, 1.0):
        oracle = Oracle(clean, "clean")
        Objective(label_dropout=share).losses(oracle, frames, clean, known, torch.Generator().manual_seed(3))
        assert float(oracle.label.isnan().float().mean()) == pytest.approx(share, abs=0.25)
