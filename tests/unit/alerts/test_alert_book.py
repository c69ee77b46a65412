"""What stands, since when, and how often it is told."""

from utsuwa.alerts import Alert, Announcement, Book, Severity, Subject
from utsuwa.alerts.book import CALM, FIRST_AGAIN, MOST_AGAIN

WEB = Subject("Service", "default", "web")
BEGINS, GOES_ON, OVER = Announcement.BEGINS, Announcement.GOES_ON, Announcement.OVER


def alert(detail: str = "", *, of: Subject = WEB, severity: Severity = Severity.WARNING) -> Alert:
    return Alert("CrashLoop", of, "web-00001", severity, "It crashes.", detail, "Mend it.")


def test_it_is_told_when_it_begins_and_when_it_is_over() -> None:
    book = Book()
    assert book.update(0.0, [alert("1")]) == [(BEGINS, alert("1"))]
    assert book.update(5.0, [alert("2")]) == []
    (standing,) = book.standing()
    assert (standing.since, standing.alert.detail) == (0.0, "2")
    assert book.update(5.0 + CALM, []) == [(OVER, alert("2"))]
    assert book.standing() == []


def test_what_is_well_for_a_moment_is_not_over() -> None:
    """A container that loops runs for a while each time."""
    book = Book()
    book.update(0.0, [alert()])
    assert book.update(CALM - 1, []) == []
    assert book.update(CALM, [alert()]) == []
    assert book.standing()[0].since == 0.0


def test_it_is_told_again_less_and_less_often() -> None:
    """Within a day, 29 times at most."""
    book = Book()
    times = [t for t in range(0, 24 * 3600, 5) if book.update(float(t), [alert()])]
    assert times[:4] == [0, FIRST_AGAIN, 3 * FIRST_AGAIN, 7 * FIRST_AGAIN]
    assert times[-1] - times[-2] == MOST_AGAIN
    assert len(times) < 30


def test_the_most_urgent_comes_first_and_each_object_has_its_own() -> None:
    other = Subject("Service", "default", "other")
    book = Book()
    book.update(0.0, [alert()])
    book.update(5.0, [alert(), alert(of=other, severity=Severity.CRITICAL)])
    assert [one.alert.subject for one in book.standing()] == [other, WEB]
    assert [one.alert.subject for one in book.standing(WEB)] == [WEB]
    assert repr(book) == "<Book of 2 alerts>"
