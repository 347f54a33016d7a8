//  fake_bus.h - a service for clients' tests: a ROUTER in a thread, that does what a test tells it.

#ifndef BERTH_FAKE_BUS_H_INCLUDED
#define BERTH_FAKE_BUS_H_INCLUDED

#include "bus.h"
#include "codec.h"

typedef struct fake_bus fake_bus_t;

//  Who asked, and how the answer finds back; copy it to answer later.
typedef struct {
    char peer [64];
    size_t peer_size;
    uint8_t id [72];
    size_t id_size;
    char type [64];
    char key [160];
    uint64_t credit;
} fake_asker_t;

//  Answers one request, in the bus's thread; body and data live until it returns.
typedef void (fake_handler_fn) (void *context, fake_bus_t *bus, const fake_asker_t *asker,
                                berth_bytes_t body, berth_bytes_t data, arena_t *arena);

//  Binds before it returns. Destroying it is a sudden death: nothing is said to clients.
fake_bus_t *fake_bus_new (const char *endpoint, fake_handler_fn *handler, void *context);
void fake_bus_destroy (fake_bus_t **self_p);

//  From within the handler.
void fake_bus_reply (fake_bus_t *self, const fake_asker_t *asker, reply_status_t status,
                     berth_bytes_t body, berth_bytes_t data);
void fake_bus_fail (fake_bus_t *self, const fake_asker_t *asker, const char *code,
                    const char *message, const error_details_t *details);

#endif
