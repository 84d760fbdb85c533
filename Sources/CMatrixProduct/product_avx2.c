// Products in float32 with AVX2 and FMA.
#if defined(__x86_64__)
#include "product_support.h"

#include <immintrin.h>

#define VECTOR __m256
#define LANES 8
#define VECTORS 2
#define TILE_ROWS 6
#define FEW_ROWS 6
#define ZERO _mm256_setzero_ps()
#define LOAD(at) _mm256_loadu_ps(at)
#define STORE(at, x) _mm256_storeu_ps(at, x)
#define LOAD_SOME(at, width) load_some(at, width)
#define STORE_SOME(at, x, width) store_some(at, x, width)
#define TURNED __m256i
#define REGISTERS 4
#define STEP(element) LINE_TERMS(element)
#define GROUPS(height) ((height) <= 2 ? 4 : (height) <= 4 ? 2 : 1)

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#include "strips_avx2.h"

#define NAME(x) avx2_##x
#define TERM float
#define PAIR 1
#define MULTIPLIED __m256
#define LOAD_TERMS(at) _mm256_load_ps(at)
#define BROADCAST(at) _mm256_broadcast_ss(at)
#define ADD_PRODUCT(l, r, sum) _mm256_fmadd_ps(l, r, sum)

static void avx2_pack_strip(
    headimpact_matrix m, int64_t first, int width, int64_t start, int64_t length, float *out, int out_width) {
  pack_strip(m, first, width, start, length, out, out_width);
}

ALWAYS_INLINE void avx2_load_turned(
    const char *at, int64_t stride, int width, const headimpact_element element, int rounds, int rest, int64_t ahead,
    __m256i r[4]) {
  load_turned_8(at, stride, width, element, rounds, rest, ahead, r);
}

// Term k of the turned ones.
ALWAYS_INLINE __m256 avx2_turned(const __m256i r[4], const int k, const headimpact_element element) {
  if (element != headimpact_bfloat16) return _mm256_castsi256_ps(r[k]);
  return _mm256_castsi256_ps(
      k % 2 ? _mm256_and_si256(r[k / 2], _mm256_set1_epi32((int)0xffff0000)) : _mm256_slli_epi32(r[k / 2], 16));
}

ALWAYS_INLINE void avx2_add_turned(
    const int height, const __m256i r[4], const float *left, int rest, const headimpact_element element, __m256 *sums) {
  if (rest == LINE_TERMS(element)) {
    UNROLL for (int k = 0; k < LINE_TERMS(element); k++) {
      __m256 term = avx2_turned(r, k, element);
      UNROLL for (int i = 0; i < height; i++)
        sums[i] = _mm256_fmadd_ps(_mm256_broadcast_ss(left + k * height + i), term, sums[i]);
    }
    return;
  }
  __m256 terms[8];
  UNROLL for (int k = 0; k < LINE_TERMS(element); k++) terms[k] = avx2_turned(r, k, element);
  for (int k = 0; k < rest; k++)
    UNROLL for (int i = 0; i < height; i++)
      sums[i] = _mm256_fmadd_ps(_mm256_broadcast_ss(left + k * height + i), terms[k], sums[i]);
}

#include "few_rows.h"
#include "tiles.h"

const headimpact_product_functions headimpact_products_avx2 = {
    TILE_ROWS, FEW_ROWS, TILE_COLUMNS, PAIR, avx2_pack, avx2_pack_right, avx2_run, avx2_run_packed,
    avx2_multiply};
#pragma clang attribute pop
#endif
