"""Which transaction an answer belongs to (lighter.md 7.3)."""

from __future__ import annotations

import pytest

from connectors.errors import ClientError
from connectors.execution.inflight import Answer, InFlight, Matched, Pending

MS = 1_000_000
SEND = "sendtx"
BATCH = "sendtxbatch"


def settles(code: int, named: bool) -> bool:
    return 21000 <= code < 22000 or (named and code in (20001, 23000))


def table() -> InFlight[str]:
    return InFlight(settles=settles, capacity=50)


def send(
    flight: InFlight[str],
    item: str,
    *,
    id: str | None = None,
    hashes: tuple[str, ...] = (),
    lane: str | None = SEND,
    epoch: int = 1,
    at_ms: int = 0,
    timeout_ms: int | None = 5_000,
) -> Pending[str]:
    return flight.add(
        Pending(
            item,
            id=id,
            hashes=hashes,
            lane=lane,
            epoch=epoch,
            sent_at_ns=at_ms * MS,
            timeout_ns=None if timeout_ms is None else timeout_ms * MS,
        )
    )


def test_an_id_decides() -> None:
    flight = table()
    send(flight, "a", id="1")
    b = send(flight, "b", id="2")
    match = flight.match(Answer(1, id="2", lane=SEND, code=200), 0)
    assert (match.how, match.pending) == (Matched.BY_ID, b)
    assert len(flight) == 1


def test_an_unknown_id_settles_nothing() -> None:
    flight = table()
    send(flight, "a", id="1", hashes=("ab",))
    match = flight.match(Answer(1, id="9", hashes=("ab",), lane=SEND, code=200), 0)
    assert match.how is Matched.UNKNOWN_ID
    assert match.pending is None
    assert flight.unmatched == {Matched.UNKNOWN_ID: 1}
    assert len(flight) == 1


def test_x_03_the_hash_of_the_second_settles_the_second() -> None:
    flight = table()
    a = send(flight, "a", hashes=("aa",))
    b = send(flight, "b", hashes=("bb",))
    assert flight.match(Answer(1, hashes=("bb",), lane=SEND, code=200), 0).pending is b
    assert list(flight) == [a]


def test_x_04_an_unknown_hash_settles_nothing() -> None:
    flight = table()
    send(flight, "a", hashes=("aa",))
    assert (
        flight.match(Answer(1, hashes=("cc",), lane=SEND, code=200), 0).how is Matched.UNKNOWN_HASH
    )
    assert len(flight) == 1


def test_x_05_hashes_compare_without_case_and_0x() -> None:
    flight = table()
    a = send(flight, "a", hashes=("0xABcd",))
    assert flight.find_hash("abCD") is a
    assert flight.match(Answer(1, hashes=("0XabCD",), lane=SEND, code=200), 0).pending is a


def test_a_batch_is_found_by_any_of_its_hashes() -> None:
    flight = table()
    batch = send(flight, "batch", hashes=("aa", "bb"), lane=None)
    assert flight.match(Answer(1, hashes=("zz", "bb"), lane=BATCH, code=200), 0).pending is batch
    assert flight.find_hash("aa") is None


def test_a_true_answer_without_a_name_settles_the_oldest_of_its_lane() -> None:
    flight = table()
    batch = send(flight, "batch", lane=BATCH)
    a = send(flight, "a")
    send(flight, "b")
    send(flight, "http", lane=None)
    assert flight.match(Answer(1, lane=SEND, code=21727), 0).pending is a
    assert flight.match(Answer(1, lane=BATCH, code=200), 0).pending is batch


def test_x_07_a_bare_error_settles_the_head_within_its_window() -> None:
    flight = table()
    a = send(flight, "a", at_ms=0)
    match = flight.match(Answer(1, code=21104), 100 * MS)
    assert (match.how, match.pending) == (Matched.IN_WINDOW, a)


def test_x_06_a_bare_error_comes_too_late() -> None:
    flight = table()
    send(flight, "a", at_ms=0)
    match = flight.match(Answer(1, code=21104), 1_500 * MS)
    assert match.how is Matched.TOO_LATE
    assert not match.how.is_hit
    assert len(flight) == 1


def test_x_08_an_error_without_a_code_is_no_answer() -> None:
    flight = table()
    send(flight, "a", id="1")
    assert flight.match(Answer(1), 0).how is Matched.NOT_AN_ANSWER
    assert flight.match(Answer(1, id="1", lane=SEND), 0).how is Matched.NOT_AN_ANSWER


def test_l_21_a_subscription_error_is_no_answer() -> None:
    flight = table()
    send(flight, "a")
    assert flight.match(Answer(1, code=30003), 0).how is Matched.NOT_AN_ANSWER
    assert len(flight) == 1


def test_x_53_some_codes_settle_only_by_name() -> None:
    flight = table()
    a = send(flight, "a", id="1")
    assert flight.match(Answer(1, code=23000), 0).how is Matched.NOT_AN_ANSWER
    assert flight.match(Answer(1, id="1", code=23000), 0).pending is a


def test_an_answer_for_nothing() -> None:
    flight = table()
    assert flight.match(Answer(1, lane=SEND, code=200), 0).how is Matched.NOTHING_PENDING
    assert flight.match(Answer(1, code=200), 0).how is Matched.NOT_AN_ANSWER


def test_x_50_an_answer_of_the_old_socket_settles_nothing() -> None:
    flight = table()
    new = send(flight, "new", epoch=2, hashes=("aa",), id="7")
    for answer in (
        Answer(1, lane=SEND, code=200),
        Answer(1, hashes=("aa",), lane=SEND, code=200),
        Answer(1, id="7", lane=SEND, code=200),
        Answer(1, code=21104),
    ):
        assert not flight.match(answer, 0).how.is_hit
    assert list(flight) == [new]


def test_a_lost_connection_gives_up_what_was_sent_on_it() -> None:
    flight = table()
    a = send(flight, "a", hashes=("aa",))
    http = send(flight, "http", lane=None, timeout_ms=None)
    b = send(flight, "b", epoch=2)
    assert flight.connection_lost(1) == [a]
    assert list(flight) == [http, b]
    assert flight.find_hash("aa") is None


def test_an_overdue_request_is_found_only_by_name() -> None:
    flight = table()
    a = send(flight, "a", id="1", hashes=("aa",), at_ms=0)
    b = send(flight, "b", at_ms=3_000)
    assert flight.next_deadline_ns() == 5_000 * MS
    assert flight.expire(4_999 * MS) == []
    assert flight.expire(5_000 * MS) == [a]
    assert flight.expire(5_000 * MS) == []
    assert a.is_overdue
    assert flight.match(Answer(1, lane=SEND, code=200), 5_000 * MS).pending is b
    late = flight.match(Answer(1, hashes=("aa",), lane=SEND, code=200), 9_000 * MS)
    assert late.pending is a
    assert flight.match(Answer(1, id="1", code=200), 0).how is Matched.UNKNOWN_ID


def test_overdue_requests_are_bounded() -> None:
    flight: InFlight[int] = InFlight(capacity=2)
    for number in range(5):
        flight.add(Pending(number, hashes=(str(number),), lane=SEND, timeout_ns=1))
        flight.expire(10)
    assert [number for number in range(5) if flight.find_hash(str(number))] == [3, 4]


def test_a_failed_write_takes_its_entry_out() -> None:
    flight = table()
    a = send(flight, "a", id="1")
    assert flight.remove(a)
    assert not flight.remove(a)
    send(flight, "again", id="1")


def test_the_table_is_bounded_and_ids_are_unique() -> None:
    flight: InFlight[str] = InFlight(capacity=2)
    flight.add(Pending("a", id="1"))
    with pytest.raises(ClientError, match="in use"):
        flight.add(Pending("b", id="1"))
    flight.add(Pending("c"))
    with pytest.raises(ClientError, match="send slower"):
        flight.add(Pending("d"))
    assert [pending.item for pending in flight.clear()] == ["a", "c"]
    assert flight.next_deadline_ns() is None
