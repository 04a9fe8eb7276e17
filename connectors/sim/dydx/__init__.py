"""The dYdX v4 simulator: the indexer's WebSocket and REST, and a chain behind them."""
