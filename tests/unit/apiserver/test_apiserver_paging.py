import pytest

from utsuwa.apiserver.paging import Pages
from utsuwa.cluster.errors import BadRequestError, ExpiredError
from utsuwa.kit.clock import LoopClock
from utsuwa.kit.documents import Document

ITEMS: list[Document] = [{"n": number} for number in range(5)]

pytestmark = pytest.mark.looptime


async def test_a_list_within_the_limit_is_one_page() -> None:
    """Without token."""
    page = Pages(LoopClock()).first(ITEMS, "7", "q", 5)
    assert (page.items, page.metadata) == (ITEMS, {"resourceVersion": "7"})
    assert Pages(LoopClock()).first(ITEMS, "7", "q", 0).items == ITEMS


async def test_pages_follow_one_another_to_the_end() -> None:
    """2 + 2 + 1."""
    pages = Pages(LoopClock())
    page = pages.first(ITEMS, "7", "q", 2)
    seen = list(page.items)
    left = [page.metadata.get("remainingItemCount")]
    while "continue" in page.metadata:
        page = pages.following(page.metadata["continue"], "q", 2)
        seen += page.items
        left.append(page.metadata.get("remainingItemCount"))
    assert seen == ITEMS
    assert left == [3, 1, None]


async def test_a_list_is_forgotten_after_five_minutes() -> None:
    """410: the client lists again."""
    clock = LoopClock()
    pages = Pages(clock)
    token = pages.first(ITEMS, "7", "q", 2).metadata["continue"]
    await clock.sleep(299)
    assert pages.following(token, "q", 2).items
    await clock.sleep(2)
    with pytest.raises(ExpiredError, match="too old"):
        pages.following(token, "q", 2)
    assert repr(pages) == "<Pages 0 lists kept>"


async def test_only_the_latest_lists_are_kept() -> None:
    """Memory is bounded whatever clients begin and leave."""
    pages = Pages(LoopClock())
    tokens = [pages.first(ITEMS, "7", "q", 2).metadata["continue"] for _ in range(65)]
    with pytest.raises(ExpiredError):
        pages.following(tokens[0], "q", 2)
    assert pages.following(tokens[-1], "q", 2).items


@pytest.mark.parametrize("token", ["x", "", "AAAA", "🙂"])
async def test_what_is_no_token_is_refused(token: str) -> None:
    """400."""
    with pytest.raises(BadRequestError, match="continue key is not valid"):
        Pages(LoopClock()).following(token, "q", 2)
