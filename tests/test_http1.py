"""One reply, however its bytes arrive."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicknb.gateway.http1 import LARGEST, BrokenOff, Endless, ReplyReader, Unreadable
from clicknb.gateway.wire import Reply

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
STATED = HEAD + b"Content-Length: 7\r\n\r\nOK: 605"

COMPLETE = {
    "length": STATED,
    "apache": b"HTTP/1.1 200 OK\r\nDate: Tue, 06 Jan 2009 10:00:00 GMT\r\nServer: Apache\r\nVary:\r\n"
    b"Content-Length:7 \r\nKeep-Alive: timeout=5\r\nConnection: Keep-Alive\r\n"
    b"Content-Type: text/html; charset=UTF-8\r\n\r\nOK: 605",
    "chunks": CHUNKED + b"4\r\nOK: \r\n3;x=y\r\n605\r\n0\r\n\r\n",
    "trailer": CHUNKED + b"07 \r\nOK: 605\r\n000\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n",
    "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + STATED,
    "no phrase": STATED.replace(b" OK\r\n", b"\r\n", 1),
    "identity": STATED.replace(b"\r\n", b"\r\nContent-Encoding: Identity\r\n", 1),
}


def fed(*pieces):
    reader = ReplyReader()
    replies = [reader.feed(piece) for piece in pieces]
    assert replies[:-1] == [None] * (len(pieces) - 1)
    return replies[-1], reader.reusable


@pytest.mark.parametrize("data", COMPLETE.values(), ids=COMPLETE)
@given(cuts=st.lists(st.integers(1, 400), max_size=8))
def test_a_reply_is_the_same_however_it_is_cut(data, cuts):
    places = [0, *sorted({cut for cut in cuts if cut < len(data)}), len(data)]
    pieces = [data[start:end] for start, end in pairwise(places)]
    assert fed(*pieces) == (Reply(200, b"OK: 605"), True)


@pytest.mark.parametrize("data", COMPLETE.values(), ids=COMPLETE)
def test_a_reply_that_comes_byte_by_byte_is_complete_with_its_last_byte_and_broken_before(data):
    reader = ReplyReader()
    for number in range(1, len(data)):
        assert reader.feed(data[number - 1 : number]) is None
        with pytest.raises(BrokenOff):
            fed(data[:number], b"")
    assert reader.feed(data[-1:]) == Reply(200, b"OK: 605")


@given(st.tuples(st.sampled_from([b"", HEAD, CHUNKED, HEAD + b"X"]), st.binary(max_size=100)).map(b"".join))
def test_arbitrary_bytes_are_a_reply_or_unreadable_and_nothing_else(data):
    reader = ReplyReader()
    try:
        reply = reader.feed(data + b".") or reader.feed(b"")
    except Unreadable:
        return
    assert reply.status in range(200, 600)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.binary(max_size=3))
def test_chunks_are_put_together(chunks, rest):
    coded = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    assert fed(CHUNKED + coded + b"0\r\n\r\n" + rest) == (Reply(200, b"".join(chunks)), not rest)


def test_a_body_without_a_length_goes_on_until_the_connection_ends():
    assert fed(HEAD + b"\r\nOK: ", b"605", b"") == (Reply(200, b"OK: 605"), False)
    assert fed(HEAD + b"\r\n", b"") == (Reply(200, b""), False)


@pytest.mark.parametrize("status", [204, 304])
def test_some_replies_have_no_body(status):
    assert fed(b"HTTP/1.1 %d X\r\nContent-Length: 7\r\n\r\n" % status) == (Reply(status, b""), True)


@pytest.mark.parametrize(
    ("data", "reusable"),
    [
        (STATED + b"O", False),
        (STATED.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n", 1), False),
        (STATED.replace(b"OK\r\n", b"OK\r\nconnection: x, CLOSE\r\n", 1), False),
        (STATED.replace(b"1.1", b"1.0"), False),
        (STATED.replace(b"1.1 200 OK", b"1.0 200 OK\r\nConnection: Keep-Alive"), True),
    ],
)
def test_who_wants_the_connection_closed_is_heard(data, reusable):
    assert fed(data) == (Reply(200, b"OK: 605"), reusable)


@pytest.mark.parametrize(("value", "seconds"), [("7", 7.0), ("0", 0.0), ("soon", None), ("-1", None), ("1.5", None)])
def test_the_wish_to_wait_is_heard_if_it_is_a_number_of_seconds(value, seconds):
    reply, _ = fed(b"HTTP/1.1 429 Slow\r\nretry-after: %b\r\nContent-Length: 0\r\n\r\n" % value.encode())
    assert reply.retry_after == seconds


BROKEN = {
    "garbage": b"\x00\x01\x02\r\n\r\n",
    "another version": STATED.replace(b"1.1", b"2.0"),
    "no status": STATED.replace(b"200", b"20x"),
    "odd status": STATED.replace(b"200", b"600"),
    "another protocol": b"HTTP/1.1 101 Switching\r\n\r\n",
    "no colon": HEAD + b"Content-Length 7\r\n\r\nOK: 605",
    "space before the colon": HEAD + b"Content-Length : 7\r\n\r\nOK: 605",
    "folded line": HEAD + b"X: a\r\n b\r\nContent-Length: 7\r\n\r\nOK: 605",
    "negative length": HEAD + b"Content-Length: -7\r\n\r\nOK: 605",
    "length in words": HEAD + b"Content-Length: seven\r\n\r\nOK: 605",
    "two lengths": HEAD + b"Content-Length: 7\r\nContent-Length: 8\r\n\r\nOK: 605",
    "length and chunks": CHUNKED.replace(b"OK\r\n", b"OK\r\nContent-Length: 7\r\n", 1) + b"0\r\n\r\n",
    "packed": STATED.replace(b"OK\r\n", b"OK\r\nContent-Encoding: gzip\r\n", 1),
    "packed and chunked": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "no size": CHUNKED + b"\r\n",
    "odd size": CHUNKED + b"0x7\r\nOK: 605\r\n",
    "long size line": CHUNKED + b"7;" + b"x" * 300 + b"\r\n",
    "no end of chunk": CHUNKED + b"7\r\nOK: 605xx",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_what_breaks_the_rules_is_unreadable(data):
    with pytest.raises(Unreadable) as caught:
        fed(data)
    assert not isinstance(caught.value, BrokenOff)


LONG = {
    "head": HEAD + b"X: " + b"x" * 70_000,
    "whole head": HEAD + b"X: " + b"x" * 70_000 + b"\r\nContent-Length: 0\r\n\r\n",
    "stated": HEAD + b"Content-Length: %d\r\n\r\n" % (LARGEST + 1),
    "until the end": HEAD + b"\r\n" + b"x" * (LARGEST + 1),
    "chunk": CHUNKED + b"%x\r\n" % (LARGEST + 1),
    "chunks": CHUNKED + (b"80000\r\n" + b"x" * 0x80000 + b"\r\n") * 2,
    "trailer": CHUNKED + b"0\r\n" + b"X: x\r\n" * 20_000,
}


@pytest.mark.parametrize("data", LONG.values(), ids=LONG)
def test_what_has_no_end_is_given_up(data):
    with pytest.raises(Endless):
        fed(*(data[start : start + 65_536] for start in range(0, len(data), 65_536)))


def test_the_largest_body_is_taken():
    reader = ReplyReader()
    reader.feed(HEAD + b"Content-Length: %d\r\n\r\n" % LARGEST)
    assert len(reader.feed(b"x" * LARGEST).body) == LARGEST
