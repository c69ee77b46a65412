"""kubectl about identity and rights: auth, create token, create role, --as."""

import pytest
import yaml

from utsuwa.model.kinds import NAMESPACE, SECRET
from utsuwa.testing.apiserver import Serving
from utsuwa.testing.kubectl import Kubectl

pytestmark = [pytest.mark.conformance, pytest.mark.slow]


async def as_user(
    kubectl: Kubectl, api: Serving, user: str, *groups: str, token: str = ""
) -> Kubectl:
    """kubectl with the kubeconfig of somebody else."""
    config = api.authority.kubeconfig(api.url)
    if token:
        config["users"][0]["user"] = {"token": token}
    else:
        pair = api.authority.client(user, groups)
        from base64 import b64encode

        config["users"][0]["user"] = {
            "client-certificate-data": b64encode(pair.certificate).decode(),
            "client-key-data": b64encode(pair.key).decode(),
        }
    path = api.kubeconfig.with_name(f"kubeconfig-{user or 'token'}")
    path.write_text(yaml.safe_dump(config))
    home = kubectl.home.with_name(f"home-{user or 'token'}")
    home.mkdir(exist_ok=True)
    return Kubectl(path, home)


async def test_whoami(kubectl: Kubectl) -> None:
    """Name and groups."""
    ran = await kubectl.ok("auth", "whoami")
    assert ["Username", "admin"] in ran.rows
    assert "system:masters" in ran.out


async def test_can_i(kubectl: Kubectl) -> None:
    """Yes for the administrator; for a viewer what a viewer may."""
    assert (await kubectl.ok("auth", "can-i", "delete", "nodes")).out == "yes\n"
    await kubectl.ok("create", "rolebinding", "b", "--clusterrole=view", "--user=eve")
    eve = ("--as", "eve")
    assert (await kubectl.ok("auth", "can-i", "list", "pods", *eve)).out == "yes\n"
    for asked in (
        ("get", "secrets"),
        ("delete", "pods"),
        ("list", "pods", "-n", "knative-serving"),
    ):
        ran = await kubectl("auth", "can-i", *asked, *eve)
        assert (ran.code, ran.out) == (1, "no\n"), asked
    assert (await kubectl.ok("auth", "can-i", "get", "/api", *eve)).out == "yes\n"
    assert (await kubectl("auth", "can-i", "get", "/metrics", *eve)).out == "no\n"


async def test_can_i_list(kubectl: Kubectl) -> None:
    """Every rule that holds."""
    await kubectl.ok("create", "rolebinding", "b", "--clusterrole=view", "--user=eve")
    ran = await kubectl.ok("auth", "can-i", "--list", "--as", "eve")
    verbs = {row[0]: row[-3:] for row in ran.rows}
    assert verbs["pods/log"] == ["[get", "list", "watch]"]
    assert "selfsubjectreviews.authentication.k8s.io" in verbs
    assert "secrets" not in verbs


async def test_roles_and_bindings_are_made_listed_and_described(kubectl: Kubectl) -> None:
    """As every cluster's administrator does it."""
    await kubectl.ok(
        "create", "role", "pods", "--verb=get,list", "--resource=pods,deployments.apps"
    )
    await kubectl.ok("create", "rolebinding", "b", "--role=pods", "--user=eve", "--group=team",
                     "--serviceaccount=default:bot")  # fmt: skip
    await kubectl.ok("create", "clusterrole", "paths", "--verb=get", "--non-resource-url=/x/*")
    await kubectl.ok("create", "clusterrolebinding", "cb", "--clusterrole=paths", "--group=team")
    assert (await kubectl.ok("get", "role")).rows[0] == ["NAME", "CREATED", "AT"]
    wide = (await kubectl.ok("get", "rolebinding", "-o", "wide")).rows
    assert wide[0] == ["NAME", "ROLE", "AGE", "USERS", "GROUPS", "SERVICEACCOUNTS"]
    assert wide[1][:2] == ["b", "Role/pods"]
    assert wide[1][3:] == ["eve", "team", "default/bot"]
    listed = (await kubectl.ok("get", "clusterrolebinding")).rows
    assert ["cb", "ClusterRole/paths"] in [row[:2] for row in listed]
    names = (await kubectl.ok("get", "clusterrole", "-o", "name")).out
    for role in ("cluster-admin", "admin", "edit", "view", "knative-serving-namespaced-view"):
        assert f"clusterrole.rbac.authorization.k8s.io/{role}\n" in names
    described = (await kubectl.ok("describe", "role", "pods")).out
    assert "deployments.apps" in described
    await kubectl.ok(
        "auth",
        "reconcile",
        "-f",
        "-",
        stdin=(await kubectl.ok("get", "role", "pods", "-o", "yaml")).out,
    )


async def test_a_viewer_may_not_read_secrets(api: Serving, kubectl: Kubectl) -> None:
    """With a certificate of its own."""
    await api.cluster.create(SECRET.document("default", "s", stringData={"k": "hush"}))
    await kubectl.ok("create", "rolebinding", "b", "--clusterrole=view", "--user=eve")
    eve = await as_user(kubectl, api, "eve")
    await eve.ok("get", "pods")
    ran = await eve("get", "secret", "s")
    assert ran.code == 1
    assert ran.err == (
        'Error from server (Forbidden): secrets "s" is forbidden: User "eve" cannot get resource '
        '"secrets" in API group "" in the namespace "default"\n'
    )
    assert (await kubectl.ok("get", "secret", "s")).rows[1][0] == "s"


async def test_an_editor_of_a_namespace_edits_there_alone(api: Serving, kubectl: Kubectl) -> None:
    """By group."""
    await api.cluster.create(NAMESPACE.document("", "shop"))
    await kubectl.ok(
        "create", "rolebinding", "b", "-n", "shop", "--clusterrole=edit", "--group=team"
    )
    eve = await as_user(kubectl, api, "eve", "team")
    await eve.ok("-n", "shop", "create", "secret", "generic", "s", "--from-literal=k=v")
    await eve.ok("-n", "shop", "get", "secret", "s")
    ran = await eve("create", "configmap", "c")
    assert "cannot create resource" in ran.err
    ran = await eve(
        "-n", "shop", "create", "rolebinding", "more", "--clusterrole=admin", "--user=eve"
    )
    assert 'cannot create resource "rolebindings"' in ran.err


async def test_create_token_and_use_it(api: Serving, kubectl: Kubectl) -> None:
    """A ServiceAccount's own; what it may do is said by a binding."""
    await kubectl.ok("create", "serviceaccount", "bot")
    await kubectl.ok(
        "create", "rolebinding", "b", "--clusterrole=view", "--serviceaccount=default:bot"
    )
    token = (await kubectl.ok("create", "token", "bot", "--duration=20m")).out.strip()
    bot = await as_user(kubectl, api, "", token=token)
    assert ["Username", "system:serviceaccount:default:bot"] in (
        await bot.ok("auth", "whoami")
    ).rows
    await bot.ok("get", "pods")
    assert "cannot delete resource" in (await bot("delete", "pod", "x")).err
    ran = await kubectl("create", "token", "bot", "--duration=1m")
    assert "may not specify a duration less than 10 minutes" in ran.err
    await kubectl.ok("delete", "serviceaccount", "bot")
    ran = await bot("get", "pods")
    assert "You must be logged in to the server" in ran.err


async def test_acting_as_others(kubectl: Kubectl) -> None:
    """`--as` and `--as-group`."""
    ran = await kubectl.ok("auth", "whoami", "--as", "eve", "--as-group", "team")
    assert ["Username", "eve"] in ran.rows
    assert "team" in ran.out
    ran = await kubectl("get", "pods", "--as", "eve")
    assert ran.err == (
        'Error from server (Forbidden): pods is forbidden: User "eve" cannot list resource "pods" '
        'in API group "" in the namespace "default"\n'
    )
