"""Why a row is what it is, each kind with its short name and in words for everybody.

What the doctor finds in a cell, why a plan leaves a row out, why one that was planned is not sent. What the program
does rests on the names of these kinds, never on words.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Sure = Literal["certain", "likely", "guess"]

DUPLICATE, SUPPRESSED, CANCELLED, PURGED = "duplicate", "suppressed", "cancelled", "purged"
"""Kinds by which something is decided."""


class Kind(NamedTuple):
    """What one kind of finding means.

    Attributes
    ----------
    means : str
        What was seen in the cells, in plain words.
    advice : str
        What to do about it.
    sure : {"certain", "likely", "guess"} or None
        How sure the doctor is of the number it read; None if the row is refused.
    """

    means: str
    advice: str = "Nothing to do."
    sure: Sure | None = None


SURE: dict[Sure, str] = {
    "certain": "there is no other way to read the cell",
    "likely": "something was missing and was put back in the usual way, so look at a few",
    "guess": "the cell can be read in another way too, so look at each before you send",
}
"""What each degree of certainty means."""

REPAIRS: dict[str, Kind] = {
    "quotes": Kind(
        'Quotation marks, an apostrophe or ="..." stood around the number; people and programs add them so that a '
        "spreadsheet leaves the number alone. They were taken off.",
        sure="certain",
    ),
    "invisible": Kind(
        "Characters that cannot be seen came along when the number was copied from a web page or a chat. "
        "They were taken out.",
        sure="certain",
    ),
    "other digits": Kind(
        "The digits are those of another script or of a wide font. They were written as 0 to 9.",
        sure="certain",
    ),
    "number format": Kind(
        "A program took the number for an amount and wrote .0 at its end, or commas into it. These were taken out; "
        "all its digits are there.",
        sure="certain",
    ),
    "leading 00": Kind(
        "The number begins with 00, or with what else people dial before a country code. That was taken off.",
        sure="certain",
    ),
    "inner zero": Kind(
        "There is a 0 between the country code and the number, as in +44 (0). It is only for calls within the "
        "country, and was taken out.",
        sure="certain",
    ),
    "country code": Kind(
        "The number is written as people write it at home. The country code of the country you named was put in front.",
        "Only if some of these people live in another country: write their numbers with + and the country code.",
        "certain",
    ),
    "leading zero": Kind(
        "The number should begin with 0, and does not: spreadsheets drop a 0 in front. What is left was read as a "
        "number of the country you named.",
        "Look at a few. If they are right, send; to keep the 0 next time, format the column as text.",
        "likely",
    ),
    "scientific": Kind(
        "A spreadsheet wrote the number in the short form it uses for large amounts, such as 1.5E+3 for 1500. All "
        "its digits are there, so it was written out again.",
        "Look at a few. Format the column as text, so that it does not happen again.",
        "likely",
    ),
    "rewritten": Kind(
        "The number is written in a way that only works within its country. It was rewritten for calls from abroad.",
        "Look at a few.",
        "likely",
    ),
    "no plus": Kind(
        "The number has no + in front, and you named no country. It was read as one that begins with its country code.",
        "If these are numbers of one country, name it, such as country='GB'. If not, look at a few.",
        "likely",
    ),
    "short without plus": Kind(
        "The number has no + in front, you named no country, and it has so few digits that its country code may be "
        "missing. It was read as one that begins with its country code.",
        "Name the country of these people, such as country='GB', or leave these rows out.",
        "guess",
    ),
    "landline": Kind(
        "This is the number of a landline or a service, which text messages seldom reach; or a mobile number with a "
        "wrong or missing digit.",
        "Ask for a mobile number, or leave the row out.",
        "guess",
    ),
    "other country": Kind(
        "The number is none of the country you named, but its digits, read with a + in front, are one of another.",
        "Look at each. If it is right, write a + in front of it; if not, correct it or leave it out.",
        "guess",
    ),
}
"""Findings with which a number can be used; ``doctor(..., refuse=...)`` takes their names."""

PROBLEMS: dict[str, Kind] = {
    "empty": Kind("The cell is empty.", "Fill it in, or leave the row out."),
    "lost digits": Kind(
        "A spreadsheet or a program shortened the number, as in 4.477E+11: its last digits are gone, and nobody can "
        "tell them from this cell.",
        "Get the number from where it came from. Format the column as text before you paste or open it.",
    ),
    "rounded": Kind(
        "The number ends in so many zeros that a program has probably rounded it, and its last digits are gone.",
        "Compare it with where it came from. If it is right, write a + in front of it.",
    ),
    "two numbers": Kind(
        "There is more than one number in the cell, and it is not for a program to choose.",
        "Keep one number in the cell; give the others rows of their own.",
    ),
    "date": Kind(
        "The cell holds a date: it is in the wrong column, or a spreadsheet made it out of a number.",
        "Get the number from where it came from.",
    ),
    "decimals": Kind("The number has decimals, as an amount of money has.", "See whether this is the right column."),
    "no number": Kind(
        "There are letters or signs in the cell that are in no telephone number, or no digits at all; the column "
        "problem says which.",
        "Write the number alone in the cell: digits, a + in front, spaces or dashes between.",
    ),
    "no country": Kind(
        "The number begins with 0, as people write it at home, but nobody said in which country that is.",
        "Name the country, such as country='GB', or write the number with + and the country code.",
    ),
    "too short": Kind(
        "The number has fewer digits than the mobile numbers of its country: some are missing.",
        "Get the whole number.",
    ),
    "too long": Kind(
        "The number has more digits than the mobile numbers of its country.",
        "Find the digit that is too many, or the number of somebody else behind it.",
    ),
    "not assigned": Kind(
        "Nobody can have this number: its country has none that begin like this.",
        "Look for a wrong digit, or a wrong country code.",
    ),
    DUPLICATE: Kind(
        "The same number stands in an earlier row, perhaps written differently. Only that first row will be used.",
        "Nothing to do, unless two people share a number and each has a message of their own.",
    ),
}
"""Findings that keep a row out."""

LEFT_OUT: dict[str, Kind] = {
    "not allowed": Kind("The number is not on the account's allow list.", "Nothing to do while you only test."),
    SUPPRESSED: Kind(
        "Nobody may write to this number, or not with this sender ID. That is asked again each time something leaves.",
        "Leave this person alone, unless they asked for messages again.",
    ),
    "unfit cell": Kind(
        "A cell that the text needs is blank, or not what its format asks for, such as a date.",
        "Fill it in, or give a default, as in {first_name|there}; else correct the cell or the format.",
    ),
    "broken emoji": Kind(
        "The text holds half of an emoji, which nobody can send.",
        "Delete it or write it again.",
    ),
    "empty text": Kind("Nothing would be written to this person.", "Give the text some words of its own."),
    "too many parts": Kind(
        "The text needs more parts than max_parts allows.",
        "Shorten the text or what is filled in, or allow more parts.",
    ),
    "outside hours": Kind(
        "It is too early or too late for this person by their own clock.",
        "Send later, or let the gateway or the program wait: outside='schedule' or outside='wait'.",
    ),
    "no zone": Kind(
        "What stands in the column of time zones is none.",
        "Write one such as Europe/London, or leave the cell blank.",
    ),
}
"""Why a plan leaves out a row whose number can be used."""

KINDS: dict[str, Kind] = REPAIRS | PROBLEMS | LEFT_OUT

SKIPPED: dict[str, Kind] = KINDS | {
    CANCELLED: Kind("The campaign was cancelled before the message left.", "Plan it again under a new name."),
    PURGED: Kind("The ledger has forgotten whom the message was for and what it said."),
    "plan": Kind("A plan of an older version left the row out.", "See the words beside it."),
}
"""Why the ledger has a row that is not sent: the kinds of plans, and what happened to the row later."""
