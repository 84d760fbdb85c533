// MPI's constants are cast macros, and its handles are pointers in Open MPI and integers in MPICH. Swift sees neither:
// handles travel in structs, constants stay in here, so the Swift code compiles against either.
#ifndef HEADIMPACT_CMPI_SHIM_H
#define HEADIMPACT_CMPI_SHIM_H

#include <mpi.h>
#include <stdint.h>

typedef struct { MPI_Comm handle; } cmpi_comm;
typedef struct { MPI_Request handle; } cmpi_request;
typedef struct { int source; int tag; int bytes; } cmpi_envelope;

enum { CMPI_ANY = -1 };
enum cmpi_type { CMPI_INT32 = 0, CMPI_INT64 = 1, CMPI_FLOAT = 2, CMPI_DOUBLE = 3, CMPI_UINT8 = 4 };
enum cmpi_op { CMPI_SUM = 0, CMPI_MIN = 1, CMPI_MAX = 2 };

static inline MPI_Datatype cmpi_datatype(int type) {
  switch (type) {
    case CMPI_INT32: return MPI_INT32_T;
    case CMPI_INT64: return MPI_INT64_T;
    case CMPI_FLOAT: return MPI_FLOAT;
    case CMPI_DOUBLE: return MPI_DOUBLE;
    default: return MPI_UINT8_T;
  }
}

static inline MPI_Op cmpi_operation(int op) {
  return op == CMPI_MIN ? MPI_MIN : op == CMPI_MAX ? MPI_MAX : MPI_SUM;
}

// Start and end.

static inline int cmpi_initialized(int *flag) { return MPI_Initialized(flag); }

// `funneled` is set where the library lets one thread of several call it.
static inline int cmpi_init(int *funneled) {
  int provided = MPI_THREAD_SINGLE;
  int code = MPI_Init_thread(0, 0, MPI_THREAD_FUNNELED, &provided);
  *funneled = provided >= MPI_THREAD_FUNNELED;
  return code;
}

static inline cmpi_comm cmpi_world(void) {
  cmpi_comm world = {MPI_COMM_WORLD};
  return world;
}

static inline int cmpi_return_errors(cmpi_comm comm) { return MPI_Comm_set_errhandler(comm.handle, MPI_ERRORS_RETURN); }
static inline int cmpi_duplicate(cmpi_comm comm, cmpi_comm *copy) { return MPI_Comm_dup(comm.handle, &copy->handle); }
static inline int cmpi_free(cmpi_comm *comm) { return MPI_Comm_free(&comm->handle); }
static inline int cmpi_finalize(void) { return MPI_Finalize(); }
static inline int cmpi_abort(int code) { return MPI_Abort(MPI_COMM_WORLD, code); }

static inline int cmpi_rank(cmpi_comm comm, int *rank) { return MPI_Comm_rank(comm.handle, rank); }
static inline int cmpi_size(cmpi_comm comm, int *size) { return MPI_Comm_size(comm.handle, size); }

// The ranks that share this one's memory, in the order of `key`.
static inline int cmpi_split_by_node(cmpi_comm comm, int key, cmpi_comm *node) {
  return MPI_Comm_split_type(comm.handle, MPI_COMM_TYPE_SHARED, key, MPI_INFO_NULL, &node->handle);
}

enum { CMPI_TEXT = (MPI_MAX_ERROR_STRING > MPI_MAX_PROCESSOR_NAME ? MPI_MAX_ERROR_STRING : MPI_MAX_PROCESSOR_NAME) + 1 };

static inline int cmpi_processor_name(char *text, int *length) { return MPI_Get_processor_name(text, length); }
// May be called before MPI starts.
static inline int cmpi_library_version(char *text, int *length) { return MPI_Get_library_version(text, length); }
static inline int cmpi_error_string(int code, char *text, int *length) { return MPI_Error_string(code, text, length); }

// Collectives. None waits: the caller tests the request, and sleeps.

static inline int cmpi_ibcast(void *buffer, int bytes, int root, cmpi_comm comm, cmpi_request *request) {
  return MPI_Ibcast(buffer, bytes, MPI_BYTE, root, comm.handle, &request->handle);
}

// In place at the root; elsewhere `buffer` is only read.
static inline int cmpi_ireduce_in_place(void *buffer, int count, int type, int op, int root, int is_root, cmpi_comm comm,
                                        cmpi_request *request) {
  return MPI_Ireduce(is_root ? MPI_IN_PLACE : buffer, is_root ? buffer : 0, count, cmpi_datatype(type),
                     cmpi_operation(op), root, comm.handle, &request->handle);
}

static inline int cmpi_ibarrier(cmpi_comm comm, cmpi_request *request) {
  return MPI_Ibarrier(comm.handle, &request->handle);
}

static inline int cmpi_iallreduce_in_place(void *buffer, int count, int type, int op, cmpi_comm comm,
                                           cmpi_request *request) {
  return MPI_Iallreduce(MPI_IN_PLACE, buffer, count, cmpi_datatype(type), cmpi_operation(op), comm.handle,
                        &request->handle);
}

// Point to point, in bytes.

static inline cmpi_request cmpi_no_request(void) {
  cmpi_request request = {MPI_REQUEST_NULL};
  return request;
}

static inline int cmpi_isend(const void *buffer, int bytes, int destination, int tag, cmpi_comm comm,
                             cmpi_request *request) {
  return MPI_Isend(buffer, bytes, MPI_BYTE, destination, tag, comm.handle, &request->handle);
}

static inline int cmpi_irecv(void *buffer, int bytes, int source, int tag, cmpi_comm comm, cmpi_request *request) {
  return MPI_Irecv(buffer, bytes, MPI_BYTE, source, tag, comm.handle, &request->handle);
}

// CMPI_ANY stands for any source. `envelope` is filled only where `*flag` is set.
static inline int cmpi_iprobe(int source, int tag, cmpi_comm comm, int *flag, cmpi_envelope *envelope) {
  MPI_Status status;
  int code = MPI_Iprobe(source == CMPI_ANY ? MPI_ANY_SOURCE : source, tag, comm.handle, flag, &status);
  if (code != MPI_SUCCESS || !*flag) return code;
  envelope->source = status.MPI_SOURCE;
  envelope->tag = status.MPI_TAG;
  return MPI_Get_count(&status, MPI_BYTE, &envelope->bytes);
}

static inline int cmpi_test(cmpi_request *request, int *flag) {
  return MPI_Test(&request->handle, flag, MPI_STATUS_IGNORE);
}

#endif
