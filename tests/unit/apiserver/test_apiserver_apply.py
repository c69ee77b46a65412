import pytest

from utsuwa.apiserver.apply import Intent, applied, created, recorded, with_readable_owners
from utsuwa.cluster.errors import ConflictError
from utsuwa.kit.documents import Document, copy
from utsuwa.model.kinds import CONFIG_MAP, DEPLOYMENT, SERVICE, Kind

NOW, LATER = "2026-11-23T12:00:00Z", "2026-11-23T13:00:00Z"


def config(**data: str) -> Document:
    return CONFIG_MAP.document("default", "c", data=data)


def intent(
    document: Document,
    manager: str = "me",
    *,
    kind: Kind = CONFIG_MAP,
    force: bool = False,
    time: str = NOW,
) -> Intent:
    return Intent(kind, document, manager, time, force)


def owners(document: Document) -> dict[str, Document]:
    return {entry["manager"]: entry["fieldsV1"] for entry in document["metadata"]["managedFields"]}


def deployment(*containers: Document, **spec: object) -> Document:
    template = {"spec": {"containers": list(containers)}}
    return DEPLOYMENT.document("default", "d", spec={"template": template, **spec})


def test_what_an_intent_creates_is_owned_by_its_manager() -> None:
    """One entry, with the fields but not the identity."""
    made = created(intent(config(a="1")))
    assert made["metadata"]["managedFields"] == [
        {
            "manager": "me", "operation": "Apply", "apiVersion": "v1", "time": NOW,
            "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:a": {}}},
        }
    ]  # fmt: skip


def test_applying_the_same_again_changes_nothing() -> None:
    """Not even the time, so no event is made."""
    made = created(intent(config(a="1")))
    assert applied(intent(config(a="1"), time=LATER), made) == made


def test_fields_left_out_go_unless_another_owns_them() -> None:
    """The manager's earlier fields minus its present ones."""
    live = created(intent(config(a="1", b="1")))
    live = applied(intent(config(b="1"), "you"), live)
    after = applied(intent(config(c="1")), live)
    assert after["data"] == {"b": "1", "c": "1"}


def test_an_emptied_map_goes_with_its_last_field() -> None:
    """No empty shells stay behind."""
    live = created(intent(config(a="1")))
    assert "data" not in applied(intent(CONFIG_MAP.document("default", "c")), live)


def test_another_value_for_another_managers_field_is_a_conflict() -> None:
    """In the words of Kubernetes, with the field as cause."""
    live = created(intent(config(a="1")))
    with pytest.raises(ConflictError) as refused:
        applied(intent(config(a="2"), "you"), live)
    assert refused.value.message == ('Apply failed with 1 conflict: conflict with "me": .data.a')
    (cause,) = refused.value.causes
    assert (cause.reason, cause.field) == ("FieldManagerConflict", ".data.a")


def test_several_conflicts_are_listed_by_manager() -> None:
    """As kubectl prints them."""
    live = created(intent(config(a="1", b="1")))
    with pytest.raises(ConflictError) as refused:
        applied(intent(config(a="2", b="2"), "you"), live)
    assert refused.value.message == (
        'Apply failed with 2 conflicts: conflicts with "me":\n- .data.a\n- .data.b'
    )


def test_the_same_value_is_owned_together() -> None:
    """No conflict, two owners; one leaving does not remove it."""
    live = applied(intent(config(a="1"), "you"), created(intent(config(a="1"))))
    assert owners(live) == {"me": {"f:data": {"f:a": {}}}, "you": {"f:data": {"f:a": {}}}}
    assert applied(intent(config(), "you"), live)["data"] == {"a": "1"}


def test_force_takes_the_field_over() -> None:
    """The other manager owns it no longer."""
    live = created(intent(config(a="1", b="1")))
    after = applied(intent(config(a="2"), "you", force=True), live)
    assert after["data"] == {"a": "2", "b": "1"}
    assert owners(after) == {"me": {"f:data": {"f:b": {}}}, "you": {"f:data": {"f:a": {}}}}


def test_containers_of_a_deployment_are_owned_one_by_one() -> None:
    """A map-like list: another manager adds a container, each keeps its own."""
    live = created(intent(deployment({"name": "a", "image": "1"}), kind=DEPLOYMENT))
    theirs = deployment({"name": "b", "image": "1"})
    live = applied(intent(theirs, "you", kind=DEPLOYMENT), live)
    after = applied(intent(deployment({"name": "a", "image": "2"}), kind=DEPLOYMENT), live)
    assert after["spec"]["template"]["spec"]["containers"] == [
        {"name": "a", "image": "2"}, {"name": "b", "image": "1"},
    ]  # fmt: skip
    gone = applied(intent(deployment(), "you", kind=DEPLOYMENT), after)
    assert gone["spec"]["template"]["spec"]["containers"] == [{"name": "a", "image": "2"}]


def test_containers_of_a_service_are_one_value() -> None:
    """In the Knative kinds the list is atomic (`spec/resources.md` §8)."""

    def service(image: str) -> Document:
        template = {"spec": {"containers": [{"image": image}]}}
        return SERVICE.document("default", "s", spec={"template": template})

    live = created(intent(service("1"), kind=SERVICE))
    fields = owners(live)["me"]
    assert fields == {"f:spec": {"f:template": {"f:spec": {"f:containers": {}}}}}
    with pytest.raises(ConflictError, match=r"\.spec\.template\.spec\.containers"):
        applied(intent(service("2"), "you", kind=SERVICE), live)


def test_nothing_is_recorded_before_anybody_applied() -> None:
    """Objects of people who never apply stay as small as they are."""
    assert recorded(CONFIG_MAP, config(), config(a="1"), manager="you", time=NOW) == config(a="1")


def test_other_writes_own_what_they_change() -> None:
    """And the former owner no longer does."""
    live = created(intent(config(a="1", b="1", c="1")))
    new = copy(live)
    new["data"] = {"a": "2", "b": "1", "d": "1"}
    after = recorded(CONFIG_MAP, live, new, manager="you", time=LATER)
    assert owners(after) == {
        "me": {"f:data": {"f:b": {}}},
        "you": {"f:data": {"f:a": {}, "f:d": {}}},
    }
    with pytest.raises(ConflictError, match='conflict with "you" using v1'):
        applied(intent(config(a="1", b="1")), after)


def test_a_write_that_changes_nothing_records_nothing() -> None:
    """Owners stay, also when the client left managedFields out."""
    live = created(intent(config(a="1")))
    new = copy(live)
    del new["metadata"]["managedFields"]
    assert recorded(CONFIG_MAP, live, new, manager="you", time=LATER) == live


def test_owners_can_be_cleared() -> None:
    """An empty list resets them, as in Kubernetes."""
    live = created(intent(config(a="1")))
    new = {**live, "metadata": {**live["metadata"], "managedFields": []}}
    assert recorded(CONFIG_MAP, live, new, manager="you", time=LATER) == new


@pytest.mark.parametrize(
    "entries",
    [
        [None],
        ["x"],
        [{"fieldsV1": {}, "time": ""}],
        [{"fieldsV1": {}, "time": 5}],
        [{"time": NOW}],
        1.5,
    ],
)
def test_what_is_no_record_of_owners_is_not_taken(entries: object) -> None:
    """The owners stay as they were; a new object has none."""
    live = created(intent(config(a="1")))
    new = {**live, "metadata": {**live["metadata"], "managedFields": entries}}
    assert with_readable_owners(new, live) == live
    assert "managedFields" not in with_readable_owners(new, None)["metadata"]


def test_an_empty_entry_clears_the_owners() -> None:
    """As kubectl does it where an empty list would be left out."""
    live = created(intent(config(a="1")))
    new = {**live, "metadata": {**live["metadata"], "managedFields": [{}]}}
    assert "managedFields" not in with_readable_owners(new, live)["metadata"]
