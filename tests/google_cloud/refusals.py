"""What the front of Cloud Run answers by itself, as its pages put it."""

from __future__ import annotations

import http.client

PAGE = """
<html><head>
<meta http-equiv="content-type" content="text/html;charset=utf-8">
<title>{status} {title}</title>
</head>
<body text=#000000 bgcolor=#ffffff>
<h1>Error: {heading}</h1>
<h2>{text}</h2>
<h2></h2>
</body></html>
"""
READ_MORE = "Read more at https://cloud.google.com/run/docs/securing/authenticating"
UNAUTHENTICATED = (
    "The request was not authenticated. Either allow unauthenticated invocations or set the proper "
    f"Authorization header. {READ_MORE}"
)
UNAUTHORIZED = f"The request was not authorized to invoke this service. {READ_MORE}"
NO_INSTANCE = "The request was aborted because there was no available instance."
TOO_SLOW = (
    "The request has been terminated because it has reached the maximum request timeout. "
    "To change this limit, see https://cloud.google.com/run/docs/configuring/request-timeout"
)
BROKEN = (
    "The request failed because either the HTTP response was malformed or connection to the "
    "instance had an error."
)


class Refused(Exception):
    """An answer of the front itself, which no instance gets to see."""

    def __init__(
        self,
        status: int,
        heading: str,
        text: str,
        *,
        headers: dict[str, str] | None = None,
        note: str = "",
    ) -> None:
        super().__init__(text)
        self.status = status
        self.note = note  # what the request's log entry says of it
        self.headers = headers or {}
        self.body = PAGE.format(
            status=status, title=http.client.responses[status], heading=heading, text=text
        ).encode()


def refusal(why: str, path: str) -> Refused:
    """What a caller is told who may not invoke the service."""
    if why == "invalid":
        said = 'error="invalid_token" error_description="The access token could not be verified"'
        text = f"Your client does not have permission to the requested URL <code>{path}</code>."
        headers = {"WWW-Authenticate": f"Bearer {said}"}
        return Refused(401, "Unauthorized", text, headers=headers, note=UNAUTHENTICATED)
    text = f"Your client does not have permission to get URL <code>{path}</code> from this server."
    if why == "unauthorized":
        headers = {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}
        return Refused(403, "Forbidden", text, headers=headers, note=UNAUTHORIZED)
    return Refused(403, "Forbidden", text, note=UNAUTHENTICATED)


def not_found() -> Refused:
    """What stands at an address that leads nowhere."""
    return Refused(404, "Page not found", "The requested URL was not found on this server.")


def unavailable(note: str) -> Refused:
    """What a caller is told when an instance fails."""
    text = "The service you requested is not available yet.<p>Please try again in 30 seconds."
    return Refused(503, "Server Error", text, note=note)
