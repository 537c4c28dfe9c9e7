"""Numbers against ``phonenumbers``, exact lengths, and thousands of damages of which the truth is known."""

from __future__ import annotations

from random import Random

import pandas as pd
import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneMetadata, PhoneNumberType

from clicknb.recipients import numbering
from clicknb.recipients.doctor import doctor
from clicknb.recipients.numbers import EXACT_LENGTHS, normalise

HOMES = ("GB", "ZA", "US", "NG", "KE", "FR")
REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
TYPES = [getattr(PhoneNumberType, name) for name in ("MOBILE", "FIXED_LINE", "TOLL_FREE", "PREMIUM_RATE", "VOIP")]


def library(text, region):
    """What the library alone says: code, national number and country, or None."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    country = phonenumbers.region_code_for_number(number)
    return str(number.country_code), phonenumbers.national_significant_number(number), country


def mutated(draw, region):
    """A number of the region, or one nearly so."""
    example = None
    while example is None:
        example = phonenumbers.example_number_for_type(region, draw.choice(TYPES))
    digits = list(phonenumbers.national_significant_number(example))
    for place in draw.sample(range(len(digits)), min(draw.choice((0, 1, 3)), len(digits))):
        digits[place] = draw.choice("0123456789")
    change = draw.random()
    cut = digits[:-1] if change < 0.15 else [*digits, draw.choice("0123456789")] if change > 0.85 else digits
    return str(example.country_code), "".join(cut)


# --- the fast path says what the library says ---


@pytest.mark.parametrize("home", REGIONS)
def test_the_fast_path_agrees_with_the_library(home):
    draw = Random(home)
    for region in (home, home, home, draw.choice(REGIONS)):
        for _ in range(8):
            code, national = mutated(draw, region)
            for written in (national, f"0{national}", f"8{national}", code + national, f"{code}0{national}"):
                if found := numbering.national(written, home):
                    assert (tuple(found) if found.country else None) == library(written, home), (written, home)
                if found := numbering.international(written):
                    assert (tuple(found) if found.country else None) == library(f"+{written}", None), written


@pytest.mark.parametrize("home", HOMES)
def test_whole_numbers_of_home_take_the_fast_path(home):
    draw = Random(home)
    code = str(phonenumbers.country_code_for_region(home))
    for _ in range(50):
        digits = mobile(draw, home)
        assert numbering.international(digits) == (code, digits.removeprefix(code), home)
        assert numbering.national(digits, home) == (code, digits.removeprefix(code), home)
        assert numbering.national(trunk(home) + digits.removeprefix(code), home) is not None


@given(st.text("0123456789", min_size=3, max_size=16), st.sampled_from(REGIONS))
def test_any_digits_get_the_verdict_of_the_library_or_a_stricter_one(digits, home):
    verdict = normalise(f"+{digits}")
    known = library(f"+{digits}", None)
    if digits.startswith("00") or verdict.to is None:
        return
    if known is None:
        assert verdict.to != digits or normalise(f"+{digits}").country  # a reserved number
    else:
        assert (verdict.to, verdict.country) == (known[0] + known[1], known[2])


# --- exact lengths ---


@pytest.mark.parametrize("code", EXACT_LENGTHS)
def test_mobiles_of_home_countries_have_exactly_their_length(code):
    beginnings, length = EXACT_LENGTHS[code]
    region = phonenumbers.region_code_for_country_code(int(code))
    draw = Random(code)
    for _ in range(300):
        size = draw.choice([size for size in range(4, 15) if size != length])
        first = draw.choice(beginnings) or draw.choice("23456789")
        national = first + "".join(draw.choices("0123456789", k=size - 1))
        verdict = normalise(f"+{code}{national}")
        assert verdict.to is None, (code, national, region)
        assert normalise(trunk(region) + national, region).to in {None, *whole(code, national, length)}


def whole(code, national, length):
    """The digits as a whole number, if they begin with the calling code and are as many as that has."""
    return [national] if national.startswith(code) and len(national) == len(code) + length else []


def test_what_the_library_alone_takes_for_south_african_is_refused():
    for national in ("82111", "821112", "8211122", "82111222"):
        assert library(f"+27{national}", None)
        assert normalise(f"+27{national}").kind == "too short"
    toll_free = "+234800" + "1234567890"  # fourteen digits
    assert library(toll_free, None)
    assert normalise(toll_free).kind == "too long"


def test_landlines_are_numbers_but_not_mobiles_and_some_are_short():
    example = phonenumbers.example_number_for_type("GB", PhoneNumberType.FIXED_LINE)
    short = next(
        national for last in range(10**5) if library(f"+44{(national := f'1204{last:05}')}", None)
    )  # nine digits
    for national in (phonenumbers.national_significant_number(example), short):
        verdict = normalise(f"0{national}", "GB")
        assert (verdict.to, verdict.sure, verdict.kind) == (f"44{national}", "guess", "landline")


def test_a_number_after_00_that_may_have_lost_a_digit_is_a_guess():
    digits = next(digits for last in range(10**5) if library(f"+{(digits := f'247{last:05}')}", None))
    assert normalise(f"00{digits}", "NG").kind == "other country"
    assert normalise(f"00{digits}").kind == "short without plus"
    assert normalise(f"+{digits}", "NG").sure == "certain"


# --- damages of which the truth is known ---


def mobile(draw, home):
    """Draw a mobile number of a country that belongs to no one we know of."""
    code = str(phonenumbers.country_code_for_region(home))
    example = phonenumbers.national_significant_number(
        phonenumbers.example_number_for_type(home, PhoneNumberType.MOBILE)
    )
    while True:
        digits = code + example[:2] + "".join(draw.choices("0123456789", k=len(example) - 2))
        if library(f"+{digits}", None) == (code, digits.removeprefix(code), home) and not digits.endswith("00000"):
            return digits


def trunk(home):
    return PhoneMetadata.metadata_for_region(home).national_prefix or ""


def wide(text):
    return text.translate({ord(digit): chr(ord(digit) + 0xFEE0) for digit in "0123456789+"})


def arabic(text):
    return text.translate({ord(digit): chr(0x660 + int(digit)) for digit in "0123456789"})


def short_form(digits, decimals, point="."):
    mantissa = f"{int(digits) / 10 ** (len(digits) - 1):.{decimals}f}"
    return f"{mantissa.replace('.', point)}E+{len(digits) - 1}"


def thousands(digits):
    return f"{int(digits):,}"


RECOVERABLE = {
    "plus": lambda draw, n: f"+{n.code}{n.national}",
    "spaces": lambda draw, n: f"+{n.code} {n.national[:3]} {n.national[3:6]} {n.national[6:]}",
    "brackets": lambda draw, n: f"({n.trunk}{n.national[:3]}) {n.national[3:6]}-{n.national[6:]}",
    "dots": lambda draw, n: f"{n.trunk}{n.national[:3]}.{n.national[3:6]}.{n.national[6:]}",
    "00": lambda draw, n: f"00{n.code}{n.national}",
    "00 spaced": lambda draw, n: f"00 {n.code} {n.national[:2]} {n.national[2:]}",
    "no plus": lambda draw, n: n.code + n.national,
    "national": lambda draw, n: n.trunk + n.national,
    "zero lost": lambda draw, n: n.national,
    "zero lost, whole": lambda draw, n: int(n.national),
    "whole": lambda draw, n: int(n.code + n.national),
    "decimal": lambda draw, n: f"{n.code}{n.national}.0",
    "decimal, zero lost": lambda draw, n: f"{n.national}.0",
    "float": lambda draw, n: float(n.code + n.national),
    "float, zero lost": lambda draw, n: float(n.national),
    "(0)": lambda draw, n: f"+{n.code} ({n.trunk or '0'}) {n.national}" if n.trunk == "0" else f"+{n.code}{n.national}",
    "apostrophe": lambda draw, n: f"'{n.trunk}{n.national}",
    "curly apostrophe": lambda draw, n: f"’+{n.code}{n.national}",
    "formula": lambda draw, n: f'="{n.trunk}{n.national}"',
    "quotes": lambda draw, n: f'"{n.code}{n.national}"',
    "wide": lambda draw, n: wide(f"+{n.code}{n.national}"),
    "arabic": lambda draw, n: arabic(n.trunk + n.national),
    "bidi": lambda draw, n: f"\u202a+{n.code}{n.national}\u202c",
    "zero width": lambda draw, n: f"\u200b{n.trunk}{n.national}\ufeff",
    "no-break": lambda draw, n: f"{n.trunk}{n.national[:3]}\u00a0{n.national[3:]}",
    "dashes": lambda draw, n: f"+{n.code}\u2011{n.national[:4]}\u2013{n.national[4:]}",
    "comma after": lambda draw, n: f"{n.trunk}{n.national},",
    "tab": lambda draw, n: f"\t{n.trunk}{n.national} \r\n",
    "scientific": lambda draw, n: short_form(n.digits, len(n.digits) - 1),
    "scientific, comma": lambda draw, n: short_form(n.digits, len(n.digits) - 1, ","),
    "scientific, padded": lambda draw, n: short_form(n.digits, len(n.digits) - 1).replace("E", "000E"),
    "thousands": lambda draw, n: thousands(n.digits),
}

SCIENTIFIC = {
    "shortened": lambda draw, n: short_form(n.digits, draw.randrange(2, len(n.digits) - 1)),
    "shortened, comma": lambda draw, n: short_form(n.digits, draw.randrange(1, len(n.digits) - 1), ","),
    "shortened, small": lambda draw, n: short_form(n.digits, draw.randrange(2, 7)).replace("E+", "e"),
    "shortened, zero lost": lambda draw, n: short_form(n.national, draw.randrange(2, len(n.national) - 1)),
}

LOSSY = SCIENTIFIC | {
    "a digit lost": lambda draw, n: cut(draw, n, n.trunk + n.national, len(n.trunk)),
    "a digit lost abroad": lambda draw, n: "+" + cut(draw, n, n.digits, len(n.code)),
    "a digit lost, no plus": lambda draw, n: cut(draw, n, n.digits, len(n.code)),
    "a digit too many": lambda draw, n: f"{n.trunk}{n.national}{draw.randrange(10)}",
    "cut off": lambda draw, n: f"+{n.digits[: draw.randrange(4, len(n.digits) - 1)]}",
    "cut off at home": lambda draw, n: f"{n.trunk}{n.national[: draw.randrange(3, len(n.national) - 1)]}",
    "rounded": lambda draw, n: int(n.digits) // 10**6 * 10**6,
    "rounded float": lambda draw, n: float(int(n.digits) // 10**5 * 10**5),
    "two": lambda draw, n: draw.choice(("{0}/{1}", "{0},{1}", "{0} {1}", "{0}\n{1}", "{0} or {1}", "{0};{1}")).format(
        n.trunk + n.national, n.trunk + n.national[::-1]
    ),
    "letters": lambda draw, n: f"{n.trunk}{n.national[:3]}O{n.national[4:]}",
    "decimals": lambda draw, n: f"{n.digits}.{draw.randrange(1, 10)}",
}


class Number:
    def __init__(self, digits, home):
        self.digits, self.home, self.trunk = digits, home, trunk(home) if trunk(home) == "0" else ""
        self.code = str(phonenumbers.country_code_for_region(home))
        self.national = digits.removeprefix(self.code)


def cut(draw, number, text, after):
    place = draw.randrange(after, len(text))
    return text[:place] + text[place + 1 :]


def damaged(damages, count, seed):
    draw = Random(seed)
    names = list(damages)
    for turn in range(count):
        home = HOMES[turn % len(HOMES)]
        number = Number(mobile(draw, home), home)
        name = names[turn // len(HOMES) % len(names)]
        yield name, number, damages[name](draw, number)


def read(damages, country=None):
    """What the doctor says of mixed cells; all in one column for each country that is named."""
    for home in HOMES:
        cases = [case for case in damages if case[1].home == home]
        cells = pd.Series([cell for _, _, cell in cases], dtype=object)
        checked = doctor(pd.DataFrame({"to": cells}), to="to", country=country and country(home))
        yield from zip(cases, checked.itertuples(), strict=True)


def test_what_can_be_recovered_is_recovered():
    damages = list(damaged(RECOVERABLE, 2500, seed=1))
    wrong, lost = [], []
    for (name, number, cell), row in read(damages, country=str):
        if isinstance(row.to, str) and row.to != number.digits:
            wrong.append((name, number.home, cell, row.to))
        elif not isinstance(row.to, str):
            lost.append((name, number.home, cell, row.problem))
    assert wrong == []
    assert len(lost) <= 0.05 * len(damages), lost[:20]


@pytest.mark.parametrize("country", [str, None], ids=["country named", "no country"])
def test_what_is_lost_is_never_taken_for_certain(country):
    wrong = [
        (name, number.home, cell, row.to, row.sure)
        for (name, number, cell), row in read(list(damaged(LOSSY, 2500, seed=2)), country)
        if isinstance(row.to, str) and row.sure != "guess" and row.to != number.digits
    ]
    assert wrong == []


def test_scientific_notation_that_lost_digits_is_always_refused():
    for _, number, cell in damaged(SCIENTIFIC, 2000, seed=3):
        for country in (number.home, None):
            assert normalise(cell, country).kind == "lost digits", cell
