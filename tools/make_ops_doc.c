/* Prints docs/ops.md from the descriptors, so that the list cannot go stale:
 *     cc -std=c17 -Iinclude -Isrc tools/make_ops_doc.c libglia.a -o build/make_ops_doc -pthread -lm
 *     build/make_ops_doc > docs/ops.md */
#include <stdio.h>
#include <string.h>

#include "ops/ops.h"

static const char head[] =
    "# Operations\n"
    "\n"
    "Every op of Glia: its signature (the notation is docs/types.md), its attributes with their defaults, and\n"
    "whether it has a gradient. This page is printed by tools/make_ops_doc.c from the descriptors in src/ops.\n"
    "\n"
    "Ops without a signature have a hand rule. Where an attribute is called `dims` it holds the sizes of the output;\n"
    "they may be symbolic. `axis` and `axes` count from the end where they are negative, unless the text says\n"
    "otherwise. Index tensors are trusted: put a `guard_range` before a consumer whose indices come from outside.\n"
    "\n"
    "| rule | what it means |\n"
    "|---|---|\n"
    "| `reshape` dims | the same elements under other sizes; one may be inferred |\n"
    "| `transpose` perm | output axis i is input axis perm[i] |\n"
    "| `concat` axis | inputs joined along one axis |\n"
    "| `concat_part` axis | the span of the last part in a concatenation of the parts given |\n"
    "| `slice` begin, dims, step | output[i] = input[begin + i step] on every axis; a size may be inferred: the rest |\n"
    "| `pad` before, dims, value | the input at offset `before` of an output of size dims |\n"
    "| `expand` dims | axes of size 1 repeated, new axes in front |\n"
    "| `where` | the second where the first is true, else the third; all three broadcast |\n"
    "| `cumsum` axis, reverse | sums of an element and all before (after) it (no negative axis) |\n"
    "| `flip` axis | one axis backwards |\n"
    "| `gather` axis | the axis replaced by the axes of the indices (no negative axis) |\n"
    "| `scatter_add` axis, dims | the transpose of gather: rows added up by index (no negative axis) |\n"
    "| reductions axes, keepdims | over the axes given, over all if none |\n"
    "\n";

static void attributes(const glia_op *op)
{
    static const char *const kinds[] = {"", "int", "float", "ints", "dtype"};
    bool any = false;
    for (const glia_attr_spec *a = op->attrs; a && a->name; a++) {
        printf("%s%s: %s", any ? ", " : "", a->name, kinds[a->kind]);
        if (a->required) printf(" (required)");
        else if (a->kind == GLIA_ATTR_DTYPE) printf(" = %s", glia_dtype_name((glia_dtype)a->number));
        else if (a->kind != GLIA_ATTR_INTS) printf(" = %g", a->number);
        any = true;
    }
}

int main(void)
{
    fputs(head, stdout);
    printf("| op | signature | attributes | gradient |\n|---|---|---|---|\n");
    for (int i = 0; glia_ops[i]; i++) {
        const glia_op *op = glia_ops[i];
        printf("| `%s` | ", op->name);
        if (!op->signature) printf("by hand");
        else printf("`");
        for (const char *p = op->signature ? op->signature : ""; *p; p++) printf(*p == '|' ? "\\|" : "%c", *p);
        printf("%s | ", op->signature ? "`" : "");
        attributes(op);
        printf(" | %s |\n", op->grad ? "yes" : op->no_grad ? op->no_grad : "no");
    }
    return 0;
}
