/* How the Lighter signer reads a key and draws its nonces, for Valgrind to watch; see secrets.c.
 *
 * The digits of the private key and the system's randomness are marked undefined. Exits with 0 if
 * all results are right, 1 if one is wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/memcheck.h>

#define TW_PUBLIC(pointer, size) ((void)VALGRIND_MAKE_MEM_DEFINED(pointer, size))

static int marked; /* whether secrets are undefined */
static void secret(void *p, size_t n) {
    if (marked)
        (void)VALGRIND_MAKE_MEM_UNDEFINED(p, n);
}

static int secret_entropy(void *to, size_t size) {
    static unsigned char next;
    size_t i;
    for (i = 0; i < size; i++)
        ((unsigned char *)to)[i] = next += 101;
    secret(to, size);
    return 0;
}

#include <unistd.h>
#define getentropy secret_entropy
#include "lighter_tx/batch.h"
#include "lighter_tx/checks.h"
#include "secret/hex.h"

enum { MANY = 70 }; /* more than are made together */

static const char DIGITS[] = "0102030405060708090a0B0C0D0E0f10111213141516171819"
                             "1a1b1c1d1e1f202122232425262728";

static void require(int condition, const char *what) {
    if (!condition) {
        fprintf(stderr, "wrong: %s\n", what);
        exit(1);
    }
}

static void everything(void) {
    static ltx_tx transactions[MANY];
    static uint64_t messages[MANY][5];
    static uint8_t signatures[MANY][80];
    char digits[80];
    uint8_t key[40], public_key[40], k[40];
    lt_nonce ready[3];
    ltx_secret secrets;
    tw_entropy entropy;
    int i, failed;
    memcpy(digits, DIGITS, 80);
    secret(digits, 80);
    failed = tw_unhex(key, digits, 40);
    TW_PUBLIC(&failed, sizeof failed); /* whether all were digits is told */
    require(!failed, "digits");
    require(ltx_secret_load(&secrets, key) == 0, "key");
    lt_public_key(public_key, &secrets.key);
    TW_PUBLIC(public_key, sizeof public_key);
    for (i = 0; i < 40; i++)
        printf("%02x", public_key[i]);
    puts("");
    tw_entropy_drop(&entropy);
    require(ltx_draw(k, &secrets.mac, &entropy, messages[0], 1) == 0, "k");
    require(ltx_nonces_for(ready, &secrets, &entropy, NULL, 3, 2) == 0, "nonces in advance");
    require(ltx_nonce_for(ready, &secrets, &secrets.entropy, messages[0], 5) == 0, "a nonce");
    for (i = 0; i < MANY; i++) {
        ltx_start(&transactions[i], LTX_CREATE_SUB_ACCOUNT);
        transactions[i].account = transactions[i].api_key = 1;
        transactions[i].expired_at = transactions[i].nonce = i;
    }
    failed = ltx_sign_all(signatures, messages, transactions, MANY, 304, &secrets, ready, 3, 6);
    require(!failed, "batch");
    TW_PUBLIC(signatures, sizeof signatures);
    for (i = 0; i < MANY; i++)
        require(lt_verify(public_key, messages[i], signatures[i]), "signature");
    tw_entropy_drop(&entropy);
    tw_wipe(&secrets, sizeof secrets);
}

/* A character that is no digit is told by one bit. */
static void refusals(void) {
    char digits[80];
    uint8_t key[40];
    int failed;
    memcpy(digits, DIGITS, 80);
    digits[7] = 'x';
    secret(digits, 80);
    failed = tw_unhex(key, digits, 40);
    TW_PUBLIC(&failed, sizeof failed);
    require(failed == -1, "no digit");
}

int main(void) {
    for (marked = 0; marked < 2; marked++) {
        everything();
        refusals();
    }
    return 0;
}
