//  output.c - owns which columns a noun's table has, and how values look to people.

#include "output.h"

#include "clock.h"
#include "json.h"
#include "requests.h"
#include "wire.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

//  Columns: names of fields, or a key of a free map: config.provider. `=WORD` is the heading.
static const struct {
    const berth_schema_t *schema;
    const char *columns;
} s_tables [] = {
    { &environment_schema, "id name driver config.provider=PROVIDER status updatedAt" },
    { &lease_schema, "id state provider heartbeatRunId=RUN acquiredAt expiresAt releasedAt failureReason=FAILURE" },
    { &workspace_schema, "id name mode status lastUsedAt cwd" },
    { &exec_schema, "id state cause exitCode=EXIT signal startedAt endedAt command" },
    { &run_schema, "id state environmentId leaseId updatedAt error" },
    { &provider_info_schema, "name status concurrency=AT-ONCE calls description" },
    { &describe_field_schema, "name kind presence limit values doc=MEANING" },
    { &activity_schema, "companySeq=SEQ createdAt action entityId runId" },
};

enum { COLUMNS_MAX = 16 };

output_t
output_stdout (bool json, bool quiet)
{
    struct winsize size = { 0 };
    bool terminal = isatty (STDOUT_FILENO) && ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
    return (output_t) { .file = stdout, .now = berth_wall_ms (), .json = json, .quiet = quiet,
                        .width = terminal ? size.ws_col : 0 };
}

//  ---- texts

const char *
output_clean (berth_bytes_t text, arena_t *arena)
{
    char *copy = arena_text (arena, (const char *) text.data, text.size);
    for (size_t at = 0; at < text.size;) {
        uint8_t lead = (uint8_t) copy [at];
        size_t size = lead < 0xc2 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
        bool control = lead < 0x20 || lead == 0x7f
                    || (lead == 0xc2 && at + 1 < text.size && (uint8_t) copy [at + 1] < 0xa0);
        if (size > text.size - at || control || !wire_is_text ((uint8_t *) copy + at, size)) {
            copy [at] = lead == '\n' || lead == '\t' ? ' ' : '?';
            size = 1;
        }
        at += size;
    }
    return copy;
}

static const char *
s_clean (const char *text, arena_t *arena)
{
    return output_clean ((berth_bytes_t) { (const uint8_t *) text, strlen (text) }, arena);
}

const char *
output_age (int64_t then, int64_t now, arena_t *arena)
{
    static const struct { int64_t ms; char unit; } steps [] = {
        { 172800000, 'd' }, { 7200000, 'h' }, { 120000, 'm' }, { 0, 's' }
    };
    static const int64_t units [] = { 86400000, 3600000, 60000, 1000 };
    int64_t ms = now > then ? now - then : then - now;
    size_t step = 0;
    while (ms < steps [step].ms)
        step++;
    return arena_printf (arena, "%s%lld%c", then > now + 999 ? "in " : "",
                         (long long) (ms / units [step]), steps [step].unit);
}

const char *
output_size (uint64_t bytes, arena_t *arena)
{
    static const char *const units [] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    if (bytes < 1024)
        return arena_printf (arena, "%u B", (unsigned) bytes);
    double value = (double) bytes / 1024;
    size_t unit = 0;
    while (value >= 1023.95 && unit + 1 < BERTH_COUNT (units)) {
        value /= 1024;
        unit++;
    }
    return arena_printf (arena, "%.1f %s", value, units [unit]);
}

const char *
output_duration (int64_t ms, arena_t *arena)
{
    if (ms < 1000)
        return arena_printf (arena, "%lld ms", (long long) ms);
    if (ms < 60000)
        return arena_printf (arena, "%.1f s", (double) ms / 1000);
    int64_t seconds = ms / 1000;
    if (seconds < 3600)
        return arena_printf (arena, "%lldm%02llds", (long long) seconds / 60, (long long) seconds % 60);
    if (seconds < 172800)
        return arena_printf (arena, "%lldh%02lldm", (long long) seconds / 3600,
                             (long long) seconds % 3600 / 60);
    return arena_printf (arena, "%lldd%lldh", (long long) seconds / 86400,
                         (long long) seconds % 86400 / 3600);
}

const char *
output_clock (int64_t wall_ms, arena_t *arena)
{
    time_t seconds = (time_t) (wall_ms / 1000);
    struct tm parts = { 0 };
    localtime_r (&seconds, &parts);
    return arena_printf (arena, "%02d:%02d:%02d.%03d", parts.tm_hour, parts.tm_min, parts.tm_sec,
                         (int) (wall_ms % 1000));
}

const char *
output_json (const berth_schema_t *schema, berth_bytes_t packed, arena_t *arena)
{
    return berth_json_text (schema, packed, BERTH_JSON_COMPACT, arena);
}

//  ---- cells

static bool
s_is_size (const berth_field_t *field)
{
    size_t size = strlen (field->name);
    return size > 5 && strcmp (field->name + size - 5, "Bytes") == 0;
}

static bool
s_is_duration (const berth_field_t *field)
{
    size_t size = strlen (field->name);
    return size > 2 && strcmp (field->name + size - 2, "Ms") == 0;
}

static const char *
s_any (berth_bytes_t packed, arena_t *arena)
{
    return packed.size ? s_clean (berth_json_text (NULL, packed, BERTH_JSON_COMPACT, arena), arena) : "";
}

static const char *
s_join (const berth_field_t *field, const void *member, arena_t *arena)
{
    const berth_strs_t *strs = member;
    const berth_blobs_t *blobs = member;
    const char *text = "";
    for (size_t index = 0; index < strs->count; index++)
        text = arena_printf (arena, "%s%s%s", text, index ? ", " : "",
                             field->kind == KIND_STRS ? s_clean (strs->items [index], arena)
                                                      : output_clean (blobs->items [index], arena));
    return text;
}

const char *
output_cell (const berth_field_t *field, const berth_schema_t *schema, const void *message,
             int64_t now, arena_t *arena)
{
    const berth_message_t *head = message;
    const void *member = (const uint8_t *) message + field->offset;
    if (!(head->has >> (field - schema->fields) & 1))
        return "";
    if (field->flags & SECRET)
        return "***";
    switch (field->kind) {
        case KIND_BOOL:
            return *(const bool *) member ? "yes" : "no";
        case KIND_I64:
            return arena_printf (arena, "%lld", (long long) *(const int64_t *) member);
        case KIND_U64: {
            uint64_t number = *(const uint64_t *) member;
            if (s_is_size (field))
                return output_size (number, arena);
            if (s_is_duration (field))
                return output_duration ((int64_t) number, arena);
            return arena_printf (arena, "%llu", (unsigned long long) number);
        }
        case KIND_F64:
            return arena_printf (arena, "%g", *(const double *) member);
        case KIND_STR: case KIND_ID:
            return s_clean (*(const char *const *) member, arena);
        case KIND_BYTES:
            return output_clean (*(const berth_bytes_t *) member, arena);
        case KIND_TIME:
            return output_age (*(const int64_t *) member, now, arena);
        case KIND_ENUM:
            return berth_enum_text (field->of, *(const int *) member);
        case KIND_OBJ:
            return s_clean (berth_json_text (field->of, berth_pack (field->of, *(const void *const *) member,
                                             arena), BERTH_JSON_COMPACT, arena), arena);
        case KIND_LIST:
            return arena_printf (arena, "(%zu)", ((const berth_list_t *) member)->count);
        case KIND_STRS: case KIND_BLOBS:
            return s_join (field, member, arena);
        case KIND_ANY:
            return s_any (*(const berth_bytes_t *) member, arena);
        default:
            ENSURE (!"a kind of field");
    }
    return "";
}

//  ---- tables

typedef struct {
    char name [64], key [64], heading [64];
    const berth_field_t *field;
    size_t width;
} column_t;

//  "updatedAt" is headed UPDATED, "environmentId" ENVIRONMENT.
static void
s_heading (column_t *column)
{
    size_t size = strlen (column->name), used = 0;
    if (size > 2 && (strcmp (column->name + size - 2, "At") == 0 || strcmp (column->name + size - 2, "Id") == 0))
        size -= 2;
    for (size_t at = 0; at < size && used + 3 < sizeof column->heading; at++) {
        if (isupper ((unsigned char) column->name [at]))
            column->heading [used++] = '-';
        column->heading [used++] = (char) toupper ((unsigned char) column->name [at]);
    }
    column->heading [used] = 0;
}

static size_t
s_columns (const berth_schema_t *schema, column_t columns [COLUMNS_MAX])
{
    const char *spec = NULL;
    size_t count = 0;
    for (size_t index = 0; index < BERTH_COUNT (s_tables); index++)
        if (s_tables [index].schema == schema)
            spec = s_tables [index].columns;
    for (; spec && *spec && count < COLUMNS_MAX; spec += strcspn (spec, " "), spec += *spec == ' ') {
        column_t *column = &columns [count];
        *column = (column_t) { .width = 0 };
        sscanf (spec, "%63[^ =]=%63[^ ]", column->name, column->heading);
        char *dot = strchr (column->name, '.');
        if (dot) {
            snprintf (column->key, sizeof column->key, "%s", dot + 1);
            *dot = 0;
        }
        column->field = berth_schema_field (schema, column->name);
        ENSURE (column->field);
        if (!column->heading [0])
            s_heading (column);
        count++;
    }
    //  A noun without columns of its own shows its first fields that are no maps.
    for (size_t index = 0; !spec && index < schema->count && count < 8; index++) {
        const berth_field_t *field = &schema->fields [index];
        if (field->kind == KIND_OBJ || field->kind == KIND_ANY || field->kind == KIND_LIST)
            continue;
        columns [count] = (column_t) { .field = field };
        snprintf (columns [count].name, sizeof columns [count].name, "%s", field->name);
        s_heading (&columns [count++]);
    }
    return count;
}

static size_t
s_width (const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += ((uint8_t) *text & 0xc0) != 0x80;
    return width;
}

//  Prints a line of cells; what does not fit the terminal is cut at its end.
static void
s_print (const output_t *self, const column_t *columns, const char *const *cells, size_t count)
{
    size_t left = self->width ? self->width : SIZE_MAX;
    size_t last = count;
    while (last && !cells [last - 1] [0])
        last--;                 //  No blanks at the end of a line
    for (size_t index = 0; index < last && left; index++) {
        size_t width = s_width (cells [index]);
        const char *end = cells [index];
        for (size_t seen = 0; *end && (seen += ((uint8_t) *end & 0xc0) != 0x80) <= left; end++)
            ;
        fwrite (cells [index], 1, (size_t) (end - cells [index]), self->file);
        left -= width < left ? width : left;
        size_t blanks = index + 1 < last ? columns [index].width - width + 2 : 0;
        blanks = blanks < left ? blanks : left;
        fprintf (self->file, "%*s", (int) blanks, "");
        left -= blanks;
    }
    fputc ('\n', self->file);
}

static void
s_table (const output_t *self, const berth_schema_t *schema, const berth_list_t *list, bool header,
         arena_t *arena)
{
    column_t columns [COLUMNS_MAX];
    size_t count = s_columns (schema, columns), rows = list->count + 1;
    const char **cells = arena_array (arena, rows * count, const char *);
    for (size_t column = 0; column < count; column++)
        cells [column] = columns [column].heading;
    for (size_t row = 1; row < rows; row++) {
        const uint8_t *message = (const uint8_t *) list->items + (row - 1) * schema->size;
        for (size_t column = 0; column < count; column++) {
            const berth_field_t *field = columns [column].field;
            const char *text;
            if (columns [column].key [0]) {
                text = any_text (*(const berth_bytes_t *) (message + field->offset),
                                 columns [column].key, arena);
                text = text ? s_clean (text, arena) : "";
            }
            else
                text = output_cell (field, schema, message, self->now, arena);
            cells [row * count + column] = text [0] ? text : "-";
        }
    }
    for (size_t row = 0; row < rows; row++)
        for (size_t column = 0; column < count; column++) {
            size_t width = s_width (cells [row * count + column]);
            if (width > columns [column].width)
                columns [column].width = width;
        }
    for (size_t row = header ? 0 : 1; row < rows; row++)
        s_print (self, columns, cells + row * count, count);
}

//  ---- records

void
output_line (const output_t *self, const char *name, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    fprintf (self->file, "%-14s ", name);
    vfprintf (self->file, format, args);
    fputc ('\n', self->file);
    va_end (args);
}

static void
s_record (const output_t *self, const berth_schema_t *schema, const void *message, arena_t *arena)
{
    int width = 0;
    for (size_t index = 0; index < schema->count; index++)
        if (*output_cell (&schema->fields [index], schema, message, self->now, arena)) {
            int size = (int) strlen (schema->fields [index].name);
            width = size > width ? size : width;
        }
    for (size_t index = 0; index < schema->count; index++) {
        const berth_field_t *field = &schema->fields [index];
        const char *text = output_cell (field, schema, message, self->now, arena);
        const uint8_t *member = (const uint8_t *) message + field->offset;
        if (!*text)
            continue;
        if (field->kind == KIND_TIME) {
            char when [40];
            int64_t then = *(const int64_t *) member;
            berth_time_text (then, when, sizeof when);
            fprintf (self->file, "%-*s  %s (%s%s)\n", width, field->name, when, text,
                     then > self->now + 999 ? "" : " ago");
            continue;
        }
        if (field->kind == KIND_ANY && strlen (text) > 60)
            text = berth_json_text (NULL, *(const berth_bytes_t *) member, BERTH_JSON_PRETTY, arena);
        fprintf (self->file, "%-*s  ", width, field->name);
        for (; *text; text++) {
            fputc (*text, self->file);
            if (*text == '\n')
                fprintf (self->file, "%*s", width + 2, "");
        }
        fputc ('\n', self->file);
        if (field->kind == KIND_LIST && ((const berth_list_t *) member)->count)
            s_table (self, field->of, (const berth_list_t *) member, true, arena);
    }
}

//  ---- replies

static void
s_id (const output_t *self, const berth_schema_t *schema, const void *message, arena_t *arena)
{
    const berth_field_t *field = berth_schema_field (schema, "id");
    field = field ? field : &schema->fields [0];
    fprintf (self->file, "%s\n", output_cell (field, schema, message, self->now, arena));
}

int
output_reply (const output_t *self, const berth_schema_t *schema, berth_bytes_t body, bool header,
              arena_t *arena, berth_error_t *err)
{
    void *message = arena_take (arena, schema->size);
    if (berth_unpack (schema, body, arena, message, err))
        return -1;
    const berth_field_t *items = berth_schema_field (schema, "items");
    if (!items || items->kind != KIND_LIST) {
        if (self->json)
            fprintf (self->file, "%s\n", berth_json_text (schema, body, BERTH_JSON_COMPACT, arena));
        else if (self->quiet && schema->count)
            s_id (self, schema, message, arena);
        else
            s_record (self, schema, message, arena);
        return 1;
    }
    const berth_list_t *list = (const berth_list_t *) ((const uint8_t *) message + items->offset);
    const berth_schema_t *row = items->of;
    for (size_t index = 0; (self->json || self->quiet) && index < list->count; index++) {
        const uint8_t *at = (const uint8_t *) list->items + index * row->size;
        if (self->json)
            fprintf (self->file, "%s\n", berth_json_text (row, berth_pack (row, at, arena),
                                                          BERTH_JSON_COMPACT, arena));
        else
            s_id (self, row, at, arena);
    }
    if (!self->json && !self->quiet && (list->count || header))
        s_table (self, row, list, header, arena);
    return (int) list->count;
}

//  ---- stderr

void
output_note (const char *format, ...)
{
    char text [1024];
    va_list args;
    va_start (args, format);
    berth_error_t line = { 0 };
    vsnprintf (text, sizeof text, format, args);
    va_end (args);
    berth_error_set (line.cause, sizeof line.cause, "%s", text);
    fflush (stdout);            //  In the order it was said
    fprintf (stderr, "berth: %s\n", line.cause);
}

int
output_error (const char *command, const berth_error_t *err)
{
    fprintf (stderr, "berth: %s%s%s (%s)\n", command, *command ? ": " : "", err->text,
             berth_code_text (err->code));
    char cause [sizeof err->cause];             //  Without the code that ends it
    snprintf (cause, sizeof cause, "%s", err->cause);
    char *code = strrchr (cause, '(');
    if (code > cause + 1 && code [-1] == ' ')
        code [-1] = 0;
    if (cause [0] && !strstr (err->text, cause))
        fprintf (stderr, "berth: because: %s\n", err->cause);
    if (err->remedy [0])
        fprintf (stderr, "berth: %s\n", err->remedy);
    if (err->retry_after_ms)
        fprintf (stderr, "berth: try again in %.1f s\n", (double) (err->retry_after_ms + 99) / 1000);
    return berth_code_exit (err->code);
}
