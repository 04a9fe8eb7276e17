"""Venue simulators: independent of the client code they are used to test.

`connectors.sim.matching` is the price-time priority engine every simulator shares (`book` and
`engine_order` are its parts); each venue has a sub-package with its own wire protocol, rules and
faults.
"""
