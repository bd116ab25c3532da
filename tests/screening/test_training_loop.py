"""The training loop of the screening networks."""

import pytest
import torch
from torch import nn

from invdesflow.errors import TrainingError
from invdesflow.screening.training.loop import LoopSettings, train_network

X = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
Y = X @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.3


def batches(epoch):
    order = torch.randperm(64, generator=torch.Generator().manual_seed(epoch))
    return [(X[part], Y[part]) for part in order.split(16)]


def loss(network, batch):
    return nn.functional.mse_loss(network(batch[0]), batch[1])


def start():
    torch.manual_seed(1)
    return nn.Sequential(nn.Dropout(0.1), nn.Linear(3, 1))


def train(network, epochs=6, **options):
    return train_network(network, batches, loss, LoopSettings(epochs, 0.1), steps_per_epoch=4, **options)


def test_a_linear_law_is_learned():
    network = train_network(
        nn.Linear(3, 1), batches, loss, LoopSettings(60, 0.1, weight_decay=0, average=0.9), steps_per_epoch=4
    )
    assert network.weight[0].tolist() == pytest.approx([1.0, -2.0, 0.5], abs=1e-2)
    assert not network.training


def test_an_interrupted_training_ends_in_the_same_weights(tmp_path):
    whole = train(start())

    def interrupt(epoch, *_):
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(start(), checkpoint=tmp_path / "c.pt", report=interrupt)
    resumed = train(start(), checkpoint=tmp_path / "c.pt")
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("other", [{"epochs": 7}, {"identity": "other crystals"}])
def test_another_training_does_not_go_on_from_a_checkpoint(tmp_path, other):
    train(start(), checkpoint=tmp_path / "c.pt")
    with pytest.raises(TrainingError, match="belongs to a training with other settings or other data"):
        train(start(), checkpoint=tmp_path / "c.pt", **other)


def test_a_loss_that_is_not_finite_ends_the_training():
    with pytest.raises(TrainingError, match="not finite in epoch 0"):
        train_network(start(), batches, lambda *_: torch.tensor(torch.nan), LoopSettings(1), steps_per_epoch=4)
