"""Well-known label and annotation keys (`spec/resources.md` §9, `spec/config.md` §13).

Some keys have an older spelling; a :class:`Spellings` knows both, the present one first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SERVING_GROUP = "serving.knative.dev"
NETWORKING_GROUP = "networking.knative.dev"
NETWORKING_INTERNAL_GROUP = "networking.internal.knative.dev"
AUTOSCALING_GROUP = "autoscaling.knative.dev"

# --- who belongs to whom: labels ----------------------------------------------------------------
SERVICE = "serving.knative.dev/service"
SERVICE_UID = "serving.knative.dev/serviceUID"
CONFIGURATION = "serving.knative.dev/configuration"
CONFIGURATION_UID = "serving.knative.dev/configurationUID"
CONFIGURATION_GENERATION = "serving.knative.dev/configurationGeneration"
REVISION = "serving.knative.dev/revision"
REVISION_UID = "serving.knative.dev/revisionUID"
ROUTE = "serving.knative.dev/route"
ROUTE_NAMESPACE = "serving.knative.dev/routeNamespace"
DOMAIN_MAPPING_UID = "serving.knative.dev/domainMappingUID"
DOMAIN_MAPPING_NAMESPACE = "serving.knative.dev/domainMappingNamespace"
APP = "app"
MIRROR = "kubernetes.io/config.mirror"
"""On a Pod that no node runs: it shows a process that somebody else has started."""

# --- routing state of a Revision ----------------------------------------------------------------
ROUTING_STATE = "serving.knative.dev/routingState"
ROUTING_PENDING = "pending"
ROUTING_ACTIVE = "active"
ROUTING_RESERVE = "reserve"

# --- annotations of the serving group -----------------------------------------------------------
ROUTING_STATE_MODIFIED = "serving.knative.dev/routingStateModified"
ROUTES = "serving.knative.dev/routes"
NO_GC = "serving.knative.dev/no-gc"
LAST_PINNED = "serving.knative.dev/lastPinned"
CREATOR = "serving.knative.dev/creator"
LAST_MODIFIER = "serving.knative.dev/lastModifier"
DEPLOYMENT_HASH = "serving.knative.dev/deployment-hash"

# --- networking ---------------------------------------------------------------------------------
VISIBILITY = "networking.knative.dev/visibility"
VISIBILITY_CLUSTER_LOCAL = "cluster-local"
INGRESS_CLASS = "networking.knative.dev/ingress.class"
SERVERLESS_SERVICE = "networking.internal.knative.dev/serverlessservice"
SERVICE_TYPE = "networking.internal.knative.dev/serviceType"
SERVICE_TYPE_PUBLIC = "Public"
SERVICE_TYPE_PRIVATE = "Private"
ROLLOUT = "networking.internal.knative.dev/rollout"
TAG_TO_HOST = "networking.internal.knative.dev/tag-to-host"

# --- autoscaling --------------------------------------------------------------------------------
AUTOSCALER_CLASS = "autoscaling.knative.dev/class"
AUTOSCALER_METRIC = "autoscaling.knative.dev/metric"
KPA = "kpa.autoscaling.knative.dev"
HPA = "hpa.autoscaling.knative.dev"

# --- features -----------------------------------------------------------------------------------
FULL_DUPLEX = "features.knative.dev/http-full-duplex"
POD_INFO = "features.knative.dev/queueproxy-podinfo"

# --- of our own: a rollout that guards itself -----------------------------------------------------
ROLLOUT_MAX_ERROR_RATE = "utsuwa.dev/rollout-max-error-rate"
ROLLOUT_MAX_P95 = "utsuwa.dev/rollout-max-p95"
ROLLOUT_WINDOW = "utsuwa.dev/rollout-window"
ROLLOUT_MIN_REQUESTS = "utsuwa.dev/rollout-min-requests"
ROLLOUT_MAX_SURGE = "utsuwa.dev/rollout-max-surge"
ROLLOUT_TAKEN_BACK = "utsuwa.dev/rollout-taken-back"

# --- our own ------------------------------------------------------------------------------------
STARTED = "utsuwa.dev/started"
"""On a Pod: when its process was started, to the microsecond."""
FREEZE_AFTER = "utsuwa.dev/freeze-after"
"""On a template: how long a pod has no request before it is frozen; 0s is never."""
COLD_START_RECEIPT = "utsuwa.dev/cold-start-receipt"
"""On a template, "true": whoever waited for a cold start is told what it cost."""
WARM_PARENT = "utsuwa.dev/warm-parent"
"""On a template: whether pods of a Python bundle are forked from a process that has imported what
they need: one of :data:`WARM_PARENTS`."""
WARM_PARENTS = ("false", "true", "app")
ISOLATION = "utsuwa.dev/isolation"
"""On a template, "none": its processes see the machine as `utsuwa up` does."""
ISOLATIONS = ("auto", "none")
STARTED_FROM = "utsuwa.dev/started-from"
"""On a Pod whose process was not started anew: what it came from, such as `warm parent`."""

# --- others -------------------------------------------------------------------------------------
EXCLUDE_WEBHOOKS = "webhooks.knative.dev/exclude"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
ENDPOINT_SLICE_SERVICE = "kubernetes.io/service-name"
NONCE = "client.knative.dev/nonce"


@dataclass(frozen=True, slots=True)
class Spellings:
    """One setting under several keys; the first one present wins."""

    keys: tuple[str, ...]

    def find(self, values: Mapping[str, str] | None) -> tuple[str, str] | None:
        """The key in use and its value, or None when no spelling is present."""
        if values:
            for key in self.keys:
                if key in values:
                    return key, values[key]
        return None

    def value(self, values: Mapping[str, str] | None, default: str = "") -> str:
        """The value under whichever spelling is present, else `default`."""
        found = self.find(values)
        return found[1] if found else default


ROLLOUT_DURATION = Spellings(
    ("serving.knative.dev/rollout-duration", "serving.knative.dev/rolloutDuration")
)
PROGRESS_DEADLINE = Spellings(
    ("serving.knative.dev/progress-deadline", "serving.knative.dev/progressDeadline")
)
_QUEUE = "queue.sidecar.serving.knative.dev/"
QUEUE_RESOURCE_PERCENTAGE = Spellings(
    (f"{_QUEUE}resource-percentage", f"{_QUEUE}resourcePercentage")
)
QUEUE_RESOURCES: tuple[Spellings, ...] = (
    Spellings((f"{_QUEUE}cpu-resource-request",)),
    Spellings((f"{_QUEUE}cpu-resource-limit",)),
    Spellings((f"{_QUEUE}memory-resource-request",)),
    Spellings((f"{_QUEUE}memory-resource-limit",)),
    Spellings((f"{_QUEUE}ephemeral-storage-resource-request",)),
    Spellings((f"{_QUEUE}ephemeral-storage-resource-limit",)),
)
INGRESS_CLASS_SPELLINGS = Spellings(
    ("networking.knative.dev/ingress-class", "networking.knative.dev/ingress.class")
)
CERTIFICATE_CLASS_SPELLINGS = Spellings(
    ("networking.knative.dev/certificate-class", "networking.knative.dev/certificate.class")
)
HTTP_PROTOCOL = Spellings(
    ("networking.knative.dev/http-protocol", "networking.knative.dev/httpOption")
)
DISABLE_EXTERNAL_TLS = Spellings(
    (
        "networking.knative.dev/disable-external-domain-tls",
        "networking.knative.dev/disable-auto-tls",
        "networking.knative.dev/disableAutoTLS",
    )
)

CLAIMED_WITH_MAPPING = "domains.cloudrun.com/claimed-with-mapping"
"""On a ClusterDomainClaim: it was made for a mapping, and goes with it."""

NETWORKING_ANNOTATIONS: frozenset[str] = frozenset(
    (
        *INGRESS_CLASS_SPELLINGS.keys,
        *CERTIFICATE_CLASS_SPELLINGS.keys,
        *HTTP_PROTOCOL.keys,
        *DISABLE_EXTERNAL_TLS.keys,
    )
)
"""The only `networking.knative.dev*` annotations a template may carry (`spec/resources.md` §5.4)."""


def split_routes(value: str) -> list[str]:
    """The Route names in the value of :data:`ROUTES`."""
    return [name for name in value.split(",") if name]


def join_routes(names: Iterable[str]) -> str:
    """The value of :data:`ROUTES` for `names`: each once, sorted, with commas between."""
    return ",".join(sorted(set(names)))
