/* Any bytes as the text form of a graph. What it accepts prints, comes back as an equal text, and seals or
 * says why; its regions are those of its own ranks. */
#include "fuzz.h"

#include "graph/graph.h"

static void check_regions(const glia_graph *g)
{
    for (int64_t i = 0; i < g->node_count; i++) {
        const glia_node *n = &g->nodes[i];
        glia_regions r;
        if (!glia_node_regions(g, n, &r)) continue;
        int rank = glia_graph_value(g, n->out[0])->type.rank;
        for (int a = 0; a < rank; a++) FUZZ_CHECK(r.granule[a] >= 1);
        for (int k = 0; k < n->in_count && k < 16; k++) {
            for (int a = 0; a < glia_graph_value(g, n->in[k])->type.rank; a++)
                FUZZ_CHECK(r.in[k].axis[a].axis < rank);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    glia_graph_options o = GLIA_GRAPH_OPTIONS_INIT;
    glia_graph *g = NULL, *back = NULL;
    glia_error e = GLIA_ERROR_INIT;
    char *first = NULL, *second = NULL;
    int64_t n, m;
    o.bytes_max = 64 << 20;
    if (glia_graph_parse((const char *)data, (int64_t)size, &o, &g, &e) != GLIA_OK) {
        FUZZ_CHECK(!g && e.code[0] == 'G' && e.text[0]);
        return 0;
    }
    FUZZ_CHECK(glia_graph_print(g, &first, &n, &e) == GLIA_OK);
    FUZZ_CHECK(glia_graph_parse(first, n, &o, &back, &e) == GLIA_OK);
    FUZZ_CHECK(glia_graph_print(back, &second, &m, &e) == GLIA_OK);
    FUZZ_CHECK(n == m && !memcmp(first, second, (size_t)n));
    check_regions(g);
    if (glia_graph_seal(g, &e) != GLIA_OK) FUZZ_CHECK(e.code[0] == 'G');
    glia_text_free(NULL, first, n);
    glia_text_free(NULL, second, m);
    glia_graph_destroy(g);
    glia_graph_destroy(back);
    return 0;
}

#ifdef GLIA_FUZZ_MAIN
static int64_t fuzz_example(int i, uint8_t *out)
{
    static const char *const examples[] = {
        "glia graph 1\nsymbol T 1..64\ninput x: f32[T, 64]\nweight w: q8_0[32, 64] from \"m.gguf at "
        "0x40\"\nnode h: f32[T, 32] = linear(x, w, _)\n"
        "node y: f32[T, 32] = silu(h)\nnode z: f32[T, 4, 8] = reshape(y) {dims=[T, 4, 8]}\noutput out = z\n",
        "glia graph 1\nsymbol T 1..inf multiple 8\nsymbol B 0..3\ninput x: f32[T+1, floor((T*B+1)/3)]\ninput "
        "\"y \\x0a\": f32[min(T, 4*B), max(B, T-1)]\n"
        "node s: f32[T+1, floor((T*B+1)/3)] = softmax(x)\nnode t: f32[floor((T*B+1)/3), T+1] = transpose(s) "
        "{perm=[1, 0]}\n",
        ("glia graph 1\nconstant c: f32[2] = 0x0000803f00000040\nnode v: f32[1], i: i64[1] = top_k(c) "
         "{k=1}\nnode d: f16[1] = cast(v) {to=f16}\noutput \"a b\" = d\n")};
    if (i >= (int)(sizeof examples / sizeof *examples)) return -1;
    int64_t n = (int64_t)strlen(examples[i]);
    memcpy(out, examples[i], (size_t)n);
    return n;
}
#endif
