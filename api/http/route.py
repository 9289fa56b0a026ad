"""One endpoint, declared once: what answers it, and what is said of it everywhere else.

The gateway, Flask, the OpenAPI document, the list at `/`, the open paths of a service with API keys
and the hints of a 404 are all made from these records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from api.errors import Answer, Renderer
from api.http.request import Request

if TYPE_CHECKING:
    from api.service import Service
    from api.settings import Settings
    from api.swap import Swap

Handler = Callable[[Request], Answer]


class Tag(NamedTuple):
    """A family of endpoints, as the OpenAPI document groups them."""

    name: str
    description: str


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP method of one path.

    `handler` takes the Request and gives the Answer; with `by_flask` it is a view of Flask's, and
    `path` may have `<name>` and `<version>` in it. A route is documented if it has a `summary`:
    `name` is its operation, `takes` the kind of body (a key of `api.openapi.bodies.BODIES`),
    `parameters` those of its path, query and headers (keys of
    `api.openapi.components.PARAMETERS`), `gives` the schema of the answer for each media type, and
    `errors` are statuses besides those that every such route has. `status` is that of the answer.
    `render` writes the errors of all paths with the same first step.

    A route that is `admin` needs a key of `ADMIN_KEYS`, one that is `open` needs no API key, one
    that is `listed` is named at `/`, and one that `yields` is left out where another has its path.
    """

    verb: str
    path: str
    handler: Callable[..., Any]
    by_flask: bool = False
    tag: Tag | None = None
    name: str = ""
    summary: str = ""
    takes: str = ""
    parameters: tuple[str, ...] = ()
    gives: Mapping[str, str] = {}
    errors: tuple[int, ...] = ()
    render: Renderer | None = None
    status: int = 200
    admin: bool = False
    open: bool = False
    listed: bool = False
    yields: bool = False

    def place(self, name: str, version: str) -> str:
        """The path for the model of this name and version."""
        return (
            self.path.replace("<name:", "<").replace("<name>", name).replace("<version>", version)
        )


class Routes:
    """The routes of a service, in the order in which they are declared."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str, str], Route] = {}

    def add(self, route: Route) -> None:
        """Add a route; raises ValueError if another has its path and method."""
        key = (route.verb, route.path)
        if key in self._routes:
            if route.yields:
                return
            raise ValueError(f"two routes answer {route.verb} {route.path}")
        self._routes[key] = route

    def __iter__(self) -> Iterator[Route]:
        """Each route."""
        return iter(self._routes.values())


class Site(NamedTuple):
    """What a family declares its routes for; `routes` are those of all families, once gathered.

    `swap` changes the version that serves; None where the service keeps no versions.
    """

    service: Service
    settings: Settings
    routes: Routes
    swap: Swap | None = None
