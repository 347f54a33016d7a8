//  attach.h - between an exec and the descriptors 0, 1 and 2 of this program.

#ifndef BERTH_ATTACH_H_INCLUDED
#define BERTH_ATTACH_H_INCLUDED

#include "commands.h"

typedef struct {
    berth_client_t *bus;
    const char *exec;
    const char *company;
    const char *run;            //  Whose heartbeat is sent meanwhile; NULL: none
    exec_stream_t stream;
    uint64_t from;              //  First byte of that stream
    uint64_t limit;             //  Bytes at most; 0: all
    bool follow;                //  Until its end; else what is there
    bool input;                 //  stdin goes to it
    uint64_t input_from;        //  Bytes of its stdin that went before
    bool tty;                   //  It has a terminal: ours is made raw
    int signals;                //  Of terminal_signals; -1: signals are not ours
} attach_t;

typedef enum { ATTACH_ENDED = 0, ATTACH_ABANDONED = 1 } attach_end_t;

//  Carries bytes until the exec's output has ended (0), the user or a closed stdout abandons it (1;
//  *ret_signal says by what), or something fails (-1). A service that comes back is read on from
//  where it was.
int attach_stream (const attach_t *self, int *ret_signal, berth_error_t *err);

//  Asks for the end of an exec, as long as it takes (or until INT, TERM, HUP: 1).
int attach_wait (berth_client_t *bus, const char *exec, int signals, arena_t *arena,
                 exec_t *ret_exec, berth_error_t *err);

//  The exit status that an exec's end is: its own, 128+n, 124 when timed out, 127 when it was not
//  started. An end that is not its own is said on stderr.
int attach_status (const char *command, const exec_t *exec);

//  Called with each progress of a stream that tells how far a lease is, before it is shown.
typedef void (attach_waiting_fn) (void *context, const lease_waiting_t *waiting);

//  Sends one request and waits, with progress on stderr where the answer is a stream. 1: INT, TERM
//  or HUP came first, and the call was given up.
int attach_call (berth_client_t *bus, request_code_t code, const void *request,
                 const berth_ask_t *ask, int signals, arena_t *arena, void *ret_reply,
                 int *ret_signal, berth_error_t *err);

//  The same; `waiting` (or NULL) hears of the lease that is waited for.
int attach_call_told (berth_client_t *bus, request_code_t code, const void *request,
                      const berth_ask_t *ask, int signals, arena_t *arena, void *ret_reply,
                      int *ret_signal, attach_waiting_fn *waiting, void *context,
                      berth_error_t *err);

#endif
