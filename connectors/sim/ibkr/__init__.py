"""IBKR's Client Portal Web API, simulated."""
