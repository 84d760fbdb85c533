// One matrix product of oneDNN, made once and run often: oneDNN's structures and versions stay in here.
#pragma once
#include <oneapi/dnnl/dnnl.h>
#include <stdint.h>
#include <string.h>

typedef struct {
  dnnl_primitive_t primitive;
  dnnl_memory_t source, weights, destination, scratchpad;
  size_t scratchpad_bytes;
} headimpact_matmul;

// Whether the processor has instructions for bf16.
static inline int headimpact_has_bf16_instructions(void) {
  return dnnl_get_effective_cpu_isa() >= dnnl_cpu_isa_avx512_core_bf16;
}

// Whether matrix products of bf16 are faster than those of float32. Taken from the processor's
// kind, as a timing would make the bits depend on the moment: AMX and AMD's vectors are (reported, not measured here); Intel's
// vectors (no AMX, or not let through to a virtual machine) are slower: 80 against 135 GFLOP/s a core, measured.
static inline int headimpact_has_fast_bf16(void) {
#if defined(__x86_64__)
  int has_tiles = dnnl_get_effective_cpu_isa() >= dnnl_cpu_isa_avx512_core_amx;
  return has_tiles || (headimpact_has_bf16_instructions() && __builtin_cpu_is("amd"));
#else
  return 0;
#endif
}

// Products in the type that they are asked for, whatever ONEDNN_DEFAULT_FPMATH_MODE says.
static inline void headimpact_keep_precision(void) {
#if DNNL_VERSION_MAJOR > 2 || (DNNL_VERSION_MAJOR == 2 && DNNL_VERSION_MINOR >= 5)
  dnnl_set_default_fpmath_mode(dnnl_fpmath_mode_strict);
#endif
}

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t headimpact_layout;
#define HEADIMPACT_LAYOUT(layout) (layout)
static inline dnnl_status_t headimpact_layout_create(
    headimpact_layout *layout, int64_t rows, int64_t columns, dnnl_data_type_t type, int64_t row, int64_t column) {
  dnnl_dims_t dims = {rows, columns}, strides = {row, column};
  return dnnl_memory_desc_create_with_strides(layout, 2, dims, type, strides);
}
static inline void headimpact_layout_destroy(headimpact_layout layout) {
  if (layout) dnnl_memory_desc_destroy(layout);
}
#else
typedef dnnl_memory_desc_t headimpact_layout;
#define HEADIMPACT_LAYOUT(layout) (&(layout))
static inline dnnl_status_t headimpact_layout_create(
    headimpact_layout *layout, int64_t rows, int64_t columns, dnnl_data_type_t type, int64_t row, int64_t column) {
  dnnl_dims_t dims = {rows, columns}, strides = {row, column};
  return dnnl_memory_desc_init_by_strides(layout, 2, dims, type, strides);
}
static inline void headimpact_layout_destroy(headimpact_layout layout) { (void)layout; }
#endif

static inline void headimpact_matmul_destroy(headimpact_matmul *m) {
  if (m->primitive) dnnl_primitive_destroy(m->primitive);
  if (m->source) dnnl_memory_destroy(m->source);
  if (m->weights) dnnl_memory_destroy(m->weights);
  if (m->destination) dnnl_memory_destroy(m->destination);
  if (m->scratchpad) dnnl_memory_destroy(m->scratchpad);
  memset(m, 0, sizeof *m);
}

// destination[rows, columns] f32 (+)= source[rows, depth] bf16 . weights[depth, columns] bf16. Each operand has its
// own leading dimension; transposed weights lie as [columns, depth], which is how a linear layer's are stored.
static inline dnnl_status_t headimpact_matmul_create(
    dnnl_engine_t engine, int64_t rows, int64_t columns, int64_t depth, int64_t source_stride, int64_t weights_stride,
    int64_t destination_stride, int weights_transposed, int accumulate, headimpact_matmul *m) {
  memset(m, 0, sizeof *m);
  headimpact_layout source, weights, destination;
  memset(&source, 0, sizeof source);
  memset(&weights, 0, sizeof weights);
  memset(&destination, 0, sizeof destination);
  dnnl_primitive_attr_t attributes = NULL;
  dnnl_post_ops_t operations = NULL;
  dnnl_primitive_desc_t description = NULL;
  dnnl_status_t s = headimpact_layout_create(&source, rows, depth, dnnl_bf16, source_stride, 1);
  if (s == dnnl_success)
    s = headimpact_layout_create(
        &weights, depth, columns, dnnl_bf16, weights_transposed ? 1 : weights_stride,
        weights_transposed ? weights_stride : 1);
  if (s == dnnl_success)
    s = headimpact_layout_create(&destination, rows, columns, dnnl_f32, destination_stride, 1);
  if (s == dnnl_success) s = dnnl_primitive_attr_create(&attributes);
  if (s == dnnl_success) s = dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user);
  if (s == dnnl_success && accumulate) {
    s = dnnl_post_ops_create(&operations);
#if DNNL_VERSION_MAJOR >= 3
    if (s == dnnl_success) s = dnnl_post_ops_append_sum(operations, 1.0f, 0, dnnl_data_type_undef);
#else
    if (s == dnnl_success) s = dnnl_post_ops_append_sum(operations, 1.0f);
#endif
    if (s == dnnl_success) s = dnnl_primitive_attr_set_post_ops(attributes, operations);
  }
#if DNNL_VERSION_MAJOR >= 3
  if (s == dnnl_success)
    s = dnnl_matmul_primitive_desc_create(&description, engine, source, weights, NULL, destination, attributes);
#else
  dnnl_matmul_desc_t operation;
  if (s == dnnl_success) s = dnnl_matmul_desc_init(&operation, &source, &weights, NULL, &destination);
  if (s == dnnl_success) s = dnnl_primitive_desc_create(&description, &operation, attributes, engine, NULL);
#endif
  if (s == dnnl_success) s = dnnl_primitive_create(&m->primitive, description);
  if (s == dnnl_success)
    s = dnnl_memory_create(&m->source, HEADIMPACT_LAYOUT(source), engine, DNNL_MEMORY_NONE);
  if (s == dnnl_success)
    s = dnnl_memory_create(&m->weights, HEADIMPACT_LAYOUT(weights), engine, DNNL_MEMORY_NONE);
  if (s == dnnl_success)
    s = dnnl_memory_create(&m->destination, HEADIMPACT_LAYOUT(destination), engine, DNNL_MEMORY_NONE);
  if (s == dnnl_success) {
#if DNNL_VERSION_MAJOR >= 3
    const_dnnl_memory_desc_t scratchpad =
        dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0);
#else
    const dnnl_memory_desc_t *scratchpad =
        dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0);
#endif
    m->scratchpad_bytes = dnnl_memory_desc_get_size(scratchpad);
    s = dnnl_memory_create(&m->scratchpad, scratchpad, engine, DNNL_MEMORY_NONE);
  }
  if (description) dnnl_primitive_desc_destroy(description);
  if (operations) dnnl_post_ops_destroy(operations);
  if (attributes) dnnl_primitive_attr_destroy(attributes);
  headimpact_layout_destroy(source);
  headimpact_layout_destroy(weights);
  headimpact_layout_destroy(destination);
  if (s != dnnl_success) headimpact_matmul_destroy(m);
  return s;
}

// Runs on as many threads as libgomp gives the calling one: see headimpact_keep_libraries_serial.
static inline dnnl_status_t headimpact_matmul_execute(
    const headimpact_matmul *m, dnnl_stream_t stream, const void *source, const void *weights, void *destination,
    void *scratchpad) {
  dnnl_status_t s = dnnl_memory_set_data_handle(m->source, (void *)source);
  if (s == dnnl_success) s = dnnl_memory_set_data_handle(m->weights, (void *)weights);
  if (s == dnnl_success) s = dnnl_memory_set_data_handle(m->destination, destination);
  if (s == dnnl_success && m->scratchpad_bytes) s = dnnl_memory_set_data_handle(m->scratchpad, scratchpad);
  if (s != dnnl_success) return s;
  dnnl_exec_arg_t arguments[4] = {{DNNL_ARG_SRC, m->source},
                                  {DNNL_ARG_WEIGHTS, m->weights},
                                  {DNNL_ARG_DST, m->destination},
                                  {DNNL_ARG_SCRATCHPAD, m->scratchpad}};
  s = dnnl_primitive_execute(m->primitive, stream, m->scratchpad_bytes ? 4 : 3, arguments);
  return s == dnnl_success ? dnnl_stream_wait(stream) : s;
}
