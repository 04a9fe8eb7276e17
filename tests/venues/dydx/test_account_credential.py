"""Keys, addresses and environment variables of dYdX accounts (1.1, 11.1, DX-S-07)."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import logging
import pickle
from pathlib import Path

import pytest

from connectors.dydx.address import address_of, check_address, is_address
from connectors.dydx.credential import Credential, wallet_address_from_env
from connectors.errors import ConfigError, InvalidKey, SignerClosed

VECTORS = json.loads(
    (Path(__file__).parents[2] / "data" / "dydx" / "signing_vectors.json").read_text("utf-8")
)
WALLETS = VECTORS["wallets"]
KEY = WALLETS[0]["private_key"]
ADDRESS = WALLETS[0]["address"]
OTHER_ADDRESS = WALLETS[1]["address"]


@pytest.mark.parametrize("wallet", WALLETS, ids=lambda wallet: wallet["label"])
def test_11_1_wallet(wallet):
    """Mnemonic to key to address, at every index of the vectors."""
    assert len(wallet["derived"]) == 3
    for index, derived in enumerate(wallet["derived"]):
        made = Credential.from_mnemonic(
            wallet["mnemonic"], passphrase=wallet["passphrase"], index=index
        )
        given = Credential(derived["private_key"])
        for credential in (made, given):
            assert credential.public_key.hex() == derived["public_key"]
            assert credential.address == credential.key_address == derived["address"]
        digest = hashlib.sha256(b"one").digest()
        assert made.sign_digest(digest) == given.sign_digest(digest)


def test_11_1_signatures_are_those_of_the_official_client():
    """RFC 6979 and low s, over the hashes of all transactions of the vectors."""
    assert any(case["raw_s_was_high"] for case in VECTORS["transactions"])
    for case in VECTORS["transactions"]:
        credential = Credential(case["private_key"])
        signature = credential.sign_digest(bytes.fromhex(case["digest"]))
        assert signature.hex() == case["signature"], case["id"]


def test_a_key_is_taken_in_every_spelling(tmp_path):
    file = tmp_path / "key"
    file.write_text(f"  0x{KEY}\n")
    for credential in (
        Credential("0x" + KEY),
        Credential(KEY.upper()),
        Credential(KEY.encode()),
        Credential(memoryview(bytearray(KEY.encode()))),
        Credential.from_file(file),
    ):
        assert credential.address == ADDRESS


def test_a_mnemonic_may_stand_on_several_lines():
    text = WALLETS[0]["mnemonic"].replace(" ", " \n ")
    assert Credential.from_mnemonic(text).address == ADDRESS


@pytest.mark.parametrize(
    "key",
    ["", "0x", KEY[:-1], KEY + "0", "g" + KEY[1:], "0" * 64, "f" * 64, "\u0660" * 64, KEY + "\n"],
)
def test_what_is_no_key_is_refused_and_not_told(key):
    with pytest.raises(InvalidKey) as caught:
        Credential(key)
    assert KEY[:20] not in str(caught.value)


@pytest.mark.parametrize("words", [0, 1, 11, 13, 25])
def test_a_mnemonic_of_another_length_is_refused(words):
    with pytest.raises(InvalidKey, match=f"has {words}$") as caught:
        Credential.from_mnemonic("secretword " * words)
    assert "secretword" not in str(caught.value)


def test_an_index_that_would_be_hardened_is_refused():
    with pytest.raises(ValueError, match="index must be from 0"):
        Credential.from_mnemonic(WALLETS[0]["mnemonic"], index=2**31)


def secrets_in(text: str) -> list[str]:
    """Every form of the key that stands in a text."""
    raw = bytes.fromhex(KEY)
    forms = [KEY, KEY.upper(), str(int(KEY, 16)), base64.b64encode(raw).decode(), str(raw)[2:-1]]
    return [form for form in forms if form in text]


def test_dx_s_07_the_key_is_in_no_text_and_no_pickle(caplog):
    credential = Credential(KEY)
    caplog.set_level(logging.DEBUG)
    logging.getLogger("test").warning("%s %r %s", credential, credential, [credential])
    assert ADDRESS in repr(credential)
    assert not secrets_in(repr(credential) + str(credential) + f"{credential}" + caplog.text)
    assert not hasattr(credential, "__dict__")
    for leave in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            leave(credential)


def test_a_closed_credential_has_no_key():
    with Credential(KEY) as credential:
        held = credential._secret
        assert held.hex() == KEY
    assert not held
    assert credential.address == ADDRESS
    with pytest.raises(SignerClosed):
        credential.sign_digest(bytes(32))
    credential.close()


def test_dx_n_15_a_permissioned_key_acts_for_another_account():
    credential = Credential(KEY, OTHER_ADDRESS)
    assert (credential.address, credential.key_address) == (OTHER_ADDRESS, ADDRESS)
    with pytest.raises(ConfigError, match="wallet_address"):
        Credential(KEY, "0x" + "0" * 40)


# --- environment variables ------------------------------------------------------------------------


def test_1_1_environment_variables():
    env = {
        "DYDX_PRIVATE_KEY": KEY,
        "DYDX_TESTNET_PRIVATE_KEY": "0x" + WALLETS[1]["private_key"],
        "DYDX_TESTNET_WALLET_ADDRESS": ADDRESS,
    }
    main, test = Credential.from_env(env=env), Credential.from_env(testnet=True, env=env)
    assert main is not None
    assert main.address == ADDRESS
    assert test is not None
    assert (test.address, test.key_address) == (ADDRESS, OTHER_ADDRESS)
    assert wallet_address_from_env(env=env) is None
    assert wallet_address_from_env(testnet=True, env=env) == ADDRESS


def test_1_1_an_argument_wins_and_blanks_are_absent():
    env = {"DYDX_PRIVATE_KEY": WALLETS[1]["private_key"], "DYDX_WALLET_ADDRESS": " \t"}
    for blank in (None, "", "  "):
        credential = Credential.from_env(private_key=blank, env=env)
        assert credential is not None
        assert credential.address == OTHER_ADDRESS
    credential = Credential.from_env(private_key=KEY, env=env)
    assert credential is not None
    assert credential.address == ADDRESS
    assert Credential.from_env(env={"DYDX_PRIVATE_KEY": "\n"}) is None
    assert wallet_address_from_env(" ", env=env) is None
    assert wallet_address_from_env(ADDRESS, env=env) == ADDRESS


# --- addresses ------------------------------------------------------------------------------------


def test_an_address_with_a_typing_error_is_found():
    """The indexer would answer as for an account without money (DX-W-19)."""
    assert address_of(bytes.fromhex(WALLETS[0]["public_key"])) == ADDRESS
    assert check_address(ADDRESS) == ADDRESS
    for place in range(5, len(ADDRESS)):
        other = "q" if ADDRESS[place] != "q" else "p"
        assert not is_address(ADDRESS[:place] + other + ADDRESS[place + 1 :])
    for text in ("", "dydx1", ADDRESS.upper(), ADDRESS[:-1], "cosmos" + ADDRESS[4:], ADDRESS + "q"):
        assert not is_address(text)
        with pytest.raises(ConfigError, match="is none, or has a typing error"):
            check_address(text)
