"""A plan: who gets what, at what price, who is left out and why, and the token that stands for all of it."""

from __future__ import annotations

import os
import random
from collections import Counter
from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import clicknb as cn
from clicknb import testing
from clicknb.campaign.plan_repr import left_out_by_kind
from clicknb.campaign.variants import assign
from clicknb.errors import CampaignError, ConfirmationNeeded, InvalidInput, NotSent
from clicknb.kinds import KINDS, SKIPPED

SOAK = "CLICKNB_SOAK" in os.environ
COUNT = 10_000 if SOAK else 1_000


def people(count, first=0):
    numbers = [f"44770090{number:04d}" for number in range(first, first + count)]
    return pd.DataFrame({"mobile": numbers, "name": [f"Person {number}" for number in range(count)]})


@pytest.fixture
def sms():
    with cn.sandbox() as account:
        yield account


def plan(sms, frame=None, **options):
    given = {"to": "mobile", "text": "Hi {name}", "name": "x", **options}
    return sms.plan(people(20) if frame is None else frame, **given)


# the token


def mutated(frame, options, randomly):
    """Change one thing about a plan."""
    frame, options = frame.copy(), dict(options)
    row = randomly.choice(frame.index)
    kind = randomly.choice(
        ["number", "text", "cell", "sender", "option", "order", "duplicate", "variant seed", "refuse"]
    )
    if kind == "number":
        frame.loc[row, "mobile"] = f"447700901{randomly.randrange(1000):03d}"
    elif kind == "text":
        place = randomly.randrange(2)
        options["text"] = options["text"][:place] + randomly.choice("abcxyz!") + options["text"][place:]
    elif kind == "cell":
        frame.loc[row, "name"] += randomly.choice("abcé")
    elif kind == "sender":
        options["sender"] = f"Shop{randomly.randrange(10_000)}"
    elif kind == "option":
        options |= randomly.choice(
            [{"max_parts": 4}, {"mode": "list"}, {"budget": 50}, {"max_credits": 3}, {"max_parts": 5}, {"budget": 60.5}]
        )
    elif kind == "order":
        other = randomly.choice([label for label in frame.index if label != row])
        frame.loc[[row, other]] = frame.loc[[other, row]].to_numpy()
    elif kind == "duplicate":
        frame = pd.concat([frame, frame.loc[[row]]])
    elif kind == "variant seed":
        text = options["text"]
        options |= {"text": None, "variants": {"A": text, "B": f"{text}!"}, "seed": randomly.randrange(1000)}
    else:
        frame.loc[row, "mobile"] = "n/a"
    return kind, frame, options


@pytest.fixture
def live(sms):
    return testing.altered(sms, live=True)


def test_a_plan_that_differs_in_one_thing_from_what_was_confirmed_is_not_sent(live):
    frame, options = people(12), {"text": "Hi {name}", "sender": "Shop"}
    confirmed = plan(live, frame, **options).token
    randomly = random.Random(16)
    kinds = Counter()
    for _ in range(1000 if SOAK else 60):
        kind, other, changed = mutated(frame, options, randomly)
        kinds[kind] += 1
        with pytest.raises(ConfirmationNeeded):
            plan(live, other, **changed).send(confirmed)
    assert len(kinds) == 9
    assert testing.messages(live) == []


def test_the_same_people_and_text_give_the_same_token_whatever_the_index(sms):
    frame = people(12)
    again = plan(sms, frame.set_axis([f"row {number}" for number in range(12)]).copy())
    assert plan(sms, frame).token == again.token
    with cn.sandbox(seed=7) as other:
        assert plan(other, frame).token == again.token


def test_prices_have_no_say_in_the_token(sms):
    assert plan(sms).token == plan(sms, prices={"GB": 3}).token


def test_the_confirmed_plan_is_sent(live):
    made = plan(live)
    assert made.send(made.token, progress=False).counts == {"accepted": 20}


# variants


TEXTS = {"A": "Hi {name}", "B": "Dear {name}", "C": "{name}!"}


def test_each_variant_goes_to_as_many_people_and_says_its_text(sms):
    made = plan(sms, people(30), text=None, variants=TEXTS, seed=3)
    assert made.frame["variant"].value_counts().to_dict() == {"A": 10, "B": 10, "C": 10}
    for _, row in made.frame.iterrows():
        assert row["text"] == TEXTS[row["variant"]].format(name=f"Person {row['row']}")


def test_who_gets_which_variant_depends_on_the_seed_and_not_on_the_order(sms):
    frame = people(40)

    def given_to(frame, seed):
        shown = plan(sms, frame, text=None, variants=TEXTS, seed=seed).frame
        return dict(zip(shown["to"], shown["variant"], strict=True))

    assert given_to(frame, 1) == given_to(frame.sample(frac=1, random_state=5), 1)
    assert given_to(frame, 1) != given_to(frame, 2)


def test_a_row_keeps_its_variant_when_the_campaign_grows(sms):
    before = plan(sms, people(21), text=None, variants=TEXTS)
    campaign = before.send(progress=False)
    grown = plan(sms, people(60), text=None, variants=TEXTS)
    assert grown.frame["variant"].head(21).tolist() == before.frame["variant"].tolist()
    assert grown.frame["variant"].value_counts().tolist() == [20, 20, 20]
    grown.send(progress=False)
    assert campaign.outcomes["variant"].value_counts().tolist() == [20, 20, 20]
    assert len(testing.messages(sms)) == 60


def test_a_row_that_cannot_be_sent_gets_no_variant(sms):
    frame = people(5).assign(mobile=["n/a", *people(4)["mobile"]])
    made = plan(sms, frame, text=None, variants=TEXTS)
    assert made.frame["variant"].isna().tolist() == [True, False, False, False, False]
    assert made.frame["text"].iloc[0] == ""


@given(st.sets(st.text(min_size=1), max_size=60), st.integers(2, 5), st.integers(), st.data())
def test_variants_are_dealt_evenly_whatever_was_recorded(keys, count, seed, data):
    names = [f"V{number}" for number in range(count)]
    recorded = data.draw(st.dictionaries(st.sampled_from(sorted(keys)), st.sampled_from(names))) if keys else {}
    dealt = assign(keys, names, seed=seed, recorded=recorded)
    assert dealt.keys() == keys
    assert all(dealt[key] == variant for key, variant in recorded.items())
    before = Counter(dict.fromkeys(names, 0)) + Counter()
    before.update(recorded.values())
    after = Counter(dict.fromkeys(names, 0))
    after.update(dealt.values())
    fair = -(-len(keys) // count)
    assert all(after[name] <= max(fair, before[name]) for name in names)
    assert dealt == assign(sorted(keys), names, seed=seed, recorded=recorded)


@pytest.mark.parametrize(
    "options",
    [
        {"text": None},
        {"variants": TEXTS},
        {"text": None, "variants": {"A": "one alone"}},
        {"text": None, "variants": ["A", "B"]},
        {"text": None, "variants": {"A": "Hi", "B": 7}},
        {"prices": {"England": 1}},
        {"prices": {"GB": -1}},
        {"prices": 0.8},
        {"seed": 1.5},
        {"substitute": "yes"},
    ],
)
def test_options_that_make_no_sense_are_refused(sms, options):
    with pytest.raises(InvalidInput, match="Nothing was sent"):
        plan(sms, **options)


# prices


def test_the_upper_end_of_the_cost_comes_from_the_users_prices(sms):
    frame = people(3).assign(mobile=["447700900001", "14165550100", "447700900101"])
    made = plan(sms, frame, text="x" * 161, prices={"GB": 2, "44770090": 3, "1": 0.01}).frame
    assert made["credits_high"].tolist()[0] == 2 * 3  # the longer prefix counts
    assert made["credits_high"][1] == made["credits_low"][1]  # never less than the least


def test_the_upper_end_of_the_cost_comes_from_what_was_charged_before(sms):
    assert plan(sms).frame["credits_high"].isna().all()
    campaign = plan(sms).send(progress=False).track(progress=False)
    dearest = campaign.charges["charge"].max()
    later = plan(sms, people(10, first=100), text="y" * 161, name="later").frame
    assert later["credits_high"].tolist() == [2 * dearest] * 10


def test_the_users_prices_hold_where_the_gateway_states_none(sms):
    sms.context.ledger.set_price("FR", None, sms.now())
    frame = pd.DataFrame({"mobile": ["33639980001"], "name": ["Ann"]})
    made = plan(sms, frame, prices={"33": 1.5})
    assert made.frame["credits_low"].isna().all()
    assert made.frame["credits_high"].tolist() == [1.5]
    assert "at most 1.5 credits" in repr(made)


def test_a_destination_of_unknown_price_has_no_cost_rather_than_a_guess(sms):
    sms.context.ledger.set_price("FR", None, sms.now())
    made = plan(sms, people(3).assign(mobile=["447700900001", "33639980001", "33639980002"]))
    assert made.frame["credits_low"].isna().tolist() == [False, True, True]
    assert "without a price  2" in repr(made)
    assert made.countries.set_index("country").loc["FR", "without_price"] == 2


def test_countries_add_up_to_the_plan(sms):
    frame = people(6).assign(mobile=[*people(4)["mobile"], "14165550100", "61491570006"])
    made = plan(sms, frame)
    table = made.countries
    assert set(table["country"]) == {"GB", "CA", "AU"}
    assert table["messages"].sum() == 6
    assert table["credits_low"].sum() == pytest.approx(made.frame["credits_low"].sum())
    assert {name: str(kind) for name, kind in table.dtypes.items()} == {
        name: str(kind) for name, kind in cn.frames.COUNTRIES.items()
    }


def test_the_plan_counts_and_prices_every_message_as_the_gateway_does():
    randomly = random.Random(13)
    alphabet = ["a", "b", " ", "é", "€", "[", "ж", "😀", "“", "\n", "x" * 40]
    texts = ["".join(randomly.choices(alphabet, k=randomly.randrange(1, 60))) for _ in range(COUNT)]
    numbers = [f"27999{number:06d}" for number in range(COUNT // 2)] + [
        f"3363998{number:04d}" for number in range(COUNT // 2)
    ]
    frame = pd.DataFrame({"mobile": numbers, "text": texts})
    with cn.sandbox(credits=10**6) as sms:
        made = sms.plan(frame, to="mobile", text="{text}", name="many", max_parts=35)
        campaign = made.send(progress=False).track(progress=False)
        counted = {message.to: message.parts for message in testing.messages(sms)}
        shown = made.to_send
        assert len(shown) > 0.99 * COUNT
        assert dict(zip(shown["to"], shown["parts"], strict=True)) == counted
        charges = campaign.charges.dropna(subset="charge")
        assert len(charges) > 0.9 * COUNT
        refunded = charges["charge"] == 0
        charged, estimated = (
            [Decimal(str(value)).quantize(Decimal("0.000001")) for value in charges.loc[~refunded, name]]
            for name in ("charge", "estimated")
        )
        assert charged == estimated
        assert refunded.mean() < 0.2
        explained = campaign.residuals()
        assert set(explained["cause"]) <= {"as planned", "refunded", "not charged yet"}
        told = explained[explained["cause"] != "not charged yet"]
        assert round(told["charge"].sum() - told["estimated"].sum() - told["residual"].sum(), 6) == 0
        assert round(told["charge"].sum(), 6) == round(charges["charge"].sum(), 6)


# whom nobody may write to


def test_suppressed_numbers_are_left_out_with_the_reason(sms):
    assert sms.suppress(["447700900003", "+44 7700 900004"], source="replied STOP") == 2
    made = plan(sms)
    problems = made.frame["problem"].dropna()
    assert problems.index.tolist() == [3, 4]
    assert problems.iloc[0] == "suppressed: since 3 March 2026, replied STOP"
    made.send(progress=False)
    assert len(testing.messages(sms)) == 18
    assert {message.to for message in testing.messages(sms)}.isdisjoint({"447700900003", "447700900004"})


def test_a_suppression_holds_for_its_sender_id_alone(sms):
    sms.suppress("447700900003", sender="Shop")
    assert len(plan(sms, sender="Shop").to_send) == 19
    assert len(plan(sms, sender="SHOP").to_send) == 19
    assert len(plan(sms, sender="Clinic").to_send) == 20
    assert len(plan(sms).to_send) == 20


def test_a_single_message_to_a_suppressed_number_is_refused(sms):
    sms.suppress("447700900003", source="registry")
    with pytest.raises(InvalidInput, match=r"suppressed.*registry"):
        sms.send("447700900003", "Hi")
    assert testing.messages(sms) == []


def test_the_error_of_a_single_message_shows_no_number(sms):
    sms.suppress("447700900003", source="asked by phone, 447700900999")
    with pytest.raises(InvalidInput, match="suppressed") as refused:
        sms.send("447700900003", "Hi")
    assert "447700900" not in str(refused.value)


def test_a_suppression_can_be_lifted_and_set_again(sms):
    assert sms.suppress("447700900003") == 1
    assert sms.suppress("447700900003") == 0
    assert sms.unsuppress("447700900003", source="replied START") == 1
    assert sms.unsuppress("447700900003", source="replied START") == 0
    assert len(sms.suppressed) == 0
    assert len(plan(sms).to_send) == 20
    assert sms.suppress("447700900003", source="again") == 1
    assert sms.suppressed["source"].tolist() == ["again"]


def test_the_list_survives_export_and_import(sms, tmp_path):
    sms.suppress(people(7)["mobile"], source='said "stop", by phone')
    sms.suppress("447700900100", sender="Shop", source="=1+1")
    cn.export.to_csv(sms.suppressed, tmp_path / "list.csv", index=False)
    with cn.sandbox(tmp_path / "other") as other:
        assert other.suppress(cn.read_recipients(tmp_path / "list.csv")) == 8
        pd.testing.assert_frame_equal(other.suppressed, sms.suppressed)
    with cn.sandbox(tmp_path / "other") as again:
        pd.testing.assert_frame_equal(again.suppressed, sms.suppressed)


def test_a_list_with_something_else_in_it_is_refused_whole(sms):
    with pytest.raises(InvalidInput, match="1 of 2 cannot be read as numbers; row 2"):
        sms.suppress(["447700900003", "n/a"])
    assert len(sms.suppressed) == 0


def test_a_number_that_is_listed_for_several_sender_ids_is_suppressed_for_all_of_them(sms, tmp_path):
    sms.suppress("447700900003", sender="Shop")
    sms.suppress("447700900003", sender="Clinic")
    with cn.sandbox() as other:
        assert other.suppress(sms.suppressed.assign(to=["447700900003", "+44 7700 900003"])) == 2
        assert other.suppressed[["to", "scope"]].values.tolist() == sms.suppressed[["to", "scope"]].values.tolist()


@pytest.mark.parametrize("given", [None, 447700900123, pd.DataFrame({"to": ["447700900123"], "since": ["soon"]})])
def test_a_list_that_cannot_be_read_is_refused_in_words(sms, given):
    with pytest.raises(InvalidInput, match="Nothing was sent"):
        sms.suppress(given)
    assert len(sms.suppressed) == 0
    assert sms.suppress({"447700900123"}) == 1


# a test to oneself


def test_a_few_texts_go_to_oneself_first_and_are_not_part_of_the_campaign(sms):
    frame = people(9).assign(name=["Ann", "Ben", "x" * 200, "Dee", "Eve", "ж", "Gus", "Hal", "Ida"])
    made = plan(sms, frame, sender="Shop")
    sent = made.test("447700900199")
    assert sent.index.tolist() == [2, 0, 1]
    assert set(sent["to"]) == {"447700900199"}
    assert sent["text"].iloc[0] == "Hi " + "x" * 200
    assert set(sent["sender"]) == {"Shop"}
    with pytest.warns(cn.errors.AlreadySent):
        made.test("447700900199", rows=1)
    assert len(testing.messages(sms)) == 3
    with pytest.raises(CampaignError):
        sms.campaign("x")
    assert made.send(progress=False).counts == {"accepted": 9}


def test_a_test_needs_a_number_and_a_count(sms):
    with pytest.raises(InvalidInput, match="cannot be sent"):
        plan(sms).test("n/a")
    with pytest.raises(InvalidInput, match="rows must be"):
        plan(sms).test("447700900199", rows=0)
    assert testing.messages(sms) == []


def test_a_test_shows_every_variant_before_two_of_one(sms):
    made = plan(sms, text=None, variants={"A": "Dear {name}, " + "x" * 200, "B": "Hi {name}"})
    texts = made.test("447700900199", rows=3)["text"]
    assert sorted(text[:2] for text in texts.head(2)) == ["De", "Hi"]


# the budget


def test_a_plan_that_goes_beyond_its_budget_with_what_was_spent_before_is_not_sent(sms):
    frame = people(18)
    plan(sms, frame.head(10), budget=10).send(progress=False)
    more = plan(sms, frame, budget=10)
    assert "costs at least 6.4 credits after 8 credits that were spent before, more than its budget" in repr(more)
    with pytest.raises(InvalidInput, match=r"6\.4 credits after 8 credits"):
        more.send(progress=False)
    assert len(testing.messages(sms)) == 10
    assert plan(sms, frame.head(10), budget=1).send(progress=False).counts == {"accepted": 10}  # nothing is new


# what a campaign holds


def out_of_reach(_connections):
    message = "The gateway is away."
    raise NotSent(message)


def test_no_other_text_leaves_when_another_program_records_the_same_rows_at_the_same_moment(tmp_path):
    with cn.sandbox(tmp_path) as first, cn.sandbox(tmp_path) as second:
        mine, other = plan(first), plan(testing.altered(second, connect=out_of_reach), text="Hello {name}")
        add = first.context.ledger.add

        def slowly(*given):
            with pytest.raises(NotSent):
                other.send(progress=False)
            add(*given)

        first.context.ledger.add = slowly
        assert mine.send(progress=False).counts == {"planned": 20}
        assert testing.messages(first) == []


def test_a_campaign_shows_its_rows_in_the_order_of_the_plan_however_often_it_is_sent(sms):
    frame = people(5)
    frame.loc[[1, 3], "mobile"] = ["n/a", None]
    for _ in range(2):
        campaign = plan(sms, frame).send(progress=False)
        assert campaign.sends.index.tolist() == [0, 1, 2, 3, 4]


def test_a_reason_for_leaving_somebody_out_is_the_latest_one(sms):
    frame = people(3)
    frame.loc[1, "name"] = ""
    plan(sms, frame).send(progress=False)
    sms.suppress(frame["mobile"][1])
    campaign = plan(sms, frame.set_axis([7, 8, 9])).send(progress=False)
    assert campaign.sends["error"].dropna().tolist() == ["suppressed: since 3 March 2026"]


def test_a_cell_with_half_an_emoji_is_refused_and_the_others_are_sent(sms):
    frame = people(3)
    frame["name"] = pd.Series(["Ann", "Ben \ud83d", "Cat"], dtype="object")
    made = plan(sms, frame)
    assert made.frame["problem"].isna().tolist() == [True, False, True]
    assert "half of a broken emoji" in made.frame["problem"][1]
    assert "1 × broken emoji" in repr(made)
    assert made.send(progress=False).counts == {"accepted": 2, "skipped": 1}


def test_who_had_the_message_and_is_left_out_when_it_is_run_again_stays_one_row(sms):
    plan(sms, people(3)).send(progress=False)
    sms.suppress("447700900001")
    again = plan(sms, people(3))
    campaign = again.send(progress=False)
    assert campaign.counts == {"accepted": 3}
    assert again.sends()["state"].tolist() == ["accepted"] * 3


def test_every_row_that_is_left_out_has_a_kind_that_is_explained(live):
    cells = ["447700900001", "447700900001", "n/a", "447700900002", "447700900003", "447700900004", "14165550100"]
    numbers = [*cells, "447700900006", "447700900007", "447700900008", "447700900009"]
    names = ["Ann", "Ann", "Ann", "Ann", None, " ", "Ann", "\ud83d", "x" * 500, "Ann", "Ann"]
    zones = ["Europe/London"] * 6 + ["America/Toronto"] + ["Europe/London"] * 2 + ["Nowhere", "Europe/London"]
    frame = pd.DataFrame({"mobile": numbers, "name": names, "zone": zones})
    live.suppress("447700900002")
    live = testing.altered(live, allow=frozenset(set(numbers) - {"447700900009"}))
    early = {"hours": cn.Hours("office", {"Mon-Sun": "09:00-18:00"}), "zone": "zone"}
    made = plan(live, frame, text="{name}", max_parts=3, **early)
    kinds = ["duplicate", "no number", "suppressed", "unfit cell", "unfit cell"]
    kinds += ["outside hours", "broken emoji", "too many parts", "no zone", "not allowed"]
    left_out = made.frame[made.frame["problem"].notna()]
    assert left_out["kind"].tolist() == kinds
    assert set(made.to_send["kind"]) == {"no plus"}
    assert set(kinds) <= KINDS.keys() <= SKIPPED.keys()
    blank = pd.DataFrame({"mobile": ["447700900001"], "greeting": ""})
    assert plan(live, blank, text="{greeting|}").frame["kind"].tolist() == ["empty text"]
    reworded = left_out.assign(problem="x")
    assert left_out_by_kind(reworded) == left_out_by_kind(left_out) == Counter(kinds)


# what it says at a glance


def test_the_repr_says_what_would_leave_what_it_costs_and_what_to_look_at(live):
    frame = people(4).assign(mobile=["447700900001", "447700900001", "n/a", "14165550100"])
    live.suppress("14165550100")
    made = plan(live, frame, budget=0.1)
    shown = repr(made)
    for part in (
        "to send",
        "1 × suppressed",
        "1 × no number",
        "No sender ID",
        "more than its budget",
        made.token,
    ):
        assert part in shown
    assert "1 number reserved for tests" in shown
    assert "447700900001" not in shown
    assert "North America" not in shown
    assert "North America" in repr(plan(live, people(1).assign(mobile="12125550100")))


def test_a_plan_with_nothing_to_look_at_says_nothing(sms):
    assert plan(sms, sender="Shop").warnings == []


# what its texts cost, and what is odd about them


CURLY = people(30).assign(name=["Zoë", "Ann\u2019s", "Ben"] * 10)
LONG = "Hi {name}, it\u2019s time \u2013 " + "x" * 60


def test_the_autopsy_names_the_characters_that_make_a_plan_dear(sms):
    made = plan(sms, CURLY, text=LONG)
    found = made.autopsy().set_index("character")
    assert set(found.index) == {"\u2019", "\u2013", "ë"}
    assert found.loc["\u2019", "where"] == "both"
    assert found.loc["\u2019", "parts_added"] == 30
    assert "force Unicode, which adds 30 parts" in repr(made)
    assert "substitute=True would save" in repr(made)


def test_substitution_is_done_on_request_shown_and_saves_what_was_said(sms):
    before = plan(sms, CURLY, text=LONG)
    after = plan(sms, CURLY, text=LONG, substitute=True)
    saved = before.frame["parts"].sum() - after.frame["parts"].sum()
    assert saved == before.saving.parts_saved > 0
    assert len(before.substitutions) == 0
    changed = after.substitutions
    assert changed["after"].tolist() == after.frame.loc[changed.index, "text"].tolist()
    assert changed["before"].tolist() == before.frame.loc[changed.index, "text"].tolist()
    assert before.token != after.token
    after.send(progress=False)
    assert {message.text for message in testing.messages(sms)} == set(after.frame["text"])


def test_the_look_over_the_texts_names_what_a_colleague_would(sms):
    frame = people(6).assign(name=["Ann", None, "Ben", "Cat", "Dee", "Eve"])
    made = plan(sms, frame)
    assert made.lint()["finding"].tolist() == ["empty_cell"]
    assert "name is empty in 1 row" in repr(made)
    variants = plan(sms, frame, text=None, variants={"A": "Hi {name}", "B": "Hello %name%"})
    assert set(variants.lint()["where"].str[:1]) <= {"A", "B"}
    assert "foreign_placeholder" in set(variants.lint()["finding"])
