"""Every test runs in settings of its own."""

from pathlib import Path

import pytest

pytest_plugins = ["invdesflow.testing.generator", "invdesflow.testing.local_server", "invdesflow.testing.slurm"]


@pytest.fixture(autouse=True)
def _isolated_settings(settings_environment: Path) -> None:
    """Keep the tests away from the user's settings and data."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest test, so that at the end no worker waits for it."""
    items.sort(key=lambda item: item.path.name != "test_documentation.py")
