"""A recording, and what is made of it: lines, tables, pages, pictures."""

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from utsuwa.app.observe import page, png, sheet, svg, terminal, top
from utsuwa.app.observe.chart import WIDTH, draw, nice
from utsuwa.app.observe.load import LoadOption
from utsuwa.app.observe.recording import Recording
from utsuwa.app.observe.scene import DARK, LIGHT, Area, Line, Scene, Text
from utsuwa.series import COLUMNS, Mark, Point, shown

START = 1_700_000_000
BUSY = Point(s2=200, s5=3, in_flight=160, waiting=40, desired=3, ready=2, total=3, p50=1000)


def recorded(*points: Point, marks: tuple[Mark, ...] = (), name: str = "web") -> Recording:
    recording = Recording(name, START)
    series = shown([(START + number, point) for number, point in enumerate(points)])
    told = [[mark.time, mark.kind, mark.revision, mark.text] for mark in marks]
    until = START + len(points) - 1
    recording.take({"columns": list(COLUMNS), "series": series, "until": until, "marks": told})
    return recording


@pytest.fixture
def run() -> Recording:
    """Twenty seconds: from zero, panic, one deploy."""
    marks = (
        Mark(START + 1.2, "woken", "web-00001", "/?a=<b> from 127.0.0.1"),
        Mark(START + 2.0, "panic", "web-00001"),
        Mark(START + 9.0, "calm", "web-00001"),
        Mark(START + 12.0, "deploy", "web-00002"),
    )
    return recorded(Point(), Point(), *[BUSY] * 16, Point(), Point(), marks=marks)


def texts(scene: Scene) -> list[str]:
    return [shape.text for shape in scene.shapes if isinstance(shape, Text)]


# --- the recording ------------------------------------------------------------------------------


def test_seconds_that_the_history_leaves_out_are_zeros() -> None:
    """Nothing happened in them."""
    recording = Recording("web", START)
    series = shown([(START + 1, BUSY), (START + 5, BUSY)])
    recording.take({"columns": COLUMNS, "series": series, "until": START + 6, "marks": []})
    assert recording.column("2xx") == [0, 200, 0, 0, 0, 200, 0]
    assert recording.requests[1] == 203
    assert recording.peak("waiting") == 40


def test_seconds_of_which_nothing_is_known_are_not_zeros() -> None:
    """Control was away: a line says so, and the chart shows nothing there."""
    recording = Recording("web", START)
    series = shown([(START, BUSY), (START + 8, BUSY), (START + 9, Point()), (START + 12, BUSY)])
    recording.take({"columns": COLUMNS, "series": series, "until": START + 14, "marks": []})
    assert recording.gaps() == [range(START + 1, START + 8), range(START + 13, START + 15)]
    assert terminal.line(recording, START + 3) == "    3s   no figures: control was away"
    assert "control was away" not in terminal.line(recording, START + 10)
    assert texts(draw(recording, title="")).count("no figures") == 6


def test_what_is_told_twice_is_taken_once(run: Recording) -> None:
    """Marks, too; and what lies before the start is not taken."""
    events = list(run.events)
    marks = [[event.time, event.kind, event.revision, event.text] for event in events]
    early = [START - 5.0, "zero", "web-00001", ""]
    run.take({"columns": COLUMNS, "series": shown([]), "until": 0, "marks": [early, *marks]})
    assert run.events == events
    assert run.end == START + 19


def test_panic_lasts_until_its_end_or_until_now(run: Recording) -> None:
    assert run.panics() == [(START + 2.0, START + 9.0)]
    run.events = [event for event in run.events if event.kind != "calm"]
    assert run.panics() == [(START + 2.0, START + 20.0)]


def test_an_endless_recording_keeps_its_last_hour(run: Recording) -> None:
    run.keep(5)
    assert (len(run.seconds), len(run.rows), run.events) == (5, 5, [])


# --- the chart ----------------------------------------------------------------------------------


def test_the_chart_names_everything_that_it_draws(run: Recording) -> None:
    """Title, panels, legends of what there was and of nothing else, marks."""
    found = texts(draw(run, title="web: a load", subtitle="when"))
    for text in (
        "web: a load", "when", "Requests/s", "2xx", "5xx", "Requests inside", "in flight",
        "waiting for a pod", "Pods", "ready", "desired", "first request web-00001",
        "panic", "deploy web-00002",
    ):  # fmt: skip
        assert text in found
    assert "3xx" not in found
    assert "Latency in ms" not in found
    assert "Latency in ms" in texts(draw(run, title="", latency=True))


def test_everything_lies_within_the_picture(run: Recording) -> None:
    scene = draw(run, title="web", latency=True)
    for shape in scene.shapes:
        points = [(shape.x, shape.y)] if isinstance(shape, Text) else shape.points
        assert all(0 <= x <= WIDTH and 0 <= y <= scene.height for x, y in points), shape


def test_areas_are_stacked_and_add_up(run: Recording) -> None:
    """The top of 5xx is that of all requests; its floor is the top of 2xx."""
    shapes = reversed(draw(run, title="").shapes)  # the legend's boxes come last
    areas = {shape.role: shape for shape in shapes if isinstance(shape, Area)}
    tops = {role: min(y for _, y in areas[role].points) for role in ("2xx", "5xx")}
    assert tops["5xx"] < tops["2xx"]
    assert max(y for _, y in areas["5xx"].points) <= max(y for _, y in areas["2xx"].points)


def test_labels_of_one_row_do_not_overlap() -> None:
    """What finds no room is a line without words."""
    marks = tuple(Mark(START + i / 4, "deploy", f"web-{i:05}") for i in range(40))
    scene = draw(recorded(*[BUSY] * 20, marks=marks), title="")
    rows: dict[float, list[Text]] = {}
    for shape in scene.shapes:
        if isinstance(shape, Text) and shape.text.startswith("deploy"):
            rows.setdefault(shape.y, []).append(shape)
    assert 1 <= len(rows) <= 3
    for row in rows.values():
        starts = sorted(shape.x for shape in row if shape.anchor == "start")
        assert all(b - a > 90 for a, b in pairwise(starts))


def test_a_service_that_did_nothing_has_a_chart_as_well() -> None:
    """One second, all zeros."""
    assert draw(recorded(Point()), title="web", latency=True).shapes


@pytest.mark.parametrize(("least", "most"), [(0.3, 0.5), (1, 1), (6, 10), (20, 20), (201, 500)])
def test_axes_go_in_ones_twos_and_fives(least: float, most: float) -> None:
    assert nice(least) == pytest.approx(most)


def test_both_themes_have_every_role_and_enough_contrast(run: Recording) -> None:
    """Text at least 4.5 to 1, lines at least 3 to 1 (WCAG); colours as in the legend."""
    used = {shape.role for shape in draw(run, title="", latency=True).shapes}
    for theme in (LIGHT, DARK):
        assert used <= theme.keys()
        assert contrast(theme["ink"], theme["paper"]) >= 4.5
        assert contrast(theme["muted"], theme["paper"]) >= 4.5
        for role in ("inFlight", "waiting", "desired", "2xx", "5xx"):
            assert contrast(theme[role], theme["paper"]) >= 3, role


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


# --- files --------------------------------------------------------------------------------------


def test_the_svg_is_one_file_that_knows_both_themes(run: Recording) -> None:
    """And names no other host."""
    text = svg.document(draw(run, title="a <b> & c"))
    root = ET.fromstring(text)
    assert root.attrib["aria-label"] == "a <b> & c"
    assert "prefers-color-scheme: dark" in text
    assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]


@pytest.mark.slow
def test_the_png_is_twice_as_large_as_the_chart(run: Recording) -> None:
    """In the colours of its theme."""
    from PIL import Image

    scene = draw(run, title="web")
    for theme, paper in (("light", 255), ("dark", 15)):
        with Image.open(io.BytesIO(png.picture(scene, theme))) as image:
            assert image.size == (scene.width * 2, scene.height * 2)
            pixel = image.convert("RGB").getpixel((2, 2))
            assert isinstance(pixel, tuple)
            assert abs(pixel[0] - paper) < 3


def test_a_dashed_line_has_gaps_and_goes_around_corners() -> None:
    parts = list(png._dashed([(0, 0), (10, 0), (10, 10)], 4))
    assert parts == [[(0, 0), (4, 0)], [(8, 0), (10, 0), (10, 2)], [(10, 6), (10, 10)]]


def test_the_csv_has_a_row_for_every_second(run: Recording) -> None:
    rows = list(csv.DictReader(io.StringIO(sheet.text(run))))
    assert len(rows) == 20
    assert rows[2]["2xx"] == "200"
    assert rows[2]["p50"] == "100"
    assert rows[2]["events"] == "panic:web-00001"
    assert rows[0]["time"] == "2023-11-14T22:13:20Z"


class Outline(HTMLParser):
    """What a page loads, and which elements it has."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [value or "" for name, value in attrs if name in {"src", "href"}]
        if tag not in {"meta", "link", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass


def test_the_page_is_whole_in_itself(run: Recording) -> None:
    """It loads nothing, is well formed, escapes what others wrote, and carries its figures."""
    scene = draw(run, title="<script>", latency=True)
    text = page.page(run, scene, summary="Summary:\n <b>", command="utsuwa observe web")
    outline = Outline()
    outline.feed(text)
    assert (outline.loads, outline.open) == ([], [])
    assert "<script>&" not in text
    assert "&lt;b&gt;" in text
    data = re.search(r'id="run">(.*?)</script>', text)
    assert data is not None
    assert len(json.loads(data[1])["rows"]) == 20
    assert len(text) < 60_000


# --- in a terminal ------------------------------------------------------------------------------


def plain(rows: list[terminal.Row]) -> list[str]:
    return ["".join(piece.text for piece in row).rstrip() for row in rows]


def test_the_view_shows_the_latest_seconds_at_the_right(run: Recording) -> None:
    """Twenty columns of twenty seconds; full bars where the peak is."""
    rows = plain(terminal.view(run, 29))
    assert rows[0] == "requests/s 0   2xx 0  5xx 0"
    assert rows[1] == "    203   " + "█" * 16
    assert rows[6].startswith("      0 ")
    assert "inside 0   in flight 0  waiting 0" in rows
    assert rows[-4] == " " * 8 + " WP      C  D"
    assert rows[-1] == "   7 s ago  D deployed web-00002"


def test_a_little_is_not_nothing() -> None:
    """One request beside a thousand is an eighth high."""
    rows = plain(terminal.view(recorded(Point(s2=1), Point(s2=1000)), 20))
    assert rows[6].endswith("▁█")


def test_what_waits_is_stacked_on_what_is_served() -> None:
    """In styles of their own: four fifths, and the rest."""
    rows = terminal.view(recorded(*[BUSY] * 11), 20)
    lowest, highest = rows[13], rows[8]
    assert lowest[-1].style == "inFlight"
    assert highest[-1].style == "waiting"


def test_without_a_terminal_there_is_a_line_for_each_second(run: Recording) -> None:
    """Under the heads of the columns, with what happened."""
    text = terminal.line(run, START + 2)
    assert text.split()[:8] == ["2s", "203", "3", "160", "40", "3", "2", "0"]
    assert text.endswith("panic of web-00001")
    assert len(terminal.HEADER) == len(text.split("   panic")[0])


def test_top_has_the_busiest_first_and_marks_errors(run: Recording) -> None:
    idle = recorded(*[Point()] * 20, name="idle")
    busy = recorded(*[BUSY] * 20, name="busy")
    rows = top.table({("default", "idle"): idle, ("default", "busy"): busy})
    lines = plain(rows)
    assert lines[0].split()[:4] == ["SERVICE", "REQ/S", "ERR/S", "INSIDE"]
    assert lines[1].split()[:6] == ["busy", "203", "3", "160", "40", "2/3"]
    assert lines[2].startswith("idle")
    assert [row[0].style for row in rows] == ["bold", "5xx", "muted"]
    assert plain(top.table({})) == ["No services."]
    several = top.table({("a", "web"): busy, ("b", "web"): idle})
    assert plain(several)[1].startswith("a/web")


# --- what a load is -----------------------------------------------------------------------------


def test_a_load_is_written_in_one_word() -> None:
    """The path comes last and may have commas and equals signs."""
    option = LoadOption.parse("c=500,n=150000,path=/?sleep=1000&list=1,2")
    assert option == LoadOption(500, 150_000, "/?sleep=1000&list=1,2")
    assert LoadOption.parse("n=10,t=3") == LoadOption(requests=10, timeout=3.0)
    assert option.told == "150,000 requests of /?sleep=1000&list=1,2, 500 at a time"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("c=0", "c='0': expected a whole number of at least 1"),
        ("n=many", "n='many'"),
        ("speed=9", "found 'speed'"),
        ("500", "found '500'"),
        ("path=x", "begins with '/'"),
        ("path=/a b", "no space"),
    ],
)
def test_a_load_that_is_none_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        LoadOption.parse(text)


def test_a_name_of_the_machine_is_called_there_and_any_other_at_the_gateway() -> None:
    """`*.localhost` is loopback everywhere; `*.example.com` is in nobody's DNS."""
    option = LoadOption.parse("path=/x")
    local = option.to("http://web.default.localhost:8080", "10.0.0.7")
    assert (local.url, local.address) == (
        "http://web.default.localhost:8080/x", ("127.0.0.1", 8080),
    )  # fmt: skip
    other = option.to("http://web.default.example.com", "10.0.0.7")
    assert (other.url, other.host) == ("http://10.0.0.7/x", "web.default.example.com")
    with pytest.raises(ValueError, match="expected a service that answers http"):
        option.to("https://web.default.example.com", "10.0.0.7")


def test_lines_of_scenes_are_drawn_once_each(run: Recording) -> None:
    """No shape is in a scene twice: it would be darker than its legend."""
    shapes = [s for s in draw(run, title="").shapes if isinstance(s, Line) and s.role != "grid"]
    assert len(shapes) == len(set(shapes))
