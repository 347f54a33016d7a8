//  accept.h - a bound on connections, kept where they are accepted.
//
//  libzmq aborts the process when it cannot accept a connection for want of a descriptor, and has no
//  bound of its own. So this program has its own accept4 () in front of the system's, which libzmq
//  calls: beyond the bound a connection is accepted and closed at once, which its listeners take as a
//  peer that gave up. What is left below RLIMIT_NOFILE is for everything else: places, spools, actors.

#ifndef BERTH_ACCEPT_H_INCLUDED
#define BERTH_ACCEPT_H_INCLUDED

#include <stdint.h>

//  Raises RLIMIT_NOFILE as far as it may (at most ACCEPT_FILES_MAX), and bounds connections from now
//  on: the descriptor of one is below three quarters of that limit, and below
//  BERTH_CONNECTIONS_MAX. Call it before sockets are bound, behind the fork of the spawner.
void accept_guard (void);

//  Connections that were closed at once.
uint64_t accept_refused (void);

//  Connections accepted so far, and the how-manieth of them has this descriptor now. A number that is
//  used again has a later birth: whoever read something of a connection that came before `count` was
//  asked can tell it from its successor. UINT64_MAX of what nothing is known about.
uint64_t accept_count (void);
uint64_t accept_birth (int fd);

enum { ACCEPT_FILES_MAX = 65536 };

#endif
