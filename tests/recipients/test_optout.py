import unicodedata

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicknb.errors import InvalidInput
from clicknb.recipients.optout import is_opt_out, opt_outs, wish, wishes

# the first seven are those of the rule of the United States, the others those of gateways
LISTED = ["stop", "quit", "end", "revoke", "opt out", "cancel", "unsubscribe", "stopall", "remove", "stop all"]

STOP = [
    "STOP",
    "stop",
    "Stop.",
    "sToP!!!",
    " stop ",
    "S T O P",
    "s.t.o.p",
    "S-T-O-P",
    "S\nT\nO\nP",
    "“Stop”",
    "'STOP'",
    "«stop»",
    "(stop)",
    "ＳＴＯＰ",
    "𝐒𝐓𝐎𝐏",
    "🆂🆃🅾🅿",
    "🇸🇹🇴🇵",
    "stop 🛑",
    "🙏 Stop 🙏",
    "s\u200bt\u200bo\u200bp",
    "\ufeffSTOP",
    "STOPPPP",
    "stooooop",
    "stop stop STOP",
    "STOPALL",
    "Stop all",
    "stop-all",
    "Please stop",
    "STOP please, thank you",
    "pls stop thx",
    "PleaseStop",
    "ok, stop now",
    "QUIT",
    "quit!",
    "End",
    "E N D",
    "revoke",
    "Opt out",
    "OPT-OUT",
    "OptOut",
    "opt_out",
    "o p t   o u t",
    "opt me out please",
    "Cancel",
    "CANCEL.",
    "Unsubscribe",
    "un-subscribe",
    "Unsubscribe me",
    "unsub",
    "REMOVE",
    "Remove me",
    "STOP END QUIT",
    "stop texting me",
    "Stop sending me these messages",
    "please remove my number from your list",
    "take me off your list",
    "I want to unsubscribe",
    "Do not text me again",
    "No more messages!",
    "Stop asseblief",
    "Verwyder",
    "ARRÊT",
    "Arre\u0302t",
    "arrêtez s'il vous plaît",
    "désabonner",
    "Stopp",
    "abmelden bitte",
    "kündigen",
    "BAJA",
    "baja por favor",
    "PARAR",
    "Sair, obrigado",
]

NOT_STOP = {  # a human looks at those with True
    "don't stop": True,
    "Don’t stop!": True,
    "Please don't stop sending these": True,
    "Stop by tomorrow at 5": True,
    "bus stop?": True,
    "I am at the bus stop": True,
    "non-stop": True,
    "I stopped smoking": True,
    "Can I stop taking the pills?": True,
    "Stop it": True,
    "stop 36111": True,
    "STOP START": True,
    "Reply STOP to what?": True,
    "Please cancel my appointment": True,
    "The flight was cancelled": True,
    "Can you remove the second item?": True,
    "I quit my job": True,
    "Leave me alone": True,
    "please s t o p it": True,
    "je veux me désinscrire de ça": True,
    "we said s\u200btop it already": True,
    "Not interested": True,
    "wrong number": True,
    "Who is this?": True,
    "Sotp": True,
    "unsubcribe": True,
    "The End": True,
    "NO": True,
    "no thanks": True,
    "🛑": True,
    "🖕🏽": True,
    "The end of the month is fine": False,
    "See you at the weekend": False,
    "I will send it at the end of the day": False,
    "Yes": False,
    "ok thanks": False,
    "No problem": False,
    "👍": False,
    "": False,
    "?!": False,
    "Option B please": False,
    "Quite good, thanks": False,
    "Hi, Christopher here": False,
    "The laptop is on the desktop": False,
    "See you at 5": False,
    "My resume is attached": False,
    "We start at 9": False,
    "let's start": False,
}

DECORATION = st.text(" .,!?-_*'\"“”()…\n\t\u200b\u00a0🙏😡🛑", max_size=4)


def test_there_are_phrasings_enough():
    assert len(STOP) >= 60
    assert len(NOT_STOP) >= 40


@pytest.mark.parametrize("text", STOP, ids=ascii)
def test_opt_outs_are_recognised(text):
    assert wish(text) == "stop"
    assert is_opt_out(text)


@pytest.mark.parametrize(("text", "doubtful"), NOT_STOP.items(), ids=map(ascii, NOT_STOP))
def test_other_replies_are_not_taken_for_opt_outs_but_the_doubtful_are_shown(text, doubtful):
    assert wish(text) == ("review" if doubtful else None)
    assert not is_opt_out(text)


@given(st.data())
def test_no_listed_keyword_is_missed_in_any_case_spacing_or_punctuation(data):
    word = data.draw(st.sampled_from(LISTED))
    letters = [data.draw(st.sampled_from([char.lower(), char.upper(), wide(char)])) for char in word]
    gaps = data.draw(st.sampled_from([st.just(""), st.sampled_from(["", " ", ".", "-", "\u200b"]), DECORATION]))
    written = "".join(char + data.draw(gaps) for char in letters)
    before, after = data.draw(st.sampled_from([("", ""), ("please ", ""), ("", " thanks"), ("Hi ", " pls")]))
    assert wish(data.draw(DECORATION) + before + written + after + data.draw(DECORATION)) == "stop"


def wide(char):
    return chr(ord(char) + 0xFEE0) if char != " " else "\u3000"


def test_wide_letters_are_those_of_unicode():
    assert unicodedata.normalize("NFKC", "".join(map(wide, "stop all"))) == "stop all"


@pytest.mark.parametrize(
    "text", ["START", "start", "S T A R T", "“Start” 🙂", "UNSTOP", "un-stop", "opt in", "start again, please"]
)
def test_start_undoes(text):
    assert wish(text) == "start"


@given(st.text(), st.text())
def test_only_the_bare_word_starts_again(before, after):
    text = f"{before}a start{after}b"
    assert wish(text) != "start"


@given(st.text() | st.text("stopend qui tcaл.🛑", max_size=200))
def test_any_text_has_an_outcome(text):
    assert wish(text) in {"stop", "start", "review", None}


@given(st.lists(st.sampled_from(["stop", "stopp", "please", "optmeout", "x", "ty", "end"]), max_size=4000).map("".join))
def test_long_texts_are_read_as_well(text):
    assert wish(text) in {"stop", "review", None}


def test_only_text_is_read():
    with pytest.raises(InvalidInput, match="The reply must be a text"):
        wish(None)


def test_many_replies_keep_their_index():
    replies = pd.Series(["STOP", None, "start", "bus stop?", "yes"], index=list("edcba"))
    found = wishes(replies)
    assert found.index.equals(replies.index)
    assert (str(found.dtype), found.fillna("-").tolist()) == ("str", ["stop", "-", "start", "review", "-"])
    flags = opt_outs(replies)
    assert flags.index.equals(replies.index)
    assert str(flags.dtype) == "boolean"
    assert flags.astype(object).tolist() == [True, pd.NA, False, False, False]


def test_no_replies():
    none = pd.Series([], dtype="str")
    assert (str(opt_outs(none).dtype), str(wishes(none).dtype)) == ("boolean", "str")
