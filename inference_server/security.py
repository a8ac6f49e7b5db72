# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may ask at all. A page in the artist's browser can send requests to this machine too, so loopback alone guards
nothing.

    Host             must name this server: a page that points its own name at 127.0.0.1 (DNS rebinding) is refused
    Sec-Fetch-Site   browsers say which site sent a request: only our own pages may
    Origin           the same, from browsers that do not send Sec-Fetch-Site
    Authorization    the bearer token; browsers never add it by themselves, so no cookie can be misused
    body             larger ones than the limit are refused before anything is read

The guards run in this order, before anything else of a request, for every address, those that do not exist included.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable

from flask import Flask, Response, current_app, request

from inference_server.api.operation import operation_of
from inference_server.api.services import Services
from inference_server.errors import BadToken, ForeignHost, ForeignOrigin, UploadTooLarge

_LOOPBACK_NAMES = ("127.0.0.1", "localhost")
_OWN_SITES = ("same-origin", "none")  # none: the person typed the address
_HTTP_PORT = 80
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}

Guard = Callable[[Services], None]


def install_guards(app: Flask, services: Services) -> None:
    """Guard the application. Nothing may be installed before it that looks at a request."""

    @app.before_request
    def guard() -> None:
        for check in GUARDS:
            check(services)

    @app.after_request
    def protect(reply: Response) -> Response:
        for name, value in _HEADERS.items():
            reply.headers[name] = value
        if "Cache-Control" not in reply.headers:
            reply.headers["Cache-Control"] = "no-store"
        return reply


def own_names(host: str) -> list[str] | None:
    """Names under which this server is asked for, as Host headers write them, without the port; None where it
    listens on every address, so that any of this machine's numbers may stand there.
    """
    address = _address(host)
    if address is None or address.version == 4:
        return None if address is not None and address.is_unspecified else [*_LOOPBACK_NAMES, host.lower()]
    return None if address.is_unspecified else [*_LOOPBACK_NAMES, "[::1]", f"[{address}]"]


def trusted_hosts(host: str) -> list[str] | None:
    """The same for Flask's own check, a second lock on the door; None where it cannot tell: it knows no IPv6."""
    names = own_names(host)
    return None if names is None or any(name.startswith("[") for name in names) else names


def require_known_host(services: Services) -> None:
    """Raises ForeignHost. UploadRequest has put the header into lower case. An address given in numbers cannot be
    rebound by somebody's name server.
    """
    name, port = _split_host(request.environ.get("HTTP_HOST", ""))
    names = own_names(services.config.host)
    is_known = name in names if names is not None else name == "localhost" or _address(name.strip("[]")) is not None
    if not is_known or port != services.config.port:
        raise ForeignHost(
            "The request is addressed to another host.",
            f"Use http://127.0.0.1:{services.config.port}, or the host and port that the server was started with.",
        )


def require_own_site(services: Services) -> None:
    """Raises ForeignOrigin for what a browser marks as sent by another site's page."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in _OWN_SITES:
        raise _foreign_origin()


def require_own_origin(services: Services) -> None:
    """Raises ForeignOrigin where the Origin is not the very address that was asked."""
    origin = request.headers.get("Origin")
    if origin is not None and origin.lower() != f"{request.scheme}://{request.environ.get('HTTP_HOST', '')}".lower():
        raise _foreign_origin()


def require_small_body(services: Services) -> None:
    """Raises UploadTooLarge by the announced length."""
    if (request.content_length or 0) > services.config.max_upload_mib << 20:
        raise UploadTooLarge(
            f"The request is larger than {services.config.max_upload_mib} MiB.",
            "Use a smaller file, or raise max_upload_mib.",
        )


def require_token(services: Services) -> None:
    """Raises BadToken. What is open to all answers without a token, but not to a wrong one."""
    given = request.headers.get("Authorization")
    if given is None and _is_open():
        return
    if not has_token(services):
        raise BadToken(
            "The token is missing or wrong.",
            "Send it as Authorization: Bearer …; a server on this machine writes it to server.json in its data folder.",
        )


def has_token(services: Services) -> bool:
    """Whether this request carries the bearer token; compared in constant time."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    is_right = hmac.compare_digest(given.strip().encode(), services.token.encode())
    return is_right and scheme.lower() == "bearer"


# In this order: what a foreign page learns is that it is foreign.
GUARDS: tuple[Guard, ...] = (
    require_known_host,
    require_own_site,
    require_own_origin,
    require_token,
    require_small_body,
)


def _is_open() -> bool:
    view = current_app.view_functions.get(request.endpoint or "")
    return view is not None and operation_of(view).is_open


def _foreign_origin() -> ForeignOrigin:
    return ForeignOrigin("A web page of another origin sent the request.", "Only Figurine's own page and programs may.")


def _split_host(host: str) -> tuple[str, int]:
    """Name and port of a Host header; an empty name where it is malformed."""
    name, colon, port = host.rpartition(":")
    if not colon or port.endswith("]"):
        return host, _HTTP_PORT
    return (name, int(port)) if port.isascii() and port.isdigit() and len(port) <= 5 else ("", 0)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
