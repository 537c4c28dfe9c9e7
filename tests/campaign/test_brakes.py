"""What stops a campaign that goes wrong, to the message."""

from __future__ import annotations

from decimal import Decimal

import pytest

from clicknb.campaign.brakes import Brakes


@pytest.mark.parametrize("kind", ["unknown", "105", "114", "121"])
def test_half_of_a_hundred_answers_of_one_bad_kind_are_too_many(kind):
    brakes = Brakes(lambda: Decimal(0))
    for _ in range(50):
        brakes.answered("unknown" if kind == "unknown" else "rejected", kind)
    for _ in range(49):
        brakes.answered("accepted", "")
    assert brakes.reason() == ""  # a hundred are looked at, and there are 99
    brakes.answered("accepted", "")
    assert brakes.reason().startswith("50 of the latest 100 messages")
    brakes.answered("accepted", "")
    assert brakes.reason() == ""  # the first has left the hundred, and 49 are not half of it


@pytest.mark.parametrize("code", ["", "113", "122"])
def test_what_concerns_a_message_alone_stops_nothing(code):
    brakes = Brakes(lambda: Decimal(0))
    for _ in range(200):
        brakes.answered("rejected" if code else "accepted", code)
    assert brakes.reason() == ""


def test_the_balance_is_asked_before_the_first_message_and_after_every_fifty():
    asked = []
    brakes = Brakes(lambda: asked.append(True) or Decimal(100), budget=Decimal(10))
    brakes.reason()
    assert len(asked) == 1
    for expected in (2, 3):
        brakes.leaving(49)
        brakes.reason()
        assert len(asked) == expected - 1
        brakes.leaving(1)
        brakes.reason()
        assert len(asked) == expected
