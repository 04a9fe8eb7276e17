/* The parsers of IBKR's market data frames and values, and the short way through a frame that is
 * written like one before it, on the same bytes.
 *
 * Input: one byte for the parser, the rest is its value; of two frames, with a zero byte between. */
#include "frames.h"
#include "ibkr.h"

static tw_symbols symbols;

static void mix_value(const tw_ib_value *v) {
    mix(&digest, v->kind);
    if (v->kind == IB_NUMBER) {
        FUZZ_CHECK(v->number.exponent >= -1 && v->number.exponent <= 18, "decimals");
        mix(&digest, v->number.mantissa), mix(&digest, v->number.exponent);
        mix(&digest, v->mark), mix(&digest, v->approximate), mix(&digest, v->percent);
    } else if (v->kind == IB_FLOAT) {
        FUZZ_CHECK(v->text.text >= base && v->text.length > 0, "the text is inside");
        mix(&digest, v->text.length);
    }
}

/* The same number, one of which may have zeros at its end that the other has not. */
static int same_value(tw_ib_value a, tw_ib_value b) {
    if (a.kind != b.kind || a.kind == IB_EMPTY || a.kind == IB_TEXT)
        return a.kind == b.kind;
    if (a.kind == IB_FLOAT)
        return a.text.length == b.text.length;
    return a.number.mantissa == b.number.mantissa && a.number.exponent == b.number.exponent &&
           a.mark == b.mark && a.approximate == b.approximate && a.percent == b.percent;
}

static int is_plain(const tw_ib_value *v) {
    return v->kind == IB_NUMBER && v->number.mantissa >= 0 && v->number.exponent >= 0 && !v->mark &&
           !v->approximate && !v->percent;
}

/* Values without the zeros at the end that only one of the two builds takes off. */
static void mix_stripped(tw_ib_value v) {
    if (v.kind == IB_NUMBER && v.number.exponent >= 0)
        while (v.number.exponent > 0 && v.number.mantissa % 10 == 0)
            v.number.mantissa /= 10, v.number.exponent--;
    mix_value(&v);
}

static int32_t line_of(const tw_span *topic) {
    return tw_symbol_find(&symbols, topic->text + 4, topic->length - 4);
}

/* The short way by what the frame before, of the line with that number, was like. */
static void shortly(const uint8_t *before, const uint8_t *before_end, int32_t line, const uint8_t *p,
                    const uint8_t *end, const tw_ib_frame *whole) {
    tw_ib_manner manner;
    tw_ib_frame f;
    memset(&manner, 0, sizeof manner);
    tw_ib_learn(&manner, before, before_end);
    tw_ib_quick(&manner, before, before_end, &f); /* so that its time is known */
    int32_t number = tw_ib_peek(&symbols, p, end);
    FUZZ_CHECK(number < symbols.count, "a line that is known");
    /* Which line it is only counts where all of the frame is sound. */
    if (!tw_ib_quick(&manner, p, end, &f))
        return;
    FUZZ_CHECK(whole, "the long way takes it too");
    FUZZ_CHECK(whole->seen == f.seen, "the same fields");
    FUZZ_CHECK(whole->updated == f.updated, "the same time");
    for (int i = 0; i < IB_VALUES; i++)
        if (f.seen >> i & 1) {
            FUZZ_CHECK(same_value(f.values[i], whole->values[i]), "the same value");
            FUZZ_CHECK(!(f.plain >> i & 1) || is_plain(&f.values[i]), "a number and no more");
        }
    FUZZ_CHECK(!(f.plain & ~f.seen), "of a field that is there");
    FUZZ_CHECK(f.availability.length == whole->availability.length &&
                   (!f.availability.length || memcmp(f.availability.text, whole->availability.text,
                                                     (size_t)f.availability.length) == 0),
               "the same letters");
    FUZZ_CHECK(whole->topic.text, "a frame with a topic");
    if (number >= 0 && number == line)
        FUZZ_CHECK(line_of(&whole->topic) == number, "it is of the same line");
}

static const uint8_t *frame(const uint8_t *p, const uint8_t *end, tw_err *err) {
    const uint8_t *second = memchr(p, 0, (size_t)(end - p)), *stop = second ? second : end;
    tw_ib_frame first, f;
    tw_err rest = {0, NULL, 0};
    const uint8_t *after = tw_ib_frame_data(p, stop, &first, err);
    if (!after)
        return NULL;
    mix(&digest, first.seen), mix(&digest, tw_ib_ms(first.updated));
    for (unsigned i = 0; i < IB_VALUES; i++)
        if (first.seen >> i & 1)
            mix_stripped(first.values[i]), mix(&digest, tw_ib_taken(&first.values[i], i));
    mix(&digest, first.topic.text ? first.topic.length : -1);
    mix(&digest, first.availability.length);
    if (first.availability.length)
        mix(&digest, tw_ib_availability(first.availability.text, first.availability.length));
    /* Only frames of a line are learned from. */
    if (!tw_at_end(after, stop, &rest) || !first.topic.text || first.topic.escaped ||
        first.topic.length < 5 || memcmp(first.topic.text, "smd+", 4) != 0)
        return after;
    int32_t line = line_of(&first.topic);
    shortly(p, stop, line, p, stop, &first);
    if (second) {
        second++;
        const uint8_t *found = tw_ib_frame_data(second, end, &f, &rest);
        int sound = found && tw_at_end(found, end, &rest);
        shortly(p, stop, line, second, end, sound ? &f : NULL);
    }
    return after;
}

static outcome run(const uint8_t *data, size_t size) {
    tw_err err = {0, NULL, 0};
    const uint8_t *after;
    tw_ib_value v;
    if (size < 2)
        return (outcome){-1, 0};
    if (!symbols.count)
        FUZZ_CHECK(tw_symbol_add(&symbols, (const uint8_t *)"265598", 6) == 0 &&
                       tw_symbol_add(&symbols, (const uint8_t *)"495512551", 9) == 1,
                   "room for lines");
    const uint8_t *value = value_of(data, size), *end = value + size - 1;
    switch (data[0] % 3) {
    case 0: after = frame(value, end, &err); break;
    case 1:
        tw_ib_text(value, end, &v);
        mix_value(&v);
        after = end;
        break;
    default:
        after = tw_ib_value_of(value, end, &v, &err);
        if (after)
            mix_stripped(v);
    }
    return judged(after, end, &err);
}

FUZZ_TARGET(FUZZ_NO_REFERENCE)
