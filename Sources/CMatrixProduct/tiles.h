// Products of one kind, tile by tile. The file that includes this defines:
//   NAME(x)                 the name of a function of this kind
//   TERM, PAIR              what a packed operand holds at a time, and how many terms that is
//   VECTOR, LANES           a vector of float32, and how many it holds; ZERO, LOAD, STORE
//   MULTIPLIED              a vector of TERMs; LOAD_TERMS, BROADCAST
//   ADD_PRODUCT(l, r, sum)  sum + l . r
//   TILE_ROWS, FEW_ROWS     the most rows of a tile, of many rows and of a few (0: these are tiles too)
//   VECTORS                 of a row of a tile
//   NAME(pack_strip)(matrix, first, width, start, length, out, out_width)
//                           packs terms start..<start + length of `width` members from `first` on: out [terms][out_width],
//                           0 behind the members
//   NAME(run_few)           where FEW_ROWS > 0: see few_rows.h
// It doesn't fuse, reorder or drop an operation.
#pragma clang fp contract(off) reassociate(off)

#define MOST_ROWS (TILE_ROWS > FEW_ROWS ? TILE_ROWS : FEW_ROWS)
#define TILE_COLUMNS (LANES * VECTORS)
#define BLOCK_TERMS (BLOCK / PAIR)
// Tiles of rows that take turns with a strip of columns: the strip then stays in the first cache.
#define GROUP_TILES 8
// What `multiply` packs at a time, on the stack.
#define SERIAL_ROWS (TILE_ROWS * 4)
#define SERIAL_COLUMNS 128

ALWAYS_INLINE int64_t NAME(terms)(int64_t depth) { return (depth + PAIR - 1) / PAIR; }

// Where the sums of a block go.
typedef struct {
  float *c;
  int64_t stride;
  const float *bias;  // added behind the last block; else NULL
  int adds;           // to what c holds; else c is only written
} NAME(target);

// A term of a tile.
ALWAYS_INLINE void NAME(add_term)(const int height, const TERM *left, const TERM *right, VECTOR (*sums)[VECTORS]) {
  MULTIPLIED b[VECTORS];
  UNROLL for (int v = 0; v < VECTORS; v++) b[v] = LOAD_TERMS(right + v * LANES);
  UNROLL for (int i = 0; i < height; i++) {
    MULTIPLIED a = BROADCAST(left + i);
    UNROLL for (int v = 0; v < VECTORS; v++) sums[i][v] = ADD_PRODUCT(a, b[v], sums[i][v]);
  }
}

// A tile of `height` rows, of which `rows` are wanted, and `columns` columns.
//
// left [terms][height], right [terms][TILE_COLUMNS]; next: what is multiplied soon, of which each term brings `share` bytes closer.
ALWAYS_INLINE void NAME(tile)(
    const int height, const TERM *left, const TERM *right, int64_t terms, NAME(target) target, int rows, int columns,
    const char *next, int64_t share) {
  VECTOR sums[MOST_ROWS][VECTORS];
  UNROLL for (int i = 0; i < height; i++) UNROLL for (int v = 0; v < VECTORS; v++) sums[i][v] = ZERO;
  // One request a term: many at once would wait for one another.
  int64_t k = 0;
  for (int64_t end = smaller(rows, terms); k < end; k++) {
    UNROLL for (int v = 0; v < VECTORS; v++) __builtin_prefetch(target.c + k * target.stride + v * LANES, 1);
    NAME(add_term)(height, left + k * height, right + k * TILE_COLUMNS, sums);
  }
  _Pragma("clang loop unroll_count(4)") for (; k < terms; k++) {
    __builtin_prefetch(next + k * share, 0, 2);
    NAME(add_term)(height, left + k * height, right + k * TILE_COLUMNS, sums);
  }
  if (columns == TILE_COLUMNS) {
    UNROLL for (int i = 0; i < height; i++) {
      if (i >= rows) continue;
      float *c = target.c + i * target.stride;
      UNROLL for (int v = 0; v < VECTORS; v++) {
        VECTOR value = target.adds ? LOAD(c + v * LANES) + sums[i][v] : sums[i][v];
        STORE(c + v * LANES, target.bias ? value + LOAD(target.bias + v * LANES) : value);
      }
    }
    return;
  }
  UNROLL for (int i = 0; i < height; i++) {
    if (i >= rows) continue;
    float line[TILE_COLUMNS], *c = target.c + i * target.stride;
    UNROLL for (int v = 0; v < VECTORS; v++) STORE(line + v * LANES, sums[i][v]);
    for (int j = 0; j < columns; j++) {
      float value = target.adds ? c[j] + line[j] : line[j];
      c[j] = target.bias ? value + target.bias[j] : value;
    }
  }
}

typedef void (*NAME(tile_function))(const TERM *, const TERM *, int64_t, NAME(target), int, int, const char *, int64_t);
#define TILE(height)                                                                                               \
  static void NAME(tile_##height)(                                                                                 \
      const TERM *left, const TERM *right, int64_t terms, NAME(target) target, int rows, int columns,              \
      const char *next, int64_t share) {                                                                           \
    NAME(tile)(height, left, right, terms, target, rows, columns, next, share);                                    \
  }
TILE(1) TILE(2) TILE(3) TILE(4)
#if TILE_ROWS >= 6
TILE(5) TILE(6)
#endif
#if TILE_ROWS >= 14
TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12) TILE(13) TILE(14) TILE(16)
#endif
static const NAME(tile_function) NAME(tiles)[] = {
    0, NAME(tile_1), NAME(tile_2), NAME(tile_3), NAME(tile_4),
#if TILE_ROWS >= 6
    NAME(tile_5), NAME(tile_6),
#endif
#if TILE_ROWS >= 14
    NAME(tile_7), NAME(tile_8), NAME(tile_9), NAME(tile_10), NAME(tile_11), NAME(tile_12), NAME(tile_13), NAME(tile_14), 0,
    NAME(tile_16),
#endif
};

// Tiles of some rows and columns, of a block of terms.
typedef struct {
  const TERM *left;     // the first of the rows' tiles
  int64_t left_terms;   // from one row to the next: the terms of a whole tile's row
  int64_t left_start;   // the block's first of them
  int64_t rows;
  int64_t height;       // of a tile; the last is as high as there are rows left
  int is_padded;        // or as high as the others
  const TERM *right;    // strips of TILE_COLUMNS columns, BLOCK_TERMS long
  int64_t columns;
  int64_t terms;
} NAME(block);

static void NAME(multiply_block)(NAME(block) b, NAME(target) target) {
  int64_t strips = (b.columns + TILE_COLUMNS - 1) / TILE_COLUMNS, group = b.height * GROUP_TILES;
  for (int64_t first = 0; first < b.rows; first += group) {
    for (int64_t column = 0; column < b.columns; column += TILE_COLUMNS) {
      for (int64_t row = first; row < smaller(first + group, b.rows); row += b.height) {
        int64_t height = b.is_padded ? b.height : smaller(b.height, b.rows - row);
        const TERM *left = b.left + row * b.left_terms + b.left_start * height;
        // The tile of the next group in this place.
        const char *next = (const char *)(left + (row + group < b.rows ? group * b.left_terms : 0));
        int64_t share = (height * (int64_t)sizeof(TERM) + strips - 1) / strips;
        NAME(target) to = target;
        to.c += row * target.stride + column;
        if (to.bias) to.bias += column;
        NAME(tiles)[height](
            left, b.right + column * BLOCK_TERMS, b.terms, to, (int)smaller(height, b.rows - row),
            (int)smaller(TILE_COLUMNS, b.columns - column), next + column / TILE_COLUMNS * share * b.terms, share);
      }
    }
  }
}

static void NAME(pack_right)(
    headimpact_matrix right, int64_t first, int64_t columns, int64_t start, int64_t length, TERM *packed) {
  for (int64_t column = 0; column < columns; column += TILE_COLUMNS)
    NAME(pack_strip)(
        right, first + column, (int)smaller(TILE_COLUMNS, columns - column), start, length, packed + column * BLOCK_TERMS,
        TILE_COLUMNS);
}

static void NAME(pack)(headimpact_matrix left, int64_t rows, int64_t depth, int64_t first, int64_t end, void *packed) {
  int64_t terms = NAME(terms)(depth), height = tile_height(rows, TILE_ROWS, FEW_ROWS);
  for (int64_t row = first; row < end; row += height) {
    int64_t own = rows <= FEW_ROWS ? height : smaller(height, rows - row);
    NAME(pack_strip)(left, row, (int)smaller(own, rows - row), 0, depth, (TERM *)packed + row * terms, (int)own);
  }
}

static void NAME(run)(
    const void *packed, int64_t rows, int64_t depth, headimpact_matrix right, int64_t first_row, int64_t end_row,
    int64_t first_column, int64_t end_column, float *c, int64_t c_stride, const float *bias, int accumulate, void *scratch) {
#if FEW_ROWS > 0
  if (rows <= FEW_ROWS && right.across) {
    NAME(run_few)(packed, (int)rows, depth, right, first_column, end_column, c, c_stride, bias, accumulate);
    return;
  }
#endif
  int64_t terms = NAME(terms)(depth), columns = end_column - first_column;
  for (int64_t start = 0; start < depth || start == 0; start += BLOCK) {
    int64_t length = smaller(BLOCK, depth - start);
    NAME(pack_right)(right, first_column, columns, start, length, scratch);
    NAME(block) block = {
        .left = (const TERM *)packed + first_row * terms, .left_terms = terms, .left_start = start / PAIR,
        .rows = end_row - first_row, .height = tile_height(rows, TILE_ROWS, FEW_ROWS), .is_padded = rows <= FEW_ROWS,
        .right = scratch, .columns = columns, .terms = NAME(terms)(length)};
    NAME(target) target = {
        c + first_row * c_stride + first_column, c_stride, bias && start + length == depth ? bias + first_column : 0,
        accumulate || start > 0};
    NAME(multiply_block)(block, target);
  }
}

#if PAIR == 1
static void NAME(multiply)(
    headimpact_matrix left, headimpact_matrix right, int64_t rows, int64_t columns, int64_t depth, float *c, int64_t c_stride,
    int accumulate) {
  TERM a[SERIAL_ROWS * BLOCK], b[SERIAL_COLUMNS * BLOCK] __attribute__((aligned(64)));
  for (int64_t column = 0; column < columns; column += SERIAL_COLUMNS) {
    int64_t width = smaller(SERIAL_COLUMNS, columns - column);
    for (int64_t start = 0; start < depth || start == 0; start += BLOCK) {
      int64_t length = smaller(BLOCK, depth - start);
      NAME(pack_right)(right, column, width, start, length, b);
      for (int64_t first = 0; first < rows; first += SERIAL_ROWS) {
        int64_t some = smaller(SERIAL_ROWS, rows - first);
        for (int64_t row = 0; row < some; row += TILE_ROWS) {
          int height = (int)smaller(TILE_ROWS, some - row);
          NAME(pack_strip)(left, first + row, height, start, length, a + row * length, height);
        }
        NAME(block) block = {
            .left = a, .left_terms = length, .rows = some, .height = TILE_ROWS, .right = b, .columns = width, .terms = length};
        NAME(target) target = {c + first * c_stride + column, c_stride, 0, accumulate || start > 0};
        NAME(multiply_block)(block, target);
      }
    }
  }
}
#endif
