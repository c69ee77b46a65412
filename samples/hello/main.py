"""The smallest service worth deploying: it greets, and names the revision that did.

Everything it is told comes from its environment:

    PORT        where to listen; the platform chooses
    TARGET      whom to greet (yours: see service.yaml)
    K_REVISION  the revision this process belongs to; the platform sets it
"""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Greeter(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keep connections open: the gateway uses them again
    wbufsize = -1  # send head and body together

    def do_GET(self) -> None:
        target = os.environ.get("TARGET", "World")
        revision = os.environ.get("K_REVISION", "a process that was started by hand")
        body = f"Hello {target}!\nThis is {revision}.\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # asked to leave: leave
    port = int(os.environ.get("PORT", "8080"))
    server = ThreadingHTTPServer(("", port), Greeter)
    server.daemon_threads = True  # idle connections shall not keep us from leaving
    print(f"listening on port {port}", flush=True)
    server.serve_forever()
