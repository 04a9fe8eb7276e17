"""The compiled listener works only with the picows it was built against."""

from __future__ import annotations

import pytest

from connectors import ConfigError
from connectors.net import PICOWS, check_picows


def test_the_same_minor_version_fits():
    check_picows(f"{PICOWS}.0")
    check_picows(f"{PICOWS}.99")


@pytest.mark.parametrize("installed", ["2.2.0", "2.4.0", "3.3.1", "2.30.1", "2", "", None])
def test_another_version_is_refused_with_the_remedy(installed):
    with pytest.raises(ConfigError, match=r"pip install 'picows==2\.3"):
        check_picows(installed)


def test_the_package_asks_for_the_same_versions(request):
    text = (request.config.rootpath / "pyproject.toml").read_text()
    assert text.count(f'"picows>={PICOWS},<2.4"') == 2  # to build with and to run with
