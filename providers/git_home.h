//  git_home.h - commits that were made in a place come home as commits.
//
//  What crosses is objects, never a `.git` folder: the place's HEAD is read as text, objects that it
//  did not have when its files went in are copied into a bare repository of ours, and git, with no
//  configuration but ours and home's own, fetches them from there with every object checked. No git
//  ever runs in the place's folder, and no hook, fsmonitor, filter or submodule of anybody.
//
//  Home's branch goes forward, or gets a merge commit; where that can't be, the work stands under
//  refs/berth/<name>, to look at. The index follows where nothing was staged; files are
//  tree_return's.

#ifndef BERTH_GIT_HOME_H_INCLUDED
#define BERTH_GIT_HOME_H_INCLUDED

#include "spawner.h"

typedef struct {
    const char *place;              //  Folder with the place's `.git`, or with what changed of it
    const char *snapshot;           //  Of what went in (tree.h)
    const char *target;             //  Home
    const char *scratch;            //  A folder that is made anew, and is gone at the end
    const char *name;               //  Of the ref: letters, digits and `-`
    bool no_links;                  //  No part of target may be a link
    bool conflicts;                 //  Files changed on both sides: nothing is merged
} git_home_t;

typedef struct {
    const char *outcome;            //  NULL: there was nothing; else fast_forward, merge, conflict (see
                                    //  ref), or refused (see reason)
    const char *head;               //  The commit that came
    const char *ref;                //  Where it stands, unless it is in the branch
    const char *reason;
} git_came_t;

//  Never fails: files are home by then. *ret_came lives in arena. Any thread.
void git_bring_home (spawner_t *spawner, const git_home_t *how, int64_t deadline_mono_ms,
                     arena_t *arena, git_came_t *ret_came);

#endif
