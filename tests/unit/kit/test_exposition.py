"""The text format of metrics."""

from utsuwa.kit.exposition import PIECE, Buckets, Labels, Metric, histograms, numbers

WAITED = Metric("waited_seconds", "histogram", "Time.", ("who",), (0.1, 1.0))


def test_numbers_with_and_without_labels() -> None:
    """One head, then a line for each; backslashes, quotes and line ends are escaped."""
    up = numbers(Metric("up_total", "counter", "Ups\nand \\ downs."), {(): 3})
    samples: dict[Labels, float] = {("1", 'a"b\\c\n'): 0.5, ("2", ""): 1e20}
    both = "".join([*up, *numbers(Metric("a", "gauge", "A.", ("x", "y")), samples)])
    assert both == (
        "# HELP up_total Ups\\nand \\\\ downs.\n# TYPE up_total counter\nup_total 3\n"
        '# HELP a A.\n# TYPE a gauge\na{x="1",y="a\\"b\\\\c\\n"} 0.5\na{x="2",y=""} 1e+20\n'
    )


def test_a_histogram_adds_its_buckets_up() -> None:
    """`le` is inclusive and cumulative; the last is all."""
    buckets = Buckets.of(WAITED)
    buckets.add((2, 3, 1), 7.25)
    buckets.add((1, 0, 0), 0.05)
    text = "".join(histograms(WAITED, {("me",): buckets}))
    assert text.splitlines()[2:] == [
        'waited_seconds_bucket{who="me",le="0.1"} 3',
        'waited_seconds_bucket{who="me",le="1"} 6',
        'waited_seconds_bucket{who="me",le="+Inf"} 7',
        'waited_seconds_sum{who="me"} 7.3',
        'waited_seconds_count{who="me"} 7',
    ]
    assert WAITED.series == ("waited_seconds_bucket", "waited_seconds_sum", "waited_seconds_count")


def test_what_has_no_samples_is_not_there() -> None:
    """A head without samples says nothing."""
    nothing = [*numbers(Metric("a", "gauge", "A.", ("x",)), {}), *histograms(WAITED, {})]
    assert "".join(nothing) == ""


def test_a_long_page_comes_in_pieces() -> None:
    """So that others may run in between; put together they are the whole."""
    many: dict[Labels, float] = {(str(number),): number for number in range(1000)}
    pieces = list(numbers(Metric("a", "gauge", "A.", ("x",)), many))
    assert max(piece.count("\n") for piece in pieces) <= PIECE
    assert len("".join(pieces).splitlines()) == 1002
