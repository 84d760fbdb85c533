#include "CVectorMath.h"
#include "vector_support.h"

#include <stdbool.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif
// Nothing here may be reordered: what is computed is defined to the bit.
#pragma clang fp reassociate(off) contract(off)

// The kernels for one kind of processor; what each does is told in the header.
typedef struct {
  const char *name;
  size_t rows;
  size_t (*keys_size)(size_t, size_t);
  size_t (*values_size)(size_t, size_t);
  size_t (*scratch_size)(size_t);
  void (*pack_keys)(const headimpact_attention *, float *);
  void (*pack_values)(const headimpact_attention *, float *);
  void (*scores)(const headimpact_attention *, const headimpact_attention_row *, size_t);
  void (*softmax)(float *, size_t, float);
  void (*add_values)(const headimpact_attention *, const headimpact_attention_row *, size_t);
} kernels;

#if defined(__x86_64__)

// MARK: AVX-512

#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx2,fma"))), apply_to = function)

INLINE __m512 avx512_load_part(const float *from, size_t n) {
  return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), from);
}

INLINE void avx512_store_part(float *to, __m512 x, size_t n) {
  _mm512_mask_storeu_ps(to, (__mmask16)((1u << n) - 1), x);
}

// By pairs, by fours, and then the 128-bit lanes.
INLINE void avx512_transpose(__m512 *rows) {
  __m512 t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
  }
  // u[4 j + i]: column i of each lane, of the rows 4 j to 4 j + 3.
  __m512 u[16];
  for (int i = 0; i < 16; i += 4) {
    for (int half = 0; half < 2; half++) {
      __m512d a = _mm512_castps_pd(t[i + half]), b = _mm512_castps_pd(t[i + 2 + half]);
      u[i + 2 * half] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
      u[i + 2 * half + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
    }
  }
  for (int i = 0; i < 4; i++) {
    __m512 a = _mm512_shuffle_f32x4(u[i], u[4 + i], 0x88), b = _mm512_shuffle_f32x4(u[i], u[4 + i], 0xdd);
    __m512 c = _mm512_shuffle_f32x4(u[8 + i], u[12 + i], 0x88), d = _mm512_shuffle_f32x4(u[8 + i], u[12 + i], 0xdd);
    rows[i] = _mm512_shuffle_f32x4(a, c, 0x88);
    rows[4 + i] = _mm512_shuffle_f32x4(b, d, 0x88);
    rows[8 + i] = _mm512_shuffle_f32x4(a, c, 0xdd);
    rows[12 + i] = _mm512_shuffle_f32x4(b, d, 0xdd);
  }
}

#define NAME(x) avx512_##x
#define LANES 16
#define ROWS 12
#define EACH_BLOCK(X) X(12) X(8) X(4) X(2) X(1)
#define VALUES_AT_ONCE 256
#define VERSION_NAME "AVX-512"
#define multiply_add(a, b, c) __builtin_elementwise_fma(a, b, c)
#define load_part(from, n) (avx512_vec) avx512_load_part(from, n)
#define store_part(to, x, n) avx512_store_part(to, (__m512)(x), n)
#define transpose(rows) avx512_transpose((__m512 *)(rows))
#include "attention_template.h"
#pragma clang attribute pop

// MARK: AVX2

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)

INLINE __m256i avx2_mask(size_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

INLINE __m256 avx2_load_part(const float *from, size_t n) { return _mm256_maskload_ps(from, avx2_mask(n)); }

INLINE void avx2_store_part(float *to, __m256 x, size_t n) { _mm256_maskstore_ps(to, avx2_mask(n), x); }

INLINE void avx2_transpose(__m256 *rows) {
  __m256 t[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
  }
  __m256 u[8];
  for (int i = 0; i < 8; i += 4) {
    for (int half = 0; half < 2; half++) {
      __m256d a = _mm256_castps_pd(t[i + half]), b = _mm256_castps_pd(t[i + 2 + half]);
      u[i + 2 * half] = _mm256_castpd_ps(_mm256_unpacklo_pd(a, b));
      u[i + 2 * half + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(a, b));
    }
  }
  for (int i = 0; i < 4; i++) {
    rows[i] = _mm256_permute2f128_ps(u[i], u[4 + i], 0x20);
    rows[4 + i] = _mm256_permute2f128_ps(u[i], u[4 + i], 0x31);
  }
}

#define NAME(x) avx2_##x
#define LANES 8
#define ROWS 6
#define EACH_BLOCK(X) X(6) X(4) X(2) X(1)
#define VALUES_AT_ONCE 256
#define VERSION_NAME "AVX2"
#define multiply_add(a, b, c) __builtin_elementwise_fma(a, b, c)
#define load_part(from, n) (avx2_vec) avx2_load_part(from, n)
#define store_part(to, x, n) avx2_store_part(to, (__m256)(x), n)
#define transpose(rows) avx2_transpose((__m256 *)(rows))
#include "attention_template.h"
#pragma clang attribute pop

#endif

// MARK: Any processor

typedef float plain_vector __attribute__((ext_vector_type(4)));

INLINE plain_vector plain_load_part(const float *from, size_t n) {
  plain_vector x = {};
  for (size_t i = 0; i < n; i++) x[i] = from[i];
  return x;
}

INLINE void plain_store_part(float *to, plain_vector x, size_t n) {
  for (size_t i = 0; i < n; i++) to[i] = x[i];
}

INLINE void plain_transpose(plain_vector *rows) {
  for (int i = 1; i < 4; i++) {
    for (int j = 0; j < i; j++) {
      float x = rows[i][j];
      rows[i][j] = rows[j][i];
      rows[j][i] = x;
    }
  }
}

#define NAME(x) plain_##x
#define LANES 4
#define ROWS 6
#define EACH_BLOCK(X) X(6) X(4) X(2) X(1)
#define VALUES_AT_ONCE 256
#define VERSION_NAME "plain"
#if defined(__aarch64__) || defined(__FMA__)
#define multiply_add(a, b, c) __builtin_elementwise_fma(a, b, c)
#else
#define multiply_add(a, b, c) ((a) * (b) + (c))
#endif
#define load_part(from, n) plain_load_part(from, n)
#define store_part(to, x, n) plain_store_part(to, x, n)
#define transpose(rows) plain_transpose(rows)
#include "attention_template.h"

// MARK: Choice

// The versions that this processor can run.
typedef struct {
  const kernels *at[3];
  unsigned count;
} version_list;

static version_list versions(void) {
  version_list list = {.count = 0};
#if defined(__x86_64__)
  bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")) {
    list.at[list.count++] = &avx512_kernels;
  }
  if (has_avx2) list.at[list.count++] = &avx2_kernels;
#endif
  list.at[list.count++] = &plain_kernels;
  return list;
}

static const kernels *kernels_of(unsigned version) { return versions().at[version]; }

unsigned headimpact_attention_versions(void) { return versions().count; }

const char *headimpact_attention_name(unsigned version) { return kernels_of(version)->name; }

size_t headimpact_attention_rows_at_once(unsigned version) { return kernels_of(version)->rows; }

size_t headimpact_attention_keys_size(unsigned version, size_t positions, size_t depth) {
  return kernels_of(version)->keys_size(positions, depth);
}

size_t headimpact_attention_values_size(unsigned version, size_t positions, size_t depth) {
  return kernels_of(version)->values_size(positions, depth);
}

size_t headimpact_attention_scratch_size(unsigned version, size_t depth) {
  return kernels_of(version)->scratch_size(depth);
}

void headimpact_attention_pack_keys(const headimpact_attention *attention, float *packed) {
  kernels_of(attention->version)->pack_keys(attention, packed);
}

void headimpact_attention_pack_values(const headimpact_attention *attention, float *packed) {
  kernels_of(attention->version)->pack_values(attention, packed);
}

void headimpact_attention_scores(
    const headimpact_attention *attention, const headimpact_attention_row *rows, size_t count) {
  if (count > 0) kernels_of(attention->version)->scores(attention, rows, count);
}

void headimpact_attention_softmax(unsigned version, float *row, size_t n, float scale) {
  kernels_of(version)->softmax(row, n, scale);
}

void headimpact_softmax(float *row, size_t n, float scale) { headimpact_attention_softmax(0, row, n, scale); }

void headimpact_attention_add_values(
    const headimpact_attention *attention, const headimpact_attention_row *rows, size_t count) {
  if (count > 0) kernels_of(attention->version)->add_values(attention, rows, count);
}
