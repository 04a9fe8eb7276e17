"""Tests of one bench with a client, a server and a faulty network in between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

__all__ = ["on_both_loops"]

Body = Callable[[Any], Awaitable[None]]


def on_both_loops(bench: Callable[[], AbstractAsyncContextManager[Any]]) -> Callable[[Body], Any]:
    """Return what makes a test, on asyncio and uvloop, of `async def body(bench)`."""

    def bench_test(body: Body) -> Any:
        def test(run_any: Callable[..., Any]) -> None:
            async def main() -> None:
                async with bench() as ready:
                    await body(ready)

            run_any(main())

        test.__name__ = test.__qualname__ = body.__name__
        test.__doc__ = body.__doc__
        return test

    return bench_test
