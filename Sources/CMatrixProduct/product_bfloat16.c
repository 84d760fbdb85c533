// Products of pairs of bf16 with AVX-512's dot products.
#if defined(__x86_64__)
#include "product_support.h"

#include <immintrin.h>

#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,f16c"))), apply_to = function)
// All rounding by one instruction: it takes subnormal numbers for 0, as dot products do.
#define ROUND_16(x) _mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)(x))), 16)
#define ROUND_32(low, high) (__m512i)_mm512_cvtne2ps_pbh(high, low)
#include "strips_avx512.h"

#define NAME(x) bfloat16_##x
#define TERM uint32_t
#define PAIR 2
#define MULTIPLIED __m512i
#define LOAD_TERMS(at) _mm512_load_si512(at)
#define BROADCAST(at) _mm512_set1_epi32((int)*(at))
#define ADD_PRODUCT(l, r, sum) _mm512_dpbf16_ps(sum, (__m512bh)(l), (__m512bh)(r))

static void bfloat16_pack_strip(
    headimpact_matrix m, int64_t first, int width, int64_t start, int64_t length, uint32_t *out, int out_width) {
  pack_strip(1, m, first, width, start, length, out, out_width);
}

ALWAYS_INLINE void bfloat16_load_turned(
    const char *at, int64_t stride, int width, const headimpact_element element, int rounds, int rest, int64_t ahead,
    __m512i r[8]) {
  (void)rounds;
  load_turned_16(at, stride, width, element, 1, rest, ahead, r);
}

ALWAYS_INLINE void bfloat16_add_turned(
    const int height, const __m512i r[8], const uint32_t *left, int rest, const headimpact_element element, __m512 *sums) {
  __m512i pairs[8];
  UNROLL for (int p = 0; p < LINE_TERMS(element) / 2; p++)
    pairs[p] = element == headimpact_bfloat16 ? r[p] : pairs_of(r[2 * p], r[2 * p + 1]);
  if (rest == LINE_TERMS(element)) {
    UNROLL for (int p = 0; p < LINE_TERMS(element) / 2; p++)
      UNROLL for (int i = 0; i < height; i++)
        sums[i] = ADD_PRODUCT(_mm512_set1_epi32((int)left[p * height + i]), pairs[p], sums[i]);
    return;
  }
  for (int p = 0; p < (rest + 1) / 2; p++)
    UNROLL for (int i = 0; i < height; i++)
      sums[i] = ADD_PRODUCT(_mm512_set1_epi32((int)left[p * height + i]), pairs[p], sums[i]);
}

#include "few_rows.h"
#include "tiles.h"

const headimpact_product_functions headimpact_products_bfloat16 = {
    TILE_ROWS, FEW_ROWS, TILE_COLUMNS, PAIR, bfloat16_pack, bfloat16_pack_right, bfloat16_run, bfloat16_run_packed,
    NULL};
#pragma clang attribute pop
#endif
