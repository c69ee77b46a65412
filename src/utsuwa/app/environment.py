"""The environment in which clients find a cluster: which variables, and how a shell is told.

Pure, and standard library only. The variables of gcloud are those of `spec/kubernetes-api.md` §1.2,
§1.3 and §2; it gets settings of its own, so that nothing of what is done here ends up in those of
an account at Google, and nothing set there gets in the way here.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from utsuwa.app.options import Layout
from utsuwa.app.serving import Serving

SHELLS = ("bash", "zsh", "fish")
PLATFORMS = ("kubernetes", "gke")

IN_THE_WAY = (
    "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
    "CLOUDSDK_ACTIVE_CONFIG_NAME", "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE",
    "CLOUDSDK_AUTH_DISABLE_CREDENTIALS", "CLOUDSDK_AUTH_DISABLE_SSL_VALIDATION",
    "CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT", "CLOUDSDK_RUN_REGION",
)  # fmt: skip
"""What gcloud would rather believe: authorities that are not ours, ways in that are not ours."""

_EVERYWHERE = Serving(domain="", gateway_port=0, api_port=0, address="127.0.0.2", gke_port=8001)
"""A cluster that serves all there is: its variables are all there are."""
_SERVICES = (
    "CONTAINER", "SERVICEUSAGE", "CLOUDRESOURCEMANAGER",
    "ARTIFACTREGISTRY", "CLOUDBUILD",  # refused: Google must neither be asked nor see our token
)  # fmt: skip
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")


@dataclass(frozen=True, slots=True)
class Environment:
    """Variables to set, and to take away. `note` is for the user, "" where there is none."""

    variables: Mapping[str, str]
    removed: tuple[str, ...] = ()
    note: str = ""


def environment(
    layout: Layout, serving: Serving, *, platform: str, project: str, given: Mapping[str, str]
) -> Environment:
    """For clients of the cluster in `layout`; `given` is the environment there is."""
    variables = {"KUBECONFIG": str(layout.kubeconfig), "UTSUWA_DATA_DIR": str(layout.root)}
    variables |= _past_proxies(serving, given)
    if not serving.address:
        note = (
            "no settings for gcloud: it calls port 443 alone, which this cluster does not have; "
            "the first lines of `utsuwa up` say why"
        )
        return Environment(variables, note=note)
    return Environment(variables | _gcloud(layout, serving, platform, project), IN_THE_WAY)


def _gcloud(layout: Layout, serving: Serving, platform: str, project: str) -> dict[str, str]:
    found = {
        "CLOUDSDK_CONFIG": str(layout.gcloud),
        "CLOUDSDK_CORE_PROJECT": project,
        "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE": str(layout.pki / "ca.crt"),
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(layout.token),
        "CLOUDSDK_RUN_PLATFORM": platform,
        # Otherwise the context that gcloud writes for kubectl needs a plug-in.
        "CLOUDSDK_CONTAINER_USE_CLIENT_CERTIFICATE": "true",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
    }
    if serving.gke_port:
        url = f"https://{_bracketed(serving.address)}:{serving.gke_port}/"
        found |= {f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{name}": url for name in _SERVICES}
    return found


def _past_proxies(serving: Serving, given: Mapping[str, str]) -> dict[str, str]:
    if not any(given.get(name) or given.get(name.lower()) for name in _PROXIES):
        return {}
    before = given.get("NO_PROXY") or given.get("no_proxy") or ""
    hosts = [host for host in before.split(",") if host]
    ours = ["localhost", ".localhost", "127.0.0.1", *filter(None, [serving.address])]
    told = ",".join([*hosts, *(host for host in ours if host not in hosts)])
    return {"NO_PROXY": told, "no_proxy": told}


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def exports(environment: Environment, shell: str) -> str:
    """Lines for `eval` in `shell` that put `environment` in force."""
    lines = [_unset(name, shell) for name in environment.removed]
    lines += [_set(name, value, shell) for name, value in environment.variables.items()]
    return "\n".join(lines)


def unsets(shell: str) -> str:
    """Lines for `eval` in `shell` that take everything away again."""
    everything = environment(
        Layout(Path()), _EVERYWHERE, platform="gke", project="", given={}
    )  # fmt: skip
    return "\n".join(_unset(name, shell) for name in everything.variables)


def _set(name: str, value: str, shell: str) -> str:
    if shell == "fish":
        quoted = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"set -gx {name} '{quoted}'"
    return f"export {name}={shlex.quote(value)}"


def _unset(name: str, shell: str) -> str:
    return f"set -e {name}" if shell == "fish" else f"unset {name}"
