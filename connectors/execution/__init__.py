"""What every venue's trading shares: plain objects, no I/O, the clock passed in.

================  =========================================================================
`lifecycle`       the states of an order and the steps between them
`identity`        orders this client submitted, found again by any of their ids
`dispatch`        what the venue says becomes order events (ours) or reports (not ours)
`dispatch_rules`  what it is told, how venues differ, and what it answers
`legs`            the same where a modification replaces the venue's order (cancel-replace)
`leg_state`       what is known of an order's legs, and what has to be sent because of it
`fills`           each trade once, whatever brings it
`nonces`          transaction numbers in bursts, refusals and resyncs
`sequence`        one thing at a time goes out, in the order it was asked for
`inflight`        which transaction an answer belongs to
`lookups`         what has to be asked for, and when
`reconcile`       snapshots and reports against what we believe
`reporting`       what every client of an account shares: callbacks, and what can be asked for
`client`          what a client that trades shares: the parts of its connection, its needs
`order_entry`     the commands about orders, checked and registered before they are sent
`account_client`  what a client that only looks holds: orders, positions, balances
================  =========================================================================
"""
