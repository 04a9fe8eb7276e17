/* Which variant of the code runs: the best this processor can do, unless a test asked for another.
 *
 * Variants differ in speed only. The choice is one number for each module that includes this; it is
 * made at first use, and two threads that make it at once make the same.
 */
#ifndef LT_BACKEND_H
#define LT_BACKEND_H

#include "word.h"

enum { LT_PORTABLE, LT_BACKENDS };

static const char *const LT_BACKEND_NAMES[LT_BACKENDS] = {"portable"};
static int lt_backend_chosen = -1;

/* How many variants this processor can run: numbers below that are fit for lt_use_backend. */
LT_INLINE int lt_backend_count(void) { return 1; }

LT_INLINE const char *lt_backend_name(int number) { return LT_BACKEND_NAMES[number]; }

LT_INLINE int lt_use_backend(int number) { return lt_backend_chosen = number; }

LT_INLINE int lt_backend_number(void) {
    return lt_backend_chosen >= 0 ? lt_backend_chosen : lt_use_backend(lt_backend_count() - 1);
}

LT_INLINE const char *lt_backend(void) { return lt_backend_name(lt_backend_number()); }

#endif
