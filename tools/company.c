//  company.c - owns `berth company delete`: said twice, and followed until it is gone.

#include "attach.h"
#include "output.h"
#include "service.h"
#include "terminal.h"

#include <unistd.h>

int
company_delete_command (invocation_t *self, berth_error_t *err)
{
    company_options_t options;
    if (berth_unpack (&company_options_schema, self->body, self->arena, &options, err))
        return -1;
    if (!options.yes) {
        berth_error_set (err->field, sizeof err->field, "yes");
        berth_error_set (err->remedy, sizeof err->remedy, "berth company delete %s --yes",
                         options.company);
        return berth_fail (err, BERTH_INVALID, "leases, execs, files, secrets and environments of "
                           "company '%s' would be gone: say that it is meant", options.company);
    }
    company_delete_t ask = { .company = options.company };
    if (berth_has (company_options, &options, wait))
        berth_put (company_delete, &ask, wait, options.wait);
    company_removal_t row;
    int number = 0, signals = terminal_signals ();
    berth_ask_t how = service_ask (self, -1);
    how.credit = BERTH_CHUNK_MAX;
    int rc = attach_call (self->bus, REQUEST_COMPANY_DELETE, &ask, &how, signals, self->arena, &row,
                          &number, err);
    close (signals);
    if (rc > 0) {
        output_note ("left; it goes on: berth company delete %s --yes", options.company);
        return 128 + number;
    }
    output_t out = output_stdout (self->common.json, self->common.quiet);
    return rc || output_reply (&out, &company_removal_schema,
                               berth_pack (&company_removal_schema, &row, self->arena), true,
                               self->arena, err) < 0 ? -1 : 0;
}
