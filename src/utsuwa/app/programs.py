"""How each process is called: arguments, environment, and the sockets it inherits."""

import os

from utsuwa.app import processes
from utsuwa.app.child import Child
from utsuwa.app.options import ControlOptions, Layout, UpOptions
from utsuwa.app.sockets import Listeners

GATEWAY_DRAIN = 4.0
"""Seconds that requests in flight get when everything ends."""


class Programs:
    """Makes the processes of one `up`, not yet started. Mutable state: how many it has made."""

    def __init__(self, options: UpOptions, listeners: Listeners, report_to: int) -> None:
        """`report_to`: the file descriptor on which they say that they serve."""
        self._options = options
        self._layout = Layout(options.data_dir)
        self._listeners = listeners
        self._report_to = report_to
        self._start = processes.start_time(os.getpid())
        self._made = 0

    def __repr__(self) -> str:
        return f"<Programs made={self._made}>"

    def gateway(self, number: int) -> Child:
        """A gateway; `number` tells workers apart."""
        fds = [listener.fileno() for listener in self._listeners.worker(number)]
        tls_fds = [listener.fileno() for listener in self._listeners.worker_tls(number)]
        environment = {
            "UTSUWA_GATEWAY_FDS": ",".join(map(str, fds)),
            "UTSUWA_GATEWAY_TLS_FDS": ",".join(map(str, tls_fds)),
            "UTSUWA_INSIDE": ",".join(self._listeners.inside(self._options.runtime)),
            "UTSUWA_LINK": str(self._layout.link),
            "UTSUWA_LOGS": str(self._layout.logs),
            "UTSUWA_HOLDS": str(self._layout.pods),
            "UTSUWA_GATEWAY_NAME": f"gateway-{number}",
            "UTSUWA_LOG_LEVEL": self._options.log_level,
            "UTSUWA_DRAIN_SECONDS": str(GATEWAY_DRAIN),
            "UTSUWA_SERVING_FD": str(self._report_to),
        }
        name = "gateway"
        if self._options.gateway_workers > 1:
            name = f"gateway-{number}"
            environment["UTSUWA_SLOTS"] = str(self._layout.slots)
        return self._child(name, ["-m", "utsuwa.gateway"], environment, fds + tls_fds)

    def slots(self) -> Child:
        """The broker of the slots that several gateways share."""
        environment = {
            "UTSUWA_SLOTS": str(self._layout.slots),
            "UTSUWA_LOG_LEVEL": self._options.log_level,
        }
        return self._child("slots", ["-m", "utsuwa.gateway.slots"], environment, [])

    def control(self) -> Child:
        """The control process."""
        fds = [listener.fileno() for listener in self._listeners.api]
        gke_fds = [listener.fileno() for listener in self._listeners.gke]
        metrics_fds = [listener.fileno() for listener in self._listeners.exposition]
        console_fds = [listener.fileno() for listener in self._listeners.console]
        options = ControlOptions(
            data_dir=self._options.data_dir,
            domain=self._options.domain,
            gateway_port=self._options.gateway_port,
            https_port=self._listeners.https_port,
            api_port=self._options.api_port,
            runtime=self._options.runtime,
            isolation=self._options.isolation,
            log_level=self._options.log_level,
            address="" if self._options.address == "off" else self._options.address,
            address_has_api=self._listeners.address_has_api,
            address_has_gateway=self._listeners.address_has_gateway,
            api_fds=tuple(fds),
            gke_fds=tuple(gke_fds),
            metrics_fds=tuple(metrics_fds),
            console_fds=tuple(console_fds),
            ready_fd=self._report_to,
            anonymous=self._options.anonymous,
            pods_address=self._listeners.pods_address,
            inside_address=self._listeners.inside_address,
        )
        environment = {"UTSUWA_CONTROL": options.to_environment()}
        inherited = fds + gke_fds + metrics_fds + console_fds
        return self._child("control", ["-m", "utsuwa.app.control"], environment, inherited)

    def _child(self, name: str, arguments: list[str], environment: dict[str, str],
               fds: list[int]) -> Child:  # fmt: skip
        for fd in fds:
            os.set_inheritable(fd, True)
        self._made += 1
        number = f"{self._start}-{self._made}"
        log = self._layout.logs / f"{name}.log"
        return Child(name, arguments, environment, log, number)
