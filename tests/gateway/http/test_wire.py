"""Every documented body means what the documentation says, and no other input is believed or raises."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clicknb.errors import AccountError, GatewayError, InvalidInput, UnreadableReply
from clicknb.gateway.http import codes, wire
from clicknb.gateway.http.wire import Coverage, MessageCharge, MessageStatus, Reply, Request, Sent

A, B, C = "447700900123", "447700900124", "33639980001"
ID1, ID2, ID3 = (
    "cb1cb8e5b5ca8f02fc77c2345edb52d3",
    "0f6e1c63187d795a85f01e8a779e215b",
    "ce7f181a44a4a5b7e43fe2b9a0b1f0c1",
)
SID = "41de6fadea35f71ce0caa29aff79d798"
KNOWN = "7cc7f93f441819406a6c839564eb89f7"
READERS: list[Callable[[Reply], Any]] = [
    wire.read_session,
    wire.read_ping,
    wire.read_status,
    wire.read_charge,
    wire.read_balance,
    wire.read_coverage,
    wire.read_payment,
    wire.read_batch,
    wire.read_end,
]


def reply(text, status=200):
    return Reply(status, text.encode("latin-1"))


def sends(text, to, status=200):
    return wire.read_sends(reply(text, status), to)


def states(text, to, status=200):
    return [sent.state for sent in sends(text, to, status)]


def accepted(*pairs):
    return [Sent(to, "accepted", apimsgid=apimsgid) for to, apimsgid in pairs]


def rejected(code, words, *to):
    return [Sent(number, "rejected", code=code, error=words) for number in to]


def planned(code, words, *to):
    return [Sent(number, "planned", code=code, error=words) for number in to]


# --- the concrete bodies of the protocol sheet, section 4, by their number there ---------------------------------

NUMBERS = ["27999000001", "27999000002", "27999000003"]
YES = "OK: This prefix is currently supported. Messages sent to this prefix will be routed. Charge: 1\n"
NO = (
    "ERR: This prefix is not currently supported. Messages sent to this prefix will fail."
    " Please contact support for assistance.\n"
)
NO_CREDIT = "ERR: 301, No Credit Left"

SENDS: dict[int, tuple[str, list[str], list[Sent]]] = {
    9: (f"ID: {ID1}", [A], accepted((A, ID1))),
    10: (NO_CREDIT, [A], planned("301", "No Credit Left", A)),
    11: ("ERR: 105, Invalid Destination Address", [A], rejected("105", "Invalid Destination Address", A)),
    12: ("ERR: 114, Cannot route message", [A], rejected("114", "Cannot route message", A)),
    13: ("ERR: 113, Max message parts exceeded", [A], rejected("113", "Max message parts exceeded", A)),
    14: (f"ID: {ID1} To: {A}\nID: {ID2} To: {B}", [A, B], accepted((A, ID1), (B, ID2))),
    15: (
        f"ID: {ID1} To: {A}\nERR: 105, Invalid Destination Address To: 123",
        [A, "123"],
        accepted((A, ID1)) + rejected("105", "Invalid Destination Address", "123"),
    ),
    16: (
        "\n".join(f"{NO_CREDIT} To: {number}" for number in NUMBERS),
        NUMBERS,
        planned("301", "No Credit Left", *NUMBERS),
    ),
    17: ("ERR: 301, No credit left\nERR: 301, No credit left", [A, B], planned("301", "No credit left", A, B)),
    18: ("ERR: 001, Authentication failed", [A, B, C], planned("001", "Authentication failed", A, B, C)),
    32: (f"ID: {ID3}", [A], accepted((A, ID3))),
    33: ("ERR: 201, Invalid batch ID", [A], [Sent(A, "unknown", code="201", error="Invalid batch ID")]),
    36: (
        "ERR: 130, Maximum MT limit exceeded until 1380585600",
        [A],
        planned("130", "Maximum MT limit exceeded until +1 *** *** 600", A),
    ),
    37: ("ERR: 007, IP Lockdown violation", [A], planned("007", "IP Lockdown violation", A)),
    38: ("ERR: 007", [A], planned("007", "IP Lockdown violation", A)),
}

ANSWERS: dict[int, tuple[Callable[[Reply], Any], str, Any]] = {
    1: (wire.read_session, f"OK: {SID}", SID),
    2: (wire.read_session, f"OK: {SID} ", SID),
    6: (wire.read_ping, "OK: ", None),
    7: (wire.read_ping, f"OK: {SID}", None),
    19: (
        wire.read_status,
        "ID: 8a4f34f58cfa1c634f59227e61ef16e3 Status: 003",
        MessageStatus("8a4f34f58cfa1c634f59227e61ef16e3", "003"),
    ),
    20: (wire.read_status, f"ID: {KNOWN} Status: 001", MessageStatus(KNOWN, "001")),
    22: (wire.read_status, f"ID: {KNOWN} Status: 006", MessageStatus(KNOWN, "006")),
    23: (wire.read_status, f"ID: {KNOWN} Status: 001", MessageStatus(KNOWN, "001")),
    24: (wire.read_balance, "Credit: 35.000", Decimal("35.000")),
    25: (
        wire.read_charge,
        f"apiMsgId: {KNOWN} charge: 0 status: 001",
        MessageCharge(KNOWN, "", Decimal(0), "001"),
    ),
    26: (wire.read_charge, f"apiMsgId: {ID3} charge: 1 status: 004", MessageCharge(ID3, "", Decimal(1), "004")),
    27: (wire.read_charge, f"ID: {ID3} Charge: 1 Status: 004", MessageCharge(ID3, "", Decimal(1), "004")),
    28: (wire.read_payment, "OK: 605", None),
    29: (
        wire.read_coverage,
        YES,
        Coverage(
            supported=True,
            charge=Decimal(1),
            text="This prefix is currently supported. Messages sent to this prefix will be routed.",
        ),
    ),
    30: (wire.read_coverage, NO, Coverage(supported=False, charge=None, text=NO[5:-1])),
    31: (wire.read_batch, "ID: f677d2fbb858a79aad0556dc71dd4383", "f677d2fbb858a79aad0556dc71dd4383"),
    35: (wire.read_end, "OK", None),
}

REFUSALS: dict[int, tuple[Callable[[Reply], Any], str, type[GatewayError], str]] = {
    3: (wire.read_session, "ERR: 001, Authentication failed", AccountError, "001"),
    4: (wire.read_session, "ERR: 002, Unknown username or password", AccountError, "002"),
    5: (wire.read_session, "ERR: 108, Invalid or missing api_id", AccountError, "108"),
    8: (wire.read_ping, "ERR: 003, Session ID expired", GatewayError, "003"),
    21: (wire.read_status, "ERR: 103, Unknown API message ID", GatewayError, "103"),
    34: (wire.read_batch, "ERR: 202, No batch template", GatewayError, "202"),
}


def test_the_tables_hold_all_concrete_bodies():
    assert sorted([*SENDS, *ANSWERS, *REFUSALS]) == list(range(1, 39))


@pytest.mark.parametrize("number", SENDS)
@pytest.mark.parametrize("end", ["", "\n", " \r\n"])
def test_documented_answer_to_a_send_is_read(number, end):
    text, to, expected = SENDS[number]
    assert sends(text + end, to) == expected


@pytest.mark.parametrize("number", ANSWERS)
def test_documented_answer_is_read(number):
    read, text, expected = ANSWERS[number]
    assert read(reply(text)) == expected


@pytest.mark.parametrize("number", REFUSALS)
def test_documented_refusal_is_raised(number):
    read, text, kind, code = REFUSALS[number]
    with pytest.raises(kind) as caught:
        read(reply(text))
    assert type(caught.value) is kind
    assert caught.value.code == code
    assert code in str(caught.value)
    assert codes.ERRORS[code].advice in str(caught.value)


@pytest.mark.parametrize("code", codes.ERRORS)
def test_each_error_of_a_send_gives_the_state_that_its_table_names(code):
    (sent,) = sends(f"ERR: {code}, {codes.ERRORS[code].text}", [A])
    assert (sent.state, sent.code) == (codes.ERRORS[code].after_send, code)


# --- dialects and disorder ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "to", "expected"),
    [
        (f"OK: {ID1}", [A], ["accepted"]),
        (f"OK: {ID1} To: {A}\nOK: {ID2} To: {B}", [A, B], ["accepted", "accepted"]),
        (f"id:{ID1.upper()}", [A], ["accepted"]),
        (f"ID: {ID1} To: +{A}", [A], ["accepted"]),
        (f"ID: {ID1}\nID: {ID2}", [A, B], ["accepted", "accepted"]),
        (f"\n\nID:  {ID1}  To:  {A}\r\n\nID: {ID2} To: {B}\r\n", [A, B], ["accepted", "accepted"]),
        ("ERR: 1, Authentication failed", [A], ["planned"]),
        ("ERR: 0105, Invalid", [A], ["rejected"]),
        ("ERR: 105 To: 447700900123", [A], ["rejected"]),
        ("ERR: 105, Invalid: see To: the manual, ID: none", [A], ["rejected"]),
        ("ERR: 107, Empty message", [A, B], ["rejected", "rejected"]),
        ("ERR: 105, Invalid\nERR: 114, No route", [A, B], ["rejected", "rejected"]),
        (f"ERR: 105, Invalid\nID: {ID2} To: {B}", [A, B], ["rejected", "accepted"]),
    ],
)
def test_dialects_are_understood(text, to, expected):
    assert states(text, to) == expected


@pytest.mark.parametrize(
    ("text", "to"),
    [
        ("", [A]),
        ("  \n", [A, B]),
        ("<html><body>502 Bad Gateway</body></html>", [A]),
        (f"ID: {ID1[:-1]}", [A]),
        (f"ID: {ID1}0", [A]),
        (f"ID: {ID1} To: {B}", [A]),
        (f"ID: {ID1}\nID: {ID2}", [A]),
        (f"ID: {ID1} and more", [A]),
        (f"ID: {ID1}\nand more", [A]),
        (f"ID: {ID1} Status: 003", [A]),
        ("ERR: 10", [A]),
        ("ERR: 1", [A]),
        ("ERR: 105 Invalid", [A]),
        ("ERR: 999, Never heard of", [A]),
        ("ERR: 901, Internal error", [A]),
        ("ERR: something else", [A]),
        (f"ERR: 113, refused ID: {ID1}", [A]),
        (f"ERR: 113, refused ID: {ID1}", [A, B]),
        (f"ERR: 301, No Credit Left ID: {ID2} To: {B}", [A, B]),
        ("ERR: 105, Invalid Destination Address", [A, B]),
        (NO_CREDIT, [A, B]),
        (f"ID: {ID1}", [A, B]),
        (f"ID: {ID1} To: {A}\nID: {ID2} To: {B}\ngarbage", [A, B]),
        (f"ID: {ID1} To: {C}\nID: {ID2} To: 1", [A, B]),
        (f"ID: {ID1} To: {A}", [A, A]),
    ],
)
def test_unclear_answers_are_unknown_for_everybody(text, to):
    for sent in sends(text, to):
        assert sent.state == "unknown"
        assert sent.error


@pytest.mark.parametrize(
    "text", ["ERR: 10", "ERR: 1", "ERR:30", "ERR: ", "ERR:", "ERR: 1050", "ERR: 00301", f"ERR: 10 To: {A}"]
)
def test_a_code_that_is_not_whole_is_no_code_and_the_reason_says_so(text):
    (sent,) = sends(text, [A])
    assert (sent.state, sent.code) == ("unknown", "")
    words = "not clear" if "To" in text else "an error without a code of three digits"
    assert words in sent.error
    for read in READERS:
        with pytest.raises(UnreadableReply, match=words):
            read(reply(text))
    assert wire.error_code(reply(text)) == ""


@pytest.mark.parametrize(
    "text", [f"ID: {ID1} Status: 00", f"apiMsgId: {ID1} charge: 0.8 status: 0", f"ID: {ID1} Status:"]
)
def test_a_status_that_is_not_whole_is_unreadable_and_the_reason_says_so(text):
    for read in READERS:
        with pytest.raises(UnreadableReply, match="a status that is not three digits"):
            read(reply(text))


def test_a_code_that_is_cut_leaves_the_lines_before_it_as_they_are():
    for text in (f"ID: {ID1}\nERR: 10", f"ID: {ID1} To: {A}\nERR: 10"):
        first, second = sends(text, [A, B])
        assert first == Sent(A, "accepted", apimsgid=ID1)
        assert (second.state, second.code) == ("unknown", "")
        assert "an error without a code of three digits" in second.error


def test_folded_records_are_taken_apart():
    assert sends(f"ID: {ID1} To: {A} ID: {ID2} To: {B}", [A, B]) == accepted((A, ID1), (B, ID2))
    folded = f"ID: {ID1} To: {A} ERR: 114, Cannot route: no route To: {B} OK: {ID3} To: {C}"
    assert states(folded, [A, B, C]) == ["accepted", "rejected", "accepted"]


def test_answers_in_another_order_are_matched_by_their_numbers():
    text = f"ID: {ID2} To: {B}\nERR: 121, Blocked To: {C}\nID: {ID1} To: {A}"
    assert sends(text, [A, B, C]) == [*accepted((A, ID1), (B, ID2)), *rejected("121", "Blocked", C)]


def test_a_missing_line_is_unknown_for_its_recipient_only():
    assert states(f"ID: {ID1} To: {A}\nID: {ID3} To: {C}\n", [A, B, C]) == ["accepted", "unknown", "accepted"]


def test_a_stray_line_counts_for_the_recipient_who_has_none():
    assert states(f"ID: {ID1} To: {A}\n<hr>\nID: {ID3} To: {C}", [A, B, C]) == ["accepted", "unknown", "accepted"]


def test_equal_numbers_are_served_in_their_order():
    text = f"ID: {ID1} To: {A}\nID: {ID3} To: {B}\nID: {ID2} To: {A}"
    assert sends(text, [A, A, B]) == accepted((A, ID1), (A, ID2), (B, ID3))
    assert states(text, [A, B, B]) == ["unknown", "unknown", "unknown"]


def test_a_number_that_was_cut_is_not_taken_for_a_shorter_one():
    short, long = "4477009001", "447700900123"
    assert states(f"ID: {ID1} To: {short}", [long, short]) == ["unknown", "unknown"]
    assert states(f"ID: {ID1} To: {short}\n", [long, short]) == ["unknown", "accepted"]
    two = f"ID: {ID1} To: {short}\nID: {ID3} To: {C}"  # only the last line can have been cut
    assert states(two, [long, short, C]) == ["unknown", "accepted", "accepted"]


@pytest.mark.parametrize("status", [201, 301, 400, 403, 500, 502, 503])
def test_another_http_status_makes_even_a_good_body_unknown(status):
    (sent,) = sends(f"ID: {ID1}", [A], status)
    assert sent.state == "unknown"
    assert str(status) in sent.error


def test_a_throttled_send_stays_planned():
    assert [(sent.state, sent.code) for sent in sends("slow down", [A, B], 429)] == [("planned", "429")] * 2


def test_an_error_shows_no_number_and_no_id():
    for text in (f"<p>{A} {SID}</p>", f"ERR: 114, Cannot route {A}", f"OK {SID}"):
        (sent,) = sends(text, [A])
        assert A not in sent.error + repr(sent)
        assert SID not in sent.error
    with pytest.raises(UnreadableReply) as caught:
        wire.read_session(reply(f"OK {SID}"))
    assert SID not in str(caught.value)


# --- whole answers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        ("ERR: 003, Session ID expired", 200, "003"),
        ("ERR: 003, Session ID expired", 502, ""),
        ("ERR: 003, Session ID expired\nERR: 003, Session ID expired", 200, ""),
        (f"ERR: 003, Session ID expired To: {A}", 200, ""),
        (f"ID: {ID1}", 200, ""),
        ("", 200, ""),
    ],
)
def test_only_an_error_that_is_the_whole_answer_has_a_code(text, status, code):
    assert wire.error_code(reply(text, status)) == code


def test_coverage_errors_with_a_code_are_errors():
    with pytest.raises(AccountError, match="001"):
        wire.read_coverage(reply("ERR: 001, Authentication failed"))
    with pytest.raises(GatewayError):
        wire.read_coverage(reply("ERR: something is broken"))


def test_a_refusal_of_coverage_that_the_gateway_did_not_say_itself_is_none():
    assert not wire.read_coverage(reply(NO)).supported
    with pytest.raises(UnreadableReply):
        wire.read_coverage(reply(NO, 500))


def test_a_charge_may_name_the_own_id_too():
    assert wire.read_charge(reply(f"apiMsgId: {ID1} cliMsgId: abc1 charge: 0.8 status: 004")) == MessageCharge(
        ID1, "abc1", Decimal("0.8"), "004"
    )


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("text", ["", "<html>502</html>", "OK: no", "ID: 1", "Credit: many", "ID: x Status: 003\nmore"])
def test_what_is_not_the_gateways_language_is_unreadable(read, text):
    if (read, text) == (wire.read_coverage, "OK: no"):
        return
    with pytest.raises(UnreadableReply, match="not affected"):
        read(reply(text))


@pytest.mark.parametrize("name", ["Credit", "Credits", "CREDITS"])
@pytest.mark.parametrize("form", ["{}: 123.00", "{}:123.00", "\r\n {}:\t 123.00 \r\n\r\n", "{}: 123\n", "{}: 123 "])
def test_a_balance_is_read_in_every_spelling(name, form):
    assert wire.read_balance(reply(form.format(name))) == 123


@pytest.mark.parametrize(
    "text",
    ["Credit: 1", "Credits: 123", "Credit: 123.", "Credit:", "Credit: 1.0 Credit: 2.0", "Credit: 1.0\nCredit: 1.0"],
)
def test_a_balance_that_may_have_been_cut_or_is_stated_twice_is_unreadable(text):
    with pytest.raises(UnreadableReply, match=r"a number that may go on|not clear"):
        wire.read_balance(reply(text))


def test_a_price_that_may_have_been_cut_is_not_believed():
    assert wire.read_coverage(reply(YES)).charge == 1
    cut = wire.read_coverage(reply(YES.rstrip("\n")))
    assert (cut.supported, cut.charge) == (True, None)


def test_no_page_of_a_proxy_is_read_as_an_answer():
    for read in READERS:
        with pytest.raises(UnreadableReply, match="503"):
            read(reply("OK", 503))


# --- anything at all ---------------------------------------------------------------------------------------------

BODIES = [case[0] for case in SENDS.values()] + [case[1] for case in (*ANSWERS.values(), *REFUSALS.values())]
damaged = st.tuples(
    st.sampled_from(BODIES), st.integers(0, 120), st.integers(0, 40), st.text(st.characters(max_codepoint=255))
).map(lambda cut: cut[0][: cut[1]] + cut[3] + cut[0][cut[1] + cut[2] :])
anything = st.binary(max_size=300) | damaged.map(lambda text: text.encode("latin-1"))


@given(anything, st.sampled_from([200, 200, 200, 429, 500]))
def test_no_bytes_raise_anything_but_typed_errors(body, status):
    answer = Reply(status, body)
    wire.error_code(answer)
    for read in READERS:
        with contextlib.suppress(GatewayError, UnreadableReply):
            read(answer)


@given(anything, st.lists(st.sampled_from([A, B, C]), min_size=1, max_size=4))
def test_any_answer_to_a_send_gives_one_outcome_for_each_recipient(body, to):
    found = wire.read_sends(Reply(200, body), to)
    assert [sent.to for sent in found] == to
    for sent in found:
        assert (sent.state == "accepted") == bool(re.fullmatch("[0-9a-fA-F]{32}", sent.apimsgid))
        assert sent.apimsgid.encode() in body
        assert sent.state in {"accepted", "unknown"} or sent.code in codes.ERRORS


# Recipients whose numbers begin alike, each with its own fate.
numbers = st.sampled_from(["447700900123", "44770090012", "4477009001", "33639980001"])
fates = st.sampled_from(
    [None, "105, Invalid Destination Address", "114, Cannot route: 12, To: nowhere", "301, No Credit Left"]
)


@given(st.lists(st.tuples(numbers, fates), min_size=1, max_size=5), st.data())
@example([("447700900123", None), ("44770090012", None)], None)
def test_a_cut_answer_never_tells_another_story(recipients, data):
    to = [number for number, _ in recipients]
    ids = [f"{place:032x}" for place in range(len(to))]
    lines = [f"ERR: {fate}" if fate else f"ID: {ids[place]}" for place, (_, fate) in enumerate(recipients)]
    if len(to) > 1:
        lines = [f"{line} To: {number}" for line, number in zip(lines, to, strict=True)]
    text = "\n".join(lines)
    truth = sends(text, to)
    assert [sent.apimsgid for sent in truth] == [
        "" if fate else ids[place] for place, (_, fate) in enumerate(recipients)
    ]
    for length in range(len(text)) if data is None else [data.draw(st.integers(0, len(text)))]:
        for sent, true in zip(sends(text[:length], to), truth, strict=True):
            assert sent.state in {"unknown", true.state}
            assert sent.apimsgid in {"", true.apimsgid}


ids = st.text("0123456789abcdef", min_size=32, max_size=32)
three = st.integers(0, 999).map("{:03d}".format)
amounts = st.decimals(0, 99_999, places=3).map(str)
WHOLE: dict[Callable[[Reply], Any], st.SearchStrategy[str]] = {
    wire.read_session: st.builds("OK: {}".format, ids),
    wire.read_ping: st.just("OK: ") | st.builds("OK: {}".format, ids),
    wire.read_status: st.builds("ID: {} Status: {}".format, ids, three),
    wire.read_charge: st.builds("apiMsgId: {} charge: {} status: {}".format, ids, amounts, three)
    | st.builds("ID: {} Charge: {} Status: {}".format, ids, amounts, three)
    | st.builds("apiMsgId: {} cliMsgId: {} charge: {} status: {}".format, ids, ids, amounts, three),
    wire.read_balance: st.builds("{}: {}".format, st.sampled_from(["Credit", "Credits"]), amounts),
    wire.read_coverage: st.just(NO) | st.builds((YES[:-2] + "{}\n").format, amounts | st.integers(0, 99).map(str)),
    wire.read_payment: st.just("OK: 605"),
    wire.read_batch: st.builds("ID: {}".format, ids),
    wire.read_end: st.sampled_from(["OK", "OK:"]),
}
refusals = st.sampled_from([f"ERR: {code}, {known.text}" for code, known in codes.ERRORS.items()]) | st.builds(
    "ERR: {}, {}".format, three, st.text("ab ,.:0123", max_size=20)
)


def meaning(read, text):
    """What a reader takes from an answer: a value, the code of a refusal, or None for nothing certain."""
    try:
        value = read(reply(text))
    except GatewayError as error:
        return error.code or None
    except UnreadableReply:
        return None
    return "yes" if value is None else value


def less(cut, whole):
    """Whether a value is the other one but for words and decimals, which a cut may take without a trace."""
    if isinstance(cut, Coverage):
        prices = cut.charge is None or 0 <= whole.charge - cut.charge < 1
        return cut.supported == whole.supported and prices
    return isinstance(cut, Decimal) and 0 <= whole - cut < 1


@pytest.mark.parametrize("read", WHOLE)
@given(data=st.data())
def test_the_beginning_of_an_answer_never_means_something_else(read, data):
    text = data.draw(WHOLE[read] | refusals)
    whole = meaning(read, text)
    assert whole is not None
    for length in range(len(text)):
        cut = meaning(read, text[:length])
        assert cut in (None, whole) or less(cut, whole)


@given(refusals | st.builds("ID: {}".format, ids) | st.builds("ID: {} To: {}".format, ids, st.just(A)))
def test_the_beginning_of_an_answer_to_one_message_never_means_something_else(text):
    (whole,) = sends(text, [A])
    for length in range(len(text)):
        (cut,) = sends(text[:length], [A])
        assert (cut.state, cut.apimsgid, cut.code) in {
            ("unknown", "", ""),
            (whole.state, whole.apimsgid, whole.code),
        }


@given(st.permutations([0, 1, 2, 3]), st.sets(st.integers(0, 3)))
def test_lines_in_any_order_with_any_missing_are_never_mixed_up(order, kept):
    to = [A, B, C, "27999000001"]
    lines = [f"ID: {place:032x} To: {to[place]}" for place in order if place in kept]
    found = sends("\n".join(lines) + "\n", to)
    assert [sent.apimsgid for sent in found] == [f"{place:032x}" if place in kept else "" for place in range(4)]


# --- requests ----------------------------------------------------------------------------------------------------


def test_a_form_is_what_a_reader_of_windows_1252_sees():
    text = "Grüße für 5 € & [50 %] + ñ|x\n"
    body = Request("sendmsg", {"text": text, "to": f"{A},{B}"}).body
    assert parse_qs(body.decode("ascii"), encoding="cp1252") == {"text": [text], "to": [f"{A},{B}"]}
    assert b"%80" in body


@pytest.mark.parametrize("character", ["Ω", "\u0081", "😀", "\ud800"])
def test_a_character_without_a_byte_is_named_and_nothing_is_made(character):
    with pytest.raises(InvalidInput, match=re.escape(repr(character))):
        Request("sendmsg", {"text": f"x{character}"})


def test_an_unknown_command_is_refused():
    with pytest.raises(InvalidInput, match="sendsms"):
        Request("sendsms", {})


@pytest.mark.parametrize(
    ("command", "path", "is_send"),
    [
        ("sendmsg", "/http/sendmsg", True),
        ("senditem", "/http_batch/senditem", True),
        ("quicksend", "/http_batch/quicksend", True),
        ("startbatch", "/http_batch/startbatch", False),
        ("routeCoverage", "/utils/routeCoverage", False),
        ("token_pay", "/http/token_pay", False),
    ],
)
def test_commands_have_their_paths(command, path, is_send):
    request = Request(command, {})
    assert (request.path, request.is_send) == (path, is_send)


def test_neither_request_nor_reply_shows_what_is_in_it():
    shown = repr(Request("auth", {"user": "u", "password": "hunter2"})) + repr(reply(f"OK: {SID}"))
    assert "password" in shown
    assert "hunter2" not in shown
    assert SID not in shown
