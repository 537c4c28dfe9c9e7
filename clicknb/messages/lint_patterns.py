"""What should not be in a text that goes to people: placeholders of other tools, HTML, broken links, odd spaces."""

from __future__ import annotations

import re

BROKEN_LINK = re.compile(r"\bhttps?(?:\s*:\s+/|\s+:/|\s*:/\s+/|://\s)|\bwww\.\s", re.IGNORECASE)
"""A link that a space breaks at its beginning."""

WITHIN_LINK = re.compile(r"(?:https?://|\bwww\.|\b[\w-]+\.[a-z]{2,}/)\S*\Z", re.IGNORECASE)
"""A text that ends within a link."""

HTML = re.compile(
    r"</?(?:a|b|br|div|em|font|h[1-6]|i|img|li|p|span|strong|u|ul)(?:\s[^<>]*)?/?>"
    r"|&(?:amp|nbsp|lt|gt|quot|apos|#\d+|#x[\da-f]+);",
    re.IGNORECASE,
)

LINE_BREAK = re.compile(r"[\n\r\v\f\x85\u2028\u2029]")

ODD_SPACE = re.compile(r"[\xa0\xad\u200b\u202f\u2060\ufeff]")
"""No-break and invisible characters; not the joiners, which emoji and some scripts need."""

SPARE_SPACE = re.compile(r"(?<=[^\s.!?:])  +(?=\S)|(?<=\S) [,.](?=\s|\Z)")
"""A space too many as no language writes it: many type two after a sentence, and the French one before its mark."""

_NO_VALUE = frozenset({"nan", "nat", "none", "null", "undefined", "n/a", "<na>", "(blank)", "?", "-", "--", "."})
_SHEET_ERROR = re.compile(r"#(?:N/A|NAME\?|REF!|VALUE!|DIV/0!|NUM!|NULL!)", re.IGNORECASE)

_WORDS = re.compile(r"[\w '’-]*")
_MARK = re.compile(r"[{<\[«%#$*]")  # nearly no cell has one, and looking for it is quick
_FOREIGN = re.compile(
    r"\{\s*(?P<braces>[^\W\d][\w .-]*?)\s*\}|<<\s*(?P<mail>[\w .-]+?)\s*>>|\*\|\s*(?P<bars>\w+)\s*\|\*"
    r"|#(?P<field>field\d+)#|\[\s*(?P<square>[\w .-]{1,30}?)\s*\]|<\s*(?P<angle>[\w .-]{1,30}?)\s*>"
    r"|«\s*(?P<quotes>[\w .-]{1,30}?)\s*»|%(?P<percent>\w{1,30})%|#(?P<hash>\w{1,30})#|\$(?P<dollar>[^\W\d]\w{1,29})"
)
_SURE = frozenset({"braces", "mail", "bars", "field"})  # these brackets have no other use in a message
_REQUEST = re.compile(r"(?:insert|enter|your) ", re.IGNORECASE)
_USUAL = frozenset(
    {"address", "amount", "balance", "city", "client", "code", "company", "customer", "date", "email", "firstname"}
    | {"fname", "fullname", "lastname", "link", "lname", "mobile", "name", "number", "phone", "product", "surname"}
    | {"time", "url"}
)


def foreign_placeholder(text: str, columns: frozenset[str]) -> str:
    """Find what looks like a placeholder of another tool; empty if nothing does.

    Double brackets that have no other use always do. What is often meant as such, like the sender's name in
    ``[Shop]`` or the price in ``$20``, does only if it holds the name of a column or a usual one.

    Parameters
    ----------
    columns
        The folded names of the table's columns.

    Examples
    --------
    >>> foreign_placeholder("[Shop] Hi [First Name]", frozenset({folded("first_name")}))
    '[First Name]'
    """
    if not _MARK.search(text):
        return ""
    for found in _FOREIGN.finditer(text):
        kind = str(found.lastgroup)
        name = folded(found[kind])
        if kind in _SURE or name in _USUAL or name in columns or _REQUEST.match(found[kind]):
            return str(found.group())
    return ""


def no_value(cell: str) -> bool:
    """Tell whether a cell holds what a program or a person writes for nothing.

    Examples
    --------
    >>> no_value("#N/A"), no_value("NaN"), no_value("Na")
    (True, True, False)
    """
    word = cell.strip()
    return word.casefold() in _NO_VALUE or (word[:1] == "#" and _SHEET_ERROR.fullmatch(word) is not None)


def ordinary(cell: str) -> bool:
    """Tell quickly that a cell has nothing but words, so that none of the above is in it.

    Examples
    --------
    >>> ordinary("Ann-Marie O'Neill"), ordinary("[name]")
    (True, False)
    """
    return _WORDS.fullmatch(cell) is not None and not no_value(cell)


def folded(name: str) -> str:
    """Write a name so that those that differ in case, spaces and underscores alone are equal.

    Examples
    --------
    >>> folded("First_Name") == folded("first name")
    True
    """
    return re.sub(r"[\W_]", "", name).casefold()
