"""Figures and the summary of a load, as `hey` users know it."""

import pytest

from utsuwa.app.load.report import bar, render
from utsuwa.app.load.results import Results, histogram, percentiles
from utsuwa.app.load.target import Load


def results(*latencies: float, total: float = 2.0) -> Results:
    """Answers with status 200 and 10 bytes each."""
    found = Results(total=total)
    for latency in latencies:
        found.answered(200, latency, 10)
    return found


def test_percentiles_are_ranks_of_the_sorted_times() -> None:
    """Of 100 times 0.01 … 1.00 the 50 % rank is the 51st: the first that half of them precede."""
    times = [i / 100 for i in range(100, 0, -1)]
    assert percentiles(times, (10, 50, 99)) == {10: 0.11, 50: 0.51, 99: 1.0}


def test_percentiles_of_one_time_are_that_time() -> None:
    """And of none they are 0."""
    assert set(percentiles([0.5]).values()) == {0.5}
    assert set(percentiles([]).values()) == {0.0}


def test_the_histogram_counts_every_time_once() -> None:
    """Eleven buckets, from the fastest to the slowest."""
    buckets = histogram([0.0, 0.05, 0.1, 0.95, 1.0])
    assert len(buckets) == 11
    assert sum(bucket.answers for bucket in buckets) == 5
    assert (buckets[0], buckets[-1]) == ((0.0, 1), (1.0, 2))


def test_a_histogram_of_equal_times_is_one_bucket() -> None:
    """The buckets have no width then."""
    assert [bucket.answers for bucket in histogram([1.0, 1.0])] == [2] + [0] * 10


@pytest.mark.parametrize(("count", "length"), [(0, 0), (1, 0), (2, 1), (50, 20), (100, 40)])
def test_bars_are_rounded_to_forty(count: int, length: int) -> None:
    """The longest bar has 40 characters."""
    assert len(bar(count, 100)) == length


def test_failures_are_requests_without_an_answer_and_answers_that_refuse() -> None:
    """Anything but 2xx."""
    found = results(1.0)
    found.answered(503, 0.1, 0)
    found.failed("no answer within 20 s")
    assert (found.done, found.failures) == (3, 2)


def test_the_summary_has_the_form_of_hey() -> None:
    """Character for character, down to the tabs."""
    found = results(0.1, 0.1, 0.1, 0.2)
    found.failed("dial: Connection refused")
    assert render(found) == (
        "\nSummary:\n"
        "  Total:\t2.0000 secs\n"
        "  Slowest:\t0.2000 secs\n"
        "  Fastest:\t0.1000 secs\n"
        "  Average:\t0.1250 secs\n"
        "  Requests/sec:\t2.0000\n"
        "  \n"
        "  Total data:\t40 bytes\n"
        "  Size/request:\t10 bytes\n"
        "\nResponse time histogram:\n"
        f"  0.100 [3]\t|{'■' * 40}\n"
        "  0.110 [0]\t|\n  0.120 [0]\t|\n  0.130 [0]\t|\n  0.140 [0]\t|\n  0.150 [0]\t|\n"
        "  0.160 [0]\t|\n  0.170 [0]\t|\n  0.180 [0]\t|\n  0.190 [0]\t|\n"
        f"  0.200 [1]\t|{'■' * 13}\n"
        "\n\nLatency distribution:\n"
        "  10% in 0.1000 secs\n  25% in 0.1000 secs\n  50% in 0.1000 secs\n"
        "  75% in 0.2000 secs\n  90% in 0.2000 secs\n  95% in 0.2000 secs\n"
        "  99% in 0.2000 secs\n"
        "\nStatus code distribution:\n  [200]\t4 responses\n"
        "\nError distribution:\n  [1]\tdial: Connection refused\n"
    )


def test_a_summary_without_answers_has_no_histogram() -> None:
    """Only what there is."""
    found = Results(total=1.0)
    found.failed("dial: refused")
    text = render(found)
    assert "histogram" not in text
    assert "[1]\tdial: refused" in text


def test_a_load_on_localhost_goes_to_loopback() -> None:
    """RFC 6761, whatever the resolver of the machine makes of it."""
    load = Load("http://hello.default.localhost:8080/a?b=1", 1, 1)
    assert load.address == ("127.0.0.1", 8080)
    assert load.message.startswith(b"GET /a?b=1 HTTP/1.1\r\nHost: hello.default.localhost:8080\r\n")


def test_the_host_header_can_be_another_than_the_address() -> None:
    """As with `hey -host`."""
    load = Load("http://10.0.0.1", 1, 1, host="a.example.com")
    assert load.address == ("10.0.0.1", 80)
    assert b"\r\nHost: a.example.com\r\n" in load.message


@pytest.mark.parametrize("url", ["https://x", "x", "http://"])
def test_only_http_is_loaded(url: str) -> None:
    """The message says what a url looks like."""
    with pytest.raises(ValueError, match="expected http://HOST"):
        Load(url, 1, 1)


def test_a_load_of_nothing_is_refused() -> None:
    """At least one request over one connection."""
    with pytest.raises(ValueError, match="at least one"):
        Load("http://x", 0, 1)
