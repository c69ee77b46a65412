"""What `utsuwa env` tells a shell, and how."""

import shutil
import subprocess
from pathlib import Path

import pytest

from utsuwa.app.environment import IN_THE_WAY, Environment, environment, exports, unsets
from utsuwa.app.options import Layout
from utsuwa.app.serving import Serving, forget

LAYOUT = Layout(Path("/data dir"))
SERVING = Serving("localhost", 8080, 6443, "127.0.0.2", 8001)


def of(serving: Serving = SERVING, platform: str = "kubernetes", **given: str) -> Environment:
    return environment(LAYOUT, serving, platform=platform, project="p", given=given)


def test_kubectl_finds_the_cluster_and_gcloud_calls_it_instead_of_google() -> None:
    found = of().variables
    assert found["KUBECONFIG"] == "/data dir/kubeconfig"
    assert found["CLOUDSDK_RUN_PLATFORM"] == "kubernetes"
    assert found["CLOUDSDK_CORE_PROJECT"] == "p"
    assert found["CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER"] == "https://127.0.0.2:8001/"
    assert found["CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE"] == "/data dir/pki/ca.crt"


def test_what_would_beat_our_authority_is_taken_away() -> None:
    """`spec/kubernetes-api.md` §1.2 and §1.3."""
    removed = of().removed
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "CLOUDSDK_AUTH_DISABLE_CREDENTIALS"):
        assert name in removed


def test_the_platform_is_the_one_asked_for() -> None:
    assert of(platform="gke").variables["CLOUDSDK_RUN_PLATFORM"] == "gke"


def test_without_port_443_there_is_nothing_for_gcloud_and_it_says_so() -> None:
    found = of(Serving("localhost", 8080, 6443, "", 0))
    assert set(found.variables) == {"KUBECONFIG", "UTSUWA_DATA_DIR"}
    assert "443" in found.note
    assert not found.removed


def test_without_the_control_api_gcloud_still_finds_the_cluster_by_the_kubeconfig() -> None:
    found = of(Serving("localhost", 8080, 6443, "127.0.0.2", 0)).variables
    assert found["CLOUDSDK_RUN_PLATFORM"] == "kubernetes"
    assert not [name for name in found if "OVERRIDES" in name]


def test_a_proxy_is_passed_by_and_what_passed_it_before_still_does() -> None:
    assert "NO_PROXY" not in of().variables
    found = of(https_proxy="http://proxy:3128", NO_PROXY="intranet,127.0.0.1").variables
    assert found["NO_PROXY"] == "intranet,127.0.0.1,localhost,.localhost,127.0.0.2"
    assert found["no_proxy"] == found["NO_PROXY"]


def test_an_address_of_six_is_bracketed() -> None:
    found = of(Serving("localhost", 8080, 6443, "::2", 8001)).variables
    assert found["CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER"] == "https://[::2]:8001/"


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_what_is_set_is_unset_again(shell: str) -> None:
    """In a real shell; a directory with a blank and a quote in its name is one word."""
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    odd = environment(
        Layout(Path("/it's a dir")), SERVING, platform="gke", project="p", given={}
    )  # fmt: skip
    script = "\n".join(
        [
            "CURL_CA_BUNDLE=/theirs",
            exports(odd, shell),
            'echo "$KUBECONFIG|$CLOUDSDK_RUN_PLATFORM|$CURL_CA_BUNDLE"',
            unsets(shell),
            'echo "$KUBECONFIG|$CLOUDSDK_RUN_PLATFORM|"',
        ]
    )
    done = subprocess.run([found, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "/it's a dir/kubeconfig|gke|\n||\n"


def test_fish_is_told_in_its_own_words() -> None:
    told = exports(Environment({"A": "it's \\ here"}, removed=("B",)), "fish")
    assert told == "set -e B\nset -gx A 'it\\'s \\\\ here'"
    assert "set -e KUBECONFIG" in unsets("fish").splitlines()


def test_everything_that_is_set_is_named_by_unset() -> None:
    told = unsets("bash")
    assert all(f"unset {name}" in told.splitlines() for name in of(platform="gke").variables)
    assert not [name for name in IN_THE_WAY if name in told]


def test_what_runs_is_read_back_until_it_is_forgotten(tmp_path: Path) -> None:
    """The lock says whether anything runs at all."""
    import fcntl

    layout = Layout(tmp_path)
    layout.make()
    assert Serving.read(layout) is None
    SERVING.write(layout)
    assert Serving.read(layout) is None
    with (layout.run / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert Serving.read(layout) == SERVING
        forget(layout)
        assert Serving.read(layout) is None
