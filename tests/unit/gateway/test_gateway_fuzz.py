"""The fuzzer's targets and its strict reader, without the fuzzer: they must not rot."""

import pytest
from fuzz import strict, targets

pytestmark = pytest.mark.looptime


@pytest.mark.parametrize("seed", targets.SEEDS["http1"])
async def test_the_seeds_of_http1_find_nothing(seed: bytes) -> None:
    await targets.http1(seed)


async def test_the_seeds_of_http2_find_nothing() -> None:
    for seed in await targets.recorded():
        await targets.http2(seed)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nab",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    ],
)
def test_the_strict_reader_sees_what_is_smuggled(data: bytes) -> None:
    with pytest.raises(strict.SmuggledError):
        strict.check(data)
