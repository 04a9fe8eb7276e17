"""A Hyperliquid that runs on the loopback address: `/info`, `/exchange` and `/ws` on one port."""
