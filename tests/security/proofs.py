"""What proves a session, and thousands of things that do not quite: tokens, cookies and headers, byte by byte.

What only the holder of a key could make is signed with the service's own keys, so that it fails for what it says.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any, Final

import jwt

from tests.security.wire import Headers
from tests.served import KEYS

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from tests.security.stand import Caller

RING: Final = dict(pair.split(":") for pair in KEYS["SEGMENTATION_TOKEN_KEYS"].split(","))
ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
LIFETIME: Final = 28_800

Mutation = tuple[str, Headers]

ODD: Final[tuple[object, ...]] = (
    None,
    "",
    "x",
    0,
    -1,
    1.5,
    True,
    False,
    [],
    ["a"],
    {},
    {"a": 1},
    10**30,
    -(10**30),
    "0",
    "\0",
    "é",
    "9" * 300,
    [[]],
)


def encoded(part: dict[str, Any]) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(part, ensure_ascii=True).encode()).rstrip(b"=")


def signed(header: dict[str, Any], claims: dict[str, Any], key: str, digest: str = "sha256") -> str:
    """Return a token as any library or none would make it."""
    text = encoded(header) + b"." + encoded(claims)
    mac = base64.urlsafe_b64encode(hmac.digest(key.encode(), text, digest)).rstrip(b"=")
    return (text + b"." + mac).decode()


class Proofs:
    """A session that is alive, others that are not, and what can be made of them."""

    def __init__(self, mine: Caller, other: Caller, ended: Caller) -> None:
        self.mine, self.other, self.ended = mine, other, ended
        self.claims: dict[str, Any] = jwt.decode(mine.token, options={"verify_signature": False})
        self.header: dict[str, Any] = jwt.get_unverified_header(mine.token)

    def sent(self, token: str | bytes | None = None, csrf: str | bytes | None = None) -> Headers:
        """Return the headers of a request with another token, or another CSRF token."""
        token, csrf = (
            _raw(self.mine.token if token is None else token),
            _raw(self.mine.csrf_token if csrf is None else csrf),
        )
        return [(b"Cookie", b"token=" + token + b"; csrf_token=" + csrf), (b"X-CSRF-TOKEN", csrf)]

    def true_key(self, **claims: object) -> Headers:
        said = {name: value for name, value in {**self.claims, **claims}.items() if value is not ...}
        return self.sent(signed(self.header, said, RING["new"]))

    def made(self) -> Iterator[Mutation]:
        """Give every mutation that has a name."""
        yield from self._claims()
        yield from self._headers()
        yield from self._texts()
        yield from self._cookies()
        yield from self._csrf()

    def _claims(self) -> Iterator[Mutation]:
        now = self.claims["iat"]
        for name in self.claims:
            yield f"no claim {name}", self.true_key(**{name: ...})
            right = (str, type(None)) if name == "company_name" else (type(self.claims[name]),)
            for value in ODD:
                if name == "jti" or type(value) not in right:
                    yield f"claim {name} is {value!r}", self.true_key(**{name: value})
        for name, iat, exp in (
            ("expired", now - LIFETIME - 1, now - 1),
            ("long expired", 0, LIFETIME),
            ("of the future", now + 3_600, now + 3_600 + LIFETIME),
            ("longer", now, now + LIFETIME + 1),
            ("shorter", now, now + LIFETIME - 1),
            ("for ever", now, 2**53),
            ("huge", 2**62, 2**62 + LIFETIME),
            ("huger", 10**40, 10**40 + LIFETIME),
            ("before time", -(10**12), -(10**12) + LIFETIME),
        ):
            yield f"times {name}", self.true_key(iat=iat, exp=exp)
        for exp in (
            str(now + LIFETIME),
            float(now + LIFETIME) + 0.5,
            [now + LIFETIME],
            "Infinity",
            float("inf"),
            float("nan"),
            1e308,
        ):
            yield f"exp {exp!r}", self.true_key(exp=exp)
        for name in ("aud", "iss"):
            for value in (
                "another",
                [self.claims[name]],
                [self.claims[name], "another"],
                self.claims[name].upper(),
                self.claims[name] + " ",
            ):
                yield f"{name} {value!r}", self.true_key(**{name: value})
        yield "not yet", self.true_key(nbf=now + 3_600)
        yield (
            "another session's id in a true token",
            self.true_key(jti=jwt.decode(self.other.token, options={"verify_signature": False})["jti"]),
        )

    def _headers(self) -> Iterator[Mutation]:
        for alg in (
            "none",
            "None",
            "NONE",
            "nOnE",
            "",
            "HS384",
            "HS512",
            "RS256",
            "ES256",
            "PS256",
            "EdDSA",
            "dir",
            None,
            1,
            ["HS256"],
            {"a": 1},
            "hs256",
        ):
            header = {**self.header, "alg": alg}
            token = signed(header, self.claims, RING["new"])
            yield f"alg {alg!r}", self.sent(token)
            yield f"alg {alg!r} unsigned", self.sent(token.rpartition(".")[0] + ".")
            yield f"alg {alg!r} without its last part", self.sent(token.rpartition(".")[0])
        for digest in ("sha1", "sha384", "sha512", "md5"):
            yield f"digest {digest}", self.sent(signed(self.header, self.claims, RING["new"], digest))
        for kid in (
            "old",
            "newer",
            "",
            "../../dev/null",
            "new\0",
            "new ",
            "NEW",
            "n" * 2_000,
            None,
            0,
            1,
            True,
            ["new"],
            {"new": 1},
            1.5,
            "' OR 1=1 --",
        ):
            yield f"kid {kid!r}", self.sent(signed({**self.header, "kid": kid}, self.claims, RING["new"]))
        yield "no kid", self.sent(signed({"alg": "HS256", "typ": "JWT"}, self.claims, RING["new"]))
        yield "no header", self.sent(signed({}, self.claims, RING["new"]))
        for key in (
            "",
            "another key that has more than 32 bytes",
            RING["old"],
            KEYS["SEGMENTATION_CSRF_KEY"],
            KEYS["SEGMENTATION_AUDIT_KEY"],
            "secret",
        ):
            yield f"another key {key!r}", self.sent(signed(self.header, self.claims, key))
        theirs = "a key that they bring along with the token"
        jwk = {"kty": "oct", "k": base64.urlsafe_b64encode(theirs.encode()).decode()}
        for name, value in (
            ("jwk", jwk),
            ("jku", "http://127.0.0.1:1/keys"),
            ("x5u", "http://127.0.0.1:1/a"),
            ("x5c", ["MIIB"]),
        ):
            yield f"brings {name}", self.sent(signed({**self.header, name: value}, self.claims, theirs))
        for said in (["exp"], ["unknown"], [], "exp", None):
            yield f"crit {said!r}", self.sent(signed({**self.header, "crit": said}, self.claims, RING["new"]))
        yield "b64 false", self.sent(signed({**self.header, "b64": False, "crit": ["b64"]}, self.claims, RING["new"]))
        for part in (b"[]", b"null", b'"a"', b"{", b"\xff\xfe", b"{}{}", b"[" * 2_000):
            raw = base64.urlsafe_b64encode(part).rstrip(b"=")
            for text in (encoded(self.header) + b"." + raw, raw + b"." + encoded(self.claims)):
                mac = base64.urlsafe_b64encode(hmac.digest(RING["new"].encode(), text, "sha256")).rstrip(b"=")
                yield f"a part is {part[:9]!r}", self.sent(text + b"." + mac)

    def _texts(self) -> Iterator[Mutation]:
        token = self.mine.token
        first, second, third = token.split(".")
        for name, text in {
            "quoted": f'"{token}"',
            "percent": token.replace(".", "%2E"),
            "bearer": f"Bearer {token}",
            "twice": token + token,
            "twice with a dot": f"{token}.{token}",
            "a dot before": f".{token}",
            "a dot after": f"{token}.",
            "two dots": f"{first}..{third}",
            "turned": f"{third}.{second}.{first}",
            "upper": token.upper(),
            "lower": token.lower(),
            "swapped case": token.swapcase(),
            "standard alphabet": token.replace("-", "+").replace("_", "/") + "+",
            "padded": token + "=",
            "padded twice": token + "==",
            "padded with text": token + "=x",
            "padded inside": f"{first}=.{second}.{third}",
            "padded in the middle": f"{first}.{second}==.{third}",
            "a space inside": f"{first}. {second}.{third}",
            "a tab inside": f"{first}.{second}\t.{third}",
            "empty": "",
            "dots": "..",
            "many dots": "." * 3_000,
            "null": "null",
            "undefined": "undefined",
            "long": token + "A" * 8_000,
            "five parts": f"{token}.a.b",
        }.items():
            yield f"token {name}", self.sent(text)
        for raw in ("é", "ÿ", "\u2028", "\U0001f600"):
            yield f"token with {raw!r}", self.sent(token.encode() + raw.encode())
        yield "token in latin-1", self.sent(token.encode() + b"\xff\x80")
        for length in range(len(token)):
            yield f"token cut at {length}", self.sent(token[:length])
        for spare in ALPHABET:
            if spare != token[-1]:
                yield f"token ends in {spare}", self.sent(token[:-1] + spare)
        for at in range(len(token)):
            yield f"token without its character {at}", self.sent(token[:at] + token[at + 1 :])

    def _cookies(self) -> Iterator[Mutation]:
        token, csrf = self.mine.token.encode(), self.mine.csrf_token.encode()
        other, header = self.other.token.encode(), (b"X-CSRF-TOKEN", csrf)
        for first, second in ((token, token), (token, other), (other, token), (b"", token), (token, b"")):
            yield (
                "token twice",
                [(b"Cookie", b"token=" + first + b"; csrf_token=" + csrf + b"; token=" + second), header],
            )
            yield (
                "token in two headers",
                [(b"Cookie", b"token=" + first + b"; csrf_token=" + csrf), (b"Cookie", b"token=" + second), header],
            )
        for first, second in ((csrf, csrf), (csrf, b"x"), (b"x", csrf), (b"", csrf)):
            yield (
                "csrf twice",
                [(b"Cookie", b"csrf_token=" + first + b"; token=" + token + b"; csrf_token=" + second), header],
            )
            yield (
                "header twice",
                [(b"Cookie", b"csrf_token=" + csrf + b"; token=" + token), (header[0], first), (header[0], second)],
            )
        yield "token alone", [(b"Cookie", b"token=" + token)]
        yield "no cookie", [header]
        yield "as a header", [(b"Authorization", b"Bearer " + token), (b"Cookie", b"csrf_token=" + csrf), header]
        for separator in (b",", b"&", b"\t", b"  "):
            yield (
                f"cookies with {separator!r}",
                [(b"Cookie", b"token=" + token + separator + b"csrf_token=" + csrf), header],
            )
        for name in (b"Token", b"TOKEN", b"token[]", b"__Host-token", b"tok\xc3\xa9n", b"$token"):
            yield f"cookie {name!r}", [(b"Cookie", name + b"=" + token + b"; csrf_token=" + csrf), header]
        for session in (self.other, self.ended):
            yield "another's CSRF token", self.sent(csrf=session.csrf_token)
            yield "another's token", self.sent(token=session.token)
        yield "a session that has ended", self.sent(self.ended.token, self.ended.csrf_token)
        yield "a session that has ended, padded", self.sent(self.ended.token + "=", self.ended.csrf_token)

    def _csrf(self) -> Iterator[Mutation]:
        csrf = self.mine.csrf_token
        drawn, _, mac = csrf.partition(".")
        jti = self.claims["jti"]
        for key in ("", RING["new"], RING["old"], KEYS["SEGMENTATION_AUDIT_KEY"]):
            made = hmac.new(key.encode(), f"{jti}.{drawn}".encode(), hashlib.sha256).hexdigest()
            yield "csrf under another key", self.sent(csrf=f"{drawn}.{made}")
        for text in (
            ".",
            f"{drawn}.",
            f".{mac}",
            mac,
            drawn,
            csrf.upper(),
            csrf + ".",
            f"{drawn}.{mac}{mac}",
            "x",
            "null",
            f"{drawn}x.{mac}",
            f" .{mac}",
            csrf + "é",
        ):
            yield f"csrf {text!r}", self.sent(csrf=text)
        yield "csrf in latin-1", self.sent(csrf=csrf.encode() + b"\xff")
        yield "csrf is long", self.sent(csrf=csrf + "a" * 10_000)
        for header in (csrf[:-1], csrf + "x", csrf.swapcase(), "x", "é", "ÿ"):
            yield "header unequal to the cookie", [self.sent()[0], (b"X-CSRF-TOKEN", header.encode())]
        for length in range(len(csrf)):
            yield f"csrf cut at {length}", self.sent(csrf=csrf[:length])

    def drawn(self, random: random.Random) -> Iterator[Mutation]:
        """Give mutations without end: characters of token, CSRF token and header turned into others."""
        while True:
            token, csrf = self.mine.token, self.mine.csrf_token
            if random.random() < 0.7:
                token = _turned(token, random)
            else:
                csrf = _turned(csrf, random)
            yield "characters turned", self.sent(token, csrf)


def _turned(text: str, random: random.Random) -> str:
    """Return the text with one to four characters turned into others, or two of them swapped."""
    characters = list(text)
    while "".join(characters) == text:
        for _ in range(random.randint(1, 4)):
            characters[random.randrange(len(text))] = random.choice(ALPHABET + ".")
        if random.random() < 0.2:
            one, two = random.randrange(len(text)), random.randrange(len(text))
            characters[one], characters[two] = characters[two], characters[one]
    return "".join(characters)


def _raw(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()
