"""Mail: handed to a server (SMTP, RFC 5321), or put into a folder, for development.

A message is built by the standard library's `email`, which refuses a header that would be two; and it goes to one
plain address.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import smtplib
import ssl
import time
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from segmentation_core.errors import Problem, RequestError, SettingsError, Unavailable
from segmentation_core.ports import Mailer
from segmentation_core.resets import is_mail_address

if TYPE_CHECKING:
    from collections.abc import Sequence
    from urllib.parse import SplitResult

SECONDS: Final = 10.0
"""How long a server may take to answer a command."""

IN_ALL: Final = 30.0
"""How many seconds one try may take in all."""

PAUSES: Final = (1.0, 5.0)
"""The seconds between tries: there is one more than pauses."""

_PORTS: Final = {"smtp": 587, "smtps": 465, "smtp+plain": 25}
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")
_REFUSED: Final = 500
"""From this code on a server says never to try the same again (RFC 5321, 4.2.1)."""

_NAME: Final = "SEGMENTATION_MAIL"
_FORMS: Final = "smtp://user:password@host, smtps://user:password@host, smtp+plain://localhost or folder:PATH"


def mailer_of(told: str, sender: str) -> Mailer:
    """Return what sends mail as it was told: an SMTP server's URL, or `folder:PATH`. Raises SettingsError.

    `smtp://` begins in the clear and goes on under TLS (STARTTLS), or not at all; `smtps://` is TLS from the start;
    `smtp+plain://` stays in the clear, for a relay on this machine. A server's certificate is checked.
    """
    scheme, _, rest = told.partition(":")
    if scheme == "folder" and rest:
        return FolderMailer(Path(rest), sender)
    try:
        url = urlsplit(told)
        port = url.port
    except ValueError:
        raise SettingsError(Problem(_NAME, "is no URL", expected=_FORMS)) from None
    if url.scheme not in _PORTS or not url.hostname or url.path not in {"", "/"} or url.query or url.fragment:
        raise SettingsError(Problem(_NAME, "is neither a mail server nor a folder", expected=_FORMS))
    if url.scheme == "smtp+plain" and url.hostname not in _LOCAL:
        said = "would send tokens in the clear to another machine"
        raise SettingsError(Problem(_NAME, said, expected="smtp:// or smtps://"))
    return SmtpMailer(url, port or _PORTS[url.scheme], sender)


class SmtpMailer(Mailer):
    """Hands mail to a server, on a thread; what does not go the first time is tried again after a pause."""

    def __init__(  # noqa: PLR0913  the last three are for tests of time, and for a certificate of one's own
        self,
        url: SplitResult,
        port: int,
        sender: str,
        *,
        seconds: float = SECONDS,
        pauses: Sequence[float] = PAUSES,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """Take the URL, from which no more is used than scheme, host, user and password."""
        self._url = url
        self._port = port
        self._sender = sender
        self._seconds = seconds
        self._pauses = pauses
        self._context = context

    async def send(self, to: str, subject: str, text: str) -> None:
        message = _message(self._sender, to, subject, text)
        for pause in (*self._pauses, None):
            try:
                await asyncio.wait_for(asyncio.to_thread(self._hand_over, to, message), IN_ALL)
            except (smtplib.SMTPException, OSError) as fault:
                if pause is None or _is_final(fault):
                    msg = f"The mail server did not take the message: {_told(fault)}."
                    raise Unavailable(msg) from fault
                await asyncio.sleep(pause)
            else:
                return

    def _hand_over(self, to: str, message: EmailMessage) -> None:
        context = self._context or ssl.create_default_context()
        server = self._connected(context)
        try:
            if self._url.scheme == "smtp":
                server.starttls(context=context)
            if self._url.username:
                server.login(unquote(self._url.username), unquote(self._url.password or ""))
            server.send_message(message, self._sender, [to])
            with suppress(smtplib.SMTPException, OSError):  # it has taken the message, however it says good-bye
                server.quit()
        finally:
            server.close()

    def _connected(self, context: ssl.SSLContext) -> smtplib.SMTP:
        host = self._url.hostname or ""
        if self._url.scheme == "smtps":
            return smtplib.SMTP_SSL(host, self._port, timeout=self._seconds, context=context)
        return smtplib.SMTP(host, self._port, timeout=self._seconds)


class FolderMailer(Mailer):
    """Puts each message into a folder, as a file `.eml` that is there whole or not at all; the newest sorts last."""

    def __init__(self, folder: Path, sender: str) -> None:
        """Take the folder, which is made with the first message, for this user's eyes only."""
        self._folder = folder
        self._sender = sender

    async def send(self, to: str, subject: str, text: str) -> None:
        message = _message(self._sender, to, subject, text)
        try:
            await asyncio.to_thread(self._write, message.as_bytes(policy=SMTP))
        except OSError as fault:
            msg = f"The mail folder cannot be written: {_told(fault)}."
            raise Unavailable(msg) from fault

    def _write(self, written: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
        unfinished = self._folder / f".{name}"
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(written)
        unfinished.rename(self._folder / f"{name}.eml")


def _message(sender: str, to: str, subject: str, text: str) -> EmailMessage:
    if not is_mail_address(to):
        raise RequestError(Problem("to", "is no mail address"))
    message = EmailMessage(policy=SMTP)
    try:
        message["From"], message["To"], message["Subject"] = sender, to, subject
    except ValueError as fault:
        raise RequestError(Problem("subject", "is more than one line")) from fault
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text, cte="7bit")  # as it is: whoever reads the file of a message can follow its address
    return message


def _is_final(fault: Exception) -> bool:
    """Tell whether the server said that trying again is of no use; so is a certificate that is not good."""
    if isinstance(fault, smtplib.SMTPRecipientsRefused):
        return all(code >= _REFUSED for code, _ in fault.recipients.values())
    if isinstance(fault, smtplib.SMTPResponseException):
        return fault.smtp_code >= _REFUSED
    return isinstance(fault, smtplib.SMTPNotSupportedError | ssl.SSLCertVerificationError)


def _told(fault: Exception) -> str:
    """Return what happened, without what a server says, which may name the address."""
    code = getattr(fault, "smtp_code", None) or getattr(fault, "strerror", None)
    return f"{type(fault).__name__} ({code})" if code else type(fault).__name__
