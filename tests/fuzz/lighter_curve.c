/* Decoding, encoding, adding and multiplying points, against chord and tangent on the ordinary curve.
 *
 * Input: an encoding, 40 bytes; a scalar, 40 bytes. */
#include "lighter_signer.h"

/* The last bits of a scalar decide whether the slow multiplication is worth its time. */
enum { RARELY = 31 };

typedef struct {
    uint64_t p[5], sum[5], twice[5], from_generator[5], multiple[5], scalar[5], x[5];
    int decodes;
} found;

static found compute(const uint8_t *data, size_t size) {
    input in = {data, size};
    uint8_t encoded[40], bytes[40];
    lt_point p, q, out;
    lt_fp5 w, inverse;
    found f;
    memset(&f, 0, sizeof f);
    take(&in, encoded, 40);
    take(&in, bytes, 40);
    tw_load320(f.scalar, bytes);
    lt_scalar_reduce(f.scalar, f.scalar);
    lt_generator_mul(&q, f.scalar);
    lt_point_encode(&w, &q);
    memcpy(f.from_generator, w.c, sizeof w);
    lt_fp5_load(&w, encoded);
    f.decodes = lt_point_decode(&p, &w);
    if (!f.decodes)
        return f;
    lt_fp5_inv(&inverse, &p.z);
    lt_fp5_mul(&inverse, &inverse, &p.x);
    lt_fp5_canonical(&inverse);
    memcpy(f.x, inverse.c, sizeof inverse);
    lt_point_encode(&w, &p);
    memcpy(f.p, w.c, sizeof w);
    lt_point_add(&out, &p, &q);
    lt_point_encode(&w, &out);
    memcpy(f.sum, w.c, sizeof w);
    lt_point_double(&out, &p);
    lt_point_encode(&w, &out);
    memcpy(f.twice, w.c, sizeof w);
    lt_point_add(&out, &p, &p);
    lt_point_encode(&w, &out);
    FUZZ_CHECK(!memcmp(f.twice, w.c, sizeof w), "p + p is not 2 p");
    lt_point_mul(&out, &p, f.scalar);
    lt_point_encode(&w, &out);
    memcpy(f.multiple, w.c, sizeof w);
    return f;
}

static outcome run(const uint8_t *data, size_t size) {
    outcome out = {-1, 0};
    found f = compute(data, size);
#ifndef PORTABLE
    for (int i = 0; i < lt_backend_count(); i++) {
        lt_use_backend(i);
        found other = compute(data, size);
        FUZZ_CHECK(!memcmp(&other, &f, sizeof f), "variants differ");
    }
#endif
    mix_words(&out.digest, f.from_generator, 5);
    if (f.decodes) {
        out.at = 0;
        mix_words(&out.digest, f.p, 5);
        mix_words(&out.digest, f.x, 5);
        mix_words(&out.digest, f.sum, 5);
        mix_words(&out.digest, f.twice, 5);
        mix_words(&out.digest, f.multiple, 5);
    }
    return out;
}

#ifndef PORTABLE
static element of(const uint64_t words[5]) {
    element e;
    memcpy(e.c, words, sizeof e);
    return e;
}

static void reference(const uint8_t *data, size_t size, outcome ours) {
    found f = compute(data, size);
    input in = {data, size};
    uint8_t encoded[40], bytes[40];
    element w, e, d, x;
    affine p, q;
    number scalar, reduced;
    int canonical = 1;
    take(&in, encoded, 40);
    take(&in, bytes, 40);
    for (int i = 0; i < 5; i++) {
        w.c[i] = tw_load64(encoded + 8 * i);
        canonical &= w.c[i] < P_REF;
    }
    scalar = ref_number(bytes);
    reduced = ref_mod(&scalar);
    ref_bytes(bytes, &reduced);
    for (int i = 0; i < 5; i++)
        FUZZ_CHECK(f.scalar[i] == tw_load64(bytes + 8 * i), "reduction mod n");
    if (!canonical) {
        FUZZ_CHECK(ours.at < 0, "an encoding that is not canonical is taken");
        return;
    }
    e = ref5_sub(ref5_mul(w, w), ref5(2, 0));
    d = ref5_sub(ref5_mul(e, e), ref5(0, 4 * 263));
    int neutral = ref5_equal(w, ref5(0, 0)), exists = neutral || ref5_symbol(d) >= 0;
    FUZZ_CHECK((ours.at >= 0) == exists, "decodes or does not");
    if (!exists)
        return;
    FUZZ_CHECK(ref5_equal(of(f.p), w), "what was decoded encodes to something else");
    x = ref5_mul(ref5(0, 263), of(f.x));
    if (neutral) {
        FUZZ_CHECK(ref5_equal(x, ref5(0, 0)), "the neutral point");
        p = ref_shift((affine){{{0}}, {{0}}, 0});
    } else {
        FUZZ_CHECK(ref5_symbol(x) == -1, "x is a square");
        p = (affine){x, ref5_mul(w, x), 0};
        element left = ref5_mul(p.y, p.y);
        element right = ref5_add(ref5_mul(x, ref5_add(x, ref5(2, 0))), ref5(0, 263));
        FUZZ_CHECK(ref5_equal(left, ref5_mul(x, right)), "not on the curve");
        p = ref_shift(p);
    }
    FUZZ_CHECK(ref5_equal(ref_encode(ref_point_add(p, p)), of(f.twice)), "2 p");
    if ((f.scalar[0] ^ w.c[0]) % RARELY)
        return;
    q = ref_point_mul(ref_generator(), &reduced);
    FUZZ_CHECK(ref5_equal(ref_encode(q), of(f.from_generator)), "scalar * G");
    FUZZ_CHECK(ref5_equal(ref_encode(ref_point_add(p, q)), of(f.sum)), "p + scalar * G");
    FUZZ_CHECK(ref5_equal(ref_encode(ref_point_mul(p, &reduced)), of(f.multiple)), "scalar * p");
}
#endif

FUZZ_TARGET(reference)
