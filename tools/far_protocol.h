//  far_protocol.h - what a relay and the far end of its ssh connection say to each other.
//
//  The relay (berth-shim on berthd's host) starts ssh with FAR_SCRIPT, which any login shell takes
//  as one argument. It holds no value: those come by stdin, a line each. What the script prints
//  begins with the relay's mark, so that the noise of a login shell is told from it:
//
//      relay     mark, folder, hash of the program and its size, each ended by a newline
//      script    <mark> here <system> <machine> <folder, resolved>
//      script    <mark> want               the program is not there: its bytes, and nothing behind
//      script    <mark> fail <what>        folder, store or run
//      script    <mark> go                 it has become the program: only frames from here on
//
//  A frame is a length (4 bytes, little endian) and as many bytes, of which the first says what.
//  The program has one folder for each place, <base>/.berth/<id>, and works in <base>/<id>.

#ifndef BERTH_FAR_PROTOCOL_H_INCLUDED
#define BERTH_FAR_PROTOCOL_H_INCLUDED

#include "spool.h"

enum {
    //  Relay to far
    FAR_OPEN = 'O',         //  shim_open: opens the place, if its shim is not there
    FAR_JOIN = 'J',         //  shim_open: goes on with the place, whatever is there of it
    FAR_END = 'Q',          //  shim_open: ends the place, and removes it if relay.keep is not said
    FAR_TAKE = 'T',         //  The place that was opened is taken; without it, it is closed again
    FAR_WATCH = 'W',        //  far_part: an exec of before, and where its copy stands
    FAR_WATCHED = 'E',      //  Those were all
    FAR_FORGET = 'F',       //  far_part: its copy is whole, the spool may go
    //  Whoever has files to move, in a session of its own, as its first frame
    FAR_PUT = 'U',          //  shim_open: answered by FAR_OPENED; then a stream of tree_pack.h to the
                            //  end of stdin: the workspace becomes that; another FAR_OPENED when it is
    FAR_GET = 'Y',          //  shim_open: answered by FAR_OPENED, then a stream of what differs from
                            //  what was put, to the end of the session
    //  Far to relay
    FAR_OPENED = 'o',       //  shim_opened: the answer to each of the first three
    FAR_DATA = 'D',         //  far_part and bytes for its copy
    FAR_LOST = 'L',         //  far_part: its spool cannot be read
    FAR_GONE = 'G',         //  A sentence: the place's shim is gone, and all that it left was told
    //  Both ways
    FAR_SHIM = 'M',         //  shim_message
    FAR_PING = 'P'          //  Answered by the same
};

enum { FAR_FRAME_MAX = 1048576 + 64, FAR_MARK_SIZE = 33 };

typedef struct {
    char exec [40];
    spool_mark_t mark;
} far_part_t;

//  One line, and no exclamation mark: also csh takes it.
#define FAR_SCRIPT \
    "exec /bin/sh -c '" \
    "umask 077; IFS= read -r m; IFS= read -r d; read -r h n; " \
    "fail () { printf \"\\n%s fail %s\\n\" \"$m\" \"$1\"; exit 1; }; " \
    "mkdir -p -- \"$d\" && cd -- \"$d\" || fail folder; " \
    "printf \"\\n%s here %s %s %s\\n\" \"$m\" \"$(uname -s)\" \"$(uname -m)\" \"$(pwd -P)\"; " \
    "p=.berth/bin/shim-$h; " \
    "if [ \"$(\"$p\" --hash 2>/dev/null </dev/null)\" = \"$h\" ]; then :; else " \
    "mkdir -p .berth/bin || fail folder; t=$p.$$; printf \"%s want\\n\" \"$m\"; " \
    "head -c \"$n\" >\"$t\" && chmod 700 \"$t\" || { rm -f \"$t\"; fail store; }; " \
    "[ \"$(\"$t\" --hash </dev/null)\" = \"$h\" ] || { rm -f \"$t\"; fail run; }; " \
    "mv -f \"$t\" \"$p\" || fail store; fi; " \
    "printf \"%s go\\n\" \"$m\"; exec \"$p\" --far'"

#endif
