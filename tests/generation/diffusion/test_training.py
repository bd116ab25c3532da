"""Training: it learns, it survives a kill to the bit, and it says why it cannot."""

import csv
import dataclasses
import signal
import subprocess
import sys
from copy import deepcopy

import numpy as np
import pytest
import torch

from invdesflow.errors import TrainingError
from invdesflow.generation.diffusion.network import NetworkSettings
from invdesflow.generation.diffusion.objective import Objective
from invdesflow.generation.diffusion.training import Trainer, TrainingSettings

TINY = NetworkSettings(width=16, layers=1, frequencies=2, radial=4, time_waves=4)
SHORT = TrainingSettings(epochs=3, validation_share=0.2, most_crystals=8, checkpoint_steps=2)


def trainer(crystals, folder, settings=SHORT, network=TINY, objective=None):
    return Trainer(crystals, folder, settings, objective or Objective(), network)


def test_it_learns(training_set, tmp_path):
    settings = TrainingSettings(
        epochs=25, learning_rate=3e-3, validation_share=0.2, most_crystals=8, average=0.9, patience=100
    )
    epochs = list(trainer(training_set, tmp_path, settings, NetworkSettings(32, 2, 4, 8, 6.0, 8)).run())
    first, last = epochs[0], epochs[-1]
    assert last.train_loss < 0.7 * first.train_loss
    assert last.train_types < 0.7 * first.train_types
    assert last.train_lattice < first.train_lattice
    assert last.train_parameters < first.train_parameters
    assert last.learning_rate < 1e-3 * settings.learning_rate


@pytest.mark.parametrize("predict", ["clean", "noise"])
def test_metrics_are_written(training_set, tmp_path, predict):
    epochs = list(trainer(training_set, tmp_path, objective=Objective(predict=predict)).run())
    with (tmp_path / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [0, 1, 2]
    for row, epoch in zip(rows, epochs, strict=True):
        for name, value in row.items():
            assert float(value) == getattr(epoch, name)
        parts = epoch.validation_types + epoch.validation_lattice + epoch.validation_parameters
        assert epoch.validation_loss == pytest.approx(parts)


def test_the_best_network_is_kept(training_set, tmp_path):
    made = trainer(training_set, tmp_path)
    epochs = list(made.run())
    best = min(epochs, key=lambda epoch: epoch.validation_loss)
    assert made.best_metrics == dataclasses.asdict(best)
    assert not made.best.training
    assert sum(made.sizes) == len(training_set)


def test_progress_runs_to_one(training_set, tmp_path):
    shares = []
    list(trainer(training_set, tmp_path).run(shares.append))
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    assert len(set(shares)) == len(shares)


SCRIPT = """
import os, signal, sys
from pathlib import Path
import torch
from invdesflow.generation.diffusion.network import NetworkSettings
from invdesflow.generation.diffusion.objective import Objective
from invdesflow.generation.diffusion.orbits import EncodedCrystals
from invdesflow.generation.diffusion.training import Trainer, TrainingSettings
from invdesflow.generation.diffusion.training_set import TrainingSet

torch.set_num_threads(1)
crystals, folder, end = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])


def on_step(share):
    if share > end:
        os.kill(os.getpid(), signal.SIGKILL)


trainer = Trainer(
    TrainingSet.of(EncodedCrystals.load(crystals)),
    folder,
    TrainingSettings(epochs=3, validation_share=0.2, most_crystals=8, checkpoint_steps=2),
    Objective(),
    NetworkSettings(width=16, layers=1, frequencies=2, radial=4, time_waves=4),
)
list(trainer.run(on_step))
"""


@pytest.mark.slow
def test_a_killed_training_ends_in_the_same_bits(encoded, tmp_path):
    """Kill -9 between two checkpoints of the second epoch and at the end of the third; continue each time."""
    encoded.save(tmp_path / "crystals.npz")

    def run(folder, end):
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / "crystals.npz"), str(tmp_path / folder), str(end)]
        return subprocess.run(command, check=False).returncode

    assert run("whole", 2) == 0
    assert run("killed", 0.48) == -signal.SIGKILL
    assert run("killed", 0.97) == -signal.SIGKILL
    assert run("killed", 2) == 0
    for name in ("best.pt", "checkpoint.pt"):
        whole, killed = (torch.load(tmp_path / folder / name, weights_only=True) for folder in ("whole", "killed"))
        require_same_bits(whole, killed)
    assert (tmp_path / "whole/metrics.csv").read_text() == (tmp_path / "killed/metrics.csv").read_text()


def require_same_bits(first, second):
    assert type(first) is type(second)
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for name in first:
            require_same_bits(first[name], second[name])
    elif isinstance(first, list):
        assert len(first) == len(second)
        for pair in zip(first, second, strict=True):
            require_same_bits(*pair)
    else:
        assert torch.equal(first, second) if isinstance(first, torch.Tensor) else first == second


def test_a_finished_training_is_not_done_again(training_set, tmp_path):
    list(trainer(training_set, tmp_path).run())
    again = trainer(training_set, tmp_path)
    assert list(again.run()) == []
    assert again.best_metrics["epoch"] >= 0


@pytest.mark.parametrize(
    "change",
    [
        {"settings": TrainingSettings(epochs=4, validation_share=0.2, most_crystals=8)},
        {"settings": TrainingSettings(epochs=3, validation_share=0.2, most_crystals=8, seed=1)},
        {"objective": Objective(predict="noise")},
        {"network": NetworkSettings(width=16, layers=2, frequencies=2, radial=4, time_waves=4)},
    ],
)
def test_a_folder_of_another_training_is_refused(training_set, tmp_path, change):
    next(trainer(training_set, tmp_path).run())
    with pytest.raises(TrainingError, match="other settings or other crystals"):
        trainer(training_set, tmp_path, **change)


def test_other_crystals_are_refused(training_set, tmp_path):
    next(trainer(training_set, tmp_path).run())
    with pytest.raises(TrainingError, match="other settings or other crystals"):
        trainer(training_set.subset(np.arange(len(training_set) - 5)), tmp_path)


def test_as_many_other_crystals_are_refused(training_set, tmp_path):
    next(trainer(training_set, tmp_path).run())
    with pytest.raises(TrainingError, match="other crystals"):
        trainer(dataclasses.replace(training_set, lattice=training_set.lattice + 0.01), tmp_path)


def test_another_parent_is_refused(training_set, network, tmp_path):
    first = network.float()
    other = deepcopy(first)
    torch.nn.init.ones_(other.no_label)
    next(trainer(training_set, tmp_path, network=deepcopy(first)).run())
    with pytest.raises(TrainingError, match="another parent"):
        trainer(training_set, tmp_path, network=other)
    trainer(training_set, tmp_path, network=first)


def test_how_often_checkpoints_are_written_may_change(training_set, tmp_path):
    next(trainer(training_set, tmp_path).run())
    settings = TrainingSettings(epochs=3, validation_share=0.2, most_crystals=8, checkpoint_steps=5)
    assert len(list(trainer(training_set, tmp_path, settings).run())) == 2


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_something_has_to_be_learned_and_something_held_out(training_set, tmp_path, share):
    with pytest.raises(TrainingError, match="cannot be split"):
        trainer(training_set, tmp_path, TrainingSettings(validation_share=share))


def test_training_stops_where_nothing_gets_better(training_set, tmp_path):
    settings = TrainingSettings(epochs=50, learning_rate=0.0, patience=2, validation_share=0.2, most_crystals=64)
    made = trainer(training_set, tmp_path, settings)
    assert [epoch.epoch for epoch in made.run()] == [0, 1, 2]
    assert made.best_metrics["epoch"] == 0
    assert list(trainer(training_set, tmp_path, settings).run()) == []


def test_a_loss_that_is_no_number_ends_training(training_set, tmp_path):
    settings = TrainingSettings(epochs=50, learning_rate=1e30, validation_share=0.2, most_crystals=8)
    with pytest.raises(TrainingError, match=r"not a number any more \(epoch \d+, batch \d+\)"):
        list(trainer(training_set, tmp_path, settings).run())


def test_a_network_is_tuned_further(training_set, tmp_path):
    first = trainer(training_set, tmp_path / "first")
    list(first.run())
    tuned = trainer(training_set, tmp_path / "second", network=first.best)
    before = {name: tensor.clone() for name, tensor in first.best.state_dict().items()}
    list(tuned.run())
    after = tuned.best.state_dict()
    assert torch.equal(after["lattice_mean"], before["lattice_mean"])
    assert not torch.equal(after["norm.weight"], before["norm.weight"])
