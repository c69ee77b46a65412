"""The kinds of object that Utsuwa serves: their names, scope and sub-resources.

One table, read by the store's users, the API server's discovery and the clients' short names
(`spec/resources.md` §1, `spec/kubernetes-api.md` §4.1).
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object. `group` is empty for core kinds."""

    group: str
    version: str
    name: str
    plural: str
    singular: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ("status",)

    def __hash__(self) -> int:
        return hash((self.plural, self.group))

    def __str__(self) -> str:
        return f"{self.name}.{self.group}" if self.group else self.name

    @property
    def api_version(self) -> str:
        """`v1` or `serving.knative.dev/v1`: the `apiVersion` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """`pods` or `services.serving.knative.dev`: as error messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def document(self, namespace: str, name: str, **members: Any) -> dict[str, Any]:
        """The beginning of a new object of this kind, `members` beside its metadata."""
        metadata = {"name": name, "namespace": namespace} if self.namespaced else {"name": name}
        return {
            "apiVersion": self.api_version,
            "kind": self.name,
            "metadata": metadata,
            **members,
        }


_ALL = ("all",)
_KN = ("all", "knative", "serving")
_KNI = "knative-internal"
_SERVING = "serving.knative.dev"
_NET = "networking.internal.knative.dev"
_SCALE = "autoscaling.internal.knative.dev"
_RBAC = "rbac.authorization.k8s.io"

NAMESPACE = Kind("", "v1", "Namespace", "namespaces", "namespace", False, ("ns",))
NODE = Kind("", "v1", "Node", "nodes", "node", False, ("no",))
POD = Kind("", "v1", "Pod", "pods", "pod", True, ("po",), _ALL, ("status", "log"))
CORE_SERVICE = Kind("", "v1", "Service", "services", "service", True, ("svc",), _ALL)
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps", "configmap", True, ("cm",), (), ())
SECRET = Kind("", "v1", "Secret", "secrets", "secret", True, (), (), ())
SERVICE_ACCOUNT = Kind(
    "", "v1", "ServiceAccount", "serviceaccounts", "serviceaccount", True, ("sa",), (), ()
)
ENDPOINTS = Kind("", "v1", "Endpoints", "endpoints", "endpoints", True, ("ep",), (), ())
EVENT = Kind("", "v1", "Event", "events", "event", True, ("ev",), (), ())
DEPLOYMENT = Kind(
    "apps", "v1", "Deployment", "deployments", "deployment", True, ("deploy",), _ALL,
    ("status", "scale"),
)  # fmt: skip
REPLICA_SET = Kind(
    "apps", "v1", "ReplicaSet", "replicasets", "replicaset", True, ("rs",), _ALL,
    ("status", "scale"),
)  # fmt: skip
ENDPOINT_SLICE = Kind(
    "discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", "endpointslice", True, (), (), ()
)
ROLE = Kind(_RBAC, "v1", "Role", "roles", "role", True, (), (), ())
CLUSTER_ROLE = Kind(_RBAC, "v1", "ClusterRole", "clusterroles", "clusterrole", False, (), (), ())
ROLE_BINDING = Kind(_RBAC, "v1", "RoleBinding", "rolebindings", "rolebinding", True, (), (), ())
CLUSTER_ROLE_BINDING = Kind(
    _RBAC, "v1", "ClusterRoleBinding", "clusterrolebindings", "clusterrolebinding",
    False, (), (), (),
)  # fmt: skip
LEASE = Kind("coordination.k8s.io", "v1", "Lease", "leases", "lease", True, (), (), ())
SERVICE = Kind(_SERVING, "v1", "Service", "services", "service", True, ("kservice", "ksvc"), _KN)
CONFIGURATION = Kind(
    _SERVING, "v1", "Configuration", "configurations", "configuration", True, ("config", "cfg"), _KN
)
ROUTE = Kind(_SERVING, "v1", "Route", "routes", "route", True, ("rt",), _KN)
REVISION = Kind(_SERVING, "v1", "Revision", "revisions", "revision", True, ("rev",), _KN)
DOMAIN_MAPPING = Kind(
    _SERVING, "v1beta1", "DomainMapping", "domainmappings", "domainmapping", True, ("dm",), _KN
)
POD_AUTOSCALER = Kind(
    _SCALE, "v1alpha1", "PodAutoscaler", "podautoscalers", "podautoscaler", True, ("kpa", "pa"),
    (_KNI, "autoscaling"),
)  # fmt: skip
METRIC = Kind(_SCALE, "v1alpha1", "Metric", "metrics", "metric", True, (), (_KNI, "autoscaling"))
SERVERLESS_SERVICE = Kind(
    _NET, "v1alpha1", "ServerlessService", "serverlessservices", "serverlessservice", True,
    ("sks",), (_KNI, "networking"),
)  # fmt: skip
INGRESS = Kind(
    _NET, "v1alpha1", "Ingress", "ingresses", "ingress", True, ("kingress", "king"),
    (_KNI, "networking"),
)  # fmt: skip
CERTIFICATE = Kind(
    _NET, "v1alpha1", "Certificate", "certificates", "certificate", True, ("kcert",),
    (_KNI, "networking"),
)  # fmt: skip
CLUSTER_DOMAIN_CLAIM = Kind(
    _NET, "v1alpha1", "ClusterDomainClaim", "clusterdomainclaims", "clusterdomainclaim", False,
    ("cdc",), (_KNI, "networking"), (),
)  # fmt: skip

KINDS: tuple[Kind, ...] = (
    NAMESPACE, NODE, POD, CORE_SERVICE, CONFIG_MAP, SECRET, SERVICE_ACCOUNT, ENDPOINTS, EVENT,
    DEPLOYMENT, REPLICA_SET, ENDPOINT_SLICE, LEASE,
    ROLE, CLUSTER_ROLE, ROLE_BINDING, CLUSTER_ROLE_BINDING,
    SERVICE, CONFIGURATION, ROUTE, REVISION, DOMAIN_MAPPING,
    POD_AUTOSCALER, METRIC, SERVERLESS_SERVICE, INGRESS, CERTIFICATE, CLUSTER_DOMAIN_CLAIM,
)  # fmt: skip
"""Every kind, core first: that order makes `kubectl get services` mean the core ones."""

POD_METRICS = Kind("metrics.k8s.io", "v1beta1", "PodMetrics", "pods", "", True, (), (), ())
NODE_METRICS = Kind("metrics.k8s.io", "v1beta1", "NodeMetrics", "nodes", "", False, (), (), ())
MEASURED_KINDS: tuple[Kind, ...] = (POD_METRICS, NODE_METRICS)
"""What can be read though nothing of it is stored: measured when somebody asks."""

RIGHTS_KINDS: tuple[Kind, ...] = (ROLE, CLUSTER_ROLE, ROLE_BINDING, CLUSTER_ROLE_BINDING)
"""Who may do what is said by objects of these kinds (`model.rights` reads them)."""

CLOUD_DOMAIN_MAPPING = Kind(
    "domains.cloudrun.com", "v1alpha1", "DomainMapping", "domainmappings", "domainmapping",
    True, (), (), (),
)  # fmt: skip
VIEW_KINDS: tuple[Kind, ...] = (CLOUD_DOMAIN_MAPPING,)
"""Other clients' words for what is stored as another kind: read and written, never stored."""

CUSTOM_RESOURCE_DEFINITION = Kind(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions",
    "customresourcedefinition", False, ("crd", "crds"), ("api-extensions",), (),
)  # fmt: skip
PERSISTENT_VOLUME_CLAIM = Kind(
    "", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", "persistentvolumeclaim", True,
    ("pvc",), (), (),
)  # fmt: skip
RESOURCE_QUOTA = Kind(
    "", "v1", "ResourceQuota", "resourcequotas", "resourcequota", True, ("quota",), (), ()
)
LIMIT_RANGE = Kind("", "v1", "LimitRange", "limitranges", "limitrange", True, ("limits",), (), ())
NEW_EVENT = Kind("events.k8s.io", "v1", "Event", "events", "event", True, ("ev",), (), ())
SHOWN_KINDS: tuple[Kind, ...] = (
    PERSISTENT_VOLUME_CLAIM, RESOURCE_QUOTA, LIMIT_RANGE, NEW_EVENT, CUSTOM_RESOURCE_DEFINITION,
)  # fmt: skip
"""What clients look for and may read: nothing of it is stored under this name, nobody writes it."""

SERVING_KINDS: tuple[Kind, ...] = (SERVICE, CONFIGURATION, ROUTE, REVISION)

_BY_API: dict[tuple[str, str], Kind] = {(kind.api_version, kind.name): kind for kind in KINDS}


def kind_of(document: dict[str, Any]) -> Kind:
    """The kind of an object, by its `apiVersion` and `kind`.

    Raises:
        KeyError: no such kind is served.
    """
    return _BY_API[document["apiVersion"], document["kind"]]
