// What `product-rates` measures beside the program's own products: the limits of the processor, and two libraries, loaded at run time.
#pragma once
#include <stddef.h>
#include <stdint.h>

// The instructions whose rate is a peak. Those of other processors have the rate 0.
typedef enum {
  headimpact_peak_avx2,      // fused multiply-adds of 8 float32
  headimpact_peak_avx512,    // of 16
  headimpact_peak_bf16,      // AVX-512's dot products of pairs of bf16
  headimpact_peak_portable,  // of 4 float32, for processors without AVX2
} headimpact_peak;

// Operations a second (a multiply-add is two) of `threads` threads that do nothing else: the best of as many short rounds
// as fit into `seconds`; 0 if the processor has no such instructions, or the threads don't start.
double headimpact_peak_rate(headimpact_peak peak, int threads, double seconds);
// Bytes a second that `threads` threads read out of `bytes` bytes at `memory`: the best of as many rounds as fit into `seconds`.
double headimpact_read_rate(const void *memory, size_t bytes, int threads, double seconds);

// count numbers of about normal size from a counter, as bf16, and the same widened.
void headimpact_bench_fill(uint16_t *narrow, float *wide, size_t count, uint64_t seed);

// oneDNN. NULL if it isn't installed; else its version.
const char *headimpact_onednn_open(void);
// c[rows, columns] = a[rows, depth] . w, with w [columns, depth] if it is transposed (a linear layer's), else [depth, columns].
// Returns 0 if it succeeds.
int headimpact_onednn_f32(
    int threads, int transposed, int64_t rows, int64_t columns, int64_t depth, const float *a, const float *w, float *c);
// The same of bf16 operands. A product is made once and run with other operands; NULL where oneDNN has none.
typedef struct headimpact_onednn_product headimpact_onednn_product;
headimpact_onednn_product *headimpact_onednn_bf16_create(int threads, int transposed, int64_t rows, int64_t columns, int64_t depth);
int headimpact_onednn_bf16_run(headimpact_onednn_product *product, const uint16_t *a, const uint16_t *w, float *c);
void headimpact_onednn_bf16_destroy(headimpact_onednn_product *product);

// OpenBLAS. NULL if it isn't installed; else its version and the processor whose kernels it runs.
const char *headimpact_openblas_open(void);
// Whether it can use several threads.
int headimpact_openblas_has_threads(void);
void headimpact_openblas_f32(
    int threads, int transposed, int64_t rows, int64_t columns, int64_t depth, const float *a, const float *w, float *c);
