"""Tokens signed by a third party: short-lived JWTs, verified with public keys."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from eeg_emotion.access.credentials import CredentialsError
from eeg_emotion.access.grants import Action, Grant, Scope, ScopeError
from eeg_emotion.errors import EegEmotionError

LONGEST_SECONDS = 600.0
"""The longest remaining lifetime of a token. It cannot be revoked, so it must be short."""

_CLOCK_SECONDS = 30.0  # how far the issuer's clock may be ahead of ours
_LONGEST_TOKEN = 4096
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----", re.DOTALL)
_EXPECTED = "expected public keys of ES256 (P-256) or EdDSA (Ed25519), as PEM or as a JWK Set"


class TokenKeysError(EegEmotionError):
    """The public keys cannot be used."""


@dataclass(frozen=True, slots=True)
class _Signer:
    """A public key, bound to its one algorithm."""

    key: EllipticCurvePublicKey | Ed25519PublicKey
    algorithm: str
    kid: str | None


class TokenVerifier:
    """Verifies tokens with the public keys of a file, read once.

    Parameters
    ----------
    path
        PEM with one or several public keys, or a JWK Set.
    audience
        The `aud` that a token must have: a token for another service is not valid here.
    utc
        Unix seconds.

    Raises
    ------
    TokenKeysError
        If the file has no public key, one of an unsupported kind, or a private one.
    """

    def __init__(self, path: Path, *, audience: str, utc: Callable[[], float] = time.time) -> None:
        self._signers = _read(path)
        self._audience = audience
        self._utc = utc

    def authenticate(self, text: str) -> Grant:
        """Return what a token allows, and until when.

        Raises
        ------
        CredentialsError
            If it is not valid; its claims `exp`, `aud`, `sub` and `scope` are all required.
        """
        claims = self._claims(text)
        expires = self._check_times(claims)
        subject, scope = claims["sub"], claims.get("scope")
        if not isinstance(subject, str) or not 1 <= len(subject) <= 200:
            raise CredentialsError(
                "found a token without a usable 'sub', expected the client that it is for"
            )
        if not isinstance(scope, str):
            found = "without 'scope'" if scope is None else f"whose 'scope' is a {_kind(scope)}"
            raise CredentialsError(
                f"found a token {found}, expected a string of scopes separated by spaces, "
                "such as 'read:ward-* metrics'"
            )
        return Grant(subject, _scopes(scope), expires)

    def _claims(self, text: str) -> Mapping[str, Any]:
        if len(text) > _LONGEST_TOKEN:
            raise CredentialsError(f"found a token of more than {_LONGEST_TOKEN} characters")
        try:
            kid = jwt.get_unverified_header(text).get("kid")
        except jwt.PyJWTError:
            raise CredentialsError("found neither a key nor a token of this service") from None
        why = "found a token that was not signed by a known key"
        for signer in self._signers:
            if kid is not None and signer.kid not in (None, kid):
                continue
            try:
                return jwt.decode(
                    text,
                    signer.key,
                    # The key's algorithm, never the one that the token states.
                    algorithms=[signer.algorithm],
                    audience=self._audience,
                    # The times are checked below, by the clock that was passed in.
                    options={
                        "require": ["exp", "aud", "sub"],
                        "verify_exp": False,
                        "verify_nbf": False,
                        "verify_iat": False,
                    },
                )
            except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError):
                continue
            except jwt.MissingRequiredClaimError as error:
                why = f"found a token without {error.claim!r}, which is required"
            except jwt.InvalidAudienceError:
                why = f"found a token for another audience, expected 'aud' {self._audience!r}"
            except jwt.PyJWTError:
                why = "found a malformed token"
            break
        # Without the original exception, whose message may contain parts of the token.
        raise CredentialsError(why)

    def _check_times(self, claims: Mapping[str, Any]) -> float:
        now = self._utc()
        expires, begins = _seconds(claims, "exp", now), _seconds(claims, "nbf", now)
        # Phrased so that NaN is refused too.
        if not now < expires:
            raise CredentialsError("found a token that has expired; get a new one")
        if not expires - now <= LONGEST_SECONDS + _CLOCK_SECONDS:
            raise CredentialsError(
                f"found a token that is valid for longer than {LONGEST_SECONDS / 60:g} minutes, "
                "expected an earlier 'exp', since a token cannot be revoked"
            )
        if not begins <= now + _CLOCK_SECONDS:
            raise CredentialsError("found a token that is not valid yet; compare the clocks")
        return expires


def _seconds(claims: Mapping[str, Any], name: str, usual: float) -> float:
    value = claims.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CredentialsError(f"found a token whose {name!r} is not a number")
    try:
        return float(value)
    except OverflowError:
        raise CredentialsError(
            f"found a token whose {name!r} is out of range, expected Unix seconds"
        ) from None


def _kind(value: object) -> str:
    return {list: "list", dict: "object", bool: "boolean"}.get(type(value), "number")


def _scopes(text: str) -> tuple[Scope, ...]:
    # Issuers add scopes of their own, such as openid; those are ignored.
    ours = [name for name in text.split() if name.partition(":")[0] in set(Action)]
    try:
        scopes = tuple(Scope.parse(name) for name in ours)
    except ScopeError as error:
        raise CredentialsError(f"found a token whose scopes cannot be read: {error}") from None
    if not scopes:
        raise CredentialsError(
            f"found a token with no scope of this service, expected at least one of "
            f"{', '.join(Action)}"
        )
    return scopes


def _read(path: Path) -> tuple[_Signer, ...]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TokenKeysError(
            f"cannot read the tokens' public keys {path}: {error.strerror}; name the right file "
            "with --jwt-keys"
        ) from error
    try:
        return _from_set(data) if data.lstrip()[:1] == b"{" else _from_pem(data)
    except (ValueError, TypeError, jwt.PyJWTError) as error:
        raise TokenKeysError(f"the tokens' public keys {path}: {error}; {_EXPECTED}") from error


def _from_pem(data: bytes) -> tuple[_Signer, ...]:
    blocks = list(_PEM.finditer(data))
    if not blocks:
        raise ValueError("found no key")
    for block in blocks:
        if block[1] != b"PUBLIC KEY":
            raise ValueError(f"found a {block[1].decode()}; a private key does not belong here")
    return tuple(_signer(load_pem_public_key(block[0]), None) for block in blocks)


def _from_set(data: bytes) -> tuple[_Signer, ...]:
    keys = json.loads(data).get("keys")
    if not isinstance(keys, list) or not keys:
        raise ValueError("found no 'keys'")
    signers = []
    for item in keys:
        if not isinstance(item, dict) or "d" in item or "k" in item:
            raise ValueError("found a private or shared key, which does not belong here")
        signers.append(_signer(jwt.PyJWK(item).key, item.get("kid")))
    return tuple(signers)


def _signer(key: object, kid: str | None) -> _Signer:
    if isinstance(key, Ed25519PublicKey):
        return _Signer(key, "EdDSA", kid)
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return _Signer(key, "ES256", kid)
    raise ValueError("found a key of an unsupported kind")
