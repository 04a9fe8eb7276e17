"""The oracle passes every vector: it may judge the compiled signer."""

from __future__ import annotations

from oracle import lighter_crypto as crypto
from oracle import lighter_tx as tx
from oracle.lighter_vectors import attributes, numbers, section, transactions, tx_types

unhex = bytes.fromhex


def five(strings: list[str]) -> crypto.F5:
    return crypto.f5(numbers(strings))


def test_keys() -> None:
    for case in section("keys"):
        assert crypto.public_key(unhex(case["private_key"])).hex() == case["public_key"]
    for case in section("seed_keys"):
        assert crypto.key_from_seed(unhex(case["seed"])).hex() == case["private_key"]


def test_poseidon2() -> None:
    for case in section("poseidon2_permute"):
        assert crypto.permute(numbers(case["input"])) == numbers(case["output"])
    for case in section("poseidon2_hash"):
        elements = numbers(case["input"])
        assert crypto.hash4(elements) == numbers(case["out4"])
        assert crypto.to_bytes(crypto.hash5(elements)).hex() == case["out5_bytes"]
    for case in section("poseidon2_two_to_one"):
        both = numbers(case["a"]), numbers(case["b"])
        assert crypto.two_to_one(*both) == numbers(case["out"])


def test_quintic_extension() -> None:
    for case in section("quintic"):
        a, b = five(case["a"]), five(case["b"])
        assert crypto.mul(a, b) == five(case["mul"])
        assert crypto.mul(a, a) == five(case["square_a"])
        assert crypto.inverse(a) == five(case["inv_a"])
        assert crypto.frobenius(a) == five(case["frob1_a"])
        assert crypto.frobenius(a, 2) == five(case["frob2_a"])
        root = crypto.sqrt(a)
        assert (root is not None) == case["sqrt_exists"]
        if root is not None:
            expected = five(case["sqrt_a_up_to_sign"])
            assert expected in (root, crypto.sub(crypto.ZERO, root))


def test_scalars() -> None:
    for case in section("scalar"):
        if "fp5" in case:
            value = crypto.scalar(crypto.to_bytes(five(case["fp5"])))
            assert crypto.scalar_bytes(value).hex() == case["as_scalar"]
        elif "reduced" in case:
            value = crypto.scalar(unhex(case["bytes_le"]))
            assert crypto.scalar_bytes(value).hex() == case["reduced"]
        else:
            a, b = crypto.scalar(unhex(case["a"])), crypto.scalar(unhex(case["b"]))
            for name, value in (("add", a + b), ("sub", a - b), ("mul", a * b)):
                assert crypto.scalar_bytes(value).hex() == case[name]


def test_curve() -> None:
    for case in section("curve_mul"):
        k = crypto.scalar(unhex(case["scalar"]))
        if case["base"] == "generator":
            base: crypto.Affine | bool = crypto.generator()
            quick = crypto.multiply_generator(k)
            assert crypto.to_bytes(crypto.encode(quick)).hex() == case["out"]
        else:
            base = crypto.decode_bytes(unhex(case["base"]))
        assert not isinstance(base, bool)
        assert crypto.to_bytes(crypto.encode(crypto.multiply(base, k))).hex() == case["out"]
    for case in section("curve_add"):
        a, b = (crypto.decode_bytes(unhex(case[name])) for name in "ab")
        assert not isinstance(a, bool)
        assert not isinstance(b, bool)
        for name, point in (
            ("sum", crypto.affine_add(a, b)),
            ("a_doubled", crypto.affine_add(a, a)),
            ("a_negated", crypto.negate(a)),
        ):
            assert crypto.to_bytes(crypto.encode(point)).hex() == case[name]
    for case in section("curve_decode"):
        point = crypto.decode_bytes(unhex(case["w"]))
        assert (point is not False) == case["decodes"]
        if case["decodes"]:
            assert (point is None) == case["neutral"]


def test_schnorr() -> None:
    for case in section("schnorr_fixed_k"):
        key, message = unhex(case["private_key"]), unhex(case["message_hash"])
        assert crypto.sign(key, message, crypto.scalar(unhex(case["k"]))).hex() == case["sig"]
    for case in section("schnorr_verify"):
        parts = [unhex(case[name]) for name in ("public_key", "message_hash", "sig")]
        assert crypto.verify(*parts) == case["valid"]
        reduced = case.get("valid_if_scalars_reduced_first", case["valid"])
        assert crypto.verify(*parts, reduce=True) == reduced


def test_the_quick_check_agrees_with_the_full_one() -> None:
    for case in section("tx")[:40]:
        check = crypto.verifier(unhex(case["private_key"]))
        message, signature = unhex(case["tx_hash"]), unhex(case["sig"])
        tampered = bytes([signature[0] ^ 1]) + signature[1:]
        assert check(message, signature)
        assert not check(message, tampered)
        assert crypto.verify(unhex(case["public_key"]), message, signature)


def test_transactions() -> None:
    for case in transactions():
        kind, fields, extra = case["tx_type"], case["fields"], attributes(case)
        found = [e % crypto.P for e in tx.elements(case["chain_id"], kind, fields)]
        assert found == numbers(case["hash_elements"]), case["id"]
        assert tx.tx_hash(case["chain_id"], kind, fields, extra).hex() == case["tx_hash"]
        assert tx.check(kind, fields, extra) is None, case["id"]
        if "tx_info" in case:
            signature = unhex(case["sig"])
            assert tx.tx_info(kind, fields, extra, signature) == case["tx_info"]
        k = crypto.scalar(unhex(case["fixed_k"]))
        signed = crypto.sign(unhex(case["private_key"]), unhex(case["tx_hash"]), k)
        assert signed.hex() == case["fixed_k_sig"]


def test_invalid_transactions() -> None:
    types = tx_types()
    for case in section("tx_invalid"):
        found = tx.check(types[case["tx_name"]], case["fields"], attributes(case))
        assert found == case["error_code"], case["id"]


def test_auth_and_l1_messages() -> None:
    for case in section("auth"):
        numbers_of = (case["deadline"], case["account_index"], case["api_key_index"])
        assert tx.auth_message(*numbers_of) == case["message"]
        assert tx.auth_elements(case["message"]) == numbers(case["hash_elements"])
        assert crypto.to_bytes(crypto.hash5(numbers(case["hash_elements"]))).hex() == case["hash"]
    for case in section("tx"):
        if "message_to_sign" in case:
            message = tx.l1_message(case["chain_id"], case["tx_type"], case["fields"])
            assert message == case["message_to_sign"]
