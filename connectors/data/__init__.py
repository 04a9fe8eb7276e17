"""What the market data of every venue shares: who gets which event, instruments, iteration."""
