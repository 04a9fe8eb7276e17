"""The gateway's certificate: the matrix of `tls_certs.json` (L-01 to L-08, S-17)."""

from __future__ import annotations

import ssl

import pytest
from venues.ibkr.gateway_rig import table, toy_gateway

from connectors import ibkr
from connectors.errors import ConfigError, TransportError
from connectors.ibkr.tls import Tls, TlsMode, make_context

CERTS = table("tls_certs.json")


@pytest.fixture(scope="module")
def server_contexts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    found = {}
    for name in ("gateway_expired", "gateway_valid", "impostor"):
        cert, key = folder / f"{name}.pem", folder / f"{name}.key"
        cert.write_text(CERTS[name]["certificate_pem"])
        key.write_text(CERTS[name]["private_key_pem"])
        found[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        found[name].load_cert_chain(cert, key)
    return found


def policy(client, form):
    if client == "default verification":
        return Tls()
    if client.startswith("insecure"):
        return Tls.insecure()
    pinned = CERTS[client.removeprefix("pinned to ")]
    if form == "fingerprint":
        return Tls.pin_fingerprint(pinned["sha256_fingerprint"])
    return Tls.pin(pinned["certificate_pem"])


ROWS = [
    (row, form)
    for row in CERTS["expect"]
    if row["server"] != "any"
    for form in (("pem", "fingerprint") if row["client"].startswith("pinned") else ("pem",))
]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize(
    ("row", "form"), ROWS, ids=[f"{row['server']}, {row['client']}, {form}" for row, form in ROWS]
)
def test_s_17_l_01_to_l_07_the_matrix_for_rest_and_socket_alike(run, server_contexts, row, form):
    async def scene():
        async with toy_gateway(tls=server_contexts[row["server"]]) as gateway:
            config = ibkr.Config(base_url=gateway.base_url, tls=policy(row["client"], form))
            if row["ok"]:
                async with await ibkr.WsClient.connect(config) as client:
                    client.send_text("tic")
                assert len(gateway.links) == 1
            else:
                with pytest.raises(TransportError):
                    await ibkr.WsClient.connect(config)
                assert not gateway.requests  # L-04: not one byte of HTTP
                assert not gateway.links

    run(scene())


def test_l_06_insecure_is_for_this_machine_only():
    for base in ("https://localhost:5000/v1/api", "https://127.0.0.7/a", "https://[::1]:5000"):
        ibkr.Config(base_url=base, tls=Tls.insecure())
    with pytest.raises(ConfigError, match="this machine only"):
        ibkr.Config(base_url="https://gateway.example/v1/api", tls=Tls.insecure())
    with pytest.raises(ConfigError, match="this machine only"):
        ibkr.Config(base_url="https://10.0.0.1/v1/api", tls=Tls(TlsMode.INSECURE))


def test_l_08_plain_http_is_for_this_machine_unless_allowed():
    ibkr.Config(base_url="http://127.0.0.1:5000/v1/api")
    with pytest.raises(ConfigError, match="not encrypted"):
        ibkr.Config(base_url="http://gateway.example/v1/api")
    ibkr.Config(base_url="http://gateway.example/v1/api", allow_plaintext=True)


def test_l_02_verification_is_the_default_and_parts_must_fit():
    assert ibkr.Config().tls.mode is TlsMode.VERIFY
    pem = CERTS["gateway_valid"]["certificate_pem"]
    for bad in (
        lambda: Tls("none"),
        lambda: Tls("pin"),
        lambda: Tls("pin", pem, "ab" * 32),
        lambda: Tls("pin", None, "xyz"),
        lambda: Tls("verify", None, "ab" * 32),
        lambda: Tls("insecure", pem),
    ):
        with pytest.raises(ConfigError):
            bad()
    assert pem not in repr(Tls.pin(pem))


def test_l_03_a_certificate_that_cannot_be_read(run, tmp_path):
    async def scene():
        for given in ("-----BEGIN CERTIFICATE-----\nx", str(tmp_path / "missing.pem")):
            with pytest.raises(ConfigError, match="certificate"):
                await make_context(Tls.pin(given), "https://localhost:5000")

    run(scene())


def test_l_05_fetching_shows_the_fingerprint_and_sends_nothing(run, server_contexts):
    async def scene():
        async with toy_gateway(tls=server_contexts["gateway_expired"]) as gateway:
            port = int(gateway.base_url.split(":")[2].split("/")[0])
            shown = await ibkr.fetch_certificate("127.0.0.1", port)
            expected = CERTS["gateway_expired"]["sha256_fingerprint"].replace(":", "").lower()
            assert shown.fingerprint == expected
            assert not gateway.requests
            pinned = ibkr.Config(base_url=gateway.base_url, tls=Tls.pin(shown.pem))
            async with await ibkr.WsClient.connect(pinned):
                pass

    run(scene())


def test_config_from_the_environment(tmp_path):
    path = tmp_path / "gateway.pem"
    path.write_text(CERTS["gateway_valid"]["certificate_pem"])
    config = ibkr.Config.from_env(
        env={"IBKR_CERTIFICATE": str(path), "IBKR_ACCOUNT": "DU1", "IBKR_COMPETE": "take_over"}
    )
    assert (config.tls.mode, config.account, config.compete) == ("pin", "DU1", "take_over")
    assert ibkr.Config.from_env(env={}).tls.mode == "verify"
