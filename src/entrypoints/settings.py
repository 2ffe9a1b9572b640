"""What a service is told when it starts: one typed struct, read by main and by nothing else.

`docs/operations.md` has the table. What is unsafe is refused, with the way to mend it: OWASP ASVS 5.0, 13.3 and 13.4.
"""

from __future__ import annotations

import re
import secrets
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast, get_args
from urllib.parse import unquote

import msgspec

from segmentation_core.errors import Problem, SettingsError, excerpt
from segmentation_core.resets import is_mail_address

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

Environment: TypeAlias = Literal["development", "production", "testing"]

SHORTEST_KEY = 32
"""In bytes."""

FEWEST_CHARACTERS: Final = 8
"""How many different ones a key has; 32 random hexadecimal digits have about 14."""

KEY_COMMAND: Final = "one drawn with: python -c 'import secrets; print(secrets.token_urlsafe(48))'"

_RING: Final = "id:secret, several with a comma between, each id once"

LEAST_COST, LEAST_COST_IN_PRODUCTION, HIGHEST_COST = 4, 12, 16
"""log2 of bcrypt's rounds."""

LOCAL_HOSTS: Final = ("localhost", "127.0.0.1", "[::1]")

_LEAST_PREFIX: Final = {4: 8, 6: 16}
"""The largest networks whose members may be trusted proxies, by the version of IP: 10.0.0.0/8 is one."""

_MAPPED_BITS: Final = 96

_KNOWN_KEYS: Final = re.compile(
    r"change.?me|secret|passwor[dt]|example|default|insecure|your.?key|qwerty|01234567|12345678|abcdefgh|lorem",
    re.IGNORECASE,
)
_ORIGIN: Final = re.compile(r"https?://[^\s/*,@?#]+")
_HOST: Final = re.compile(r"[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?|\[[0-9a-f:.]+\]")
_DEBUG: Final = ("SEGMENTATION_DEBUG", "LITESTAR_DEBUG", "LITESTAR_PDB", "PYTHONASYNCIODEBUG", "PYTHONDEVMODE")


class Settings(msgspec.Struct, frozen=True):
    """Settings of the HTTP service.

    `token_keys` is the ring of session keys, key id -> secret, the newest last; `audit_key` seals the audit trail;
    `password_cost` is log2 of bcrypt's rounds; `cors_origins` the origins whose pages may call the API with cookies;
    `hosts` the names that it answers to, any where there are none; `trusted_proxies` the networks whose word about the
    client's address is believed; `request_seconds` the deadline of each request; `drain_seconds` how long it still
    listens, and says that it is not ready, once it is told to stop; `cached_answers` how many built audiences are kept
    for whoever asks the same again, none where it is 0; `sentry_dsn` where faults of ours are reported to, if anywhere.
    `mail` is where mail goes, if anywhere; `mail_from` who it is from, and `public_url` where people open the page that
    it leads to.
    """

    environment: Environment
    token_keys: dict[str, str]
    csrf_key: str
    audit_key: str
    cors_origins: tuple[str, ...] = ()
    password_cost: int = LEAST_COST_IN_PRODUCTION
    hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    request_seconds: float = 10.0
    drain_seconds: float = 0.0
    cached_answers: int = 4_096
    sentry_dsn: str = ""
    mail: str = ""
    mail_from: str = ""
    public_url: str = ""

    def __post_init__(self) -> None:
        """Refuse keys that are short or used twice, and what else is no setting."""
        keys = self._keys()
        problems = [
            Problem(name, f"the key has {len(key.encode())} bytes", expected=f"at least {SHORTEST_KEY}: {KEY_COMMAND}")
            for name, key in keys
            if len(key.encode()) < SHORTEST_KEY
        ]
        if not self.token_keys:
            expected = f"id:secret, the secret {KEY_COMMAND}"
            problems.append(Problem("SEGMENTATION_TOKEN_KEYS", "there is no key to sign sessions with", None, expected))
        if len({key for _, key in keys}) != len(keys):
            problems.append(Problem("SEGMENTATION_CSRF_KEY", "two keys are equal", expected="a key for each purpose"))
        problems += [
            Problem("SEGMENTATION_CORS_ORIGINS", "is no origin", origin, "scheme://host or scheme://host:port")
            for origin in self.cors_origins
            if not _ORIGIN.fullmatch(origin)
        ]
        problems += [
            Problem("SEGMENTATION_HOSTS", "is no name of a host", host, "names such as api.example.com, without a port")
            for host in self.hosts
            if not _HOST.fullmatch(host)
        ]
        if problems:
            raise SettingsError(problems)

    def __repr__(self) -> str:
        """Leave the keys out."""
        return f"Settings(environment={self.environment!r}, cors_origins={self.cors_origins!r})"

    @property
    def secure_cookies(self) -> bool:
        """Whether cookies travel over HTTPS alone."""
        return self.is_production

    @property
    def is_production(self) -> bool:
        """Whether real people are served."""
        return self.environment == "production"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no log may show."""
        return (*(key for _, key in self._keys()), *_secrets_of(self.mail))

    def _keys(self) -> list[tuple[str, str]]:
        return _named(self.token_keys, self.csrf_key, self.audit_key)

    def listening_on(self, host: str) -> Settings:
        """Return the settings of a service that listens on an address.

        Where it was told no hosts it answers to this machine's own names and to that address.
        """
        if self.hosts:
            return self
        return msgspec.structs.replace(self, hosts=(*LOCAL_HOSTS, f"[{host}]" if ":" in host else host.lower()))

    def mailing_to(self, folder: Path, address: str) -> Settings:
        """Return the settings of a demo, whose mail lies in a folder unless it was told where to send it."""
        if self.mail:
            return self
        mail, sender = f"folder:{folder}", self.mail_from or "segmentation@localhost"
        return msgspec.structs.replace(self, mail=mail, mail_from=sender, public_url=self.public_url or address)

    @classmethod
    def for_demo(cls, environ: Mapping[str, str], audit_key: bytes) -> Settings:
        """Return settings for a demo on this machine: keys drawn afresh, so sessions end with the process."""
        _refuse_broken_text(environ)
        keys = {"demo": secrets.token_urlsafe(SHORTEST_KEY)}, secrets.token_urlsafe(SHORTEST_KEY)
        return cls._read(_Reader(environ), "development", *keys, audit_key.decode())

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Settings:
        """Return the settings that the environment holds; it is production unless said otherwise.

        SEGMENTATION_TOKEN_KEYS is `id:secret`, several with commas between, the newest last. Raises SettingsError with
        all that is missing, wrong or unsafe.
        """
        _refuse_broken_text(environ)
        environment = environ.get("SEGMENTATION_ENVIRONMENT", "production")
        if environment not in get_args(Environment):
            expected = f"one of {', '.join(get_args(Environment))}"
            raise SettingsError(Problem("SEGMENTATION_ENVIRONMENT", "is not known", environment, expected))
        csrf_key, audit_key = environ.get("SEGMENTATION_CSRF_KEY", ""), environ.get("SEGMENTATION_AUDIT_KEY", "")
        reader = _Reader(environ)
        token_keys = reader.token_keys()
        reader.problems += [
            Problem(name, "the key can be guessed", expected=KEY_COMMAND)
            for name, key in _named(token_keys, csrf_key, audit_key)
            if len(key) >= SHORTEST_KEY and _can_be_guessed(key)
        ]
        if environment == "production":
            reader.problems += _unsafe_in_production(reader, environ)
        return cls._read(reader, cast("Environment", environment), token_keys, csrf_key, audit_key)

    @classmethod
    def _read(
        cls, reader: _Reader, environment: Environment, token_keys: dict[str, str], csrf_key: str, audit_key: str
    ) -> Settings:
        production = environment == "production"
        least = LEAST_COST_IN_PRODUCTION if production else LEAST_COST
        parts: dict[str, Any] = {
            "environment": environment,
            "token_keys": token_keys,
            "csrf_key": csrf_key,
            "audit_key": audit_key,
            "cors_origins": reader.words("SEGMENTATION_CORS_ORIGINS"),
            "password_cost": int(reader.number("SEGMENTATION_PASSWORD_COST", 12, least, HIGHEST_COST)),
            "hosts": reader.hosts(),
            "trusted_proxies": reader.proxies(),
            "request_seconds": reader.number("SEGMENTATION_REQUEST_SECONDS", 10, 0.1, 300),
            "cached_answers": int(reader.number("SEGMENTATION_CACHED_ANSWERS", 4_096, 0, 999_999)),
            "sentry_dsn": reader.text("SEGMENTATION_SENTRY_DSN"),
            "mail": reader.mail(),
            "mail_from": reader.mail_from(),
            "public_url": reader.public_url(production=production),
            "drain_seconds": reader.number("SEGMENTATION_DRAIN_SECONDS", 3 if production else 0, 0, 60),
        }
        try:
            settings = cls(**parts)
        except SettingsError as fault:
            raise SettingsError([*fault.problems, *reader.problems]) from None
        if reader.problems:
            raise SettingsError(reader.problems)
        return settings


def _refuse_broken_text(environ: Mapping[str, str]) -> None:
    """Raise SettingsError where a variable of ours is not UTF-8: what is no text has no bytes to sign with."""
    broken = [
        name
        for name, value in environ.items()
        if name.startswith("SEGMENTATION_") and any("\ud800" <= character <= "\udfff" for character in value)
    ]
    if broken:
        raise SettingsError(Problem(name, "is not text in UTF-8") for name in sorted(broken))


class _Reader:
    """Reads single settings and gathers what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[Problem] = []

    def text(self, name: str) -> str:
        return self._environ.get(name, "")

    def words(self, name: str) -> tuple[str, ...]:
        return tuple(self._environ.get(name, "").replace(",", " ").split())

    def token_keys(self) -> dict[str, str]:
        name, keys = "SEGMENTATION_TOKEN_KEYS", dict[str, str]()
        given = self._environ.get(name, "")
        for number, entry in enumerate(given.split(",") if given else (), 1):
            key_id, _, secret = entry.strip().partition(":")
            if not key_id or not secret:
                self.problems.append(Problem(name, f"entry {number} has no id or no secret", expected=_RING))
            elif key_id in keys:
                self.problems.append(Problem(name, f"entry {number} has the id of another", key_id, _RING))
            else:
                keys[key_id] = secret
        return keys

    def hosts(self) -> tuple[str, ...]:
        return tuple(host.lower() for host in self.words("SEGMENTATION_HOSTS"))

    def number(self, name: str, default: float, least: float, most: float) -> float:
        given = self._environ.get(name, "") or str(default)
        if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", given) and least <= float(given) <= most:
            return float(given)
        self.problems.append(Problem(name, "is out of range", excerpt(given), f"a number from {least} to {most}"))
        return default

    def mail(self) -> str:
        return self._environ.get("SEGMENTATION_MAIL", "").strip()

    def mail_from(self) -> str:
        given = self._environ.get("SEGMENTATION_MAIL_FROM", "").strip()
        if (given or self.mail()) and not is_mail_address(given):
            expected = "the address that mail is from, such as audience@example.com"
            self.problems.append(Problem("SEGMENTATION_MAIL_FROM", "is no mail address", excerpt(given), expected))
        return given

    def public_url(self, *, production: bool) -> str:
        given = self._environ.get("SEGMENTATION_PUBLIC_URL", "").strip().rstrip("/")
        scheme = "https" if production else "https?"
        if (given or self.mail()) and (not re.fullmatch(rf"{scheme}://[!-~]+", given) or re.search(r"[*,@?#]", given)):
            expected = "where people open the page, such as https://audience.example.com"
            self.problems.append(Problem("SEGMENTATION_PUBLIC_URL", "is no such address", excerpt(given), expected))
        return given

    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        name, found = "SEGMENTATION_TRUSTED_PROXIES", []
        for word in self.words(name):
            try:
                network = ip_network(word)
            except ValueError:
                network = None
            if network is None or _is_large(network):
                said = (
                    "is no network" if network is None else "is too large: anyone in it could name any address as his"
                )
                self.problems.append(Problem(name, said, excerpt(word), "your proxies, such as 10.0.0.0/24"))
            else:
                found.append(network)
        return tuple(found)


def _is_large(network: IPv4Network | IPv6Network) -> bool:
    """Tell whether a network is more than anybody's own proxies: a few such would be everybody."""
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped:
        return network.prefixlen < _MAPPED_BITS + _LEAST_PREFIX[4]
    return network.prefixlen < _LEAST_PREFIX[network.version]


def _secrets_of(mail: str) -> tuple[str, ...]:
    """Return what a mail server's URL holds that nobody may see: the password, as it stands there and as it is."""
    _, _, rest = mail.partition("://")
    password = rest.rpartition("@")[0].partition(":")[2]
    return tuple({password, unquote(password)} - {""})


def _named(token_keys: dict[str, str], csrf_key: str, audit_key: str) -> list[tuple[str, str]]:
    return [
        ("SEGMENTATION_CSRF_KEY", csrf_key),
        ("SEGMENTATION_AUDIT_KEY", audit_key),
        *(("SEGMENTATION_TOKEN_KEYS", key) for key in token_keys.values()),
    ]


def _can_be_guessed(key: str) -> bool:
    """Tell whether a key has few different characters, repeats itself, or is like those of examples."""
    return len(set(key)) < FEWEST_CHARACTERS or key in (key + key)[1:-1] or bool(_KNOWN_KEYS.search(key))


def _unsafe_in_production(reader: _Reader, environ: Mapping[str, str]) -> Iterator[Problem]:
    if not reader.hosts():
        expected = "the names that clients use, such as audience.example.com"
        yield Problem("SEGMENTATION_HOSTS", "no host is named", expected=expected)
    origins = reader.words("SEGMENTATION_CORS_ORIGINS")
    if not origins:
        expected = "the origin of the page that calls, its own too, such as https://audience.example.com"
        yield Problem("SEGMENTATION_CORS_ORIGINS", "no origin is named", expected=expected)
    for origin in origins:
        if not origin.startswith("https://"):
            yield Problem("SEGMENTATION_CORS_ORIGINS", "is not https", origin, "an origin with https://")
    if reader.mail().startswith("folder:"):
        said, expected = "would keep tokens in files, and send no mail", "smtp://user:password@host or smtps://…"
        yield Problem("SEGMENTATION_MAIL", said, expected=expected)
    for name in _DEBUG:
        if environ.get(name, "0").lower() not in {"", "0", "false", "no"}:
            yield Problem(name, "shows the inside of the service", expected="it not to be set in production")
