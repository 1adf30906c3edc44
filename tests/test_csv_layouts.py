"""Delimited text: no row shifts a column, ids stay as they are written, faults are named by the line of the file."""

import bz2
import csv
import gzip
import io
import lzma
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.data.columns import Roles
from graphrec.data.csv_files import read_csv
from graphrec.data.delimited_table import read_table
from graphrec.errors import InputError

HEAD = "user_id,item_id"


def read(folder, text, **options):
    path = folder / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_csv(path, **options)


def rows(inter):
    return [tuple(row) for row in inter.to_frame().astype(object).to_numpy().tolist()]


# ---- ragged rows ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (f"{HEAD}\n1,10,9\n2,20\n", {}, "line 2 has 3 fields, but the header has 2"),
        (f"{HEAD}\n1,10\n2,20,9\n", {}, "line 3 has 3 fields"),
        (f"{HEAD}\n1,10\n2\n", {}, "line 3 has 1 field, but the header has 2; mend or remove it"),
        (f"{HEAD}\n1,10\n2\n3,30\n4,5,6\n7\n", {}, "line 3 has 1 field, .* has 2, and 2 more do not fit; mend or remove them"),
        (f"{HEAD}\n1,10,\n2,20\n", {}, "line 3 has 2 fields, but earlier rows have 3"),
        (f"{HEAD}\n1,10,,x\n2,20,,\n", {}, "line 2 has 4 fields"),
        (f"{HEAD}\r\n1,10\r\n2\r\n", {}, "line 3 has 1 field"),
        (f'{HEAD}\n"a\nb",10\n\n2\n', {}, "line 5 has 1 field"),
        ("user_id,title,item_id\n1,a,10\n2,a,b,20\n", {}, "line 3 has 4 fields"),
        ("1,2,3\n", {"header": None, "names": ["user_id", "item_id"]}, "line 1 has 3 fields, but 2 were expected"),
        (f"note\n{HEAD}\n1,2\n3\n", {"skiprows": 1}, "line 4 has 1 field"),
        (f"{HEAD}\n1,\r2\n", {}, "line 3 has 1 field"),
        (f"{HEAD}\n1,2,3\n", {"comment": "#"}, "the first row has more fields than the header"),
        (f"{HEAD}\n1,2\n1,2,3\n", {"comment": "#"}, "Expected 2 fields in line 3, saw 3"),
        (f"{HEAD}\n1,2,3\n", {"engine": "python"}, "the first row has more fields than the header"),
    ],
)
def test_rows_of_another_length_are_refused_by_line(tmp_path, text, options, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text, **options)


@pytest.mark.parametrize("end", ["", ",", ",,"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_a_separator_at_the_end_of_every_row_is_no_column(tmp_path, end, quote):
    text = f"{HEAD},other\n1,{quote}10{quote},5{end}\n2,20,3{end}\n"
    assert rows(read(tmp_path, text)) == [(1, 10), (2, 20)]


fields = st.text(st.sampled_from('ab07-+ ."\n,;é'), min_size=1, max_size=4).filter(lambda text: text.strip(" \t\r\n"))


@settings(deadline=None, max_examples=100)
@given(
    table=st.lists(st.tuples(fields, fields, fields), min_size=1, max_size=6),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    ending=st.sampled_from(["\n", "\r\n"]),
    separator=st.sampled_from(",;\t"),
)
def test_what_a_csv_writer_writes_is_read_back(tmp_path_factory, table, quoting, ending, separator):
    stream = io.StringIO()
    writer = csv.writer(stream, quoting=quoting, lineterminator=ending, delimiter=separator)
    writer.writerows([("user_id", "note", "item_id"), *table])
    got = read(tmp_path_factory.mktemp("csv"), stream.getvalue(), sep=separator, duplicates="keep", keep_default_na=False)
    for name, place in (("user_id", 0), ("item_id", 2)):
        written = [row[place] for row in table]
        found = got.to_frame()[name].tolist()
        assert list(map(str, found)) == written
        as_integers = all(text.lstrip("-").isdigit() and str(int(text)) == text for text in written if text.isascii())
        assert isinstance(found[0], str) or as_integers


# ---- ids -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "ids"),
    [
        (["7", "-12"], [7, -12]),
        (["9223372036854775807", "-9223372036854775808"], [2**63 - 1, -(2**63)]),
        (["007", "7"], ["007", "7"]),
        (["+7", "7"], ["+7", "7"]),
        ([" 7", "7"], [" 7", "7"]),
        (["-0", "0"], ["-0", "0"]),
        (["1.0", "1"], ["1.0", "1"]),
        (["1e3", "1"], ["1e3", "1"]),
        (["9223372036854775808", "1"], ["9223372036854775808", "1"]),
        (["True", "False"], ["True", "False"]),
        (["x", "1"], ["x", "1"]),
    ],
)
@pytest.mark.parametrize("options", [{}, {"comment": "#"}, {"quoted": True}])
def test_ids_are_integers_only_where_all_are_written_so(tmp_path, written, ids, options):
    mark = '"' if options.pop("quoted", False) else ""
    text = f"{HEAD}\n" + "".join(f"{mark}{one}{mark},5\n" for one in written)
    assert rows(read(tmp_path, text, **options)) == [(one, 5) for one in ids]


def test_a_type_that_the_caller_names_wins(tmp_path):
    text = f"{HEAD}\n007,1\n"
    assert rows(read(tmp_path, text, dtype={"user_id": int})) == [(7, 1)]
    assert rows(read(tmp_path, text, dtype=str)) == [("007", "1")]
    assert rows(read(tmp_path, text, converters={"user_id": lambda one: one + "!"})) == [("007!", 1)]
    with pytest.raises(InputError, match="'user_id' holds numbers with decimals"):
        read(tmp_path, text, dtype={"user_id": float})


def test_train_and_test_share_an_id_space(tmp_path):
    train = read(tmp_path, f"{HEAD}\n007,1\n8,2\n")
    test = read(tmp_path, f"{HEAD}\n8,1\n", ids=train)  # by itself, its users would be integers
    assert test.shares_ids_with(train)
    assert rows(test) == [("8", 1)]
    with pytest.raises(InputError, match="'user_id' has 1 users that ids= does not know, first '7' in line 3"):
        read(tmp_path, f"{HEAD}\n8,1\n7,1\n", ids=train)
    with pytest.warns(UserWarning, match=r"t\.csv: 2 of 3 rows were dropped"):
        test = read(tmp_path, f"{HEAD}\n8,1\n7,1\n8,x\n", ids=train, unknown="drop")
    assert rows(test) == [("8", 1)]
    with pytest.raises(InputError, match="ids must be Interactions"):
        read(tmp_path, f"{HEAD}\n8,1\n", ids="train.csv")


# ---- lines, gaps, times --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'user_id,item_id,r,t\n1,2,3,4\n\n"a\nb",,x,soon\n',
            "'item_id' .* in line 4; .*'r' .* in line 4: 'x'; .*'t' .* in line 4",
        ),
        ("user_id,item_id,r,t\n1,2,3,4\n1,2,3,4\n", "repeat an earlier .*, first in line 3: user 1, item 2"),
        ("user_id,item_id,r,t\n1,2,3,4\n1,3,1e39,9223372036854775808\n", "'r' has .* in line 3: 1e.39; .*'t' has .* in line 3"),
        ("user_id,item_id,r,t\n1,2,3,1.5\n", "'t' has 1 times with a fraction .* in line 2: '1.5'"),
    ],
)
def test_faults_are_named_by_their_lines(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text, rating="r", time="t")


def test_gaps_are_dropped_by_name_and_lose_no_digit(tmp_path):
    text = "user_id,item_id,t\n7,1,1700000000000000001\n,2,3\n8,NA,3\n9,3,\n"
    with pytest.warns(UserWarning, match=r"t\.csv: 3 of 4 rows were dropped .*user_id 1, item_id 1, t 1"):
        inter = read(tmp_path, text, time="t", missing="drop")
    assert rows(inter) == [(7, 1, 1700000000000000001)]
    assert rows(read(tmp_path, f"{HEAD}\nNA,null\n", keep_default_na=False)) == [("NA", "null")]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_iso_times_and_line_ends(tmp_path, ending):
    text = ending.join(
        ["user_id,item_id,t", "1,2,1970-01-01T02:00:00+02:00", "1,3,1970-01-02T00:00Z", "1,4,1970-01-01T00:00:07Z", ""]
    )
    assert read(tmp_path, text, time="t").times.tolist() == [0, 86_400, 7]


# ---- files ---------------------------------------------------------------------------------------


def test_packed_files_of_every_kind(tmp_path):
    text = f"{HEAD}\n007,1\n".encode()
    for name, content in {"t.gz": gzip.compress(text), "t.bz2": bz2.compress(text), "t.xz": lzma.compress(text)}.items():
        (tmp_path / name).write_bytes(content)
        assert rows(read_csv(tmp_path / name)) == [("007", 1)]
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("a.csv", text)
    assert rows(read_csv(tmp_path / "t.zip")) == [("007", 1)]
    with zipfile.ZipFile(tmp_path / "t.zip", "a") as archive:
        archive.writestr("b.csv", text)
    with pytest.raises(InputError, match="it holds 2 files, not one"):
        read_csv(tmp_path / "t.zip")


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (b"\xef\xbb\xbfuser_id,item_id\n07,\xc3\xa9\n", {}),
        (f"{HEAD}\n07,é\n".encode("utf-16"), {"encoding": "utf-16"}),
        (f"{HEAD}\n07,é\n".encode("latin-1"), {"encoding": "latin-1"}),
        (f"{HEAD}\n07,é\nend\n".encode(), {"nrows": 1}),
        (f"{HEAD}\n07,é\nend\n".encode(), {"skipfooter": 1, "engine": "python"}),
        ("07,é\n".encode(), {"header": None, "names": ["user_id", "item_id"]}),
        ("user_id::item_id\n07::é\n".encode(), {"sep": "::", "engine": "python"}),
    ],
)
def test_encodings_and_layouts(tmp_path, content, options):
    assert rows(read(tmp_path, content, **options)) == [("07", "é")]


def test_columns_may_have_numbers_for_names(tmp_path):
    assert rows(read(tmp_path, "07,1\n", header=None, user=0, item=1)) == [("07", 1)]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"", {}, "No columns"),
        (b"user_id,item_id", {}, "the table is empty"),
        (b"user_id,item_id\n1,2\x00\n", {}, "line 2 holds a NUL character"),
        (b"user_id,user_id,item_id\n1,2,3\n", {}, "column 'user_id' is in the header more than once"),
        (b"user_id,item_id\n1,2\n", {"encoding": "utf9"}, "unknown encoding"),
        (b"user_id,item_id\n1,2\n", {"separator": ";"}, "unknown option of read_csv 'separator'"),
        (b"user_id,item_id\n1,2\n", {"nrows": "2"}, "nrows"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, content, options, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, content, **options)


def test_only_a_path_is_read():
    with pytest.raises(InputError, match="takes the path of a file, not StringIO"):
        read_csv(io.StringIO(HEAD))


def test_wanted_columns_alone_are_read(tmp_path):
    (tmp_path / "t.csv").write_text(f"{HEAD},more\n1,2,3\n")
    frame, place = read_table(str(tmp_path / "t.csv"), Roles("user_id", "item_id"), None, {"sep": ","})
    assert frame.columns.tolist() == ["user_id", "item_id"]
    assert place(0) == "in line 2"


def test_another_separator_is_named(tmp_path):
    (tmp_path / "t.csv").write_text('user_id;item_id\n"a, b";x\nc;y\n')
    with pytest.raises(InputError, match=r"Its first line has no ',', but ';': sep=';' says what separates columns\.$"):
        read_csv(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("user_id\titem_id\na\tx\n")
    with pytest.raises(InputError, match=r"'user_id', 'item_id' are not in the table .* sep='\\t' says"):
        read_csv(tmp_path / "t.csv")
    assert rows(read_csv(tmp_path / "t.csv", sep="\t")) == [("a", "x")]


def test_other_encodings_are_named(tmp_path):
    (tmp_path / "t.csv").write_bytes("user_id,item_id\nMüller,x\n".encode("cp1252"))
    with pytest.raises(InputError, match=r"t\.csv is not a text in UTF-8; encoding='cp1252'"):
        read_csv(tmp_path / "t.csv")
    assert rows(read_csv(tmp_path / "t.csv", encoding="cp1252")) == [("Müller", "x")]
    (tmp_path / "t.csv").write_bytes("user_id,item_id\nMüller,x\n".encode("utf-16"))
    with pytest.raises(InputError, match="as a text in UTF-16 does; encoding='utf-16' reads it"):
        read_csv(tmp_path / "t.csv")
    assert rows(read_csv(tmp_path / "t.csv", encoding="utf-16")) == [("Müller", "x")]
