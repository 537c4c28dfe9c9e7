"""The rules of the sandbox gateway, without a socket."""

import json
import random
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicknb.simulator import Fault, Gateway, open_gateway

NOW = datetime(2026, 3, 3, 10, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
WHO = {"user": "sandbox", "password": "sandbox", "api_id": "1"}
HERS = "447700900123"
HIS = "27999000001"


def ask(gateway, command, now=NOW, who=WHO, family="http", method="POST", **parameters):
    form = urlencode({**who, **parameters}, encoding="cp1252").encode()
    query, body = (form, b"") if method == "GET" else (b"", form)
    response = gateway.handle(f"/{family}/{command}", now, method=method, query=query, body=body)
    return response.body.decode()


def send(gateway, to=HERS, text="Hello", now=NOW, **options):
    return ask(gateway, "sendmsg", now, to=to, text=text, **options)


def send_unicode(gateway, text, **options):
    return send(gateway, text=text.encode("utf-16-be").hex(), unicode="1", **options)


def id_of(reply):
    return re.fullmatch(r"ID: ([0-9a-f]{32})", reply).group(1)


# What the handset shows, and how many parts that takes.


@pytest.mark.parametrize(
    "text",
    [
        "Grüße an Señor Ångström, 5 €",
        "a[b]{c}|d~e^f\\g",
        "one\ntwo\r\nthree",
        "¡£¤¥§¿ÄÅÆÉÑÖØÜßàäåæèéìñòöøùü",
        "@$_!'\"#%&",
    ],
)
def test_single_bytes_of_the_safe_set_arrive_as_written(text):
    gateway = Gateway()
    send(gateway, text=text, concat="3")
    assert gateway.messages[0].text == text


@pytest.mark.parametrize("text", ["Garçon", "ΔΦΓΛΩΠΨΣΘΞ", "`", "🎉 done 👩‍👩‍👧", "Ça va ?\nOui", "“quoted” – …", "[|]"])
def test_unicode_arrives_as_written(text):
    gateway = Gateway()
    send_unicode(gateway, text, concat="3")
    assert gateway.messages[0].text == text


@given(st.text(min_size=1, max_size=200))
def test_any_unicode_text_arrives_as_written(text):
    gateway = Gateway()
    id_of(send_unicode(gateway, text, concat="35"))
    assert gateway.messages[0].text == text


@given(st.binary(min_size=1, max_size=200))
def test_any_bytes_are_shown_as_something_of_the_gsm_alphabet(raw):
    gateway = Gateway()
    who = urlencode({**WHO, "to": HERS, "concat": "35", "text": raw}).encode()
    reply = gateway.handle("/http/sendmsg", NOW, body=who).body.decode()
    id_of(reply)
    (message,) = gateway.messages
    assert message.parts == len(parts_by_hand(message.text))


def parts_by_hand(text):
    """Split as 3GPP TS 23.040 does: 160 septets whole, else 153 each, no pair torn."""
    pieces = re.findall(r"[\^{}\\\[\]~|€]|.", text, re.DOTALL)
    cost = {piece: 1 + (piece in set("^{}\\[]~|€")) for piece in pieces}
    if sum(map(cost.__getitem__, pieces)) <= 160:
        return [text]
    parts = [""]
    left = 153
    for piece in pieces:
        if cost[piece] > left:
            parts.append("")
            left = 153
        parts[-1] += piece
        left -= cost[piece]
    return parts


@pytest.mark.parametrize(("written", "shown"), [("Tässä", "TA¤ssA¤"), ("évènement", 'AcvA"nement')])
def test_utf8_in_place_of_windows_1252_arrives_as_mojibake(written, shown):
    gateway = Gateway()
    body = urlencode({**WHO, "to": HERS, "text": written}).encode()
    gateway.handle("/http/sendmsg", NOW, body=body)
    assert gateway.messages[0].text == shown


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("a" * 459, 3),
        ("a" * 460, 4),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 158 + "€", 1),
        ("a" * 159 + "€", 2),
        ("a" * 152 + "€" + "a" * 152, 3),  # the pair moves to part 2 as a whole, and one character to part 3
        ("a" * 152 + "€" + "a" * 151, 2),
        ("a" * 5355, 35),
    ],
)
def test_gsm_parts_are_counted_to_the_border(text, parts):
    gateway = Gateway()
    send(gateway, text=text, concat="35")
    assert (gateway.messages[0].encoding, gateway.messages[0].parts) == ("gsm7", parts)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Ω" * 70, 1),
        ("Ω" * 71, 2),
        ("Ω" * 134, 2),
        ("Ω" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("😀" * 66, 2),
        ("😀" * 67, 3),  # 33 pairs a part: the last unit of each stays empty
        ("[" * 70, 1),
    ],
)
def test_unicode_parts_are_counted_to_the_border(text, parts):
    gateway = Gateway()
    send_unicode(gateway, text, concat="35")
    assert (gateway.messages[0].encoding, gateway.messages[0].parts) == ("ucs2", parts)


@pytest.mark.parametrize(("octets", "parts"), [(133, 1), (134, 2), (261, 2), (262, 3)])
def test_eight_bit_parts_count_the_user_data_header(octets, parts):
    gateway = Gateway()
    ask(gateway, "sendmsg", to=HERS, data="00" * octets, udh="06050415810000", concat="5")
    assert (gateway.messages[0].encoding, gateway.messages[0].parts) == ("8bit", parts)


# Who may call.


def test_a_session_lives_for_a_quarter_of_an_hour_after_its_last_use():
    gateway = Gateway()
    session = ask(gateway, "auth").removeprefix("OK: ")
    who = {"session_id": session}
    times = [NOW + timedelta(minutes=minutes) for minutes in (15, 30, 46)]
    assert [ask(gateway, "ping", now, who) for now in times] == ["OK: ", "OK: ", "ERR: 003, Session ID expired"]


def test_several_sessions_live_side_by_side_and_the_seed_decides_them():
    first, second = (ask(gateway, "auth") for gateway in (Gateway(seed=1), Gateway(seed=1)))
    gateway = Gateway(seed=1)
    sessions = [ask(gateway, "auth").removeprefix("OK: ") for _ in range(3)]
    assert first == second == f"OK: {sessions[0]}"
    assert len(set(sessions)) == 3
    assert all(ask(gateway, "ping", who={"session_id": session}) == "OK: " for session in sessions)


@pytest.mark.parametrize(
    ("who", "code"),
    [
        ({}, "001"),
        ({"x": "1"}, "005"),
        ({"session_id": "0" * 32}, "003"),
        ({**WHO, "password": "wrong"}, "001"),
        ({"user": "sandbox", "password": "sandbox"}, "108"),
        ({**WHO, "api_id": "2"}, "108"),
    ],
)
def test_a_call_by_somebody_else_is_refused(who, code):
    assert ask(Gateway(), "getbalance", who=who).startswith(f"ERR: {code}, ")


def test_a_ping_needs_a_session():
    assert ask(Gateway(), "ping") == "ERR: 005, Missing session ID"


@pytest.mark.parametrize(("number", "charge"), [("12125550123", "0.6"), ("353", "0.9"), ("27999000001", "0.5")])
def test_the_calling_code_decides_the_price(number, charge):
    assert ask(Gateway(), "routeCoverage", family="utils", msisdn=number).endswith(f"Charge: {charge}\n")


def test_a_post_that_is_no_form_has_no_parameters():
    body = urlencode(WHO).encode()
    response = Gateway().handle("/http/getbalance", NOW, body=body, content_type="text/plain")
    assert response.body == b"ERR: 001, Authentication failed"


def test_a_body_on_get_is_ignored():
    query = urlencode(WHO).encode()
    assert (
        Gateway().handle("/http/getbalance", NOW, method="GET", query=query, body=b'{"a": 1}').body.startswith(b"Cre")
    )


@pytest.mark.parametrize("path", ["/xml/xml", "/", "/soap/webservice.php", "/rest/message", "/https/auth"])
def test_other_interfaces_are_not_found(path):
    assert Gateway().handle(path, NOW).status == 404


@pytest.mark.parametrize(
    "path",
    [
        *["/http/nothing", "/http/startbatch", "/utils/auth", "/http/auth.asp", "/http", "/http/", "/http/a/b"],
        *["/mms/si_push", "/mms/ind_push.php", "/mms/", "/http_batch/sendmsg", "/utils", "/http/send\nmsg"],
    ],
)
def test_what_a_family_does_not_know_is_refused_in_the_language_of_the_gateway(path):
    gateway = Gateway()
    response = gateway.handle(path, NOW, body=urlencode(WHO).encode())
    assert (response.status, response.body) == (200, b"ERR: 101, Invalid or missing parameters")
    assert gateway.handle(path, NOW).body == b"ERR: 001, Authentication failed"


@pytest.mark.parametrize("command", ["routeCoverage", "routecoverage", "ROUTECOVERAGE.php", "routeCoverage/"])
def test_coverage_is_found_in_any_spelling(command):
    assert ask(Gateway(), command, family="utils", msisdn="44").endswith("Charge: 0.8\n")


# What is refused, in the documented order.


@pytest.mark.parametrize(
    ("code", "parameters"),
    [
        ("105", {"to": "", "text": "", "climsgid": "not one"}),
        ("107", {"text": "", "climsgid": "not one"}),
        ("101", {"climsgid": "not one", "udh": "00ff"}),
        ("101", {"climsgid": "x" * 33}),
        ("101", {"text": "a", "data": "00"}),
        ("102", {"udh": "00ff", "msg_type": "SMS_LOUD"}),
        ("112", {"msg_type": "SMS_LOUD", "deliv_time": "-1"}),
        ("112", {"msg_type": "SMS_FLASH", "udh": "06050415810000"}),
        ("116", {"unicode": "1", "text": "03A", "deliv_time": "-1"}),
        ("116", {"unicode": "1", "text": "D83D"}),
        ("120", {"deliv_time": "10081", "from": "far too long a sender"}),
        ("120", {"scheduled_time": "2026-03-11T10:00:00Z"}),
        ("120", {"scheduled_time": "2026-03-03T09:00:00Z"}),
        ("120", {"scheduled_time": "tomorrow"}),
        ("106", {"from": "far too long a sender", "text": "a" * 161}),
        ("106", {"from": "Shop", "binary": "1"}),
        ("106", {"from": "1" * 17}),
        ("113", {"text": "a" * 161, "to": "123"}),
        ("101", {"concat": "36"}),
        ("101", {"validity": "1441"}),
        ("101", {"validity": "0"}),
        ("101", {"callback": "8"}),
        ("101", {"unicode": "yes"}),
        ("105", {"to": "123"}),
        ("105", {"to": "+447700900123"}),
        ("105", {"to": "0447700900123"}),
        ("114", {"to": "8800000000000"}),
    ],
)
def test_a_bad_send_is_refused_with_the_first_code_that_applies(code, parameters):
    gateway = Gateway()
    assert send(gateway, **{"to": HERS, "text": "Hello", **parameters}).startswith(f"ERR: {code}, ")
    assert gateway.messages == []
    assert gateway.balance == 1000


def test_the_options_of_other_clients_are_accepted():
    options = {"mo": "1", "callback": "7", "deliv_ack": "1", "req_feat": "48", "queue": "1", "escalate": "1"}
    gateway = Gateway()
    id_of(send(gateway, cliMsgId="abc", **options))
    assert gateway.messages[0].options == options
    assert gateway.messages[0].climsgid == "abc"


@pytest.mark.parametrize(("method", "limit"), [("GET", 300), ("POST", 600)])
def test_a_list_is_limited(method, limit):
    numbers = [f"27999{number:06}" for number in range(limit)]
    gateway = Gateway()
    reply = ask(gateway, "sendmsg", method=method, to=",".join(numbers), text="Hello")
    assert [line.partition(" To: ")[2] for line in reply.split("\n")] == numbers
    assert ask(gateway, "sendmsg", method=method, to=",".join([*numbers, HERS]), text="Hi").startswith("ERR: 101, ")


def test_a_list_is_answered_line_by_line_in_its_order():
    lines = send(Gateway(), to=f"{HERS},123,27999100122,{HERS}").split("\n")
    shapes = [re.sub("[0-9a-f]{32}", "*", line) for line in lines]
    assert shapes == [
        f"ID: * To: {HERS}",
        "ERR: 105, Invalid Destination Address To: 123",
        "ERR: 122, Destination mobile opted out To: 27999100122",
        f"ID: * To: {HERS}",
    ]
    assert lines[0] != lines[3]


# What becomes of it.


def test_the_same_calls_give_the_same_outcome_in_any_order_and_over_32_threads():
    calls = [
        {
            "to": f"44770090{number % 300:04}",
            "text": f"Hello {number % 7}",
            "climsgid": f"c{number}" if number % 3 else "",
        }
        for number in range(600)
    ]

    def outcome(gateway):
        return sorted(
            (m.apimsgid, m.climsgid, m.to, m.text, m.status(LATER), m.charged(LATER)) for m in gateway.messages
        )

    in_order, shuffled, threaded = Gateway(seed=7), Gateway(seed=7), Gateway(seed=7)
    for call in calls:
        send(in_order, **call)
    for call in random.Random(0).sample(calls, len(calls)):
        send(shuffled, **call)
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(lambda call: send(threaded, **call), calls))
    assert outcome(in_order) == outcome(shuffled) == outcome(threaded)
    assert len({message.apimsgid for message in in_order.messages}) == 600
    other = Gateway(seed=8)
    send(other, **calls[0])
    assert other.messages[0].apimsgid != in_order.messages[0].apimsgid


def test_a_list_shares_its_climsgid_and_each_recipient_has_a_fate():
    gateway = Gateway()
    send(gateway, to=",".join(f"447700900{number:03}" for number in range(200)), climsgid="shared")
    assert {message.climsgid for message in gateway.messages} == {"shared"}
    assert len({message.apimsgid for message in gateway.messages}) == 200
    assert len({message.status(LATER) for message in gateway.messages}) > 1


def test_a_repeated_climsgid_is_a_second_message():
    gateway = Gateway()
    assert send(gateway, climsgid="same") != send(gateway, climsgid="same")
    assert len(gateway.messages) == 2


def test_most_ordinary_messages_are_delivered_within_minutes():
    gateway = Gateway(credits=10_000)
    for batch in range(10):
        send(gateway, to=",".join(f"27999000{number:03}" for number in range(500)), text=f"Hello {batch}")
    final = [message.status(NOW + timedelta(minutes=4)) for message in gateway.messages]
    shares = {status: final.count(status) / len(final) for status in set(final)}
    assert shares.keys() == {"003", "004", "007", "010"}
    assert shares["004"] == pytest.approx(0.94, abs=0.015)
    assert shares["007"] == pytest.approx(0.04, abs=0.01)
    assert shares["003"] == pytest.approx(0.01, abs=0.005)


@given(st.integers(0, 10_000))
def test_a_message_goes_its_way_in_order(seed):
    gateway = Gateway(seed=seed)
    send(gateway)
    (message,) = gateway.messages
    way = [message.status(NOW + timedelta(seconds=seconds / 2)) for seconds in range(400)]
    seen = list(dict.fromkeys(way))
    assert seen in (["008", "003", "004"], ["008", "003", "007"], ["008", "003"], ["008", "010"])


@pytest.mark.parametrize("row", Gateway.numbers(), ids=lambda row: row["forces"])
def test_a_magic_number_forces_what_the_list_says(row):
    gateway = Gateway()
    kind, forced = row["forces"].split(" ", 1)
    response = gateway.handle("/http/sendmsg", NOW, body=urlencode({**WHO, "to": row["number"], "text": "Hi"}).encode())
    if kind == "error":
        assert response.body.decode().startswith(f"ERR: {forced}, ")
    elif kind == "status":
        assert gateway.status_of(gateway.messages[0], LATER) == forced
    elif kind == "delay":
        minutes = int(forced.removesuffix(" min"))
        (message,) = gateway.messages
        assert message.status(NOW + timedelta(minutes=minutes)) == "004"
        assert minutes == 0 or message.status(NOW + timedelta(minutes=minutes, seconds=-1)) == "003"
    else:
        accepted = forced in {"lost", "slow", "drip", "truncated", "garbage", "html503", "error901_accepted"}
        assert len(gateway.messages) == accepted


def test_the_list_of_magic_numbers_says_when():
    happens = {row["number"]: row["happens"] for row in Gateway.numbers()}
    assert happens["27999200003"] == "Delivered to gateway: from the start, and it never changes"
    assert happens["27999200007"] == "Error delivering message: in the end"
    assert happens["27999300000"].startswith("accepted; delivered at once (")
    assert happens["27999300001"].startswith("accepted; delivered after 1 minute (")


@pytest.mark.parametrize(
    "number", ["27999123456", "27999000001", "27999100999", "27999200099", "27999400000", "27999400014"]
)
def test_other_numbers_of_that_range_are_ordinary(number):
    gateway = Gateway(seed=3)
    id_of(send(gateway, to=number))
    assert gateway.messages[0].status(NOW + timedelta(seconds=1)) == "008"


def test_a_deferred_message_waits_and_can_be_stopped():
    gateway = Gateway()
    apimsgid = id_of(send(gateway, deliv_time="30"))
    due = NOW + timedelta(minutes=30)
    assert ask(gateway, "querymsg", due - timedelta(seconds=1), apimsgid=apimsgid) == f"ID: {apimsgid} Status: 011"
    assert ask(gateway, "querymsg", due, apimsgid=apimsgid) == f"ID: {apimsgid} Status: 008"
    stopped = id_of(send(gateway, deliv_time="30"))
    assert ask(gateway, "delmsg", apimsgid=stopped.upper()) == f"ID: {stopped.upper()} Status: 006"
    assert ask(gateway, "querymsg", due, apimsgid=stopped) == f"ID: {stopped} Status: 006"


def test_a_message_can_be_scheduled_by_the_clock():
    gateway = Gateway()
    for instant in ("2026-03-03T12:00:00Z", str(int((NOW + timedelta(hours=2)).timestamp()))):
        id_of(send(gateway, scheduled_time=instant))
        assert gateway.messages[-1].due_at == NOW + timedelta(hours=2)


def test_a_message_that_has_left_cannot_be_stopped():
    gateway = Gateway()
    apimsgid = id_of(send(gateway, to="27999300000"))
    assert ask(gateway, "delmsg", LATER, apimsgid=apimsgid) == f"ID: {apimsgid} Status: 004"
    assert ask(gateway, "getmsgcharge", LATER, apimsgid=apimsgid) == f"apiMsgId: {apimsgid} charge: 0.5 status: 004"


def test_unknown_ids_are_answered_as_the_real_gateway_does():
    gateway, unknown = Gateway(), "7CC7f93f441819406a6c839564eb89f7"
    assert ask(gateway, "querymsg", apimsgid=unknown) == f"ID: {unknown} Status: 001"
    assert ask(gateway, "delmsg", apimsgid=unknown) == f"ID: {unknown} Status: 001"
    assert ask(gateway, "getmsgcharge", apimsgid=unknown) == f"apiMsgId: {unknown} charge: 0 status: 001"
    assert ask(gateway, "querymsg", apimsgid="nonsense") == "ERR: 103, Unknown API message ID"
    assert ask(gateway, "querymsg", climsgid="unheard") == "ERR: 104, Unknown client message ID"
    assert ask(gateway, "querymsg") == "ERR: 109, Missing message ID"


def test_a_message_is_found_by_the_callers_own_id_for_six_days():
    gateway = Gateway()
    apimsgid = id_of(send(gateway, to="27999300000", climsgid="mine"))
    assert ask(gateway, "querymsg", LATER, climsgid="mine") == f"ID: {apimsgid} Status: 004"
    week = NOW + timedelta(days=7)
    assert ask(gateway, "querymsg", week, climsgid="mine") == "ERR: 104, Unknown client message ID"
    assert ask(gateway, "getmsgcharge", week, climsgid="mine").endswith("charge: 0.5 status: 004")


def test_both_dialects_state_a_charge():
    classic, overview = Gateway(), Gateway(dialect="overview")
    first, second = id_of(send(classic)), id_of(send(overview))
    assert ask(classic, "getmsgcharge", apimsgid=first) == f"apiMsgId: {first} charge: 0.8 status: 008"
    assert ask(overview, "getmsgcharge", apimsgid=second) == f"ID: {second} Charge: 0.8 Status: 008"


# Money.


def test_the_credits_add_up_at_any_time():
    gateway = Gateway()
    numbers = [f"447700900{number:03}" for number in range(300)] + [f"27999200{code:03}" for code in range(1, 15)]
    send(gateway, to=",".join(numbers), text="a" * 200, concat="2")
    send(gateway, deliv_time="60")
    ask(gateway, "delmsg", apimsgid=gateway.messages[-1].apimsgid)
    send(gateway, to="27999200010", deliv_time="30")
    ask(gateway, "delmsg", apimsgid=gateway.messages[-1].apimsgid)
    send(gateway, max_credits="0.5")
    for minutes in (0, 1, 4, 60):
        now = NOW + timedelta(minutes=minutes)
        balance = Decimal(ask(gateway, "getbalance", now).removeprefix("Credit: "))
        assert balance == 1000 - sum(message.charged(now) for message in gateway.messages)
        assert balance == gateway.balance
    statuses = {message.status(LATER) for message in gateway.messages if not message.charged(LATER)}
    assert statuses == {"006", "009", "010", "012"}


def test_each_part_costs_the_price_of_its_country():
    gateway = Gateway()
    send(gateway, text="a" * 161, concat="3")
    assert (gateway.messages[0].price, gateway.messages[0].charge) == (Decimal("0.8"), Decimal("1.6"))
    assert gateway.balance == Decimal("998.4")
    assert len(gateway.prices()) >= 25


def test_without_credit_a_message_is_refused_one_by_one():
    gateway = Gateway(credits=1)
    lines = send(gateway, to=f"{HERS},{HERS},{HIS}").split("\n")
    assert lines[1:] == [f"ERR: 301, No Credit Left To: {HERS}", f"ERR: 301, No Credit Left To: {HIS}"]
    assert gateway.balance == Decimal("0.2")


def test_a_price_above_the_allowed_maximum_ends_in_009_and_is_given_back():
    gateway = Gateway()
    apimsgid = id_of(send(gateway, max_credits="0.79"))
    assert ask(gateway, "getmsgcharge", LATER, apimsgid=apimsgid) == f"apiMsgId: {apimsgid} charge: 0 status: 009"
    assert gateway.balance == 1000
    id_of(send(gateway, max_credits="0.8"))
    assert gateway.messages[-1].status(LATER) != "009"


def test_a_voucher_is_paid_out_once():
    gateway = Gateway()
    token = next(iter(gateway.vouchers))
    assert re.fullmatch(r"\d{16}", token)
    assert [ask(gateway, "token_pay", token=token) for _ in range(2)] == [
        "OK: 605",
        "ERR: 101, Invalid or missing parameters",
    ]
    assert gateway.balance == 1100
    assert token not in gateway.vouchers


# Batches.


def batch(gateway, command, now=NOW, **parameters):
    return ask(gateway, command, now, family="http_batch", **parameters)


def test_a_batch_fills_in_its_fields():
    gateway = Gateway()
    batch_id = id_of(
        batch(gateway, "startbatch", template="Hi #field1#, you owe #field2#.#field3#", **{"from": "Shop"})
    )
    batch(gateway, "senditem", batch_id=batch_id, to=HERS, field1="Zoé", field2="5 €", field9="unused")
    batch(gateway, "quicksend", batch_id=batch_id, to=f"{HERS},{HIS}")
    assert [message.text for message in gateway.messages] == ["Hi Zoé, you owe 5 €.", *["Hi , you owe ."] * 2]
    assert {message.sender for message in gateway.messages} == {"Shop"}


def test_a_batch_ends_when_told_or_after_a_day():
    gateway = Gateway()
    first, second = (id_of(batch(gateway, "startbatch", template="Hello")) for _ in range(2))
    assert first != second
    assert batch(gateway, "endbatch", batch_id=first) == "OK"
    assert batch(gateway, "senditem", batch_id=first, to=HERS) == "ERR: 201, Invalid batch ID"
    day = timedelta(hours=24)
    id_of(batch(gateway, "senditem", NOW + day, batch_id=second, to=HERS))
    assert batch(gateway, "senditem", NOW + day * 1.01, batch_id=second, to=HERS) == "ERR: 201, Invalid batch ID"


@pytest.mark.parametrize(
    ("code", "parameters"),
    [("202", {}), ("202", {"template": ""}), ("120", {"template": "Hi", "deliv_time": "soon"})],
)
def test_a_bad_batch_is_refused(code, parameters):
    assert batch(Gateway(), "startbatch", **parameters).startswith(f"ERR: {code}, ")


# Faults.


@pytest.mark.parametrize("name", ["throttled", "expired"])
def test_some_faults_hit_the_first_attempt_only_whatever_it_is_called(name):
    gateway = Gateway(faults=[Fault(name)])
    first, second = (send(gateway, climsgid=climsgid) for climsgid in ("mine", "mine2"))
    assert not first.startswith("ID: ")
    id_of(second)


def test_a_share_of_the_requests_is_hit_whatever_their_order():
    calls = [{"to": f"447700900{number:03}", "text": "Hello"} for number in range(1000)]

    def lost(calls):
        gateway = Gateway(seed=2, faults=[Fault("error901_accepted", share=0.1)])
        return {call["to"] for call in calls if send(gateway, **call).startswith("ERR: 901")}

    first = lost(calls)
    assert first == lost(calls[::-1])
    assert 60 < len(first) < 140


def test_faults_leave_other_commands_alone():
    gateway = Gateway(faults=[Fault("html502"), Fault("html503", commands=frozenset({"getbalance"}))])
    assert "502" in send(gateway)
    assert "503" in ask(gateway, "getbalance")
    assert ask(gateway, "auth").startswith("OK: ")


def test_a_fault_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="there are refused, reset, lost"):
        Fault("gremlins")
    with pytest.raises(ValueError, match="between 0 and 1"):
        Fault("lost", share=2)


def test_in_process_a_broken_connection_is_an_exception():
    gateway = Gateway()

    def post(to):
        return gateway.answer("/http/sendmsg", urlencode({**WHO, "to": to, "text": "Hi"}).encode(), NOW)

    with pytest.raises(ConnectionRefusedError):
        post("27999400001")
    with pytest.raises(ConnectionResetError):
        post("27999400002")
    assert gateway.messages == []
    with pytest.raises(ConnectionResetError):
        post("27999400003")
    assert len(gateway.messages) == 1
    status, headers, body = post("27999400010")
    assert (status, headers["Retry-After"], b"429" in body) == (429, "1", True)
    assert post("27999400010")[0] == 200


# Kept in a file.


def drive(gateway):
    """Do a little of everything that changes a gateway."""
    session = {"session_id": ask(gateway, "auth").removeprefix("OK: ")}
    ask(gateway, "sendmsg", who=session, to=HERS, text="Grüße", climsgid="mine")
    send(gateway, to=f"{HIS},123,27999400003,27999200009")
    send(gateway, to="27999400010")
    send(gateway, deliv_time="60")
    ask(gateway, "delmsg", apimsgid=gateway.messages[-1].apimsgid)
    ask(gateway, "token_pay", token=next(iter(gateway.vouchers)))
    batch_id = id_of(batch(gateway, "startbatch", template="Hi #field1#"))
    batch(gateway, "senditem", LATER, batch_id=batch_id, to=HERS, field1="you")
    return batch_id


def state(gateway):
    rows = [(m.apimsgid, m.to, m.text, m.status(LATER), m.charged(LATER)) for m in gateway.messages]
    return rows, ask(gateway, "getbalance", LATER), gateway.vouchers


def test_a_kept_gateway_goes_on_where_it_was(tmp_path):
    gateway, began = open_gateway(tmp_path / "box", seed=5, credits=50)
    assert began is None
    batch_id = drive(gateway)
    again, last = open_gateway(tmp_path / "box", seed=99, credits=1)
    assert last == LATER
    assert state(again) == state(gateway)
    id_of(batch(again, "senditem", LATER, batch_id=batch_id, to=HERS))
    id_of(send(again, to="27999400010"))  # its first attempt was throttled, before
    assert state(open_gateway(tmp_path / "box")[0]) == state(again)


def test_two_processes_with_the_same_file_know_the_same_messages(tmp_path):
    one, _ = open_gateway(tmp_path)
    two, _ = open_gateway(tmp_path)
    apimsgid = id_of(send(one, deliv_time="60"))
    id_of(send(two))
    assert send(one) != send(two)
    assert ask(two, "delmsg", apimsgid=apimsgid) == f"ID: {apimsgid} Status: 006"
    assert ask(one, "querymsg", apimsgid=apimsgid) == f"ID: {apimsgid} Status: 006"
    ask(two, "getbalance")
    assert state(one) == state(two) == state(open_gateway(tmp_path)[0])
    assert len(one.messages) == 4


def test_many_processes_may_write_at_once(tmp_path):
    gateways = [open_gateway(tmp_path)[0] for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda n: send(gateways[n % 4], text="Hello"), range(200)))
    assert len({id_of(reply) for reply in replies}) == 200
    assert len({str(state(gateway)) for gateway in gateways if ask(gateway, "getbalance")}) == 1


def test_the_file_is_private_and_holds_no_secret(tmp_path):
    gateway, _ = open_gateway(tmp_path, seed=5)
    drive(gateway)
    file = tmp_path / "gateway.jsonl"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for line in file.read_text().splitlines()[1:]:
        assert json.loads(line)["parameters"].keys().isdisjoint({"user", "password", "api_id", "session_id"})


def test_a_fault_of_the_first_run_is_replayed_as_it_was(tmp_path):
    gateway, _ = open_gateway(tmp_path, faults=[Fault("reset", share=0.5)])
    for number in range(50):
        send(gateway, to=f"447700900{number:03}")
    assert 0 < len(gateway.messages) < 50
    assert state(open_gateway(tmp_path)[0]) == state(gateway)


def test_a_line_that_a_crash_cut_off_is_forgotten(tmp_path):
    gateway, _ = open_gateway(tmp_path)
    send(gateway)
    with (tmp_path / "gateway.jsonl").open("a") as file:
        file.write('{"at": "2026-')
    again, _ = open_gateway(tmp_path)
    send(again)
    assert len(open_gateway(tmp_path)[0].messages) == 2


def test_another_file_is_not_taken_for_a_journal(tmp_path):
    (tmp_path / "gateway.jsonl").write_text('{"something": "else"}\n')
    with pytest.raises(ValueError, match="not the journal of a sandbox"):
        open_gateway(tmp_path)


def test_no_repr_shows_a_number_a_text_or_a_secret():
    gateway = Gateway(password="swordfish")
    ask(gateway, "sendmsg", who={**WHO, "password": "swordfish"}, to=HERS, text="private")
    shown = repr(gateway) + repr(gateway.messages) + repr(vars(gateway))
    assert not any(secret in shown for secret in ("swordfish", "private", HERS))
