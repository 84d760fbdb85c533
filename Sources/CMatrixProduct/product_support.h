// What the kinds of products share.
#pragma once
#include <stddef.h>
#include <string.h>

#include "matrix_product.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")
#define BLOCK 256

// One kind's functions; `product.c` chooses.
typedef struct {
  int tile_rows;     // the most of many rows
  int few_rows;      // the most that are one tile, whatever tile_rows
  int tile_columns;
  int pair;          // terms that are added at a time
  void (*pack)(headimpact_matrix left, int64_t rows, int64_t depth, int64_t first, int64_t end, void *packed);
  void (*pack_right)(headimpact_matrix right, int64_t columns, int64_t depth, void *packed);
  void (*run)(
      const void *packed, int64_t rows, int64_t depth, headimpact_matrix right, int64_t first_row, int64_t end_row,
      int64_t first_column, int64_t end_column, float *c, int64_t c_stride, const float *bias, int accumulate, void *scratch);
  void (*run_packed)(
      const void *left, int64_t rows, int64_t depth, const void *right, int64_t columns, float *c, int64_t c_stride);
  void (*multiply)(
      headimpact_matrix left, headimpact_matrix right, int64_t rows, int64_t columns, int64_t depth, float *c, int64_t c_stride,
      int accumulate);
} headimpact_product_functions;

extern const headimpact_product_functions headimpact_products_plain;
#if defined(__x86_64__)
extern const headimpact_product_functions headimpact_products_avx2, headimpact_products_avx512, headimpact_products_bfloat16;
#endif

static inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t element_bytes(headimpact_element element) { return element == headimpact_float32 ? 4 : 2; }

// The rows that a tile of a few rows takes, the rest zero.
static inline int64_t few_height(int64_t rows) {
  return rows <= 4 ? rows : rows <= 6 ? 6 : rows <= 8 ? 8 : rows <= 12 ? 12 : 16;
}

// The rows of a tile, of so many in all: as even as can be. At least one, so that work can be divided by it.
static inline int64_t tile_height(int64_t rows, int64_t most, int64_t few) {
  if (rows <= 0) return 1;
  if (rows <= few) return few_height(rows);
  int64_t tiles = (rows + most - 1) / most;
  return (rows + tiles - 1) / tiles;
}

// Where members and terms of a matrix lie.
static inline const char *place(headimpact_matrix m, int64_t member, int64_t term) {
  return (const char *)m.base + (m.across ? member * m.stride + term : term * m.stride + member) * element_bytes(m.element);
}

// bf16's nearest, ties to even; a NaN stays one.
static inline float round_to_bfloat16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  uint32_t rounded = bits + 0x7fffu + ((bits >> 16) & 1u);
  bits = ((bits & 0x7fffffffu) > 0x7f800000u ? bits | 0x400000u : rounded) & 0xffff0000u;
  memcpy(&x, &bits, 4);
  return x;
}

// Half precision, exactly.
static inline float widen_half(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000u) << 16, exponent = (half >> 10) & 31u, fraction = half & 1023u, bits;
  float x = (float)fraction * 0x1p-24f;
  memcpy(&bits, &x, 4);
  if (exponent == 31) bits = 0x7f800000u | fraction << 13 | (fraction ? 0x400000u : 0);
  if (exponent > 0 && exponent < 31) bits = (exponent + 112u) << 23 | fraction << 13;
  bits |= sign;
  memcpy(&x, &bits, 4);
  return x;
}

// One number: term `term` of member `member`.
static inline float number(headimpact_matrix m, int64_t member, int64_t term) {
  const char *at = place(m, member, term);
  float x;
  if (m.element == headimpact_float32) {
    memcpy(&x, at, 4);
  } else {
    uint16_t half;
    memcpy(&half, at, 2);
    uint32_t bits = (uint32_t)half << 16;
    memcpy(&x, &bits, 4);
    if (m.element == headimpact_float16) x = widen_half(half);
  }
  return m.rounds ? round_to_bfloat16(x) : x;
}
