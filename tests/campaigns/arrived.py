"""What arrived in a database, to be compared with what another way of running the same campaign brings."""

import pytest

from invdesflow.database.models import COLLECTION_MODELS
from invdesflow.database.validation import find_invalid_documents


def contents(database):
    """Return the physics of a campaign, without times and job ids."""
    return {
        "candidates": {row["candidate_id"]: row["status"] for row in database.raw["candidates"].find()},
        "relaxations": {
            row["relaxation_id"]: (row["subject"]["id"], row["converged"], pytest.approx(row["energy_ev"], abs=1e-5))
            for row in database.raw["relaxations"].find()
        },
        "screenings": {
            row["screening_id"]: (row["passed"], pytest.approx(row["tc_k"], abs=1e-6))
            for row in database.raw["screenings"].find()
        },
        "summary": {
            row["candidate_id"]: (
                row["stage"],
                row["rejected"],
                pytest.approx(row["e_above_hull_ev_per_atom"], abs=1e-5),
            )
            for row in database.raw["summary"].find({"rejection_gate": {"$nin": ["duplicate", "contact"]}})
        },
    }


def assert_sound(database):
    """Every document fits its model, nothing is doubled, and every accepted candidate went all the way."""
    for name in COLLECTION_MODELS:
        assert list(find_invalid_documents(database, name)) == []
    accepted = {row["candidate_id"] for row in database.raw["candidates"].find({"status": "accepted"})}
    relaxed = [row["subject"]["id"] for row in database.raw["relaxations"].find({"subject.kind": "candidate"})]
    assert sorted(relaxed) == sorted(accepted)
    assert {row["candidate_id"] for row in database.raw["summary"].find()} == {
        row["candidate_id"] for row in database.raw["candidates"].find()
    }
