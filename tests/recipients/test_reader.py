"""Whatever is read of a text file is right, or said, or refused with the way out."""

import codecs
import csv
import io
import os
import random
import re
import warnings
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import clicknb as cn
from clicknb.campaign.plan_repr import warnings as warnings_of
from clicknb.errors import InvalidInput, TableWarning
from clicknb.forms.campaign.people import People
from clicknb.recipients.notes import notes_of
from clicknb.recipients.quick import read_quickly
from clicknb.recipients.reader import read_quietly, read_recipients
from tests.promise.harness import soak

NUMBERS = [f"4477009{number:05d}" for number in range(40)]
NAMES = {
    "cp1252": "Désirée Geneviève Jérémie Müßig Träger Grünwald Cañete Zúñiga Ávila Simão Anunciação Åström Pärssinen "
    "Søgård Sæther Nicolò Daniël Þorsteinsdóttir",
    "cp1250": "Władysław Żółkiewski Śliwińska Źródłowski Bohuš Křížek Jaroměř Zdeňka Ľubomír Kőszegi Hegedűs Đorđević",
    "cp1254": "Çetinkaya Doğrusöz Gümüşhan Işılay Şimşek Yağmur Özdoğan Kırgız Ağaoğlu Tanrıkulu Bayraktaroğlu",
    "cp1257": "Škėma Būdvytis Žemaitytė Mikėnas Bērziņš Kalniņa Līga Ģirts Ērika Šķēle Jānis Mažvydas",
    "cp1251": "Григорьев Анастасия Щербаков Вячеслав Лебедева Тимофей Ксения Никитин Зинаида Горшков Эдуард Любовь",
    "koi8-r": "Григорьев Анастасия Щербаков Вячеслав Лебедева Тимофей Ксения Никитин Зинаида Горшков Эдуард Любовь",
    "cp866": "Григорьев Анастасия Щербаков Вячеслав Лебедева Тимофей Ксения Никитин Зинаида Горшков Эдуард Любовь",
    "koi8-u": "Хмельницький Соломія Євгенія Їжакевич Лариса Богдан Зіновій Руслана Гнат Павлик Ірина Василь",
    "cp1253": "Στέφανος Μαριάννα Αλέξανδρος Ζωή Θεόδωρος Φωτεινή Ουρανία Λευτέρης Ξένια Σπύρος Ηλίας Χαράλαμπος",
    "cp1255": "אליעזר נחמיה צפורה בנימין שלומית גדעון טובה זבולון יהושע מתתיהו עמנואל פנחס",
    "cp1256": "عبدالرحمن سلمى طارق ياسمين إسماعيل رقية بلال هشام خديجة أيمن صفية جعفر",
    "cp874": "ธนวัฒน์ กาญจนา พิมพ์ใจ ณัฐพล อรทัย สมศักดิ์ ปรีชา ดวงใจ วราภรณ์ เกียรติศักดิ์ มณีรัตน์ ชัยวัฒน์",
    "cp932": "藤田 さゆり 岡本 石川 三浦 ケンタ 青木 西村 森 ヒロコ 近藤 坂本",
    "gb18030": "邓超 谢芳 韩磊 唐宁 冯远 于波 董洁 程丽 曹颖 袁弘 邓丽 傅明",
    "big5": "鄧超 謝婷 韓國榮 唐小姐 馮遠 于波 董潔 程麗 曹穎 袁弘 許志明 傅明",
    "cp949": "배수지 전지현 공유 손예진 현빈 한가인 이병헌 고아라 문채원 박보검 서강준 남주혁",
    "mac-roman": "Désirée Geneviève Jérémie Müßig Träger Grünwald Cañete Zúñiga Ávila Simão Anunciação Åström",
    "cp850": "Désirée Geneviève Jérémie Müßig Träger Grünwald Cañete Zúñiga Jérôme Åström Pärssinen Daniël",
    "cp437": "Désirée Geneviève Jérémie Müßig Träger Grünwald Cañete Björk Jérôme Åström Pärssinen Daniël",
    "cp852": "Władysław Żółkiewski Śliwińska Źródłowski Bohuš Křížek Jaroměř Zdeňka Ľubomír Kőszegi Hegedűs Đorđević",
}
"""Names that are not those by which the rules for code pages were found."""


def read(content, **options):
    return read_quietly(io.BytesIO(content if isinstance(content, bytes) else content.encode()), **options)


def cells(frame):
    return [frame.columns.tolist(), *frame.fillna("").to_numpy().tolist()]


def refused(content, **options):
    with pytest.raises(InvalidInput) as refusal:
        read(content, **options)
    message = str(refusal.value)
    assert "Nothing was sent" in message
    assert re.search(r"\d{7}", message) is None, "a whole number is shown"
    return message


def table_of(names, sep=","):
    return f"name{sep}mobile\r\n" + "".join(
        f"{name}{sep}{to}\r\n" for name, to in zip(names, NUMBERS * 99, strict=False)
    )


# --- encodings that are certain ---


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
@pytest.mark.parametrize("name", ["Ann", "Renée", "דוד", "王伟", "Ā", "🎉", "Ѐлена"])
@pytest.mark.parametrize("marks", ["", "\ufeff", "\ufeff\ufeff"])
def test_unicode_is_certain_with_a_mark_and_without(encoding, name, marks):
    table = read((marks + f"name,mobile\n{name},447700900123\n").encode(encoding))
    assert cells(table) == [["name", "mobile"], [name, "447700900123"]]
    assert notes_of(table) == []


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE])
def test_big_endian_with_a_mark_is_certain(mark):
    encoding = "utf-16-be" if len(mark) == 2 else "utf-32-be"
    assert cells(read(mark + "name\nZoë\n".encode(encoding))) == [["name"], ["Zoë"]]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("name,mobile\nRenée,447700900123\n".encode() + b"Zo\xeb,447700900124\n", "line 3"),
        (b"name,mobile\n" + b"Zo\xeb,447700900124\n" + "Renée,447700900123\n".encode(), "line 2"),
        ("name\nRenée\nJosé\n".encode() + b"Zo\xeb\nJos\xe9\n" + "Müller\nÅsa\n".encode(), "line 4, 5"),
        (b"name\n" + b"Zo\xeb\nJos\xe9\nAnn\xe9\n" + "Müller\n".encode(), "line 2, 3, 4"),
        ("name\r\nДмитрий\r\n".encode() + "Ольга\r\n".encode("cp1251"), "line 3"),
        ("name\nΕλένη\n".encode() + "Νίκος\n".encode("cp1253"), "line 3"),
        (codecs.BOM_UTF8 + "name\nRenée\n".encode() + b"Zo\xeb\n", "line 3"),
        ("name\n王伟\n张敏\n".encode() + "李娜\n".encode("gb18030"), "line 4"),
        ("name\nRenée\nJos".encode() + b"\xc3", "line 3"),
        ("name\nRenée\n".encode() + b"\xed\xa0\x80\n", "line 3"),
        ("name\nRenée\n".encode() + b"10 \x80\n", "line 3"),
    ],
)
def test_utf_8_with_broken_lines_is_no_other_code_page(content, line):
    assert f"not in {line}" in refused(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"name,mobile\nAn\0n,447700900123\n", "Line 2 of the file holds zero bytes"),
        (b"name\nZo\xeb\0\n", "zero bytes"),
        (b"\0\0\0\0", "zero bytes"),
        ("name\n田中\n".encode("iso2022_jp"), "encoding='iso2022_jp'"),
        ("\ufeffname\nRenée\n".encode().decode("latin-1").encode(), "UTF-8 twice"),
        (codecs.BOM_UTF16_LE + b"a\0\n", "not text in utf-16"),
        (codecs.BOM_UTF32_LE + b"a\0\0\0\n", "not text in utf-32"),
        (b"\x80\x81\x8d\x8f\x90\x9d\xff\xfe", "cannot be told|not text in UTF-8"),
    ],
)
def test_what_is_no_text_is_refused(content, reason):
    assert re.search(reason, refused(content))


# --- encodings that are said or refused ---


@pytest.mark.parametrize("encoding", NAMES)
def test_a_code_page_with_a_dozen_names_is_told_and_said(encoding):
    names = NAMES[encoding].split()
    table = read(table_of(names).encode(encoding))
    assert table["name"].tolist() == names
    (note,) = notes_of(table)
    assert note.kind == "encoding"
    assert repr(names[0]) in note.words
    assert "encoding=" in note.words


def test_what_another_code_page_would_read_is_shown_by_what_it_reads_otherwise():
    names = ["Zoë", "René", "Müller", "Peña", "Øystein", "François", "Håkon", "Jürgen"]
    (note,) = notes_of(read(table_of(names * 3).encode("cp1252")))
    other = note.words.partition("name another")[2]
    assert "Řystein" in other
    assert "Zoë" not in other


@pytest.mark.parametrize(
    "cell",
    [
        "José",
        "Zoë",
        "Müller",
        "Muñoz",
        "Peña",
        "10 €",
        "£5",
        "O’Brien",
        "“Ann”",
        "Ann – Ben",
        "Weiß",
        "Åsa",
        "Søren",
        "ÉLISE",
        "Noël & Anaïs",
        "½ price – £3",
        "1º",
    ],
)
def test_ordinary_western_files_are_read_and_said(cell):
    table = read(f"name,mobile\n{cell},447700900123\n".encode("cp1252"))
    assert table["name"].tolist() == [cell]
    assert [note.kind for note in notes_of(table)] == ["encoding"]


def test_a_single_hebrew_name_is_refused_with_what_each_encoding_would_read():
    content = "name;mobile\nדוד;447700900123\n".encode("cp1255")
    assert "encoding='cp1255' reads 'דוד'" in refused(content)
    assert read(content, encoding="cp1255")["name"].tolist() == ["דוד"]


@settings(max_examples=soak(200, 100_000))
@given(encoding=st.sampled_from(sorted(NAMES)), seed=st.integers(0, 10**9), count=st.integers(1, 12))
def test_some_names_in_any_code_page_are_right_and_said_or_refused(encoding, seed, count):
    dice = random.Random(seed)
    names = dice.sample(NAMES[encoding].split(), min(count, len(NAMES[encoding].split())))
    content = table_of(names, dice.choice(",;\t|")).encode(encoding)
    try:
        table = read(content)
    except InvalidInput as error:
        assert "encoding=" in str(error)  # noqa: PT017
        return
    assert table["name"].tolist() == names
    assert [note.kind for note in notes_of(table)] == ["encoding"] * (not content.isascii())


def test_an_encoding_that_is_named_is_obeyed_without_a_word():
    table = read("name\nŠárka\n".encode("cp1250"), encoding="cp1250")
    assert cells(table) == [["name"], ["Šárka"]]
    assert notes_of(table) == []
    assert "line 3 holds" in refused(b"name\nAnn\n\xe9\n", encoding="utf-8")
    for unknown in ("nonsense", "rot13", "a b", ""):
        assert "is unknown" in refused(b"name\nAnn\n", encoding=unknown)


# --- quotation marks ---


def with_two_strays(first, last, place="start"):
    """Write twenty people, with a stray mark before one of them and one after another."""
    rows = ["name,mobile,city", *(f"P{number},{to},Rome" for number, to in enumerate(NUMBERS[:20]))]
    rows[first] = {"start": f'"{rows[first]}', "number": rows[first].replace(",", ',"', 1)}[place]
    rows[last] = re.sub(r"^(P\d+)", r'\1"', rows[last]) if place == "start" else rows[last].replace(",Rome", '",Rome')
    return "\n".join(rows)


@pytest.mark.parametrize(("first", "last"), [(5, 15), (1, 2), (1, 20), (19, 20), (3, 5), (10, 12)])
@pytest.mark.parametrize("place", ["start", "number"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("sep", [",", ";", "\t", "|"])
def test_two_stray_marks_never_swallow_people(first, last, place, end, sep):
    text = with_two_strays(first, last, place).replace(",", sep).replace("\n", end)
    assert re.search(rf"opens in line {first + 1} |^Line {first + 1} of the file opens", refused(text))


def test_the_case_of_the_issue_names_line_6():
    rows = ["name,mobile", *(f"P{number},{to}" for number, to in enumerate(NUMBERS[:20]))]
    rows[5] = f'"{rows[5]}'
    rows[15] = rows[15].replace("P14", 'P14"')
    assert "opens in line 6 of the file swallows what follows, up to line 16" in refused("\n".join(rows))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('name,mobile\nAnn,1\n"Ben,2\nCy,3\n', 3),
        ('name,mobile\n"Ann,1\nBen,2\n"Smith, J",3\n', 2),
        ('name,mobile\n"Ann" Lee,1\nBen,2\n', 2),
        ('name,mobile\nAnn,1\n"Ben","2\n"Cy","3"\n', 3),
        ('name,mobile\nAnn,1\n\n\n"Ben,2\n', 5),
        ('name,note,mobile\nAnn,"a\nb",1\nBen,"c,2\n', 4),
        ('"name,mobile\nAnn,1\n', 1),
        ('sep=;\nname;mobile\n"Ann;1\n', 3),
        ('name,mobile\n"say \\"hi\\"",1\n', 2),
        ("'name','mobile'\n'Ann','1'\n'O'Brien','2'\n", 3),
        ('name,mobile\r"Ann,1\rBen,2\r', 2),
    ],
)
def test_a_mark_that_is_not_closed_is_named_by_the_line_where_it_opens(text, line):
    assert f"Line {line} of the file opens a quotation mark" in refused(text)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('name,city\n"P4,Rome\nP5,Oslo\nP6",Bern\n', 2),
        ('name,city,note\n"P4,Rome,x\nP5,Oslo,y\nP6",Bern,z\n', 2),
        ('mobile\n"447700900123\n447700900124\n447700900125"\n447700900126\n', 2),
        ('name,mobile\n"P4,\nP5",447700900123\nP6,447700900124\n', 2),
        ('name,note,mobile\nAnn,"a\nb",447700900123\n"P4,x,447700900124\nP5",y,447700900125\n', 4),
        ('name,mobile\n"Ann"",447700900123\nBen,447700900124\nCy",447700900125\n', 2),
    ],
)
def test_swallowed_lines_are_seen_in_other_tables_too(text, line):
    assert f"opens in line {line} of the file swallows" in refused(text)


@pytest.mark.parametrize(
    "rows",
    [
        [["name", "address", "mobile"], ["Ann", "1 High St, Flat 2\nLondon, UK", "447700900123"]],
        [["name", "address", "mobile"], ["Ann", "1 High St\nFlat 2, Block B\nLondon", "447700900123"]],
        [["name", "mobile"], ["Ann", "447700900123\n447700900124"]],
        [["mobile", "name"], ["447700900123\n447700900124", "Ann"]],
        [["first\nname", "mobile"], ["Ann", "447700900123"]],
        [["name", "note", "mobile"], ["Ann", 'She said "hi",\r\nthen left', "447700900123"]],
        [["name", "note", "mobile"], ["Ann", "a\rb", "447700900123"], ["Ben", "", "447700900124"]],
        [["name", "note"], ["Ann", "one\ntwo\nthree"], ["Ben", "x"]],
        [["mobile", "note"], ["447700900123", "called 2026-03-14, ok\n2026-03-15, no answer"]],
        [["note", "mobile"], ["\n", "447700900123"], ["a\n\nb", "447700900124"]],
    ],
)
@pytest.mark.parametrize("sep", [",", ";", "\t"])
def test_line_breaks_in_ordinary_cells_are_read(rows, sep):
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=sep).writerows(rows)
    read_back = cells(read(file.getvalue()))
    assert [[cell.strip() for cell in row] for row in read_back] == [[cell.strip() for cell in row] for row in rows]


@pytest.mark.parametrize("sep", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    "line",
    [
        'Ann,  "a,b",1',
        '"Ann" ,"a,b" ,1',
        ' "Ann", "a,b", "1"',
        '"Ann" , "a,b" , "1" ',
        'Ann, "a,b"  ,"1"',
        '"Ann",   "a,b",1',
    ],
)
def test_blanks_around_quotation_marks_do_not_count(line, sep):
    table = read(f"name,note,mobile\n{line}\n".replace(",", sep))
    assert cells(table) == [["name", "note", "mobile"], ["Ann", f"a{sep}b", "1"]]


# --- separators ---


@pytest.mark.parametrize("first", ["sep={}", "SEP={}", '"sep={}"', "sep={},,", "Sep={}  ", "\ufeffsep={}"])
@pytest.mark.parametrize("sep", [",", ";", "\t", "|", "~", "^", "，"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_line_in_which_excel_names_the_separator_is_obeyed(first, sep, encoding):
    text = f"{first.format(sep)}\r\nname{sep}mobile\r\nAnn{sep}447700900123\r\n"
    assert cells(read(text.encode(encoding))) == [["name", "mobile"], ["Ann", "447700900123"]]
    assert cells(read(text.encode(encoding), sep=sep)) == [["name", "mobile"], ["Ann", "447700900123"]]


def test_the_tab_may_be_written_as_people_do_in_a_sep_line():
    assert cells(read("sep=\\t\nname\tmobile\nAnn\t1\n")) == [["name", "mobile"], ["Ann", "1"]]


@pytest.mark.parametrize("mark", ["~", "^", ":", "，", "；", "、", "¦", " ", "/", "§", "#"])
def test_one_column_that_looks_like_several_names_the_likely_separator(mark):
    text = f"name{mark}mobile\nAnn{mark}447700900123\nBen{mark}447700900124\n"
    assert f"sep={mark!r}" in refused(text)
    assert cells(read(text, sep=mark))[1] == ["Ann", "447700900123"]
    assert read(text, sep=",").shape == (2, 1)


def test_columns_of_fixed_width_are_refused():
    assert "fixed width" in refused("name        mobile\nAnn         447700900123\nBenjamin Lee 447700900124\n")


@pytest.mark.parametrize(
    "text",
    [
        "mobile\n447700900123\n",
        "mobile number\n+44 7700 900123\n07700 900124\n",
        "note\nsee you\nbye\n",
        "e-mail\na@b.example\n",
    ],
)
def test_one_column_is_one_column(text):
    table = read(text)
    assert table.shape[1] == 1
    assert notes_of(table) == []


def test_lines_that_may_be_several_cells_are_said_where_no_separator_is_likely():
    table = read("people\nAnn 447700900123\nBen 447700900124\n")
    (note,) = notes_of(table)
    assert note.kind == "one column"
    assert "447700900123" not in note.words


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("Name, first;mobile\nSmith, J;447700900123\n", ["Name, first", "mobile"]),
        ("name;paid;mobile\nAnn;1,50;447700900123\nBen;2,75;447700900124\n", ["name", "paid", "mobile"]),
        ("name\tnote\tmobile\nAnn\ta, b\t447700900123\nBen\tc, d\t447700900124\n", ["name", "note", "mobile"]),
        ('name,note,mobile\nAnn,"a;b;c",447700900123\n', ["name", "note", "mobile"]),
        ("name|a,b|mobile\nAnn|1,2|447700900123\n", ["name", "a,b", "mobile"]),
    ],
)
def test_the_separator_is_the_one_that_sets_numbers_apart(text, columns):
    assert read(text).columns.tolist() == columns


@pytest.mark.parametrize("pair", [",;", ",|", ";\t", ";|"])
def test_two_separators_that_serve_equally_well_are_refused(pair):
    one, other = pair
    assert "cannot be told what separates" in refused(f"a{one}b{other}c\n1{one}2{other}3\n")


# --- lines above the names, and lines that are too long ---


@pytest.mark.parametrize(
    "above",
    [
        "Customers March\n",
        "Customers March,,\n",
        "# exported\n",
        "# exported 2026-03-14, 09:30\n",
        "\n\nCustomers\n\n",
        "Customers\nas of March\n",
        "# a\n# b\n",
        "#\n",
        '"Customers, March"\n',
        "Customers March\r\n,,\r\n",
        "sep=,\nCustomers\n",
    ],
)
def test_titles_and_comments_above_the_names_are_left_out_and_said(above):
    table = read(f"{above}name,city,mobile\nAnn,Rome,447700900123\nBen,Oslo,447700900124\n")
    assert cells(table)[:2] == [["name", "city", "mobile"], ["Ann", "Rome", "447700900123"]]
    assert [note.kind for note in notes_of(table)] == ["title lines"]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("#,name,mobile\n1,Ann,447700900123\n", ["#", "name", "mobile"]),
        ("#name,mobile\nAnn,447700900123\n", ["#name", "mobile"]),
        ("name,,mobile\nAnn,,447700900123\n", ["name", "column 2", "mobile"]),
        ("name,city\nAnn,Rome\n", ["name", "city"]),
        ("name,\nAnn,\n", ["name"]),
    ],
)
def test_names_are_not_taken_for_a_title(text, columns):
    table = read(text)
    assert table.columns.tolist() == columns
    assert notes_of(table) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Report;March\nname;city;mobile\nAnn;Rome;447700900123\n", "Line 2 .*in line 1, where"),
        ("# exported, by Ann\nname,mobile\nAnn,447700900123\n", "Line 1 .*a comment or the names"),
        ("Customers\nAnn,447700900123\nBen,447700900124\n", "Line 2 .*in line 1, where"),
        ("name,mobile\nAnn,447700900123\n\nSmith, J,447700900124\n", r"Line 4 .*3 cells.*'J', '\**124'"),
        ('name,note,mobile\nAnn,"a\nb",447700900123\nSmith, J,x,447700900124\n', "Line 4 .*4 cells"),
        ("sep=;\nname;mobile\nAnn;447700900123;x\n", "Line 3 .*3 cells"),
        ("name,mobile\rAnn,447700900123\rBen,447700900124,x,y\r", "Line 3 .*4 cells"),
        ("name,\nAnn,Rome\nBen,Oslo\n", "Line 2 .*2 cells, and there are 1 columns"),
        ("a,b,\n1,2,3\n", "Line 2 .*3 cells, and there are 2 columns"),
    ],
)
def test_a_line_that_does_not_fit_is_named_with_its_cells_masked(text, said):
    assert re.search(said, refused(text))


@pytest.mark.parametrize("ends", ["\n", "\r", "\r\n", "\r\n\n", "\n\r\n", "\f\n", "\n\f", "\r\n\f\r\n"])
def test_every_kind_of_line_end_is_one(ends):
    text = ends.join(["name,mobile", "Ann,1", "Ben,2", ""]) + "\x1a"
    assert cells(read(text)) == [["name", "mobile"], ["Ann", "1"], ["Ben", "2"]]
    assert cells(read("\f" + text.replace(ends, "\r\n", 1))) == [["name", "mobile"], ["Ann", "1"], ["Ben", "2"]]


# --- what is written is what is read ---

WORDS = (
    st.text("abcXYZ éüßñ王דÑ🎉.'-", min_size=1, max_size=8)
    .map(str.strip)
    .filter(lambda word: word[:1] not in {"", "'"})
)
ODD_WORDS = st.text('ab ",;|\t\n\ré~#=', max_size=10)
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]


@settings(max_examples=soak(300, 100_000))
@given(
    people=st.lists(st.tuples(WORDS, ODD_WORDS, st.sampled_from(NUMBERS)), min_size=1, max_size=6),
    encoding=st.sampled_from(ENCODINGS),
    sep=st.sampled_from(",;\t|"),
    always=st.booleans(),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    declared=st.booleans(),
)
def test_a_table_written_in_any_way_is_read_equal_or_refused(people, encoding, sep, always, end, declared):
    def written(cell):
        quoted = always or any(char in cell for char in (sep, '"', "\n", "\r")) or cell.startswith("'")
        return '"' + cell.replace('"', '""') + '"' if quoted else cell

    lines = [sep.join(map(written, row)) for row in [("name", "note", "to"), *people]]
    text = end.join([f"sep={sep}", *lines, ""] if declared else [*lines, ""])
    try:
        table = read(text.encode(encoding))
    except InvalidInput:
        assert any(set(note) & set("\n\r") for _, note, _ in people)  # lines that may be rows, and separators in them
        return
    blank = [[cell if cell.strip() else "" for cell in row] for row in people]
    assert cells(table) == [["name", "note", "to"], *blank]
    assert notes_of(table) == []


@settings(max_examples=soak(100, 100_000))
@given(
    first=st.integers(1, 19),
    length=st.integers(1, 19),
    place=st.sampled_from(["start", "number"]),
    sep=st.sampled_from(",;\t|"),
)
def test_stray_marks_at_any_two_places_are_refused(first, length, place, sep):
    text = with_two_strays(first, min(first + length, 20), place).replace(",", sep)
    assert f"line {first + 1} " in refused(text).lower()


@settings(max_examples=soak(15, 3_000))
@given(
    seed=st.integers(0, 10**9),
    sep=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n"]),
    first=st.sampled_from(["", "Title\n", "sep={}\n"]),
)
def test_a_long_table_is_read_as_a_short_one(seed, sep, end, first):
    dice = random.Random(seed)
    words = [
        "",
        " ",
        "a b",
        "Zoë",
        " x",
        "NA",
        "nan",
        "007",
        "1e5",
        "#",
        "it's",
        "王",
        "\u00a0x",
        "TRUE",
        "\\",
        "-",
        '"a"',
    ]
    some = dice.sample(words, 4)
    line = [
        f"447700{dice.randrange(10**6):06d}" + "".join(f"{sep}{dice.choice(some)}" for _ in range(9)) for _ in range(60)
    ]
    rows = [dice.choice(line) for _ in range(9000)]
    rows[dice.randrange(300, 9000)] = dice.choice([rows[0], "", sep * 9, " ", f" {sep} ", f"447700900123{sep}x"])
    text = first.format(sep).replace("\n", end) + end.join([sep.join("abcdefghij"), *rows])
    table = read(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clicknb.recipients.quick._SHORT", 10**9)
        pd.testing.assert_frame_equal(table, read(text))


def test_a_long_table_goes_the_quick_way_and_a_line_too_long_is_still_named():
    rows = [f"{to},Zoë, x ,NA,007" for to in NUMBERS * 300]
    text = "\n".join(["to,name,a,b,c", *rows])
    assert read_quickly(text, None) is not None
    table = read(text)
    assert table.loc[11_999].tolist() == [NUMBERS[-1], "Zoë", " x ", "NA", "007"]
    assert set(table.dtypes.astype(str)) == {"str"}
    rows[7_000] += ",y"
    assert "Line 7002 of the file has 6 cells" in refused("\n".join(["to,name,a,b,c", *rows]))


@pytest.mark.parametrize("blank", [150, 199, 200, 250])
def test_a_long_table_may_begin_with_blank_lines(blank):
    rows = [f"{to},Zoë" for to in NUMBERS * 900]
    table = read("\n" * blank + "\n".join(["to,name", *rows]))
    assert (list(table.columns), len(table)) == (["to", "name"], len(rows))


def test_a_long_file_of_blank_lines_is_empty():
    assert "The file is empty" in refused("\n" * 300_000)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ['"Zoë"', '"Zoë, of Rome"', "Zoë", '""', '"Zoë ""the boss"" Lee"', '"Zoë\nLee"'])
def test_a_long_table_with_quoted_cells_is_read_as_a_short_one(end, last):
    rows = [f'"{to}","Smith, J",""' for to in NUMBERS * 300]
    rows[9_000] = f'"{NUMBERS[0]}",x,{last}'
    text = end.join(["to,name,note", *rows])
    table = read(text)
    assert len(table) == len(rows)
    assert cells(table.iloc[9_000:9_001])[1] == [NUMBERS[0], "x", last.strip('"').replace('""', '"')]
    assert (read_quickly(text, None) is None) == ("boss" in last or "\n" in last)


@pytest.mark.parametrize(("first", "last"), [(5_000, 5_001), (300, 9_000), (11_998, 11_999), (2, 3), (150, 250)])
def test_stray_marks_are_found_in_a_long_table(first, last):
    rows = [f"P,{to},Rome" for to in NUMBERS * 300]
    rows[first], rows[last] = f'"{rows[first]}', rows[last].replace("P,", 'P",')
    assert f"opens in line {first + 2} " in refused("\n".join(["name,mobile,city", *rows]))
    for stray in ('"P,447700900123,Rome', 'P,"447700900123,Rome', '"P"x,447700900123,Rome'):
        rows[first], rows[last] = stray, "P,447700900123,Rome"
        assert f"Line {first + 2} of the file opens" in refused("\n".join(["name,mobile,city", *rows]))


# --- sources ---


def test_a_path_may_begin_in_the_home_folder(tmp_path, monkeypatch):
    (tmp_path / "p.csv").write_text("name\nAnn\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert cells(read_recipients("~/p.csv")) == [["name"], ["Ann"]]
    assert cells(read_recipients(Path("~/p.csv"))) == [["name"], ["Ann"]]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("/dev/zero", "is no file, but a device"),
        ("https://docs.google.com/spreadsheets/d/1/edit#gid=0", "Google Sheets.*Comma-separated values"),
        ("https://example.org/people.csv", "address of the web"),
        ("HTTP://example.org/people.csv", "address of the web"),
        (Path("https://example.org/people.csv"), "address of the web"),
        ("s3://bucket/people.csv", "or of another store"),
        ("file:///people.csv", "Download the file"),
        ("name,mobile\nAnn,447700900123", "text of a table.*io.StringIO"),
        (b"name,mobile\nAnn,447700900123", "content of a file.*io.BytesIO"),
        (["447700900123"], "from a list.*pandas.DataFrame"),
        ({"mobile": ["447700900123"]}, "from a dict.*pandas.DataFrame"),
        (447700900123, r"from \+44 \*"),
        (None, "from None"),
        ("", "names no file"),
        ("a\0b", "names no file"),
        ("~nobody-of-this-name/p.csv", "no home folder|There is no file"),
        ("447700900123.csv", r"no file '\+44 \*"),
        ("x" * 5000, "cannot be read"),
        (io.StringIO("447700900123,447700900123\n1,2"), "telephone number instead of column names"),
        (io.StringIO("Ann 447700900123,Ann 447700900123\n1,2"), r"called 'Ann \+44 \*"),
    ],
)
def test_what_is_no_table_is_named_for_what_it_is(source, reason):
    with pytest.raises(InvalidInput, match=reason) as refusal:
        read_recipients(source)
    assert "447700900123" not in str(refusal.value)


def test_folders_pipes_links_and_what_is_too_large_are_named(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nothing.csv")
    with (tmp_path / "large.csv").open("wb") as file:
        file.truncate(600 * 2**20)  # without a byte on the disk
    for name, reason in {
        ".": "is a folder",
        "pipe.csv": "a pipe",
        "gone.csv": "a link to a file that is not there",
        "large.csv": "more than 512 MB",
    }.items():
        with pytest.raises(InvalidInput, match=reason):
            read_recipients(tmp_path / name)
    (tmp_path / "people.csv").write_text("name\nAnn\n")
    (tmp_path / "link.csv").symlink_to(tmp_path / "people.csv")
    assert cells(read_recipients(tmp_path / "link.csv")) == [["name"], ["Ann"]]


def test_a_file_that_is_open_is_read_only_so_far():
    class Endless(io.RawIOBase):
        def read(self, size=-1):
            assert 0 < size < 2**30, "it would never end"
            return b""

    with pytest.raises(InvalidInput, match="The file is empty"):
        read_recipients(Endless())


# --- who says it ---


def test_what_was_not_certain_is_said_by_reader_doctor_plan_and_form():
    content = "Customers\nname,mobile\nZoë,447700900123\n".encode("cp1252")
    with pytest.warns(TableWarning) as caught:
        people = read_recipients(io.BytesIO(content))
    assert {Path(one.filename).name for one in caught} == {"test_reader.py"}
    words = [note.words for note in notes_of(people)]
    assert [str(one.message) for one in caught] == words
    assert len(words) == 2
    plan = cn.sandbox().plan(people.set_index("name"), to="mobile", text="Hi", name="said")
    assert [one.text for one in warnings_of(plan) if one.kind == "table"] == words
    for said in (str(plan), plan._repr_html_(), str(cn.doctor_report(cn.doctor(people, to="mobile")))):
        assert all(part in said for part in ("read as cp1252", "column names one line was left out"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert People.read(content, "people.csv").notes == words
