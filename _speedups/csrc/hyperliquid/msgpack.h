/* A writer of MessagePack, of the kind the venue hashes: the smallest form of every value.
 *
 * No bin, no float, no ext: actions have none. What is written is public.
 *
 * No Python headers.
 */
#ifndef HL_MSGPACK_H
#define HL_MSGPACK_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Bytes that grow. They begin in memory the caller lends, at least one byte of it, and move to the heap
 * when that is full. */
typedef struct {
    uint8_t *start;
    size_t size, room;
    uint8_t *heap; /* NULL while the lent memory is enough */
} hl_out;

static inline void hl_out_start(hl_out *out, uint8_t *lent, size_t room) {
    out->start = lent;
    out->size = 0;
    out->room = room;
    out->heap = NULL;
}

static inline void hl_out_free(hl_out *out) {
    free(out->heap);
    out->heap = NULL;
}

static inline int hl_grow(hl_out *out, size_t more) {
    size_t room = out->room;
    uint8_t *bigger;
    if (more > SIZE_MAX / 4 - out->size)
        return -1;
    while (room - out->size < more)
        room *= 2;
    bigger = realloc(out->heap, room);
    if (!bigger)
        return -1;
    if (!out->heap)
        memcpy(bigger, out->start, out->size);
    out->heap = out->start = bigger;
    out->room = room;
    return 0;
}

/* See to `more` bytes of room; -1 if there is no memory. Functions named hl_put_... write without
 * looking: their callers have asked for HL_HEAD bytes for each value, and for each text its size. */
static inline int hl_reserve(hl_out *out, size_t more) {
    return out->room - out->size >= more ? 0 : hl_grow(out, more);
}

enum { HL_HEAD = 9 }; /* the longest value that is no text, and the longest head of one that is */

/* Write the `bytes` lowest bytes of x, most significant first, after a tag. */
static inline void hl_put_tagged(hl_out *out, uint8_t tag, uint64_t x, int bytes) {
    uint8_t *p = out->start + out->size;
    int i;
    p[0] = tag;
    for (i = 0; i < bytes; i++)
        p[1 + i] = (uint8_t)(x >> (8 * (bytes - 1 - i)));
    out->size += (size_t)bytes + 1;
}

static inline void hl_put_byte(hl_out *out, uint8_t byte) { out->start[out->size++] = byte; }

static inline void hl_put_nil(hl_out *out) { hl_put_byte(out, 0xC0); }

static inline void hl_put_bool(hl_out *out, int yes) { hl_put_byte(out, yes ? 0xC3 : 0xC2); }

static inline void hl_put_uint(hl_out *out, uint64_t x) {
    if (x < 0x80)
        hl_put_byte(out, (uint8_t)x);
    else if (x <= UINT8_MAX)
        hl_put_tagged(out, 0xCC, x, 1);
    else if (x <= UINT16_MAX)
        hl_put_tagged(out, 0xCD, x, 2);
    else if (x <= UINT32_MAX)
        hl_put_tagged(out, 0xCE, x, 4);
    else
        hl_put_tagged(out, 0xCF, x, 8);
}

static inline void hl_put_int(hl_out *out, int64_t x) {
    if (x >= 0)
        hl_put_uint(out, (uint64_t)x);
    else if (x >= -32)
        hl_put_byte(out, (uint8_t)x);
    else if (x >= INT8_MIN)
        hl_put_tagged(out, 0xD0, (uint64_t)x, 1);
    else if (x >= INT16_MIN)
        hl_put_tagged(out, 0xD1, (uint64_t)x, 2);
    else if (x >= INT32_MIN)
        hl_put_tagged(out, 0xD2, (uint64_t)x, 4);
    else
        hl_put_tagged(out, 0xD3, (uint64_t)x, 8);
}

/* Bytes that are MessagePack already: keys, and heads that are always the same. */
static inline void hl_put_raw(hl_out *out, const void *bytes, size_t size) {
    memcpy(out->start + out->size, bytes, size);
    out->size += size;
}

#define HL_PUT(out, literal) hl_put_raw(out, literal, sizeof(literal) - 1)

/* UTF-8 of up to 2^32 - 1 bytes; -1 if it is longer. */
static inline int hl_put_text(hl_out *out, const char *text, size_t size) {
    if (size <= 31)
        hl_put_byte(out, (uint8_t)(0xA0 | size));
    else if (size <= UINT8_MAX)
        hl_put_tagged(out, 0xD9, size, 1);
    else if (size <= UINT16_MAX)
        hl_put_tagged(out, 0xDA, size, 2);
    else if (size <= UINT32_MAX)
        hl_put_tagged(out, 0xDB, size, 4);
    else
        return -1;
    hl_put_raw(out, text, size);
    return 0;
}

/* The head of an array or of a map (`fixed` 0x90 or 0x80, `tag` 0xDC or 0xDE); -1 if it is too long. */
static inline int hl_put_many(hl_out *out, uint8_t fixed, uint8_t tag, size_t count) {
    if (count <= 15)
        hl_put_byte(out, (uint8_t)(fixed | count));
    else if (count <= UINT16_MAX)
        hl_put_tagged(out, tag, count, 2);
    else if (count <= UINT32_MAX)
        hl_put_tagged(out, (uint8_t)(tag + 1), count, 4);
    else
        return -1;
    return 0;
}

static inline int hl_put_array(hl_out *out, size_t count) {
    return hl_put_many(out, 0x90, 0xDC, count);
}

static inline int hl_put_map(hl_out *out, size_t count) {
    return hl_put_many(out, 0x80, 0xDE, count);
}

#endif
