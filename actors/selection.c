//  selection.c - owns the order of the levels.

#include "selection.h"

#include <string.h>

static void
s_level (selection_t *self, const char *name, bool has, bool null, bool null_stops, const char *env)
{
    run_level_t *level = &self->levels [self->count++];
    *level = (run_level_t) { .level = name, .env = env };
    if (self->level)
        level->outcome = "not_reached";
    else if (has && env) {
        level->outcome = "selected";
        self->level = name;
        self->env = env;
    }
    else if (null) {
        level->outcome = "null";
        if (null_stops)
            self->level = name;
    }
    else
        level->outcome = "absent";
}

void
selection_of (const run_selection_t *levels, const char *selected, const char *standard,
              const char *persisted, selection_t *self)
{
    memset (self, 0, sizeof *self);
    s_level (self, "persisted", persisted != NULL, false, false, persisted);
    if (levels) {
#define LEVEL(member, name, stops)                                                                 \
    s_level (self, name, berth_has (run_selection, levels, member),                                \
             berth_null (run_selection, levels, member), stops, levels->member)
        LEVEL (workspace, "workspace", true);
        LEVEL (issue, "issue", true);
        LEVEL (project, "project", true);
        LEVEL (agent, "agent", false);
#undef LEVEL
    }
    else
        s_level (self, "selected", selected != NULL, false, false, selected);
    bool reached = !self->env;
    if (reached) {
        self->level = NULL;
        self->is_default = true;
    }
    s_level (self, "default", standard != NULL, false, false, standard);
    if (reached) {
        self->level = "default";
        self->levels [self->count - 1].outcome = "selected";
    }
    else if (standard && strcmp (standard, self->env) == 0)
        self->is_default = true;
}
