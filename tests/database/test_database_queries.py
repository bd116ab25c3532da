"""Typed queries: every filter, every order, limits."""

import re

import pytest
from summaries import summary

from invdesflow.database.queries import SORT_FIELDS, CandidateFilter
from invdesflow.errors import ConfigurationError, DatabaseError
from invdesflow.plotting.ranking import top_candidates

DOCUMENTS = [
    summary(
        "mgb2", tc_k=39.0, e_above_hull_ev_per_atom=0.0, predicted_formation_energy_ev_per_atom=-0.2, stage="verified"
    ),
    summary(
        "nbc",
        reduced_formula="NbC",
        elements=["C", "Nb"],
        space_group_number=225,
        tc_k=11.0,
        e_above_hull_ev_per_atom=0.02,
        predicted_formation_energy_ev_per_atom=-0.5,
        volume_per_atom=11.0,
        campaigns=["first", "second"],
    ),
    summary(
        "bcn",
        reduced_formula="BCN",
        elements=["B", "C", "N"],
        nelements=3,
        space_group_number=25,
        tc_k=15.0,
        e_above_hull_ev_per_atom=0.3,
        volume_per_atom=6.0,
        rejected=True,
        origins=["generator"],
    ),
    summary("unknown", reduced_formula="Nb3Sn", elements=["Nb", "Sn"], stage="generated", volume_per_atom=14.0),
]


@pytest.fixture
def filled(database):
    database.summary.upsert(DOCUMENTS)
    return database


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, {"mgb2", "nbc", "bcn", "unknown"}),
        ({"elements": ["B"]}, {"mgb2", "bcn"}),
        ({"elements": ["B", "C"]}, {"bcn"}),
        ({"elements": ["B"], "exclude": ["Mg", "O"]}, {"bcn"}),
        ({"exclude": ["B"]}, {"nbc", "unknown"}),
        ({"formula": "B2Mg"}, {"mgb2"}),
        ({"formula": "Mg2B4"}, {"mgb2"}),
        ({"formula_contains": "Nb"}, {"nbc", "unknown"}),
        ({"formula_contains": "(.*"}, set()),
        ({"formula_contains": "."}, set()),
        ({"formula": "NbC", "formula_contains": "Sn"}, set()),
        ({"formula": "NbC", "formula_contains": "bC"}, {"nbc"}),
        ({"tc_min": 15}, {"mgb2", "bcn"}),
        ({"tc_max": 15}, {"nbc", "bcn"}),
        ({"tc_min": 12, "tc_max": 20}, {"bcn"}),
        ({"ehull_max": 0.05}, {"mgb2", "nbc"}),
        ({"ehull_max": 0}, {"mgb2"}),
        ({"spacegroup": 225}, {"nbc"}),
        ({"stage": "generated"}, {"unknown"}),
        ({"campaign": "second"}, {"nbc"}),
        ({"campaign": "sec"}, set()),
        ({"origin": "generator"}, {"bcn"}),
        ({"rejected": True}, {"bcn"}),
        ({"rejected": False}, {"mgb2", "nbc", "unknown"}),
        ({"nelements": 3}, {"bcn"}),
        ({"elements": ["Nb"], "spacegroup": 225, "ehull_max": 0.05, "rejected": False, "tc_min": 10}, {"nbc"}),
    ],
)
def test_filters(filled, filters, found):
    assert {row.candidate_id for row in filled.candidates(**filters)} == found


@pytest.mark.parametrize(
    "filters",
    [
        {"colour": "red"},
        {"elements": ["Xx"]},
        {"elements": "B"},
        {"exclude": [{"$gt": ""}]},
        {"formula": "(.*"},
        {"formula": ""},
        {"formula": "Zz2"},
        {"formula": {"$ne": None}},
        {"formula_contains": "x" * 41},
        {"tc_min": "high"},
        {"tc_min": float("nan")},
        {"ehull_max": float("inf")},
        {"spacegroup": 231},
        {"spacegroup": 0},
        {"stage": "finished"},
        {"campaign": {"$ne": None}},
        {"nelements": 0},
    ],
)
def test_wrong_filters(filters):
    with pytest.raises(ConfigurationError, match="The query is wrong: ") as caught:
        CandidateFilter.checked(**filters)
    assert "\n" not in str(caught.value)


def test_text_is_never_a_pattern():
    criteria = CandidateFilter.checked(formula_contains="(.*$").to_mongo()
    assert re.fullmatch(criteria["reduced_formula"]["$regex"], "(.*$")


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("tc", ["mgb2", "bcn", "nbc", "unknown"]),
        ("ehull", ["mgb2", "nbc", "bcn", "unknown"]),
        ("volume", ["bcn", "mgb2", "nbc", "unknown"]),
    ],
)
def test_best_first_and_unknown_last(filled, sort, order):
    assert [row.candidate_id for row in filled.candidates(sort=sort)] == order
    for limit in (1, 3, 4, 9):
        assert [row.candidate_id for row in filled.candidates(sort=sort, limit=limit)] == order[:limit]


def test_tc_are_ranked_among_those_of_one_mu_star(filled):
    found = {"mgb2": (39.0, 0.16), "nbc": (11.0, 0.1), "bcn": (15.0, 0.1), "unknown": (None, None)}
    for name, (tc_k, mu_star) in found.items():
        filled.raw["summary"].update_one({"candidate_id": name}, {"$set": {"tc_k": tc_k, "tc_mu_star": mu_star}})
    assert [row.candidate_id for row in filled.candidates()] == ["bcn", "nbc", "mgb2", "unknown"]
    assert [row.candidate_id for row in filled.candidates(limit=2)] == ["bcn", "nbc"]
    assert [row.candidate_id for row in filled.candidates(mu_star=0.1)] == ["bcn", "nbc"]
    best = top_candidates([row.model_copy(update={"rejected": False}) for row in filled.candidates()], 9)
    assert [row.candidate_id for row in best] == ["bcn", "nbc", "mgb2"]


def test_several_unknown_last(filled):
    found = [row.candidate_id for row in filled.candidates(sort="formation_energy")]
    assert found[:2] == ["nbc", "mgb2"]
    assert set(found[2:]) == {"bcn", "unknown"}


def test_updated_last_first(filled):
    filled.summary.upsert([summary("nbc")])
    assert next(filled.candidates(sort="updated")).candidate_id == "nbc"


def test_unknown_order(filled):
    with pytest.raises(ConfigurationError, match="cannot be sorted by 'colour'"):
        list(filled.candidates(sort="colour"))
    assert set(SORT_FIELDS) == {"tc", "ehull", "formation_energy", "volume", "updated"}


def test_time_limit_is_put_on_the_server(database):
    database.summary.insert_new(summary(f"c{number}") for number in range(150))
    squares = {"$map": {"input": {"$range": [0, 500]}, "in": {"$multiply": ["$$this", "$$this"]}}}
    with pytest.raises(DatabaseError, match="did not finish the query in time"):
        list(database.summary.find({"$expr": {"$lt": [{"$sum": squares}, 0]}}, time_limit_s=0.005))


def test_smallest_time_limit_is_not_none(filled, monkeypatch):
    from pymongo.synchronous.cursor import Cursor

    limits = []
    monkeypatch.setattr(Cursor, "max_time_ms", lambda self, limit: limits.append(limit) or self)
    list(filled.summary.find(time_limit_s=1e-5))
    assert limits == [1], "0 would mean no limit"
