//  storage.h - what can be asked of the store itself (DESIGN sections 5, 10 and 12).

#ifndef BERTH_STORAGE_H_INCLUDED
#define BERTH_STORAGE_H_INCLUDED

#include "schema.h"

//  Roomy: everything is taken. Tight: nothing new is, what is there goes on. Shut: nothing of clients
//  is written, so that what frees space still can be.
#define STORE_FILL(X, T) \
    X (T, ROOMY, "roomy") \
    X (T, TIGHT, "tight") \
    X (T, SHUT,  "shut")
BERTH_ENUM (storage_fill, STORE_FILL);

#define STORAGE_TABLE(F, T) \
    F (T, STR,   name,      "name",      REQUIRED, 32, "Of the table.") \
    F (T, U64,   rows,      "rows",      REQUIRED, 0, "Its rows.") \
    F (T, U64,   bytes,     "bytes",     REQUIRED, 0, "Bytes of its pages.")
BERTH_MESSAGE (storage_table, STORAGE_TABLE);

//  How long what has ended is kept, and how much went by that since the start.
#define STORAGE_KEPT(F, T) \
    F (T, STR,   name,      "name",      REQUIRED, 32, "activity, leases, runs, execs or spools.") \
    F (T, U64,   kept_ms,   "keptMs",    REQUIRED, 0, "So long, from its end on.") \
    F (T, U64,   removed,   "removed",   REQUIRED, 0, "Since the start of the service.") \
    F (T, TIME,  oldest_at, "oldestAt",  NULLABLE, 0, "The end of the oldest that is kept.")
BERTH_MESSAGE (storage_kept, STORAGE_KEPT);

#define STORAGE_STAT(F, T) \
    F (T, ENUM (storage_fill), fill, "fill", REQUIRED, 0, "roomy, tight (above 75 %, or a disk without room) or shut.") \
    F (T, U64,   used,      "usedBytes", REQUIRED, 0, "Bytes of pages in use.") \
    F (T, U64,   room,      "roomBytes", REQUIRED, 0, "Bytes it may use: storeMax, or what its disk has.") \
    F (T, U64,   percent,   "usedPercent", REQUIRED, 0, "Of roomBytes; above 75 nothing new is taken.") \
    F (T, U64,   file,      "fileBytes", REQUIRED, 0, "Bytes of its file.") \
    F (T, U64,   max,       "maxBytes",  REQUIRED, 0, "storeMax.") \
    F (T, U64,   disk_free, "diskFreeBytes", REQUIRED, 0, "Left on its disk.") \
    F (T, U64,   reserve,   "reserveBytes", REQUIRED, 0, "Held on the disk behind the file's end, for when it is full.") \
    F (T, U64,   schema,    "schema",    REQUIRED, 0, "Of its tables.") \
    F (T, U64,   epoch,     "epoch",     REQUIRED, 0, "Grows when a backup is restored.") \
    F (T, U64,   seq,       "seq",       REQUIRED, 0, "Last entry of the activity log.") \
    F (T, U64,   oldest_seq, "oldestSeq", REQUIRED, 0, "Its first entry that is kept; 0: none.") \
    F (T, I64,   backup_ms, "backupMs",  NULLABLE, 0, "How long a backup has been running; null: none runs.") \
    F (T, U64,   backup_bytes, "backupBytes", REQUIRED, 0, "What it has written so far.") \
    F (T, LIST (storage_kept), kept, "kept", REQUIRED, 8, "Retention.") \
    F (T, LIST (storage_table), tables, "tables", REQUIRED, 32, "Each table.")
BERTH_MESSAGE (storage_stat, STORAGE_STAT);

#define STORAGE_FINDING(F, T) \
    F (T, STR,   kind,      "kind",      REQUIRED, 16, "row, state, index, reference, activity, chain, count, key or spool.") \
    F (T, STR,   where,     "where",     REQUIRED, 32, "In which table, or spool.") \
    F (T, STR,   id,        "id",        REQUIRED, 256, "Which row, entry or folder.") \
    F (T, STR,   why,       "why",       REQUIRED, 256, "One sentence.")
BERTH_MESSAGE (storage_finding, STORAGE_FINDING);

#define STORAGE_CHECKED(F, T) \
    F (T, BOOL,  ok,        "ok",        REQUIRED, 0, "Everything fits together.") \
    F (T, U64,   rows,      "rows",      REQUIRED, 0, "Rows looked at.") \
    F (T, U64,   index_entries, "indexEntries", REQUIRED, 0, "Entries of indexes looked at.") \
    F (T, U64,   activity,  "activity",  REQUIRED, 0, "Entries of the log looked at.") \
    F (T, U64,   keys,      "keys",      REQUIRED, 0, "Idempotency keys looked at.") \
    F (T, U64,   spools,    "spools",    REQUIRED, 0, "Folders of output looked at.") \
    F (T, U64,   took_ms,   "tookMs",    REQUIRED, 0, "How long it took.") \
    F (T, U64,   found,     "found",     REQUIRED, 0, "Findings in sum.") \
    F (T, LIST (storage_finding), findings, "findings", REQUIRED, 1000, "The first of them.")
BERTH_MESSAGE (storage_checked, STORAGE_CHECKED);

#define STORAGE_BACKUP(F, T) \
    F (T, BYTES, path,      "path",      REQUIRED | POSITIVE, 4000, "Absolute path of a file on the service's host that does not exist.")
BERTH_MESSAGE (storage_backup, STORAGE_BACKUP);

#define STORAGE_BACKED_UP(F, T) \
    F (T, BYTES, path,      "path",      REQUIRED, 4000, "The file.") \
    F (T, U64,   bytes,     "bytes",     REQUIRED, 0, "Its size.") \
    F (T, U64,   epoch,     "epoch",     REQUIRED, 0, "Of the store that it is a copy of; one that is restored has a later one.") \
    F (T, U64,   took_ms,   "tookMs",    REQUIRED, 0, "How long it took.")
BERTH_MESSAGE (storage_backed_up, STORAGE_BACKED_UP);

//  Of store.check and store.backup as a stream: how far it is.
#define STORAGE_PROGRESS(F, T) \
    F (T, STR,   phase,     "phase",     REQUIRED, 32, "What is looked at, or copy.") \
    F (T, U64,   done,      "done",      REQUIRED, 0, "Entries or bytes so far.") \
    F (T, U64,   total,     "total",     REQUIRED, 0, "Of about so many.")
BERTH_MESSAGE (storage_progress, STORAGE_PROGRESS);

//  Inside the service: how far the work of a thread is; output that is to go.
#define STORAGE_TOLD(F, T) \
    F (T, STR,   subject,   "subject",   REQUIRED, 200, "check or backup.") \
    F (T, OBJ (storage_progress), progress, "progress", REQUIRED, 0, "So far.")
BERTH_MESSAGE (storage_told, STORAGE_TOLD);

#define SPOOL_DROP(F, T) \
    F (T, ID,    exec,      "execId",    REQUIRED, 36, "Whose output goes.")
BERTH_MESSAGE (spool_drop, SPOOL_DROP);

#endif
