"""`invdesflow generator` as a user runs it: drawing, training, fine-tuning, and what bad input gets."""

import csv
import json
import sys
from dataclasses import dataclass

import pytest
from pymatgen.core import Composition, Lattice, Structure

from invdesflow.cli.main import main
from invdesflow.crystals.symmetry import space_group
from invdesflow.generation.diffusion.model import GeneratorModel


@dataclass
class Done:
    stdout: str
    stderr: str


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a command in this process: starting Python and torch anew each time would take most of the test."""

    def run(*arguments: object, code: int = 0) -> Done:
        monkeypatch.setattr(sys, "argv", ["invdesflow", "generator", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        done = Done(*capsys.readouterr())
        assert (ended.value.code or 0) == code, done.stderr
        if code:
            assert done.stderr.strip().splitlines()[-1].startswith("error: ")
        return done

    return run


def test_drawn_files_hold_what_was_asked_for(run, untrained_generator, tmp_path):
    folder = tmp_path / "drawn"
    asked = ["--elements", "Nb,N,C,Ti", "--model", untrained_generator, "--steps", 5, "--output", folder, "--json"]
    rows = json.loads(run("sample", "-n", 4, *asked).stdout)
    files = sorted(folder.glob("*.cif"))
    assert len(rows) == len(files) == 4
    for file in files:
        structure = Structure.from_file(file)
        assert {element.symbol for element in structure.composition} <= {"Nb", "N", "C", "Ti"}
        assert str(space_group(structure)[0]) == file.stem.split("_")[-1]
    assert (folder / "rejections.jsonl").exists()
    again = tmp_path / "again"
    repeated = json.loads(run("sample", "-n", 4, *asked[:-2], again, "--json").stdout)
    assert repeated == rows


def test_an_exact_composition_is_kept(run, untrained_generator):
    rows = json.loads(
        run(
            "sample", "-n", 3, "--composition", "MgB2", "--model", untrained_generator, "--steps", 5, "--raw", "--json"
        ).stdout
    )
    assert {row["formula"] for row in rows} == {"MgB2"}
    assert all(row["n_atoms"] % Composition("MgB2").num_atoms == 0 for row in rows)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["-n", 0], "cannot be drawn"),
        (["--elements", "Xx"], "not an element"),
        (["--elements", "Og"], "never saw Og"),
        (["--composition", "MgB2", "--spacegroup", 227, "--n-atoms", 5], "can hold"),
        (["--composition", "MgB2.5"], "whole numbers"),
        (["--spacegroup", 231], "space_group"),
        (["--require", "Nb", "--exclude", "Nb"], "both required and excluded"),
        (["--format", "xyz", "--output", "somewhere"], "no format"),
    ],
)
def test_impossible_wishes_are_refused_in_one_line(run, untrained_generator, arguments, reason):
    done = run("sample", "--model", untrained_generator, *arguments, code=2)
    assert reason in done.stderr


def test_a_folder_with_files_is_left_alone(run, untrained_generator, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    assert "not an empty folder" in run("sample", "--model", untrained_generator, "--output", folder, code=2).stderr
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


def test_a_missing_model_is_named(run, tmp_path):
    assert "none.safetensors" in run("sample", "--model", tmp_path / "none.safetensors", code=6).stderr


@pytest.fixture(scope="module")
def cif_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cifs")
    for metal, a in (
        ("Ti", 4.24),
        ("V", 4.13),
        ("Zr", 4.58),
        ("Nb", 4.39),
        ("Hf", 4.52),
        ("Ta", 4.34),
        ("Sc", 4.50),
        ("Cr", 4.15),
    ):
        for anion in ("N", "C", "O"):
            crystal = Structure.from_spacegroup("Fm-3m", Lattice.cubic(a), [metal, anion], [[0, 0, 0], [0.5] * 3])
            crystal.to(str(folder / f"{metal}{anion}.cif"))
    return folder


def test_training_fine_tuning_and_drawing_from_the_result(run, cif_folder, tmp_path):
    base, tuned = tmp_path / "base", tmp_path / "tuned"
    small = ["--width", 16, "--layers", 1]
    trained = run("train", "--data", f"folder={cif_folder}", "--output", base, "--epochs", 2, *small)
    assert "folder: 24 crystals; refused: none." in trained.stderr
    with (base / "metrics.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0", "1"]
    assert "plotly" in (base / "metrics.html").read_text(encoding="utf-8")
    model = GeneratorModel.load(base / "model.safetensors")
    assert model.card["data"]["sources"] == [
        {"name": "folder", "licence": "as its owner says", "encoded": 24, "refused": {}}
    ]
    assert [(template.space_group, template.letters) for template in model.prior.templates] == [(225, ("a", "b"))]
    parent = ["--parent", base / "model.safetensors"]
    run("finetune", "--data", f"folder={cif_folder}", "--output", tuned, "--epochs", 1, *parent)
    child = GeneratorModel.load(tuned / "model.safetensors")
    assert child.card["parent"] == model.digest
    rows = json.loads(
        run("sample", "-n", 2, "--model", tuned / "model.safetensors", "--raw", "--steps", 5, "--json").stdout
    )
    assert {row["space_group"] for row in rows} == {225}


def test_a_finished_training_run_again_only_writes_its_model_again(run, cif_folder, tmp_path):
    arguments = [
        "train",
        "--data",
        f"folder={cif_folder}",
        "--output",
        tmp_path,
        "--epochs",
        1,
        "--width",
        16,
        "--layers",
        1,
    ]
    run(*arguments)
    files = [tmp_path / "model.safetensors", tmp_path / "model.json"]
    first = [file.read_bytes() for file in files]
    run(*arguments)
    assert [file.read_bytes() for file in files] == first
    arguments[-1] = 2
    assert "other settings" in run(*arguments, code=8).stderr


@pytest.mark.parametrize(
    ("data", "code", "reason"),
    [
        ("folder", 2, "NAME=PATH"),
        ("nonsense=somewhere", 2, "no data source"),
        ("folder=/nowhere/at/all", 2, "/nowhere/at/all"),
    ],
)
def test_data_that_cannot_be_read(run, tmp_path, data, code, reason):
    assert reason in run("train", "--data", data, "--output", tmp_path / "run", code=code).stderr
