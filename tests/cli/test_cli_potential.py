"""`invdesflow potential`: labels from a potential, and what is refused before anything is run."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from invdesflow.cli import potential_labels, potential_measuring, potential_training
from invdesflow.errors import ConfigurationError, LearningError, PotentialError
from invdesflow.learning.potential.frame_files import read_frames, write_frames
from invdesflow.learning.potential.frames import Frame, compositions


def labelled(folder: Path, *subjects: str, **options) -> Path:
    output = folder / "labels.xyz"
    settings = {"number": 2, "seed": 0, "stretch": 0.03, "strain": 0.015, "displacement": 0.06, "operations": 1}
    potential_labels.label(list(subjects), output, **settings, protocol="moderate", family="none", **options)
    return output


def test_a_teacher_labels_what_was_distorted_and_the_way_of_a_relaxation(database, tmp_path, capsys):
    output = labelled(tmp_path, "MgB2", "Nb3Sn", teacher="CHGNet")
    frames = read_frames(output)
    assert compositions(frames) == {"MgB2": 2, "Nb3Sn": 2}
    assert {frame.theory.split()[0] for frame in frames} == {"CHGNet"}
    more = read_frames(labelled(tmp_path, "MgB2", teacher="CHGNet", path="CHGNet"))
    assert len(more) > 3
    assert "labelled crystals" in capsys.readouterr().err


def test_a_teacher_agrees_with_its_own_labels(database, tmp_path, capsys):
    output = labelled(tmp_path, "MgB2", teacher="CHGNet")
    capsys.readouterr()
    potential_measuring.evaluate(["CHGNet"], frames=[output], json=True)
    [row] = json.loads(capsys.readouterr().out)
    assert (row["model"], row["n_frames"]) == ("CHGNet", 2)
    assert [row["energy_rmse"], row["force_rmse"], row["virial_rmse"]] == pytest.approx([0, 0, 0], abs=1e-4)


def test_an_unknown_teacher_is_refused(database, tmp_path):
    with pytest.raises(PotentialError, match="no potential of kind 'EMT'"):
        labelled(tmp_path, "MgB2", teacher="EMT")
    with pytest.raises(PotentialError, match=r"no DeePMD model|not installed"):
        labelled(tmp_path, "MgB2", teacher="missing.pth")
    assert not (tmp_path / "labels.xyz").exists()


def test_the_stress_of_labels_is_completed_from_a_few_crystals(tmp_path, capsys):
    low, high, labels = (tmp_path / name for name in ("low.xyz", "high.xyz", "labels.xyz"))
    write_frames(low, [aluminium(4.0)])
    write_frames(high, [replace(aluminium(4.0), virial_ev=np.eye(3), theory="pw.x ecutwfc 100")])
    write_frames(labels, [aluminium(4.1), aluminium(4.2)])
    potential_labels.complete([labels], low, high, tmp_path / "completed.xyz")
    completed = read_frames(tmp_path / "completed.xyz")
    assert [frame.virial_ev[0, 0] for frame in completed] == pytest.approx([1, 1])
    assert {frame.theory for frame in completed} == {"pw.x ecutwfc 80, stress as of pw.x ecutwfc 100"}
    assert "1.000" in capsys.readouterr().out


def aluminium(a: float) -> Frame:
    """Return a label without stress."""
    nothing = np.zeros((1, 3))
    return Frame(("Al",), a * np.eye(3), nothing, -1.0, nothing, np.zeros((3, 3)), "pw.x ecutwfc 80")


def test_settings_that_no_model_has_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="colour"):
        potential_training.train([], tmp_path, setting=["colour=red"])
    with pytest.raises(ConfigurationError, match="steps"):
        potential_training.train([], tmp_path, setting=["steps=-1"])
    with pytest.raises(ConfigurationError, match="NAME=VALUE"):
        potential_training.train([], tmp_path, setting=["steps"])


def test_a_database_without_labels_cannot_be_trained_on(database, tmp_path):
    with pytest.raises(LearningError, match="no labelled crystals"):
        potential_training.train(None, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_composition_that_is_not_there_cannot_be_held_out(database, tmp_path):
    output = labelled(tmp_path, "MgB2", teacher="CHGNet")
    with pytest.raises(LearningError, match="NbN"):
        potential_training.train([output], tmp_path / "model", hold_out=["NbN"])


def test_levels_of_a_committee_must_rise(database, tmp_path):
    with pytest.raises(ConfigurationError, match="must rise"):
        potential_measuring.check(["MgB2"], [tmp_path / "model.pth"], known=0.5, absurd=0.1)
