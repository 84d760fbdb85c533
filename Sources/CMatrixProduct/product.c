// Which functions a product uses.
#include "product_support.h"

static const headimpact_product_functions *functions_of(headimpact_product_kind kind) {
#if defined(__x86_64__)
  switch (kind) {
    case headimpact_product_plain: break;
    case headimpact_product_avx2: return &headimpact_products_avx2;
    case headimpact_product_avx512: return &headimpact_products_avx512;
    case headimpact_product_bfloat16: return &headimpact_products_bfloat16;
  }
#else
  (void)kind;
#endif
  return &headimpact_products_plain;
}

int headimpact_product_has(headimpact_product_kind kind) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  int avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
      && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  switch (kind) {
    case headimpact_product_plain: return 1;
    case headimpact_product_avx2: return avx2;
    case headimpact_product_avx512: return avx512;
    case headimpact_product_bfloat16: return avx512 && __builtin_cpu_supports("avx512bf16");
  }
#endif
  return kind == headimpact_product_plain;
}

int headimpact_product_is_faster_in_bfloat16(void) {
#if defined(__x86_64__)
  // By the processor's maker, as a timing would make the bits depend on the moment. On Intel's cores the dot products were slower
  // than float32's: 80 against 135 GFLOP/s, measured.
  return headimpact_product_has(headimpact_product_bfloat16) && __builtin_cpu_is("amd");
#else
  return 0;
#endif
}

int64_t headimpact_product_few_rows(headimpact_product_kind kind) { return functions_of(kind)->few_rows; }

int64_t headimpact_product_tile_columns(headimpact_product_kind kind) { return functions_of(kind)->tile_columns; }

int64_t headimpact_product_tile_rows(headimpact_product_kind kind, int64_t rows) {
  const headimpact_product_functions *f = functions_of(kind);
  return tile_height(rows, f->tile_rows, f->few_rows);
}

static int64_t terms_of(const headimpact_product_functions *f, int64_t depth) { return (depth + f->pair - 1) / f->pair; }

int64_t headimpact_product_packed_bytes(headimpact_product_kind kind, int64_t rows, int64_t depth) {
  const headimpact_product_functions *f = functions_of(kind);
  // A few rows are padded to a tile.
  int64_t padded = rows <= f->few_rows ? tile_height(rows, f->tile_rows, f->few_rows) : rows;
  return padded * terms_of(f, depth) * 4;
}

int64_t headimpact_product_scratch_bytes(headimpact_product_kind kind, int64_t columns) {
  const headimpact_product_functions *f = functions_of(kind);
  return (columns + f->tile_columns - 1) / f->tile_columns * f->tile_columns * terms_of(f, BLOCK) * 4;
}

void headimpact_product_pack(
    headimpact_product_kind kind, headimpact_matrix left, int64_t rows, int64_t depth, int64_t first, int64_t end, void *packed) {
  functions_of(kind)->pack(left, rows, depth, first, end, packed);
}

int64_t headimpact_product_packed_right_bytes(headimpact_product_kind kind, int64_t columns, int64_t depth) {
  const headimpact_product_functions *f = functions_of(kind);
  int64_t strips = (columns + f->tile_columns - 1) / f->tile_columns, blocks = (depth + BLOCK - 1) / BLOCK;
  return strips * f->tile_columns * blocks * smaller(terms_of(f, BLOCK), terms_of(f, depth)) * 4;
}

void headimpact_product_pack_right(
    headimpact_product_kind kind, headimpact_matrix right, int64_t columns, int64_t depth, void *packed) {
  functions_of(kind)->pack_right(right, columns, depth, packed);
}

void headimpact_product_run_packed(
    headimpact_product_kind kind, const void *left, int64_t rows, int64_t depth, const void *right, int64_t columns, float *c,
    int64_t c_stride) {
  functions_of(kind)->run_packed(left, rows, depth, right, columns, c, c_stride);
}

void headimpact_product_run(
    headimpact_product_kind kind, const void *packed, int64_t rows, int64_t depth, headimpact_matrix right, int64_t first_row,
    int64_t end_row, int64_t first_column, int64_t end_column, float *c, int64_t c_stride, const float *bias, int accumulate,
    void *scratch) {
  functions_of(kind)->run(
      packed, rows, depth, right, first_row, end_row, first_column, end_column, c, c_stride, bias, accumulate, scratch);
}

void headimpact_product_multiply(
    headimpact_product_kind kind, headimpact_matrix left, headimpact_matrix right, int64_t rows, int64_t columns, int64_t depth,
    float *c, int64_t c_stride, int accumulate) {
  functions_of(kind)->multiply(left, right, rows, columns, depth, c, c_stride, accumulate);
}
