//  shim_plain.h - one command on a machine where nothing of ours can run.

#ifndef BERTH_SHIM_PLAIN_H_INCLUDED
#define BERTH_SHIM_PLAIN_H_INCLUDED

//  berth-shim --plain: becomes ssh, and returns only if it cannot.
int shim_plain (int argc, char **argv);

#endif
