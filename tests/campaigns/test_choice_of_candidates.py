"""Which candidates a round of verification takes."""

from types import SimpleNamespace

import pytest

from invdesflow.campaigns import verification
from invdesflow.campaigns.verification import VerificationMaker

STATUS = {"stuck": "running", "hopeless": "failed", "done": "completed"}


class Known:
    """A database of candidates in the order of their Tc, with what became of some of them."""

    def candidates(self, **_: object) -> list[SimpleNamespace]:
        return [
            SimpleNamespace(candidate_id=name) for name in ("hopeless", "done", "stuck", "first", "second", "third")
        ]

    def collection(self, _: object) -> "Known":
        return self

    def get(self, name: str) -> SimpleNamespace | None:
        return SimpleNamespace(status=STATUS[name]) if name in STATUS else None


@pytest.mark.parametrize(
    ("most", "chosen"),
    [
        (2, ["first", "second"]),
        (4, ["first", "second", "third", "hopeless"]),
        (9, ["first", "second", "third", "hopeless", "stuck"]),
    ],
)
def test_what_did_not_finish_comes_after_what_is_new(
    most: int, chosen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "relaxed_structure", lambda _, name: name)
    monkeypatch.setattr(verification, "primitive_for_espresso", lambda name: name)
    calculation = SimpleNamespace(identifier=lambda _, name: name)
    found = VerificationMaker(most=most)._choose(Known(), calculation)
    assert found == chosen
