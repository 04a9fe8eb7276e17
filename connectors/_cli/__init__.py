"""What the subcommands of `connectors` do; not part of the public API."""
