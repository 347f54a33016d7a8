//  client_ask.c - owns nothing: calls that wait for their end, made of what client.h has.

#include "client.h"

#include "clock.h"

berth_client_t *
berth_client_new (const char *endpoint, berth_error_t *err)
{
    berth_connect_t how = { .endpoint = endpoint };
    return berth_client_open (&how, err);
}

int
berth_client_call (berth_client_t *self, const char *type, berth_bytes_t body,
                   const berth_ask_t *ask, arena_t *arena, berth_bytes_t *ret_body,
                   berth_error_t *err)
{
    uint64_t call = berth_client_send (self, type, body, ask, err);
    if (!call)
        return -1;
    berth_reply_t reply;
    do
        while (!berth_client_next (self, call, berth_mono_ms () + 60000, &reply))
            ;                   //  Its deadline ends it
    while (reply.status == reply_status_STREAM);
    if (reply.status == reply_status_ERROR) {
        if (err)
            *err = reply.error;
        return -1;
    }
    if (ret_body)
        *ret_body = (berth_bytes_t) { arena_copy (arena, reply.body.data, reply.body.size),
                                      reply.body.size };
    return 0;
}

int
berth_client_ask (berth_client_t *self, request_code_t code, const void *request,
                  const berth_ask_t *ask, arena_t *arena, void *ret_reply, berth_error_t *err)
{
    const request_row_t *row = request_row (code);
    berth_bytes_t body = request ? berth_pack (row->request, request, arena) : berth_empty_map;
    if (berth_client_call (self, row->type, body, ask, arena, &body, err))
        return -1;
    return ret_reply ? berth_unpack (row->reply, body, arena, ret_reply, err) : 0;
}

int64_t
berth_client_retry_after (const berth_error_t *err)
{
    if (!berth_code_retryable (err->code))
        return -1;
    return err->retry_after_ms ? (int64_t) err->retry_after_ms : BERTH_RETRY_MS;
}
