//  sweep_how.h - how often lost places are looked for, and how old one must be before it goes.

#ifndef BERTH_SWEEP_HOW_H_INCLUDED
#define BERTH_SWEEP_HOW_H_INCLUDED

#include "base.h"
#include "configuration.h"

typedef struct {
    int64_t every_ms;               //  Between two looks; 0: never, but when an operator asks
    int64_t age_ms;                 //  So long one is seen as lost before it is acted upon
} sweep_how_t;

//  What the configuration says (NULL: nothing), and the limits' defaults for the rest.
static inline sweep_how_t
sweep_how (const configuration_sweep_t *said)
{
    uint64_t every = said && said->every ? said->every : BERTH_SWEEP_EVERY_S;
    uint64_t age = said && said->age ? said->age : BERTH_SWEEP_AGE_S;
    return (sweep_how_t) { (int64_t) every * 1000, (int64_t) age * 1000 };
}

#endif
