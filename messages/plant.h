//  plant.h - faults that tests plant, each at the site of the rule that it breaks (tests/promises.md
//  lists them). Only a build with BERTH_PLANTS can have them, and only those named in the
//  environment variable BERTH_PLANT=name[,name] are there. Elsewhere PLANTED is the constant false.

#ifndef BERTH_PLANT_H_INCLUDED
#define BERTH_PLANT_H_INCLUDED

#include <stdbool.h>

#ifdef BERTH_PLANTS
#define PLANTED(name) berth_planted (name)
bool berth_planted (const char *name);
#else
#define PLANTED(name) false
#endif

#endif
