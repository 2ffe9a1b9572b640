"""What every mailer promises: of a real SMTP server, which may fail in many ways, and of a folder."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
import time
from email import message_from_bytes, policy
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from adapters.mail import FolderMailer, SmtpMailer, mailer_of
from segmentation_core.errors import RequestError, SettingsError, Unavailable
from tests.mail_server import MailServer, mail_server

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

SENDER, ANA = "audience@example.com", "ana@example.com"
LINK = "https://audience.example.com/reset-password#token=" + "x" * 60
USER = "ana%40host:p%40ss%2Fword@"
OPENSSL = shutil.which("openssl")
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="a certificate is made with the command openssl")


def mailer(
    server: MailServer, scheme: str = "smtp+plain", user: str = "", context: ssl.SSLContext | None = None
) -> SmtpMailer:
    url = urlsplit(f"{scheme}://{user}127.0.0.1")
    return SmtpMailer(url, server.port, SENDER, seconds=0.5, pauses=(0.01, 0.01), context=context)


async def send(mailer: SmtpMailer | FolderMailer, to: str = ANA, subject: str = "Your new password") -> None:
    await mailer.send(to, subject, f"Open\n\n{LINK}\n")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the contexts of a server with a certificate of its own, and of a client that trusts it."""
    folder = tmp_path_factory.mktemp("certificate")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [str(OPENSSL), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", str(key), "-out", str(certificate), "-subj", "/CN=mail.test", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate, key)
    return served, ssl.create_default_context(cafile=str(certificate))


async def test_a_message_arrives_as_it_was_written() -> None:
    with mail_server() as server:
        await send(mailer(server))
    ((sender, recipients, text),) = server.messages
    assert (sender, recipients) == (SENDER, [ANA])
    assert LINK in text
    message = message_from_bytes(text.encode(), policy=policy.default)
    assert (message["From"], message["To"], message["Subject"]) == (SENDER, ANA, "Your new password")
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"]
    assert message["Message-ID"].endswith("@example.com>")


@needs_openssl
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_nothing_but_the_greeting_is_said_in_the_clear(
    certificate: tuple[ssl.SSLContext, ssl.SSLContext], scheme: str
) -> None:
    with mail_server(certificate[0], tls_at_once=scheme == "smtps") as server:
        await send(mailer(server, scheme, USER, certificate[1]))
    assert len(server.messages) == 1
    assert server.commands("AUTH")
    in_the_clear = {line.split()[0].upper() for line, secret in server.heard if not secret}
    assert in_the_clear == ({"EHLO", "STARTTLS"} if scheme == "smtp" else set())


async def test_a_server_without_tls_gets_neither_password_nor_message() -> None:
    with mail_server() as server, pytest.raises(Unavailable, match="SMTPNotSupportedError"):
        await send(mailer(server, "smtp", USER))
    assert (server.connections, server.messages) == (1, [])
    assert not server.commands("AUTH")


@needs_openssl
async def test_a_server_that_refuses_tls_gets_neither_password_nor_message(
    certificate: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    with mail_server(certificate[0]) as server:
        server.answers["STARTTLS"] = ["454 not now"]
        with pytest.raises(Unavailable):
            await send(mailer(server, "smtp", USER, certificate[1]))
    assert (server.connections, server.messages) == (3, [])
    assert not server.commands("AUTH")


@needs_openssl
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_a_certificate_that_nobody_vouches_for_is_not_good(
    certificate: tuple[ssl.SSLContext, ssl.SSLContext], scheme: str
) -> None:
    with (
        mail_server(certificate[0], tls_at_once=scheme == "smtps") as server,
        pytest.raises(Unavailable, match="SSLCertVerificationError"),
    ):
        await send(mailer(server, scheme, USER))
    assert server.messages == []
    assert not server.commands("AUTH")


@pytest.mark.parametrize("command", ["EHLO", "MAIL", "RCPT", "DATA"])
async def test_what_a_server_refuses_for_the_moment_is_tried_three_times(command: str) -> None:
    with mail_server() as server:
        server.answers[command] = server.answers["HELO"] = ["450 not now"]
        with pytest.raises(Unavailable):
            await send(mailer(server))
    assert (server.connections, server.messages) == (3, [])


async def test_a_message_that_was_taken_is_not_sent_again_whatever_the_good_bye() -> None:
    with mail_server() as server:
        server.answers["QUIT"] = ["500 what"]
        await send(mailer(server))
    assert (server.connections, len(server.messages)) == (1, 1)


async def test_the_third_try_may_succeed() -> None:
    with mail_server() as server:
        server.answers["RCPT"] = ["450 greylisted", "450 greylisted", ""]
        sending = asyncio.create_task(send(mailer(server)))
        await asyncio.wait({sending}, timeout=5)
    assert sending.exception() is None
    assert server.connections == 3
    assert len(server.messages) == 1


async def test_a_recipient_that_is_refused_for_good_is_not_tried_again_nor_named() -> None:
    with mail_server() as server:
        server.answers["RCPT"] = [f"550 no {ANA} here"]
        with pytest.raises(Unavailable) as refused:
            await send(mailer(server))
    assert server.connections == 1
    assert "ana" not in str(refused.value)


@needs_openssl
async def test_a_wrong_password_is_not_tried_again_nor_told(certificate: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    with mail_server(certificate[0]) as server:
        wrong = mailer(server, "smtp", "ana:wrongsecret@", certificate[1])
        with pytest.raises(Unavailable, match=r"SMTPAuthenticationError \(535\)") as refused:
            await send(wrong)
    assert server.connections == 1
    for told in (str(refused.value), repr(wrong), repr(refused.value.__cause__)):
        assert "wrongsecret" not in told


async def test_a_server_that_says_nothing_is_given_up() -> None:
    with mail_server() as server:
        server.is_silent = True
        begun = time.monotonic()
        with pytest.raises(Unavailable, match="SMTPServerDisconnected"):
            await send(mailer(server))
        assert 1.4 < time.monotonic() - begun < 5
    assert server.connections == 3


async def test_while_a_server_is_slow_the_loop_goes_on() -> None:
    with mail_server() as server:
        server.is_silent = True
        sending = asyncio.create_task(send(mailer(server)))
        longest = 0.0
        while not sending.done():
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)
        assert isinstance(sending.exception(), Unavailable)
    assert longest < 0.4


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with mail_server() as server:
        pass
    with pytest.raises(Unavailable, match="ConnectionRefusedError"):
        await send(mailer(server))


@pytest.mark.parametrize(
    ("to", "subject"),
    [
        ("ana@example.com\r\nBcc: eve@evil.test", "x"),
        ("ana@example.com\nRCPT TO:<eve@evil.test>", "x"),
        ("ana@example.com, eve@evil.test", "x"),
        ("ana@example.com> <eve@evil.test", "x"),
        ("", "x"),
        (ANA, "x\r\nBcc: eve@evil.test"),
        (ANA, "x\nBcc: eve@evil.test"),
    ],
)
async def test_no_header_nor_command_can_be_smuggled_in(tmp_path: Path, to: str, subject: str) -> None:
    with mail_server() as server:
        for one in (mailer(server), FolderMailer(tmp_path / "mail", SENDER)):
            with pytest.raises(RequestError):
                await send(one, to, subject)
    assert server.connections == 0
    assert not (tmp_path / "mail").exists()


async def test_a_folder_has_one_whole_file_a_message_for_its_owners_eyes_the_newest_last(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "mail"
    one = FolderMailer(folder, SENDER)
    for number in range(3):
        await send(one, f"user{number}@example.com")
    files = sorted(folder.iterdir())
    assert [file.suffix for file in files] == [".eml"] * 3
    messages = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]
    assert [message["To"] for message in messages] == [f"user{number}@example.com" for number in range(3)]
    assert all(LINK.encode() in file.read_bytes() for file in files)
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


async def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("a file")
    with pytest.raises(Unavailable, match="FileExistsError"):
        await send(FolderMailer(tmp_path / "mail", SENDER))


@pytest.mark.parametrize(
    "told",
    ["nonsense", "folder:", "http://host", "smtp://", "smtp:host", "smtp://host:99999", "smtp://[::1", "smtp://host/path",
     "smtp://host?x=1", "smtp+plain://mail.example.com", "smtps://user:topsecret@/"],
)  # fmt: skip
def test_a_setting_that_is_no_mailer_is_refused_without_being_told(told: str) -> None:
    with pytest.raises(SettingsError, match="SEGMENTATION_MAIL") as refused:
        mailer_of(told, SENDER)
    assert "topsecret" not in str(refused.value)


def test_each_form_of_the_setting_makes_its_mailer(tmp_path: Path) -> None:
    ports = {
        told: mailer_of(told, SENDER) for told in ("smtp://u:p@host", "smtps://host/", "smtp+plain://localhost:1025")
    }
    assert [one._port for one in ports.values() if isinstance(one, SmtpMailer)] == [587, 465, 1025]
    assert isinstance(mailer_of(f"folder:{tmp_path}", SENDER), FolderMailer)
