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
ALWAYS_INLINE void NAME(add_term)(
    const int height, const int vectors, const TERM *left, const TERM *right, VECTOR (*sums)[VECTORS]) {
  MULTIPLIED b[VECTORS];
  UNROLL for (int v = 0; v < vectors; v++) b[v] = LOAD_TERMS(right + v * LANES);
  UNROLL for (int i = 0; i < height; i++) {
    MULTIPLIED a = BROADCAST(left + i);
    UNROLL for (int v = 0; v < vectors; v++) sums[i][v] = ADD_PRODUCT(a, b[v], sums[i][v]);
  }
}

// A tile of `height` rows, of which `rows` are wanted, and `columns` columns, the first of so many vectors.
//
// left [terms][height], right [terms][TILE_COLUMNS]; next: what is multiplied soon, of which each term brings `share` bytes closer.
ALWAYS_INLINE void NAME(tile)(
    const int height, const int vectors, const TERM *left, const TERM *right, int64_t terms, NAME(target) target, int rows,
    int columns, const char *next, int64_t share) {
  VECTOR sums[MOST_ROWS][VECTORS];
  UNROLL for (int i = 0; i < height; i++) UNROLL for (int v = 0; v < vectors; v++) sums[i][v] = ZERO;
  // One request a term: many at once would wait for one another.
  int64_t k = 0;
  for (int64_t end = smaller(rows, terms); k < end; k++) {
    UNROLL for (int v = 0; v < vectors; v++) __builtin_prefetch(target.c + k * target.stride + v * LANES, 1);
    NAME(add_term)(height, vectors, left + k * height, right + k * TILE_COLUMNS, sums);
  }
  _Pragma("clang loop unroll_count(4)") for (; k < terms; k++) {
    __builtin_prefetch(next + k * share, 0, 2);
    NAME(add_term)(height, vectors, left + k * height, right + k * TILE_COLUMNS, sums);
  }
  if (columns == vectors * LANES) {
    UNROLL for (int i = 0; i < height; i++) {
      if (i >= rows) continue;
      float *c = target.c + i * target.stride;
      UNROLL for (int v = 0; v < vectors; v++) {
        VECTOR value = target.adds ? LOAD(c + v * LANES) + sums[i][v] : sums[i][v];
        STORE(c + v * LANES, target.bias ? value + LOAD(target.bias + v * LANES) : value);
      }
    }
    return;
  }
  UNROLL for (int i = 0; i < height; i++) {
    if (i >= rows) continue;
    float line[TILE_COLUMNS], *c = target.c + i * target.stride;
    UNROLL for (int v = 0; v < vectors; v++) STORE(line + v * LANES, sums[i][v]);
    for (int j = 0; j < columns; j++) {
      float value = target.adds ? c[j] + line[j] : line[j];
      c[j] = target.bias ? value + target.bias[j] : value;
    }
  }
}

typedef void (*NAME(tile_function))(const TERM *, const TERM *, int64_t, NAME(target), int, int, const char *, int64_t);
#define TILE_OF(name, height, vectors)                                                                             \
  static void NAME(name##_##height)(                                                                               \
      const TERM *left, const TERM *right, int64_t terms, NAME(target) target, int rows, int columns,              \
      const char *next, int64_t share) {                                                                           \
    NAME(tile)(height, vectors, left, right, terms, target, rows, columns, next, share);                           \
  }
#define TILE(height) TILE_OF(tile, height, VECTORS) TILE_OF(narrow, height, 1)
TILE(1) TILE(2) TILE(3) TILE(4)
#if TILE_ROWS >= 6
TILE(5) TILE(6)
#endif
#if TILE_ROWS >= 14
TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12) TILE(13) TILE(14) TILE(16)
#endif
#define ENTRY(height) {NAME(narrow_##height), NAME(tile_##height)}
// By height, of columns that one vector holds and of more.
static const NAME(tile_function) NAME(tiles)[][2] = {
    {0, 0}, ENTRY(1), ENTRY(2), ENTRY(3), ENTRY(4),
#if TILE_ROWS >= 6
    ENTRY(5), ENTRY(6),
#endif
#if TILE_ROWS >= 14
    ENTRY(7), ENTRY(8), ENTRY(9), ENTRY(10), ENTRY(11), ENTRY(12), ENTRY(13), ENTRY(14), {0, 0}, ENTRY(16),
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
  const TERM *right;    // strips of TILE_COLUMNS columns
  int64_t right_terms;  // from one strip to the next
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
        NAME(tiles)[height][b.columns - column > LANES](
            left, b.right + column * b.right_terms, b.terms, to, (int)smaller(height, b.rows - row),
            (int)smaller(TILE_COLUMNS, b.columns - column), next + column / TILE_COLUMNS * share * b.terms, share);
      }
    }
  }
}

// A block of terms of some columns: strips, `strip` terms from one to the next.
static void NAME(pack_block)(
    headimpact_matrix right, int64_t first, int64_t columns, int64_t start, int64_t length, TERM *packed, int64_t strip) {
  for (int64_t column = 0; column < columns; column += TILE_COLUMNS)
    NAME(pack_strip)(
        right, first + column, (int)smaller(TILE_COLUMNS, columns - column), start, length, packed + column * strip,
        TILE_COLUMNS);
}

// Of a right operand that is packed as a whole, a block lies behind the other: terms from one strip to the next, and where
// the block lies that begins at a term.
static int64_t NAME(strip_terms)(int64_t depth) { return smaller(BLOCK_TERMS, NAME(terms)(depth)); }
static int64_t NAME(block_place)(int64_t columns, int64_t start) {
  return start / PAIR * ((columns + TILE_COLUMNS - 1) / TILE_COLUMNS * TILE_COLUMNS);
}

static void NAME(pack_right)(headimpact_matrix right, int64_t columns, int64_t depth, void *packed) {
  for (int64_t start = 0; start < depth; start += BLOCK)
    NAME(pack_block)(
        right, 0, columns, start, smaller(BLOCK, depth - start), (TERM *)packed + NAME(block_place)(columns, start),
        NAME(strip_terms)(depth));
}

static void NAME(pack)(headimpact_matrix left, int64_t rows, int64_t depth, int64_t first, int64_t end, void *packed) {
  int64_t terms = NAME(terms)(depth), height = tile_height(rows, TILE_ROWS, FEW_ROWS);
  for (int64_t row = first; row < end; row += height) {
    int64_t own = rows <= FEW_ROWS ? height : smaller(height, rows - row);
    NAME(pack_strip)(left, row, (int)smaller(own, rows - row), 0, depth, (TERM *)packed + row * terms, (int)own);
  }
}

// All packed rows, of the block of terms that begins at `start`; without what is on the right.
static NAME(block) NAME(block_of)(const void *packed, int64_t rows, int64_t depth, int64_t start) {
  return (NAME(block)){
      .left = packed, .left_terms = NAME(terms)(depth), .left_start = start / PAIR, .rows = rows,
      .height = tile_height(rows, TILE_ROWS, FEW_ROWS), .is_padded = rows <= FEW_ROWS,
      .terms = NAME(terms)(smaller(BLOCK, depth - start))};
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
  int64_t columns = end_column - first_column;
  c += first_row * c_stride + first_column;
  for (int64_t start = 0; start < depth || start == 0; start += BLOCK) {
    int64_t length = smaller(BLOCK, depth - start);
    NAME(pack_block)(right, first_column, columns, start, length, scratch, BLOCK_TERMS);
    NAME(block) block = NAME(block_of)(packed, rows, depth, start);
    block.left += first_row * block.left_terms;
    block.rows = end_row - first_row;
    block.right = scratch;
    block.right_terms = BLOCK_TERMS;
    block.columns = columns;
    const float *last = bias && start + length == depth ? bias + first_column : 0;
    NAME(multiply_block)(block, (NAME(target)){c, c_stride, last, accumulate || start > 0});
  }
}

static void NAME(run_packed)(
    const void *left, int64_t rows, int64_t depth, const void *right, int64_t columns, float *c, int64_t c_stride) {
  for (int64_t start = 0; start < depth; start += BLOCK) {
    NAME(block) block = NAME(block_of)(left, rows, depth, start);
    block.right = (const TERM *)right + NAME(block_place)(columns, start);
    block.right_terms = NAME(strip_terms)(depth);
    block.columns = columns;
    NAME(multiply_block)(block, (NAME(target)){c, c_stride, 0, start > 0});
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
      NAME(pack_block)(right, column, width, start, length, b, BLOCK_TERMS);
      for (int64_t first = 0; first < rows; first += SERIAL_ROWS) {
        int64_t some = smaller(SERIAL_ROWS, rows - first);
        for (int64_t row = 0; row < some; row += TILE_ROWS) {
          int height = (int)smaller(TILE_ROWS, some - row);
          NAME(pack_strip)(left, first + row, height, start, length, a + row * length, height);
        }
        NAME(block) block = {
            .left = a, .left_terms = length, .rows = some, .height = TILE_ROWS, .right = b,
            .right_terms = BLOCK_TERMS, .columns = width, .terms = length};
        NAME(target) target = {c + first * c_stride + column, c_stride, 0, accumulate || start > 0};
        NAME(multiply_block)(block, target);
      }
    }
  }
}
#endif
