"""Every test runs in settings of its own."""

from pathlib import Path

import pytest

pytest_plugins = ["invdesflow.testing.generator", "invdesflow.testing.local_server"]


@pytest.fixture(autouse=True)
def _isolated_settings(settings_environment: Path) -> None:
    """Keep the tests away from the user's settings and data."""
