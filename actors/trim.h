//  trim.h - gives back memory that only the start needed.

#ifndef BERTH_TRIM_H_INCLUDED
#define BERTH_TRIM_H_INCLUDED

//  Returns free heap to the system, and unmaps the pages of programs and libraries that were read
//  in so far and never changed: what is still needed comes back from the page cache at its next
//  use, the rest (start-up code, most of the libraries below libzmq) stays away. Call once, when
//  everything runs. Never fails; does nothing where /proc cannot be read.
void trim_after_start (void);

#endif
