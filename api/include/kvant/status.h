/* SPDX-License-Identifier: MIT
 *
 * kvant/status.h: what every call returns. Zero is success, negative values are errors, and
 * kvant_last_message() says in a sentence what was wrong. A call that is refused for its arguments or
 * the state of its objects has changed nothing. Where the device fails in the middle of filling a
 * cache, that sequence answers INVALID_STATE until it is reset.
 */
#ifndef KVANT_STATUS_H
#define KVANT_STATUS_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define KVANT_CHECK_RESULT __attribute__((warn_unused_result))
#define KVANT_API __attribute__((visibility("default")))
#else
#define KVANT_CHECK_RESULT
#define KVANT_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, value, message, advice) */
#define KVANT_STATUS_LIST(X)                                                                       \
    X(OK, 0, "done", "")                                                                           \
    X(ERROR_INVALID_ARGUMENT, -1, "an argument is not valid", "read the message: it names it")     \
    X(ERROR_INVALID_STATE, -2, "the object is not in a state that allows the call",                \
      "read the message: it names the call that is missing")                                       \
    X(ERROR_UNSUPPORTED, -3, "this device or recipe cannot do that",                               \
      "ask kvant_cache_supports, or choose another recipe")                                       \
    X(ERROR_UNKNOWN_BACKEND, -4, "the backend selection has an unknown name or a syntax error",    \
      "use the names that the message lists")                                                      \
    X(ERROR_UNKNOWN_RECIPE, -5, "the recipe has an unknown name or a syntax error",                \
      "the message gives the position and the known names")                                        \
    X(ERROR_BACKEND_UNAVAILABLE, -6, "the backend's library or driver is not installed",           \
      "install it, or choose another backend")                                                     \
    X(ERROR_NO_DEVICE, -7, "no device could be opened", "kvant devices lists the reasons")         \
    X(ERROR_NOT_FINITE, -8, "K or V holds NaN, infinity or a value beyond the range of f16",       \
      "fix the input, or create the cache with KVANT_NON_FINITE_SANITISE")                         \
    X(ERROR_CAPACITY, -9, "the cache has no room for that many tokens",                            \
      "create it with more prefill_tokens or decode_tokens")                                       \
    X(ERROR_LIMIT, -10, "a size exceeds a limit of the device or of the format",                   \
      "use fewer sequences or tokens per cache")                                                   \
    X(ERROR_OUT_OF_HOST_MEMORY, -11, "host memory is exhausted", "free some, then try again")      \
    X(ERROR_OUT_OF_DEVICE_MEMORY, -12, "device memory is exhausted", "free some, then try again")  \
    X(ERROR_DEVICE_LOST, -13, "the device is lost",                                                \
      "destroy the context and everything made from it")                                           \
    X(ERROR_KERNEL_BUILD, -14, "a kernel could not be built", "the message holds the build log")   \
    X(ERROR_NOT_EXACT, -15, "the device failed the exactness self-test",                           \
      "do not use it for caches that others must reproduce")                                       \
    X(ERROR_INTERNAL, -16, "the library met a state that it should never be in",                   \
      "please report it, with the message")

typedef enum kvant_status {
#define KVANT_STATUS_ENUM(name, value, message, advice) KVANT_##name = value,
    KVANT_STATUS_LIST(KVANT_STATUS_ENUM)
#undef KVANT_STATUS_ENUM
    KVANT_STATUS_FORCE_INT32 = 0x7fffffff
} kvant_status;

/* "KVANT_ERROR_CAPACITY", a sentence, and what to do. Never NULL. Thread-safe. */
KVANT_API const char *kvant_status_name(kvant_status status);
KVANT_API const char *kvant_status_message(kvant_status status);
KVANT_API const char *kvant_status_advice(kvant_status status);

/* What the last failed call of this thread had to say; "" if none failed. Valid until the thread's
 * next failed call. */
KVANT_API const char *kvant_last_message(void);

#ifdef __cplusplus
}
#endif

#endif
