"""One object for each host."""

from __future__ import annotations

import gc

from connectors.net.per_host import PerHost
from connectors.net.ratelimit import RateLimiter


def test_clients_of_one_host_share_and_the_first_makes_it() -> None:
    hosts: PerHost[RateLimiter] = PerHost()
    first = hosts.get("https://a.example/v4", RateLimiter)
    assert hosts.get("wss://a.example:443/ws", RateLimiter) is first
    assert hosts.get("https://b.example", RateLimiter) is not first


def test_each_port_of_this_machine_is_a_host_and_is_forgotten_with_its_clients() -> None:
    hosts: PerHost[RateLimiter] = PerHost()
    one = hosts.get("http://127.0.0.1:5001", RateLimiter)
    assert hosts.get("http://127.0.0.1:5002", RateLimiter) is not one
    assert hosts.get("http://127.0.0.1:5001", RateLimiter) is one
    one.hold("x", 60.0)
    del one
    gc.collect()
    assert hosts.get("http://127.0.0.1:5001", RateLimiter).time_until("x") == 0.0
