"""Who calls and what they may do, over HTTP."""

import base64
import contextlib
from typing import Any

import aiohttp
import pytest

from utsuwa.apiserver.jwt import Signer, new_key
from utsuwa.cluster.errors import AlreadyExistsError
from utsuwa.cluster.port import DeleteOptions, Key
from utsuwa.kit.documents import Document
from utsuwa.model.issued import Bearer, documents, token_of
from utsuwa.model.kinds import (
    CLUSTER_ROLE_BINDING,
    CONFIG_MAP,
    NAMESPACE,
    POD,
    ROLE,
    ROLE_BINDING,
    SECRET,
    SERVICE_ACCOUNT,
)
from utsuwa.model.rights import GROUP
from utsuwa.testing.apiserver import Serving

RBAC = f"/apis/{GROUP}/v1"
PODS = "/api/v1/namespaces/default/pods"
SECRETS = "/api/v1/namespaces/default/secrets"
BOT_TOKEN = "/api/v1/namespaces/default/serviceaccounts/bot/token"


async def call(
    session: aiohttp.ClientSession, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, Document]:
    async with session.request(method, path, json=body, headers=headers) as response:
        return response.status, await response.json()


async def settle(api: Serving) -> None:
    """Until the server's view has seen what the cluster has."""
    with contextlib.suppress(AlreadyExistsError):
        await api.cluster.create(CONFIG_MAP.document("default", "marker", data={}))
    for _ in range(3):
        await call(api.http, "GET", "/api/v1/namespaces/default/configmaps/marker")


async def with_system(api: Serving) -> None:
    """The namespace that tokens are kept in."""
    await api.cluster.create(NAMESPACE.document("", "kube-system"))


async def bind(
    api: Serving, role: str, *, namespace: str = "default", kind: str = "User", name: str = "eve"
) -> None:
    binding = (ROLE_BINDING if namespace else CLUSTER_ROLE_BINDING).document(
        namespace, f"{name}-{role}".replace(":", "-"),
        roleRef={"apiGroup": GROUP, "kind": "ClusterRole", "name": role},
        subjects=[{"apiGroup": GROUP, "kind": kind, "name": name}],
    )  # fmt: skip
    await api.cluster.create(binding)
    await settle(api)


async def issue(api: Serving, bearer: Bearer, *, number: str = "abcde", expires: str = "") -> str:
    await with_system(api)
    token = token_of(number, "not-to-be-guessed")
    for document in documents(number, token, bearer, expires):
        await api.cluster.create(document)
    await settle(api)
    return token


@pytest.fixture
async def bot(api: Serving) -> str:
    """A token of the ServiceAccount default/bot."""
    await api.cluster.create(SERVICE_ACCOUNT.document("default", "bot"))
    await settle(api)
    code, told = await call(api.http, "POST", BOT_TOKEN, {"spec": {}})
    assert code == 201, told
    assert (told["kind"], told["spec"]["expirationSeconds"]) == ("TokenRequest", 3600)
    return str(told["status"]["token"])


# --- rights ---------------------------------------------------------------------------------------


async def test_a_viewer_sees_pods_and_no_secrets(api: Serving) -> None:
    """In the namespace of the binding, and in no other."""
    await bind(api, "view")
    async with api.session("eve") as eve:
        assert (await call(eve, "GET", PODS))[0] == 200
        code, told = await call(eve, "GET", f"{SECRETS}/x")
        assert (code, told["message"]) == (
            403,
            (
                'secrets "x" is forbidden: User "eve" cannot get resource "secrets" in API group "" '
                'in the namespace "default"'
            ),
        )
        code, told = await call(eve, "GET", "/api/v1/pods")
        assert (code, told["message"]) == (
            403,
            (
                'pods is forbidden: User "eve" cannot list resource "pods" in API group "" '
                "at the cluster scope"
            ),
        )
        assert (await call(eve, "DELETE", f"{PODS}/x"))[0] == 403
        assert (await call(eve, "GET", "/apis"))[0] == 200
        assert (await call(eve, "GET", "/api/v1/namespaces/default"))[0] == 200


async def test_a_change_of_rights_holds_at_once(api: Serving) -> None:
    """Verdicts that were given before are forgotten."""
    async with api.session("eve") as eve:
        assert (await call(eve, "GET", PODS))[0] == 403
        await bind(api, "view")
        assert (await call(eve, "GET", PODS))[0] == 200
        assert (await call(api.http, "DELETE", f"{RBAC}/namespaces/default/rolebindings/eve-view"))[
            0
        ] == 200
        await call(api.http, "GET", PODS)
        assert (await call(eve, "GET", PODS))[0] == 403


async def test_a_role_may_name_single_objects(api: Serving) -> None:
    """`resourceNames`."""
    role = ROLE.document("default", "one-map", rules=[
        {"verbs": ["get"], "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["marker"]}
    ])  # fmt: skip
    await api.cluster.create(role)
    binding = ROLE_BINDING.document(
        "default", "b", roleRef={"apiGroup": GROUP, "kind": "Role", "name": "one-map"},
        subjects=[{"apiGroup": GROUP, "kind": "Group", "name": "team"}],
    )  # fmt: skip
    await api.cluster.create(binding)
    await settle(api)
    async with api.session("eve", "team") as eve:
        assert (await call(eve, "GET", "/api/v1/namespaces/default/configmaps/marker"))[0] == 200
        assert (await call(eve, "GET", "/api/v1/namespaces/default/configmaps/other"))[0] == 403


async def test_nobody_gives_more_than_they_have(api: Serving) -> None:
    """An admin of a namespace binds what it holds there, and nothing beyond."""
    await bind(api, "admin")
    binding = {
        "metadata": {"name": "more"},
        "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "User", "name": "eve"}],
    }
    path = f"{RBAC}/namespaces/default/rolebindings"
    async with api.session("eve") as eve:
        code, told = await call(eve, "POST", path, binding)
        assert code == 403
        assert told["message"].startswith(
            'rolebindings.rbac.authorization.k8s.io "more" is forbidden: user "eve" '
            '(groups=["system:authenticated"]) is attempting to grant RBAC permissions not '
            'currently held:\n{APIGroups:["*"], Resources:["*"], Verbs:["*"]}'
        )
        edit = {**binding, "roleRef": {"kind": "ClusterRole", "name": "edit"}}
        code, told = await call(eve, "POST", path, edit)
        assert code == 201
        assert told["roleRef"]["apiGroup"] == GROUP
        role = {"metadata": {"name": "r"}, "rules": [
            {"verbs": ["get"], "apiGroups": [""], "resources": ["nodes"]}]}  # fmt: skip
        code, told = await call(eve, "POST", f"{RBAC}/namespaces/default/roles", role)
        assert (code, 'Resources:["nodes"]' in told["message"]) == (403, True)
        gone = {**binding, "roleRef": {"kind": "Role", "name": "gone"}}
        code, told = await call(eve, "POST", path, gone)
        assert (code, told["message"]) == (
            404, 'roles.rbac.authorization.k8s.io "gone" not found'
        )  # fmt: skip


async def test_the_verbs_bind_and_escalate_lift_the_limit(api: Serving) -> None:
    """For those who may give what they do not hold."""
    role = ROLE.document("default", "giver", rules=[
        {"verbs": ["*"], "apiGroups": [GROUP], "resources": ["roles", "rolebindings"]},
        {"verbs": ["bind"], "apiGroups": [GROUP], "resources": ["clusterroles"],
         "resourceNames": ["edit"]},
    ])  # fmt: skip
    await api.cluster.create(role)
    await api.cluster.create(ROLE_BINDING.document(
        "default", "b", roleRef={"apiGroup": GROUP, "kind": "Role", "name": "giver"},
        subjects=[{"apiGroup": GROUP, "kind": "User", "name": "eve"}],
    ))  # fmt: skip
    await settle(api)
    async with api.session("eve") as eve:
        wide = {"metadata": {"name": "wide"}, "rules": [
            {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}]}  # fmt: skip
        assert (await call(eve, "POST", f"{RBAC}/namespaces/default/roles", wide))[0] == 201
        for name, expected in (("edit", 201), ("admin", 403)):
            binding = {"metadata": {"name": name}, "roleRef": {"kind": "ClusterRole", "name": name}}
            path = f"{RBAC}/namespaces/default/rolebindings"
            assert (await call(eve, "POST", path, binding))[0] == expected


@pytest.mark.parametrize(
    ("plural", "body", "field"),
    [
        ("roles", {"rules": [{"apiGroups": [""], "resources": ["pods"]}]}, "rules[0].verbs"),
        ("roles", {"rules": [{"verbs": ["get"], "resources": ["pods"]}]}, "rules[0].apiGroups"),
        ("roles", {"rules": [{"verbs": ["get"], "apiGroups": [""]}]}, "rules[0].resources"),
        (
            "roles",
            {"rules": [{"verbs": ["get"], "nonResourceURLs": ["/"]}]},
            "rules[0].nonResourceURLs",
        ),
        ("rolebindings", {"roleRef": {"kind": "Job", "name": "x"}}, "roleRef.kind"),
        ("rolebindings", {"roleRef": {"kind": "Role"}}, "roleRef.name"),
        (
            "rolebindings",
            {"roleRef": {"kind": "Role", "name": "x"}, "subjects": [{"kind": "Dog", "name": "x"}]},
            "subjects[0].kind",
        ),
        (
            "rolebindings",
            {
                "roleRef": {"kind": "Role", "name": "x"},
                "subjects": [{"kind": "ServiceAccount", "name": "x"}],
            },
            "subjects[0].namespace",
        ),
    ],
)
async def test_what_is_no_role_or_binding_is_refused(
    api: Serving, plural: str, body: Document, field: str
) -> None:
    """422, naming the member."""
    whole = {"metadata": {"name": "x"}, **body}
    code, told = await call(api.http, "POST", f"{RBAC}/namespaces/default/{plural}", whole)
    assert code == 422
    assert field in [cause.get("field") for cause in told["details"]["causes"]]


async def test_a_binding_keeps_its_role(api: Serving) -> None:
    """Another role needs another binding."""
    await bind(api, "view")
    path = f"{RBAC}/namespaces/default/rolebindings/eve-view"
    patch = {"roleRef": {"name": "edit"}}
    async with api.http.patch(
        path, json=patch, headers={"Content-Type": "application/merge-patch+json"}
    ) as response:
        assert response.status == 422
        assert "cannot change roleRef" in (await response.json())["message"]


# --- reviews --------------------------------------------------------------------------------------


async def test_can_i_says_why(api: Serving) -> None:
    """The binding that allows it; nothing when none does."""
    await bind(api, "view")
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    asked = {"verb": "list", "resource": "pods", "namespace": "default"}
    async with api.session("eve") as eve:
        _, told = await call(eve, "POST", path, {"spec": {"resourceAttributes": asked}})
        assert told["status"]["allowed"] is True
        assert told["status"]["reason"].startswith(
            'RBAC: allowed by RoleBinding "eve-view/default"'
        )
        asked["resource"] = "secrets"
        _, told = await call(eve, "POST", path, {"spec": {"resourceAttributes": asked}})
        assert told["status"] == {"allowed": False}
        _, told = await call(
            eve, "POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
            {"spec": {"namespace": "default"}},
        )  # fmt: skip
        listed = [rule["resources"] for rule in told["status"]["resourceRules"]]
        assert any("pods" in resources for resources in listed)
        assert not any("secrets" in resources for resources in listed)


async def test_asking_about_others_needs_a_right(api: Serving) -> None:
    """And answers about them, not about whoever asks."""
    await bind(api, "view")
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    asked = {"verb": "list", "resource": "pods", "namespace": "default"}
    spec = {"user": "eve", "resourceAttributes": asked}
    _, told = await call(api.http, "POST", path, {"spec": spec})
    assert told["status"]["allowed"] is True
    _, told = await call(api.http, "POST", path, {"spec": {**spec, "user": "bob"}})
    assert told["status"] == {"allowed": False}
    local = "/apis/authorization.k8s.io/v1/namespaces/default/localsubjectaccessreviews"
    _, told = await call(api.http, "POST", local, {"spec": spec})
    assert told["status"]["allowed"] is True
    other = {**spec, "resourceAttributes": {**asked, "namespace": "kube-system"}}
    assert (await call(api.http, "POST", local, {"spec": other}))[0] == 400
    assert (await call(api.http, "POST", path, {"spec": {}}))[0] == 400
    assert (await call(api.http, "GET", path))[0] == 405
    async with api.session("eve") as eve:
        assert (await call(eve, "POST", path, {"spec": spec}))[0] == 403


# --- tokens ---------------------------------------------------------------------------------------


async def test_a_service_account_is_known_by_its_token(api: Serving, bot: str) -> None:
    """With its groups; what it may do is said by bindings."""
    async with api.session(token=bot) as session:
        _, told = await call(
            session, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}
        )
        who = told["status"]["userInfo"]
        assert who["username"] == "system:serviceaccount:default:bot"
        assert who["groups"] == [
            "system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated",
        ]  # fmt: skip
        assert (await call(session, "GET", PODS))[0] == 403
        await bind(api, "view", kind="Group", name="system:serviceaccounts:default")
        assert (await call(session, "GET", PODS))[0] == 200


async def test_a_token_dies_with_its_account(api: Serving, bot: str) -> None:
    """Also when another of the same name takes its place."""
    await api.cluster.delete(SERVICE_ACCOUNT, Key("default", "bot"))
    await api.cluster.create(SERVICE_ACCOUNT.document("default", "bot"))
    await settle(api)
    async with api.session(token=bot) as session:
        code, told = await call(session, "GET", PODS)
        assert (code, told["message"]) == (401, "Unauthorized")
        assert bot not in str(told)


async def test_a_token_may_be_bound_to_a_pod(api: Serving, bot: str) -> None:
    """And dies with it."""
    pod = POD.document("default", "p", spec={"containers": [{"name": "c", "image": "i"}]})
    await api.cluster.create(pod)
    await settle(api)
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "p"}
    _, told = await call(api.http, "POST", BOT_TOKEN, {"spec": {"boundObjectRef": reference}})
    async with api.session(token=told["status"]["token"]) as session:
        _, who = await call(
            session, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}
        )
        assert who["status"]["userInfo"]["extra"]["authentication.kubernetes.io/pod-name"] == ["p"]
        await api.cluster.delete(POD, Key("default", "p"), DeleteOptions(grace_seconds=0))
        await call(api.http, "GET", PODS)
        assert (await call(session, "GET", PODS))[0] == 401


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ({"expirationSeconds": 60}, 422),
        ({"expirationSeconds": "soon"}, 422),
        ({"audiences": "one"}, 422),
        ({"boundObjectRef": {"kind": "Node", "name": "x"}}, 422),
        ({"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "gone"}}, 404),
    ],
)
async def test_a_token_that_cannot_be_is_refused(
    api: Serving, bot: str, spec: Document, code: int
) -> None:
    """Naming the member."""
    assert (await call(api.http, "POST", BOT_TOKEN, {"spec": spec}))[0] == code


async def test_a_token_for_others_is_no_token_for_us(api: Serving, bot: str) -> None:
    """The audience decides; a TokenReview tells others whether it is for them."""
    _, told = await call(api.http, "POST", BOT_TOKEN, {"spec": {"audiences": ["vault"]}})
    token = told["status"]["token"]
    async with api.session(token=token) as session:
        assert (await call(session, "GET", PODS))[0] == 401
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    _, told = await call(api.http, "POST", path, {"spec": {"token": token, "audiences": ["vault"]}})
    assert told["status"]["authenticated"] is True
    assert told["status"]["user"]["username"] == "system:serviceaccount:default:bot"
    assert told["status"]["audiences"] == ["vault"]
    for spec in ({"token": token}, {"token": "nonsense"}):
        _, told = await call(api.http, "POST", path, {"spec": spec})
        assert "authenticated" not in told["status"]
        assert told["status"]["error"]


def test_only_our_own_signature_counts() -> None:
    """Not another key's, not a changed text, and never the algorithm that a token asks for."""
    ours, other = Signer.of_pem(new_key()), Signer.of_pem(new_key())
    token = ours.sign({"sub": "x"})
    assert ours.claims(token) == {"sub": "x"}
    assert other.claims(token) is None
    head, body, signature = token.split(".")
    forged = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    for wrong in (
        f"{forged}.{body}.", f"{forged}.{body}.{signature}", f"{head}.{body[:-2]}.{signature}",
        f"{head}.{body}.AAAA", f"{head}.{body}", "", "a.b.c",
    ):  # fmt: skip
        assert ours.claims(wrong) is None
    with pytest.raises(ValueError, match=r"PEM|P-256|key"):
        Signer.of_pem(b"nothing")


async def test_an_issued_token_stands_for_its_user(api: Serving) -> None:
    """Until its Secret is gone."""
    token = await issue(api, Bearer("alice", ("team",), "view", "default"))
    async with api.session(token=token) as alice:
        assert (await call(alice, "GET", PODS))[0] == 200
        assert (await call(alice, "GET", SECRETS))[0] == 403
        _, told = await call(alice, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
        assert told["status"]["userInfo"]["username"] == "alice"
        assert told["status"]["userInfo"]["groups"] == ["team", "system:authenticated"]
        await api.cluster.delete(SECRET, Key("kube-system", "token-abcde"))
        await call(api.http, "GET", PODS)
        assert (await call(alice, "GET", PODS))[0] == 401


async def test_an_issued_token_ends_at_its_time(api: Serving) -> None:
    """And one with a wrong secret is none."""
    token = await issue(api, Bearer("alice"), expires="2001-01-01T00:00:00Z")
    for wrong in (token, "utsuwa.abcde.guessed", "utsuwa.other.guessed", "utsuwa..", "x"):
        async with api.session(token=wrong) as session:
            assert (await call(session, "GET", "/apis"))[0] == 401


async def test_issuing_needs_the_right_to_act_as_the_bearer(api: Serving) -> None:
    """Else whoever writes Secrets in kube-system would be everybody."""
    await with_system(api)
    await bind(api, "cluster-admin", namespace="kube-system")
    secret, _ = documents(
        "abcde", "utsuwa.abcde.x", Bearer("alice", ("system:masters",), "view"), ""
    )
    async with api.session("eve") as eve:
        code, told = await call(eve, "POST", "/api/v1/namespaces/kube-system/secrets", secret)
        assert code == 403
        assert told["message"] == (
            'users "alice" is forbidden: User "eve" cannot impersonate resource "users" in API '
            'group "" at the cluster scope'
        )


# --- acting as others, and as nobody --------------------------------------------------------------


async def test_acting_as_somebody_else(api: Serving) -> None:
    """With the rights of that one, for those who may."""
    await bind(api, "view")
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    headers = {"Impersonate-User": "eve", "Impersonate-Group": "team"}
    _, told = await call(api.http, "POST", path, {}, **headers)
    assert told["status"]["userInfo"] == {
        "username": "eve", "groups": ["team", "system:authenticated"],
    }  # fmt: skip
    assert (await call(api.http, "GET", SECRETS, **headers))[0] == 403
    bot = {"Impersonate-User": "system:serviceaccount:default:bot"}
    _, told = await call(api.http, "POST", path, {}, **bot)
    assert "system:serviceaccounts:default" in told["status"]["userInfo"]["groups"]
    assert (await call(api.http, "GET", PODS, **{"Impersonate-Group": "team"}))[0] == 400
    async with api.session("eve") as eve:
        code, told = await call(eve, "GET", PODS, **{"Impersonate-User": "admin"})
        assert (code, told["message"]) == (
            403,
            (
                'users "admin" is forbidden: User "eve" cannot impersonate resource "users" in API '
                'group "" at the cluster scope'
            ),
        )


async def test_nobody_is_let_in_unnamed(api: Serving) -> None:
    """Neither without anything, nor with a header of another scheme."""
    async with api.session() as session:
        assert (await call(session, "GET", "/apis"))[0] == 401
        assert (await call(session, "GET", "/apis", Authorization="Basic eDp5"))[0] == 401


async def test_secrets_stay_out_of_refusals(api: Serving) -> None:
    """Whatever is wrong with them."""
    for body in (
        {"data": {"k": "hush-hush!"}}, {"stringData": {"k": ["hush-hush!"]}},
        {"data": "hush-hush!"}, {"data": {"k": {"x": "hush-hush!"}}},
    ):  # fmt: skip
        whole = {"metadata": {"name": "s"}, **body}
        code, told = await call(api.http, "POST", SECRETS, whole)
        assert code in {400, 422}
        assert "hush" not in str(told)
