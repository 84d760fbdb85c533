// Products in float32 with AVX-512.
#if defined(__x86_64__)
#include "product_support.h"

#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"))), apply_to = function)
#include "strips_avx512.h"

#define NAME(x) avx512_##x
#define TERM float
#define PAIR 1
#define MULTIPLIED __m512
#define LOAD_TERMS(at) _mm512_load_ps(at)
#define BROADCAST(at) _mm512_set1_ps(*(at))
#define ADD_PRODUCT(l, r, sum) _mm512_fmadd_ps(l, r, sum)

static void avx512_pack_strip(
    headimpact_matrix m, int64_t first, int width, int64_t start, int64_t length, float *out, int out_width) {
  pack_strip(0, m, first, width, start, length, (uint32_t *)out, out_width);
}

ALWAYS_INLINE void avx512_load_turned(
    const char *at, int64_t stride, int width, const headimpact_element element, int rounds, int rest, int64_t ahead,
    __m512i r[8]) {
  load_turned_16(at, stride, width, element, rounds, rest, ahead, r);
}

// Term k of the turned ones.
ALWAYS_INLINE __m512 avx512_turned(const __m512i r[8], const int k, const headimpact_element element) {
  if (element != headimpact_bfloat16) return _mm512_castsi512_ps(r[k]);
  return _mm512_castsi512_ps(
      k % 2 ? _mm512_and_si512(r[k / 2], _mm512_set1_epi32((int)0xffff0000)) : _mm512_slli_epi32(r[k / 2], 16));
}

ALWAYS_INLINE void avx512_add_turned(
    const int height, const __m512i r[8], const float *left, int rest, const headimpact_element element, __m512 *sums) {
  if (rest == LINE_TERMS(element)) {
    UNROLL for (int k = 0; k < LINE_TERMS(element); k++) {
      __m512 term = avx512_turned(r, k, element);
      UNROLL for (int i = 0; i < height; i++)
        sums[i] = _mm512_fmadd_ps(_mm512_set1_ps(left[k * height + i]), term, sums[i]);
    }
    return;
  }
  __m512 terms[16];
  UNROLL for (int k = 0; k < LINE_TERMS(element); k++) terms[k] = avx512_turned(r, k, element);
  for (int k = 0; k < rest; k++)
    UNROLL for (int i = 0; i < height; i++)
      sums[i] = _mm512_fmadd_ps(_mm512_set1_ps(left[k * height + i]), terms[k], sums[i]);
}

#include "few_rows.h"
#include "tiles.h"

const headimpact_product_functions headimpact_products_avx512 = {
    TILE_ROWS, FEW_ROWS, TILE_COLUMNS, PAIR, avx512_pack, avx512_pack_right, avx512_run, avx512_run_packed,
    avx512_multiply};
#pragma clang attribute pop
#endif
