/* Why a Lighter transaction is refused: the reference's name of each check and the official text.
 *
 * The texts are those of the official signer, word for word, its slips included. The one about
 * attribute types is followed by the number.
 */
#ifndef LTX_ERRORS_H
#define LTX_ERRORS_H

/* clang-format off */
#define LTX_ERRORS(X) \
    X(ErrAccountIndexTooHigh, "AccountIndex should not be larger than 281474976710654") \
    X(ErrAccountIndexTooLow, "AccountIndex should not be less than -1") \
    X(ErrApiKeyIndexTooHigh, "ApiKeyIndex should not be larger than 254") \
    X(ErrApiKeyIndexTooLow, "ApiKeyIndex should not be less than 0") \
    X(ErrApprovalExpiryInvalid, "ApprovalExpiry is invalid") \
    X(ErrApprovalExpiryZeroOnRevocation, \
      "ApprovalExpiry should be zero when revoking integrator approval") \
    X(ErrAssetIndexTooHigh, "AssetIndex should not be larger than 62") \
    X(ErrAssetIndexTooLow, "AssetIndex should not be less than 1") \
    X(ErrBaseAmountNotNil, "BaseAmount should be nil") \
    X(ErrBaseAmountTooHigh, "BaseAmount should not be larger than 281474976710655") \
    X(ErrBaseAmountTooLow, "BaseAmount should not be less than 1") \
    X(ErrBaseAmountsNotEqual, "BaseAmounts should be equal") \
    X(ErrCancelAllMarketIndexCantBeScheduled, \
      "Cancel all for market index can't be scheduled, TimeInforce must be " \
      "ImmediateCancelAll") \
    X(ErrCancelAllMarketIndexInvalidRange, \
      "Cancel all for market index attribute is in invalid range") \
    X(ErrCancelAllTimeIsNotInRange, \
      "CancelAllTime should be larger than 0 and not larger than 9223372036854775807") \
    X(ErrCancelAllTimeisNotNill, "CancelAllTime should be nil") \
    X(ErrClientOrderIndexDuplicate, "ClientOrderIndex should be unique within the group") \
    X(ErrClientOrderIndexTooHigh, "ClientOrderIndex should not be larger than 281474976710655") \
    X(ErrClientOrderIndexTooLow, "ClientOrderIndex should not be less than 1") \
    X(ErrExpiredAtInvalid, "ExpiredAt is invalid") \
    X(ErrFeeTooHigh, "MarketFee should not be larger than 1000000") \
    X(ErrFromAccountIndexTooHigh, "FromAccountIndex should not be larger than 281474976710654") \
    X(ErrFromAccountIndexTooLow, "FromAccountIndex should not be less than -1") \
    X(ErrGroupingTypeInvalid, "GroupingType is not valid") \
    X(ErrInitialMarginFractionTooHigh, "InitialMarginFraction should not be larger than 10000") \
    X(ErrInitialMarginFractionTooLow, "InitialMarginFraction should not be less than 0") \
    X(ErrIntegratorAccountIndexInvalidRange, "IntegratorAccountIndex is in invalid range") \
    X(ErrIntegratorAccountIndexRequiredForNonZeroFees, \
      "IntegratorAccountIndex should be non-zero when integrator taker fee or maker fee is " \
      "non-zero") \
    X(ErrIntegratorAccountIndexTooHigh, \
      "IntegratorAccountIndex should not be larger than 281474976710654") \
    X(ErrIntegratorAccountIndexTooLow, "IntegratorAccountIndex should not be less than -1") \
    X(ErrIntegratorFeeInvalidRange, "Integrator fees are in invalid range") \
    X(ErrInvalidAccountTradingMode, "AccountTradingMode is invalid") \
    X(ErrInvalidAttributeType, "Attribute type is invalid: ") \
    X(ErrInvalidCancelAllTimeInForce, "CancelAllTimeInForce is invalid") \
    X(ErrInvalidMarginMode, "MarginMode is not valid") \
    X(ErrInvalidMarketIndex, "MarketIndex is not valid") \
    X(ErrInvalidPoolOperatorFee, \
      "PoolOperatorFee should be larger than 0 and not larger than 1000000") \
    X(ErrInvalidPoolStatus, "PoolStatus should be either 0 or 1") \
    X(ErrInvalidUpdateMarginDirection, "Margin movement direction is not valid") \
    X(ErrIsAskInvalid, "IsAsk should be 0 or 1") \
    X(ErrMarketIndexMismatch, "MarketIndex should match the market index of the order") \
    X(ErrNonceSkipAttributeInvalid, "Nonce skip attribute is invalid") \
    X(ErrNonceTooLow, "AccountNonce should not be less than 0") \
    X(ErrOrderExpiryInvalid, "OrderExpiry is invalid") \
    X(ErrOrderGroupSizeInvalid, "OrderGroupSize is not valid") \
    X(ErrOrderIndexTooHigh, "OrderIndex should not be larger than 1152921504606846975") \
    X(ErrOrderIndexTooLow, "OrderIndex should not be less than 281474976710656") \
    X(ErrOrderOrderVersionInvalidRange, "OrderOrderVersion is in invalid range") \
    X(ErrOrderReduceOnlyInvalid, "ReduceOnly is invalid") \
    X(ErrOrderTimeInForceInvalid, "OrderTimeInForce is not valid") \
    X(ErrOrderTriggerPriceInvalid, "TriggerPrice is invalid") \
    X(ErrOrderTypeInvalid, "OrderType is not valid") \
    X(ErrPoolBurnShareAmountTooHigh, \
      "PoolBurnShareAmount should not be larger than 1152921504606846975") \
    X(ErrPoolBurnShareAmountTooLow, "PoolBurnShareAmount should be larger than 1") \
    X(ErrPoolInitialTotalSharesTooHigh, \
      "PoolInitialTotalShares should not be larger than 1000000000000") \
    X(ErrPoolInitialTotalSharesTooLow, "PoolInitialTotalShares should be larger than 1000000") \
    X(ErrPoolMinOperatorShareRateTooHigh, \
      "PoolMinOperatorShareRate should not be larger than 10000") \
    X(ErrPoolMintShareAmountTooHigh, \
      "PoolMintShareAmount should not be larger than 1152921504606846975") \
    X(ErrPoolMintShareAmountTooLow, "PoolMintShareAmount should be larger than 1") \
    X(ErrPoolStakeAssetsAmountTooHigh, \
      "StakeAssetsAmount should not be larger than 1152921504606846975") \
    X(ErrPoolStakeAssetsAmountTooLow, "StakeAssetsAmount should be larger than 1") \
    X(ErrPoolUnstakeAssetsAmountTooHigh, \
      "UnstakeAssetsAmount should not be larger than 1152921504606846975") \
    X(ErrPoolUnstakeAssetsAmountTooLow, "UnstakeAssetsAmount should be larger than 1") \
    X(ErrPriceTooHigh, "OrderPrice should not be larger than 4294967295") \
    X(ErrPriceTooLow, "OrderPrice should not be less than 1") \
    X(ErrPubKeyInvalid, "PubKey is invalid") \
    X(ErrPublicPoolIndexTooHigh, "PublicPoolIndex should not be larger than 281474976710654") \
    X(ErrPublicPoolIndexTooLow, "PublicPoolIndex should not be less than -1") \
    X(ErrReduceModeNotAllowedWithMasterAccountIndexEqualityMode, \
      "Reduce self-trade behavior mode isn't allowed with master account index equality " \
      "mode") \
    X(ErrRouteTypeInvalid, "RouteType is invalid") \
    X(ErrSelfTradeBehaviorModeInvalidRange, "SelfTradeBehaviorMode is in invalid range") \
    X(ErrSelfTradeEqualityModeInvalidRange, "SelfTradeEqualityMode is in invalid range") \
    X(ErrSelfTradeSpecificationNotAllowedWithNonZeroFees, \
      "Self-trade specification isn't allowed with integrator fees") \
    X(ErrStakingPoolIndexTooHigh, "StakingPoolIndex should not be larger than 281474976710654") \
    X(ErrStakingPoolIndexTooLow, "StakingPoolIndex should not be less than 140737488355328") \
    X(ErrToAccountIndexTooHigh, "ToAccountIndex should not be larger than 281474976710654") \
    X(ErrToAccountIndexTooLow, "ToAccountIndex should not be less than -1") \
    X(ErrTooManyAttributes, "Too many attributes, should not be larger than 4") \
    X(ErrTransferAmountTooHigh, "TransferAmount should not be larger than 1152921504606846975") \
    X(ErrTransferAmountTooLow, "TransferAmount should be larger than 1") \
    X(ErrTransferFeeNegative, "TransferFee should not be negative") \
    X(ErrTransferFeeTooHigh, "TransferFee should not be larger than 1152921504606846975") \
    X(ErrWithdrawalAmountTooHigh, \
      "WithdrawalAmount should not be larger than 1152921504606846975") \
    X(ErrWithdrawalAmountTooLow, "WithdrawalAmount should be larger than 1")
/* clang-format on */

typedef enum {
    LTX_OK,
#define LTX_ENUM(code, text) LTX_##code,
    LTX_ERRORS(LTX_ENUM)
#undef LTX_ENUM
        LTX_ERROR_COUNT
} ltx_error;

static const char *const LTX_CODES[LTX_ERROR_COUNT] = {
    "",
#define LTX_CODE(code, text) #code,
    LTX_ERRORS(LTX_CODE)
#undef LTX_CODE
};

static const char *const LTX_TEXTS[LTX_ERROR_COUNT] = {
    "",
#define LTX_TEXT(code, text) text,
    LTX_ERRORS(LTX_TEXT)
#undef LTX_TEXT
};

#endif
