"""The text format of metrics."""

from utsuwa.kit.exposition import Buckets, Metric, Page

WAITED = Metric("waited_seconds", "histogram", "Time.", ("who",), (0.1, 1.0))


def test_numbers_with_and_without_labels() -> None:
    """One head, then a line for each; backslashes, quotes and line ends are escaped."""
    page = Page()
    page.numbers(Metric("up_total", "counter", "Ups\nand \\ downs."), {(): 3})
    page.numbers(Metric("a", "gauge", "A.", ("x", "y")), {("1", 'a"b\\c\n'): 0.5, ("2", ""): 1e20})
    assert page.text() == (
        "# HELP up_total Ups\\nand \\\\ downs.\n# TYPE up_total counter\nup_total 3\n"
        '# HELP a A.\n# TYPE a gauge\na{x="1",y="a\\"b\\\\c\\n"} 0.5\na{x="2",y=""} 1e+20\n'
    )


def test_a_histogram_adds_its_buckets_up() -> None:
    """`le` is inclusive and cumulative; the last is all."""
    buckets = Buckets.of(WAITED)
    buckets.add((2, 3, 1), 7.25)
    buckets.add((1, 0, 0), 0.05)
    page = Page()
    page.histograms(WAITED, {("me",): buckets})
    assert page.text().splitlines()[2:] == [
        'waited_seconds_bucket{who="me",le="0.1"} 3',
        'waited_seconds_bucket{who="me",le="1"} 6',
        'waited_seconds_bucket{who="me",le="+Inf"} 7',
        'waited_seconds_sum{who="me"} 7.3',
        'waited_seconds_count{who="me"} 7',
    ]
    assert WAITED.series == ("waited_seconds_bucket", "waited_seconds_sum", "waited_seconds_count")


def test_what_has_no_samples_is_not_there() -> None:
    """A head without samples says nothing."""
    page = Page()
    page.numbers(Metric("a", "gauge", "A.", ("x",)), {})
    page.histograms(WAITED, {})
    assert page.text() == ""
