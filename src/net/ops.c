/* The tables of operators, and finding a row by domain and name. */
#include "net/emit.h"

#include <string.h>

#define TABLE(family) extern const glia_net_op glia_net_ops_##family[];
#include "net/op_tables.def"
#undef TABLE

static const glia_net_op *const tables[] = {
#define TABLE(family) glia_net_ops_##family,
#include "net/op_tables.def"
#undef TABLE
};

const glia_net_op *glia_net_op_find(const char *domain, const char *name)
{
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const glia_net_op *o = tables[t]; o->name; o++)
            if (!strcmp(o->name, name) && !strcmp(o->domain, domain)) return o;
    return NULL;
}

const glia_net_op *glia_net_op_at(int64_t i)
{
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const glia_net_op *o = tables[t]; o->name; o++)
            if (i-- == 0) return o;
    return NULL;
}
