"""What the server says of itself: discovery and OpenAPI, by path."""

from aiohttp import web

from utsuwa.apiserver import discovery, openapi
from utsuwa.apiserver.answers import json_answer
from utsuwa.apiserver.negotiation import Form, discovery_type, wanted
from utsuwa.kit.documents import Document, encode


def groups(request: web.BaseRequest, path: str) -> web.Response:
    """The groups and versions that are served, in the form that is asked for."""
    form = wanted(request.headers.get("Accept", ""))
    if form.form is Form.DISCOVERY:
        listed = discovery.aggregated(form.version, core=path == "/api")
        response = json_answer(encode(listed))
        response.headers["Content-Type"] = discovery_type(form.version)
        response.headers["Vary"] = "Accept"
        return response
    if path == "/api":
        return json_answer(encode(discovery.api_versions(request.host)))
    return json_answer(encode(discovery.api_group_list()))


def described(path: str) -> Document | bytes | None:
    """The document at `path`, if there is one."""
    parts = path.strip("/").split("/")
    if parts[:2] == ["openapi", "v3"]:
        place = parts[3:] if parts[2:3] in (["api"], ["apis"]) else parts[2:]
        return openapi.document("/".join(place)) if place else openapi.index()
    if parts[0] == "apis" and len(parts) == 2:
        return discovery.api_group(parts[1])
    if parts[0] in {"api", "apis"}:
        return discovery.api_resource_list("/".join(parts[1:]))
    if parts == [""]:
        groups = [f"/apis/{name}" for name in discovery.groups()]
        return {
            "paths": ["/api", "/api/v1", "/apis", *groups, "/openapi/v2", "/openapi/v3", "/version"]
        }
    return None
