"""How the connections of a client are kept."""

from __future__ import annotations

from connectors.lighter.config import Config
from connectors.lighter.private_stream import session_policy
from connectors.lighter.public_stream import stream_policy


def test_both_connections_stay_away_from_a_firewall_alike() -> None:
    """405 is the venue's block of an address; knocking on makes it longer (4.3)."""
    config = Config(environment="testnet")
    private, public = session_policy(config), stream_policy(config)
    assert 405 in private.refused_statuses
    assert private.refused_statuses == public.refused_statuses
    assert private.refused_delay_s == public.refused_delay_s
