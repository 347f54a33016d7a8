//  keys.c - owns nothing: appends bytes.

#include "keys.h"

#include "ids.h"

#include <stdio.h>
#include <string.h>

void
key_bytes (store_key_t *self, const void *data, size_t size)
{
    ENSURE (self->size + size <= sizeof self->data);
    memcpy (self->data + self->size, data, size);
    self->size += size;
}

void
key_byte (store_key_t *self, uint8_t byte)
{
    key_bytes (self, &byte, 1);
}

void
key_id (store_key_t *self, const char *uuid)
{
    uint8_t bytes [16];
    ENSURE (uuid && berth_id_parse (uuid, bytes) == 0);
    key_bytes (self, bytes, sizeof bytes);
}

void
key_text (store_key_t *self, const char *text)
{
    key_bytes (self, text, strlen (text) + 1);
}

void
key_up (store_key_t *self, uint64_t number)
{
    uint8_t bytes [8];
    for (int index = 0; index < 8; index++)
        bytes [index] = (uint8_t) (number >> (56 - 8 * index));
    key_bytes (self, bytes, sizeof bytes);
}

void
key_down (store_key_t *self, uint64_t number)
{
    key_up (self, ~number);
}

void
key_last_id (const store_key_t *self, char ret_id [BERTH_ID_SIZE])
{
    ENSURE (self->size >= 16);
    berth_id_text (self->data + self->size - 16, ret_id);
}

void
key_to_text (const store_key_t *self, char *text, size_t size)
{
    ENSURE (size > 2 * self->size);
    for (size_t index = 0; index < self->size; index++)
        snprintf (text + 2 * index, 3, "%02x", self->data [index]);
    text [2 * self->size] = 0;
}

static int
s_digit (char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int
key_from_text (store_key_t *self, const char *text)
{
    size_t length = strlen (text);
    if (length % 2 || length / 2 > sizeof self->data)
        return -1;
    self->size = 0;
    for (size_t index = 0; index < length; index += 2) {
        int high = s_digit (text [index]), low = s_digit (text [index + 1]);
        if (high < 0 || low < 0)
            return -1;
        key_byte (self, (uint8_t) (high << 4 | low));
    }
    return 0;
}
