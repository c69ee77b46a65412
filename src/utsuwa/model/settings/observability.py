"""config-observability: logs, metrics, traces (`spec/config.md` §9)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from utsuwa.model.settings import request_log
from utsuwa.model.settings.log_bounds import LogBounds
from utsuwa.model.settings.reading import Reader
from utsuwa.model.settings.templates import Template

MAP = "config-observability"
REQUEST_LOG_TEMPLATE = Template(
    '{"httpRequest": {"requestMethod": "{{.Request.Method}}", '
    '"requestUrl": "{{js .Request.RequestURI}}", '
    '"requestSize": "{{.Request.ContentLength}}", "status": {{.Response.Code}}, '
    '"responseSize": "{{.Response.Size}}", "userAgent": "{{js .Request.UserAgent}}", '
    '"remoteIp": "{{js .Request.RemoteAddr}}", "serverIp": "{{.Revision.PodIP}}", '
    '"referer": "{{js .Request.Referer}}", "latency": "{{.Response.Latency}}s", '
    '"protocol": "{{.Request.Proto}}"}, "traceId": "{{.TraceID}}"}'
)


@dataclass(frozen=True, slots=True)
class Metrics:
    """Where metrics go: none, prometheus, http/protobuf or grpc. Interval in seconds, 0 is the
    library's own."""

    protocol: str = "none"
    endpoint: str = ""
    export_interval: float = 0.0


@dataclass(frozen=True, slots=True)
class Tracing:
    """Where traces go: none, http/protobuf, grpc or stdout; sampling rate from 0 to 1."""

    protocol: str = "none"
    endpoint: str = ""
    sampling_rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Observability:
    """`request_metrics` are those of the data plane."""

    enable_var_log_collection: bool = False
    revision_url_template: str = ""
    enable_request_log: bool = False
    request_log_template: Template = REQUEST_LOG_TEMPLATE
    enable_probe_request_log: bool = False
    metrics: Metrics = Metrics()
    request_metrics: Metrics = Metrics()
    tracing: Tracing = Tracing()
    runtime_profiling: bool = False
    runtime_export_interval: float = 15.0
    logs: LogBounds = field(default_factory=LogBounds)

    def log_url(self, revision_uid: str) -> str:
        """The address of a Revision's logs, or "" when no template is set."""
        return self.revision_url_template.replace("${REVISION_UID}", revision_uid)

    @classmethod
    def parse(cls, data: Mapping[str, str]) -> Self:
        """The settings of `data`.

        Raises:
            ValueError: a value is malformed or out of range.
        """
        reader = Reader(MAP, data)
        template = reader.convert(
            "logging.request-log-template", REQUEST_LOG_TEMPLATE, request_log.parse
        )
        enabled = reader.boolean("logging.enable-request-log", False)
        if enabled and not template.source:
            raise reader.fault(
                "logging.request-log-template", "expected a template, as request logs are enabled"
            )
        profiling = reader.text("runtime-profiling", "disabled")
        if profiling not in {"enabled", "disabled"}:
            raise reader.fault("runtime-profiling", "expected enabled or disabled")
        return cls(
            enable_var_log_collection=reader.boolean("logging.enable-var-log-collection", False),
            revision_url_template=reader.text("logging.revision-url-template", ""),
            enable_request_log=enabled,
            request_log_template=template,
            enable_probe_request_log=reader.boolean("logging.enable-probe-request-log", False),
            metrics=_metrics(reader, ""),
            request_metrics=_metrics(reader, "request-"),
            tracing=_tracing(reader),
            runtime_profiling=profiling == "enabled",
            runtime_export_interval=_interval(reader, "runtime-export-interval", 15.0),
            logs=LogBounds.parse(reader),
        )


def _interval(reader: Reader, key: str, default: float) -> float:
    value = reader.duration(key, default)
    if value < 0:
        raise reader.fault(key, "expected a duration of at least zero")
    return value


def _metrics(reader: Reader, prefix: str) -> Metrics:
    protocol = reader.text(f"{prefix}metrics-protocol", "none")
    if protocol not in {"none", "prometheus", "http/protobuf", "grpc"}:
        raise reader.fault(
            f"{prefix}metrics-protocol", "expected none, prometheus, http/protobuf or grpc"
        )
    endpoint = _endpoint(reader, f"{prefix}metrics-endpoint", protocol, {"none"})
    return Metrics(protocol, endpoint, _interval(reader, f"{prefix}metrics-export-interval", 0.0))


def _tracing(reader: Reader) -> Tracing:
    protocol = reader.text("tracing-protocol", "none")
    if protocol not in {"none", "http/protobuf", "grpc", "stdout"}:
        raise reader.fault("tracing-protocol", "expected none, http/protobuf, grpc or stdout")
    endpoint = _endpoint(reader, "tracing-endpoint", protocol, {"none", "stdout"})
    rate = reader.number("tracing-sampling-rate", 0.0, low=0.0, high=1.0)
    return Tracing(protocol, endpoint, rate)


def _endpoint(reader: Reader, key: str, protocol: str, without: set[str]) -> str:
    endpoint = reader.text(key, "")
    if endpoint and protocol in without:
        raise reader.fault(key, f"expected no endpoint for protocol {protocol}")
    if not endpoint and protocol in {"http/protobuf", "grpc"}:
        raise reader.fault(key, f"expected an endpoint for protocol {protocol}")
    return endpoint
