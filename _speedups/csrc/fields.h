/* Values that the frames of several venues have in common. No Python headers. */
#ifndef TW_FIELDS_H
#define TW_FIELDS_H

#include "scan.h"

/* The body of a string, still escaped where `escaped` is set. */
typedef struct {
    const uint8_t *text; /* NULL: not seen */
    ptrdiff_t length;
    int escaped;
} tw_span;

static inline const uint8_t *tw_span_value(const uint8_t *p, const uint8_t *end, tw_span *s,
                                           tw_err *err) {
    return tw_string(p, end, &s->text, &s->length, &s->escaped, err);
}

static inline const uint8_t *tw_null(const uint8_t *p, const uint8_t *end, tw_err *err) {
    return tw_word(p, end, "null", err);
}

/* Refuse a value of the wrong type; where it is no value at all, that is the error. */
static inline const uint8_t *tw_wrong_type(const uint8_t *p, const uint8_t *end, tw_err *err) {
    const uint8_t *after = p < end ? tw_skip(p, end, err) : tw_expected(p, end, err);
    return after ? tw_fail(err, TW_TYPE, p) : NULL;
}

/* A decimal; an empty text and null stand for "none". */
static inline const uint8_t *tw_optional_fixed(const uint8_t *p, const uint8_t *end, tw_fixed *x,
                                               tw_err *err) {
    x->mantissa = 0;
    x->exponent = -1;
    if (end - p >= 2 && p[0] == '"' && p[1] == '"')
        return p + 2;
    if (p < end && *p == 'n')
        return tw_null(p, end, err);
    return tw_fixed_value(p, end, x, err);
}

#endif
