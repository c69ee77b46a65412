"""Domains and TLS through the real `utsuwa up`, with unmodified kubectl and curl."""

import json
import subprocess
from pathlib import Path

import pytest
from tests.e2e.conftest import Up, need, until

from utsuwa.testing.certificates import TestAuthority

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

MAPPING = """
apiVersion: serving.knative.dev/v1beta1
kind: DomainMapping
metadata: {{name: {name}, namespace: {namespace}{extra}}}
spec:
  ref: {{apiVersion: serving.knative.dev/v1, kind: Service, name: hello}}
  {tls}
"""


def apply(up: Up, tmp_path: Path, text: str) -> None:
    path = tmp_path / "apply.yaml"
    path.write_text(text)
    up.kubectl("apply", "-f", str(path))


def network(up: Up, **settings: str) -> None:
    patch = json.dumps({"data": {key.replace("_", "-"): value for key, value in settings.items()}})
    up.kubectl("patch", "configmap", "config-network", "-n", "knative-serving", "-p", patch)


def map_domain(
    up: Up, tmp_path: Path, name: str, namespace: str = "default", tls: str = "", extra: str = ""
) -> None:
    text = MAPPING.format(name=name, namespace=namespace, tls=tls, extra=extra)
    apply(up, tmp_path, text)


def condition(up: Up, kind: str, name: str, type_: str, namespace: str = "default") -> str:
    found = up.kubectl("get", kind, name, "-n", namespace, "-o", "json", check=False)
    if found.returncode:
        return ""
    conditions = json.loads(found.stdout).get("status", {}).get("conditions", [])
    for one in conditions:
        if one["type"] == type_:
            reason = f" {one['reason']}" if one.get("reason") else ""
            return f"{one['status']}{reason}"
    return ""


def curl(up: Up, name: str, *arguments: str, port: int = 0) -> str:
    port = port or up.https_port
    scheme = "http" if port == up.gateway_port else "https"
    done = subprocess.run(
        [
            need("curl"), "-sS", "--max-time", "10", "--resolve", f"{name}:{port}:127.0.0.1",
            *arguments, f"{scheme}://{name}:{port}/",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def put_secret(up: Up, authority: TestAuthority, tmp_path: Path, name: str, *hosts: str) -> None:
    path = tmp_path / "secret.json"
    path.write_text(json.dumps(authority.issue(*hosts).secret(name)))
    up.kubectl("apply", "-f", str(path))


def test_a_mapped_domain_is_served_and_freed_again(hello: Up, tmp_path: Path) -> None:
    """A domain belongs to one namespace at a time, and to the next once it is let go."""
    map_domain(hello, tmp_path, "shop.example.org")
    until(lambda: condition(hello, "dm", "shop.example.org", "DomainClaimed").startswith("False"))
    network(hello, autocreate_cluster_domain_claims="true")
    until(lambda: condition(hello, "dm", "shop.example.org", "Ready") == "True")
    mapping = hello.get("dm", "shop.example.org")
    assert mapping["status"]["url"] == f"http://shop.example.org:{hello.gateway_port}"
    assert {one["type"]: one["status"] for one in mapping["status"]["conditions"]} == {
        "CertificateProvisioned": "True", "DomainClaimed": "True", "IngressReady": "True",
        "Ready": "True", "ReferenceResolved": "True",
    }  # fmt: skip
    status, body = hello.call("shop.example.org")
    assert (status, "hello" in body.lower()) == (200, True)
    hello.kubectl("create", "-f", str(_namespace(tmp_path, "other")))
    map_domain(hello, tmp_path, "shop.example.org", "other")
    until(
        lambda: (
            condition(hello, "dm", "shop.example.org", "DomainClaimed", "other")
            == "False DomainAlreadyClaimed"
        )
    )
    hello.kubectl("delete", "dm", "shop.example.org")
    until(lambda: condition(hello, "dm", "shop.example.org", "DomainClaimed", "other") == "True")
    until(
        lambda: (
            condition(hello, "dm", "shop.example.org", "ReferenceResolved", "other")
            == "False ResolveFailed"
        )
    )
    assert hello.call("shop.example.org")[0] == 404


def _namespace(tmp_path: Path, name: str) -> Path:
    path = tmp_path / "namespace.yaml"
    path.write_text(f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n")
    return path


def test_a_domain_with_a_certificate_of_its_own(hello: Up, tmp_path: Path) -> None:
    """spec.tls: missing, right, rotated, broken; what is served is never lost on the way."""
    network(hello, autocreate_cluster_domain_claims="true")
    name, first, second = "shop.example.org", TestAuthority("first"), TestAuthority("second")
    for number, authority in enumerate((first, second)):
        (tmp_path / f"ca{number}.crt").write_bytes(authority.certificate)
    ca = [("--cacert", str(tmp_path / f"ca{number}.crt")) for number in range(2)]
    extra = ", annotations: {networking.knative.dev/http-protocol: redirected}"
    map_domain(hello, tmp_path, name, tls="tls: {secretName: shop-tls}", extra=extra)
    until(lambda: condition(hello, "dm", name, "IngressReady") == "False CertificateUnusable")
    assert (
        condition(hello, "dm", name, "CertificateProvisioned")
        == "True CertificateExternallyProvided"
    )
    put_secret(hello, first, tmp_path, "shop-tls", name)
    until(lambda: condition(hello, "dm", name, "Ready") == "True")
    assert hello.get("dm", name)["status"]["url"] == f"https://{name}:{hello.https_port}"
    for how, version in (("--http1.1", "1.1"), ("--http2", "2")):
        said = curl(hello, name, *ca[0], how, "-w", "\n%{http_version} %{response_code}")
        assert said.endswith(f"\n{version} 200"), said
    said = curl(hello, name, "-i", port=hello.gateway_port)
    assert " 301 " in said
    assert f"https://{name}:{hello.https_port}/" in said
    put_secret(hello, second, tmp_path, "shop-tls", name)
    until(lambda: curl(hello, name, *ca[1], "-o", "/dev/null", "-w", "%{http_code}") == "200")
    put_secret(hello, second, tmp_path, "shop-tls", "elsewhere.example.org")
    until(lambda: condition(hello, "dm", name, "Ready") == "False CertificateUnusable")
    broken = {"data": {"tls.key": "bm8gcHJpdmF0ZSBrZXk="}}
    hello.kubectl("patch", "secret", "shop-tls", "-p", json.dumps(broken))
    until(
        lambda: "OpenSSL says" in json.dumps(hello.get("dm", name)["status"]["conditions"]),
        what="the reason why the Secret is of no use",
    )
    put_secret(hello, first, tmp_path, "shop-tls", name)
    until(lambda: condition(hello, "dm", name, "Ready") == "True")
    assert "200" in curl(hello, name, *ca[0], "-o", "/dev/null", "-w", "%{http_code}")
    logs = "".join(path.read_text() for path in (hello.data_dir / "logs").glob("*.log"))
    assert "PRIVATE KEY" not in logs


def test_certificates_come_by_themselves_where_the_operator_says_so(
    hello: Up, tmp_path: Path
) -> None:
    """external-domain-tls, from the cluster's own authority for services."""
    network(hello, autocreate_cluster_domain_claims="true", external_domain_tls="Enabled")
    authority = hello.data_dir / "pki" / "services" / "ca.crt"
    (told,) = [line.split() for line in hello.lines if line.startswith("  https ")]
    assert (told[2], told[-1]) == (f"{hello.https_port};", str(authority))
    ca = ("--cacert", str(authority))
    host = "hello.default.localhost"
    url = f"https://{host}:{hello.https_port}"
    until(lambda: hello.get("ksvc", "hello")["status"].get("url") == url, what=url)
    until(lambda: condition(hello, "ksvc", "hello", "Ready") == "True")
    assert condition(hello, "rt", "hello", "CertificateProvisioned") == "True"
    until(lambda: curl(hello, host, *ca, "-o", "/dev/null", "-w", "%{http_code}") == "200")
    map_domain(hello, tmp_path, "shop.example.org")
    until(lambda: condition(hello, "dm", "shop.example.org", "Ready") == "True")
    assert condition(hello, "dm", "shop.example.org", "CertificateProvisioned") == "True"
    until(
        lambda: (
            curl(hello, "shop.example.org", *ca, "-o", "/dev/null", "-w", "%{http_code}") == "200"
        )
    )
    certificates = hello.get("kcert")["items"]
    assert len(certificates) == 2
    assert all(one["status"]["notAfter"] for one in certificates)
    network(hello, http_protocol="Redirected")
    until(lambda: hello.call(host)[0] == 301)
    network(hello, external_domain_tls="Disabled")
    until(lambda: hello.call(host)[0] == 200)
    assert condition(hello, "rt", "hello", "CertificateProvisioned") == "True TLSNotEnabled"
