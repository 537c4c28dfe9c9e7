"""Write clicknb/data/people.csv: the 1,200 invented people of ``clicknb demo``, always the same ones.

Names are common ones put together by chance. Numbers are only from ranges that are reserved for fiction and tests, and
spelled as people spell them. Thirty rows are broken in the ways in which real lists are.
"""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path
from random import Random

PLACE = Path(__file__).parents[1] / "clicknb" / "data" / "people.csv"
COLUMNS = ("first_name", "last_name", "mobile", "country", "city", "appointment", "amount")
FIRST_DAY = date(2026, 3, 9)

Row = dict[str, str]

FIRST_NAMES = """
    Aisha Amélie Ana André Anita Åsa Ayanda Ben Björn Bongani Camille Carlos Chiara Chloé Claire Daniel David
    Elena Emma Fatima Femi François Grace Hannah Hélène Hiroshi Ian Inès Isabel Jack James Jean-Luc Jonas José
    Jürgen Kavita Kofi Lerato Li Lindiwe Louise Lucía Mei Mia Michael Mohammed Moira Nia Noah Nomsa Nora Núria
    Oliver Olivia Omar Patrick Priya Rajesh Renée Rosa Ruth Sanjay Sarah Sean Sibusiso Siân Sofía Søren Tariq
    Thabo Thandi Théo Thomas Tomás Valentina Victoria Wei William Yuki Yusuf Zanele Zoë
"""
RARE_FIRST_NAMES = "Łukasz Ngọc Şebnem Ștefan Čedomir Jiří Ελένη Юлия Małgorzata Ağa Đặng Żaneta"
LAST_NAMES = """
    Abrahams Ahmed Andersson Bakker Bernard Botha Brown Chen Cohen D'Angelo Davies Delacroix Dlamini Dubois Dupont
    Evans Fernández Fischer Garcia Girard Gonçalves Gupta Haddad Harris Hernández Hughes Ibrahim Jackson Johansson
    Johnson Jones Khan Khumalo Kim Kowalski Lambert Lee Lefèvre López MacLeod Martin Mbeki Meyer Mokoena Moreau
    Müller Naidoo Ndlovu Nguyen Nkosi O'Brien O'Connor Okafor Olsen Patel Pereira Petrov Pillay Roberts Robinson
    Rossi Roux Sánchez Schmidt Silva Singh Sithole Smith Suzuki Tanaka Taylor Thompson Tremblay van_der_Merwe
    Walker Wang White Williams Wilson Wright Yılmaz Zulu
"""

AUSTRALIAN = ("006", "110", "156", "157", "158", "159")
AREAS = {
    "US": {"New York": "212", "Chicago": "312", "Boston": "617", "Seattle": "206", "Denver": "303", "Austin": "512"},
    "CA": {"Toronto": "416", "Montreal": "514", "Vancouver": "604"},
}
CITIES = {
    "GB": ("London", "Leeds", "Cardiff", "Glasgow", "Belfast", "Bristol"),
    "FR": ("Paris", "Lyon", "Lille", "Nantes", "Orléans"),
    "ZA": ("Cape Town", "Durban", "Pretoria", "Gqeberha"),
    "AU": ("Sydney", "Perth"),
    **{country: tuple(areas) for country, areas in AREAS.items()},
}
SHARES = {"GB": 440, "US": 255, "ZA": 225, "FR": 184, "CA": 60, "AU": len(AUSTRALIAN)}

# The sandbox decides the fate of these; `sms.numbers()` says which.
FORCED = (
    "27999400003",  # accepted, but the reply is lost
    "27999400007",  # accepted, but the reply cannot be read
    "27999400009",  # accepted, but the reply is an error page
    "27999100105",  # refused: invalid destination address
    "27999100114",  # refused: no route
    "27999200005",  # error with the message
    "27999200012",  # out of credit at the gateway
)

# What real lists contain besides numbers.
BAD_NUMBERS = (
    "", "", "", "-",
    "07700 9001", "+1 212 555", "0770", "07700 900 123 456",
    "not known", "07700 9OO417", "ask her sister", "07700 900822 ext. 4",
    "07700 900133 / 07700 900618", "+27999000011;+27999000012", "07700900245 or 07700900246",
    "4.477E+11", "4.477E+11", "1.21256E+10",
    "switchboard 0", "0000000000",
)  # fmt: skip
BAD_CELLS = (
    ("first_name", ""), ("first_name", ""), ("appointment", ""), ("appointment", "2026-02-30"),
    ("appointment", "next Tuesday"), ("amount", "12,50 EUR"),
)  # fmt: skip
DUPLICATES = 4


def numbers(draw: Random, country: str) -> list[tuple[str, ...]]:
    """Draw the numbers of a country, none of them twice: the calling code, and the groups in which the rest is read."""
    size = SHARES[country]
    if country == "GB":
        return [("44", "7700", f"900{last:03}") for last in draw.sample(range(1000), size)]
    if country == "FR":
        pairs = (divmod(last, 100) for last in draw.sample(range(10_000), size))
        return [("33", "6", "39", "98", f"{third:02}", f"{fourth:02}") for third, fourth in pairs]
    if country == "AU":
        return [("61", "491", "570", last) for last in AUSTRALIAN]
    if country == "ZA":
        lasts = [f"0{last:05}" for last in draw.sample(range(1000, 100_000), size - len(FORCED))]
        lasts += [number.removeprefix("27999") for number in FORCED]
        return [("27", "99", f"9{last[:2]}", last[2:]) for last in lasts]
    choices = [("1", area, "555", f"01{last:02}") for area in AREAS[country].values() for last in range(100)]
    return draw.sample(choices, size)


def spelled(draw: Random, number: tuple[str, ...]) -> str:
    """Write a number in one of the ways in which people do; those of the home country in more of them."""
    code, first, *rest = number
    gap = draw.choice((" ", " ", "-", ""))
    local = gap.join((first, *rest))
    ways = [f"+{code}{gap}{local}", f"+{code} {local}", "".join(number)]
    if code == "1":
        ways.append(f"+1 ({first}) {'-'.join(rest)}")
    else:
        ways.append(f"00{code} {local}")
    if code == "44":
        ways += [f"0{local}"] * 6 + [f"(0{first}) {rest[0]}", f"+44 (0){local}", f"{first}{rest[0]}"]
    return draw.choice(ways)


def person(draw: Random, country: str, number: tuple[str, ...]) -> Row:
    """Invent somebody with this number."""
    names = RARE_FIRST_NAMES if draw.random() < 0.06 else FIRST_NAMES  # noqa: PLR2004
    home = {area: city for city, area in AREAS.get(country, {}).items()}
    return {
        "first_name": draw.choice(names.split()),
        "last_name": draw.choice(LAST_NAMES.split()).replace("_", " "),
        "mobile": spelled(draw, number),
        "country": country,
        "city": home.get(number[1]) or draw.choice(CITIES[country]),
        "appointment": str(FIRST_DAY + timedelta(days=7 * draw.randrange(2) + draw.randrange(5))),
        "amount": f"{draw.randrange(1000, 25_000) / 100:.2f}",
    }


def people(draw: Random) -> list[Row]:
    """Invent everybody, and put the broken rows at places of their own."""
    sound = [(country, number) for country in SHARES for number in numbers(draw, country)]
    draw.shuffle(sound)
    rows = [person(draw, country, number) for country, number in sound]
    british = [(country, number) for country, number in sound if country == "GB"]
    broken = [person(draw, *draw.choice(british)) for _ in range(DUPLICATES)]
    broken += [{**person(draw, *draw.choice(british)), "mobile": mobile} for mobile in BAD_NUMBERS]
    for last, (column, cell) in enumerate(BAD_CELLS):
        broken.append({**person(draw, "ZA", ("27", "99", "900", f"000{last}")), column: cell})
    for row in broken:
        rows.insert(draw.randrange(len(rows)), row)
    return rows


def main() -> None:
    """Write the file."""
    with PLACE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(people(Random(2026)))  # noqa: S311 - nothing here is a secret
    print(f"wrote {PLACE.name}")


if __name__ == "__main__":
    main()
