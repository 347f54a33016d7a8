//  publisher.h - activity out, after commit: reads the log from its last seq and sends it on XPUB.
//
//  Frame 0 is the topic `<companyId>/<action>`, frame 1 the entry as it stands in the log. Once a
//  second `<companyId>/~head` repeats the end of each log that somebody follows, so that a lost
//  tail is seen. It also answers activity.list and activity.head.

#ifndef BERTH_PUBLISHER_H_INCLUDED
#define BERTH_PUBLISHER_H_INCLUDED

#include "context.h"
#include "outlet.h"

typedef struct publisher publisher_t;

enum { PUBLISHER_HEAD_MS = 1000, PUBLISHER_TURN_MAX = 1000, PUBLISHER_FOLLOWED_MAX = 10000 };

//  Takes over the outlets; several of them say the same to other subscribers.
publisher_t *publisher_new (const context_t *context, outlet_t **outlets, size_t count,
                            berth_error_t *err);
void publisher_destroy (publisher_t **self_p);
void publisher_actor (zsock_t *pipe, void *args);

//  The last seq that was sent; any thread.
uint64_t publisher_published (const publisher_t *self);

#endif
