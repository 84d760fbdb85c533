// Products in float32 with what every processor has.
#include "product_support.h"

typedef float four_floats __attribute__((vector_size(16), aligned(4)));

#define VECTOR four_floats
#define LANES 4
#define VECTORS 2
#define TILE_ROWS 4
#define FEW_ROWS 0
#define ZERO (four_floats){0, 0, 0, 0}
#define LOAD(at) (*(const four_floats *)(at))
#define STORE(at, x) (*(four_floats *)(at) = (x))

#define NAME(x) plain_##x
#define TERM float
#define PAIR 1
#define MULTIPLIED four_floats
#define LOAD_TERMS(at) LOAD(at)
#define BROADCAST(at) (four_floats){*(at), *(at), *(at), *(at)}
#define ADD_PRODUCT(l, r, sum) ((sum) + (l) * (r))

static void plain_pack_strip(
    headimpact_matrix m, int64_t first, int width, int64_t start, int64_t length, float *out, int out_width) {
  for (int64_t k = 0; k < length; k++)
    for (int i = 0; i < out_width; i++) out[k * out_width + i] = i < width ? number(m, first + i, start + k) : 0;
}

#include "tiles.h"

const headimpact_product_functions headimpact_products_plain = {
    TILE_ROWS, FEW_ROWS, TILE_COLUMNS, PAIR, plain_pack, plain_pack_right, plain_run, plain_run_packed,
    plain_multiply};
