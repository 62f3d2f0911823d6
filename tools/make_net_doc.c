/* Prints the operator list of docs/onnx.md from the tables of src/net, so that it cannot go stale:
 *     cc -std=c17 -Iinclude -Isrc tools/make_net_doc.c libglia.a -o build/make_net_doc -pthread -lm
 *     build/make_net_doc docs/onnx.md > new.md       the page with the list between its two marks renewed */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/emit.h"

#define TABLE(name) extern const glia_net_op glia_net_ops_##name[];
#include "net/op_tables.def"
#undef TABLE

static const struct {
    const char *name;
    const glia_net_op *ops;
} families[] = {
#define TABLE(name) {#name, glia_net_ops_##name},
#include "net/op_tables.def"
#undef TABLE
};
enum { FAMILIES = sizeof families / sizeof families[0], ROWS_MOST = 4096 };

static const char begin[] = "<!-- operators: printed by tools/make_net_doc.c -->\n", end[] = "<!-- end -->\n";

static int by_name(const void *a, const void *b)
{
    const glia_net_op *x = *(const glia_net_op *const *)a, *y = *(const glia_net_op *const *)b;
    const int domains = strcmp(x->domain, y->domain);
    return domains ? domains : strcmp(x->name, y->name);
}

static void put_list(void)
{
    static const glia_net_op *rows[ROWS_MOST];
    size_t count = 0;
    for (int f = 0; f < FAMILIES; f++)
        for (const glia_net_op *o = families[f].ops; o->name && count < ROWS_MOST; o++) rows[count++] = o;
    qsort(rows, count, sizeof *rows, by_name);
    for (size_t i = 0; i < count;) {
        const char *domain = rows[i]->domain;
        size_t last = i;
        while (last < count && !strcmp(rows[last]->domain, domain)) last++;
        printf("\n### %s: %zu operators\n\n", *domain ? domain : "ai.onnx", last - i);
        for (size_t at = i; at < last; at++)
            printf("%s%s%s", rows[at]->name, rows[at]->emit ? rows[at]->host ? "\\*" : "" : "\\*\\*",
                   at + 1 == last      ? "\n"
                   : (at - i) % 8 == 7 ? ",\n"
                                       : ", ");
        i = last;
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    char line[4096];
    int skipping = 0;
    FILE *f = argc == 2 ? fopen(argv[1], "r") : NULL;
    if (!f) return fprintf(stderr, "usage: make_net_doc docs/onnx.md\n"), 2;
    while (fgets(line, sizeof line, f)) {
        if (!strcmp(line, end)) skipping = 0;
        if (!skipping) fputs(line, stdout);
        if (strcmp(line, begin)) continue;
        put_list();
        skipping = 1;
    }
    return fclose(f);
}
