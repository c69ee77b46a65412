"""The summary, in the form that users of `hey` know. Pure."""

from utsuwa.app.load.results import Bucket, Results, histogram, percentiles

BAR = "■"
LONGEST_BAR = 40


def render(results: Results) -> str:
    """The whole summary, ending in a newline."""
    parts = [_summary(results)]
    if results.latencies:
        parts += [_histogram(results), _latencies(results), _statuses(results)]
    if results.errors:
        parts.append(_errors(results))
    return "\n".join(parts)


def bar(count: int, most: int) -> str:
    """`count` as a bar, where `most` is 40 characters long."""
    return BAR * ((count * LONGEST_BAR + most // 2) // most) if most else ""


def _summary(results: Results) -> str:
    answers = len(results.latencies)
    lines = [
        "",
        "Summary:",
        f"  Total:\t{results.total:.4f} secs",
        f"  Slowest:\t{results.slowest:.4f} secs",
        f"  Fastest:\t{results.fastest:.4f} secs",
        f"  Average:\t{results.average:.4f} secs",
        f"  Requests/sec:\t{results.rate:.4f}",
    ]
    if results.bytes:
        lines += [
            "  ",
            f"  Total data:\t{results.bytes} bytes",
            f"  Size/request:\t{results.bytes // answers} bytes",
        ]
    return _block(lines)


def _histogram(results: Results) -> str:
    buckets = histogram(results.latencies)
    most = max(bucket.answers for bucket in buckets)
    return _block(["Response time histogram:", *(_row(bucket, most) for bucket in buckets)])


def _row(bucket: Bucket, most: int) -> str:
    return f"  {bucket.upper:.3f} [{bucket.answers}]\t|{bar(bucket.answers, most)}"


def _latencies(results: Results) -> str:
    ranks = percentiles(results.latencies)
    lines = [f"  {percent}% in {ranks[percent]:.4f} secs" for percent in ranks]
    return _block(["", "Latency distribution:", *lines])


def _statuses(results: Results) -> str:
    lines = [
        f"  [{status}]\t{count} responses" for status, count in sorted(results.statuses.items())
    ]
    return _block(["Status code distribution:", *lines])


def _errors(results: Results) -> str:
    lines = [f"  [{count}]\t{text}" for text, count in results.errors.most_common()]
    return _block(["Error distribution:", *lines])


def _block(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
