//  schemas.c - defines every schema once; the rows stand in the headers.

#include "exec.h"
#include "shim.h"

#include <stddef.h>

//  exec.h
BERTH_ENUM_TABLE (exec_state, EXEC_STATE);
BERTH_ENUM_TABLE (exec_cause, EXEC_CAUSE);
BERTH_ENUM_TABLE (exec_stream, EXEC_STREAM);
BERTH_ENUM_TABLE (exec_on_full, EXEC_ON_FULL);
BERTH_SCHEMA (exec_tty, EXEC_TTY, 0, "The size of a terminal.");
BERTH_SCHEMA (exec, EXEC, SCHEMA_ROW, "One command in a leased place.");
BERTH_SCHEMA (exec_start, EXEC_START, 0, "Start a command.");
BERTH_SCHEMA (exec_ref, EXEC_REF, 0, "Names an exec.");
BERTH_SCHEMA (exec_list, EXEC_LIST, 0, "Which execs to list.");
BERTH_SCHEMA (exec_page, EXEC_PAGE, 0, "A page of execs.");
BERTH_SCHEMA (exec_read, EXEC_READ, 0, "Which bytes of the output.");
BERTH_SCHEMA (exec_read_end, EXEC_READ_END, 0, "How far the output was read.");
BERTH_SCHEMA (stream_chunk, STREAM_CHUNK, 0, "One chunk of a stream.");
BERTH_SCHEMA (exec_write, EXEC_WRITE, 0, "Bytes for stdin.");
BERTH_SCHEMA (exec_written, EXEC_WRITTEN, 0, "How far stdin was accepted.");
BERTH_SCHEMA (exec_signal, EXEC_SIGNAL, 0, "A signal for an exec's process group.");
BERTH_SCHEMA (exec_resize, EXEC_RESIZE, 0, "A new size of the terminal.");
BERTH_SCHEMA (exec_result, EXEC_RESULT, 0, "How a command ended, with its output.");

//  shim.h
BERTH_ENUM_TABLE (shim_op, SHIM_OP);
BERTH_SCHEMA (shim_message, SHIM_MESSAGE, 0, "Between berthd and a shim.");
BERTH_SCHEMA (shim_limits, SHIM_LIMITS, 0, "A place's walls in numbers.");
BERTH_SCHEMA (shim_open, SHIM_OPEN, 0, "How a shim opens a place.");
BERTH_SCHEMA (shim_opened, SHIM_OPENED, 0, "What came of it.");
