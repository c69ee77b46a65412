"""Streams beside requests: `exec`, `attach` and `port-forward` (`spec/kubernetes-api.md` §8).

Pure: `channels` (one byte before each WebSocket message says whose it is) and `spdy` (SPDY/3.1
frames). Above them: `wires` carries bytes, `multiplex` makes streams of a SPDY connection,
`callers` is the caller of a command over either, and `commands` and `forward` serve the requests.
"""
