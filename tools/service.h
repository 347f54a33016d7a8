//  service.h - which service a command talks to: one that runs, or a private one for one run.

#ifndef BERTH_SERVICE_H_INCLUDED
#define BERTH_SERVICE_H_INCLUDED

#include "commands.h"

typedef struct private_service private_service_t;

//  Fills self->endpoint: --endpoint, else $BERTH_ENDPOINT, else bus.sock in the runtime directory
//  (DESIGN section 3). *ret_named says whether the user named a service; if not and nothing is
//  there, `berth run` may start one.
int service_find (invocation_t *self, bool *ret_named, berth_error_t *err);

//  Connects self->bus. `unreachable`, with how to start a service, if none answers.
int service_connect (invocation_t *self, berth_error_t *err);

//  Does somebody listen at self->endpoint, as far as the system says without asking? Without words.
bool service_listens (const invocation_t *self);

//  An endpoint that the service named, as it is reached from here: over TCP on the host that was
//  asked, because the service may not know how others call its machine.
const char *service_beside (const invocation_t *self, const char *endpoint);

//  Is anybody there? Without words on failure.
bool service_answers (const invocation_t *self);

//  Starts `berthd --ephemeral` in a temporary folder, waits until it answers, and connects
//  self->bus. It ends with this process, however that ends.
private_service_t *service_start (invocation_t *self, berth_error_t *err);

//  Lets it release all and end, and removes its folder.
void service_stop (private_service_t **self_p);

//  Fills the deadline of a request: --deadline, or `usual` ms.
berth_ask_t service_ask (const invocation_t *self, int64_t usual_ms);

#endif
