"""The address of this machine that containers reach: the gateway listens there, too, so that they
can call services by name. Standard library only."""

import json
import socket
from collections.abc import Mapping
from pathlib import Path

PATIENCE = 2.0
"""Seconds within which an engine must tell its network."""
_QUESTION = b"GET /v1.40/networks/bridge HTTP/1.0\r\nHost: engine\r\n\r\n"
_MOST = 1 << 20


def address(runtime: str, environment: Mapping[str, str]) -> str:
    """That of the bridge on which the engine's containers are; "" where there is no engine, or
    one that does not say, or it is not to be used."""
    if runtime == "process":
        return ""
    from utsuwa.node.engine.door import NoEngineError, sockets

    try:
        there = next((path for path in sockets(environment) if path.is_socket()), None)
        return _bridge(_ask(there)) if there is not None else ""
    except (NoEngineError, OSError, ValueError):
        return ""


def _ask(engine: Path) -> bytes:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(PATIENCE)
        line.connect(str(engine))
        line.sendall(_QUESTION)
        answer = bytearray()
        while len(answer) < _MOST and (data := line.recv(65_536)):
            answer += data
    return bytes(answer)


def _bridge(answer: bytes) -> str:
    """The first address of the network in an engine's answer.

    >>> _bridge(b'HTTP/1.0 200 OK\\r\\n\\r\\n{"IPAM":{"Config":[{"Gateway":"10.88.0.1"}]}}')
    '10.88.0.1'
    """
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head.partition(b"\r\n")[0]:
        return ""
    told = json.loads(body)
    configs = (told.get("IPAM") or {}).get("Config") or () if isinstance(told, dict) else ()
    found = (str(config.get("Gateway") or "") for config in configs)
    return next((one for one in found if "." in one), "")
