//  relay.h - what the files of a relay share: a shim whose place is on another machine.
//
//  To berthd it is a shim as any other: the same socket, messages and spools. Over there a copy of
//  the program holds the place (far.h). A connection that breaks is made again, with patience, and
//  everything goes on where it stood; an end is what the other side's spool says.

#ifndef BERTH_RELAY_H_INCLUDED
#define BERTH_RELAY_H_INCLUDED

#include "far_hash.h"
#include "far_protocol.h"
#include "shim_state.h"

enum {
    RELAY_PING_MS = 10000,          //  Of silence, until it is asked whether anybody is there
    RELAY_SILENCE_MS = 30000,       //  until nobody is
    RELAY_CONNECT_MS = 30000,       //  For connecting again
    RELAY_HELD_MAX = 4 * 1048576,   //  Bytes that wait for a connection
    RELAY_WORDS = 2048              //  Of what ssh said
};

//  An exec; its copy is the spool that berthd reads.
typedef struct relay_exec {
    struct relay_exec *next;
    char id [40];
    char *folder;
    spool_copy_t *copy;
    bool started;                   //  STARTED was heard
    int64_t pid, started_at;
    uint64_t accepted;              //  Of stdin
    uint8_t *start;                 //  FAR_SHIM's body, until it is answered
    size_t start_size;
    uint8_t *writes;                //  Unanswered WRITEs, packed, each with its u32 length
    size_t writes_size;
    uint64_t released;
    uint64_t max;
    int on_full;
    exec_cause_t ending;            //  END was asked; 0: no
    uint64_t ending_grace;
    bool stalled_far, stalled_here;
    bool syncing;                   //  Its end is here, and was not synced yet
    int64_t tell_at, told_at;
} relay_exec_t;

typedef enum {
    RELAY_DOWN,                     //  Until retry_at
    RELAY_SCRIPT,                   //  ssh connects, the script looks for the program
    RELAY_ASKED,                    //  The program was asked for the place
    RELAY_UP
} relay_phase_t;

typedef struct {
    uint8_t *data;
    size_t size, room;
} relay_buffer_t;

struct relay {
    const shim_relay_t *told;
    relay_phase_t phase;
    pid_t ssh;
    watch_t in, out, err;           //  Of ssh: its stdin, stdout, stderr
    relay_buffer_t sent, heard;     //  What it has not taken; what came of it
    relay_buffer_t held;            //  Frames that wait for a connection
    char mark [FAR_MARK_SIZE];
    char hash [FAR_HASH_SIZE];
    char system [160];              //  What the script said of the machine
    char failed [32];               //  What the script said went wrong
    char words [RELAY_WORDS];       //  What ssh said on stderr; the end of it
    int64_t deadline;               //  Of connecting
    int64_t retry_at, heard_at, pinged_at;
    unsigned tries;
    bool opened;                    //  It was there once: berthd was answered
    bool refused;                   //  DATA was not taken: the disk here is full
    int64_t refused_at;
    relay_exec_t *execs;
};

//  ---- relay.c

//  Begins to open the place; the call is answered when that is known.
int relay_start (shim_t *self, berth_error_t *err);
//  It is open; or not, and everything goes.
void relay_opened (shim_t *self, shim_opened_t *opened);
void relay_failed (shim_t *self, const berth_error_t *why);
//  The place is over on the other side.
void relay_over (shim_t *self, exec_cause_t cause, const char *reason);
void relay_close (shim_t *self, uint64_t grace_ms);
int64_t relay_due (const shim_t *self);
void relay_tick (shim_t *self, int64_t now);

//  ---- relay_ssh.c: its processes

void relay_connect (shim_t *self);
//  Breaks it off; the next try is at retry_at.
void relay_hang_up (shim_t *self);
//  ssh has read it, or will not.
void relay_remove_key (shim_t *self);
//  Makes a peer's connection a session of its own beside ours; the peer is gone then.
void relay_files (shim_t *self, peer_t *peer);
//  Has the master connection end.
void relay_end_master (shim_t *self);

//  ---- relay_link.c: the connection

//  What ssh reads and writes is ours.
void relay_attach (shim_t *self, int in, int out, int err);
//  It could not be made, or it broke: says why, and tries again later if the place was open.
void relay_broken (shim_t *self, bool timed_out);
//  Bytes; a frame; a message.
void relay_say (shim_t *self, const void *data, size_t size);
void relay_send (shim_t *self, uint8_t what, const void *head, size_t head_size, const void *data,
                 size_t size);
void relay_send_message (shim_t *self, const shim_message_t *message);
//  Frames that were not looked at yet, because the disk was full.
void relay_frames (shim_t *self);
void relay_room (relay_buffer_t *self, size_t more);
void relay_forget (relay_buffer_t *self);

//  ---- relay_words.c

//  What ssh's last words mean.
void relay_blame (const struct relay *self, bool timed_out, berth_error_t *ret_why);

//  ---- relay_requests.c

//  Of berthd.
void relay_request (shim_t *self, peer_t *peer, const shim_message_t *ask);

//  ---- relay_far.c

//  A frame of the other side. False: it says nonsense.
bool relay_frame (shim_t *self, uint8_t what, berth_bytes_t body);
//  The connection is there again: what it has to be told.
void relay_resume (shim_t *self);

//  ---- relay_execs.c

relay_exec_t *relay_exec_find (const shim_t *self, const char *id);
void relay_exec_free (shim_t *self, relay_exec_t *exec);
//  Its START was answered: nothing of it is kept.
void relay_exec_answered (relay_exec_t *exec);
//  The oldest WRITE was answered.
void relay_exec_written (relay_exec_t *exec);
void relay_exec_started (const relay_exec_t *exec, shim_message_t *ret_message);
//  Where its copy stands.
void relay_exec_part (const relay_exec_t *exec, far_part_t *ret_part);
//  Tells the end that its spool holds, and forgets it.
void relay_exec_ended (shim_t *self, relay_exec_t *exec);
//  Ends its spool here, with what there is of it: nobody on the other side knows more.
void relay_exec_lose (shim_t *self, relay_exec_t *exec, exec_cause_t cause, const char *reason);
void relay_lose_all (shim_t *self, exec_cause_t cause, const char *reason);
//  Tells how far its output is.
void relay_tell (shim_t *self, relay_exec_t *exec);

#endif
