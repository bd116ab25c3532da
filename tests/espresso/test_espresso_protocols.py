"""Protocols: complete, consistent, and refused in one line where they are not."""

from itertools import pairwise
from pathlib import Path

import pytest

from invdesflow.errors import ConfigurationError
from invdesflow.espresso.protocols import Protocol, load_protocol, protocol_names


def test_the_protocols_of_the_design_are_there_and_each_is_whole() -> None:
    assert protocol_names() == ("precise", "paper", "moderate", "fast", "smoke")
    for name in protocol_names():
        protocol = load_protocol(name)
        assert protocol.name == name
        efforts = {"max_atoms", "max_relaxations", "max_corrections"}  # more patience is the same question
        assert (
            protocol.values().keys() == Protocol.model_fields.keys() - {"name", "description", "cutoff_hint"} - efforts
        )


def test_what_is_more_precise_costs_more() -> None:
    ladder = [load_protocol(name) for name in ("smoke", "fast", "moderate", "precise")]
    for cheap, dear in pairwise(ladder):
        assert dear.ecutwfc_ry >= cheap.ecutwfc_ry
        assert dear.k_spacing < cheap.k_spacing
        assert dear.q_spacing < cheap.q_spacing
        assert dear.fine_q_spacings[-1] < cheap.fine_q_spacings[-1]
        assert dear.stability_threshold_cm1 < cheap.stability_threshold_cm1
        assert dear.tc_tolerance_relative < cheap.tc_tolerance_relative


def test_the_final_answer_is_more_accurate_than_the_published_settings() -> None:
    precise, paper = load_protocol("precise"), load_protocol("paper")
    assert precise.ecutwfc_ry > paper.ecutwfc_ry
    for name in ("degauss_ry", "q_spacing", "degaussw_ev", "tc_tolerance_relative", "stability_threshold_cm1"):
        assert getattr(precise, name) < getattr(paper, name), name
    assert precise.wannier_k_multiple > paper.wannier_k_multiple
    assert precise.fine_q_spacings[-1] < paper.fine_q_spacings[-1]
    assert protocol_names().index("precise") < protocol_names().index("paper")


def test_every_value_that_a_protocol_repeats_differs_from_the_common_one() -> None:
    from invdesflow.espresso.protocols import _content

    content = _content()
    repeated = [
        (name, key)
        for name, values in content["protocols"].items()
        for key, value in values.items()
        if name != "paper" and content["common"].get(key) == value  # the paper's values are spelt out
    ]
    assert repeated == []


def test_the_table_in_the_documentation_is_that_of_the_file() -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/espresso.md").read_text(encoding="utf-8")
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in page.splitlines() if line[:2] == "| "]
    names, table = rows[0][1:], [row for row in rows[2:] if len(row) == 6]
    assert tuple(names) == protocol_names()
    assert len(table) > 10
    for setting, *cells in table:
        for name, cell in zip(names, cells, strict=True):
            value = getattr(load_protocol(name), setting)
            if isinstance(value, bool):
                assert cell == ("yes" if value else "no"), (setting, name)
            elif isinstance(value, str):
                assert cell == value, (setting, name)
            else:
                numbers = value if isinstance(value, tuple) else (value,)
                assert tuple(map(float, cell.split(","))) == numbers, (setting, name)


def test_a_value_can_be_overridden() -> None:
    protocol = load_protocol("fast", {"ecutwfc_ry": 50, "ecutrho_ry": 200, "mu_stars": [0.12]})
    assert (protocol.ecutwfc_ry, protocol.ecutrho_ry, protocol.mu_stars) == (50, 200, (0.12,))
    assert protocol.q_spacing == load_protocol("fast").q_spacing


def test_convergence_of_tc_takes_the_larger_tolerance() -> None:
    protocol = load_protocol("moderate", {"tc_tolerance_relative": 0.03, "tc_tolerance_k": 0.5})
    assert protocol.tc_converged(100.0, 97.1)
    assert not protocol.tc_converged(100.0, 96.9)
    assert protocol.tc_converged(1.0, 1.4)
    assert not protocol.tc_converged(1.0, 1.6)
    assert not protocol.tc_converged(float("nan"), 1.0)


def test_convergence_of_the_density_of_states_is_relative() -> None:
    protocol = load_protocol("moderate", {"dos_tolerance_relative": 0.1})
    assert protocol.dos_converged(0.50, 0.54)
    assert not protocol.dos_converged(0.377, 0.51)
    assert not protocol.dos_converged(float("nan"), 0.5)


@pytest.mark.parametrize(
    ("name", "overrides", "said"),
    [
        ("quick", {}, "There is no protocol 'quick'. Use one of precise, paper, moderate, fast, smoke."),
        ("fast", {"ecut": 50}, "A protocol has no ecut. Its settings are anisotropic, "),
        ("fast", {"name": "mine"}, "A protocol has no name."),
        ("fast", {3: 4}, "A protocol has no 3."),
        ("fast", {"ecutwfc_ry": "many"}, "ecutwfc_ry: input should be a valid number"),
        ("fast", {"ecutwfc_ry": float("nan")}, "ecutwfc_ry: input should be a finite number"),
        ("fast", {"degauss_ry": 0}, "degauss_ry: input should be greater than 0"),
        ("fast", {"smearing": "mp"}, "smearing: input should be 'methfessel-paxton'"),
        ("fast", {"ecutwfc_ry": 100}, "ecutrho_ry must be at least 4 x ecutwfc_ry"),
        ("fast", {"fsthick_ev": 0.3}, "fsthick_ev must be at least 4 x degaussw_ev"),
        ("fast", {"fine_q_spacings": [0.2, 0.3]}, "fine_q_spacings must fall"),
        ("fast", {"temperature_fractions": [1.0, 0.5]}, "temperature_fractions must rise"),
        ("fast", {"mu_stars": [0.1, 0.1]}, "mu_stars must rise"),
        ("fast", {"mu_stars": [0.13, 0.1]}, "mu_stars must rise"),
        ("fast", {"mu_stars": []}, "mu_stars: tuple should have at least 1 item"),
    ],
)
def test_misuse_is_one_line(name: str, overrides: dict, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_protocol(name, overrides)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_was_changed_is_known_by_its_name():
    assert load_protocol("fast").changed() == {}
    assert load_protocol("fast", {"ecutwfc_ry": 50, "q_spacing": 0.75}).changed() == {"ecutwfc_ry": 50.0}
    assert load_protocol("fast", {"cutoff_hint": "none"}).changed() == {"cutoff_hint": "none"}
    assert load_protocol("fast", {"cutoff_hint": "high"}).changed() == {}
