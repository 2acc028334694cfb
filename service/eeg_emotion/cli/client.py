"""Asks a running service over REST, and turns its refusals into errors of ours."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from eeg_emotion.errors import EegEmotionError

_TIMEOUT_SECONDS = 10.0
# A proxy of the environment is for the way out: the service is here, or on a network of one's own.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ServiceError(EegEmotionError):
    """The service is not there, or refuses what it is asked; its own words say why."""


class RestClient:
    """One service.

    Parameters
    ----------
    url
        Where its page is, such as `http://127.0.0.1:8000`.
    token
        A key or token, where the service asks for one.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ServiceError(
                f"found the address {url!r}, expected one such as http://127.0.0.1:8000"
            )
        self._url = url.rstrip("/")
        self._token = token

    def ask(self, method: str, *path: str, body: dict[str, Any] | None = None) -> Any:
        """Send one request; return the answer's JSON, None where there is none.

        Parameters
        ----------
        method
            GET, POST, PUT or DELETE.
        path
            The parts of the path after `/v1`; they may hold any character.
        body
            Sent as JSON.

        Raises
        ------
        ServiceError
            If nothing answers, or the answer is an error or no JSON.
        """
        place = "/".join(urllib.parse.quote(part, safe="") for part in path)
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
            f"{self._url}/v1/{place}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        if self._token is not None:
            # Not for wherever the answer may lead on to.
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
                "'eeg-emotion serve', or name its address with --url"
            ) from error


def _detail(error: urllib.error.HTTPError) -> str:
    """Return a problem's detail and what is wrong field by field, or the bare status."""
    try:
        problem = json.loads(error.read())
        fields = [f"{item['place']}: {item['found']}" for item in problem.get("errors", ())]
        return "; ".join([str(problem["detail"]), *fields])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return f"found the answer {error.code} {error.reason} from {error.url}, expected JSON"
