//  error.h - the one table of errors, and how a function fails.
//
//  What can fail returns 0, or -1 with *err filled. A failure is worded once, where it is known.

#ifndef BERTH_ERROR_H_INCLUDED
#define BERTH_ERROR_H_INCLUDED

#include "base.h"

//  Code, text on the wire, exit status of the command line, whether the same request may succeed
//  later, meaning. The first ten are Paperclip's (reference, section 8), the rest the bus's own.
#define BERTH_ERRORS(X)                                                                            \
    X (ENVIRONMENT_NOT_FOUND,       "environment_not_found",       10, false,                      \
       "the environment is unknown or belongs to another company")                                 \
    X (ENVIRONMENT_INACTIVE,        "environment_inactive",        11, false,                      \
       "the environment is archived")                                                              \
    X (UNSUPPORTED_ENVIRONMENT,     "unsupported_environment",     12, false,                      \
       "the environment's driver or provider cannot run work here")                                \
    X (UNSUPPORTED_ADAPTER_ENVIRONMENT, "unsupported_adapter_environment", 13, false,              \
       "this adapter cannot run in this environment")                                              \
    X (PROBE_FAILED,                "probe_failed",                14, true,                       \
       "the provider could not be probed")                                                         \
    X (LEASE_ACQUIRE_FAILED,        "lease_acquire_failed",        15, true,                       \
       "no lease could be acquired")                                                               \
    X (WORKSPACE_REALIZATION_FAILED, "workspace_realization_failed", 16, true,                     \
       "the workspace could not be realized or provisioned")                                       \
    X (TRANSPORT_RESOLUTION_FAILED, "transport_resolution_failed", 17, true,                       \
       "the way to execute in the place could not be resolved")                                    \
    X (LEASE_RELEASE_FAILED,        "lease_release_failed",        18, true,                       \
       "the lease could not be released")                                                          \
    X (LEASE_CLEANUP_FAILED,        "lease_cleanup_failed",        19, true,                       \
       "the place of a lease could not be cleaned up")                                             \
    X (INVALID,                     "invalid_request",             2,  false,                      \
       "the request is malformed or breaks a limit")                                               \
    X (UNAUTHORIZED,                "unauthorized",                20, false,                      \
       "the peer is not known")                                                                    \
    X (FORBIDDEN,                   "forbidden",                   21, false,                      \
       "the peer's role or companies do not allow this")                                           \
    X (NOT_FOUND,                   "not_found",                   4,  false,                      \
       "there is no such thing")                                                                   \
    X (CONFLICT,                    "conflict",                    5,  false,                      \
       "the thing is not in a state that allows this")                                             \
    X (FENCED,                      "fenced",                      22, false,                      \
       "the generation is not the current one: another holder has the place")                      \
    X (BUSY,                        "busy",                        6,  true,                       \
       "a bounded queue is full")                                                                  \
    X (DEADLINE_EXCEEDED,           "deadline_exceeded",           7,  true,                       \
       "the deadline passed before the thing had settled")                                         \
    X (STORE_STALLED,               "store_stalled",               23, true,                       \
       "the store has not answered for seconds: the disk may be frozen")                           \
    X (STORE_FULL,                  "store_full",                  24, true,                       \
       "the store or its disk is full")                                                            \
    X (UNSUPPORTED,                 "unsupported",                 25, false,                      \
       "this service or provider cannot do that")                                                  \
    X (PROVIDER_UNAVAILABLE,        "provider_unavailable",        26, true,                       \
       "the provider is not ready")                                                                \
    X (PROVIDER_ERROR,              "provider_error",              27, true,                       \
       "the provider failed")                                                                      \
    X (PROVIDER_TIMEOUT,            "provider_timeout",            28, true,                       \
       "the provider did not answer in time")                                                      \
    X (INTERNAL,                    "internal",                    70, false,                      \
       "a defect of Berth; please report it")                                                      \
    X (UNREACHABLE,                 "unreachable",                 3,  true,                       \
       "no service answers there (raised by clients only, never on the wire)")

#define BERTH_ERROR_CODE_(name, wire, exit, retry, doc) BERTH_##name,
typedef enum { BERTH_OK = 0, BERTH_ERRORS (BERTH_ERROR_CODE_) BERTH_CODES } berth_code_t;

//  Plain old data: copy it, zero it; nothing to free. Every text is one line without a secret;
//  an empty text is unknown. `text` is the sentence; the rest becomes `details` on the wire.
typedef struct {
    berth_code_t code;        //  BERTH_OK when nothing failed
    char text [256];          //  One sentence; no newline, no secret
    char field [96];          //  Path of the field that is wrong: "config.memoryMb"
    char remedy [192];        //  What the user can do about it
    char cause [320];         //  What lies below, as told by a provider or the system
    char environment_id [40];
    char lease_id [40];
    char driver [16];
    char provider [64];
    int provider_status;      //  A provider's own number, 0 when unknown
    char limit [24];          //  Of BUSY: the limit that was reached, and its value;
    uint64_t limit_value;
    uint64_t retry_after_ms;  //  when to ask again, 0 when unknown
} berth_error_t;

//  Fills *err (NULL is allowed) and returns -1, so that failing is one line at its site. A code
//  and text set before are replaced, the details are kept. Control bytes become '?'.
int berth_fail (berth_error_t *err, berth_code_t code, const char *format, ...) BERTH_PRINTF (3, 4);

//  The same for a failed system call: the text ends with ": <strerror (errno)>".
int berth_fail_errno (berth_error_t *err, berth_code_t code, const char *format, ...)
    BERTH_PRINTF (3, 4);

//  Copies one line into a field of *err: berth_error_set (err->remedy, sizeof err->remedy, ...).
void berth_error_set (char *field, size_t size, const char *format, ...) BERTH_PRINTF (3, 4);

//  The table, read by code. Unknown codes read as INTERNAL.
const char *berth_code_text (berth_code_t code);
const char *berth_code_doc (berth_code_t code);
int berth_code_exit (berth_code_t code);
bool berth_code_retryable (berth_code_t code);

//  The code of a wire text; BERTH_INTERNAL if there is none.
berth_code_t berth_code_of (const char *wire);

#endif
