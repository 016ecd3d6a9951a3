"""A server that does as little as a server can: one small answer to every request, on connections that stay open.

Run as a program: ``responder.py [CERTIFICATE]``. It prints its port and ends when its standard input does.
"""

from __future__ import annotations

import socket
import ssl
import sys
import threading

BODY = b'{"rows": [[1, 2, 3]], "status": "OK"}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


def answer_all(connection: socket.socket, context: ssl.SSLContext | None) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        stream = context.wrap_socket(connection, server_side=True) if context else connection
        with stream:
            waiting = b""
            while received := stream.recv(65536):
                waiting += received
                while b"\r\n\r\n" in waiting:
                    waiting = waiting.partition(b"\r\n\r\n")[2]
                    stream.sendall(ANSWER)
    except OSError:
        return  # the client is gone


def main() -> None:
    context = None
    if len(sys.argv) > 1:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1])
    server = socket.create_server(("127.0.0.1", 0))
    print(server.getsockname()[1], flush=True)

    def accept() -> None:
        while True:
            connection, _ = server.accept()
            threading.Thread(target=answer_all, args=(connection, context), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
