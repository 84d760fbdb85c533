// oneDNN and OpenBLAS, loaded when they are asked for: no header and no package of theirs is needed to build.
#include "CProductRates.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *opened(const char *const *names) {
  for (; *names; names++) {
    void *library = dlopen(*names, RTLD_NOW | RTLD_LOCAL);
    if (library) return library;
  }
  return NULL;
}

#define FOUND(library, pointer, name) (*(void **)&(pointer) = dlsym(library, name), (pointer) != NULL)

// oneDNN divides its work over the threads of OpenMP.
static void set_openmp_threads(int threads) {
  static void (*set)(int);
  static int looked;
  if (!looked) {
    void *library = opened((const char *const[]){"libgomp.so.1", NULL});
    if (library) *(void **)&set = dlsym(library, "omp_set_num_threads");
    looked = 1;
  }
  if (set) set(threads);
}

// MARK: oneDNN. Its C interface of versions 2 and 3; a structure of version 2 is a block of memory here, larger than any of them.

typedef struct {
  int major, minor, patch;
} onednn_version;

typedef union {
  long double alignment;
  char bytes[4096];
} onednn_block;

typedef struct {
  int argument;
  void *memory;
} onednn_argument;

enum { cpu = 1, default_stream = 1, bf16 = 2, f32 = 3, source = 1, destination = 17, weights = 33 };

static struct {
  int major;
  int (*sgemm)(char, char, int64_t, int64_t, int64_t, float, const float *, int64_t, const float *, int64_t, float, float *, int64_t);
  int (*engine_create)(void **, int, size_t);
  int (*stream_create)(void **, void *, unsigned);
  int (*stream_wait)(void *);
  int (*layout_init)(void *, int, const int64_t *, int, const int64_t *);      // 2
  int (*layout_create)(void **, int, const int64_t *, int, const int64_t *);   // 3
  int (*matmul_init)(void *, const void *, const void *, const void *, const void *);                              // 2
  int (*description_create)(void **, const void *, const void *, void *, const void *);                            // 2
  int (*matmul_create)(void **, void *, const void *, const void *, const void *, const void *, const void *);     // 3
  int (*primitive_create)(void **, const void *);
  int (*primitive_destroy)(void *);
  int (*memory_create)(void **, const void *, void *, void *);
  int (*memory_set)(void *, void *);
  int (*memory_destroy)(void *);
  int (*execute)(const void *, void *, int, const onednn_argument *);
  void *engine, *stream;
} onednn;

static int onednn_find(void *library) {
  return FOUND(library, onednn.sgemm, "dnnl_sgemm") && FOUND(library, onednn.engine_create, "dnnl_engine_create")
         && FOUND(library, onednn.stream_create, "dnnl_stream_create") && FOUND(library, onednn.stream_wait, "dnnl_stream_wait")
         && FOUND(library, onednn.primitive_create, "dnnl_primitive_create")
         && FOUND(library, onednn.primitive_destroy, "dnnl_primitive_destroy")
         && FOUND(library, onednn.memory_create, "dnnl_memory_create")
         && FOUND(library, onednn.memory_set, "dnnl_memory_set_data_handle")
         && FOUND(library, onednn.memory_destroy, "dnnl_memory_destroy")
         && FOUND(library, onednn.execute, "dnnl_primitive_execute")
         && (onednn.major == 2
                 ? FOUND(library, onednn.layout_init, "dnnl_memory_desc_init_by_strides")
                       && FOUND(library, onednn.matmul_init, "dnnl_matmul_desc_init")
                       && FOUND(library, onednn.description_create, "dnnl_primitive_desc_create")
                 : FOUND(library, onednn.layout_create, "dnnl_memory_desc_create_with_strides")
                       && FOUND(library, onednn.matmul_create, "dnnl_matmul_primitive_desc_create"));
}

const char *headimpact_onednn_open(void) {
  static char said[32];
  void *library = opened((const char *const[]){"libdnnl.so.3", "libdnnl.so.2", NULL});
  if (!library) return NULL;
  const onednn_version *(*version)(void);
  if (!FOUND(library, version, "dnnl_version")) return NULL;
  onednn.major = version()->major;
  if ((onednn.major != 2 && onednn.major != 3) || !onednn_find(library)) return NULL;
  if (onednn.engine_create(&onednn.engine, cpu, 0) || onednn.stream_create(&onednn.stream, onednn.engine, default_stream))
    return NULL;
  snprintf(said, sizeof said, "%d.%d.%d", version()->major, version()->minor, version()->patch);
  return said;
}

int headimpact_onednn_f32(
    int threads, int transposed, int64_t rows, int64_t columns, int64_t depth, const float *a, const float *w, float *c) {
  set_openmp_threads(threads);
  return onednn.sgemm(
      'N', transposed ? 'T' : 'N', rows, columns, depth, 1, a, depth, w, transposed ? depth : columns, 0, c, columns);
}

struct headimpact_onednn_product {
  int threads;
  void *primitive, *source, *weights, *destination;
};

// A layout of version 3 lies elsewhere, and `block` holds its address. Those of a bench are never destroyed.
static const void *layout(onednn_block *block, int64_t rows, int64_t columns, int type, int64_t row, int64_t column) {
  int64_t dims[12] = {rows, columns}, strides[12] = {row, column};
  memset(block, 0, sizeof *block);
  if (onednn.major == 2) return onednn.layout_init(block, 2, dims, type, strides) ? NULL : block;
  void *made = NULL;
  return onednn.layout_create(&made, 2, dims, type, strides) ? NULL : made;
}

headimpact_onednn_product *headimpact_onednn_bf16_create(
    int threads, int transposed, int64_t rows, int64_t columns, int64_t depth) {
  set_openmp_threads(threads);
  onednn_block blocks[3], operation;
  const void *a = layout(&blocks[0], rows, depth, bf16, depth, 1);
  const void *w = layout(&blocks[1], depth, columns, bf16, transposed ? 1 : columns, transposed ? depth : 1);
  const void *c = layout(&blocks[2], rows, columns, f32, columns, 1);
  if (!a || !w || !c) return NULL;
  void *description = NULL;
  memset(&operation, 0, sizeof operation);
  int failed = onednn.major == 2
                   ? onednn.matmul_init(&operation, a, w, NULL, c)
                         || onednn.description_create(&description, &operation, NULL, onednn.engine, NULL)
                   : onednn.matmul_create(&description, onednn.engine, a, w, NULL, c, NULL);
  if (failed) return NULL;
  headimpact_onednn_product *product = calloc(1, sizeof *product);
  if (!product) return NULL;
  product->threads = threads;
  if (onednn.primitive_create(&product->primitive, description)
      || onednn.memory_create(&product->source, a, onednn.engine, NULL)
      || onednn.memory_create(&product->weights, w, onednn.engine, NULL)
      || onednn.memory_create(&product->destination, c, onednn.engine, NULL)) {
    headimpact_onednn_bf16_destroy(product);
    return NULL;
  }
  return product;
}

int headimpact_onednn_bf16_run(headimpact_onednn_product *product, const uint16_t *a, const uint16_t *w, float *c) {
  set_openmp_threads(product->threads);
  onednn_argument arguments[3] = {
      {source, product->source}, {weights, product->weights}, {destination, product->destination}};
  return onednn.memory_set(product->source, (void *)a) || onednn.memory_set(product->weights, (void *)w)
         || onednn.memory_set(product->destination, c)
         || onednn.execute(product->primitive, onednn.stream, 3, arguments) || onednn.stream_wait(onednn.stream);
}

void headimpact_onednn_bf16_destroy(headimpact_onednn_product *product) {
  if (product->primitive) onednn.primitive_destroy(product->primitive);
  if (product->source) onednn.memory_destroy(product->source);
  if (product->weights) onednn.memory_destroy(product->weights);
  if (product->destination) onednn.memory_destroy(product->destination);
  free(product);
}

// MARK: OpenBLAS

static struct {
  int has_threads;
  void (*sgemm)(int, int, int, int, int, int, float, const float *, int, const float *, int, float, float *, int);
  void (*set_threads)(int);
} openblas;

const char *headimpact_openblas_open(void) {
  static char said[128];
#if defined(__x86_64__)
  // A processor newer than the library gets its oldest kernels, unless it is told which ones the processor runs; and an
  // environment may name older ones.
  __builtin_cpu_init();
  const char *newest = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") ? "SkylakeX"
                       : __builtin_cpu_supports("avx2")                                        ? "Haswell"
                                                                                               : NULL;
  if (newest) setenv("OPENBLAS_CORETYPE", newest, 1);
#define TRIPLET "x86_64-linux-gnu"
#else
#define TRIPLET "aarch64-linux-gnu"
#endif
  void *library = opened((const char *const[]){
      "/usr/lib/" TRIPLET "/openblas-pthread/libopenblas.so.0", "libopenblas.so.0",
      "/usr/lib/" TRIPLET "/openblas-serial/libopenblas.so.0", NULL});
  char *(*configuration)(void);
  char *(*processor)(void);
  if (!library || !FOUND(library, openblas.sgemm, "cblas_sgemm")
      || !FOUND(library, openblas.set_threads, "openblas_set_num_threads")
      || !FOUND(library, configuration, "openblas_get_config") || !FOUND(library, processor, "openblas_get_corename"))
    return NULL;
  int (*parallel)(void);
  openblas.has_threads = FOUND(library, parallel, "openblas_get_parallel") && parallel() != 0;
  char version[32] = "";
  sscanf(configuration(), "OpenBLAS %31s", version);
  snprintf(said, sizeof said, "%s (%s, %s)", version, processor(), openblas.has_threads ? "threads" : "serial");
  return said;
}

int headimpact_openblas_has_threads(void) { return openblas.has_threads; }

void headimpact_openblas_f32(
    int threads, int transposed, int64_t rows, int64_t columns, int64_t depth, const float *a, const float *w, float *c) {
  enum { row_major = 101, as_it_is = 111, transpose = 112 };
  openblas.set_threads(threads);
  openblas.sgemm(
      row_major, as_it_is, transposed ? transpose : as_it_is, (int)rows, (int)columns, (int)depth, 1, a, (int)depth, w,
      (int)(transposed ? depth : columns), 0, c, (int)columns);
}
