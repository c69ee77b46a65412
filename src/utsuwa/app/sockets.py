"""The listening sockets: bound by the supervisor, handed down, so that a process behind one can
be replaced while connections wait in the backlog."""

import errno
import socket
from dataclasses import dataclass, field

from utsuwa.app.options import CONSOLE_PORT, HTTPS_PORT, METRICS_PORT

BACKLOG = 4096
_FREE_BIND = 15
"""IP_FREEBIND: an address may be bound before it is there."""


class PortInUseError(Exception):
    """A port that was asked for by number cannot be had; the message says what to do."""


@dataclass
class Listeners:
    """What is bound. `notes` are lines for the user about what could not be."""

    gateway: list[socket.socket] = field(default_factory=list)
    more: list[list[socket.socket]] = field(default_factory=list)
    """The gateway's once more, for each further worker: the kernel spreads connections over them."""
    tls: list[socket.socket] = field(default_factory=list)
    """The gateway's, for connections that begin with a TLS handshake."""
    more_tls: list[list[socket.socket]] = field(default_factory=list)
    """Those once more, as `more`."""
    api: list[socket.socket] = field(default_factory=list)
    gke: list[socket.socket] = field(default_factory=list)
    exposition: list[socket.socket] = field(default_factory=list)
    console: list[socket.socket] = field(default_factory=list)
    address_has_api: bool = False
    address_has_gateway: bool = False
    pods_address: str = ""
    """Where containers reach the gateway on port 80; "" where they do not."""
    inside_address: str = ""
    """Where processes do, apart from everybody else; "" where they have no such address."""
    notes: list[str] = field(default_factory=list)

    @property
    def https_port(self) -> int:
        """Where services are served with TLS; 0 where they are not."""
        port: int = self.tls[0].getsockname()[1] if self.tls else 0
        return port

    def close(self) -> None:
        """Close them all."""
        once = (self.gateway, self.tls, self.api, self.gke, self.exposition, self.console)
        groups = (*once, *self.more, *self.more_tls)
        for listener in (one for group in groups for one in group):
            listener.close()

    def inside(self, runtime: str) -> tuple[str, ...]:
        """The addresses that pods alone call; none where some kind of pod has no such address."""
        apart = self.pods_address if runtime == "container" else self.inside_address
        return tuple(one for one in (self.inside_address, self.pods_address) if one and apart)

    def worker(self, number: int) -> list[socket.socket]:
        """Those of the gateway's worker `number`, counted from 0."""
        return self.more[number - 1] if number else self.gateway

    def worker_tls(self, number: int) -> list[socket.socket]:
        """Those for TLS of the gateway's worker `number`, counted from 0."""
        return self.more_tls[number - 1] if number else self.tls


def listen(host: str, port: int, *, absent: bool = False) -> socket.socket:
    """A listening TCP socket; `absent`: also at an address that this machine is yet to get.

    Raises:
        OSError: it cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if absent:
            listener.setsockopt(socket.IPPROTO_IP, _FREE_BIND, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def twin(listener: socket.socket) -> socket.socket:
    """Another listening socket at the same address; each connection goes to one of the two.

    The first is bound without SO_REUSEPORT, and only then allowed to be shared: so an address
    that somebody else has, who would share it, is refused as any other.
    """
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    other = socket.socket(listener.family, socket.SOCK_STREAM)
    try:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if listener.family == socket.AF_INET6:
            other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        else:
            free = listener.getsockopt(socket.IPPROTO_IP, _FREE_BIND)
            other.setsockopt(socket.IPPROTO_IP, _FREE_BIND, free)
        other.bind(listener.getsockname())
        other.listen(BACKLOG)
        other.setblocking(False)
    except OSError:
        other.close()
        raise
    return other


def bind_all(
    *,
    gateway_port: int,
    api_port: int,
    address: str,
    https_port: int | None = 0,
    workers: int = 1,
    gke_port: int = 8001,
    metrics_port: int | None = 0,
    console_port: int | None = 0,
) -> Listeners:
    """Bind everything that `up` serves on, for `workers` gateways.

    `https_port`, `metrics_port`, `console_port`: 0 for none, None for the usual one if that is to be had.

    Raises:
        PortInUseError: a port that was asked for by number cannot be had, or not be shared.
    """
    listeners = Listeners()
    try:
        listeners.gateway.append(_required(gateway_port, "--gateway-port"))
        listeners.api.append(_required(api_port, "--api-port"))
        for chosen, flag, group in (
            (https_port, "--https-port", listeners.tls),
            (metrics_port, "--metrics-port", listeners.exposition),
            (console_port, "--console-port", listeners.console),
        ):
            if chosen:
                group.append(_required(chosen, flag))
    except PortInUseError:
        listeners.close()
        raise
    for port, group in ((gateway_port, listeners.gateway), (api_port, listeners.api)):
        _also_ipv6(port, group)
    for chosen, port, group, what in (
        (metrics_port, METRICS_PORT, listeners.exposition, "metrics"),
        (console_port, CONSOLE_PORT, listeners.console, "console"),
    ):
        if chosen is None:
            _bind_usual(listeners, group, port, what)
    for listener in list(listeners.console):
        _also_ipv6(listener.getsockname()[1], listeners.console)
    _bind_https(https_port, address, listeners)
    if address != "off":
        _bind_address(address, gke_port, listeners)
    _share(listeners, workers)
    return listeners


def _share(listeners: Listeners, workers: int) -> None:
    """The gateway's sockets once more for each further worker."""
    for _ in range(workers - 1):
        try:
            listeners.more.append([twin(listener) for listener in listeners.gateway])
            listeners.more_tls.append([twin(listener) for listener in listeners.tls])
        except OSError as error:
            listeners.close()
            raise PortInUseError(
                f"the gateway's ports cannot be shared by {workers} gateways: {_reason(error)}; "
                "start with --gateway-workers 1"
            ) from error


def _required(port: int, flag: str) -> socket.socket:
    try:
        return listen("127.0.0.1", port)
    except OSError as error:
        raise PortInUseError(
            f"port {port} on 127.0.0.1: {_reason(error)}; "
            f"end what holds it, or choose another with {flag}"
        ) from error


def _also_ipv6(port: int, group: list[socket.socket]) -> None:
    # Clients that resolve *.localhost to ::1 first fall back to 127.0.0.1: worth no note.
    try:
        group.append(listen("::1", port))
    except OSError:
        return


def _bind_https(https_port: int | None, address: str, listeners: Listeners) -> None:
    if https_port is None:
        _bind_usual_https(listeners)
    if listeners.tls:
        _bind_more_https(address, listeners)


def _bind_usual_https(listeners: Listeners) -> None:
    try:
        listeners.tls.append(listen("127.0.0.1", HTTPS_PORT))
    except OSError as error:
        listeners.notes.append(
            f"127.0.0.1:{HTTPS_PORT} not served: {_reason(error)}; services have no https. "
            "Choose another port with --https-port, or none with --https-port 0"
        )


def _bind_usual(listeners: Listeners, group: list[socket.socket], port: int, what: str) -> None:
    try:
        group.append(listen("127.0.0.1", port))
    except OSError as error:
        cost = {"metrics": "there are no metrics", "console": "there is no console"}[what]
        listeners.notes.append(
            f"127.0.0.1:{port} not served: {_reason(error)}; {cost}. "
            f"Choose another port with --{what}-port, or none with --{what}-port 0"
        )


def _bind_more_https(address: str, listeners: Listeners) -> None:
    port = listeners.https_port
    _also_ipv6(port, listeners.tls)
    if address not in {"off", "127.0.0.1"}:
        try:
            listeners.tls.append(listen(address, port))
        except OSError as error:
            listeners.notes.append(
                f"{address}:{port} not served: {_reason(error)}; https is on 127.0.0.1:{port} alone"
            )


def _bind_address(address: str, gke_port: int, listeners: Listeners) -> None:
    for port, group, cost in (
        (443, listeners.api, "gcloud, which calls port 443 alone, cannot connect"),
        (80, listeners.gateway, "URLs need their port"),
    ):
        try:
            group.append(listen(address, port))
        except OSError as error:
            listeners.notes.append(
                f"{address}:{port} not served: {_reason(error)}; {cost}. {_fix(error)}"
            )
            continue
        if port == 443:
            listeners.address_has_api = True
        else:
            listeners.address_has_gateway = True
    if listeners.address_has_gateway and _is_ipv4(address):
        _bind_inside(address, listeners)
    if listeners.address_has_api:  # gcloud finds here which address to call, and then calls 443
        try:
            listeners.gke.append(listen(address, gke_port))
        except OSError as error:
            listeners.notes.append(
                f"{address}:{gke_port} not served: {_reason(error)}; gcloud --platform=gke cannot "
                "find this cluster. Choose another port with --gke-port"
            )


def _is_ipv4(address: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET, address)
    except OSError:
        return False
    return True


def _bind_inside(address: str, listeners: Listeners) -> None:
    """An address for calls from pod to pod: who calls there comes from inside."""
    inside = inside_of(address)
    try:
        listeners.gateway.append(listen(inside, 80))
    except OSError as error:
        listeners.notes.append(
            f"{inside}:80 not served: {_reason(error)}; services with visibility cluster-local "
            "are answered to everybody. Choose another with --address"
        )
    else:
        listeners.inside_address = inside


def inside_of(address: str) -> str:
    """The loopback address that goes with the IPv4 `address`, another one for each of loopback.

    >>> inside_of("127.0.0.2"), inside_of("127.1.0.2"), inside_of("192.168.7.1")
    ('127.128.0.2', '127.129.0.2', '127.128.7.1')
    """
    first, second, *rest = address.split(".")
    return ".".join(("127", str(int(second) ^ 128 if first == "127" else 128), *rest))


def bind_pods(address: str, listeners: Listeners) -> None:
    """Let the gateway listen at `address` as well, where containers look for it; "": there are
    none."""
    if not address:
        return
    try:
        # The bridge is there as soon as there is a container on it.
        first = listen(address, 80, absent=True)
        listeners.gateway.append(first)
        for group in listeners.more:
            group.append(twin(first))
    except OSError as error:
        listeners.notes.append(
            f"{address}:80 not served: {_reason(error)}; containers cannot call services by name"
        )
    else:
        listeners.pods_address = address


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "address already in use"
    return (error.strerror or str(error)).lower()


def _fix(error: OSError) -> str:
    if error.errno in {errno.EACCES, errno.EPERM}:
        return "To get it: sysctl net.ipv4.ip_unprivileged_port_start=80, or run as root"
    if error.errno == errno.EADDRINUSE:
        return "Several clusters share a machine with --address 127.0.0.3 and so on"
    return "Choose another with --address, or none with --address off"
