/* Prints docs/ops.md from the descriptors, so that the list cannot go stale:
 *     cc -std=c17 -Iinclude -Isrc tools/make_ops_doc.c libglia.a -o build/make_ops_doc -pthread -lm
 *     build/make_ops_doc > docs/ops.md */
#include <stdio.h>
#include <string.h>

#include "ops/ops.h"

static const char head[] =
    "# Operations\n"
    "\n"
    "Every op of Glia: its signature (the notation is docs/types.md), its attributes with their defaults, "
    "and\n"
    "whether it has a gradient. This page is printed by tools/make_ops_doc.c from the descriptors in "
    "src/ops.\n"
    "\n"
    "Ops without a signature have a hand rule. Where an attribute is called `dims` it holds the sizes of the "
    "output;\n"
    "they may be symbolic. `axis` and `axes` count from the end where they are negative, unless the text "
    "says\n"
    "otherwise. Index tensors are trusted: put a `guard_range` before a consumer whose indices come from "
    "outside.\n"
    "\n"
    "| rule | what it means |\n"
    "|---|---|\n"
    "| `reshape` dims | the same elements under other sizes; one may be inferred |\n"
    "| `transpose` perm | output axis i is input axis perm[i] |\n"
    "| `concat` axis | inputs joined along one axis |\n"
    "| `concat_part` axis | the span of the last part in a concatenation of the parts given |\n"
    "| `slice` begin, dims, step | output[i] = input[begin + i step] on every axis; a size may be inferred: "
    "the rest |\n"
    "| `pad` before, dims, value | the input at offset `before` of an output of size dims |\n"
    "| `expand` dims | axes of size 1 repeated, new axes in front |\n"
    "| `where` | the second where the first is true, else the third; all three broadcast |\n"
    "| `cumsum` axis, reverse | sums of an element and all before (after) it (no negative axis) |\n"
    "| `flip` axis | one axis backwards |\n"
    "| `gather` axis | the axis replaced by the axes of the indices (no negative axis) |\n"
    "| `scatter_add` axis, dims | the transpose of gather: rows added up by index (no negative axis) |\n"
    "| reductions axes, keepdims | over the axes given, over all if none |\n"
    "\n"
    "## Order of the arithmetic\n"
    "\n"
    "Part of the numeric specification; the reference kernels in src/ops are its text. f64 inputs compute in "
    "f64, all\n"
    "other floats in f32 after exact widening, and results round once to the output's dtype.\n"
    "\n"
    "- *chain*: one fma chain per segment of 256, from zero, ascending; segments meet in the tree "
    "(neighbours pairwise,\n"
    "  level by level, an odd one passes up). `linear` with at least 16 rows of float weights, `matmul`, "
    "scores in\n"
    "  `attend`. Bias after the tree.\n"
    "- *lanes*: per segment of 4096, lane i of 16 sums elements i, i + 16, ... by fma from zero; lanes, then "
    "segments,\n"
    "  meet in the tree. `linear` with fewer than 16 rows of float weights, norms, softmax, losses, "
    "reductions (over\n"
    "  the reduced axes in row-major order). `prod`, `cumsum` and `scatter_add` are ascending chains.\n"
    "- `linear` over quantised activations: as the weight's format says (src/tensor/dtype.c).\n"
    "- `rms_norm`: r = 1 / sqrt(sum / n + eps); y = (x r) w. `layer_norm`: variance from (x - mean)^2 in a "
    "second\n"
    "  pass; c = (x - mean) r; y = fma(c, w, b), without a bias c w.\n"
    "- `softmax`: exp(x - max) / sum. `log_softmax`: (x - max) - log(sum). `log_sum_exp`: max + log(sum).\n"
    "  `cross_entropy`: log(sum) + (max - x[label]).\n"
    "- `rope_table`: angles in f64, rounded once. `rope`: a' = fma(a, cos, -(b sin)), b' = fma(b, cos, a "
    "sin).\n"
    "- `attend`: keys in chunks of 256 logical positions; within a chunk p = exp(s - m), l in lanes (lane = "
    "position\n"
    "  mod 16), o an fma chain over the keys from zero; chunks merge in ascending order from the first one's "
    "m, l, o:\n"
    "  M' = max(M, m), L = fma(L, exp(M - M'), l exp(m - M')), O likewise; the result is O / L. `window` w: "
    "a "
    "token at p\n"
    "  sees p - w + 1 to p. `softcap` c: s = tanh(s / c) c. A sink is a last chunk with m = sink, l = 1, o = "
    "0.\n"
    "- `min`, `max` and their reductions give NaN where an element is NaN. Integers wrap; an integer divided "
    "by 0 is\n"
    "  0. `cast` from float to integer cuts towards zero, saturates, and turns NaN into 0.\n"
    "- `quantise`: d = max / 127, q = nearest even of x (127 / max); a block with NaN or infinity has q = 0 "
    "and d = NaN.\n"
    "\n"
    "## All ops\n"
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
        for (const char *p = op->signature ? op->signature : ""; *p; p++)
            printf(*p == '|' ? "\\|" : "%c", *p);
        printf("%s | ", op->signature ? "`" : "");
        attributes(op);
        printf(" | %s |\n", op->grad ? "yes" : op->no_grad ? op->no_grad : "no");
    }
    return 0;
}
