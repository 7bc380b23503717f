"""Every path and its handler, in one place."""

from collections.abc import Mapping, Sequence

from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from worker.http.handlers import (
    audioscrobbler,
    lastfm,
    lastfm_sign_in,
    listenbrainz,
    listenbrainz_reading,
    listenbrainz_statistics,
    maloja,
    native,
    pages,
    pages_days,
    pages_import,
    pages_left_out,
    pages_listening,
    pages_live,
    pages_not_recorded,
    pages_ops,
    pages_settings,
    pages_year,
    webhooks,
)
from worker.http.services import Services


def direct_routes(services: Services) -> Mapping[tuple[str, str], ASGIApp]:
    """The routes that take most requests, by method and path: the router would cost a tenth of their time."""
    return {("POST", "/v1/events"): native.events(services), **listenbrainz.direct_routes(services)}


def routes(services: Services) -> Sequence[BaseRoute]:
    handlers = (
        native,
        listenbrainz,
        listenbrainz_statistics,
        listenbrainz_reading,
        lastfm,
        lastfm_sign_in,
        audioscrobbler,
        maloja,
        webhooks,
        pages,
        pages_days,
        pages_year,
        pages_live,
        pages_import,
        pages_ops,
        pages_not_recorded,
        pages_left_out,
        pages_settings,
        # Last: it answers for every other path of a listener.
        pages_listening,
    )
    return [route for handler in handlers for route in handler.routes(services)]
