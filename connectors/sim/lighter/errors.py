"""Refusals of the venue: a code and the text that goes with it (section 5)."""

from __future__ import annotations

__all__ = ["TEXTS", "Refused"]

TEXTS = {
    20001: "invalid param",
    21100: "account not found",
    21102: "invalid account index",
    21104: "invalid nonce",
    21105: "invalid nonce order in batch",
    21109: "api key not found",
    21113: "invalid initial margin fraction",
    21120: "invalid signature",
    21121: "all transactions of a batch must come from one account and api key",
    21133: "leverage change would break risk limits",
    21149: "integrator is not approved",
    21301: "not enough collateral",
    21304: "not enough asset balance",
    21500: "transaction not found",
    21501: "invalid tx info",
    21505: "invalid tx type",
    21513: "tx types and tx infos differ in length",
    21514: "too many transactions in a batch",
    21602: "invalid market index",
    21605: "market is not active",
    21613: "invalid margin mode",
    21614: "no position found",
    21618: "order type is not allowed in this market",
    21700: "invalid order index",
    21701: "invalid order base amount",
    21702: "invalid order price",
    21703: "invalid order side",
    21704: "invalid order type",
    21705: "invalid order time in force",
    21706: "invalid order base or quote amount",
    21707: "order belongs to another account",
    21710: "unsupported order type",
    21711: "invalid order expiry",
    21713: "invalid cancel all time in force",
    21714: "invalid cancel all time",
    21717: "maximum active order count of the account reached",
    21718: "maximum active order count of the market reached",
    21719: "maximum pending order count of the account reached",
    21720: "maximum pending order count of the market reached",
    21727: "invalid client order index",
    21728: "client order index already exists",
    21729: "invalid order trigger price",
    21732: "invalid reduce only direction",
    21734: "order price too far from the mark price",
    21739: "not enough margin to create the order",
    21740: "invalid order group",
    23000: "Too Many Requests!",
    29404: "not found",
    62007: "maker only api key",
}


class Refused(Exception):
    """The venue will not do it. `status` is the HTTP status that goes with the refusal."""

    def __init__(self, code: int, detail: str = "", *, status: int = 400) -> None:
        text = TEXTS.get(code, "error")
        super().__init__(f"{text}: {detail}" if detail else text)
        self.code = code
        self.status = 429 if code == 23000 else status

    @property
    def message(self) -> str:
        return str(self)
