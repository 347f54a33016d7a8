//  letter.h - what stands in front of a body inside the service: who asked, where the answer goes.
//
//  In-process messages have the frames [letter][body][data]. A letter is plain memory: it never
//  leaves the process.

#ifndef BERTH_LETTER_H_INCLUDED
#define BERTH_LETTER_H_INCLUDED

#include "requests.h"

enum { LETTER_MAGIC = 0x1e77e001, LETTER_SUBJECT_MAX = 200, LETTER_STEP_MAX = 32 };

typedef struct {
    uint32_t magic;
    uint16_t type;                  //  request_code_t
    uint8_t answer_to;              //  ACTOR_FRONT: a client; else the actor that sent a step
    bool streams;                   //  Credit was given: chunks and progress may be sent
    bool confined;                  //  Of a client: only companies of its principal exist for it
    bool cancelled;                 //  Of one that waited: its client went away, or cancelled
    bool remote;                    //  It came over the network; kept in steps on its behalf
    unsigned roles;                 //  Of the principal
    uint64_t ticket;                //  The front door's number of the request
    int64_t deadline_ms;            //  On the monotonic clock; 0: none
    uint64_t credit;                //  Bytes of stream the client can take; of STREAM_CREDIT: more
    char principal [64];
    char key [BERTH_KEY_MAX + 1];                   //  Idempotency key, "" for none
    uint8_t scope [48];                             //  Of that key, once the kit has seen it
    char actor_type [32], actor_id [128];           //  On whose behalf; "" for the principal
    char agent [128], run [128];
    char subject [LETTER_SUBJECT_MAX];              //  Of a step: the row it belongs to,
    char step [LETTER_STEP_MAX];                    //  and which step of it
} letter_t;

//  What an actor tells the front door: [answer][body][data].
enum { ANSWER_MAGIC = 0x1e77e002 };
typedef struct {
    uint32_t magic;
    reply_status_t status;
    uint64_t ticket;
} answer_t;

#endif
