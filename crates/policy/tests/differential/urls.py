"""Says for every line (a JSON string) which host and port Python reads in it, or null."""
import http.client
import json
import socket
import sys
import urllib.parse


def address(host):
    """The address that a connection to this host would reach without asking DNS, or None."""
    for family in (socket.AF_INET6, socket.AF_INET):
        try:
            return socket.inet_ntop(family, socket.inet_pton(family, host))
        except OSError:
            pass
    try:
        # What the C library's resolver takes for an address: 0x7f.1, 0177.0.0.1, 2130706433.
        return socket.inet_ntoa(socket.inet_aton(host)) if host.isascii() else None
    except OSError:
        return None


def read(text):
    parts = urllib.parse.urlsplit(text)
    host, port = parts.hostname, parts.port
    if host is None:
        return None
    # The client takes host and port from the authority by rules of its own.
    client = http.client.HTTPConnection(parts.netloc)
    return {
        "scheme": parts.scheme + ":",
        "host": host,
        "port": port,
        "user": (parts.username or "") + (parts.password or ""),
        "address": address(host.rstrip(".")),
        "client_host": client.host.lower().strip("[]"),
        "client_port": client.port if port is not None else None,
    }


for line in sys.stdin:
    try:
        answer = read(json.loads(line))
    except (ValueError, http.client.InvalidURL):
        answer = None
    print(json.dumps(answer))
