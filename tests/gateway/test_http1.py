"""One reply, however its bytes arrive."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicknb.gateway.http.wire import Reply
from clicknb.gateway.http1 import LARGEST, BrokenOff, Endless, ReplyReader, Unreadable

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


@pytest.mark.parametrize("field", [b"Content-Length: 7\r\n", b""])
@pytest.mark.parametrize("status", [204, 304])
def test_some_replies_have_no_body_and_keep_the_connection(status, field):
    assert fed(b"HTTP/1.1 %d X\r\n%b\r\n" % (status, field)) == (Reply(status, b""), True)


@pytest.mark.parametrize(
    ("data", "reusable"),
    [
        (STATED + b"O", False),
        (STATED + b"\r\n", False),
        (STATED + STATED, False),
        (STATED + STATED.replace(b"605", b"606"), False),
        (CHUNKED + b"7\r\nOK: 605\r\n0\r\n\r\n\r\n", False),
        (CHUNKED + b"7\r\nOK: 605\r\n0\r\n\r\n" + STATED, False),
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
    "no end of chunk": CHUNKED + b"7\r\nOK: 605xx",
    "empty line before": b"\r\n" + STATED,
    "empty line after an interim answer": b"HTTP/1.1 100 Continue\r\n\r\n\r\n" + STATED,
    "interim answer that changes the protocol": b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" + STATED,
    "equal lengths": STATED.replace(b"OK\r\n", b"OK\r\nContent-Length: 7\r\n", 1),
    "length as a list": HEAD + b"Content-Length: 7, 7\r\n\r\nOK: 605",
    "chunks and length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n0\r\n\r\n",
    "chunked twice": CHUNKED.replace(b"OK\r\n", b"OK\r\nTransfer-Encoding: chunked\r\n", 1) + b"0\r\n\r\n",
    "line feeds": STATED.replace(b"\r\n", b"\n"),
    "one line feed": HEAD + b"X: 1\nContent-Length: 7\r\n\r\nOK: 605",
    "carriage return": HEAD + b"X: 1\rContent-Length: 7\r\n\r\nOK: 605",
    "line feeds between chunks": CHUNKED + b"7\nOK: 605\n0\n\n",
    "length in a trailer": CHUNKED + b"0\r\nContent-Length: 7\r\n\r\nOK: 605",
    "another kind of server": STATED.replace(b"HTTP/1.1", b"ICE/1.0"),
    "low status": STATED.replace(b"200", b"099"),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_what_breaks_the_rules_is_unreadable(data):
    with pytest.raises(Unreadable, match="not HTTP by the book") as caught:
        fed(data)
    assert not isinstance(caught.value, BrokenOff)


FLAWS = {
    "garbage": "it does not begin like HTTP/1.1",
    "another version": "it does not begin like HTTP/1.1",
    "empty line before": "there is an empty line before it",
    "empty line after an interim answer": "there is an empty line before it",
    "no status": "its status is none of HTTP's",
    "odd status": "its status is none of HTTP's",
    "another protocol": "it changes to another protocol",
    "interim answer that changes the protocol": "it changes to another protocol",
    "folded line": "a header line is folded",
    "no colon": "a header line is broken",
    "line feeds": "a line of its head ends in the wrong way",
    "one line feed": "a line of its head ends in the wrong way",
    "carriage return": "a line of its head ends in the wrong way",
    "two lengths": "its length is stated twice",
    "equal lengths": "its length is stated twice",
    "length and chunks": "its length is stated in two ways",
    "chunks and length": "its length is stated in two ways",
    "length in words": "its length is not a number",
    "packed": "it is compressed",
    "packed and chunked": "its transfer coding is not the one in chunks",
    "odd size": "a chunk of it is broken",
    "no end of chunk": "a chunk of it is broken",
}


@pytest.mark.parametrize("name", FLAWS)
def test_what_is_unreadable_says_why_in_the_same_words_however_it_is_cut(name):
    data = BROKEN[name]
    for pieces in ([data], [data[at : at + 1] for at in range(len(data))]):
        with pytest.raises(Unreadable) as caught:
            fed(*pieces)
        assert str(caught.value) == f"the answer is not HTTP by the book: {FLAWS[name]}"


def test_a_connection_that_ends_without_a_byte_is_told_from_one_that_ends_early():
    with pytest.raises(BrokenOff, match="without an answer"):
        fed(b"")
    for data in (b"H", HEAD, b"HTTP/1.1 100 Continue\r\n\r\n", STATED[:-1]):
        with pytest.raises(BrokenOff, match="broke off"):
            fed(data, b"")


LONG = {
    "head": HEAD + b"X: " + b"x" * 70_000,
    "whole head": HEAD + b"X: " + b"x" * 70_000 + b"\r\nContent-Length: 0\r\n\r\n",
    "stated": HEAD + b"Content-Length: %d\r\n\r\n" % (LARGEST + 1),
    "until the end": HEAD + b"\r\n" + b"x" * (LARGEST + 1),
    "chunk": CHUNKED + b"%x\r\n" % (LARGEST + 1) + b"x" * (LARGEST + 1),
    "chunks": CHUNKED + (b"80000\r\n" + b"x" * 0x80000 + b"\r\n") * 2,
    "trailer": CHUNKED + b"0\r\n" + b"X: x\r\n" * 20_000,
    "size line": CHUNKED + b"7;" + b"x" * 70_000,
    "small chunks": CHUNKED + b"1\r\nx\r\n" * 20_000,
    "interim answers": b"HTTP/1.1 100 Continue\r\n\r\n" * 33,
    "interim answers with long heads": (b"HTTP/1.1 103 Early\r\nLink: " + b"x" * 3000 + b"\r\n\r\n") * 33,
}


@pytest.mark.parametrize("data", LONG.values(), ids=LONG)
def test_what_has_no_end_is_given_up(data):
    with pytest.raises(Endless):
        fed(*(data[start : start + 65_536] for start in range(0, len(data), 65_536)))


@pytest.mark.parametrize(("before", "begun"), [(b"", HEAD + b"X: "), (CHUNKED, b"7;")], ids=["head", "chunks"])
def test_what_surrounds_a_body_may_be_large_and_not_a_byte_larger(before, begun):
    reader = ReplyReader()
    assert reader.feed(before + begun.ljust(65_536, b"x")) is None
    with pytest.raises(Endless):
        reader.feed(b"x")


def test_some_interim_answers_may_come_before_the_reply():
    assert fed(b"HTTP/1.1 102 Processing\r\n\r\n" * 32 + STATED) == (Reply(200, b"OK: 605"), True)


def test_the_largest_body_is_taken():
    reader = ReplyReader()
    reader.feed(HEAD + b"Content-Length: %d\r\n\r\n" % LARGEST)
    assert len(reader.feed(b"x" * LARGEST).body) == LARGEST
