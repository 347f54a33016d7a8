//  schema.h - how a message is described: kinds of fields, presence, BERTH_MESSAGE.
//
//  A message is a list of rows,
//
//      F (T, kind, member, "onTheWire", presence, limit, "Meaning.")
//
//  and BERTH_MESSAGE (name, ROWS) declares from it a struct name_t, the index of each field and
//  the schema name_schema. Wire, rows of the store, configuration, flags, --json and docs read the
//  same rows; the logic is plain code in codec.c.
//
//  kind            C type                         on the wire
//  BOOL            bool                           boolean
//  I64 U64 F64     int64_t uint64_t double        finite number; limit: the largest value, 0: none
//  STR             const char *                   str, UTF-8 without NUL; limit: bytes
//  ID              const char *                   str, a UUID in lower case
//  BYTES           berth_bytes_t                  bin, str accepted; limit: bytes
//  TIME            int64_t                        ms since the epoch
//  ENUM (e)        e_t                            str, one of the texts of e
//  OBJ (m)         const m_t *                    map
//  LIST (m)        {count, const m_t *items}      array of maps; limit: elements
//  STRS            {count, const char *const *}   array of str; limit: elements
//  BLOBS           {count, const berth_bytes_t *} array of bin or str; limit: elements
//  ANY             berth_bytes_t                  anything, kept packed; limit: bytes packed
//
//  presence: REQUIRED, OPTIONAL (may be absent), NULLABLE (may be absent or null). The three states
//  stay apart: `has` and `null` are bit sets by field index. Pointers are NULL when there is no
//  value. SECRET fields print as ***; POSITIVE numbers refuse 0; OBJECT values of ANY are maps.

#ifndef BERTH_SCHEMA_H_INCLUDED
#define BERTH_SCHEMA_H_INCLUDED

#include "base.h"

#include <string.h>

typedef enum {
    KIND_BOOL, KIND_I64, KIND_U64, KIND_F64, KIND_STR, KIND_ID, KIND_BYTES, KIND_TIME, KIND_ENUM,
    KIND_OBJ, KIND_LIST, KIND_STRS, KIND_BLOBS, KIND_ANY
} berth_kind_t;

//  The text of a kind, as docs and bus.describe say it: "u64", "list".
const char *berth_kind_text (berth_kind_t kind);

enum {
    REQUIRED = 1,
    OPTIONAL = 2,
    NULLABLE = 4,
    SECRET   = 8,       //  Never printed
    POSITIVE = 16,      //  A number above 0, a text or list that is not empty
    OBJECT   = 32,      //  An ANY that must be a map
    PRIVATE  = 64       //  Configuration: left out (or null) for who may only look; never REQUIRED
};

//  Texts of an enumeration; value 0 means no value, so texts start at 1.
typedef struct {
    const char *name;
    size_t count;                       //  Of texts, including [0]
    const char *const *texts;
} berth_enum_t;

typedef struct berth_schema berth_schema_t;

typedef struct {
    const char *name;                   //  On the wire
    berth_kind_t kind;
    unsigned flags;                     //  Presence and marks
    size_t offset;                      //  Of the member in the struct
    uint64_t limit;                     //  0: the kind's own
    const void *of;                     //  berth_schema_t or berth_enum_t
    const char *doc;
    size_t name_size;                   //  Bytes of the name
} berth_field_t;

enum {
    SCHEMA_STRICT = 1,                  //  Unknown keys are refused
    SCHEMA_ROW    = 2                   //  NULLABLE fields without a value are written as null
};

struct berth_schema {
    const char *name;
    const char *doc;
    unsigned flags;
    size_t size;                        //  Of the struct
    size_t count;                       //  Of fields, at most 64
    const berth_field_t *fields;
};

//  What every message struct begins with; lists look the same whatever they hold.
typedef struct { uint64_t has, null; } berth_message_t;
typedef struct { size_t count; const void *items; } berth_list_t;
typedef struct { size_t count; const char *const *items; } berth_strs_t;
typedef struct { size_t count; const berth_bytes_t *items; } berth_blobs_t;

#define BERTH_CTYPE_BOOL     bool
#define BERTH_CTYPE_I64      int64_t
#define BERTH_CTYPE_U64      uint64_t
#define BERTH_CTYPE_F64      double
#define BERTH_CTYPE_STR      const char *
#define BERTH_CTYPE_ID       const char *
#define BERTH_CTYPE_BYTES    berth_bytes_t
#define BERTH_CTYPE_TIME     int64_t
#define BERTH_CTYPE_ENUM(e)  e##_t
#define BERTH_CTYPE_OBJ(m)   const m##_t *
#define BERTH_CTYPE_LIST(m)  struct { size_t count; const m##_t *items; }
#define BERTH_CTYPE_STRS     berth_strs_t
#define BERTH_CTYPE_BLOBS    berth_blobs_t
#define BERTH_CTYPE_ANY      berth_bytes_t

#define BERTH_KIND_BOOL      KIND_BOOL, NULL
#define BERTH_KIND_I64       KIND_I64, NULL
#define BERTH_KIND_U64       KIND_U64, NULL
#define BERTH_KIND_F64       KIND_F64, NULL
#define BERTH_KIND_STR       KIND_STR, NULL
#define BERTH_KIND_ID        KIND_ID, NULL
#define BERTH_KIND_BYTES     KIND_BYTES, NULL
#define BERTH_KIND_TIME      KIND_TIME, NULL
#define BERTH_KIND_ENUM(e)   KIND_ENUM, &e##_enum
#define BERTH_KIND_OBJ(m)    KIND_OBJ, &m##_schema
#define BERTH_KIND_LIST(m)   KIND_LIST, &m##_schema
#define BERTH_KIND_STRS      KIND_STRS, NULL
#define BERTH_KIND_BLOBS     KIND_BLOBS, NULL
#define BERTH_KIND_ANY       KIND_ANY, NULL

#define BERTH_MEMBER_(T, kind, member, wire, flags, limit, doc) BERTH_CTYPE_##kind member;
#define BERTH_INDEX_(T, kind, member, wire, flags, limit, doc)  T##_F_##member,

#define BERTH_MESSAGE(T, ROWS)                                                                     \
    typedef struct { uint64_t has, null; ROWS (BERTH_MEMBER_, T) } T##_t;                          \
    enum { ROWS (BERTH_INDEX_, T) T##_FIELDS };                                                    \
    extern const berth_schema_t T##_schema BERTH_SYMBOL (#T "_schema")

//  Defined once each, in schemas.c.
#define BERTH_FIELD_(T, kind, member, wire, flags, limit, doc)                                     \
    BERTH_FIELD__ (T, member, wire, flags, limit, doc, BERTH_KIND_##kind)
#define BERTH_FIELD__(...) BERTH_FIELD___ (__VA_ARGS__)
#define BERTH_FIELD___(T, member, wire, flags, limit, doc, kind, of)                               \
    { wire, kind, flags, offsetof (T##_t, member), limit, of, doc, sizeof (wire) - 1 },
#define BERTH_SCHEMA(T, ROWS, schema_flags, doc)                                                   \
    static const berth_field_t T##_field_table [] = { ROWS (BERTH_FIELD_, T) };                    \
    _Static_assert (T##_FIELDS <= 64, #T " has more than 64 fields");                              \
    const berth_schema_t T##_schema = { #T, doc, schema_flags, sizeof (T##_t), T##_FIELDS,         \
                                        T##_field_table }

//  Enumerations: rows X (T, SYMBOL, "text") give T_t with T_SYMBOL, and T_enum.
#define BERTH_ENUM_VALUE_(T, symbol, text) T##_##symbol,
#define BERTH_ENUM_TEXT_(T, symbol, text)  [T##_##symbol] = text,
#define BERTH_ENUM(T, ROWS)                                                                        \
    typedef enum { T##_NONE = 0, ROWS (BERTH_ENUM_VALUE_, T) T##_COUNT } T##_t;                    \
    extern const berth_enum_t T##_enum BERTH_SYMBOL (#T "_enum")
#define BERTH_ENUM_TABLE(T, ROWS)                                                                  \
    static const char *const T##_texts [T##_COUNT] = { "", ROWS (BERTH_ENUM_TEXT_, T) };           \
    const berth_enum_t T##_enum = { #T, T##_COUNT, T##_texts }

//  The text of an enumeration's value; "" for none.
const char *berth_enum_text (const berth_enum_t *self, int value);
//  The value of a text; 0 if it is none of them.
int berth_enum_value (const berth_enum_t *self, const char *text, size_t size);

//  Is there a value (not null, not absent)? Is it an explicit null?
#define berth_has(T, message, member)  (((message)->has >> T##_F_##member) & 1)
#define berth_null(T, message, member) (((message)->null >> T##_F_##member) & 1)

//  Sets a value and marks it; needed for optional numbers and booleans, harmless for others.
#define berth_put(T, message, member, value)                                                       \
    ((message)->member = (value), (message)->null &= ~(1ull << T##_F_##member),                    \
     (void) ((message)->has |= 1ull << T##_F_##member))

//  Makes a field null on the wire, whatever it held.
#define berth_clear(T, message, member)                                                            \
    (memset (&(message)->member, 0, sizeof (message)->member),                                     \
     (message)->has &= ~(1ull << T##_F_##member),                                                  \
     (void) ((message)->null |= 1ull << T##_F_##member))

//  The field of that wire name, or NULL.
const berth_field_t *berth_schema_field (const berth_schema_t *self, const char *name);

#endif
