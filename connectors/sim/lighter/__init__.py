"""Lighter (zkLighter) simulator: one process on 127.0.0.1, no client code inside."""
