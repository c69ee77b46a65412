"""The header `Forwarded` (RFC 7239), made from its `X-Forwarded-*` ancestors."""


def forwarded(x_for: str, x_proto: str, x_host: str) -> str:
    """The value of `Forwarded`. Host and protocol belong to the first hop; IPv6 is quoted.

    >>> forwarded("1.2.3.4, 2001:db8::7", "http", "a.example")
    'for=1.2.3.4;host=a.example;proto=http, for="[2001:db8::7]"'
    """
    hops = [hop.strip() for hop in x_for.split(",")] if x_for else []
    if x_for.endswith(",") and len(hops) > 1:
        hops.pop()
    first = hops[0] if hops else ""
    head = f"for={_node(first)}" if hops else ""
    for name, value, before in (("host", x_host, first), ("proto", x_proto, first or x_host)):
        if value:
            head += f"{';' if before else ''}{name}={value}"
    return "".join([head, *(f", for={_node(hop)}" for hop in hops[1:])])


def _node(address: str) -> str:
    return f'"[{address}]"' if ":" in address else address
