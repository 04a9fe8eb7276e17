"""Compiled hot paths: scanning, ticks, dedup, events, books, feeds, decoders.

Installed as `connectors._speedups`. The .pxd files are installed too and are
public: a bot written in Cython may `cimport` them. Nothing in here imports
from the rest of `connectors`.
"""
