"""Whom limits count together."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from litestar.connection import ASGIConnection

from entrypoints.http.addresses import UNKNOWN, client_address, counted_address, networks_as_seen


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", UNKNOWN),
        ("/run/segmentation.sock", UNKNOWN),
        ("localhost", UNKNOWN),
        ("203.0.113.9\r\nX: y", UNKNOWN),
        ("203.0.113.009", UNKNOWN),
    ],
)
@pytest.mark.requirement(41)
def test_an_address_counts_as_itself_or_as_its_network(host: str, counted: str) -> None:
    assert counted_address(host) == counted


@pytest.mark.requirement(41)
@pytest.mark.parametrize(
    ("client", "counted"),
    [(("203.0.113.9", 1), "203.0.113.9"), (("2001:db8::7", 1), "2001:db8::/64"), (None, UNKNOWN)],
)
def test_a_request_counts_for_the_address_of_its_connection(client: tuple[str, int] | None, counted: str) -> None:
    assert client_address(ASGIConnection({"type": "http", "client": client})) == counted  # type: ignore[arg-type]


@pytest.mark.requirement(42)
def test_trusted_networks_hold_what_a_socket_for_both_protocols_sees() -> None:
    seen = [ip_network(network) for network in networks_as_seen([ip_network("10.1.0.0/16"), ip_network("fd00::/8")])]
    assert all(any(ip_address(host) in one for one in seen) for host in ("10.1.2.3", "::ffff:10.1.2.3", "fd00::9"))
    assert not any(ip_address("::ffff:10.2.0.1") in one for one in seen)
    assert networks_as_seen([ip_network("10.1.2.3")]) == ["10.1.2.3/32", "::ffff:10.1.2.3/128"]
