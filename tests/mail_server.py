"""A small SMTP server for tests: it takes mail, or fails in the way that it is told to."""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "p@ss/word"


class MailServer(socketserver.ThreadingTCPServer):
    """What it is told, and what it has heard. Each connection has a thread."""

    daemon_threads = True
    block_on_close = True

    def __init__(self, tls: ssl.SSLContext | None, *, tls_at_once: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.tls = tls
        self.tls_at_once = tls_at_once
        self.is_silent = False
        self.answers: dict[str, list[str]] = {}
        """What to answer to a command, one after another, the last one for ever; an empty one is the usual."""
        self.connections = 0
        self.heard: list[tuple[str, bool]] = []
        """Each command, and whether it came under TLS."""
        self.messages: list[tuple[str, list[str], str]] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def commands(self, name: str) -> list[str]:
        return [line for line, _ in self.heard if line.upper().startswith(name)]

    def told(self, command: str) -> str:
        answers = self.answers.get(command, [""])
        return answers.pop(0) if len(answers) > 1 else answers[0]


class _Conversation(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self.server.connections += 1
        self.sender, self.recipients = "", list[str]()
        with suppress(OSError):
            if self.server.is_silent:
                self.rfile.read()
                return
            if self.server.tls_at_once:
                self._go_secret()
            self._say("220 mail.test")
            while line := self.rfile.readline().decode().strip():
                self.server.heard.append((line, isinstance(self.connection, ssl.SSLSocket)))
                command = line.split()[0].upper()
                answer = self.server.told(command)
                if answer:
                    self._say(answer)
                else:
                    getattr(self, f"_{command.lower()}", self._other)(line)
        with suppress(OSError):
            self.connection.close()

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())
        self.wfile.flush()

    def _go_secret(self) -> None:
        assert self.server.tls
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")

    def _ehlo(self, _: str) -> None:
        offers = self.server.tls and not isinstance(self.connection, ssl.SSLSocket)
        self._say(
            "\r\n".join(["250-mail.test", "250-AUTH PLAIN", *(["250-STARTTLS"] if offers else []), "250 8BITMIME"])
        )

    def _starttls(self, _: str) -> None:
        self._say("220 go on")
        self._go_secret()

    def _auth(self, line: str) -> None:
        given = base64.b64decode(line.split()[2]).decode().split("\0")
        self._say("235 welcome" if given[1:] == ["ana@host", PASSWORD] else "535 wrong")

    def _mail(self, line: str) -> None:
        self.sender = line.split("<")[1].split(">", maxsplit=1)[0]
        self._say("250 ok")

    def _rcpt(self, line: str) -> None:
        self.recipients.append(line.split("<")[1].split(">", maxsplit=1)[0])
        self._say("250 ok")

    def _data(self, _: str) -> None:
        self._say("354 go on")
        text = b"".join(iter(self.rfile.readline, b".\r\n")).decode()
        self.server.messages.append((self.sender, self.recipients, text))
        self._say("250 taken")

    def _quit(self, _: str) -> None:
        self._say("221 bye")

    def _other(self, _: str) -> None:
        self._say("250 ok")


@contextmanager
def mail_server(tls: ssl.SSLContext | None = None, *, tls_at_once: bool = False) -> Iterator[MailServer]:
    """Run a server on a free port of this machine; with a context it offers TLS, or speaks nothing else."""
    with MailServer(tls, tls_at_once=tls_at_once) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
