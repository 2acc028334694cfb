"""Keys and tokens together: what each caller is granted, and whether it still stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from eeg_emotion.access.access import Access, CredentialsError
from eeg_emotion.access.grants import EVERYTHING, Grant, Scope
from eeg_emotion.access.keys import KeyStore
from eeg_emotion.access.tokens import TokenVerifier

ISSUER = Ed25519PrivateKey.generate()


@pytest.fixture
def keys(tmp_path: Path, clock: Any) -> KeyStore:
    return KeyStore(tmp_path / "keys.json", utc=clock)


@pytest.fixture
def tokens(tmp_path: Path, clock: Any) -> TokenVerifier:
    path = tmp_path / "issuer.pem"
    path.write_bytes(
        ISSUER.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return TokenVerifier(path, audience="eeg-emotion", utc=clock)


@pytest.fixture
def token(clock: Any) -> str:
    claims = {"sub": "n", "aud": "eeg-emotion", "exp": clock.now + 60, "scope": "metrics"}
    return jwt.encode(claims, ISSUER, algorithm="EdDSA")


@pytest.mark.parametrize("header", [None, "Bearer nonsense", "Basic eA==", ""])
def test_an_open_service_grants_everything_to_everyone(header: str | None) -> None:
    access = Access()
    assert access.open
    assert access.grant_of(header) is EVERYTHING
    assert access.authenticate("nonsense") is EVERYTHING
    assert access.is_valid(EVERYTHING)


def test_without_credentials_nothing_is_granted_where_they_are_asked_for(keys: KeyStore) -> None:
    access = Access(keys=keys)
    assert not access.open
    assert access.grant_of(None) is None


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_key_comes_in_the_header(keys: KeyStore, scheme: str) -> None:
    key = keys.add("wallboard", (Scope.parse("metrics"),))
    grant = Access(keys=keys).grant_of(f"{scheme} {key}")
    assert grant is not None
    assert grant.subject == "wallboard"


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic {}", "{}", "Token {}"])
def test_a_header_of_another_form_is_refused_and_not_repeated(keys: KeyStore, header: str) -> None:
    key = keys.add("wallboard", (Scope.parse("metrics"),))
    with pytest.raises(CredentialsError) as caught:
        Access(keys=keys).grant_of(header.format(key))
    assert key not in str(caught.value)


def test_keys_and_tokens_are_distinguished(
    keys: KeyStore, tokens: TokenVerifier, token: str
) -> None:
    key = keys.add("wallboard", (Scope.parse("metrics"),))
    both = Access(keys=keys, tokens=tokens)
    assert both.authenticate(key).subject == "wallboard"
    assert both.authenticate(token).subject == "n"
    with pytest.raises(CredentialsError):
        Access(keys=keys).authenticate(token)
    with pytest.raises(CredentialsError, match="found a key, expected a token"):
        Access(tokens=tokens).authenticate(key)


def test_a_key_is_valid_until_it_is_revoked_and_a_token_until_its_end(
    keys: KeyStore, tokens: TokenVerifier, token: str
) -> None:
    access = Access(keys=keys, tokens=tokens)
    of_key = access.authenticate(keys.add("wallboard", (Scope.parse("metrics"),)))
    of_token = access.authenticate(token)
    client = access.at("127.0.0.1:5")
    assert client.is_valid(of_key)
    assert client.is_valid(of_token)
    keys.revoke("wallboard")
    assert not client.is_valid(of_key)
    assert client.is_valid(of_token)


def test_a_token_is_no_key_of_its_subjects_name(keys: KeyStore) -> None:
    keys.add("n", (Scope.parse("metrics"),))
    keys.revoke("n")
    assert Access(keys=keys).is_valid(Grant("n", (Scope.parse("metrics"),)))
