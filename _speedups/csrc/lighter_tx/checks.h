/* The checks of the official signer, in its order: the first that fails is reported.
 *
 * Three things differ from one another although they look alike: accounts are named AccountIndex or
 * FromAccountIndex in the text depending on the type, not on the field's name; cancel-all and
 * change-pub-key look at Nonce and ExpiredAt before their body; and some texts quote a limit that is
 * not the one applied. All of it is what the official signer does.
 */
#ifndef LTX_CHECKS_H
#define LTX_CHECKS_H

#include "errors.h"
#include "types.h"

#define LTX_MAX_32 INT64_C(4294967295)
#define LTX_MAX_48 INT64_C(281474976710655)
#define LTX_MAX_60 INT64_C(1152921504606846975)
#define LTX_MAX_ACCOUNT (LTX_MAX_48 - 1)
#define LTX_MIN_POOL (INT64_C(1) << 47)
#define LTX_MAX_MASTER (LTX_MIN_POOL - 1)
#define LTX_MAX_FEE INT64_C(1000000)
#define LTX_MAX_RATE INT64_C(10000)

/* Leave the function with the error unless the condition holds. */
#define LTX_REQUIRE(condition, code) \
    do { \
        if (!(condition)) \
            return LTX_##code; \
    } while (0)

/* Pass an error of another function on. */
#define LTX_CHECK(call) \
    do { \
        ltx_error error_ = (call); \
        if (error_ != LTX_OK) \
            return error_; \
    } while (0)

#define LTX_IN_RANGE(value, low, high, too_low, too_high) \
    do { \
        LTX_REQUIRE((value) >= (low), too_low); \
        LTX_REQUIRE((value) <= (high), too_high); \
    } while (0)

static inline int ltx_is_bit(int64_t value) { return value == 0 || value == 1; }

static inline ltx_error ltx_check_attributes(const ltx_tx *t) {
    const int64_t *a = t->attributes;
    int fees = a[2] != 0 || a[3] != 0;
    LTX_REQUIRE(t->attribute_count <= LTX_ATTRIBUTES_MAX, ErrTooManyAttributes);
    LTX_REQUIRE(!t->unknown_attribute, ErrInvalidAttributeType);
    LTX_REQUIRE(a[1] >= 0 && a[1] <= LTX_MAX_ACCOUNT, ErrIntegratorAccountIndexInvalidRange);
    LTX_REQUIRE(a[2] >= 0 && a[2] <= LTX_MAX_FEE, ErrIntegratorFeeInvalidRange);
    LTX_REQUIRE(a[3] >= 0 && a[3] <= LTX_MAX_FEE, ErrIntegratorFeeInvalidRange);
    LTX_REQUIRE(a[4] == 1 || !(t->attributes_given >> 4 & 1), ErrNonceSkipAttributeInvalid);
    LTX_REQUIRE(a[5] >= 0 && a[5] <= LTX_MAX_48, ErrCancelAllMarketIndexInvalidRange);
    LTX_REQUIRE(a[6] >= 0 && a[6] <= 3, ErrSelfTradeBehaviorModeInvalidRange);
    LTX_REQUIRE(ltx_is_bit(a[7]), ErrSelfTradeEqualityModeInvalidRange);
    LTX_REQUIRE(a[8] >= 0 && a[8] <= LTX_MAX_48, ErrOrderOrderVersionInvalidRange);
    LTX_REQUIRE(!fees || a[1] != 0, ErrIntegratorAccountIndexRequiredForNonZeroFees);
    LTX_REQUIRE(!fees || (a[6] == 0 && a[7] == 0),
                ErrSelfTradeSpecificationNotAllowedWithNonZeroFees);
    LTX_REQUIRE(a[6] != 3 || a[7] != 1, ErrReduceModeNotAllowedWithMasterAccountIndexEqualityMode);
    return LTX_OK;
}

static inline ltx_error ltx_check_account(const ltx_tx *t) {
    int64_t highest = LTX_MAX_ACCOUNT;
    switch (t->type) {
    case LTX_CREATE_ORDER:
    case LTX_CANCEL_ORDER:
    case LTX_CANCEL_ALL_ORDERS:
    case LTX_MODIFY_ORDER:
    case LTX_CREATE_GROUPED_ORDERS:
    case LTX_APPROVE_INTEGRATOR:
        LTX_IN_RANGE(t->account, -1, highest, ErrAccountIndexTooLow, ErrAccountIndexTooHigh);
        return LTX_OK;
    case LTX_CREATE_SUB_ACCOUNT:
    case LTX_CREATE_PUBLIC_POOL:
        highest = LTX_MAX_MASTER; /* and the text quotes the other limit */
        break;
    default:
        break;
    }
    LTX_IN_RANGE(t->account, -1, highest, ErrFromAccountIndexTooLow, ErrFromAccountIndexTooHigh);
    return LTX_OK;
}

static inline ltx_error ltx_check_nonce_and_expiry(const ltx_tx *t) {
    LTX_REQUIRE(t->nonce >= 0 && !(t->wide & LTX_WIDE_NONCE), ErrNonceTooLow);
    LTX_REQUIRE(t->expired_at >= 0 && t->expired_at <= LTX_MAX_48, ErrExpiredAtInvalid);
    return LTX_OK;
}

static inline ltx_error ltx_check_market(int64_t market) {
    LTX_REQUIRE(market >= 0 && market <= LTX_MAX_48 && market != 255, ErrInvalidMarketIndex);
    return LTX_OK;
}

static inline ltx_error ltx_check_asset(int64_t asset) {
    LTX_IN_RANGE(asset, 1, 62, ErrAssetIndexTooLow, ErrAssetIndexTooHigh);
    return LTX_OK;
}

static inline ltx_error ltx_check_public_pool(int64_t pool, int64_t lowest) {
    LTX_IN_RANGE(pool, lowest, LTX_MAX_ACCOUNT, ErrPublicPoolIndexTooLow,
                 ErrPublicPoolIndexTooHigh);
    return LTX_OK;
}

static inline ltx_error ltx_check_price(int64_t price) {
    LTX_IN_RANGE(price, 1, LTX_MAX_32, ErrPriceTooLow, ErrPriceTooHigh);
    return LTX_OK;
}

static inline ltx_error ltx_check_client_order(int64_t index) {
    if (index != 0)
        LTX_IN_RANGE(index, 1, LTX_MAX_48, ErrClientOrderIndexTooLow, ErrClientOrderIndexTooHigh);
    return LTX_OK;
}

/* The numbers of an order after its market and client order index; `expiry_is_wide` is its mark. */
static inline ltx_error ltx_check_order_numbers(const int64_t *o, int expiry_is_wide) {
    if (o[LTX_BASE_AMOUNT] != 0 || o[LTX_REDUCE_ONLY] != 1)
        LTX_IN_RANGE(o[LTX_BASE_AMOUNT], 1, LTX_MAX_48, ErrBaseAmountTooLow, ErrBaseAmountTooHigh);
    LTX_CHECK(ltx_check_price(o[LTX_PRICE]));
    LTX_REQUIRE(ltx_is_bit(o[LTX_IS_ASK]), ErrIsAskInvalid);
    LTX_REQUIRE(o[LTX_TIME_IN_FORCE] >= 0 && o[LTX_TIME_IN_FORCE] <= 2, ErrOrderTimeInForceInvalid);
    LTX_REQUIRE(ltx_is_bit(o[LTX_REDUCE_ONLY]), ErrOrderReduceOnlyInvalid);
    LTX_REQUIRE(o[LTX_ORDER_EXPIRY] >= 0 && !expiry_is_wide, ErrOrderExpiryInvalid);
    return LTX_OK;
}

enum {
    LTX_LIMIT,
    LTX_MARKET_ORDER,
    LTX_STOP_LOSS,
    LTX_STOP_LOSS_LIMIT,
    LTX_TAKE_PROFIT,
    LTX_TAKE_PROFIT_LIMIT,
    LTX_TWAP
};
enum { LTX_IOC, LTX_GTT, LTX_POST_ONLY };

/* Sets of order types, a bit for each. */
#define LTX_PARENT_TYPES (1u << LTX_LIMIT | 1u << LTX_MARKET_ORDER)
#define LTX_STOP_TYPES (1u << LTX_STOP_LOSS | 1u << LTX_STOP_LOSS_LIMIT)
#define LTX_PROFIT_TYPES (1u << LTX_TAKE_PROFIT | 1u << LTX_TAKE_PROFIT_LIMIT)
#define LTX_CHILD_TYPES (LTX_STOP_TYPES | LTX_PROFIT_TYPES)
#define LTX_ALL_TYPES (LTX_PARENT_TYPES | LTX_CHILD_TYPES | 1u << LTX_TWAP)

static inline int ltx_type_in(int64_t type, unsigned types) {
    return type >= 0 && type <= LTX_TWAP && (types >> type & 1);
}

/* What the type of an order says about its time in force, trigger and expiry. */
static inline ltx_error ltx_check_order_type(const int64_t *o, unsigned types) {
    int64_t type = o[LTX_ORDER_TYPE], tif = o[LTX_TIME_IN_FORCE];
    int64_t trigger = o[LTX_TRIGGER_PRICE], expiry = o[LTX_ORDER_EXPIRY];
    LTX_REQUIRE(ltx_type_in(type, types), ErrOrderTypeInvalid);
    switch (type) {
    case LTX_MARKET_ORDER:
        LTX_REQUIRE(tif == LTX_IOC, ErrOrderTimeInForceInvalid);
        LTX_REQUIRE(expiry == 0, ErrOrderExpiryInvalid);
        LTX_REQUIRE(trigger == 0, ErrOrderTriggerPriceInvalid);
        return LTX_OK;
    case LTX_LIMIT:
        LTX_REQUIRE(trigger == 0, ErrOrderTriggerPriceInvalid);
        LTX_REQUIRE((expiry == 0) == (tif == LTX_IOC), ErrOrderExpiryInvalid);
        return LTX_OK;
    case LTX_TWAP:
        LTX_REQUIRE(tif == LTX_GTT, ErrOrderTimeInForceInvalid);
        LTX_REQUIRE(trigger == 0, ErrOrderTriggerPriceInvalid);
        break;
    default:
        if (type == LTX_STOP_LOSS || type == LTX_TAKE_PROFIT)
            LTX_REQUIRE(tif == LTX_IOC, ErrOrderTimeInForceInvalid);
        LTX_REQUIRE(trigger >= 1 && trigger <= LTX_MAX_32, ErrOrderTriggerPriceInvalid);
        break;
    }
    LTX_REQUIRE(expiry != 0, ErrOrderExpiryInvalid);
    return LTX_OK;
}

static inline ltx_error ltx_check_group_members(const ltx_tx *t) {
    size_t i, j;
    LTX_REQUIRE(t->order_count >= 1 && t->order_count <= LTX_ORDERS_MAX, ErrOrderGroupSizeInvalid);
    LTX_CHECK(ltx_check_market(t->orders[0][LTX_MARKET]));
    for (i = 0; i < t->order_count; i++) {
        const int64_t *o = t->orders[i];
        LTX_REQUIRE(o[LTX_MARKET] == t->orders[0][LTX_MARKET], ErrMarketIndexMismatch);
        LTX_CHECK(ltx_check_client_order(o[LTX_CLIENT_ORDER]));
        for (j = 0; j < i && o[LTX_CLIENT_ORDER] != 0; j++)
            LTX_REQUIRE(o[LTX_CLIENT_ORDER] != t->orders[j][LTX_CLIENT_ORDER],
                        ErrClientOrderIndexDuplicate);
        LTX_CHECK(
            ltx_check_order_numbers(o, (t->wide & LTX_WIDE_ORDER(i, LTX_ORDER_EXPIRY)) != 0));
    }
    return LTX_OK;
}

/* Two children, one a stop and one a take-profit. */
static inline ltx_error ltx_check_pair(const int64_t *a, const int64_t *b) {
    LTX_CHECK(ltx_check_order_type(a, LTX_CHILD_TYPES));
    LTX_CHECK(ltx_check_order_type(b, LTX_CHILD_TYPES));
    LTX_REQUIRE(ltx_type_in(a[LTX_ORDER_TYPE], LTX_STOP_TYPES) !=
                    ltx_type_in(b[LTX_ORDER_TYPE], LTX_STOP_TYPES),
                ErrOrderTypeInvalid);
    return LTX_OK;
}

/* The children of a parent: amount left open, other side, one expiry. */
static inline ltx_error ltx_check_children(const int64_t *parent, const int64_t (*child)[10],
                                           size_t count) {
    size_t i;
    int64_t expiry = child[0][LTX_ORDER_EXPIRY];
    for (i = 0; i < count; i++)
        LTX_REQUIRE(child[i][LTX_BASE_AMOUNT] == 0, ErrBaseAmountNotNil);
    for (i = 0; i < count; i++)
        LTX_REQUIRE(child[i][LTX_IS_ASK] != parent[LTX_IS_ASK], ErrIsAskInvalid);
    for (i = 1; i < count; i++)
        LTX_REQUIRE(child[i][LTX_ORDER_EXPIRY] == expiry, ErrOrderExpiryInvalid);
    LTX_REQUIRE(parent[LTX_ORDER_EXPIRY] == 0 || parent[LTX_ORDER_EXPIRY] == expiry,
                ErrOrderExpiryInvalid);
    return ltx_check_order_type(parent, LTX_PARENT_TYPES);
}

static inline ltx_error ltx_check_group(const ltx_tx *t) {
    const int64_t(*o)[10] = t->orders;
    int64_t grouping = t->body[0];
    LTX_REQUIRE(grouping >= 1 && grouping <= 3, ErrGroupingTypeInvalid);
    LTX_REQUIRE(t->order_count == (grouping == 3 ? 3u : 2u), ErrOrderGroupSizeInvalid);
    if (grouping == 1) { /* one triggers the other */
        LTX_CHECK(ltx_check_children(o[0], o + 1, 1));
        return ltx_check_order_type(o[1], LTX_CHILD_TYPES);
    }
    if (grouping == 3) { /* one triggers a pair */
        LTX_CHECK(ltx_check_children(o[0], o + 1, 2));
        return ltx_check_pair(o[1], o[2]);
    }
    LTX_REQUIRE(o[0][LTX_BASE_AMOUNT] == o[1][LTX_BASE_AMOUNT], ErrBaseAmountsNotEqual);
    LTX_REQUIRE(o[0][LTX_IS_ASK] == o[1][LTX_IS_ASK], ErrIsAskInvalid);
    LTX_REQUIRE(o[0][LTX_REDUCE_ONLY] == 1 && o[1][LTX_REDUCE_ONLY] == 1,
                ErrOrderReduceOnlyInvalid);
    LTX_REQUIRE(o[0][LTX_ORDER_EXPIRY] == o[1][LTX_ORDER_EXPIRY], ErrOrderExpiryInvalid);
    return ltx_check_pair(o[0], o[1]);
}

static inline ltx_error ltx_check_cancel_all(const ltx_tx *t) {
    int64_t tif = t->body[0], time = t->body[1];
    LTX_REQUIRE(tif == 0 || t->attributes[5] == ltx_nil(5), ErrCancelAllMarketIndexCantBeScheduled);
    LTX_REQUIRE(tif >= 0 && tif <= 2, ErrInvalidCancelAllTimeInForce);
    if (tif == 1)
        LTX_REQUIRE(time >= 1 && !(t->wide & LTX_WIDE_BODY(1)), ErrCancelAllTimeIsNotInRange);
    else
        LTX_REQUIRE(time == 0, ErrCancelAllTimeisNotNill);
    return LTX_OK;
}

/* The body of any type but those three, in the order the official signer looks at it. */
static inline ltx_error ltx_check_body(const ltx_tx *t) {
    const int64_t *b = t->body;
    int i;
    switch (t->type) {
    case LTX_CREATE_PUBLIC_POOL:
        LTX_REQUIRE(b[0] >= 0 && b[0] <= LTX_MAX_FEE, ErrInvalidPoolOperatorFee);
        LTX_IN_RANGE(b[1], 1, INT64_C(1000000000000), ErrPoolInitialTotalSharesTooLow,
                     ErrPoolInitialTotalSharesTooHigh);
        LTX_REQUIRE(b[2] >= 0 && b[2] <= LTX_MAX_RATE, ErrPoolMinOperatorShareRateTooHigh);
        break;
    case LTX_UPDATE_PUBLIC_POOL:
        LTX_CHECK(ltx_check_public_pool(b[0], -1));
        LTX_REQUIRE(ltx_is_bit(b[1]), ErrInvalidPoolStatus);
        LTX_REQUIRE(b[2] >= 0 && b[2] <= LTX_MAX_FEE, ErrInvalidPoolOperatorFee);
        LTX_REQUIRE(b[3] >= 0 && b[3] <= LTX_MAX_RATE, ErrPoolMinOperatorShareRateTooHigh);
        break;
    case LTX_TRANSFER:
        LTX_IN_RANGE(b[0], -1, LTX_MAX_ACCOUNT, ErrToAccountIndexTooLow, ErrToAccountIndexTooHigh);
        LTX_CHECK(ltx_check_asset(b[1]));
        LTX_REQUIRE(ltx_is_bit(b[2]) && ltx_is_bit(b[3]), ErrRouteTypeInvalid);
        LTX_IN_RANGE(b[4], 1, LTX_MAX_60, ErrTransferAmountTooLow, ErrTransferAmountTooHigh);
        LTX_IN_RANGE(b[5], 0, LTX_MAX_60, ErrTransferFeeNegative, ErrTransferFeeTooHigh);
        break;
    case LTX_WITHDRAW:
        LTX_CHECK(ltx_check_asset(b[0]));
        LTX_REQUIRE(ltx_is_bit(b[1]), ErrRouteTypeInvalid);
        LTX_REQUIRE(b[2] >= 0, ErrWithdrawalAmountTooHigh); /* unsigned: -1 is 2^64 - 1 there */
        LTX_IN_RANGE(b[2], 1, LTX_MAX_60, ErrWithdrawalAmountTooLow, ErrWithdrawalAmountTooHigh);
        break;
    case LTX_CREATE_ORDER:
        LTX_CHECK(ltx_check_market(b[LTX_MARKET]));
        LTX_CHECK(ltx_check_client_order(b[LTX_CLIENT_ORDER]));
        LTX_CHECK(ltx_check_order_numbers(b, (t->wide & LTX_WIDE_BODY(LTX_ORDER_EXPIRY)) != 0));
        LTX_CHECK(ltx_check_order_type(b, LTX_ALL_TYPES));
        break;
    case LTX_CANCEL_ORDER:
        LTX_CHECK(ltx_check_market(b[0]));
        LTX_IN_RANGE(b[1], 1, LTX_MAX_60, ErrOrderIndexTooLow, ErrOrderIndexTooHigh);
        break;
    case LTX_MODIFY_ORDER:
        LTX_CHECK(ltx_check_market(b[0]));
        LTX_IN_RANGE(b[1], 1, LTX_MAX_60, ErrClientOrderIndexTooLow, ErrClientOrderIndexTooHigh);
        LTX_IN_RANGE(b[2], 0, LTX_MAX_48, ErrBaseAmountTooLow, ErrBaseAmountTooHigh);
        LTX_CHECK(ltx_check_price(b[3]));
        LTX_REQUIRE(b[4] >= 0 && b[4] <= LTX_MAX_32, ErrOrderTriggerPriceInvalid);
        break;
    case LTX_MINT_SHARES:
        LTX_CHECK(ltx_check_public_pool(b[0], LTX_MIN_POOL));
        LTX_IN_RANGE(b[1], 1, LTX_MAX_60, ErrPoolMintShareAmountTooLow,
                     ErrPoolMintShareAmountTooHigh);
        break;
    case LTX_BURN_SHARES:
        LTX_CHECK(ltx_check_public_pool(b[0], LTX_MIN_POOL));
        LTX_IN_RANGE(b[1], 1, LTX_MAX_60, ErrPoolBurnShareAmountTooLow,
                     ErrPoolBurnShareAmountTooHigh);
        break;
    case LTX_UPDATE_LEVERAGE:
        LTX_CHECK(ltx_check_market(b[0]));
        LTX_REQUIRE(ltx_is_bit(b[2]), ErrInvalidMarginMode);
        LTX_IN_RANGE(b[1], 1, LTX_MAX_RATE, ErrInitialMarginFractionTooLow,
                     ErrInitialMarginFractionTooHigh);
        break;
    case LTX_UPDATE_MARGIN:
        LTX_CHECK(ltx_check_market(b[0]));
        /* Negative amounts pass, as they do officially; beyond int64 nothing does. */
        LTX_REQUIRE(b[1] != 0, ErrTransferAmountTooLow);
        LTX_REQUIRE(b[1] <= LTX_MAX_60, ErrTransferAmountTooHigh);
        LTX_REQUIRE(!(t->wide & LTX_WIDE_BODY(1)), ErrTransferAmountTooLow);
        LTX_REQUIRE(ltx_is_bit(b[2]), ErrInvalidUpdateMarginDirection);
        break;
    case LTX_STAKE_ASSETS:
        LTX_IN_RANGE(b[0], LTX_MIN_POOL, LTX_MAX_ACCOUNT, ErrStakingPoolIndexTooLow,
                     ErrStakingPoolIndexTooHigh);
        LTX_IN_RANGE(b[1], 1, LTX_MAX_60, ErrPoolStakeAssetsAmountTooLow,
                     ErrPoolStakeAssetsAmountTooHigh);
        break;
    case LTX_UNSTAKE_ASSETS:
        LTX_CHECK(ltx_check_public_pool(b[0], LTX_MIN_POOL));
        LTX_IN_RANGE(b[1], 1, LTX_MAX_60, ErrPoolUnstakeAssetsAmountTooLow,
                     ErrPoolUnstakeAssetsAmountTooHigh);
        break;
    case LTX_UPDATE_ACCOUNT_CONFIG:
        LTX_REQUIRE(ltx_is_bit(b[0]), ErrInvalidAccountTradingMode);
        break;
    case LTX_UPDATE_ACCOUNT_ASSET_CONFIG:
        LTX_CHECK(ltx_check_asset(b[0]));
        LTX_REQUIRE(ltx_is_bit(b[1]), ErrInvalidMarginMode);
        break;
    case LTX_APPROVE_INTEGRATOR:
        LTX_IN_RANGE(b[0], -1, LTX_MAX_ACCOUNT, ErrIntegratorAccountIndexTooLow,
                     ErrIntegratorAccountIndexTooHigh);
        for (i = 1; i <= 4; i++)
            LTX_REQUIRE(b[i] >= 0 && b[i] <= LTX_MAX_FEE, ErrFeeTooHigh);
        LTX_REQUIRE(b[5] != 0 || (b[1] == 0 && b[2] == 0 && b[3] == 0 && b[4] == 0),
                    ErrApprovalExpiryZeroOnRevocation);
        LTX_REQUIRE(b[5] >= 0 && b[5] <= LTX_MAX_48, ErrApprovalExpiryInvalid);
        break;
    default: /* create sub account has no body */
        break;
    }
    return LTX_OK;
}

/* The first check that fails, or LTX_OK. */
static inline ltx_error ltx_check(const ltx_tx *t) {
    LTX_CHECK(ltx_check_attributes(t));
    LTX_CHECK(ltx_check_account(t));
    LTX_IN_RANGE(t->api_key, 0, t->type == LTX_CANCEL_ALL_ORDERS ? 255 : 254, ErrApiKeyIndexTooLow,
                 ErrApiKeyIndexTooHigh);
    switch (t->type) {
    case LTX_CHANGE_PUB_KEY:
        LTX_CHECK(ltx_check_nonce_and_expiry(t));
        LTX_REQUIRE(!t->public_key_is_bad, ErrPubKeyInvalid);
        return LTX_OK;
    case LTX_CANCEL_ALL_ORDERS:
        LTX_CHECK(ltx_check_nonce_and_expiry(t));
        return ltx_check_cancel_all(t);
    case LTX_CREATE_GROUPED_ORDERS:
        LTX_CHECK(ltx_check_group_members(t));
        LTX_CHECK(ltx_check_nonce_and_expiry(t));
        return ltx_check_group(t);
    default:
        LTX_CHECK(ltx_check_body(t));
        return ltx_check_nonce_and_expiry(t);
    }
}

/* An auth token names an account and a key that exist. */
static inline ltx_error ltx_check_token(int64_t account, int64_t api_key) {
    LTX_IN_RANGE(account, -1, LTX_MAX_ACCOUNT, ErrAccountIndexTooLow, ErrAccountIndexTooHigh);
    LTX_IN_RANGE(api_key, 0, 254, ErrApiKeyIndexTooLow, ErrApiKeyIndexTooHigh);
    return LTX_OK;
}

#undef LTX_REQUIRE
#undef LTX_CHECK
#undef LTX_IN_RANGE

#endif
