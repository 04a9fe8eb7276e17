/* A main for compilers without libFuzzer: runs a target on files, on every start of them, and on
 * copies with one byte changed. Deterministic. */
#include "fuzz.h"

static uint8_t *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    FUZZ_CHECK(file, path);
    uint8_t *data = malloc(1 << 20);
    *size = fread(data, 1, 1 << 20, file);
    fclose(file);
    return data;
}

int main(int argc, char **argv) {
    static const uint8_t bytes[] = {'"', '\\', '{', '}', '[', ']', ':', ',', '0', '9', '.', '-',
                                    'e', ' ', 0, 0x1F, 0x7F, 0x80, 0xFF, '/'};
    size_t runs = 0;
    for (int i = 1; i < argc; i++) {
        size_t size;
        uint8_t *data = read_file(argv[i], &size);
        for (size_t n = 0; n <= size; n++, runs++)
            LLVMFuzzerTestOneInput(data, n);
        for (size_t at = 0; at < size; at++) {
            uint8_t kept = data[at];
            for (size_t b = 0; b < sizeof bytes; b++, runs++) {
                data[at] = bytes[b];
                LLVMFuzzerTestOneInput(data, size);
            }
            data[at] = kept;
        }
        free(data);
    }
    printf("%zu runs\n", runs);
    return 0;
}
