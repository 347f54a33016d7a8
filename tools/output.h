//  output.h - what stands on stdout and stderr: tables and records for people, JSON for programs.
//
//  stdout is data only. Texts of the service are made harmless to a terminal.

#ifndef BERTH_OUTPUT_H_INCLUDED
#define BERTH_OUTPUT_H_INCLUDED

#include "codec.h"

#include <stdio.h>

typedef struct {
    FILE *file;
    int64_t now;                //  For ages
    size_t width;               //  Of the terminal; 0: it is none, nothing is cut
    bool json, quiet;
} output_t;

//  For stdout of this process.
output_t output_stdout (bool json, bool quiet);

//  Prints the reply of that schema: a list as a table with the noun's columns, anything else as a
//  record; with json a line of JSON for each thing; quiet only ids. `header` says that a table has
//  its headings (the first page). The number of rows, or -1 if the reply is malformed.
int output_reply (const output_t *self, const berth_schema_t *schema, berth_bytes_t body,
                  bool header, arena_t *arena, berth_error_t *err);

//  A row of names and values, aligned: for screens made by hand.
void output_line (const output_t *self, const char *name, const char *format, ...)
    BERTH_PRINTF (3, 4);

//  Texts in arena. Ages: "12s", "5m", "3h", "in 2h"; sizes: "512 B", "1.5 MiB"; durations: "1.5 s",
//  "2m03s"; clean: one line without control bytes, bytes that are no text as '?'.
const char *output_age (int64_t then, int64_t now, arena_t *arena);
const char *output_size (uint64_t bytes, arena_t *arena);
const char *output_duration (int64_t ms, arena_t *arena);
const char *output_clean (berth_bytes_t text, arena_t *arena);
//  Time of day of a record: local "07:30:00.123".
const char *output_clock (int64_t wall_ms, arena_t *arena);

//  A message as one line of JSON.
const char *output_json (const berth_schema_t *schema, berth_bytes_t packed, arena_t *arena);

//  One field of a message as a cell; "" if it has no value.
const char *output_cell (const berth_field_t *field, const berth_schema_t *schema,
                         const void *message, int64_t now, arena_t *arena);

//  "berth: lease acquire: no environment 'py39' (environment_not_found)" and, if known, a line with
//  what can be done. Returns the exit status of the code.
int output_error (const char *command, const berth_error_t *err);

//  A line of our own on stderr: "berth: ...".
void output_note (const char *format, ...) BERTH_PRINTF (1, 2);

#endif
