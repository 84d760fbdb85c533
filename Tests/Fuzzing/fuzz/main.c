// libFuzzer brings main; its command line is libFuzzer's own. FUZZ_TARGET names what is run.
#include <stddef.h>
#include <stdint.h>

int headimpact_fuzz(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { return headimpact_fuzz(data, size); }
