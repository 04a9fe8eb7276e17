/* Levels far from the best price: a map from int64 key to size, sorted, in runs of fixed size.
 *
 * A run holds up to TW_RUN levels in ascending order, and the runs ascend as well, so a change
 * costs two binary searches and a move of at most 2 kB however many levels there are. Runs come
 * from one pool and are named by index, so that memory can be made sure of in advance
 * (tw_far_reserve) and no later step can fail. Neighbouring runs together hold more than half a
 * run, which bounds the pool to 64 bytes for each level.
 *
 * No Python headers.
 */
#ifndef TW_LADDER_FAR_H
#define TW_LADDER_FAR_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TW_RUN 128

typedef struct {
    int64_t key, size;
} tw_level;

typedef struct {
    int64_t last; /* greatest key of the run */
    int32_t slot; /* its place in the pool */
    int32_t count;
} tw_run;

typedef struct {
    tw_run *runs;         /* ascending */
    tw_level (*pool)[TW_RUN];
    int32_t run_count, room; /* room: of both arrays */
    int32_t used;            /* slots of the pool that were ever taken */
    int32_t unused;          /* head of the list of free ones below `used`, linked by key; -1: none */
    ptrdiff_t count;
} tw_far;

static inline void tw_far_init(tw_far *f) {
    memset(f, 0, sizeof *f);
    f->unused = -1;
}

static inline void tw_far_free(tw_far *f) {
    free(f->runs);
    free(f->pool);
    tw_far_init(f);
}

static inline void tw_far_clear(tw_far *f) {
    f->run_count = f->used = 0;
    f->unused = -1;
    f->count = 0;
}

/* Make sure that up to `levels` levels fit, whatever is done on the way there. Returns 0 without
 * memory; nothing has changed then. `levels` is at most 2**31. */
static inline int tw_far_reserve(tw_far *f, ptrdiff_t levels) {
    /* Any two neighbours hold more than TW_RUN / 2; two more for a split and an odd one. */
    ptrdiff_t room = levels / (TW_RUN / 4) + 3;
    void *block;
    if (room <= f->room)
        return 1;
    room += room / 2;
    block = realloc(f->runs, (size_t)room * sizeof *f->runs);
    if (!block)
        return 0;
    f->runs = block;
    block = realloc(f->pool, (size_t)room * sizeof *f->pool);
    if (!block)
        return 0;
    f->pool = block;
    f->room = (int32_t)room;
    return 1;
}

/* Copy into an empty, initialised map. Returns 0 without memory. */
static inline int tw_far_copy(tw_far *f, const tw_far *from) {
    if (from->count == 0)
        return 1;
    if (!tw_far_reserve(f, from->count))
        return 0;
    for (int32_t r = 0; r < from->run_count; r++) {
        f->runs[r] = from->runs[r];
        f->runs[r].slot = r;
        memcpy(f->pool[r], from->pool[from->runs[r].slot],
               (size_t)from->runs[r].count * sizeof(tw_level));
    }
    f->run_count = f->used = from->run_count;
    f->count = from->count;
    return 1;
}

/* First run that may hold key: the first whose last is >= key; run_count if there is none. */
static inline int32_t tw_far_run(const tw_far *f, int64_t key) {
    const tw_run *at = f->runs;
    int32_t n = f->run_count;
    if (n == 0 || f->runs[n - 1].last < key)
        return n;
    while (n > 1) {
        int32_t half = n / 2;
        at = at[half - 1].last < key ? at + half : at;
        n -= half;
    }
    return (int32_t)(at - f->runs);
}

/* First level of a run that is >= key, given that its last is. */
static inline int32_t tw_run_find(const tw_level *levels, int32_t n, int64_t key) {
    const tw_level *at = levels;
    while (n > 1) {
        int32_t half = n / 2;
        at = at[half - 1].key < key ? at + half : at;
        n -= half;
    }
    return (int32_t)(at - levels);
}

static inline int64_t tw_far_size(const tw_far *f, int64_t key) {
    int32_t r = tw_far_run(f, key), at;
    const tw_level *levels;
    if (r == f->run_count)
        return 0;
    levels = f->pool[f->runs[r].slot];
    at = tw_run_find(levels, f->runs[r].count, key);
    return levels[at].key == key ? levels[at].size : 0;
}

/* The greatest key; count must not be 0. */
static inline int64_t tw_far_last(const tw_far *f) {
    return f->runs[f->run_count - 1].last;
}

/* Put an empty run at index r. */
static inline void tw_far_open(tw_far *f, int32_t r) {
    int32_t slot = f->unused;
    if (slot >= 0)
        f->unused = (int32_t)f->pool[slot][0].key;
    else
        slot = f->used++;
    memmove(f->runs + r + 1, f->runs + r, (size_t)(f->run_count - r) * sizeof *f->runs);
    f->run_count++;
    f->runs[r].slot = slot;
    f->runs[r].count = 0;
}

static inline void tw_far_close(tw_far *f, int32_t r) {
    f->pool[f->runs[r].slot][0].key = f->unused;
    f->unused = f->runs[r].slot;
    f->run_count--;
    memmove(f->runs + r, f->runs + r + 1, (size_t)(f->run_count - r) * sizeof *f->runs);
}

/* Join run r with the next one if both fit into half a run. */
static inline void tw_far_join(tw_far *f, int32_t r) {
    tw_run *a, *b;
    if (r < 0 || r + 1 >= f->run_count)
        return;
    a = &f->runs[r];
    b = &f->runs[r + 1];
    if (a->count + b->count > TW_RUN / 2)
        return;
    memcpy(f->pool[a->slot] + a->count, f->pool[b->slot], (size_t)b->count * sizeof(tw_level));
    a->count += b->count;
    a->last = b->last;
    tw_far_close(f, r + 1);
}

/* Append a level greater than all others. */
static inline void tw_far_push(tw_far *f, int64_t key, int64_t size) {
    tw_run *run;
    if (f->run_count == 0 || f->runs[f->run_count - 1].count == TW_RUN)
        tw_far_open(f, f->run_count);
    run = &f->runs[f->run_count - 1];
    f->pool[run->slot][run->count].key = run->last = key;
    f->pool[run->slot][run->count++].size = size;
    f->count++;
}

/* Take the greatest level off; count must not be 0. */
static inline tw_level tw_far_pop(tw_far *f) {
    tw_run *run = &f->runs[f->run_count - 1];
    tw_level level = f->pool[run->slot][--run->count];
    f->count--;
    if (run->count == 0) {
        tw_far_close(f, f->run_count - 1);
    } else {
        run->last = f->pool[run->slot][run->count - 1].key;
        tw_far_join(f, f->run_count - 2);
    }
    return level;
}

static inline void tw_far_remove(tw_far *f, int32_t r, int32_t at) {
    tw_run *run = &f->runs[r];
    tw_level *levels = f->pool[run->slot];
    f->count--;
    run->count--;
    memmove(levels + at, levels + at + 1, (size_t)(run->count - at) * sizeof *levels);
    if (run->count == 0) {
        tw_far_close(f, r);
        tw_far_join(f, r - 1);
        return;
    }
    run->last = levels[run->count - 1].key;
    tw_far_join(f, r);
    tw_far_join(f, r - 1);
}

static inline void tw_far_insert(tw_far *f, int32_t r, int32_t at, int64_t key, int64_t size) {
    tw_run *run = &f->runs[r];
    tw_level *levels = f->pool[run->slot];
    if (run->count == TW_RUN) {
        tw_run *upper;
        tw_far_open(f, r + 1);
        run = &f->runs[r];
        upper = &f->runs[r + 1];
        memcpy(f->pool[upper->slot], levels + TW_RUN / 2, TW_RUN / 2 * sizeof *levels);
        upper->count = TW_RUN / 2;
        upper->last = run->last;
        run->count = TW_RUN / 2;
        run->last = levels[TW_RUN / 2 - 1].key;
        if (at > TW_RUN / 2) {
            at -= TW_RUN / 2;
            run = upper;
            levels = f->pool[upper->slot];
        }
    }
    memmove(levels + at + 1, levels + at, (size_t)(run->count - at) * sizeof *levels);
    levels[at].key = key;
    levels[at].size = size;
    run->count++;
    run->last = levels[run->count - 1].key;
    f->count++;
}

/* Put `size` at `key`; 0 removes. Room must have been reserved. */
static inline void tw_far_set(tw_far *f, int64_t key, int64_t size) {
    int32_t r = tw_far_run(f, key), at;
    tw_level *levels;
    if (r == f->run_count) {
        if (size)
            tw_far_push(f, key, size);
        return;
    }
    levels = f->pool[f->runs[r].slot];
    at = tw_run_find(levels, f->runs[r].count, key);
    if (levels[at].key != key) {
        if (size)
            tw_far_insert(f, r, at, key, size);
    } else if (size) {
        levels[at].size = size;
    } else {
        tw_far_remove(f, r, at);
    }
}

/* NULL when everything is as it should be, otherwise what is not. */
static inline const char *tw_far_broken(const tw_far *f) {
    ptrdiff_t count = 0;
    int32_t r, i, unused = 0;
    for (r = 0; r < f->run_count; r++) {
        const tw_run *run = &f->runs[r];
        const tw_level *levels;
        if (run->slot < 0 || run->slot >= f->used || run->count < 1 || run->count > TW_RUN)
            return "a run of far levels is not in the pool";
        levels = f->pool[run->slot];
        for (i = 0; i < run->count; i++) {
            if (levels[i].size <= 0)
                return "a far size is not greater than zero";
            if ((i || r) && levels[i].key <= (i ? levels[i - 1].key : f->runs[r - 1].last))
                return "far levels are out of order";
        }
        if (run->last != levels[run->count - 1].key)
            return "the end of a run is not its last level";
        if (r && run->count + run[-1].count <= TW_RUN / 2)
            return "two runs should have been joined";
        count += run->count;
    }
    for (i = f->unused; i >= 0 && unused <= f->used; i = (int32_t)f->pool[i][0].key)
        unused++;
    if (f->run_count + unused != f->used || f->used > f->room)
        return "the pool of runs does not add up";
    return count == f->count ? NULL : "the count of far levels is off";
}

#endif
