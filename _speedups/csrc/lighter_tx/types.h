/* The 20 transaction types a user signs: their fields, and one transaction in memory.
 *
 * Every integer field is kept as an int64. A value that does not fit is kept as the nearest int64 and
 * marked in `wide`; only the fields that may hold any int64 have to look at the mark, because the
 * others refuse the nearest one as well.
 */
#ifndef LTX_TYPES_H
#define LTX_TYPES_H

#include <stddef.h>
#include <stdint.h>

enum {
    LTX_CHANGE_PUB_KEY = 8,
    LTX_CREATE_SUB_ACCOUNT = 9,
    LTX_CREATE_PUBLIC_POOL = 10,
    LTX_UPDATE_PUBLIC_POOL = 11,
    LTX_TRANSFER = 12,
    LTX_WITHDRAW = 13,
    LTX_CREATE_ORDER = 14,
    LTX_CANCEL_ORDER = 15,
    LTX_CANCEL_ALL_ORDERS = 16,
    LTX_MODIFY_ORDER = 17,
    LTX_MINT_SHARES = 18,
    LTX_BURN_SHARES = 19,
    LTX_UPDATE_LEVERAGE = 20,
    LTX_CREATE_GROUPED_ORDERS = 28,
    LTX_UPDATE_MARGIN = 29,
    LTX_STAKE_ASSETS = 35,
    LTX_UNSTAKE_ASSETS = 36,
    LTX_UPDATE_ACCOUNT_CONFIG = 41,
    LTX_UPDATE_ACCOUNT_ASSET_CONFIG = 42,
    LTX_APPROVE_INTEGRATOR = 45,
    LTX_TYPE_LIMIT = 46
};

enum {
    LTX_BODY_MAX = 10,
    LTX_ORDERS_MAX = 3,
    LTX_ATTRIBUTES_MAX = 4, /* entries of one transaction */
    LTX_ATTRIBUTE_KINDS = 9 /* kinds are 1 to 8 */
};

/* Which bit of `wide` belongs to what. */
#define LTX_WIDE_BODY(i) (UINT64_C(1) << (i))
#define LTX_WIDE_ORDER(order, i) (UINT64_C(1) << (LTX_BODY_MAX * (1 + (order)) + (i)))
#define LTX_WIDE_NONCE (UINT64_C(1) << 63)

/* A field: its name, and the text in front of its value in tx_info. */
typedef struct {
    const char *name, *prefix;
    size_t prefix_size;
} ltx_field;

#define LTX_FIELD(name) \
    { #name, ",\"" #name "\":", sizeof(",\"" #name "\":") - 1 }

typedef struct {
    const char *name; /* NULL: there is no such type */
    ltx_field account;
    int body_count;
    ltx_field body[LTX_BODY_MAX]; /* the integer fields, in the order they are hashed and written */
    unsigned split;               /* bit i: body[i] is hashed as its lower 32 bits and the rest */
} ltx_type;

#define LTX_ACCOUNT LTX_FIELD(AccountIndex)
#define LTX_FROM_ACCOUNT LTX_FIELD(FromAccountIndex)

static const ltx_type LTX_TYPES[LTX_TYPE_LIMIT] = {
    [LTX_CHANGE_PUB_KEY] = {"change_pub_key", LTX_ACCOUNT, 0, {{0}}, 0},
    [LTX_CREATE_SUB_ACCOUNT] = {"create_sub_account", LTX_ACCOUNT, 0, {{0}}, 0},
    [LTX_CREATE_PUBLIC_POOL] = {"create_public_pool",
                                LTX_ACCOUNT,
                                3,
                                {LTX_FIELD(OperatorFee), LTX_FIELD(InitialTotalShares),
                                 LTX_FIELD(MinOperatorShareRate)},
                                0},
    [LTX_UPDATE_PUBLIC_POOL] = {"update_public_pool",
                                LTX_ACCOUNT,
                                4,
                                {LTX_FIELD(PublicPoolIndex), LTX_FIELD(Status),
                                 LTX_FIELD(OperatorFee), LTX_FIELD(MinOperatorShareRate)},
                                0},
    [LTX_TRANSFER] = {"transfer",
                      LTX_FROM_ACCOUNT,
                      6,
                      {LTX_FIELD(ToAccountIndex), LTX_FIELD(AssetIndex), LTX_FIELD(FromRouteType),
                       LTX_FIELD(ToRouteType), LTX_FIELD(Amount), LTX_FIELD(USDCFee)},
                      1 << 4 | 1 << 5},
    [LTX_WITHDRAW] = {"withdraw",
                      LTX_FROM_ACCOUNT,
                      3,
                      {LTX_FIELD(AssetIndex), LTX_FIELD(RouteType), LTX_FIELD(Amount)},
                      1 << 2},
    [LTX_CREATE_ORDER] = {"create_order",
                          LTX_ACCOUNT,
                          10,
                          {LTX_FIELD(MarketIndex), LTX_FIELD(ClientOrderIndex),
                           LTX_FIELD(BaseAmount), LTX_FIELD(Price), LTX_FIELD(IsAsk),
                           LTX_FIELD(Type), LTX_FIELD(TimeInForce), LTX_FIELD(ReduceOnly),
                           LTX_FIELD(TriggerPrice), LTX_FIELD(OrderExpiry)},
                          0},
    [LTX_CANCEL_ORDER] = {"cancel_order",
                          LTX_ACCOUNT,
                          2,
                          {LTX_FIELD(MarketIndex), LTX_FIELD(Index)},
                          0},
    [LTX_CANCEL_ALL_ORDERS] = {"cancel_all_orders",
                               LTX_ACCOUNT,
                               2,
                               {LTX_FIELD(TimeInForce), LTX_FIELD(Time)},
                               0},
    [LTX_MODIFY_ORDER] = {"modify_order",
                          LTX_ACCOUNT,
                          5,
                          {LTX_FIELD(MarketIndex), LTX_FIELD(Index), LTX_FIELD(BaseAmount),
                           LTX_FIELD(Price), LTX_FIELD(TriggerPrice)},
                          0},
    [LTX_MINT_SHARES] = {"mint_shares",
                         LTX_ACCOUNT,
                         2,
                         {LTX_FIELD(PublicPoolIndex), LTX_FIELD(ShareAmount)},
                         0},
    [LTX_BURN_SHARES] = {"burn_shares",
                         LTX_ACCOUNT,
                         2,
                         {LTX_FIELD(PublicPoolIndex), LTX_FIELD(ShareAmount)},
                         0},
    [LTX_UPDATE_LEVERAGE] = {"update_leverage",
                             LTX_ACCOUNT,
                             3,
                             {LTX_FIELD(MarketIndex), LTX_FIELD(InitialMarginFraction),
                              LTX_FIELD(MarginMode)},
                             0},
    [LTX_CREATE_GROUPED_ORDERS] = {"create_grouped_orders",
                                   LTX_ACCOUNT,
                                   1,
                                   {LTX_FIELD(GroupingType)},
                                   0},
    [LTX_UPDATE_MARGIN] = {"update_margin",
                           LTX_ACCOUNT,
                           3,
                           {LTX_FIELD(MarketIndex), LTX_FIELD(USDCAmount), LTX_FIELD(Direction)},
                           1 << 1},
    [LTX_STAKE_ASSETS] = {"stake_assets",
                          LTX_ACCOUNT,
                          2,
                          {LTX_FIELD(StakingPoolIndex), LTX_FIELD(ShareAmount)},
                          0},
    [LTX_UNSTAKE_ASSETS] = {"unstake_assets",
                            LTX_ACCOUNT,
                            2,
                            {LTX_FIELD(StakingPoolIndex), LTX_FIELD(ShareAmount)},
                            0},
    [LTX_UPDATE_ACCOUNT_CONFIG] = {"update_account_config",
                                   LTX_ACCOUNT,
                                   1,
                                   {LTX_FIELD(AccountTradingMode)},
                                   0},
    [LTX_UPDATE_ACCOUNT_ASSET_CONFIG] = {"update_account_asset_config",
                                         LTX_ACCOUNT,
                                         2,
                                         {LTX_FIELD(AssetIndex), LTX_FIELD(AssetMarginMode)},
                                         0},
    [LTX_APPROVE_INTEGRATOR] = {"approve_integrator",
                                LTX_ACCOUNT,
                                6,
                                {LTX_FIELD(IntegratorAccountIndex), LTX_FIELD(MaxPerpsTakerFee),
                                 LTX_FIELD(MaxPerpsMakerFee), LTX_FIELD(MaxSpotTakerFee),
                                 LTX_FIELD(MaxSpotMakerFee), LTX_FIELD(ApprovalExpiry)},
                                0},
};

/* Positions in the body of a create order, which are those of each order of a group. */
enum {
    LTX_MARKET,
    LTX_CLIENT_ORDER,
    LTX_BASE_AMOUNT,
    LTX_PRICE,
    LTX_IS_ASK,
    LTX_ORDER_TYPE,
    LTX_TIME_IN_FORCE,
    LTX_REDUCE_ONLY,
    LTX_TRIGGER_PRICE,
    LTX_ORDER_EXPIRY
};

typedef struct {
    int type; /* an index of LTX_TYPES with a name */
    int64_t account, api_key, expired_at, nonce;
    int64_t body[LTX_BODY_MAX];
    uint64_t wide;
    /* Attributes by kind; those that are absent have their nil value. */
    int64_t attributes[LTX_ATTRIBUTE_KINDS];
    unsigned attributes_given; /* bit k: kind k */
    size_t attribute_count; /* entries given, nil ones and those of unknown kind included */
    int unknown_attribute;  /* whether one had an unknown kind */
    size_t order_count;     /* as given; only the first LTX_ORDERS_MAX are here */
    int64_t orders[LTX_ORDERS_MAX][LTX_BODY_MAX];
    int public_key_is_bad; /* the text given was not 40 bytes */
    uint8_t public_key[40], memo[32];
    size_t l1_sig_size; /* 0 or 132 */
    char l1_sig[132];
} ltx_tx;

/* The value at which an attribute counts as absent. */
static inline int64_t ltx_nil(int kind) { return kind == 5 ? 255 : 0; }

/* Start a transaction of an existing type. The byte fields are left as they are. */
static inline void ltx_start(ltx_tx *t, int type) {
    int kind;
    t->type = type;
    t->wide = 0;
    t->attributes_given = 0;
    t->attribute_count = 0;
    t->unknown_attribute = 0;
    t->order_count = 0;
    t->public_key_is_bad = 0;
    t->l1_sig_size = 0;
    for (kind = 0; kind < LTX_ATTRIBUTE_KINDS; kind++)
        t->attributes[kind] = ltx_nil(kind);
}

static inline int ltx_type_exists(int64_t type) {
    return type >= 0 && type < LTX_TYPE_LIMIT && LTX_TYPES[type].name != NULL;
}

/* Whether the type carries an L1 signature, and where: 1 before ExpiredAt, 2 after Sig. */
static inline int ltx_l1_sig_place(int type) {
    return type == LTX_CHANGE_PUB_KEY ? 1 : type == LTX_TRANSFER || type == LTX_APPROVE_INTEGRATOR ? 2 : 0;
}

#endif
