"""What the tests of faults share."""

from __future__ import annotations

import pytest

from faults.certificates import Files, make_certificate


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A certificate for 127.0.0.1 and its key; made once."""
    return make_certificate(tmp_path_factory.mktemp("tls"))
