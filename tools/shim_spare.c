//  shim_spare.c - owns the spool that is made before it is needed.
//
//  A folder and its first segment cost tenths of milliseconds, a rename costs microseconds: they are
//  made while the place has nothing else to do, in the folder of the place: what a shim that was
//  killed leaves is removed with it.

#include "shim_state.h"

#include "clock.h"

#include <stdio.h>
#include <string.h>

enum { SPARE_WAIT_MS = 8 };             //  Behind a start: its process comes first

void
shim_spare_make (shim_t *self, berth_bytes_t folder)
{
    self->spare_at = 0;
    bool told = !self->open.place || self->open.spools.size;    //  Where execs have theirs
    if (!folder.size || !told || self->closing)
        return;
    snprintf (self->spare_folder, sizeof self->spare_folder, "%.*s/spare", (int) folder.size,
              (const char *) folder.data);
    if (self->spare)
        return;
    berth_error_t ignored = { 0 };      //  Then each exec makes its own, and says what is wrong
    if (spool_remove (self->spare_folder, &ignored) == 0
        && spool_open (self->spare_folder, 0, SPOOL_DROP_OLDEST, &self->spare, &ignored) == 0)
        spool_prepare (self->spare);
}

//  Is this exec's spool to stand where the spare one stands?
static bool
s_fits (const shim_t *self, const char *folder)
{
    size_t size = self->open.spools.size;
    return self->spare && spool_prepared (self->spare)
        && strncmp (folder, (const char *) self->open.spools.data, size) == 0
        && folder [size] == '/' && !strchr (folder + size + 1, '/');
}

int
shim_spare_take (shim_t *self, const shim_message_t *ask, const char *folder, spool_t **ret_spool,
                 berth_error_t *err)
{
    int on_full = ask->on_full ? (int) ask->on_full : SPOOL_DROP_OLDEST;
    if (!self->spare_at)
        self->spare_at = berth_mono_ms () + SPARE_WAIT_MS;
    if (!s_fits (self, folder))
        return spool_start (folder, err)
            || spool_open (folder, ask->spool_max, on_full, ret_spool, err) ? -1 : 0;
    if (spool_adopt (self->spare, self->spare_folder, folder, ask->spool_max, on_full, err))
        return -1;
    *ret_spool = take (self->spare);
    return 0;
}

void
shim_spare_remove (shim_t *self)
{
    if (!self->spare)
        return;
    spool_destroy (&self->spare);
    berth_error_t ignored = { 0 };      //  What stays is removed with the place
    (void) spool_remove (self->spare_folder, &ignored);
}
