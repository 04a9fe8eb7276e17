"""FeedListener without a socket: fragments, bounds, UTF-8, counters, decoders that raise.

What needs a connection (close frames, pings, one time for all frames of a read) is in
tests/faults/test_feed_connection.py.
"""

from __future__ import annotations

import asyncio
import logging
import time
from itertools import pairwise
from typing import Any

import pytest
from picows import WSMsgType
from picows.picows import _make_test_ws_frame

from connectors._speedups.errors import DecodeError, ProtocolError
from connectors._speedups.feed import Decoder, FeedListener

TEXT, BINARY, CONTINUATION = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION
VALID = [
    "", "a", "\x00", "\x7f", "\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufffd", "\uffff",
    "\U00010000", "\U0010ffff", "\U000fffff", "κόσμε", "币安人生USDT", "a" * 31 + "é", "é" * 40,
    "a" * 64 + "\U0001f600" + "b" * 64,
]  # fmt: skip
INVALID = [
    b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xc2", b"\xc2\x41", b"\xc2\xc2", b"\xe0\x80\x80",
    b"\xe0\x9f\xbf", b"\xe1\x80", b"\xe2\x28\xa1", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xef\xbf",
    b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf", b"\xf0\x90\x80", b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfe", b"\xff", b"\xe2\x82\x28",
    b"\xf0\x28\x8c\xbc", b"\xf0\x90\x28\xbc", b"\xf0\x90\x8c\x28", b"\xed\xa0\xbd\xed\xb8\x80",
]  # fmt: skip


class Recorder(Decoder):
    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.times: list[int] = []

    def on_message(self, data: bytes, ts_init: int) -> None:
        self.messages.append(data)
        self.times.append(ts_init)


class Owner:
    def __init__(self) -> None:
        self.problems: list[tuple[Exception, bytes | None]] = []
        self.pongs: list[bytes] = []

    def on_feed_connected(self, transport: Any) -> None:
        raise AssertionError("there is no connection here")

    def on_feed_disconnected(self, code: int, reason: str, clean: bool) -> None:
        raise AssertionError("there is no connection here")

    def on_feed_pong(self, payload: bytes) -> None:
        self.pongs.append(payload)

    def on_feed_problem(self, error: Exception, data: bytes | None) -> None:
        self.problems.append((error, data))


class Line:
    """A listener that is handed frames, one after the other."""

    def __init__(self, decoder: Decoder | None = None, **options: Any) -> None:
        self.decoder = decoder or Recorder()
        self.owner = Owner()
        self.listener = FeedListener(self.decoder, self.owner, **options)

    def send(
        self, kind: WSMsgType, payload: bytes, *, fin: bool = True, rsv1: bool = False
    ) -> None:
        self.listener.on_ws_frame(None, _make_test_ws_frame(kind, payload, fin, rsv1))

    @property
    def messages(self) -> list[bytes]:
        assert isinstance(self.decoder, Recorder)
        return self.decoder.messages

    def fragments(self, kind: WSMsgType, parts: list[bytes]) -> None:
        for i, part in enumerate(parts):
            self.send(CONTINUATION if i else kind, part, fin=i == len(parts) - 1)

    def failed(self, code: int) -> str:
        """Return the reason of the one violation, which must have ended the stream."""
        ((error, data),) = self.owner.problems
        assert type(error) is ProtocolError
        assert data is None
        assert str(error).endswith(f" (closed with {code})")
        before = self.listener.messages
        self.send(TEXT, b"after")
        assert self.listener.messages == before
        return str(error)


@pytest.fixture
def line() -> Line:
    return Line()


class TestMessages:
    def test_whole_messages(self, line):
        for kind, payload in [(TEXT, b"one"), (BINARY, b"\xff\x00"), (TEXT, b"")]:
            line.send(kind, payload)
            assert line.listener.is_text == (kind == TEXT)
        assert line.messages == [b"one", b"\xff\x00", b""]
        assert (line.listener.messages, line.listener.frames) == (3, 3)
        assert line.listener.bytes_received == 5
        assert (line.listener.fragments, line.listener.errors) == (0, 0)

    @pytest.mark.parametrize("parts", range(2, 12))
    def test_fragments(self, line, parts):
        data = bytes(range(100))
        cuts = [i * len(data) // parts for i in range(parts + 1)]
        line.fragments(BINARY, [data[a:b] for a, b in pairwise(cuts)])
        assert line.messages == [data]
        assert line.listener.fragments == parts
        line.send(TEXT, b"next")
        assert line.messages[1:] == [b"next"]

    def test_empty_fragments(self, line):
        line.fragments(TEXT, [b"", b"", b"a", b"", b"b", b""])
        line.fragments(TEXT, [b"", b""])
        assert line.messages == [b"ab", b""]

    def test_the_kind_is_that_of_the_first_fragment(self, line):
        line.fragments(BINARY, [b"\xff", b"\xfe"])
        assert not line.listener.is_text
        line.fragments(TEXT, [b"a", b"b"])
        assert line.listener.is_text

    def test_pongs_between_fragments(self, line):
        line.send(TEXT, b"a", fin=False)
        line.send(WSMsgType.PONG, b"pong")
        line.send(CONTINUATION, b"b")
        assert line.messages == [b"ab"]
        assert line.owner.pongs == [b"pong"]
        assert line.listener.pongs == 1


class TestViolations:
    def test_continuation_of_nothing(self, line):
        line.send(CONTINUATION, b"x")
        assert "continuation without a message" in line.failed(1002)

    def test_continuation_after_the_end(self, line):
        line.fragments(TEXT, [b"a", b"b"])
        line.send(CONTINUATION, b"c")
        line.failed(1002)
        assert line.messages == [b"ab"]

    @pytest.mark.parametrize("fin", [True, False])
    @pytest.mark.parametrize("kind", [TEXT, BINARY])
    def test_a_message_inside_another(self, line, kind, fin):
        line.send(TEXT, b"a", fin=False)
        line.send(kind, b"b", fin=fin)
        assert "inside a fragmented one" in line.failed(1002)
        assert line.messages == []

    @pytest.mark.parametrize("kind", [TEXT, BINARY, CONTINUATION, WSMsgType.PONG])
    def test_reserved_bits(self, line, kind):
        line.send(kind, b"x", rsv1=True)
        assert "reserved bits" in line.failed(1002)
        assert (line.messages, line.owner.pongs) == ([], [])

    def test_too_big(self):
        line = Line(max_message_size=125)
        line.send(TEXT, b"x" * 125)
        line.fragments(TEXT, [b"x" * 100, b"x" * 25])
        assert [len(m) for m in line.messages] == [125, 125]
        line.send(TEXT, b"x" * 126)
        assert "too big" in line.failed(1009)

    def test_too_big_in_pieces(self):
        line = Line(max_message_size=125)
        line.send(BINARY, b"x" * 100, fin=False)
        line.send(CONTINUATION, b"x" * 26, fin=False)
        assert "too big" in line.failed(1009)
        assert line.messages == []

    def test_the_first_piece_too_big(self):
        line = Line(max_message_size=125)
        line.send(BINARY, b"x" * 126, fin=False)
        line.failed(1009)

    @pytest.mark.parametrize("size", [124, 0, -1])
    def test_the_bound_holds_a_control_frame(self, size):
        with pytest.raises(ValueError, match="at least 125"):
            Line(max_message_size=size)


class TestUtf8:
    @pytest.mark.parametrize("text", VALID)
    def test_valid(self, line, text):
        data = text.encode()
        line.send(TEXT, data)
        assert line.messages == [data]

    @pytest.mark.parametrize("data", INVALID, ids=repr)
    @pytest.mark.parametrize("before", [0, 1, 7, 8, 31, 32, 33, 63, 64])
    def test_invalid(self, data, before):
        for after in (b"", b"a", b"\xc3\xa9", b"a" * 40):
            line = Line()
            line.send(TEXT, b"a" * before + data + after)
            assert "not UTF-8" in line.failed(1007)

    @pytest.mark.parametrize("data", INVALID, ids=repr)
    def test_invalid_is_no_matter_for_binary(self, line, data):
        line.send(BINARY, data)
        assert line.messages == [data]

    @pytest.mark.parametrize("text", [t for t in VALID if t])
    def test_a_character_may_be_split_anywhere(self, text):
        data = text.encode()
        for cut in range(len(data) + 1):
            line = Line()
            line.fragments(TEXT, [data[:cut], data[cut:]])
            assert line.messages == [data]

    @pytest.mark.parametrize("data", INVALID, ids=repr)
    def test_invalid_stays_invalid_when_split(self, data):
        for cut in range(len(data) + 1):
            line = Line()
            line.fragments(TEXT, [data[:cut], data[cut:]])
            line.failed(1007)

    def test_like_python(self):
        """Every string of three bytes around the boundaries of the encoding."""
        edges = [0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1,
                 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF]  # fmt: skip
        for a in edges:
            for b in edges:
                for c in edges:
                    data = bytes([a, b, c, 0x80])[: 3 if a < 0xF0 else 4]
                    line = Line()
                    line.send(TEXT, data)
                    try:
                        data.decode()
                    except UnicodeDecodeError:
                        assert line.messages == []
                    else:
                        assert line.messages == [data]


class Failing(Recorder):
    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def on_message(self, data: bytes, ts_init: int) -> None:
        super().on_message(data, ts_init)
        if data == b"bad":
            raise self.error


class TestDecoderErrors:
    # Made in the test: an error kept for all of them would keep the listener in its traceback.
    @pytest.mark.parametrize(
        "make", [lambda: DecodeError("no", 3), lambda: ValueError("x"), RuntimeError, StopIteration]
    )
    def test_reported_and_the_stream_goes_on(self, make):
        error = make()
        line = Line(Failing(error))
        for payload in (b"one", b"bad", b"two"):
            line.send(TEXT, payload)
        line.fragments(TEXT, [b"b", b"ad"])
        assert line.messages == [b"one", b"bad", b"two", b"bad"]
        assert line.owner.problems == [(error, b"bad")] * 2
        assert (line.listener.errors, line.listener.messages) == (2, 4)

    @pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
    def test_what_is_no_exception_passes(self, error):
        line = Line(Failing(error()))
        with pytest.raises(error):
            line.send(TEXT, b"bad")
        assert line.owner.problems == []

    def test_an_owner_that_raises_while_told_of_a_problem(self, caplog):
        line = Line(Failing(ValueError("first")))

        def fail(error: Exception, data: bytes | None) -> None:
            raise RuntimeError("second")

        line.owner.on_feed_problem = fail
        with caplog.at_level(logging.ERROR, logger="connectors"):
            line.send(TEXT, b"bad")
        line.send(TEXT, b"good")
        assert line.messages == [b"bad", b"good"]
        assert "second" in caplog.text
        assert "first" in caplog.text
        assert caplog.records[0].name == "connectors.feed"

    def test_a_decoder_that_does_not_decode(self):
        line = Line(Decoder())
        line.send(TEXT, b"x")
        ((error, _),) = line.owner.problems
        assert isinstance(error, NotImplementedError)


class TestTime:
    def test_the_systems_clock(self, line):
        before = time.time_ns()
        line.send(TEXT, b"x")
        assert before <= line.decoder.times[0] <= time.time_ns()

    def test_another_clock(self):
        ticks = iter(range(100, 200))
        line = Line(clock_ns=lambda: next(ticks))
        for _ in range(3):
            line.send(TEXT, b"x")
        assert line.decoder.times == [100, 101, 102]


def test_arguments():
    for decoder in (None, object(), print):
        with pytest.raises(TypeError):
            FeedListener(decoder, Owner())
    with pytest.raises(TypeError):
        FeedListener(Recorder(), Owner(), 1000)
    listener = FeedListener(Recorder(), None)
    assert (listener.max_message_size, listener.transport) == (8 << 20, None)
