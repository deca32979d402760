/* An addon that Electron does not permit: its only act is to make an external buffer. */
#include <node_api.h>

static char memory[64];

NAPI_MODULE_INIT() {
  napi_value buffer;
  napi_create_external_arraybuffer(env, memory, sizeof memory, NULL, NULL, &buffer);
  return exports;
}
