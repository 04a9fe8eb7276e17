"""All faults at random (BN-M-52), and the short form of the soak run.

`CONNECTORS_CHAOS_SECONDS=600` for the long form; `CONNECTORS_CHAOS_SEED` for another run. What a
user would do is done: a stream that the venue refused, or that stays silent, is asked for again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time

import pytest

from faults import support_mischief as tables
from faults.soak import Plan, soak
from faults.support import Rig, SimControl, SimProcess
from faults.support_mischief import Mischief
from patience import GRACE_S

SECONDS = float(os.environ.get("CONNECTORS_CHAOS_SECONDS", "8"))
SEED = int(os.environ.get("CONNECTORS_CHAOS_SEED", "1"))

KINDS = {
    **tables.DROPS,
    **tables.CONDITIONS,
    **tables.HANDSHAKES,
    **tables.VENUE,
    **tables.REST,
    **tables.FRAMES,
    **tables.BAD_ACKS,
}


@pytest.mark.parametrize(("loop", "seed"), [("asyncio", SEED), ("uvloop", SEED + 1)])
def test_bn_m_52_all_faults_at_random_and_every_book_equal_in_the_end(run, loop, seed):
    async def main(sim):
        async with (
            SimControl(sim.http_url) as control,
            Rig(
                control, sim.port, connections=4, contiguous=False, first_data_timeout_s=2.0
            ) as rig,
        ):
            await rig.settle(20)
            mischief = Mischief(rig, seed, KINDS)

            def enough():
                return rig.losses > SECONDS / 2 and rig.ledger.counts["gaps"] > 0

            # How much of it fits into a second is up to the machine.
            end = time.monotonic() + SECONDS
            while time.monotonic() < end or not enough():
                assert time.monotonic() < end + GRACE_S, dict(mischief.done)
                await mischief.strike()
                rig.subscribe_again()
                await rig.audit(rig.symbols[mischief.done.total() % len(rig.symbols)])
                await asyncio.sleep(mischief.pause_s(0.08))
            await mischief.end()
            await rig.settle(60)
            await rig.still()
            await rig.verify()
            shown = f"seed {seed}: {dict(mischief.done)}, {rig.losses} losses"
            assert rig.ledger.violations == [], shown
            assert rig.client.callback_errors == 0, shown

    arguments = ("--seed", str(seed), "--symbols", "10", "--coinm-symbols", "0", "--rate", "400")
    with SimProcess(*arguments) as sim:
        run(main(sim), SECONDS + 120, loop=loop)


@pytest.mark.parametrize(("loop", "seed"), [("asyncio", 11), ("uvloop", 12)])
def test_soak_in_short(run, caplog, loop, seed):
    """About 30 drops; `make soak` forces 1 000."""
    # Kept log records keep errors, and what their tracebacks saw: that would be found as a leak.
    caplog.set_level(logging.CRITICAL, logger="connectors")
    plan = Plan(
        drops=30,
        seed=seed,
        symbols=12,
        connections=4,
        rate_per_s=400.0,
        limit_s=120.0,
        pause_s=0.08,
    )
    result = run(soak(plan), 160, loop=loop)
    assert result.violations == [], "\n".join(result.summary)
    assert result.drops >= 30
