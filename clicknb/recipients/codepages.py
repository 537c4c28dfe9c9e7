"""Finds the code page in which a text reads as words: of the letters of one language, shaped as people write them.

Statistics need a page of text, and a table of people holds a few names. So nothing is counted here but what cannot
be a word: a capital in its middle, letters that no language has together, a sign among letters, a final letter that
is not the last. One code page stands out if it reads well where the others do not.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

_SAMPLE = 2000
"""How many lines are looked at, spread over the file."""

_BAD_AT_MOST = 0.25
"""What share of the lines may read badly in the code page that is taken."""

_STANDS_OUT = 0.4
"""By what share of the lines that they read otherwise the others must read worse."""

_TWICE = 2
_MANY_TIMES = 8

_HANGUL_ENOUGH = 20
"""So many syllables in a row are not Chinese by chance, though the codes of Korean ones are those of Chinese signs."""

_WEST = [
    "àâæçéèêëîïôœùûüÿ",
    "äöüßé",
    "áéíñóúü",
    "áâãàçéêíóôõúü",
    "åäöéü",
    "æøåéöü",
    "àèéìíòóùúî",
    "áéèëïöüóíêâ",
    "áéíóúýðþæö",
    "àçéèíïóòúü",
    "áéíóúàèìòù",
]
_CENTRAL = ["ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîşţ", "čćđšž", "äöüßé", "çë"]
_TURKISH = ["çğıİöşüâîû", "äöüßé"]
_BALTIC = ["ąčęėįšųūž", "āčēģīķļņšūž", "äöüßé", "ąćęłńóśźż"]
_RUSSIAN = ["абвгдеёжзийклмнопрстуфхцчшщъыьэюя"]
_CYRILLIC = [
    *_RUSSIAN,
    "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",
    "абвгдеёжзійклмнопрстуўфхцчшыьэюя",
    "абвгдђежзијклљмнњопрстћуфхцчџш",
    "абвгдѓежзѕијклљмнњопрстќуфхцчџш",
]
_VOWELS = frozenset("aeiouyæøœıаеёиоуыэюяіїєαεηιουω")

_TOKEN = re.compile(
    r"[^\x00-\x26\x28-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]*[^\x00-\x7f][^\x00-\x26\x28-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]*"
)
_BEFORE = "'“‘«„‚‹–—•©§¿½¼¾²³×\u00a0"
_AFTER = "'“”’‘»›–—…•°ºª®™©£€½¼¾²³×\u00a0"
_APOSTROPHES = re.compile("['’]")
_ALONE = frozenset("àéèóåöæø")
_ODD_NEIGHBOURS = re.compile(
    "ñ(?![aeiouáéíóúü])|ń[aeiouóy]|ã(?![oeisn]|$)|ă[aeiouyâî]|õ(?!e)|[aeiou]ő|ď[sc]|[^aeiou]ć[aeo]|ē[aoui]|[aou][ēė]|"
    r"\Bį\B|ų\B|^[ßğð]|þ$|^ĺ|ĺ[aeiouyáéíóúý]|[aeiouyáéíóúý]ĺ|[aeiouyý]þ|ý.*ý|oðl"
)
"""What the letters of Western, Central and Baltic Europe never have beside them, or hardly ever."""

_HEBREW = re.compile("[א-ת]*[אבגדהוזחטילםןסעףפץקרשתך]")
_ARABIC = re.compile("[اأإآبت-ي][ا-غف-وئءؤأإآي]*[ا-ي]")
_THAI = re.compile(r"(?:[เ-ไ]?[ก-ฮ][\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]{0,3}[ะาำๅ]{0,2}[ๆฯ]?)+")


@dataclass(frozen=True, slots=True)
class Reading:
    """A text as one code page reads it.

    Attributes
    ----------
    encoding
        Python's name of it.
    words
        For each line of a sample, the words in it that are not ASCII.
    bad
        Whether each of these lines holds what is no word.
    """

    encoding: str
    words: list[list[str]] = field(repr=False)
    bad: list[bool] = field(repr=False)

    @property
    def share(self) -> float:
        """What share of the lines read badly."""
        return sum(self.bad) / max(len(self.bad), 1)


def readings(content: bytes) -> list[Reading]:
    """Read a text in every code page that has all of its bytes, those in which it reads best first."""
    sample = _sample(content)
    found = [one for name in _PAGES if (one := _reading(content, sample, name)) is not None]
    if any(one.encoding == "cp949" and not any(one.bad) and _letters(one) >= _HANGUL_ENOUGH for one in found):
        found = [one for one in found if one.encoding not in {"gb18030", "euc-jp"}]
    return sorted(found, key=lambda one: one.share)


def stands_out(found: Sequence[Reading]) -> bool:
    """Tell whether the first reads well, and all that read otherwise do not."""
    return bool(found) and found[0].share <= _BAD_AT_MOST and all(_worse(one, found[0]) for one in found[1:])


def _worse(one: Reading, best: Reading) -> bool:
    unlike = [place for place, words in enumerate(one.words) if words != best.words[place]]
    worse, better = (sum(reading.bad[place] for place in unlike) for reading in (one, best))
    clear = worse - better >= max(len(unlike) * _STANDS_OUT, 1)
    return not unlike or clear or (worse >= _TWICE and worse >= better * _MANY_TIMES)


def _sample(content: bytes) -> list[bytes]:
    """Choose lines that are not ASCII: some from all over the text, and one for each byte that is in it."""
    lines = [line for line in content.splitlines() if not line.isascii()]
    chosen = set(range(0, len(lines), len(lines) // _SAMPLE + 1))
    seen: set[int] = set()
    for place, line in enumerate(lines):
        if not seen.issuperset(line):
            seen.update(line)
            chosen.add(place)
    return [lines[place] for place in sorted(chosen)]


def _reading(content: bytes, sample: Sequence[bytes], encoding: str) -> Reading | None:
    good = _PAGES[encoding]
    try:
        content.decode(encoding)
        words = [_TOKEN.findall(line.decode(encoding)) for line in sample]
    except UnicodeDecodeError:
        return None
    known: dict[str, bool] = {}
    for line in words:
        known.update((word, _is_good(word, good)) for word in line if word not in known)
    return Reading(encoding, words, [not all(known[word] for word in line) for line in words])


def _letters(one: Reading) -> int:
    return sum(len(word) for line in one.words for word in line)


def _is_good(token: str, good: Callable[[str], bool]) -> bool:
    word = token.lstrip(_BEFORE).rstrip(_AFTER)
    if word[:1] in {"£", "€", "¡"} and not word[1:2].isalpha():
        word = word[1:]
    if word.isascii():
        return True
    if any(char.isdigit() for char in word):
        return False
    if word[0] == "’" and not word[1:].isascii():
        return False
    return all(part.isascii() or good(part) for part in _APOSTROPHES.split(word))


# --- what is a word ---


def _latin(alphabets: Sequence[str]) -> Callable[[str], bool]:
    sets = [frozenset(letters + letters.upper()) for letters in alphabets]

    def good(word: str) -> bool:
        strange = {char for char in word if not char.isascii()}
        if not any(strange <= letters for letters in sets):
            return False
        if len(word) == 1:
            return word in _ALONE
        few = sum(not char.isascii() for char in word) <= len(word) * 0.75
        return few and _is_cased(word) and _alternates(word) and not _ODD_NEIGHBOURS.search(word.lower())

    return good


def _is_cased(word: str) -> bool:
    """Tell whether capitals stand as people write them; inside of a word, among ASCII only (``McKay``)."""
    if word.isupper() or word[1:].islower():
        return True
    changes = (one + other for one, other in pairwise(word[1:]) if one.isupper() != other.isupper())
    begins = word[0].isupper() or not word[1:2].isupper() or word[:2].isascii()
    return begins and all(map(str.isascii, changes)) and not any(char.isupper() for char in word[1:] if char > "\x7f")


def _alternates(word: str) -> bool:
    """Tell whether no vowel that is not ASCII is between vowels, and no such consonant between consonants."""
    sounds = [_is_vowel(char) for char in word]
    return all(
        char.isascii() or char in "ãÃğĞ" or not before == sound == after
        for char, before, sound, after in zip(word[1:], sounds, sounds[1:], sounds[2:], strict=False)
    )


def _is_vowel(char: str) -> bool:
    return unicodedata.normalize("NFD", char.lower())[0] in _VOWELS


def _cyrillic(alphabets: Sequence[str]) -> Callable[[str], bool]:
    sets = [frozenset(letters + letters.upper()) for letters in alphabets]

    def good(word: str) -> bool:
        if not any(letters.issuperset(word) for letters in sets):
            return False
        small = word.lower()
        if len(word) == 1:
            return word in "авиікосуяєйбж"
        sounds = [_is_vowel(char) for char in small]
        runs = re.findall("b+|v+", "".join("v" if sound else "b" for sound in sounds))
        soft = re.search("(?:^|[аеёиоуыэюяіїєьъ])[ьъ]|^ы|[бвгджзклмнпрстфхцчшщ]й", small)
        return _is_cased(word) and any(sounds) and soft is None and max(map(len, runs)) <= 4  # noqa: PLR2004

    return good


def _greek(word: str) -> bool:
    if not all("Ά" <= char <= "ώ" for char in word) or "ΰ" in word or "·" in word or not _is_cased(word):
        return False
    if word.isupper():
        return any(map(_is_vowel, word))
    accents = sum("\u0301" in unicodedata.normalize("NFD", char) for char in word)
    syllables = len(re.findall("[aeiouαεηιουω]+", unicodedata.normalize("NFD", word.lower())))
    ends = word[-1] in "νςρ" or _is_vowel(word[-1])
    return ends and "ς" not in word[:-1] and (accents == 1 or (accents == 0 and syllables <= 1)) and syllables > 0


def _matches(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda word: len(word) > 1 and pattern.fullmatch(word) is not None


def _hebrew(word: str) -> bool:
    return len(word) > 1 and _HEBREW.fullmatch(word) is not None and not re.search("[ךםןףץ].", word)


def _common(encoding: str, first: int, last: int, *, kana: bool = False) -> Callable[[str], bool]:
    """Take signs whose first byte in an encoding is that of an everyday one."""

    def good(word: str) -> bool:
        return all(_is_everyday(char) or (kana and "ぁ" <= char <= "ー") or (kana and char == "々") for char in word)

    def _is_everyday(char: str) -> bool:
        try:
            written = char.encode(encoding)
        except UnicodeEncodeError:
            return False
        return len(written) == 2 and first <= written[0] <= last  # noqa: PLR2004

    return good


_PAGES: dict[str, Callable[[str], bool]] = {
    "cp1252": _latin(_WEST),
    "cp1250": _latin(_CENTRAL),
    "cp1254": _latin(_TURKISH),
    "cp1257": _latin(_BALTIC),
    "iso8859-2": _latin(_CENTRAL),
    "iso8859-15": _latin(_WEST),
    "cp850": _latin(_WEST),
    "cp437": _latin(_WEST),
    "cp852": _latin(_CENTRAL),
    "mac-roman": _latin(_WEST),
    "cp1251": _cyrillic(_CYRILLIC),
    "koi8-r": _cyrillic(_RUSSIAN),
    "koi8-u": _cyrillic(_CYRILLIC[:2]),
    "cp866": _cyrillic(_RUSSIAN),
    "mac-cyrillic": _cyrillic(_CYRILLIC),
    "cp1253": _greek,
    "iso8859-7": _greek,
    "cp1255": _hebrew,
    "cp1256": _matches(_ARABIC),
    "cp874": _matches(_THAI),
    "cp932": _common("cp932", 0x88, 0x98, kana=True),
    "euc-jp": _common("cp932", 0x88, 0x98, kana=True),
    "gb18030": _common("gb2312", 0xB0, 0xD7),
    "big5": _common("big5", 0xA4, 0xC6),
    "cp949": _common("euc-kr", 0xB0, 0xC8),
}
"""What is a word in each code page; where two read alike, the first is named."""
