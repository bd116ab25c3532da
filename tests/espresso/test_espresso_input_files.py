import re

import pytest
from aluminium import ph_input, pw_input

from invdesflow.errors import EspressoError
from invdesflow.espresso.input_files import (
    patch_input,
    read_namelists,
    replace_cards,
    split_cards,
    validate_pw_input,
)


def test_a_patch_keeps_everything_else(tmp_path):
    path = tmp_path / "pw.in"
    path.write_text(pw_input(system="starting_magnetization(1) = 0.5"))
    actions = patch_input(path, {"electrons": {"mixing_beta": 0.3, "conv_thr": 1e-12}, "ions": {"upscale": 10.0}})
    assert actions == ["mixing_beta: None -> 0.3", "upscale: None -> 10.0"]  # conv_thr has that value already
    text = path.read_text()
    assert split_cards(text) == split_cards(pw_input())
    namelists = read_namelists(text)
    assert list(namelists) == ["control", "system", "electrons", "ions"]
    assert namelists["system"]["celldm"] == [7.5]
    assert re.search(r"celldm\(1\)\s*=\s*7\.5", text)
    assert re.search(r"starting_magnetization\(1\)\s*=\s*0\.5", text)
    assert namelists["control"]["outdir"] == "./out/"
    validate_pw_input(text)


def test_a_patch_keeps_the_title_and_what_follows(tmp_path):
    path = tmp_path / "ph.in"
    path.write_text(ph_input("alpha_mix(1) = 0.7"))
    assert patch_input(path, {"inputph": {"alpha_mix": [0.3], "fildvscf": None}}) == [
        "alpha_mix: [0.7] -> [0.3]",
        "fildvscf: dvscf -> None",
    ]
    text = path.read_text()
    assert text.startswith("phonons of aluminium\n")
    assert text.endswith("\n1.0 0.0 0.0\n")
    assert re.search(r"alpha_mix\(1\)\s*=\s*0\.3", text)
    assert "dvscf" not in text


def test_cards_are_replaced_in_place(tmp_path):
    path = tmp_path / "pw.in"
    path.write_text(pw_input())
    replace_cards(path, {"ATOMIC_POSITIONS": "ATOMIC_POSITIONS (crystal)\nAl 0.1 0.0 0.0\n"})
    cards = split_cards(path.read_text())
    assert list(cards) == ["ATOMIC_SPECIES", "ATOMIC_POSITIONS", "K_POINTS"]
    assert cards["ATOMIC_POSITIONS"].splitlines()[1] == "Al 0.1 0.0 0.0"
    assert cards["K_POINTS"] == split_cards(pw_input())["K_POINTS"]
    validate_pw_input(path.read_text())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (pw_input().split("K_POINTS")[0], "has no K_POINTS"),
        (pw_input().replace("ATOMIC_POSITIONS crystal\nAl 0 0 0\n", ""), "has no ATOMIC_POSITIONS"),
        (pw_input().replace("ibrav = 2", "ibrav = 0"), "has no CELL_PARAMETERS"),
        (pw_input().replace("nat = 1", "nat = 2"), "nat = 2, but ATOMIC_POSITIONS has 1"),
        (pw_input().replace("ntyp = 1", "ntyp = 3"), "ntyp = 3, but ATOMIC_SPECIES has 1"),
        (pw_input().replace("&electrons", "&electron"), "has no &electrons"),
        ("", "has no &control, &system, &electrons"),
        (pw_input().replace("nat = 1", "nat ="), "nat = None"),
    ],
)
def test_inputs_that_pw_would_misunderstand_are_refused(text, words):
    with pytest.raises(EspressoError, match=words):
        validate_pw_input(text)


def test_a_good_input_passes():
    validate_pw_input(pw_input())
