//  machine.h - a machine that is only played: files, descriptors, time, without a system call.
//
//  Between machine_begin and machine_end the calls that CMakeLists.txt wraps (-Wl,--wrap) come here
//  and not to the system: folders and files are in memory, descriptors are numbers above FD_FIRST,
//  time stands still unless it is moved. So a target does the same with the same input, harms
//  nothing whatever path or signal the input says, and is fast.

#ifndef BERTH_MACHINE_H_INCLUDED
#define BERTH_MACHINE_H_INCLUDED

#include "base.h"

#include <sys/types.h>

enum { FD_FIRST = 1000, FDS = 256, NODES = 40, FILE_MAX = 192 * 1024 };

//  Where folders are that exist from the start.
#define MACHINE_ROOT "/m"

typedef enum {
    FD_FREE, FD_DIR, FD_FILE, FD_OTHER      //  What is other belongs to machine_events.c
} fd_kind_t;

typedef struct {
    fd_kind_t kind;
    size_t node;                            //  Of DIR and FILE
    size_t position;
    size_t of;                              //  Of OTHER: its object
    uint32_t events;                        //  Watched for, and
    void *watch;                            //  what epoll says of it
} fd_t;

typedef struct {
    bool used, linked, folder;
    unsigned open;                          //  Descriptors
    char path [200];
    size_t size;
    uint8_t *data;                          //  FILE_MAX bytes; kept from one input to the next
} played_file_t;

extern bool machine_on;
extern int64_t machine_now_ms;
//  Bytes that the disk still takes; what is written beyond is ENOSPC, or written in part.
extern size_t machine_room;

void machine_begin (void);
//  Ends it. Descriptors that are open are a leak.
void machine_end (void);

//  No descriptor is at or above this number.
int machine_fds_end (void);
//  The descriptor behind a number, or NULL.
fd_t *machine_fd (int fd);
//  A new descriptor; -1 and EMFILE.
int machine_fd_new (fd_kind_t kind, size_t of);
//  Called when the last descriptor of an OTHER is closed; of machine_events.c, or nothing.
extern void (*machine_closed) (fd_t *fd);
//  A descriptor of /dev/null.
extern int (*machine_special) (void);
//  write (2) and read (2) on a file.
ssize_t machine_write_file (int fd, const void *data, size_t size);
ssize_t machine_read_file (int fd, void *data, size_t size);

//  What lies behind a descriptor that is no file, seen from the program that is tested.
typedef enum {
    OBJECT_FREE, OBJECT_NOTHING,            //  /dev/null and its like: nothing comes of it
    OBJECT_PIPE, OBJECT_TERMINAL,           //  Bytes that do not matter
    OBJECT_STREAM,                          //  A connection: bytes that do
    OBJECT_PACKETS,                         //  The socket of init
    OBJECT_LISTENER
} object_kind_t;

enum { OBJECTS = 128, STREAM_ROOM = 16384 };

typedef struct {
    object_kind_t kind;
    unsigned open;                          //  Descriptors of the program
    size_t ready;                           //  Bytes that it can read; LISTENER: who wants in
    size_t room;                            //  Bytes that it can write
    bool ended;                             //  The other side is closed
    bool held;                              //  The target has the other end, not the program
    bool readable_end;                      //  Of a pipe: what the program keeps is the reading end
    uint8_t *data;                          //  STREAM: what it can read, STREAM_ROOM bytes
} object_t;

object_t *machine_object (size_t index);
size_t machine_object_new (object_kind_t kind);
//  The object behind a descriptor, or NULL.
object_t *machine_object_of (int fd);

//  The descriptors that are ready now, and watched for it; at most `room` of them.
size_t machine_ready (int *fds, uint32_t *events, size_t room);

//  What the target plays. Each may be NULL.
typedef struct {
    int (*wait) (int timeout_ms);           //  epoll_wait: 0 nothing, or the descriptor, or -1
    void (*sent) (size_t object, const uint8_t *data, size_t size);     //  On a STREAM
    bool (*told) (const void *packet, size_t size, const int *fds, size_t count);   //  On PACKETS
    //  Next packet: its size, 0 if the other side is gone, -1 if there is none
    ssize_t (*packet) (void *packet, size_t size, int *fds, size_t *count);
    int (*accepted) (void);                 //  The object of a new connection
    int (*connected) (int fd, const char *path);    //  connect: 0, or -1 and errno
} machine_play_t;
extern machine_play_t machine_play;

//  Behind machine_begin: no object is left from before. A descriptor of an object.
void machine_events_begin (void);
int machine_descriptor (size_t object);

//  A file by its path, or NULL; made if `make`.
played_file_t *machine_file (const char *path, bool make);
void machine_folder (const char *path);

#endif
