"""Replies that ask for no more messages, in the ways in which people write them.

The words are those of the rule of the United States (47 CFR 64.1200(a)(10): stop, quit, end, revoke, opt out, cancel,
unsubscribe), those that gateways know besides, and the usual ones in Afrikaans, French, German, Portuguese and
Spanish. That rule honours any reasonable means, and in South Africa a plain "no" may do, so what is not clear is not
dropped: it is for somebody to look at.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable
from typing import Any, Literal

import pandas as pd

from clicknb import checks
from clicknb.cells import text_series

Wish = Literal["stop", "start", "review"]

_STOP = (
    *("stop", "stopp", "stopall", "quit", "end", "revoke", "optout", "optmeout", "cancel", "remove", "removeme"),
    *("unsubscribe", "unsub"),
    *("kanselleer", "verwyder", "staak", "meldaf"),  # Afrikaans
    *("arret", "arreter", "arretez", "annuler"),  # French
    *("desabonner", "desabonnement", "desinscrire", "desinscription"),
    *("abmelden", "abmeldung", "abbestellen", "kundigen", "kuendigen", "ende"),  # German
    *("parar", "pare", "sair", "cancelar", "remover", "descadastrar"),  # Portuguese
    *("baja", "darmedebaja", "dardebaja", "alto", "salir", "detener"),  # Spanish
)
_START = ("start", "unstop", "startagain", "optin", "optmein", "subscribe", "resubscribe")
_POLITE = (
    *("please", "pls", "plz", "kindly", "thanks", "thankyou", "thx", "ty", "now", "immediately", "asap"),
    *("hi", "hello", "ok", "okay", "sorry", "verymuch"),
    *("asseblief", "asb", "dankie", "svp", "silvousplait", "silteplait", "merci", "bitte", "danke"),
    *("porfavor", "gracias", "obrigado", "obrigada"),
)
_NOT = r"(?:do not|don t|dont|never)"
_ME = r"(?: (?:me|us|my (?:number|phone)))?"
_MESSAGES = r"(?: (?:all|any|the|these|this|those|your|more|further|marketing|promotional))*" + (
    r" (?:sms(?:es)?|texts?|text messages?|messages?|messaging|msgs?|notifications?|marketing|spam(?:ming)?)"
)
_CLEAR = re.compile(
    r"(?:(?:i (?:want|wish|would like|d like) to|(?:can|could|would|will) you) )?(?:"
    rf"stop (?:sending|texting|messaging|contacting|spamming|smsing){_ME}(?:{_MESSAGES})?"
    rf"|stop{_MESSAGES}"
    rf"|(?:unsubscribe{_ME}|opt(?: me)? out)(?: (?:from|of){_MESSAGES}| from (?:this|the|your)(?: \w+)? list)?"
    r"|(?:remove|take|delete) (?:me|us|my (?:number|phone))(?: off)?(?: (?:from|of))?(?: (?:this|the|your))?(?: \w+)?"
    r" (?:list|database)"
    rf"|{_NOT} (?:text|message|contact|sms) (?:me|us)(?: again| any ?more)?"
    rf"|(?:{_NOT} send(?: me)?|no more){_MESSAGES}(?: again| any ?more)?"
    r")"
)
"""Whole replies in words, without politeness."""

_DOUBTFUL_STEMS = (
    *("stop", "unsub", "unsup", "opt", "cancel", "remov", "revok", "quit", "spam", "harass"),
    *("kansel", "verwyder", "arret", "desabon", "desinscri", "abmeld", "abbestell", "descadastr"),
)
_NOT_DOUBTFUL = re.compile(r"optim\w*|option\w*|optic\w*|opta\w*|quite")
_DOUBTFUL = re.compile(
    rf"\b(?:{_NOT}|no more) (?:\w+ ){{0,2}}(?:text|messag|contact|sms|send)"
    r"|\b(?:leave (?:me|us) alone|no more|not interested|no thanks|no thank you|go away|piss off|f\w* off|unwanted"
    r"|(?:take|delete|lose) (?:me|us|my|this) (?:off|number)|delete (?:me|my)|wrong (?:number|person)|who (?:is|s) this"
    r"|(?:block|report)(?:ed|ing)? (?:you|this)|popia?|gdpr|tcpa|lawyer"
    r"|hou op|los my uit|laat my|lass(?:t|en)? mich|keine (?:\w+ )?(?:sms|nachricht\w*)|plus de (?:sms|messages?)"
    r"|no (?:me )?(?:envi\w+|mand\w+)|no mas|nao (?:quero|me)|de baja)\b"
)
_NO = frozenset({"no", "nee", "non", "nein", "nao", "nope", "fin", "einde", "fim", "stahp", "halt", "basta"})
_SIGNS = frozenset("\U0001f6d1\u26d4\u270b\U0001f6ab\U0001f645\U0001f595")
"""Stop sign, no entry, raised hand, prohibited, a person saying no, and a finger."""

_TYPED_WRONG = ("stop", "unsubscribe", "cancel", "remove", "revoke", "optout", "quit")
_SHORT = 3  # words, among which one such as "end" is doubtful
_LONGEST = 100  # letters; a longer reply is not a keyword with politeness
_ALIKE = 0.74

_KEYWORD_SET = frozenset(_STOP)
_KEYWORDS = "|".join(sorted(_STOP, key=len, reverse=True))
_AGAIN = "|".join(sorted(_START, key=len, reverse=True))
_KIND = "|".join(sorted(_POLITE, key=len, reverse=True))
_ONLY_STOP = re.compile(rf"(?:{_KIND})*(?:{_KEYWORDS})(?:{_KEYWORDS}|{_KIND})*")
_ONLY_START = re.compile(rf"(?:{_KIND})*(?:{_AGAIN})(?:{_AGAIN}|{_KIND})*")
_POLITE_WORDS = re.compile(rf"\b(?:thank you|{_KIND})\b")
_ASCII_WORDS = re.compile(r"[a-z0-9]+")
_EMOJI_LETTERS = {first + place: chr(ord("a") + place) for first in (0x1F150, 0x1F170, 0x1F1E6) for place in range(26)}
"""Letters in black circles and squares, and those of flags, which Unicode does not count as letters."""


def wish(text: str) -> Wish | None:
    """Tell what a reply asks for.

    Letter case, accents, spaces, punctuation, quotation marks, emoji, full-width letters and politeness do not
    matter: ``"S.T.O.P please"`` is ``STOP``.

    Parameters
    ----------
    text
        A reply as it came.

    Returns
    -------
    str or None
        ``"stop"``: no more messages, without doubt. ``"start"``: messages again, only ever the bare word. ``"review"``:
        it may ask for no more messages; somebody must look. None: an ordinary reply.

    Raises
    ------
    InvalidInput
        It is not text.

    Examples
    --------
    >>> wish("Opt-Out, thanks!"), wish("START"), wish("don't stop"), wish("See you at 5")
    ('stop', 'start', 'review', None)
    """
    words = _words(checks.text("The reply", text))
    for joined in dict.fromkeys(("".join(words), _without_runs("".join(words)))):
        if len(joined) <= _LONGEST and _ONLY_STOP.fullmatch(joined):
            return "stop"
        if len(joined) <= _LONGEST and _ONLY_START.fullmatch(joined):
            return "start"
    phrase = " ".join(words)
    bare = " ".join(_POLITE_WORDS.sub(" ", phrase).split())
    if _CLEAR.fullmatch(bare):
        return "stop"
    return "review" if _doubtful(text, phrase, bare.split()) else None


def _words(text: str) -> list[str]:
    """Reduce a text to its words in small plain letters: no accents, no signs, nothing that cannot be seen."""
    if text.isascii():  # as most replies are
        return _ASCII_WORDS.findall(text.lower())
    plain = unicodedata.normalize("NFKC", text.translate(_EMOJI_LETTERS))
    letters = unicodedata.normalize("NFKD", plain.casefold())
    seen = (char for char in letters if unicodedata.category(char) not in {"Mn", "Me", "Cf"})
    return "".join(char if char.isalnum() else " " for char in seen).split()


def _without_runs(joined: str) -> str:
    """Write ``stoooopp`` as ``stopp``: three of a letter are one."""
    return re.sub(r"(.)\1{2,}", r"\1", joined)


def _doubtful(text: str, phrase: str, words: list[str]) -> bool:
    """Tell whether a reply that is not clear may ask for no more messages; the words are those without politeness."""
    if not phrase:
        return not _SIGNS.isdisjoint(text)
    if any(word.startswith(_DOUBTFUL_STEMS) and not _NOT_DOUBTFUL.fullmatch(word) for word in words):
        return True
    if _DOUBTFUL.search(phrase) or _spelled(words):
        return True
    if len(words) == 1 and (words[0] in _NO or _mistyped(words[0])):
        return True
    return len(words) <= _SHORT and not _KEYWORD_SET.isdisjoint(words)


def _spelled(words: Iterable[str]) -> bool:
    """Tell whether a keyword is spelled out somewhere: ``please s t o p it``."""
    letters = "".join(word if len(word) == 1 else " " for word in words)
    return any(part.startswith(_STOP) for part in letters.split())


def _mistyped(word: str) -> bool:
    return bool(difflib.get_close_matches(word, _TYPED_WRONG, n=1, cutoff=_ALIKE))


def is_opt_out(text: str) -> bool:
    """Tell whether a reply asks for no more messages, without doubt.

    Examples
    --------
    >>> is_opt_out(" “Stop!” 🙏"), is_opt_out("Stop by tomorrow at 5")
    (True, False)
    """
    return wish(text) == "stop"


def wishes(texts: pd.Series[Any]) -> pd.Series[str]:
    """Tell what many replies ask for.

    Returns
    -------
    pandas.Series
        ``stop``, ``start``, ``review`` or missing (dtype str), with the index of the replies.

    Examples
    --------
    >>> wishes(pd.Series(["stop", "bus stop?", None])).tolist()
    ['stop', 'review', nan]
    """
    known = {text: wish(text) for text in texts.unique() if isinstance(text, str)}
    return text_series((known.get(text) for text in texts), texts.index)


def opt_outs(texts: pd.Series[Any]) -> pd.Series[Any]:
    """Tell of many replies whether they ask for no more messages, without doubt.

    Returns
    -------
    pandas.Series
        dtype boolean, with the index of the replies; missing where there is no text.

    Examples
    --------
    >>> opt_outs(pd.Series(["STOP ALL", "yes", None])).tolist()
    [True, False, <NA>]
    """
    found = wishes(texts) == "stop"
    return found.astype("boolean").mask(texts.isna())
