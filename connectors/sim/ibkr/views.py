"""The user's accounts and instruments as the REST interface shows them (6.2, 6.6)."""

from __future__ import annotations

from typing import Any

from .contracts import Contract
from .exchange import Exchange
from .markets import Market
from .session import SERVER, Session

__all__ = ["Views"]

ASSETS = "STK,CFD,OPT,FOP,WAR,FUT,BAG,CASH,IND,BOND,FUND,CRYPTO"
KINDS = (
    "limit", "midprice", "market", "stop", "stop_limit", "trailing_stop", "trailing_stop_limit",
)  # fmt: skip
CHARTS = {name: ["*"] for name in ("STK", "CFD", "OPT", "FUT", "CASH", "IND", "BOND", "FUND")}


class Views:
    """Writes what does not change with trading."""

    def __init__(self, exchange: Exchange, session: Session, *, paper: bool) -> None:
        self._exchange = exchange
        self._session = session
        self._paper = paper

    # -- accounts ----------------------------------------------------------------------------

    def accounts(self) -> dict[str, Any]:
        """Return `iserver/accounts`, which is also what `act` says (W-04)."""
        names = list(self._exchange.accounts)
        props = {
            "hasChildAccounts": False, "supportsCashQty": True, "noFXConv": False,
            "isProp": False, "supportsFractions": True, "allowCustomerTime": False,
            "liteUnderPro": False, "autoFx": False,
        }  # fmt: skip
        return {
            "accounts": names,
            "acctProps": dict.fromkeys(names, props),
            "aliases": {name: name for name in names},
            "allowFeatures": {"snapshotRefreshTimeout": 30, "allowedAssetTypes": ASSETS},
            "chartPeriods": CHARTS,
            "groups": [],
            "profiles": [],
            "selectedAccount": self._session.selected,
            "serverInfo": SERVER,
            "sessionId": self._session.brokerage_id,
            "isFT": False,
            "isPaper": self._paper,
        }

    def act(self) -> dict[str, Any]:
        return {"topic": "act", "args": self.accounts()}

    def portfolio_account(self, name: str) -> dict[str, Any]:
        return {
            "id": name, "accountId": name, "accountVan": name, "accountTitle": "Sim User",
            "displayName": "Sim User", "accountAlias": None,
            "accountStatus": self._session.login_ms, "currency": "USD",
            "type": "DEMO" if self._paper else "INDIVIDUAL", "tradingType": "STKNOPT",
            "ibEntity": "IBLLC-US", "faclient": False, "clearingStatus": "O", "covestor": False,
            "noClientTrading": False,
            "parent": {
                "mmc": [], "accountId": "", "isMParent": False, "isMChild": False,
                "isMultiplex": False,
            },
            "desc": name,
        }  # fmt: skip

    # -- contracts ---------------------------------------------------------------------------

    def stocks(self, symbol: str) -> list[dict[str, Any]]:
        """Return the listings of a symbol; a foreign one beside ours (R-10)."""
        found = [one for one in self._contracts() if (one.symbol, one.sec_type) == (symbol, "STK")]
        return [
            {
                "name": one.name,
                "chineseName": "&#x82F9;&#x679C;" if one.symbol == "AAPL" else None,
                "assetClass": "STK",
                "contracts": [
                    {"conid": one.conid, "exchange": one.listing.split(".")[0], "isUS": True},
                    {"conid": one.conid + 38_000_000, "exchange": "MEXI", "isUS": False},
                ],
            }
            for one in found
        ]

    def futures(self, symbol: str) -> list[dict[str, Any]]:
        return [
            {
                "symbol": one.symbol,
                "conid": one.conid,
                "underlyingConid": one.underlying,
                "expirationDate": int(one.expiry),
                "ltd": int(one.expiry) - 1,
                "shortFuturesCutOff": int(one.expiry) - 1,
                "longFuturesCutOff": int(one.expiry) - 1,
            }
            for one in self._contracts()
            if (one.symbol, one.sec_type) == (symbol, "FUT")
        ]

    def search(self, symbol: str, kind: str) -> list[dict[str, Any]]:
        """Return what a search finds (R-12)."""
        found = []
        for one in self._contracts():
            if one.symbol != symbol or one.sec_type in ("OPT", "BAG"):
                continue
            if kind and kind != one.sec_type and not (kind == "OPT" and one.months):
                continue
            sections: list[dict[str, Any]] = [{"secType": one.sec_type}]
            if one.months:
                sections.append(
                    {"secType": "OPT", "months": ";".join(one.months), "exchange": "SMART;CBOE"}
                )
            venue = one.listing.split(".")[0]
            found.append(
                {
                    "conid": str(one.conid),
                    "companyHeader": f"{one.name} - {venue}",
                    "companyName": one.name,
                    "symbol": one.symbol,
                    "description": venue,
                    "restricted": None,
                    "sections": sections,
                }
            )
        return found

    def options(
        self, underlying: int, *, strike: float | None = None, right: str = ""
    ) -> list[Contract]:
        """Return the options on a contract."""
        return [
            one
            for one in self._contracts()
            if one.sec_type == "OPT"
            and one.underlying == underlying
            and (strike is None or float(one.strike) == strike)
            and right in ("", one.right)
        ]

    def option(self, one: Contract) -> dict[str, Any]:
        return {
            "conid": one.conid, "symbol": one.symbol, "secType": one.sec_type,
            "exchange": "SMART", "listingExchange": None, "right": one.right,
            "strike": float(one.strike), "currency": one.currency, "cusip": None,
            "coupon": "No Coupon", "desc1": one.symbol,
            "desc2": one.name.removeprefix(f"{one.symbol} "), "maturityDate": one.expiry,
            "multiplier": str(one.multiplier), "tradingClass": one.symbol,
            "validExchanges": "SMART,AMEX,CBOE",
        }  # fmt: skip

    def definition(self, one: Contract) -> dict[str, Any]:
        """Return the row of `trsrv/secdef` (R-14)."""
        return {
            "conid": one.conid, "currency": one.currency, "name": one.name,
            "assetClass": one.sec_type, "expiry": one.expiry or None,
            "lastTradingDay": one.expiry or None, "strike": one.strike, "ticker": one.symbol,
            "undConid": one.underlying, "multiplier": float(one.multiplier), "type": "COMMON",
            "hasOptions": bool(one.months), "fullName": one.symbol, "isUS": True,
            "putOrCall": one.right or None, "incrementRules": one.wire_rules(),
            "displayRule": {
                "magnification": 0,
                "displayRuleStep": [
                    {"decimalDigits": one.decimals, "lowerEdge": 0.0, "wholeDigits": 4}
                ],
            },
            "isEventContract": False, "listingExchange": one.listing.split(".")[0],
            "countryCode": "US",
        }  # fmt: skip

    def info(self, one: Contract) -> dict[str, Any]:
        return {
            "cfi_code": "", "symbol": one.symbol, "cusip": None,
            "expiry_full": one.expiry or None, "con_id": one.conid,
            "maturity_date": one.expiry or None, "industry": "",
            "instrument_type": one.sec_type, "trading_class": one.symbol,
            "valid_exchanges": f"SMART,{one.listing.split('.')[0]}", "allow_sell_long": False,
            "is_zero_commission_security": False, "local_symbol": one.symbol,
            "contract_clarification_type": None, "classifier": None, "currency": one.currency,
            "text": one.name, "underlying_con_id": one.underlying, "r_t_h": True,
            "multiplier": str(one.multiplier) if one.multiplier > 1 else None,
            "strike": one.strike, "right": one.right or None, "underlying_issuer": None,
            "contract_month": one.expiry[:6] or None, "company_name": one.name,
            "smart_available": True, "exchange": "SMART", "category": "",
        }  # fmt: skip

    def rules(self, market: Market) -> dict[str, Any]:
        """Return the rules of trading (5.4)."""
        one = market.contract
        step = float(one.decimal(one.increment(market.last)))
        limit = float(one.decimal(market.last))
        fractions = list(KINDS) if one.size_decimals else []
        return {
            "algoEligible": True, "overnightEligible": one.sec_type == "STK",
            "costReport": False, "canTradeAcctIds": list(self._exchange.accounts), "error": None,
            "orderTypes": list(KINDS), "ibAlgoTypes": ["limit"], "fraqTypes": fractions,
            "forceOrderPreview": False, "cqtTypes": fractions,
            "orderDefaults": {"LMT": {"LP": one.price(market.last)}},
            "orderTypesOutside": ["limit", "stop_limit"], "defaultSize": 100, "cashSize": 0.0,
            "sizeIncrement": 100 if one.sec_type == "STK" else 1,
            "tifTypes": ["IOC/MARKET,LIMIT,a", "GTC/o,a", "OPG/LIMIT,MARKET,a", "DAY/o,a"],
            "tifDefaults": {"TIF": "DAY", "SIZE": "100.00"}, "limitPrice": limit,
            "stopprice": limit, "orderOrigination": None, "preview": True, "displaySize": None,
            "fraqInt": one.size_decimals, "cashCcy": one.currency, "cashQtyIncr": 500,
            "priceMagnifier": None, "negativeCapable": bool(one.offset), "incrementType": 1,
            "incrementRules": one.wire_rules(), "hasSecondary": True, "increment": step,
            "incrementDigits": one.decimals,
        }  # fmt: skip

    def schedule(self, one: Contract) -> list[dict[str, Any]]:
        """Return trading hours: all day, every day of the week."""
        return [
            {
                "id": f"p{one.conid}",
                "tradeVenueId": f"v{one.conid}",
                "exchange": one.listing.split(".")[0],
                "timezone": "America/New_York",
                "schedules": [
                    {
                        "clearingCycleEndTime": "0000",
                        "tradingScheduleDate": f"2000010{day}",
                        "sessions": [
                            {"openingTime": "0000", "closingTime": "2359", "prop": "LIQUID"}
                        ],
                        "tradingtimes": [
                            {"openingTime": "0000", "closingTime": "2359", "cancelDayOrders": "N"}
                        ],
                    }
                    for day in range(1, 8)
                ],
            }
        ]

    def _contracts(self) -> list[Contract]:
        return [market.contract for market in self._exchange.markets.values()]
