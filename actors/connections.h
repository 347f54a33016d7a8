//  connections.h - the connections of this process as the system knows them: ZeroMQ has no way to
//  end one of them.
//
//  A descriptor belongs to ZeroMQ, which may close it at any moment and open another under its
//  number. So it is duplicated first, and what the duplicate is connected to decides.

#ifndef BERTH_CONNECTIONS_H_INCLUDED
#define BERTH_CONNECTIONS_H_INCLUDED

#include "base.h"

//  The far end of a TCP connection; all zero: none.
typedef struct {
    uint16_t family, port;
    uint8_t address [16];
} far_end_t;

//  The far end of a descriptor, if it is a TCP connection that was accepted at this port of ours.
bool connection_far (int fd, uint16_t port, far_end_t *ret_far);

//  Ends the connection of a descriptor, if it was accepted at this port. The peer sees its end.
bool connection_end (int fd, uint16_t port);

//  The same of a local socket: if it was accepted at this path.
bool connection_end_local (int fd, const char *path);

//  Ends every connection that was accepted at this port, unless `keep` says it stays; how many.
typedef bool (connection_keep_fn) (void *context, const far_end_t *far);
size_t connections_end (uint16_t port, connection_keep_fn *keep, void *context);

#endif
