//  manual.h - the manual, made from the tables: pages for man(1), and the example configuration.

#ifndef BERTH_MANUAL_H_INCLUDED
#define BERTH_MANUAL_H_INCLUDED

#include "schema.h"

#include <stdio.h>

//  What `berth help --man` can print.
#define MANUAL_PAGE(X, T) \
    X (T, BERTH,     "berth.1") \
    X (T, BERTHD,    "berthd.8") \
    X (T, CONF,      "berthd.conf.5") \
    X (T, PROTOCOL,  "berth-protocol.7") \
    X (T, SHIM,      "berth-shim.8") \
    X (T, EXAMPLE,   "berthd.conf")
BERTH_ENUM (manual_page, MANUAL_PAGE);

void manual_print (manual_page_t page, FILE *out);

//  Two of them, in a file of their own.
void manual_protocol (FILE *out);
void manual_example (FILE *out);

#endif
