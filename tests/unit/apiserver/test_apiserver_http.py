"""What the server answers over HTTP: who may ask, in which form, and what a refusal looks like."""

import asyncio
import io
import json
import logging
import ssl
from typing import Any

import aiohttp
import pytest
from yarl import URL

from utsuwa.apiserver.ports import Review
from utsuwa.cluster.errors import NotFoundError
from utsuwa.cluster.port import Key
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import CONFIG_MAP, DEPLOYMENT, POD, SERVICE
from utsuwa.testing.apiserver import Serving

MAPS = "/api/v1/namespaces/default/configmaps"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
MERGE = {"Content-Type": "application/merge-patch+json"}


async def ask(
    api: Serving,
    method: str,
    path: str,
    body: Any = None,
    *,
    headers: dict[str, str] | None = None,
) -> tuple[int, Document]:
    """The status and the document that a request is answered with."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    given = {"Content-Type": "application/json", **(headers or {})}
    async with api.http.request(method, path, data=data, headers=given) as response:
        return response.status, json.loads(await response.read())


def config(name: str = "c", **data: str) -> Document:
    return CONFIG_MAP.document("default", name, data=data)


def anonymous(api: Serving) -> aiohttp.ClientSession:
    trusting = ssl.create_default_context(cadata=api.authority.ca.certificate.decode())
    return aiohttp.ClientSession(api.url, connector=aiohttp.TCPConnector(ssl=trusting))


def assert_status(document: Document, code: int, reason: str) -> None:
    assert (document["kind"], document["code"], document["reason"]) == ("Status", code, reason)
    assert document["status"] == "Failure"
    assert all(cause["message"] for cause in document["details"]["causes"])


# --- who may ask ----------------------------------------------------------------------------------


async def test_nobody_is_let_in_unnamed(api: Serving) -> None:
    """401 with a Status; health and version are open to all."""
    async with anonymous(api) as session:
        async with session.get(MAPS) as response:
            assert response.status == 401
            assert_status(await response.json(), 401, "Unauthorized")
        for path in ("/healthz", "/livez", "/readyz"):
            async with session.get(path) as response:
                assert (response.status, await response.text()) == (200, "ok")
        async with session.get("/version") as response:
            assert (await response.json())["minor"] == "32"


async def test_a_user_without_rights_is_told_what_it_may_not(api: Serving) -> None:
    """403 in the words of Kubernetes."""
    pair = api.authority.client("eve", ["some-group"])
    context = ssl.create_default_context(cadata=api.authority.ca.certificate.decode())
    files = api.kubeconfig.with_name("eve.crt"), api.kubeconfig.with_name("eve.key")
    for file, data in zip(files, (pair.certificate, pair.key), strict=True):
        file.write_bytes(data)
    context.load_cert_chain(*files)
    connector = aiohttp.TCPConnector(ssl=context)
    async with (
        aiohttp.ClientSession(api.url, connector=connector) as session,
        session.get(MAPS) as response,
    ):
        told = await response.json()
    assert_status(told, 403, "Forbidden")
    assert told["message"] == (
        'configmaps is forbidden: User "eve" cannot list resource "configmaps" in API group "" '
        'in the namespace "default"'
    )


async def test_whoami_and_can_i(api: Serving) -> None:
    """The reviews answer about the caller."""
    code, told = await ask(api, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
    assert code == 201
    assert told["status"]["userInfo"]["username"] == "admin"
    assert "system:masters" in told["status"]["userInfo"]["groups"]
    question = {"spec": {"resourceAttributes": {"verb": "create", "resource": "pods"}}}
    _, told = await ask(
        api, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", question
    )
    assert told["status"]["allowed"] is True
    _, told = await ask(
        api, "POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        {"spec": {"namespace": "default"}},
    )  # fmt: skip
    assert told["status"]["resourceRules"][0]["verbs"] == ["*"]


# --- discovery ------------------------------------------------------------------------------------


async def test_aggregated_discovery_repeats_its_type(api: Serving) -> None:
    """`Content-Type` must say which version it is."""
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    for path in ("/api", "/apis"):
        async with api.http.get(path, headers={"Accept": accept}) as response:
            assert response.headers["Content-Type"] == accept
            assert (await response.json())["kind"] == "APIGroupDiscoveryList"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api", "APIVersions"),
        ("/apis", "APIGroupList"),
        ("/apis/apps", "APIGroup"),
        ("/api/v1", "APIResourceList"),
        ("/apis/serving.knative.dev/v1", "APIResourceList"),
    ],
)
async def test_classic_discovery(api: Serving, path: str, kind: str) -> None:
    """What the Python client reads."""
    code, told = await ask(api, "GET", path, headers={"Accept": "application/json, */*"})
    assert (code, told["kind"]) == (200, kind)


@pytest.mark.parametrize(
    "path", ["/nothing", "/apis/nothing.dev", "/apis/nothing.dev/v1/things", "/openapi/v3/api/v9"]
)
async def test_an_unknown_path_is_404(api: Serving, path: str) -> None:
    """As a Status: gcloud cannot read anything else."""
    code, told = await ask(api, "GET", path)
    assert code == 404
    assert_status(told, 404, "NotFound")
    assert told["message"] == "the server could not find the requested resource"


# --- reading --------------------------------------------------------------------------------------


async def test_get_answers_in_the_form_asked_for(api: Serving) -> None:
    """The object, a Table, or its metadata alone."""
    await api.cluster.create(config(a="1"))
    _, plain = await ask(api, "GET", f"{MAPS}/c")
    assert plain["data"] == {"a": "1"}
    _, table = await ask(api, "GET", f"{MAPS}/c", headers=TABLE)
    assert table["kind"] == "Table"
    assert table["rows"][0]["cells"][:2] == ["c", 1]
    accept = {"Accept": "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"}
    _, partial = await ask(api, "GET", f"{MAPS}/c", headers=accept)
    assert partial["kind"] == "PartialObjectMetadata"
    assert "data" not in partial


async def test_lists_carry_a_version_and_are_sorted(api: Serving) -> None:
    """Over all namespaces, or one."""
    for name in ("b", "a"):
        await api.cluster.create(config(name))
    await api.cluster.create(CONFIG_MAP.document("knative-serving", "c"))
    _, told = await ask(api, "GET", "/api/v1/configmaps?alt=json&unknown=1")
    assert told["kind"] == "ConfigMapList"
    assert told["metadata"]["resourceVersion"] == str(api.cluster.resource_version)
    assert [item["metadata"]["name"] for item in told["items"]] == ["a", "b", "c"]
    _, told = await ask(api, "GET", MAPS)
    assert len(told["items"]) == 2


async def test_pages_are_parts_of_one_list(api: Serving) -> None:
    """What is made between two pages is in neither."""
    for name in ("a", "c", "e"):
        await api.cluster.create(config(name))
    _, first = await ask(api, "GET", f"{MAPS}?limit=2")
    assert first["metadata"]["remainingItemCount"] == 1
    await api.cluster.create(config("d"))
    token = first["metadata"]["continue"]
    _, second = await ask(api, "GET", f"{MAPS}?limit=2&continue={token}")
    names = [item["metadata"]["name"] for item in first["items"] + second["items"]]
    assert names == ["a", "c", "e"]
    assert second["metadata"] == {"resourceVersion": first["metadata"]["resourceVersion"]}


async def test_page_tokens_are_checked(api: Serving) -> None:
    """Garbage is 400, another list's token too, a forgotten list 410."""
    for name in ("a", "b"):
        await api.cluster.create(config(name))
    code, told = await ask(api, "GET", f"{MAPS}?limit=1&continue=garbage")
    assert_status(told, 400, "BadRequest")
    _, page = await ask(api, "GET", f"{MAPS}?limit=1")
    token = page["metadata"]["continue"]
    code, _ = await ask(api, "GET", f"/api/v1/namespaces/default/secrets?continue={token}")
    assert code == 400
    code, told = await ask(api, "GET", f"{MAPS}?continue=OTk6MQ==")
    assert_status(told, 410, "Expired")


@pytest.mark.parametrize(
    "query", ["labelSelector=a%20b", "fieldSelector=spec.x=1", "limit=x", "limit=-1"]
)
async def test_a_malformed_query_is_400(api: Serving, query: str) -> None:
    """Naming what was expected."""
    code, told = await ask(api, "GET", f"{MAPS}?{query}")
    assert code == 400
    assert_status(told, 400, "BadRequest")


async def test_an_absent_object_is_404_with_its_details(api: Serving) -> None:
    """kubectl and gcloud read the name from them."""
    code, told = await ask(api, "GET", "/apis/serving.knative.dev/v1/namespaces/default/services/x")
    assert code == 404
    assert told["message"] == 'services.serving.knative.dev "x" not found'
    details = {key: told["details"][key] for key in ("name", "group", "kind")}
    assert details == {"name": "x", "group": "serving.knative.dev", "kind": "services"}


# --- writing --------------------------------------------------------------------------------------


async def test_create_update_delete(api: Serving) -> None:
    """201, 200, and a Status that names what is gone."""
    code, made = await ask(api, "POST", MAPS, config(a="1"))
    assert code == 201
    made["data"] = {"a": "2"}
    code, changed = await ask(api, "PUT", f"{MAPS}/c", made)
    assert (code, changed["data"]) == (200, {"a": "2"})
    code, told = await ask(api, "DELETE", f"{MAPS}/c")
    assert code == 200
    assert told["status"] == "Success"
    assert told["details"] == {
        "name": "c", "kind": "configmaps", "uid": made["metadata"]["uid"],
    }  # fmt: skip


async def test_a_body_without_content_type_is_json(api: Serving) -> None:
    """As the Python client sends it."""
    async with api.http.post(
        MAPS, data=json.dumps(config()).encode(), skip_auto_headers=["Content-Type"]
    ) as response:
        assert response.status == 201


async def test_a_yaml_body_is_taken(api: Serving) -> None:
    """curl users send manifests as they are."""
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}\ndata: {a: b}\n"
    code, made = await ask(api, "POST", MAPS, body, headers={"Content-Type": "application/yaml"})
    assert (code, made["data"]) == (201, {"a": "b"})


async def test_a_stale_version_is_a_conflict(api: Serving) -> None:
    """409 with the sentence that clients know."""
    _, made = await ask(api, "POST", MAPS, config(a="1"))
    await ask(api, "PATCH", f"{MAPS}/c", {"data": {"a": "2"}}, headers=MERGE)
    code, told = await ask(api, "PUT", f"{MAPS}/c", made)
    assert code == 409
    assert_status(told, 409, "Conflict")
    assert "please apply your changes to the latest version and try again" in told["message"]
    code, told = await ask(
        api, "PATCH", f"{MAPS}/c", {"metadata": {"resourceVersion": "1"}}, headers=MERGE
    )
    assert code == 409


async def test_generation_rises_in_the_answer(api: Serving) -> None:
    """gcloud compares it with observedGeneration (`spec/kubernetes-api.md` §0 row 8)."""
    path = "/apis/serving.knative.dev/v1/namespaces/default/services"
    service = SERVICE.document("default", "s", spec={"template": {}}, status={"x": 1})
    _, made = await ask(api, "POST", path, service)
    assert made["metadata"]["generation"] == 1
    assert "status" not in made
    made["spec"] = {"template": {"spec": {"containerConcurrency": 1}}}
    _, changed = await ask(api, "PUT", f"{path}/s?alt=json", made)
    assert changed["metadata"]["generation"] == 2
    _, same = await ask(api, "PUT", f"{path}/s", changed)
    assert same == changed


async def test_status_is_written_apart(api: Serving) -> None:
    """PUT and PATCH on /status change nothing else; elsewhere status is left alone."""
    path = "/api/v1/namespaces/default/pods/p"
    spec = {"containers": [{"name": "a", "image": "x"}]}
    await ask(
        api, "POST", "/api/v1/namespaces/default/pods", POD.document("default", "p", spec=spec)
    )
    change = {"spec": {"nodeName": "n"}, "status": {"phase": "Running"}}
    _, told = await ask(api, "PATCH", f"{path}/status", change, headers=MERGE)
    assert told["status"]["phase"] == "Running"
    assert "nodeName" not in told["spec"]
    _, told = await ask(api, "PATCH", path, {"status": {"phase": "Failed"}}, headers=MERGE)
    assert told["status"]["phase"] == "Running"


async def test_scale_is_a_view_of_replicas(api: Serving) -> None:
    """GET, PUT and PATCH of an autoscaling/v1 Scale."""
    labels = {"app": "w"}
    template = {"metadata": {"labels": labels},
                "spec": {"containers": [{"name": "a", "image": "x"}]}}  # fmt: skip
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    await api.cluster.create(DEPLOYMENT.document("default", "w", spec=spec))
    path = "/apis/apps/v1/namespaces/default/deployments/w/scale"
    _, scale = await ask(api, "GET", path)
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == (
        "Scale", {"replicas": 1}, "app=w",
    )  # fmt: skip
    scale["spec"]["replicas"] = 4
    _, told = await ask(api, "PUT", path, scale)
    assert told["spec"] == {"replicas": 4}
    code, told = await ask(api, "PUT", path, scale)
    assert_status(told, 409, "Conflict")
    code, told = await ask(api, "PATCH", path, {"spec": {"replicas": -1}}, headers=MERGE)
    assert code == 400
    stored = await api.cluster.get(DEPLOYMENT, Key("default", "w"))
    assert stored["spec"]["replicas"] == 4


async def test_a_dry_run_answers_as_if(api: Serving) -> None:
    """On POST, PATCH and DELETE; gcloud spells it `all`."""
    code, _ = await ask(api, "POST", f"{MAPS}?dryRun=All", config())
    assert code == 201
    with pytest.raises(NotFoundError):
        await api.cluster.get(CONFIG_MAP, Key("default", "c"))
    await api.cluster.create(config(a="1"))
    _, told = await ask(api, "PATCH", f"{MAPS}/c?dryRun=all", {"data": {"a": "2"}}, headers=MERGE)
    assert told["data"] == {"a": "2"}
    await ask(api, "DELETE", f"{MAPS}/c", {"dryRun": ["All"]})
    assert (await api.cluster.get(CONFIG_MAP, Key("default", "c")))["data"] == {"a": "1"}
    code, _ = await ask(api, "POST", f"{MAPS}?dryRun=Some", config())
    assert code == 400


async def test_unknown_fields_follow_field_validation(api: Serving) -> None:
    """Strict refuses, Warn warns in a header, Ignore is silent."""
    document = {**config(), "dat": {}}
    code, told = await ask(api, "POST", f"{MAPS}?fieldValidation=Strict", document)
    assert code == 400
    assert told["message"] == 'strict decoding error: unknown field "dat"'
    body = json.dumps(document).encode()
    for mode, warned in (("Warn", ['299 - "unknown field \\"dat\\""']), ("Ignore", [])):
        async with api.http.post(f"{MAPS}?dryRun=All&fieldValidation={mode}", data=body) as answer:
            assert answer.status == 201
            assert answer.headers.getall("Warning", []) == warned


async def test_a_patch_is_checked_for_what_it_adds(api: Serving) -> None:
    """Unknown fields that were there before do not stand in its way."""
    await api.cluster.create({**config(), "old": 1})
    path = f"{MAPS}/c?fieldValidation=Strict"
    code, _ = await ask(api, "PATCH", path, {"data": {"a": "1"}}, headers=MERGE)
    assert code == 200
    code, told = await ask(api, "PATCH", path, {"new": 1}, headers=MERGE)
    assert (code, told["message"]) == (400, 'strict decoding error: unknown field "new"')


async def test_server_side_apply_creates_then_changes(api: Serving) -> None:
    """201, then 200; a manager must be named."""
    headers = {"Content-Type": "application/apply-patch+yaml"}
    code, _ = await ask(api, "PATCH", f"{MAPS}/c?fieldManager=me", config(a="1"), headers=headers)
    assert code == 201
    code, told = await ask(
        api, "PATCH", f"{MAPS}/c?fieldManager=me", config(b="1"), headers=headers
    )
    assert (code, told["data"]) == (200, {"b": "1"})
    code, told = await ask(api, "PATCH", f"{MAPS}/c", config(), headers=headers)
    assert (code, told["reason"]) == (400, "BadRequest")
    code, told = await ask(
        api, "PATCH", f"{MAPS}/c?fieldManager=you", config(b="2"), headers=headers
    )
    assert_status(told, 409, "Conflict")


async def test_a_collection_is_deleted_by_selector(api: Serving) -> None:
    """deletecollection answers what was there."""
    for name, label in (("a", "x"), ("b", "y")):
        document = config(name)
        document["metadata"]["labels"] = {"l": label}
        await api.cluster.create(document)
    _, told = await ask(api, "DELETE", f"{MAPS}?labelSelector=l=x")
    assert [item["metadata"]["name"] for item in told["items"]] == ["a"]
    left = (await api.cluster.list(CONFIG_MAP, "default")).items
    assert [item["metadata"]["name"] for item in left] == ["b"]


async def test_delete_honours_preconditions_and_policies(api: Serving) -> None:
    """Of the body; an unknown policy is 400."""
    await api.cluster.create(config())
    code, told = await ask(api, "DELETE", f"{MAPS}/c", {"preconditions": {"uid": "other"}})
    assert code == 409
    code, told = await ask(api, "DELETE", f"{MAPS}/c?propagationPolicy=Sideways")
    assert code == 400
    code, told = await ask(api, "DELETE", f"{MAPS}/c", {"gracePeriodSeconds": -1})
    assert code == 400
    assert told["reason"] == "BadRequest"


@pytest.mark.parametrize("name", ["default", "knative-serving"])
async def test_the_namespaces_that_we_live_in_cannot_be_deleted(api: Serving, name: str) -> None:
    """403 as Kubernetes."""
    code, told = await ask(api, "DELETE", f"/api/v1/namespaces/{name}")
    assert code == 403
    assert "this namespace may not be deleted" in told["message"]


async def test_admission_sees_every_write_and_may_refuse(api: Serving) -> None:
    """What it refuses is not stored; it is told who asks and what was."""
    seen: list[Review] = []

    def admit(review: Review) -> tuple[Document, tuple[str, ...]]:
        seen.append(review)
        return {**review.object, "data": {"seen": review.operation}}, ("mind the gap",)

    api.admit(admit)
    async with api.http.post(MAPS, data=json.dumps(config()).encode()) as response:
        assert response.headers.getall("Warning") == ['299 - "mind the gap"']
        assert (await response.json())["data"] == {"seen": "CREATE"}
    _, told = await ask(api, "PATCH", f"{MAPS}/c", {"data": {"x": "1"}}, headers=MERGE)
    assert told["data"] == {"seen": "UPDATE"}
    await ask(api, "DELETE", f"{MAPS}/c")
    assert [review.operation for review in seen] == ["CREATE", "UPDATE", "DELETE"]
    assert seen[0].user.name == "admin"
    assert seen[1].old is not None


# --- mistakes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("POST", MAPS, b"{", 400),
        ("POST", MAPS, b"[]", 400),
        ("POST", MAPS, b"null", 400),
        ("POST", MAPS, b"", 400),
        ("POST", MAPS, b'{"metadata": 3}', 400),
        ("POST", MAPS, b'{"metadata": {"name": 3}}', 422),
        ("POST", MAPS, b'{"metadata": {"name": "A B"}}', 422),
        ("POST", MAPS, b'{"metadata": {"name": "a", "resourceVersion": "3"}}', 400),
        ("POST", MAPS, b'{"metadata": {}}', 422),
        ("POST", "/api/v1/configmaps", b'{"metadata": {"name": "a"}}', 405),
        ("POST", f"{MAPS}/c", b'{"metadata": {"name": "c"}}', 405),
        ("PUT", MAPS, b"{}", 405),
        ("PUT", f"{MAPS}/nothing", b"{}", 404),
        ("PATCH", f"{MAPS}/nothing", b"{}", 415),
        ("DELETE", f"{MAPS}/nothing", b"", 404),
        ("POST", "/api/v1/namespaces/nowhere/configmaps", b'{"metadata": {"name": "a"}}', 404),
    ],
)
async def test_a_users_mistake_is_never_our_fault(
    api: Serving, method: str, path: str, body: bytes, code: int
) -> None:
    """gcloud repeats every 5xx five times over half a minute."""
    answered, told = await ask(api, method, path, body)
    assert answered == code, told
    assert told["kind"] == "Status"
    assert told["code"] == code


@pytest.mark.parametrize("name", ["a%0Ab", "%00", "a%2Fb", "%F0%9F%90%99", ".."])
async def test_whatever_stands_in_a_path_is_answered_with_a_status(api: Serving, name: str) -> None:
    """A line's end in a name once fell through our router, into a page of plain text."""
    url = URL(f"{api.url}{MAPS}/{name}", encoded=True)
    async with api.http.get(url) as response:
        assert response.content_type == "application/json"
        assert response.status == 404
        assert (await response.json())["kind"] == "Status"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("resourceVersion=0", 200),
        ("resourceVersion=1&resourceVersionMatch=NotOlderThan", 200),
        ("resourceVersion=999999&resourceVersionMatch=NotOlderThan", 410),
        ("resourceVersion=999999", 410),
        ("resourceVersion=1&resourceVersionMatch=Exact", 410),
        ("resourceVersion=0&resourceVersionMatch=Exact", 422),
        ("resourceVersionMatch=NotOlderThan", 422),
        ("resourceVersion=1&resourceVersionMatch=Newest", 422),
        ("resourceVersion=new", 400),
    ],
)
async def test_a_list_is_as_new_as_was_asked(api: Serving, query: str, code: int) -> None:
    """Never older than the client has seen; 410 makes it begin anew."""
    answered, told = await ask(api, "GET", f"{MAPS}?{query}")
    assert answered == code, told
    if code != 200:
        assert_status(told, code, told["reason"])


async def test_warnings_fit_into_a_head_whatever_a_field_is_called(api: Serving) -> None:
    """Names of unknown fields are the client's: a line's end in one once cut the connection."""
    body = {"metadata": {"name": "c"}, "a\r\nb\x1c": 1, **{f"{n}" * 90: n for n in range(10, 90)}}
    async with api.http.post(MAPS, json=body) as response:
        assert response.status == 201
    warned = response.headers.getall("Warning")
    assert warned[0] == '299 - "unknown field \\"a  b \\""'
    assert sum(map(len, warned)) < 8000


async def test_details_hold_texts_whatever_was_sent(api: Serving) -> None:
    """A name that is a list is refused, and not repeated where clients expect a text."""
    code, told = await ask(api, "POST", MAPS, {"metadata": {"name": [None]}})
    assert code == 422
    assert "name" not in told["details"]


async def test_a_body_in_protobuf_is_stored_as_its_json(api: Serving) -> None:
    """What `kubectl create configmap` sends; the answer is JSON."""
    headers = {"Content-Type": "application/vnd.kubernetes.protobuf",
               "Accept": "application/vnd.kubernetes.protobuf,application/json"}  # fmt: skip
    body = b"k8s\x00\n\x0f\n\x02v1\x12\tConfigMap\x12\x0f\n\x03\n\x01c\x12\x08\n\x01k\x12\x03 v "
    code, told = await ask(api, "POST", MAPS, body, headers=headers)
    assert code == 201, told
    assert (told["metadata"]["name"], told["data"]) == ("c", {"k": " v "})
    code, told = await ask(api, "POST", MAPS, b"k8s\x00...", headers=headers)
    assert_status(told, 400, "BadRequest")
    code, told = await ask(
        api, "POST", MAPS, body.replace(b"ConfigMap", b"ConfigBox"), headers=headers
    )
    assert_status(told, 415, "UnsupportedMediaType")


async def test_a_body_that_is_too_large_is_413(api: Serving) -> None:
    """3 MiB, as in Kubernetes."""
    body = io.BytesIO(b" " * (3 * 1024 * 1024 + 1))
    async with api.http.post(MAPS, data=body) as response:
        assert response.status == 413
        assert_status(await response.json(), 413, "RequestEntityTooLarge")


async def test_our_own_fault_is_told_without_its_inside(
    api: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    """500 with a number that the log explains."""

    def broken(_: Review) -> tuple[Document, tuple[str, ...]]:
        raise RuntimeError("the secret inside")

    api.admit(broken)
    with caplog.at_level(logging.ERROR):
        code, told = await ask(api, "POST", MAPS, config())
    assert code == 500
    assert_status(told, 500, "InternalError")
    assert "secret" not in json.dumps(told)
    number = told["message"].rsplit(" ", 1)[1]
    (record,) = caplog.records
    assert record.__dict__["fields"]["request"] == number


async def test_a_write_is_finished_when_its_client_goes_away(api: Serving) -> None:
    """No half-done request, no lost one."""
    waiting, resume = asyncio.Event(), asyncio.Event()
    create = api.cluster.create

    async def slow(document: Document, *, dry_run: bool = False, uid: str = "") -> Document:
        waiting.set()
        await resume.wait()
        return await create(document, dry_run=dry_run, uid=uid)

    api.cluster.create = slow  # type: ignore[method-assign]  # the one way to stop it midway
    client = asyncio.create_task(ask(api, "POST", MAPS, config()))
    await waiting.wait()
    client.cancel()
    await asyncio.gather(client, return_exceptions=True)
    resume.set()
    watch = api.cluster.watch(CONFIG_MAP, since=api.cluster.resource_version)
    assert (await anext(watch)).object["metadata"]["name"] == "c"
