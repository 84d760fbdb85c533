// HDF5's types and property lists are macros that call H5open(): functions return them here.
#ifndef HEADIMPACT_CHDF5_SHIM_H
#define HEADIMPACT_CHDF5_SHIM_H

#include <hdf5.h>
#include <hdf5_hl.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

static inline hid_t chdf5_native_float(void) { return H5T_NATIVE_FLOAT; }
static inline hid_t chdf5_native_double(void) { return H5T_NATIVE_DOUBLE; }
static inline hid_t chdf5_native_int32(void) { return H5T_NATIVE_INT32; }
static inline hid_t chdf5_native_int64(void) { return H5T_NATIVE_INT64; }
static inline hid_t chdf5_native_uint8(void) { return H5T_NATIVE_UINT8; }
static inline hid_t chdf5_stored_float(void) { return H5T_IEEE_F32LE; }
static inline hid_t chdf5_stored_double(void) { return H5T_IEEE_F64LE; }
static inline hid_t chdf5_stored_int32(void) { return H5T_STD_I32LE; }
static inline hid_t chdf5_stored_int64(void) { return H5T_STD_I64LE; }
static inline hid_t chdf5_stored_uint8(void) { return H5T_STD_U8LE; }

// A new string type of `size` bytes, those behind a string zeros, marked as of a character set. To be closed.
static inline hid_t chdf5_new_string_type(size_t size, H5T_cset_t character_set) {
  hid_t type = H5Tcopy(H5T_C_S1);
  if (type >= 0 && (H5Tset_size(type, size) < 0 || H5Tset_strpad(type, H5T_STR_NULLPAD) < 0 ||
                    H5Tset_cset(type, character_set) < 0)) {
    H5Tclose(type);
    return -1;
  }
  return type;
}

static inline hid_t chdf5_all(void) { return H5S_ALL; }
static inline hid_t chdf5_default(void) { return H5P_DEFAULT; }

// How files are opened. Closing one with objects still open in it is an error. No locks: file systems of clusters often
// have none, and a file gets its name only when it is whole. To be closed.
static inline hid_t chdf5_new_access(void) {
  hid_t list = H5Pcreate(H5P_FILE_ACCESS);
  if (list < 0) return list;
  int failed = H5Pset_fclose_degree(list, H5F_CLOSE_SEMI) < 0;
#if H5_VERSION_GE(1, 10, 2)
  // The format of HDF5 1.8: everyone reads it, and an attribute (the list of references of a dimension scale, for one)
  // may be longer than 64 KiB.
  failed |= H5Pset_libver_bounds(list, H5F_LIBVER_V18, H5F_LIBVER_LATEST) < 0;
#endif
#if H5_VERSION_GE(1, 10, 7)
  failed |= H5Pset_file_locking(list, 0, 1) < 0;
#endif
  if (!failed) return list;
  H5Pclose(list);
  return -1;
}

// Creation lists of files and groups: links keep the order in which they were made, as netCDF-4 wants. To be closed.
static inline hid_t chdf5_new_creation(hid_t class_id) {
  hid_t list = H5Pcreate(class_id);
  if (list < 0 || H5Pset_link_creation_order(list, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED) >= 0) return list;
  H5Pclose(list);
  return -1;
}
static inline hid_t chdf5_new_file_creation(void) { return chdf5_new_creation(H5P_FILE_CREATE); }
static inline hid_t chdf5_new_group_creation(void) { return chdf5_new_creation(H5P_GROUP_CREATE); }
static inline hid_t chdf5_new_dataset_creation(void) { return H5Pcreate(H5P_DATASET_CREATE); }

// Names in UTF-8. To be closed.
static inline hid_t chdf5_new_link_creation(void) {
  hid_t list = H5Pcreate(H5P_LINK_CREATE);
  if (list < 0 || H5Pset_char_encoding(list, H5T_CSET_UTF8) >= 0) return list;
  H5Pclose(list);
  return -1;
}

static inline hid_t chdf5_create_file(const char *path, hid_t creation, hid_t access) {
  return H5Fcreate(path, H5F_ACC_EXCL, creation, access);
}
static inline hid_t chdf5_open_file(const char *path, hid_t access) { return H5Fopen(path, H5F_ACC_RDONLY, access); }

// HDF5 1.12 gave the record that says so another form.
static inline int chdf5_attribute_count(hid_t object, hsize_t *count) {
#if H5_VERSION_GE(1, 12, 0)
  H5O_info2_t info;
  int code = H5Oget_info3(object, &info, H5O_INFO_NUM_ATTRS);
#else
  H5O_info_t info;
  int code = H5Oget_info2(object, &info, H5O_INFO_NUM_ATTRS);
#endif
  *count = code < 0 ? 0 : info.num_attrs;
  return code;
}

struct chdf5_name { char *start; size_t size; };

static herr_t chdf5_take_name(hid_t dataset, unsigned axis, hid_t scale, void *data) {
  (void)dataset;
  (void)axis;
  struct chdf5_name *name = (struct chdf5_name *)data;
  return H5Iget_name(scale, name->start, name->size) < 0 ? -1 : 1;
}

// The path of the first dimension scale of an axis: 1 if there is one, 0 if not.
static inline int chdf5_scale_name(hid_t dataset, unsigned axis, char *start, size_t size) {
  struct chdf5_name name = {start, size};
  return H5DSiterate_scales(dataset, axis, NULL, chdf5_take_name, &name);
}

// A chunk that has gone through the filters already.
static inline herr_t chdf5_write_chunk(hid_t dataset, const hsize_t *offset, size_t size, const void *bytes) {
#if H5_VERSION_GE(1, 10, 3)
  return H5Dwrite_chunk(dataset, H5P_DEFAULT, 0, offset, size, bytes);
#else
  return H5DOwrite_chunk(dataset, H5P_DEFAULT, 0, offset, size, bytes);
#endif
}

// Errors are asked for, not printed.
static inline int chdf5_silence(void) { return H5Eset_auto2(H5E_DEFAULT, 0, 0); }

struct chdf5_text { char *start; size_t size; size_t used; };

static herr_t chdf5_collect(unsigned n, const H5E_error2_t *error, void *data) {
  (void)n;
  struct chdf5_text *text = (struct chdf5_text *)data;
  if (!error->desc || text->used + 1 >= text->size) return 0;
  int written = snprintf(text->start + text->used, text->size - text->used, "%s\n", error->desc);
  if (written > 0) text->used += (size_t)written;
  if (text->used >= text->size) text->used = text->size - 1;
  return 0;
}

// The messages of the last error, one a line, the cause first; clears them.
static inline void chdf5_error_text(char *start, size_t size) {
  struct chdf5_text text = {start, size, 0};
  start[0] = 0;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, chdf5_collect, &text);
  H5Eclear2(H5E_DEFAULT);
}

#endif
