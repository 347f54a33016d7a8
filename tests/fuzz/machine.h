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

enum { FD_FIRST = 1000, FDS = 512, NODES = 40, FILE_MAX = 192 * 1024 };

//  Where folders are that exist from the start.
#define MACHINE_ROOT "/m"

typedef enum {
    FD_FREE, FD_DIR, FD_FILE, FD_OTHER      //  What is other belongs to machine_events.c
} fd_kind_t;

typedef struct {
    fd_kind_t kind;
    size_t node;                            //  Of DIR and FILE
    size_t position;
    int other;                              //  Of OTHER: what it is, and
    size_t of;                              //  which of them
} fd_t;

typedef struct {
    bool used, linked, folder;
    unsigned open;                          //  Descriptors
    char path [200];
    size_t size;
    uint8_t *data;                          //  FILE_MAX bytes; kept from one input to the next
} node_t;

extern bool machine_on;
extern int64_t machine_now_ms;
//  Bytes that the disk still takes; what is written beyond is ENOSPC, or written in part.
extern size_t machine_room;

void machine_begin (void);
//  Ends it. Descriptors that are open are a leak.
void machine_end (void);

//  The descriptor behind a number, or NULL.
fd_t *machine_fd (int fd);
//  A new descriptor; -1 and EMFILE.
int machine_fd_new (fd_kind_t kind, size_t of);
//  Called when the last descriptor of an OTHER is closed; of machine_events.c, or nothing.
extern void (*machine_closed) (fd_t *fd);

//  A file by its path, or NULL; made if `make`.
node_t *machine_file (const char *path, bool make);
void machine_folder (const char *path);

#endif
