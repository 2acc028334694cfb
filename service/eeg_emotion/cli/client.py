"""A REST client for a running service, which turns error responses into our own errors."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from eeg_emotion.errors import EegEmotionError

_TIMEOUT_SECONDS = 10.0
# The environment's proxy is for the internet: the service runs here or on a local network.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ServiceError(EegEmotionError):
    """The service cannot be reached, or refuses a request; the message says why."""


class RestClient:
    """One service.

    Parameters
    ----------
    url
        The service's URL, such as `http://127.0.0.1:8000`.
    token
        A key or token, if the service requires one.

    Raises
    ------
    ServiceError
        If the URL is not valid.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ServiceError(f"found the URL {url!r}, expected one such as http://127.0.0.1:8000")
        self._url = url.rstrip("/")
        self._token = token

    def ask(self, method: str, *path: str, body: dict[str, Any] | None = None) -> Any:
        """Send one request; return the JSON of the response, or None if its body is empty.

        Parameters
        ----------
        method
            GET, POST, PUT or DELETE.
        path
            The segments of the path after `/v1`; they may contain any character.
        body
            The request body, sent as JSON.

        Raises
        ------
        ServiceError
            If nothing answers, or the response is an error or not JSON.
        """
        place = "/".join(urllib.parse.quote(part, safe="") for part in path)
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
            f"{self._url}/v1/{place}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        if self._token is not None:
            # Unredirected: a redirect must not carry it elsewhere.
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        try:
            with _OPENER.open(request, timeout=_TIMEOUT_SECONDS) as response:
                text = response.read()
            return json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            with error:
                raise ServiceError(_detail(error)) from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise ServiceError(
                f"found no eeg-emotion service at {self._url} ({reason}); start it with "
                "'eeg-emotion serve', or name its URL with --url"
            ) from error


def _detail(error: urllib.error.HTTPError) -> str:
    """Return a problem's detail and the error of each field, or just the status."""
    try:
        problem = json.loads(error.read())
        fields = [f"{item['place']}: {item['found']}" for item in problem.get("errors", ())]
        return "; ".join([str(problem["detail"]), *fields])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return (
            f"found the response {error.code} {error.reason} from {error.url}, expected JSON from "
            "an eeg-emotion service; check --url"
        )
