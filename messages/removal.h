//  removal.h - how a company goes: what is said about it, and the steps between the actors that
//  remove what is theirs of it.

#ifndef BERTH_REMOVAL_H_INCLUDED
#define BERTH_REMOVAL_H_INCLUDED

#include "schema.h"

//  In this order: what names another goes before it.
#define COMPANY_PART(X, T) \
    X (T, WORK,         "work") \
    X (T, EXECS,        "execs") \
    X (T, RUNS,         "runs") \
    X (T, LEASES,       "leases") \
    X (T, WORKSPACES,   "workspaces") \
    X (T, SECRETS,      "secrets") \
    X (T, ENVIRONMENTS, "environments") \
    X (T, KEYS,         "keys")
BERTH_ENUM (company_part, COMPANY_PART);

#define COMPANY_DELETE(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED | POSITIVE, 64, "Which company goes.") \
    F (T, BOOL,  wait,      "wait",      OPTIONAL, 0, "Answer when it is gone (true) or when it is written (false).")
BERTH_MESSAGE (company_delete, COMPANY_DELETE);

//  A row stands while it goes on: it outlives the process.
#define COMPANY_REMOVAL(F, T) \
    F (T, STR,   id,        "id",        REQUIRED, 64, "The company.") \
    F (T, TIME,  since,     "since",     REQUIRED, 0, "When it was asked for.") \
    F (T, STR,   by,        "by",        NULLABLE, 128, "Principal that asked.") \
    F (T, ENUM (company_part), part, "part", NULLABLE, 0, "What is being removed; null: it is gone.") \
    F (T, U64,   removed,   "removed",   REQUIRED, 0, "Rows so far.") \
    F (T, U64,   waiting,   "waiting",   REQUIRED, 0, "Of that part: rows that are still on their way out.") \
    F (T, BYTES, scope,     "deleteScope", OPTIONAL | PRIVATE, 64, "Of the key of the client who asked.")
BERTH_MESSAGE (company_removal, COMPANY_REMOVAL);

//  Details of the entry that ends it.
#define COMPANY_DETAILS(F, T) \
    F (T, U64,   removed,   "removed",   REQUIRED, 0, "Rows that were removed.")
BERTH_MESSAGE (company_details, COMPANY_DETAILS);

//  ---- the step, to each actor in turn

#define COMPANY_CLEAR(F, T) \
    F (T, STR,   company,   "companyId", REQUIRED | POSITIVE, 64, "Of which company.") \
    F (T, ENUM (company_part), part, "part", REQUIRED, 0, "What.") \
    F (T, STR,   behind,    "behind",    OPTIONAL, 1024, "Only what stands behind it.") \
    F (T, U64,   waiting,   "waiting",   REQUIRED, 0, "Rows before that which could not go yet.")
BERTH_MESSAGE (company_clear, COMPANY_CLEAR);

#define COMPANY_CLEARED(F, T) \
    F (T, ENUM (company_part), part, "part", REQUIRED, 0, "As it was asked.") \
    F (T, U64,   removed,   "removed",   REQUIRED, 0, "Rows that went.") \
    F (T, U64,   waiting,   "waiting",   REQUIRED, 0, "Rows that could not go yet, and those before.") \
    F (T, STR,   behind,    "behind",    OPTIONAL, 1024, "There are more, behind it.")
BERTH_MESSAGE (company_cleared, COMPANY_CLEARED);

#endif
