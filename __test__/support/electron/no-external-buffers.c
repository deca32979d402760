/*
 * The limit of Node-API in Electron: memory outside of V8's cage cannot be a buffer. A library of this code is opened with
 * RTLD_DEEPBIND and depends on an addon, so that the addon's calls bind to these functions first. A forbidden call aborts.
 * At the end it prints how often the addon called an allowed function, which proves that its calls arrive here.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned calls;

#define FORBIDDEN(name)                                    \
  int name(void) {                                         \
    fputs(#name " makes an external buffer\n", stderr);    \
    abort();                                               \
  }

FORBIDDEN(napi_create_external_arraybuffer)
FORBIDDEN(napi_create_external_buffer)
FORBIDDEN(node_api_create_external_sharedarraybuffer)

typedef int (*get_info)(void *, void *, int *, size_t *, void **, void **, size_t *);

/* The addon calls this one for every array of JavaScript that it writes to. */
int napi_get_typedarray_info(void *env, void *value, int *type, size_t *length, void **data, void **buffer,
                             size_t *offset) {
  static get_info original;
  /* The whole program's functions, among them those of Node.js. */
  if (!original) original = (get_info)dlsym(dlopen(NULL, RTLD_LAZY), "napi_get_typedarray_info");
  __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
  return original(env, value, type, length, data, buffer, offset);
}

__attribute__((destructor)) static void report(void) {
  fprintf(stderr, "%u calls seen\n", __atomic_load_n(&calls, __ATOMIC_RELAXED));
}
