"""Where a request comes from, as limits count it."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from litestar.connection import ASGIConnection

UNKNOWN: Final = "unknown"
"""All that has no address: a unix socket, a client that a proxy names by something else."""

_MAPPED_BITS: Final = 96


def client_address(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Return the address that a request counts for: an IPv4 address, or the /64 network of an IPv6 one.

    A household or a server has a whole /64 to itself, so single IPv6 addresses are no limit to anybody. It is the
    connection's own address, or the one that trusted proxies tell: the server sees to that, see `networks_as_seen`.
    """
    return counted_address(connection.client.host if connection.client else "")


@lru_cache(1024)
def counted_address(host: str) -> str:
    """Return what an address counts as; `UNKNOWN` for what is none."""
    try:
        address = ip_address(host)
    except ValueError:
        return UNKNOWN
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(IPv6Network((int(address) >> 64 << 64, 64)))


def networks_as_seen(networks: Iterable[IPv4Network | IPv6Network]) -> list[str]:
    """Return trusted networks as their members appear: on a socket for IPv6 an IPv4 address is a mapped one."""
    seen: list[str] = []
    for network in networks:
        seen.append(str(network))
        if isinstance(network, IPv4Network):
            seen.append(f"::ffff:{network.network_address}/{_MAPPED_BITS + network.prefixlen}")
    return seen
