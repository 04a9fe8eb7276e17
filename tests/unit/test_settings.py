"""What configs and credentials of all venues share."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass
from enum import StrEnum

import pytest

from connectors.errors import ClientError, ConfigError
from connectors.settings import Secrets, Settings, Variables, config_from, member


class Color(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(Settings):
    color: Color = Color.RED
    timeout_s: float = 1.0
    spare: int = 0

    def __post_init__(self) -> None:
        self._take_text(color=Color)
        self._require_positive("timeout_s")
        self._require_not_negative("spare")


class Credentials(Secrets):
    __slots__ = ("account", "key", "subaccount")

    SECRET = "key"

    def __init__(self, key: str) -> None:
        self.account, self.key, self.subaccount = "me", key, None


def test_text_becomes_a_member_in_a_copy_too():
    config = Config(color="blue")  # type: ignore[arg-type]
    assert config.color is Color.BLUE
    assert config.with_changes(color="red") == Config()
    with pytest.raises(ConfigError, match="unknown color 'green': one of red, blue"):
        config.with_changes(color="green")


@pytest.mark.parametrize("bad", [{"timeout_s": 0}, {"timeout_s": float("nan")}, {"spare": -1}])
def test_values_out_of_range_are_refused_by_name(bad):
    with pytest.raises(ConfigError, match=next(iter(bad))):
        Config(**bad)


def test_a_config_or_settings_but_not_both():
    given = Config(spare=2)
    assert config_from(Config, given, {}) is given
    assert config_from(Config, None, {"spare": 3}).spare == 3
    with pytest.raises(ClientError, match="not both: spare"):
        config_from(Config, given, {"spare": 3})


def test_the_secret_leaves_in_no_form():
    credentials = Credentials("abc123")
    assert repr(credentials) == "Credentials(account='me', subaccount=None, key=***)"
    for leave in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            leave(credentials)


def test_variables_give_way_to_what_is_given():
    env = {"DYDX_KEY": " theirs\n", "DYDX_TESTNET_KEY": "test", "DYDX_INDEX": "  "}
    variables = Variables("dYdX", test=False, env=env)
    assert variables.get("key") == "theirs"
    assert variables.get("key", "mine") == "mine"
    assert variables.get("key", " ") == "theirs"
    assert variables.get("index") is None
    assert variables.get("index", 0) == "0"
    assert Variables("dYdX", test=True, env=env).get("key") == "test"
    error = variables.incomplete("index", "other")
    assert str(error) == (
        "dYdX credentials are incomplete, missing: index (DYDX_INDEX), other (DYDX_OTHER)"
    )


def test_a_member_is_taken_as_it_is():
    assert member(Color, Color.RED, "color") is Color.RED
