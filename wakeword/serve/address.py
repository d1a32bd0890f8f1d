"""Where to listen, as the user writes it, and the socket for it."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from wakeword.errors import ServeError

BACKLOG = 128


@dataclass(frozen=True)
class Address:
    """A host (a name or an IP address, without brackets) and a port; 0 takes any that is free."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, scheme: str) -> Address:
    """`SCHEME://HOST:PORT` or `HOST:PORT`. Raises ServeError for anything else.

    >>> parse_address("tcp://127.0.0.1:10400", "tcp")
    Address(host='127.0.0.1', port=10400)
    >>> str(parse_address("[::1]:8080", "http"))
    '[::1]:8080'
    """
    expected = f"expected {scheme}://HOST:PORT, for example {scheme}://127.0.0.1:8080"
    try:
        parts = urlsplit(text if "://" in text else f"{scheme}://{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ServeError(f"address: got {text!r}, {expected}") from None
    extra = parts.path.strip("/") or parts.query or parts.fragment or parts.username
    if parts.scheme != scheme or not host or port is None or extra:
        raise ServeError(f"address: got {text!r}, {expected}")
    return Address(host, port)


def listen_on(address: Address) -> tuple[socket.socket, Address]:
    """A listening socket, and the address with the port that it got. Raises ServeError if the system refuses."""
    try:
        family, *_, where = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        found = socket.create_server(where[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise ServeError(f"{address}: cannot be listened on: {error.strerror or error}") from None
    found.setblocking(False)
    return found, Address(address.host, found.getsockname()[1])
