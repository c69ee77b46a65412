"""The deploy form: what of it is a change, what is told beside which field."""

from dataclasses import replace

import pytest
from tests.unit.console.changing import HELLO, opened, reader

from utsuwa.apiserver.ports import Review
from utsuwa.cluster.errors import BadRequestError, Cause, InvalidError
from utsuwa.console.pages import deploy as pages
from utsuwa.console.pages.deploy import DeployForm, EnvRow
from utsuwa.kit.documents import Document, dig
from utsuwa.model.kinds import SERVICE
from utsuwa.testing.console import Browsing

GOOD = DeployForm(name="hello", image="dev.local/hello:1")


def a_service() -> Document:
    secret = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "k"}}}
    container = {
        "image": "dev.local/hello@sha256:" + "0" * 64,
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}, secret],
        "ports": [{"name": "h2c", "containerPort": 9000}],
    }
    marks = {
        "client.knative.dev/user-image": "dev.local/hello:1",
        "autoscaling.knative.dev/minScale": "2",
    }
    template = {
        "metadata": {"annotations": marks},
        "spec": {"containers": [container], "containerConcurrency": 5},
    }
    return SERVICE.document("default", "hello", spec={"template": template})


def test_a_service_fills_the_form() -> None:
    form = pages.filled(a_service())
    assert (form.image, form.concurrency, form.min_scale) == ("dev.local/hello:1", "5", "2")
    assert (form.max_scale, form.port, form.http2) == ("", "9000", True)
    assert form.env == (EnvRow("A", "1"), EnvRow("B", "2"), EnvRow("KEY", "", "secret keys"))


def test_a_form_that_is_left_as_it_is_changes_nothing() -> None:
    form = pages.filled(a_service())
    assert pages.change(form, form, "n") == pages.change(GOOD, GOOD, "n")
    assert pages.change(form, form, "n").image == ""


def test_only_what_differs_is_changed() -> None:
    before = pages.filled(a_service())
    env = (EnvRow("A", "9"), EnvRow("KEY", "", "secret keys"), EnvRow("C", ""))
    change = pages.change(
        replace(before, env=env, min_scale="", port="80", http2=False), before, "n"
    )
    assert change.env == (("B", None), ("A", "9"), ("C", ""))
    assert (change.min_scale, change.max_scale, change.port, change.http2) == (0, None, 80, False)


def test_a_tag_that_moved_is_looked_up_when_that_is_asked_for() -> None:
    form = pages.filled(a_service())
    assert pages.change(replace(form, fresh=True), form, "n").image == "dev.local/hello:1"


@pytest.mark.parametrize(
    ("form", "field", "words"),
    [
        (replace(GOOD, name="Hello"), "name", "found Hello"),
        (replace(GOOD, name=""), "name", "found nothing"),
        (replace(GOOD, image=""), "image", "image"),
        (replace(GOOD, source="folder"), "folder", "path of a directory"),
        (replace(GOOD, concurrency="1001"), "concurrency", "0 to 1000, found '1001'"),
        (replace(GOOD, port="0"), "port", "1 to 65535"),
        (replace(GOOD, max_scale="many"), "max_scale", "0 on, found 'many'"),
        (replace(GOOD, tag="-x"), "tag", "found -x"),
        (replace(GOOD, no_traffic=True), "no_traffic", "The first revision"),
        (replace(GOOD, env=(EnvRow("", "v"),)), "env", "'v' has no name"),
        (replace(GOOD, env=(EnvRow("A b", "v"),)), "env", "cannot name"),
        (replace(GOOD, env=(EnvRow("A", "1"), EnvRow("A", "2"))), "env", "twice"),
    ],
)
def test_what_makes_no_sense_is_told_beside_its_field(
    form: DeployForm, field: str, words: str
) -> None:
    with pytest.raises(pages.FormError) as caught:
        pages.change(form, None, "n")
    assert list(caught.value.wrong) == [field]
    assert words in caught.value.wrong[field]


def test_rows_that_were_sent_keep_their_order() -> None:
    form = {"env-name-10": "B", "env-value-10": " 2 ", "env-name-2": "A", "env-name-3": ""}
    assert pages.posted(form).env == (EnvRow("A", ""), EnvRow("B", " 2 "))


def test_causes_of_admission_find_their_fields() -> None:
    causes = (
        Cause("invalid value: -1", "spec.template.spec.containerConcurrency"),
        Cause("min-scale=5 is above max-scale=2", "metadata.annotations"),
        Cause("odd", "spec.template.spec.timeoutSeconds"),
        Cause("bad name", "spec.template.spec.containers[0].env[0].name"),
    )
    found = pages.beside(InvalidError("all of it", causes=causes))
    assert sorted(found) == ["", "concurrency", "env", "min_scale"]
    assert pages.beside(InvalidError("all of it")) == {"": "all of it"}


SENT = {
    "name": "hello", "namespace": "default", "source": "image", "image": "dev.local/hello:1",
    "env-name-0": "TARGET", "env-value-0": "you", "concurrency": "7", "max_scale": "3",
}  # fmt: skip


async def test_a_service_is_deployed_and_deployed_anew(open_console: Browsing) -> None:
    cluster = open_console.api.cluster
    async with await open_console.session() as browser:
        await opened(browser, "/deploy", "Deploy a service")
        async with browser.post("/deploy", data=SENT, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/services/default/hello")
        page = await opened(browser, "/services/default/hello/deploy")
        assert 'value="TARGET"' in page
        sent = {**SENT, "concurrency": "8", "env-name-0": "OTHER"}
        path = "/services/default/hello/deploy"
        async with browser.post(path, data=sent, allow_redirects=False) as answer:
            assert answer.status == 303
        async with browser.post("/deploy", data=SENT) as answer:
            assert "There is a service hello already." in await answer.text()
    template = (await cluster.get(SERVICE, HELLO))["spec"]["template"]
    assert template["spec"]["containerConcurrency"] == 8
    assert template["spec"]["containers"][0]["env"] == [{"name": "OTHER", "value": "you"}]
    assert template["metadata"]["annotations"]["autoscaling.knative.dev/max-scale"] == "3"


async def test_what_is_refused_stands_beside_its_field_and_nothing_is_lost(
    open_console: Browsing,
) -> None:
    def refuse(review: Review) -> tuple[Document, tuple[str, ...]]:
        cause = Cause("expected a digest", "spec.template.spec.containers[0].image")
        raise BadRequestError("denied", causes=(cause,))

    open_console.api.admit(refuse)
    async with await open_console.session() as browser:
        await opened(browser, "/deploy")
        async with browser.post("/deploy", data=SENT) as answer:
            page = await answer.text()
    assert 'id="wrong-image" role="alert">expected a digest' in page
    assert 'value="you"' in page


async def test_a_folder_is_built_for_who_may_change_the_machine(open_console: Browsing) -> None:
    open_console.builds.known.add("/src/hello")
    sent = {**SENT, "source": "folder", "folder": "/src/hello"}
    async with await open_console.session() as browser:
        await opened(browser, "/deploy", "a source folder")
        async with browser.post("/deploy", data={**sent, "folder": "/src/none"}) as answer:
            assert "/src/none: there is no such directory" in await answer.text()
        async with browser.post("/deploy", data=sent, allow_redirects=False) as answer:
            assert answer.status == 303
    service = await open_console.api.cluster.get(SERVICE, HELLO)
    image = dig(service, "spec", "template", "spec", "containers", 0, "image")
    assert image.startswith("dev.local/hello@sha256:")


async def test_who_may_edit_alone_has_no_folders_built(open_console: Browsing) -> None:
    binding = reader("bob")
    binding["roleRef"]["name"] = "edit"
    await open_console.api.cluster.create(binding)
    open_console.builds.known.add("/src/hello")
    sent = {**SENT, "source": "folder", "folder": "/src/hello"}
    async with await open_console.session("bob", "people") as browser:
        page = await opened(browser, "/deploy", "Image")
        assert "a source folder" not in page
        async with browser.post("/deploy", data=sent) as answer:
            assert answer.status == 403
            assert "lacks update nodes" in await answer.text()


async def test_a_reader_has_no_form(open_console: Browsing) -> None:
    await open_console.api.cluster.create(reader("bob"))
    async with await open_console.session("bob", "people") as browser:
        assert "lacks <code>create services</code>" in await opened(browser, "/deploy", "may not")
        async with browser.post("/deploy", data=SENT) as answer:
            assert answer.status == 403
