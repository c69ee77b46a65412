"""A load in a thread of its own."""

import socket
import threading

from utsuwa.app.load import Load
from utsuwa.app.observe.sending import Sending


def serve(listening: socket.socket, answer: bytes) -> None:
    """Answer every request of one connection."""

    def talk() -> None:
        connection, _ = listening.accept()
        with connection:
            while connection.recv(65536):
                if answer:
                    connection.sendall(answer)

    threading.Thread(target=talk, daemon=True).start()


def load_to(listening: socket.socket, requests: int) -> Load:
    port = listening.getsockname()[1]
    return Load(url=f"http://127.0.0.1:{port}/", requests=requests, connections=1)


def test_it_runs_to_its_end() -> None:
    """Then the results are complete."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serve(listening, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        sending = Sending(load_to(listening, 20))
        sending.start()
        sending._thread.join(10)
        assert sending.over
        assert (sending.results.done, sending.results.failures) == (20, 0)
        assert sending.results.total > 0


def test_it_can_be_ended_and_keeps_what_it_has() -> None:
    """The server never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serve(listening, b"")
        sending = Sending(load_to(listening, 5))
        sending.start()
        sending.stop()
        assert sending.over
        assert sending.results.done == 0
        sending.stop()
