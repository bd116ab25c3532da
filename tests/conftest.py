"""Every test runs in settings of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from pymatgen.symmetry.groups import SpaceGroup

# A check that nobody watches tries the same examples every time; --hypothesis-profile=default tries others.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

pytest_plugins = ["invdesflow.testing.generator", "invdesflow.testing.local_server", "invdesflow.testing.slurm"]


@pytest.fixture(autouse=True)
def _isolated_settings(settings_environment: Path) -> None:
    """Keep the tests away from the user's settings and data."""


@pytest.fixture(autouse=True, scope="session")
def _space_groups() -> Iterator[None]:
    """Keep every space group once it is made: pymatgen forgets it, and takes more than a second for the next Fm-3m."""
    make, kept = SpaceGroup.__new__, []

    def keep(cls: type, *arguments: object, **named: object) -> object:
        kept.append(make(cls, *arguments, **named))
        return kept[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SpaceGroup, "__new__", keep)
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest test, so that at the end no worker waits for it."""
    items.sort(key=lambda item: item.path.name != "test_documentation.py")
