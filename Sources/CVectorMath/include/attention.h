// Attention by blocks of query rows, in float32.
//
// A row's weights and output depend on its query and on the keys and values that it sees, in the order of their positions, and on
// nothing else: neither on the other rows, nor on how the keys lie in memory, nor on the processor, AVX2 or AVX-512.
// - A score is one chain of fused multiply-adds over the head's dimensions in ascending order, from 0.
// - The softmax adds 16 partial sums up, the n-th weight to sum n mod 16, and then these, the upper half onto the lower.
// - An output is one chain over the keys in ascending order, from what it was.
// Processors without fused multiply-adds round twice.
#pragma once
#include <stddef.h>

// Kernels write whole tiles of weights: a multiple of so many.
#define HEADIMPACT_ATTENTION_TILE 32
// The most rows of a call.
#define HEADIMPACT_ATTENTION_ROWS 128

// One query row of one head.
typedef struct {
  const float *query;
  // Of every position, to a multiple of the tile.
  float *weights;
  float *output;
  // The positions that it sees. At least one.
  size_t first, end;
} headimpact_attention_row;

// The keys or values of one head by position: rows `stride` apart, the first ones in one place and the rest in another.
typedef struct {
  const float *shared;
  size_t shared_count;
  const float *own;
  size_t stride;
} headimpact_attention_source;

// The keys and values of one head.
typedef struct {
  // Which kernels: 0 are the best that this processor has, the next ones are for older processors.
  unsigned version;
  headimpact_attention_source keys, values;
  size_t positions, depth;
  // NULL to take them where they lie, which a few rows do.
  const float *packed_keys, *packed_values;
  float *scratch;
} headimpact_attention;

// How many versions this processor can run, at least 1, and their names.
unsigned headimpact_attention_versions(void);
const char *headimpact_attention_name(unsigned version);
// How many rows it computes at a time.
size_t headimpact_attention_rows_at_once(unsigned version);

// Elements of packed keys, packed values, and scratch.
size_t headimpact_attention_keys_size(unsigned version, size_t positions, size_t depth);
size_t headimpact_attention_values_size(unsigned version, size_t positions, size_t depth);
size_t headimpact_attention_scratch_size(unsigned version, size_t depth);
void headimpact_attention_pack_keys(const headimpact_attention *attention, float *packed);
void headimpact_attention_pack_values(const headimpact_attention *attention, float *packed);

// Scores become the rows' weights; those of positions that a row doesn't see are undefined.
void headimpact_attention_scores(
    const headimpact_attention *attention, const headimpact_attention_row *rows, size_t count);
// row = softmax(scale * row), in place. n >= 1.
void headimpact_attention_softmax(unsigned version, float *row, size_t n, float scale);
// Adds the values that a row sees, times their weights, to its output.
void headimpact_attention_add_values(
    const headimpact_attention *attention, const headimpact_attention_row *rows, size_t count);
