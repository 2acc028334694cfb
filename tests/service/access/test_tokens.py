"""Tokens: signed by a known key, for this service, for minutes; every other is refused by name."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from eeg_emotion.access.credentials import CredentialsError
from eeg_emotion.access.grants import Action
from eeg_emotion.access.tokens import TokenKeysError, TokenVerifier

ELLIPTIC, OTHER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
EDWARDS = ed25519.Ed25519PrivateKey.generate()


def pem(*keys: Any) -> bytes:
    return b"".join(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        for key in keys
    )


def jwk(key: Any, **members: Any) -> dict[str, Any]:
    algorithm = jwt.algorithms.ECAlgorithm if hasattr(key, "curve") else jwt.algorithms.OKPAlgorithm
    return algorithm.to_jwk(key.public_key(), as_dict=True) | members


@pytest.fixture
def verifier(tmp_path: Path, clock: Any) -> Callable[[bytes], TokenVerifier]:
    def make(keys: bytes = pem(ELLIPTIC, EDWARDS)) -> TokenVerifier:
        path = tmp_path / "issuer"
        path.write_bytes(keys)
        return TokenVerifier(path, audience="eeg-emotion", utc=clock)

    return make


@pytest.fixture
def claims(clock: Any) -> dict[str, Any]:
    return {
        "sub": "nurse-7",
        "aud": "eeg-emotion",
        "exp": clock.now + 300,
        "scope": "read:ward-* metrics",
    }


def without(claims: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in claims.items() if key != name}


def part(fields: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")


@pytest.mark.parametrize(("key", "algorithm"), [(ELLIPTIC, "ES256"), (EDWARDS, "EdDSA")])
def test_a_good_token_allows_what_it_says_until_its_end(
    verifier: Any, claims: dict[str, Any], clock: Any, key: Any, algorithm: str
) -> None:
    grant = verifier().authenticate(jwt.encode(claims, key, algorithm=algorithm))
    assert (grant.subject, grant.expires) == ("nurse-7", clock.now + 300)
    assert grant.allows(Action.READ, "ward-7")
    assert grant.allows(Action.METRICS)
    assert not grant.allows(Action.READ, "lab-1")


def test_a_token_for_several_audiences_is_taken_if_this_is_one(verifier: Any, claims: Any) -> None:
    token = jwt.encode(claims | {"aud": ["x", "eeg-emotion"]}, EDWARDS, algorithm="EdDSA")
    assert verifier().authenticate(token).subject == "nurse-7"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c, now: c | {"exp": now}, "has expired"),
        (lambda c, now: c | {"exp": now - 1}, "has expired"),
        (lambda c, now: c | {"exp": now + 631}, "longer than 10 minutes"),
        (lambda c, now: c | {"exp": now + 86400 * 365}, "longer than 10 minutes"),
        (lambda c, now: c | {"exp": float("inf")}, "longer than 10 minutes"),
        (lambda c, now: c | {"exp": float("nan")}, "has expired"),
        (lambda c, now: c | {"exp": "soon"}, "'exp' is not a number"),
        (lambda c, now: c | {"exp": True}, "'exp' is not a number"),
        (lambda c, now: c | {"exp": 10**400}, "'exp' is out of range, expected Unix seconds"),
        (lambda c, now: c | {"exp": -(10**400)}, "'exp' is out of range"),
        (lambda c, now: c | {"nbf": 10**400}, "'nbf' is out of range"),
        (lambda c, now: c | {"nbf": now + 31}, "not valid yet"),
        (lambda c, now: c | {"nbf": "now"}, "'nbf' is not a number"),
        (lambda c, now: c | {"aud": "other"}, "another audience, expected 'aud' 'eeg-emotion'"),
        (lambda c, now: without(c, "aud"), "without 'aud'"),
        (lambda c, now: without(c, "exp"), "without 'exp'"),
        (lambda c, now: without(c, "sub"), "without 'sub'"),
        (lambda c, now: c | {"sub": ""}, "without a usable 'sub'"),
        (lambda c, now: c | {"sub": "x" * 201}, "without a usable 'sub'"),
        (lambda c, now: c | {"sub": 7}, "malformed"),
        (lambda c, now: without(c, "scope"), "without 'scope'"),
        (lambda c, now: c | {"scope": ["read:*"]}, "'scope' is a list, expected a string of"),
        (lambda c, now: c | {"scope": 7}, "'scope' is a number, expected a string of"),
        (lambda c, now: c | {"scope": ""}, "no scope of this service"),
        (lambda c, now: c | {"scope": "openid email"}, "no scope of this service"),
        (lambda c, now: c | {"scope": "read"}, "scopes cannot be read: .*expected headsets"),
    ],
)
def test_claims_that_allow_nothing_are_named_and_the_token_is_not_repeated(
    verifier: Any, claims: Any, clock: Any, change: Any, words: str
) -> None:
    token = jwt.encode(change(claims, clock.now), EDWARDS, algorithm="EdDSA")
    with pytest.raises(CredentialsError, match=words) as caught:
        verifier().authenticate(token)
    for piece in token.split("."):
        assert piece not in str(caught.value)
    assert caught.value.__cause__ is None


def test_ten_minutes_and_a_clock_half_a_minute_ahead_are_the_most(
    verifier: Any, claims: Any, clock: Any
) -> None:
    changed = claims | {"exp": clock.now + 630, "nbf": clock.now + 30}
    token = jwt.encode(changed, EDWARDS, algorithm="EdDSA")
    assert verifier().authenticate(token).expires == clock.now + 630


def test_scopes_of_others_are_passed_over(verifier: Any, claims: Any) -> None:
    token = jwt.encode(claims | {"scope": "openid read:a"}, EDWARDS, algorithm="EdDSA")
    assert list(map(str, verifier().authenticate(token).scopes)) == ["read:a"]


def test_a_token_without_signature_is_refused(verifier: Any, claims: Any) -> None:
    unsigned = f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."
    with pytest.raises(CredentialsError, match="not signed by a known key"):
        verifier().authenticate(unsigned)


def test_the_public_key_is_no_shared_secret(verifier: Any, claims: Any) -> None:
    """The classic: signed by HMAC with the public key, which everyone may have."""
    for secret in (pem(ELLIPTIC), pem(EDWARDS), pem(ELLIPTIC, EDWARDS)):
        signed = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}"
        mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
        forged = f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
        with pytest.raises(CredentialsError, match="not signed by a known key"):
            verifier().authenticate(forged)


@pytest.mark.parametrize("algorithm", ["HS256", "HS512"])
def test_a_shared_secret_is_no_signature(verifier: Any, claims: Any, algorithm: str) -> None:
    with pytest.raises(CredentialsError, match="not signed by a known key"):
        verifier().authenticate(jwt.encode(claims, "s" * 64, algorithm=algorithm))


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (OTHER, "ES256"),
        (rsa.generate_private_key(65537, 2048), "RS256"),
        (ec.generate_private_key(ec.SECP384R1()), "ES384"),
        (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
    ],
)
def test_a_key_that_is_not_known_has_signed_in_vain(
    verifier: Any, claims: Any, key: Any, algorithm: str
) -> None:
    with pytest.raises(CredentialsError, match="not signed by a known key"):
        verifier().authenticate(jwt.encode(claims, key, algorithm=algorithm))


def test_changed_claims_break_the_signature(verifier: Any, claims: Any) -> None:
    head, _, signature = jwt.encode(claims, ELLIPTIC, algorithm="ES256").split(".")
    with pytest.raises(CredentialsError, match="not signed by a known key"):
        verifier().authenticate(f"{head}.{part(claims | {'scope': 'read:*'})}.{signature}")


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "é.é.é", "x" * 4097, "..", "\x00"])
def test_what_is_no_token_is_refused(verifier: Any, text: str) -> None:
    with pytest.raises(CredentialsError):
        verifier().authenticate(text)


def test_a_set_of_keys_may_turn_over(verifier: Any, claims: Any) -> None:
    keys = {"keys": [jwk(ELLIPTIC, kid="old"), jwk(EDWARDS, kid="new"), jwk(OTHER)]}
    found = verifier(json.dumps(keys).encode())
    for key, algorithm, kid in (
        (ELLIPTIC, "ES256", "old"),
        (EDWARDS, "EdDSA", "new"),
        (OTHER, "ES256", "any"),
        (EDWARDS, "EdDSA", None),
    ):
        token = jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid} if kid else None)
        assert found.authenticate(token).subject == "nurse-7"
    crossed = jwt.encode(claims, ELLIPTIC, algorithm="ES256", headers={"kid": "new"})
    with pytest.raises(CredentialsError):
        found.authenticate(crossed)


def private(key: Any) -> bytes:
    return bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (b"", "found no key"),
        (b"ssh-ed25519 AAAA", "found no key"),
        (private(EDWARDS), "PRIVATE KEY; a private key does not belong here"),
        (pem(EDWARDS) + private(EDWARDS), "a private key does not belong here"),
        (pem(rsa.generate_private_key(65537, 2048)), "an unsupported kind"),
        (pem(ec.generate_private_key(ec.SECP384R1())), "an unsupported kind"),
        (pem(ed448.Ed448PrivateKey.generate()), "an unsupported kind"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "expected public keys"),
        (b"{", "expected public keys"),
        (b"{}", "found no 'keys'"),
        (b'{"keys": []}', "found no 'keys'"),
        (b'{"keys": [1]}', "does not belong here"),
        (b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}', "shared key, which does not belong"),
        (b'{"keys": [{"kty": "EC", "crv": "P-256"}]}', "expected public keys"),
        (
            json.dumps({"keys": [jwk(EDWARDS, d="AAAA")]}).encode(),
            "a private or shared key",
        ),
    ],
)
def test_what_is_no_fitting_public_key_is_refused_at_the_start(
    verifier: Any, keys: bytes, words: str
) -> None:
    with pytest.raises(TokenKeysError, match=words) as caught:
        verifier(keys)
    assert "ES256" in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TokenKeysError, match=r"issuer\.pem: No such file.*--jwt-keys"):
        TokenVerifier(tmp_path / "issuer.pem", audience="a")
