//  terminal.h - the terminal this program has: raw mode that is always undone, its size, signals
//  as a descriptor, and a line of progress.

#ifndef BERTH_TERMINAL_H_INCLUDED
#define BERTH_TERMINAL_H_INCLUDED

#include "workspace.h"

//  Blocks INT, TERM, HUP and WINCH and returns a descriptor that tells of them; -1 if it can't.
int terminal_signals (void);

//  The next signal there is; 0 if none.
int terminal_signal (int signals);

//  Are stdin and stdout a terminal?
bool terminal_both (void);

//  The size of stdout's terminal; false if it has none.
bool terminal_size (uint64_t *ret_cols, uint64_t *ret_rows);

//  Raw mode for stdin. It is undone by terminal_restore, at exit, and when a signal ends us.
void terminal_raw (void);
void terminal_restore (void);

//  Asks on the terminal for a line that is not shown while it is typed; without its newline. Bytes, or
//  -1: there is no terminal, or it ended.
long terminal_hidden (const char *prompt, char *line, size_t size);

//  Shows how far files are, on stderr if that is a terminal; clear removes the line.
void terminal_progress (const workspace_progress_t *progress);
void terminal_progress_of (const char *what, uint64_t done, uint64_t total);
void terminal_progress_clear (void);

#endif
