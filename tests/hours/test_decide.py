import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicknb import frames
from clicknb.errors import ConfigError, InvalidInput
from clicknb.gateway.limits import FARTHEST
from clicknb.hours import decide as deciding
from clicknb.hours.decide import PRESETS, Hours, decide, decisions, rule_for, rules_for
from clicknb.hours.zones import WORLD, read_zone, zones_of

JOBURG, NEW_YORK, PHOENIX, HONOLULU = "27999123456", "12125550100", "16025550100", "18085550100"
LONDON, PARIS, AUSTRALIA = "447700900123", "33639981234", "61491570156"
COUNTRY = {JOBURG: "ZA", LONDON: "GB", PARIS: "FR", AUSTRALIA: "AU"}

problems = partial(deciding.problems, holds=FARTHEST)

NIGHT = Hours("night", {"Mon-Sun": "02:30-03:30"})
QUARTER = Hours("quarter", {"Mon-Sun": "01:15-01:45"})
EARLY = Hours("early", {"Mon-Sun": "00:30-01:30"})

# rule, number, instant in UTC, when it opens in UTC (None: it is open)
INSTANTS = [
    # the edges of a day in South Africa, which is two hours ahead all year
    ("ZA", JOBURG, "2026-03-03 05:59:59", "2026-03-03 06:00"),
    ("ZA", JOBURG, "2026-03-03 06:00:00", None),
    ("ZA", JOBURG, "2026-03-03 17:59:59", None),
    ("ZA", JOBURG, "2026-03-03 18:00:00", "2026-03-04 06:00"),
    ("ZA", JOBURG, "2026-03-03 21:59:59", "2026-03-04 06:00"),
    ("ZA", JOBURG, "2026-03-03 22:00:00", "2026-03-04 06:00"),
    # Saturdays and Sundays
    ("ZA", JOBURG, "2026-03-13 19:00:00", "2026-03-14 07:00"),
    ("ZA", JOBURG, "2026-03-14 06:59:59", "2026-03-14 07:00"),
    ("ZA", JOBURG, "2026-03-14 07:00:00", None),
    ("ZA", JOBURG, "2026-03-14 10:59:59", None),
    ("ZA", JOBURG, "2026-03-14 11:00:00", "2026-03-16 06:00"),
    ("ZA", JOBURG, "2026-03-15 08:00:00", "2026-03-16 06:00"),
    ("ZA", JOBURG, "2026-03-15 22:00:00", "2026-03-16 06:00"),
    # South African public holidays
    ("ZA", JOBURG, "2026-03-21 08:00:00", "2026-03-23 06:00"),  # Human Rights Day, a Saturday: not moved
    ("ZA", JOBURG, "2026-04-03 08:00:00", "2026-04-04 07:00"),  # Good Friday
    ("ZA", JOBURG, "2026-04-04 08:00:00", None),  # the Saturday of Easter is none
    ("ZA", JOBURG, "2026-04-06 08:00:00", "2026-04-07 06:00"),  # Family Day, Easter Monday
    ("ZA", JOBURG, "2025-04-28 08:00:00", "2025-04-29 06:00"),  # Freedom Day was a Sunday
    ("ZA", JOBURG, "2026-05-01 08:00:00", "2026-05-02 07:00"),  # Workers' Day
    ("ZA", JOBURG, "2026-08-09 08:00:00", "2026-08-11 06:00"),  # Women's Day, a Sunday, and the Monday after it
    ("ZA", JOBURG, "2026-08-10 08:00:00", "2026-08-11 06:00"),
    ("ZA", JOBURG, "2026-12-15 17:59:59", None),
    ("ZA", JOBURG, "2026-12-15 22:00:00", "2026-12-17 06:00"),  # Day of Reconciliation, from its first minute
    ("ZA", JOBURG, "2026-12-16 21:59:59", "2026-12-17 06:00"),
    ("ZA", JOBURG, "2026-12-25 08:00:00", "2026-12-28 06:00"),  # Christmas, Goodwill, Sunday
    ("ZA", JOBURG, "2026-12-31 18:00:00", "2027-01-02 07:00"),  # New Year's Day in the next year's list
    # New York: the clock goes forward on 8 March at 07:00 UTC, back on 1 November at 06:00 UTC
    ("US", NEW_YORK, "2026-03-07 12:59:59", "2026-03-07 13:00"),
    ("US", NEW_YORK, "2026-03-07 13:00:00", None),
    ("US", NEW_YORK, "2026-03-08 06:59:59", "2026-03-08 12:00"),
    ("US", NEW_YORK, "2026-03-08 07:00:00", "2026-03-08 12:00"),
    ("US", NEW_YORK, "2026-03-08 12:00:00", None),
    ("US", NEW_YORK, "2026-03-09 00:59:59", None),
    ("US", NEW_YORK, "2026-03-09 01:00:00", "2026-03-09 12:00"),
    ("US", NEW_YORK, "2026-11-01 05:30:00", "2026-11-01 13:00"),
    ("US", NEW_YORK, "2026-11-01 06:30:00", "2026-11-01 13:00"),
    ("US", NEW_YORK, "2026-11-01 12:59:59", "2026-11-01 13:00"),
    ("US", NEW_YORK, "2026-11-02 01:59:59", None),
    # places in the United States that never change the clock
    ("US", PHOENIX, "2026-07-01 14:59:59", "2026-07-01 15:00"),
    ("US", PHOENIX, "2026-12-01 15:00:00", None),
    ("US", HONOLULU, "2026-07-01 17:59:59", "2026-07-01 18:00"),
    # London: forward on 29 March, back on 25 October, both at 01:00 UTC
    ("UK", LONDON, "2026-03-28 08:59:59", "2026-03-28 09:00"),
    ("UK", LONDON, "2026-03-29 07:59:59", "2026-03-29 08:00"),
    ("UK", LONDON, "2026-10-24 19:00:00", "2026-10-25 09:00"),
    ("ZA", LONDON, "2026-03-30 06:59:59", "2026-03-30 07:00"),  # the rule of one country by the clock of another
    # France: Sundays and its own holidays
    ("EU", PARIS, "2026-07-13 18:00:00", "2026-07-15 07:00"),
    ("auto", PARIS, "2026-07-14 10:00:00", "2026-07-15 07:00"),
    # an Australian mobile may be in Perth (UTC+8) or on Lord Howe Island (UTC+11 in March, +10:30 in July)
    ("UK", AUSTRALIA, "2026-03-03 00:59:59", "2026-03-03 01:00"),
    ("UK", AUSTRALIA, "2026-03-03 08:59:59", None),
    ("UK", AUSTRALIA, "2026-03-03 09:00:00", "2026-03-04 01:00"),
    ("UK", AUSTRALIA, "2026-07-03 09:29:59", None),
    # hours that a change of the clock swallows, or shows twice
    (NIGHT, NEW_YORK, "2026-03-08 06:59:59", "2026-03-08 07:00"),
    (NIGHT, NEW_YORK, "2026-03-08 07:29:59", None),
    (NIGHT, NEW_YORK, "2026-03-08 07:30:00", "2026-03-09 06:30"),
    (QUARTER, NEW_YORK, "2026-11-01 05:44:59", None),
    (QUARTER, NEW_YORK, "2026-11-01 05:45:00", "2026-11-01 06:15"),
    (QUARTER, NEW_YORK, "2026-11-01 06:45:00", "2026-11-02 06:15"),
    (EARLY, NEW_YORK, "2026-11-01 05:30:00", "2026-11-01 06:00"),
]


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def series(*values):
    return pd.Series(values, dtype="str")


@pytest.mark.parametrize(("rule", "number", "now", "opens"), INSTANTS)
def test_instants(rule, number, now, opens):
    country = COUNTRY.get(number, "US")
    decided = decide(rule, zones_of(number, country), at(now), country)
    assert (decided.allowed, decided.opens_at) == (opens is None, at(opens) if opens else None)
    assert bool(decided.reason) != decided.allowed
    frame = decisions(rule, series(number), series(country), at(now))
    assert (frame["allowed"].item(), frame["record"].item()) == (decided.allowed, decided.to_json())


def test_there_are_instants_enough():
    assert len(INSTANTS) >= 40


# --- against a clock that is read every minute ---

ZONES = ["Africa/Johannesburg", "America/New_York", "Europe/London", "Australia/Lord_Howe", "Asia/Kathmandu"]
CHANGES = ["2026-03-08 06:00", "2026-11-01 05:00", "2026-03-29 00:00", "2026-04-04 14:00", "2026-10-25 00:00"]
EDGES = ["00:00", "00:45", "01:30", "02:00", "02:15", "03:10", "09:00", "20:00", "23:59"]


@given(
    zones=st.lists(st.sampled_from(ZONES), min_size=1, max_size=2),
    now=st.builds(
        lambda day, minutes: at(day) + timedelta(minutes=minutes), st.sampled_from(CHANGES), st.integers(-90, 240)
    ),
    edges=st.lists(st.sampled_from(EDGES), min_size=2, max_size=4, unique=True).filter(lambda edges: len(edges) != 3),
)
def test_it_opens_at_the_first_minute_at_which_every_clock_shows_open_hours(zones, now, edges):
    ordered = sorted(edges)
    spans = list(zip(ordered[::2], ordered[1::2], strict=True))

    def is_open(instant):
        clocks = [instant.astimezone(ZoneInfo(zone)) for zone in zones]
        return all(any(start <= f"{clock:%H:%M}" < end for start, end in spans) for clock in clocks)

    rule = Hours("test", {"Mon-Sun": ", ".join(f"{start}-{end}" for start, end in spans)})
    decided = decide(rule, zones, now)
    first = next((one for one in (now + timedelta(minutes=n) for n in range(1500)) if is_open(one)), None)
    assert decided.allowed == (first == now)
    if first is None:
        assert decided.opens_at is None or decided.opens_at >= now + timedelta(minutes=1500)
    elif not decided.allowed:
        assert decided.opens_at == first


@given(st.sampled_from([*PRESETS.values()]), st.sampled_from(ZONES), st.integers(0, 366 * 24 * 60))
def test_what_opens_is_open_and_the_second_before_is_not(rule, zone, minutes):
    decided = decide(rule, zone, at("2026-01-01") + timedelta(minutes=minutes), "ZA")
    if decided.allowed:
        return
    assert decide(rule, zone, decided.opens_at, "ZA").allowed
    assert not decide(rule, zone, decided.opens_at - timedelta(seconds=1), "ZA").allowed


# --- the zone of a number ---


@pytest.mark.parametrize(
    ("number", "country", "zones"),
    [
        (JOBURG, "ZA", ("Africa/Johannesburg",)),
        (LONDON, "GB", ("Europe/London",)),
        (PARIS, "FR", ("Europe/Paris",)),
        (NEW_YORK, "US", ("America/New_York",)),
        ("14165550100", "CA", ("America/Toronto",)),
        (PHOENIX, "US", ("America/Phoenix",)),
        ("990", None, WORLD),
        ("", None, WORLD),
    ],
)
def test_the_zones_of_a_number(number, country, zones):
    assert zones_of(number, country) == zones


def test_a_number_without_an_area_may_be_anywhere_in_its_country():
    toll_free = zones_of("1800", "US")
    assert {"America/New_York", "Pacific/Honolulu"} <= set(toll_free)
    assert not {"America/Toronto", "Europe/London"} & set(toll_free)
    assert {"Australia/Perth", "Australia/Sydney"} <= set(zones_of(AUSTRALIA, "AU"))


def test_a_number_of_which_nothing_is_known_must_be_within_hours_everywhere():
    for hour in range(24):
        decided = decide("US", (), at("2026-03-03") + timedelta(hours=hour))
        assert (decided.allowed, decided.opens_at) == (False, None)
    assert "zone is not known" in decided.reason
    sundays = Hours("no Sundays", {"Mon-Sat": "00:00-24:00"})
    assert decide(sundays, (), at("2026-03-04 12:00")).allowed
    assert not decide(sundays, (), at("2026-03-07 12:00")).allowed  # it is Sunday somewhere


def test_several_zones_are_named_as_what_they_are():
    decided = decide("UK", zones_of(AUSTRALIA, "AU"), at("2026-03-03 00:30"))
    assert "in Australia/Perth, where the number may be, outside" in decided.reason
    assert decided.zone == "Australia/Perth"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Africa/Johannesburg", "Africa/Johannesburg"),
        (" america/new york ", "America/New_York"),
        ("UTC", "UTC"),
        ("localtime", None),
        ("Factory", None),
        ("Europe", None),
        ("../../etc/passwd", None),
        ("", None),
        ("+02:00", None),
    ],
)
def test_the_name_of_a_zone(text, name):
    assert read_zone(text) == name


# --- many rows ---


def test_many_rows_keep_their_index_and_their_columns():
    index = pd.Index(["b", "a", "b", "c"])
    numbers, countries = (
        values.set_axis(index) for values in (series(JOBURG, None, NEW_YORK, LONDON), series("ZA", None, "US", "GB"))
    )
    decided = decisions("auto", numbers, countries, at("2026-03-14 13:00"))
    assert decided.index.equals(index)
    assert {name: str(dtype) for name, dtype in decided.dtypes.items()} == frames.HOURS
    assert decided["rule"].tolist()[::2] == ["ZA", "US"]
    assert decided["local_time"].tolist()[::2] == ["Sat 15:00 +02:00", "Sat 09:00 -04:00"]
    assert decided["allowed"].tolist() == [False, False, True, True]
    assert decided["opens_at"].iloc[0] == pd.Timestamp("2026-03-16 06:00", tz="UTC")
    assert decided.iloc[1].drop("allowed").isna().all()


def test_no_rows():
    decided = decisions("ZA", series(), series(), at("2026-03-14 13:00"), zones=series())
    assert {name: str(dtype) for name, dtype in decided.dtypes.items()} == frames.HOURS
    assert problems(decided, at("2026-03-14 13:00"), "schedule").tolist() == []


def test_a_column_of_zones_outweighs_the_number_and_a_wrong_name_is_a_problem_by_name():
    numbers, countries = series(*[NEW_YORK] * 4), series(*["US"] * 4)
    zones = pd.Series(["pacific/honolulu", None, " ", "Europe/Lodon"])
    now = at("2026-03-03 14:00")
    decided = decisions("US", numbers, countries, now, zones=zones)
    assert decided["zone"].tolist()[:3] == ["Pacific/Honolulu", "America/New_York", "America/New_York"]
    assert decided["allowed"].tolist() == [False, True, True, False]
    for outside in ("refuse", "schedule", "wait"):
        problem = problems(decided, now, outside).iloc[3]
        assert problem == "there is no time zone 'Europe/Lodon': did you mean 'Europe/London'?"


def test_neighbours_of_two_countries_have_two_rules():
    zones = series("Europe/London", "Europe/London")
    decided = decisions("auto", series(LONDON, PARIS), series("GB", "FR"), at("2026-03-15 12:00"), zones=zones)
    assert (decided["rule"].tolist(), decided["allowed"].tolist()) == (["UK", "EU"], [True, False])


def test_a_wrong_zone_shows_no_number():
    decided = decisions("US", series(NEW_YORK), series("US"), at("2026-03-03 14:00"), zones=series(LONDON))
    assert LONDON not in decided["reason"].item()


def test_what_was_decided_can_be_kept_and_says_by_which_rule():
    decided = decide("ZA", "Africa/Johannesburg", at("2026-08-10 08:00"))
    kept = json.loads(decided.to_json())
    assert kept["holidays"]
    assert kept == {
        "rule": "ZA",
        "version": PRESETS["ZA"].version,
        "holidays": kept["holidays"],
        "zone": "Africa/Johannesburg",
        "local_time": "2026-08-10T10:00:00+02:00",
        "allowed": False,
        "opens_at": "2026-08-11T06:00:00+00:00",
    }
    assert len(decided.to_json()) < 300
    versions = {
        Hours("x", {"Mon": hours}, holidays=code).version
        for hours in ("08:00-20:00", "08:00-20:01")
        for code in (None, "ZA")
    }
    assert len(versions) == 4


# --- policies ---


def test_refusing_tells_the_local_time_the_rule_and_when_it_opens():
    now = at("2026-03-15 08:00")
    decided = decisions("ZA", series(JOBURG, JOBURG), series("ZA", "ZA"), now)
    assert problems(decided, now).tolist()[0] == (
        "it is Sun 10:00 in Africa/Johannesburg, and the ZA hours leave out Sundays; they begin on Mon 16 at 08:00"
    )
    holiday = decide("ZA", "Africa/Johannesburg", at("2026-08-10 08:00")).reason
    assert "leave out public holidays (National Women's Day (observed))" in holiday


def test_a_row_within_hours_has_no_problem_under_any_policy():
    now = at("2026-03-03 10:00")
    decided = decisions("ZA", series(JOBURG), series("ZA"), now)
    assert [problems(decided, now, outside).isna().item() for outside in ("refuse", "schedule", "wait")] == [True] * 3


def test_the_gateway_holds_a_message_for_seven_days_and_the_program_for_longer():
    fridays = Hours("Fridays", {"Fri": "09:00-10:00"}, holidays="ZA")
    now = at("2026-04-24 08:00")  # a Friday; the next is a holiday
    decided = decisions(fridays, series(JOBURG), series("ZA"), now)
    assert decided["opens_at"].item() == pd.Timestamp("2026-05-08 07:00", tz="UTC")
    assert problems(decided, now, "wait").isna().all()
    assert (
        problems(decided, now, "schedule").item().endswith("later than the 7 days that the gateway can hold a message")
    )
    later = now + timedelta(days=7)
    decided = decisions(fridays, series(JOBURG), series("ZA"), later)
    assert problems(decided, later, "schedule").isna().all()


def test_what_never_opens_is_a_problem_under_every_policy():
    now = at("2026-03-03 10:00")
    decided = decisions("US", series("990"), pd.Series([None], dtype="str"), now)
    assert [problems(decided, now, outside).notna().item() for outside in ("refuse", "schedule", "wait")] == [True] * 3


def test_an_unknown_policy_is_refused():
    with pytest.raises(InvalidInput, match="outside must be one of"):
        problems(decisions("US", series(), series(), at("2026-03-03")), at("2026-03-03"), "later")


# --- rules ---


def test_presets_say_where_they_come_from_and_whether_they_are_law():
    assert {name: rule.law for name, rule in PRESETS.items()} == {"ZA": True, "US": True, "UK": False, "EU": False}
    assert all(rule.source for rule in PRESETS.values())
    assert all("not law" in rule.source for rule in PRESETS.values() if not rule.law)


def test_which_countries_have_a_rule():
    assert rules_for(["KE", "US", None, float("nan"), "GB", "US", "DE"]) == {"US": "US", "GB": "UK", "DE": "EU"}
    assert rules_for([]) == {}


def test_each_country_by_its_own_rule():
    assert [rule_for("auto", country) for country in ("ZA", "PR", "JE", "KE", None)] == [
        PRESETS["ZA"],
        PRESETS["US"],
        PRESETS["UK"],
        None,
        None,
    ]
    decided = decide("auto", "Africa/Nairobi", at("2026-03-03 00:00"), "KE")
    assert (decided.allowed, decided.rule, decided.reason) == (True, None, "")
    assert json.loads(decided.to_json())["rule"] is None


def test_a_country_whose_holidays_nobody_knows_is_never_open_under_local_holidays():
    decided = decide("EU", "Atlantic/St_Helena", at("2026-03-03 12:00"), "TA")
    assert (decided.allowed, decided.opens_at) == (False, None)
    assert "TA's are not known" in decided.reason
    assert not decide("EU", "Europe/Paris", at("2026-03-03 12:00")).allowed  # whose holidays?


def test_hours_of_ones_own():
    rule = Hours("shop", {"mon-Fri": "9:00-12:00, 14:00–18:00", "Sat": "", "sun": "00:00-24:00"})
    assert repr(rule) == "Hours('shop': Mon-Fri 09:00-12:00, 14:00-18:00, Sun 00:00-24:00)"
    assert rule == Hours(
        "shop", {"Sun": "00:00-24:00", "Mon-Thu": "09:00-12:00,14:00-18:00", "Fri": "09:00-12:00, 14:00-18:00"}
    )
    assert decide(rule, "UTC", at("2026-03-08 23:59:59")).allowed  # a Sunday
    assert decide(rule, "UTC", at("2026-03-09 12:00")).opens_at == at("2026-03-09 14:00")


@pytest.mark.parametrize(
    ("week", "said"),
    [
        ({}, "must be a dict"),
        ("08:00-20:00", "must be a dict"),
        ({"Mon": ""}, "never open"),
        ({"Monday": "08:00-20:00"}, "'Monday' is no day"),
        ({"Fri-Mon": "08:00-20:00"}, "past the end of the week"),
        ({"Mon-Fri": "08:00-20:00", "Fri": "08:00-12:00"}, "has Fri more than once"),
        ({"Mon": "22:00-06:00"}, "does not end later on the same day"),
        ({"Mon": "08:00-08:00"}, "does not end later on the same day"),
        ({"Mon": "08:00-24:30"}, "does not end later on the same day"),
        ({"Mon": "8-20"}, "no span of hours"),
        ({"Mon": "08:00-20:60"}, "no span of hours"),
        ({"Mon": "08:00-12:00, 11:00-20:00"}, "overlap"),
        ({"Mon": 8}, "must be a text"),
        ({1: "08:00-20:00"}, "is no day"),
    ],
)
def test_wrong_hours_are_refused(week, said):
    with pytest.raises(InvalidInput, match=said):
        Hours("mine", week)


@pytest.mark.parametrize(
    ("use", "said"),
    [
        (lambda: Hours("mine", {"Mon": "08:00-20:00"}, holidays="XX"), "'XX' is no country code"),
        (lambda: Hours("two\nlines", {"Mon": "08:00-20:00"}), "control character"),
        (
            lambda: decide("GB", "Europe/London", at("2026-03-03")),
            "hours must be one of 'ZA', 'US', 'UK', 'EU', 'auto'",
        ),
        (lambda: decide("UK", "Europe/Lodon", at("2026-03-03")), "did you mean 'Europe/London'"),
        (lambda: decide("UK", "../secret", at("2026-03-03")), "There is no time zone"),
        (lambda: decide("UK", "Europe/London", datetime(2026, 3, 3)), "must have a zone"),  # noqa: DTZ001
        (lambda: decide("UK", "Europe/London", "2026-03-03"), "this is .2026-03-03"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_read_is_refused(use, said):
    with pytest.raises(InvalidInput, match=said):
        use()


# --- what may be missing ---


def test_without_the_package_holidays_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "holidays", None)
    with pytest.raises(ConfigError, match=r"pip install 'clicknb\[hours\]'"):
        decide("ZA", "Africa/Johannesburg", at("1999-03-03 10:00"))
    assert decide("US", "America/New_York", at("1999-03-03 18:00")).allowed


@pytest.mark.parametrize("use", ["decide('US', 'America/New_York', now)", "zones_of('447700900123', 'GB')"])
def test_without_time_zone_data_it_says_how_to_get_it(use):
    script = (
        "import sys; sys.modules['tzdata'] = None\n"
        "from datetime import datetime, UTC\n"
        "from clicknb.hours.decide import decide, zones_of\n"
        "from clicknb.errors import ConfigError\n"
        "now = datetime(2026, 3, 3, tzinfo=UTC)\n"
        f"try: {use}\nexcept ConfigError as error: print(error)"
    )
    command = [sys.executable, "-B", "-W", "error", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONTZPATH": ""})
    assert "pip install 'clicknb[hours]'" in done.stdout, done.stderr
