/*
 * The minimal cost of a Node.js addon that reads on its own thread: the listener with the filter, and a threadsafe function
 * that wakes JavaScript. It has no bounds, no shutdown and no recovery of losses.
 */
#include "connector.h"
#include <errno.h>
#include <node_api.h>
#include <pthread.h>
#include <string.h>

enum { MOST = 4096 };
static int listener;
static napi_threadsafe_function bell;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct seen queue[MOST];
static uint32_t count;
/* The memory that is shared with JavaScript. */
static struct seen *events;

static void *read_all(void *unused) {
  (void)unused;
  for (;;) {
    static struct seen batch[MOST];
    uint32_t got = 0;
    /* Block for the first event, then take the others without blocking. */
    for (int flags = 0, result = 0; got < MOST; flags = MSG_DONTWAIT) {
      result = receive(listener, flags, &batch[got]);
      if (result < 0 && errno == EAGAIN) break;
      if (result == 1) got++;
    }
    pthread_mutex_lock(&lock);
    int was_empty = count == 0;
    for (uint32_t i = 0; i < got && count < MOST; i++) queue[count++] = batch[i];
    pthread_mutex_unlock(&lock);
    if (was_empty && got > 0) napi_call_threadsafe_function(bell, NULL, napi_tsfn_nonblocking);
  }
  return NULL;
}

static void answer(napi_env env, napi_value callback, void *context, void *data) {
  (void)context;
  (void)data;
  if (env == NULL) return;
  pthread_mutex_lock(&lock);
  uint32_t ready = count;
  memcpy(events, queue, ready * sizeof *queue);
  count = 0;
  pthread_mutex_unlock(&lock);
  napi_value argument, receiver;
  napi_create_uint32(env, ready, &argument);
  napi_get_undefined(env, &receiver);
  napi_call_function(env, receiver, callback, 1, &argument, NULL);
}

/* start(callback, words): `words` holds MOST events, of four words each. */
static napi_value start(napi_env env, napi_callback_info info) {
  size_t given = 2;
  napi_value arguments[2], name;
  napi_ref kept;
  napi_get_cb_info(env, info, &given, arguments, NULL, NULL);
  napi_get_typedarray_info(env, arguments[1], NULL, NULL, (void **)&events, NULL, NULL);
  napi_create_reference(env, arguments[1], 1, &kept);
  napi_create_string_utf8(env, "addon", NAPI_AUTO_LENGTH, &name);
  napi_create_threadsafe_function(env, arguments[0], NULL, name, 2, 1, NULL, NULL, NULL, answer, &bell);
  listener = connect_to_kernel(1);
  pthread_t thread;
  if (pthread_create(&thread, NULL, read_all, NULL) != 0) fail("pthread_create");
  return NULL;
}

static napi_value stop(napi_env env, napi_callback_info info) {
  (void)env;
  (void)info;
  send_operation(listener, PROC_CN_MCAST_IGNORE);
  return NULL;
}

NAPI_MODULE_INIT() {
  napi_value function;
  napi_create_function(env, "start", NAPI_AUTO_LENGTH, start, NULL, &function);
  napi_set_named_property(env, exports, "start", function);
  napi_create_function(env, "stop", NAPI_AUTO_LENGTH, stop, NULL, &function);
  napi_set_named_property(env, exports, "stop", function);
  return exports;
}
