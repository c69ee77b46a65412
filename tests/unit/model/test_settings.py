"""The operator's maps: defaults, ranges, older spellings, errors that name what is wrong."""

import pytest

from utsuwa.model.settings import Flag, Settings, check_map


def parse(name: str, **data: str) -> Settings:
    """Settings with one map; underscores in keys stand for dashes."""
    return Settings.parse({name: {key.replace("_", "-"): value for key, value in data.items()}})


def test_no_maps_at_all_give_the_defaults_of_the_code() -> None:
    """`spec/config.md` §2-§9."""
    settings = Settings.parse({})
    assert settings == Settings()
    assert settings.defaults.revision_timeout_seconds == 300
    assert settings.defaults.max_revision_timeout_seconds == 600
    assert settings.features.multi_container is Flag.ENABLED
    assert settings.features.volumes_empty_dir is Flag.ENABLED
    assert settings.features.init_containers is Flag.DISABLED
    assert settings.deployment.progress_deadline == 600.0
    assert settings.network.default_external_scheme == "http"
    assert settings.gc.retain_since_create_time == 48 * 3600
    assert settings.domain.lookup({}) == "svc.cluster.local"
    assert settings.observability.runtime_export_interval == 15.0


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("config-defaults", {"revision-timeout-seconds": "x"}),
        ("config-defaults", {"revision-timeout-seconds": "601"}),
        ("config-defaults", {"revision-idle-timeout-seconds": "301"}),
        ("config-defaults", {"revision-response-start-timeout-seconds": "301"}),
        ("config-defaults", {"container-concurrency": "1001"}),
        ("config-defaults", {"container-concurrency": "-1"}),
        ("config-defaults", {"container-concurrency-max-limit": "0"}),
        ("config-defaults", {"allow-container-concurrency-zero": "yes"}),
        ("config-defaults", {"revision-cpu-request": "much"}),
        ("config-defaults", {"container-name-template": "{{.Name"}),
        ("config-defaults", {"container-name-template": "{{.Nothing}}"}),
        ("config-deployment", {"queue-sidecar-image": ""}),
        ("config-deployment", {"progress-deadline": "0s"}),
        ("config-deployment", {"progress-deadline": "1500ms"}),
        ("config-deployment", {"digest-resolution-timeout": "-1s"}),
        ("config-deployment", {"default-affinity-type": "some"}),
        ("config-deployment", {"runtime-class-name": "[1]"}),
        ("config-deployment", {"queue-sidecar-cpu-limit": "x"}),
        ("config-network", {"domain-template": "{{.Name}}/{{.Domain}}"}),
        ("config-network", {"domain-template": "{{.Nme}}"}),
        ("config-network", {"tag-template": "{{"}),
        ("config-network", {"rollout-duration": "-1"}),
        ("config-network", {"cluster-local-domain-tls": "on"}),
        ("config-network", {"system-internal-tls": "on"}),
        ("config-network", {"http-protocol": "sometimes"}),
        ("config-network", {"namespace-wildcard-cert-selector": "["}),
        ("config-domain", {"example.com": "- a"}),
        ("config-domain", {"example.com": "selector: 1"}),
        ("config-gc", {"min-non-active-revisions": "-1"}),
        ("config-gc", {"min-non-active-revisions": "5", "max-non-active-revisions": "4"}),
        ("config-gc", {"retain-since-create-time": "-1h"}),
        ("config-observability", {"metrics-protocol": "carrier-pigeon"}),
        ("config-observability", {"metrics-endpoint": "x:1"}),
        ("config-observability", {"request-metrics-protocol": "grpc"}),
        ("config-observability", {"tracing-protocol": "stdout", "tracing-endpoint": "x"}),
        ("config-observability", {"tracing-sampling-rate": "2"}),
        ("config-observability", {"runtime-profiling": "maybe"}),
        ("config-observability", {"runtime-export-interval": "-1s"}),
        (
            "config-observability",
            {"logging.enable-request-log": "true", "logging.request-log-template": ""},
        ),
        ("config-logging", {"zap-logger-config": "{"}),
        ("config-logging", {"loglevel.controller": "loud"}),
        ("config-leader-election", {"buckets": "11"}),
        ("config-certmanager", {"issuerRef": "x"}),
    ],
)
def test_a_bad_value_is_refused_with_map_key_and_what_was_found(
    name: str, data: dict[str, str]
) -> None:
    """Errors name the map, the key, what was expected and what was found."""
    with pytest.raises(ValueError, match=rf"^{name}: [a-zA-Z.-]+: .+, found "):
        check_map(name, data)


def test_unknown_keys_and_maps_are_ignored() -> None:
    """`spec/config.md` §1."""
    assert Settings.parse({"config-gc": {"x": "y"}, "config-mine": {"a": "b"}}) == Settings()
    check_map("config-mine", {"a": "b"})


def test_flags_are_read_in_any_case_and_nonsense_leaves_the_default() -> None:
    """`spec/config.md` §3."""
    features = parse("config-features", multi_container="disABLED", autodetect_http2="?").features
    assert features.multi_container is Flag.DISABLED
    assert features.autodetect_http2 is Flag.DISABLED
    assert parse("config-features", secure_pod_defaults="allowRootBounded").features.secure_pods
    assert not parse("config-features", secure_pod_defaults="Allowed").features.secure_pods


def test_older_spellings_count_and_the_present_one_wins() -> None:
    """`spec/config.md` §5, §6."""
    older = Settings.parse({"config-deployment": {"progressDeadline": "5s"}})
    assert older.deployment.progress_deadline == 5.0
    data = {"rolloutDuration": "1", "rollout-duration": "2", "autoTLS": "Enabled"}
    network = Settings.parse({"config-network": data}).network
    assert network.rollout_duration == 2
    assert network.external_domain_tls


def test_the_response_start_timeout_follows_the_revision_timeout() -> None:
    """`spec/config.md` §2."""
    defaults = parse("config-defaults", revision_timeout_seconds="120").defaults
    assert defaults.revision_response_start_timeout_seconds == 120


@pytest.mark.parametrize(("text", "value"), [("TRUE", True), ("false", False), ("default", None)])
def test_service_links_have_three_states(text: str, value: bool | None) -> None:
    """Anything else leaves it to Kubernetes."""
    assert (
        parse("config-defaults", enable_service_links=text).defaults.enable_service_links is value
    )


def test_the_domain_with_most_matching_labels_wins_then_the_alphabet() -> None:
    """`spec/config.md` §7."""
    data = {
        "z.com": "",
        "b.org": "selector:\n  app: x\n",
        "a.org": "selector:\n  app: x\n",
        "c.org": "selector: {app: x, tier: y}",
        "_example": "nonsense: [",
    }
    domain = Settings.parse({"config-domain": data}).domain
    assert domain.lookup({}) == "z.com"
    assert domain.lookup({"app": "x"}) == "a.org"
    assert domain.lookup({"app": "x", "tier": "y"}) == "c.org"
    local = {"networking.knative.dev/visibility": "cluster-local"}
    assert domain.lookup(local) == "svc.cluster.local"


def test_without_a_default_domain_everything_is_cluster_local() -> None:
    """`spec/config.md` §7."""
    domain = Settings.parse({"config-domain": {"a.org": "selector: {app: x}"}}).domain
    assert domain.lookup({"app": "y"}) == "svc.cluster.local"


def test_garbage_collection_can_be_switched_off_piece_by_piece() -> None:
    """`disabled` in any case; the immediate collection of the tests."""
    gc = parse(
        "config-gc",
        retain_since_create_time="Disabled",
        retain_since_last_active_time="disabled",
        min_non_active_revisions="0",
        max_non_active_revisions="0",
    ).gc
    assert gc.retain_since_create_time is gc.retain_since_last_active_time is None
    assert (gc.min_non_active_revisions, gc.max_non_active_revisions) == (0, 0)
    assert (
        parse("config-gc", max_non_active_revisions="disabled").gc.max_non_active_revisions is None
    )


def test_hosts_come_from_the_operators_templates() -> None:
    """`spec/config.md` §6.1."""
    network = parse(
        "config-network", domain_template="{{.Name}}-{{.Namespace}}.{{.Domain}}"
    ).network
    assert network.host("hello", "default", "example.com") == "hello-default.example.com"
    assert network.tag_name("v2", "hello") == "v2-hello"
    assert network.tag_name("", "hello") == "hello"
    annotated = '{{.Name}}.{{ index .Annotations "sub"}}.{{.Domain}}'
    network = parse("config-network", domain_template=annotated).network
    assert network.host("h", "ns", "d.com", annotations={"sub": "s"}) == "h.s.d.com"


def test_the_most_specific_runtime_class_is_chosen() -> None:
    """`spec/config.md` §5."""
    text = "b: {selector: {app: x}}\na: {selector: {app: x}}\nplain: {}\n"
    deployment = parse("config-deployment", runtime_class_name=text).deployment
    assert deployment.runtime_class({"app": "x"}) == "a"
    assert deployment.runtime_class({}) == "plain"
    assert Settings().deployment.runtime_class({}) == ""


def test_a_log_address_is_made_from_the_revisions_uid() -> None:
    """`${REVISION_UID}`."""
    data = {"logging.revision-url-template": "http://logs/${REVISION_UID}"}
    observability = Settings.parse({"config-observability": data}).observability
    assert observability.log_url("u1") == "http://logs/u1"
    assert Settings().observability.log_url("u1") == ""
