// Matrix products in float32, c (+)= a . b, on operands packed into tiles that fit a core's caches and registers.
//
// Every element of c is a sum of blocks of 256 terms, added in ascending order; within a block one accumulator takes the
// terms in ascending order. So it depends on its own row of a and column of b alone: not on the other rows, nor on how many there
// are, nor on how the work is divided, nor on whether the processor has AVX2 or AVX-512.
//
// The program calls them on x86-64; elsewhere OpenBLAS multiplies.
#pragma once
#include <stdint.h>

// The instructions that a product uses.
typedef enum {
  headimpact_product_plain,    // those of every processor: multiplication and addition are rounded each
  headimpact_product_avx2,     // with FMA
  headimpact_product_avx512,   // F, BW, DQ, VL
  headimpact_product_bfloat16  // AVX-512's dot products of pairs of bf16: both operands are rounded, two terms are added at a time
} headimpact_product_kind;

typedef enum { headimpact_float32, headimpact_bfloat16, headimpact_float16 } headimpact_element;

// A matrix where it lies, at any byte.
typedef struct {
  const void *base;
  int64_t stride;  // elements from one row, as it lies, to the next
  headimpact_element element;
  int across;  // whether a row, as it lies, holds the terms of one row or column of c: [rows or columns of c, depth]; else [depth, ...]
  int rounds;  // whether its numbers are rounded to bf16
} headimpact_matrix;

// Whether this processor has the instructions.
int headimpact_product_has(headimpact_product_kind kind);
// Whether bf16's dot products are faster than float32's products.
int headimpact_product_is_faster_in_bfloat16(void);
// The most rows for which a matrix whose rows hold the terms (`across`) is read where it lies: no scratch is used.
int64_t headimpact_product_few_rows(headimpact_product_kind kind);
// Columns of c that are computed together: a division of the work at multiples of these wastes nothing.
int64_t headimpact_product_tile_columns(headimpact_product_kind kind);
// Rows of c that are computed together, of so many: where the work can be divided.
int64_t headimpact_product_tile_rows(headimpact_product_kind kind, int64_t rows);

// Bytes of a packed left operand.
int64_t headimpact_product_packed_bytes(headimpact_product_kind kind, int64_t rows, int64_t depth);
// Bytes of scratch, aligned to 64, that a product of `columns` columns of c needs.
int64_t headimpact_product_scratch_bytes(headimpact_product_kind kind, int64_t columns);

// Packs rows first..<end of a left operand of `rows` rows: both are multiples of the tile's rows, or end is `rows`.
void headimpact_product_pack(
    headimpact_product_kind kind, headimpact_matrix left, int64_t rows, int64_t depth, int64_t first, int64_t end, void *packed);

// c (+)= a . b, of rows first_row..<end_row (as above) and columns first_column..<end_column.
//
// bias, if it is not NULL, is added last: c = (c + a . b) + bias.
void headimpact_product_run(
    headimpact_product_kind kind, const void *packed, int64_t rows, int64_t depth, headimpact_matrix right, int64_t first_row,
    int64_t end_row, int64_t first_column, int64_t end_column, float *c, int64_t c_stride, const float *bias, int accumulate,
    void *scratch);

// Where several products take one right operand: it is packed once, in so many bytes, aligned to 64.
int64_t headimpact_product_packed_right_bytes(headimpact_product_kind kind, int64_t columns, int64_t depth);
void headimpact_product_pack_right(
    headimpact_product_kind kind, headimpact_matrix right, int64_t columns, int64_t depth, void *packed);
// c = a . b, both packed; depth >= 1.
void headimpact_product_run_packed(
    headimpact_product_kind kind, const void *left, int64_t rows, int64_t depth, const void *right, int64_t columns, float *c,
    int64_t c_stride);

// The same of operands as they lie, on the calling thread; kind is not the one for bf16.
void headimpact_product_multiply(
    headimpact_product_kind kind, headimpact_matrix left, headimpact_matrix right, int64_t rows, int64_t columns, int64_t depth,
    float *c, int64_t c_stride, int accumulate);
