"""`python -m connectors` is the `connectors` command."""

from .cli import main

if __name__ == "__main__":
    raise SystemExit(main())
