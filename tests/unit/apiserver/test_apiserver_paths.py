import pytest

from utsuwa.apiserver.paths import Target, parse
from utsuwa.model.kinds import CORE_SERVICE, DEPLOYMENT, NAMESPACE, NODE, POD, SERVICE


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/api/v1/pods", Target(POD)),
        ("/api/v1/namespaces/default/pods", Target(POD, "default")),
        ("/api/v1/namespaces/default/pods/a/", Target(POD, "default", "a")),
        ("/api/v1/namespaces/default/pods/a/log", Target(POD, "default", "a", "log")),
        ("/api/v1/namespaces", Target(NAMESPACE)),
        ("/api/v1/namespaces/default", Target(NAMESPACE, "", "default")),
        ("/api/v1/namespaces/pods/pods", Target(POD, "pods")),
        ("/api/v1/namespaces/default/finalize", Target(NAMESPACE, "", "default", "finalize")),
        ("/api/v1/nodes/n/status", Target(NODE, "", "n", "status")),
        ("/api/v1/namespaces/d/services/s", Target(CORE_SERVICE, "d", "s")),
        ("/apis/serving.knative.dev/v1/namespaces/d/services/s", Target(SERVICE, "d", "s")),
        ("/apis/apps/v1/namespaces/d/deployments/w/scale", Target(DEPLOYMENT, "d", "w", "scale")),
    ],
)
def test_paths_name_objects(path: str, target: Target) -> None:
    """Kind, namespace, name and sub-resource, from the layout of Kubernetes' paths."""
    assert parse(path) == target


@pytest.mark.parametrize(
    "path",
    [
        "/", "/api", "/api/v1", "/apis/apps/v1", "/api/v2/pods", "/api/v1/nothings",
        "/api/v1/pods/a", "/api/v1/namespaces/d/pods/a/nothing", "/api/v1/namespaces/d/nodes/n",
        "/api/v1/namespaces/d/pods/a/log/b", "/api/v1//pods", "/apis/serving.knative.dev/v2/services",
    ],
)  # fmt: skip
def test_other_paths_name_nothing(path: str) -> None:
    """A namespaced object needs its namespace, a sub-resource must be one of its kind's."""
    assert parse(path) is None
