"""EPW without its program: epw.x plays recorded runs, beside the mocks of Quantum ESPRESSO.

Use it with ``pytest_plugins = ["invdesflow.testing.mock_espresso", "invdesflow.testing.mock_epw"]``.
"""

import pytest

from invdesflow.testing.mock_espresso import MockEspresso

__all__ = ["mock_epw"]


@pytest.fixture
def mock_epw(mock_espresso: MockEspresso) -> MockEspresso:
    """Put a mock of epw.x beside those of the other programs."""
    return MockEspresso.install(mock_espresso.folder, ["epw.x"])
