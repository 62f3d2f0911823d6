/* The algebra of dimensions: a hash table of polynomials in normal form over symbols and opaque terms.
 *
 * Working polynomials live on the stack with fixed limits (dims.h). Passing a limit or overflowing a
 * coefficient is an error of the graph (G0104), never a wrong size. Recursion goes through opaque terms only,
 * whose nesting is at most GLIA_DIM_DEPTH_MAX, and visits at most GLIA_DIM_WEIGHT_MAX atoms. */
#include "graph/dims.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

typedef struct dim_term {
    int64_t coef;
    int32_t degree;
    int32_t atom[GLIA_DIM_DEGREE_MAX]; /* ascending in the order of atoms, repeated for powers */
} dim_term;

typedef struct dim_poly {
    int count;
    bool bad; /* a limit was passed or a coefficient overflowed */
    dim_term t[GLIA_DIM_TERMS_MAX];
} dim_poly;

typedef struct dim_entry {
    const dim_term *t;
    int32_t count, weight, depth;
    uint32_t hash;
} dim_entry;

typedef enum { ATOM_SYMBOL, ATOM_FLOOR, ATOM_MIN, ATOM_MAX } atom_kind;

typedef struct dim_atom {
    atom_kind kind;
    int32_t symbol; /* SYMBOL */
    glia_dim a, b;  /* FLOOR: floor(a / b), b a constant; MIN, MAX */
    int32_t weight, depth;
    int64_t min, max; /* refreshed when a symbol's bounds change; atoms follow those they contain */
    int64_t multiple;
} dim_atom;

struct glia_dims {
    dim_entry *entries;
    int64_t entry_count, entry_capacity;
    dim_atom *atoms;
    int64_t atom_count, atom_capacity;
    int32_t *symbol_atom; /* [symbols], atom of each symbol */
    int64_t symbol_atom_count, symbol_atom_capacity;
    uint32_t *table; /* entry index + 1, open addressing */
    int64_t table_size;
};

bool glia_dims_init(glia_graph *g)
{
    g->dims = GLIA_NEW(&g->arena, glia_dims);
    return g->dims != 0;
}

bool glia_dim_valid(const glia_graph *g, glia_dim d) { return d >= 0 || -1 - d < g->dims->entry_count; }

static glia_dim too_much(glia_graph *g)
{
    if (g->arena.failed) glia_graph_fail(g, GLIA_E_NOMEM, "G0109", "no memory for the graph's dimensions");
    glia_graph_fail(
        g, GLIA_E_LIMIT, "G0104",
        "a dimension is too large or too complicated: sizes are below 2^63, at most %d terms of degree %d, "
        "nested at most %d deep",
        GLIA_DIM_TERMS_MAX, GLIA_DIM_DEGREE_MAX, GLIA_DIM_DEPTH_MAX);
    return 0;
}

/* ---- order ---------------------------------------------------------------------------------- */

static int dim_compare(const glia_dims *t, glia_dim a, glia_dim b);

/* Symbols first, in order of declaration; then opaque terms by kind and arguments. The order depends on
 * structure only, so that a parsed text gives the same normal forms whatever was interned before. */
static int atom_compare(const glia_dims *t, int32_t a, int32_t b)
{
    if (a == b) return 0;
    const dim_atom *x = &t->atoms[a], *y = &t->atoms[b];
    if (x->kind != y->kind) return x->kind < y->kind ? -1 : 1;
    if (x->kind == ATOM_SYMBOL) return x->symbol < y->symbol ? -1 : 1;
    int c = dim_compare(t, x->a, y->a);
    return c ? c : dim_compare(t, x->b, y->b);
}

/* Negative: x comes before y. Higher degrees first, the constant term last. */
static int term_compare(const glia_dims *t, const dim_term *x, const dim_term *y)
{
    if (x->degree != y->degree) return x->degree > y->degree ? -1 : 1;
    for (int i = 0; i < x->degree; i++) {
        int c = atom_compare(t, x->atom[i], y->atom[i]);
        if (c) return c;
    }
    return 0;
}

static int dim_compare(const glia_dims *t, glia_dim a, glia_dim b)
{
    if (a == b) return 0;
    if (a >= 0 && b >= 0) return a < b ? -1 : 1;
    if (a >= 0 || b >= 0) return a >= 0 ? -1 : 1;
    const dim_entry *x = &t->entries[-1 - a], *y = &t->entries[-1 - b];
    for (int i = 0; i < x->count && i < y->count; i++) {
        int c = term_compare(t, &x->t[i], &y->t[i]);
        if (c) return c;
        if (x->t[i].coef != y->t[i].coef) return x->t[i].coef < y->t[i].coef ? -1 : 1;
    }
    return x->count < y->count ? -1 : 1;
}

/* ---- arithmetic on working polynomials --------------------------------------------------------- */

static void poly_constant(dim_poly *p, int64_t c)
{
    p->bad = false;
    p->count = c != 0;
    p->t[0] = (dim_term){.coef = c};
}

static void poly_atom(dim_poly *p, int32_t atom)
{
    p->bad = false;
    p->count = 1;
    p->t[0] = (dim_term){.coef = 1, .degree = 1, .atom = {atom}};
}

static void poly_load(const glia_graph *g, dim_poly *p, glia_dim d)
{
    if (d >= 0) {
        poly_constant(p, d);
        return;
    }
    if (!glia_dim_valid(g, d)) {
        poly_constant(p, 0);
        p->bad = true;
        return;
    }
    const dim_entry *e = &g->dims->entries[-1 - d];
    p->bad = false;
    p->count = e->count;
    memcpy(p->t, e->t, (size_t)e->count * sizeof *e->t);
}

/* p += factor * q, merging the two sorted lists. */
static void poly_add(const glia_dims *d, dim_poly *p, const dim_poly *q, int64_t factor)
{
    dim_poly r = {.bad = p->bad || q->bad};
    int i = 0, j = 0;
    while (!r.bad && (i < p->count || j < q->count)) {
        int c = i == p->count ? 1 : j == q->count ? -1 : term_compare(d, &p->t[i], &q->t[j]);
        dim_term t = c <= 0 ? p->t[i] : q->t[j];
        if (c > 0) r.bad |= __builtin_mul_overflow(t.coef, factor, &t.coef);
        if (c == 0) {
            int64_t m;
            r.bad |= __builtin_mul_overflow(q->t[j].coef, factor, &m) ||
                     __builtin_add_overflow(t.coef, m, &t.coef);
        }
        i += c <= 0;
        j += c >= 0;
        if (t.coef == 0) continue;
        if (r.count == GLIA_DIM_TERMS_MAX) r.bad = true;
        else r.t[r.count++] = t;
    }
    *p = r;
}

static bool term_multiply(const glia_dims *d, const dim_term *x, const dim_term *y, dim_term *out)
{
    *out = (dim_term){.degree = x->degree + y->degree};
    if (out->degree > GLIA_DIM_DEGREE_MAX || __builtin_mul_overflow(x->coef, y->coef, &out->coef))
        return false;
    for (int i = 0, j = 0, n = 0; n < out->degree; n++) {
        bool left = j == y->degree || (i < x->degree && atom_compare(d, x->atom[i], y->atom[j]) <= 0);
        out->atom[n] = left ? x->atom[i++] : y->atom[j++];
    }
    return true;
}

static void poly_multiply(const glia_dims *d, dim_poly *p, const dim_poly *q)
{
    dim_poly r, one;
    poly_constant(&r, 0);
    r.bad = p->bad || q->bad;
    for (int i = 0; i < p->count && !r.bad; i++) {
        for (int j = 0; j < q->count && !r.bad; j++) {
            one.bad = !term_multiply(d, &p->t[i], &q->t[j], &one.t[0]);
            one.count = 1;
            poly_add(d, &r, &one, 1);
        }
    }
    *p = r;
}

static bool poly_is_constant(const dim_poly *p, int64_t *out)
{
    if (p->bad || p->count > 1 || (p->count && p->t[0].degree)) return false;
    *out = p->count ? p->t[0].coef : 0;
    return true;
}

/* ---- bounds -------------------------------------------------------------------------------------- */

static int64_t clamp_mul(int64_t a, int64_t b)
{
    int64_t r;
    if (!__builtin_mul_overflow(a, b, &r)) return r;
    return (a < 0) == (b < 0) ? INT64_MAX : INT64_MIN;
}

/* An end of an interval that is already at a limit stays there: it stands for infinity. */
static int64_t clamp_add(int64_t a, int64_t b, int64_t limit)
{
    int64_t r;
    if (a == limit || b == limit) return limit;
    if (!__builtin_add_overflow(a, b, &r)) return r;
    return a < 0 ? INT64_MIN : INT64_MAX;
}

static void interval_multiply(int64_t *lo, int64_t *hi, int64_t b_lo, int64_t b_hi)
{
    int64_t p[4] = {clamp_mul(*lo, b_lo), clamp_mul(*lo, b_hi), clamp_mul(*hi, b_lo), clamp_mul(*hi, b_hi)};
    *lo = *hi = p[0];
    for (int i = 1; i < 4; i++) {
        *lo = glia_min(*lo, p[i]);
        *hi = glia_max(*hi, p[i]);
    }
}

static void terms_bounds(const glia_dims *d, const dim_term *t, int count, int64_t *min, int64_t *max)
{
    *min = *max = 0;
    for (int i = 0; i < count; i++) {
        int64_t lo = t[i].coef, hi = t[i].coef;
        for (int k = 0; k < t[i].degree; k++)
            interval_multiply(&lo, &hi, d->atoms[t[i].atom[k]].min, d->atoms[t[i].atom[k]].max);
        *min = clamp_add(*min, lo, INT64_MIN);
        *max = clamp_add(*max, hi, INT64_MAX);
    }
}

static void raw_bounds(const glia_graph *g, glia_dim d, int64_t *min, int64_t *max)
{
    *min = *max = d;
    if (d >= 0) return;
    const dim_entry *e = &g->dims->entries[-1 - d];
    terms_bounds(g->dims, e->t, e->count, min, max);
}

static int64_t floor_quotient(int64_t a, int64_t b) { return a / b - (a % b < 0); }

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a < 0 ? -a : a;
}

/* The largest constant that is known to divide every term. */
static int64_t terms_multiple(const glia_dims *d, const dim_term *t, int count)
{
    int64_t all = 0;
    for (int i = 0; i < count; i++) {
        int64_t m = t[i].coef == INT64_MIN ? 1 : t[i].coef < 0 ? -t[i].coef : t[i].coef;
        for (int k = 0; k < t[i].degree; k++) {
            int64_t r;
            if (!__builtin_mul_overflow(m, d->atoms[t[i].atom[k]].multiple, &r)) m = r;
        }
        all = gcd(all, m);
    }
    return all;
}

static int64_t raw_multiple(const glia_graph *g, glia_dim d)
{
    if (d >= 0) return d;
    const dim_entry *e = &g->dims->entries[-1 - d];
    return terms_multiple(g->dims, e->t, e->count);
}

static void atom_refresh(const glia_graph *g, dim_atom *a)
{
    int64_t lo, hi, lo2, hi2;
    a->multiple = 1;
    if (a->kind == ATOM_SYMBOL) {
        a->min = g->symbols[a->symbol].min;
        a->max = g->symbols[a->symbol].max;
        a->multiple = g->symbols[a->symbol].multiple;
        return;
    }
    raw_bounds(g, a->a, &lo, &hi);
    if (a->kind == ATOM_FLOOR) {
        a->min = lo == INT64_MIN ? lo : floor_quotient(lo, a->b);
        a->max = hi == INT64_MAX ? hi : floor_quotient(hi, a->b);
        return;
    }
    raw_bounds(g, a->b, &lo2, &hi2);
    a->min = a->kind == ATOM_MIN ? glia_min(lo, lo2) : glia_max(lo, lo2);
    a->max = a->kind == ATOM_MIN ? glia_min(hi, hi2) : glia_max(hi, hi2);
    int64_t m = gcd(raw_multiple(g, a->a), raw_multiple(g, a->b));
    a->multiple = m > 0 ? m : 1;
}

void glia_dims_refresh(glia_graph *g)
{
    for (int64_t i = 0; i < g->dims->atom_count; i++) atom_refresh(g, &g->dims->atoms[i]);
}

void glia_dim_bounds(const glia_graph *g, glia_dim d, int64_t *min, int64_t *max)
{
    *min = *max = 0;
    if (!glia_dim_valid(g, d)) return;
    raw_bounds(g, d, min, max);
    *min = glia_max(*min, 0);
    *max = glia_max(*max, 0);
}

/* ---- interning ----------------------------------------------------------------------------------- */

static uint32_t terms_hash(const dim_term *t, int count)
{
    uint64_t h = 1469598103934665603u;
    for (int i = 0; i < count; i++) {
        h = (h ^ (uint64_t)t[i].coef) * 1099511628211u;
        h = (h ^ (uint64_t)t[i].degree) * 1099511628211u;
        for (int k = 0; k < t[i].degree; k++) h = (h ^ (uint64_t)t[i].atom[k]) * 1099511628211u;
        h ^= h >> 29;
    }
    return (uint32_t)(h ^ h >> 32);
}

static bool terms_equal(const dim_term *x, const dim_term *y, int count)
{
    for (int i = 0; i < count; i++) {
        if (x[i].coef != y[i].coef || x[i].degree != y[i].degree) return false;
        for (int k = 0; k < x[i].degree; k++) {
            if (x[i].atom[k] != y[i].atom[k]) return false;
        }
    }
    return true;
}

/* The slot of p in the table: its own, or the empty one where it belongs. */
static int64_t table_slot(const glia_dims *d, const dim_term *t, int count, uint32_t hash)
{
    int64_t at = hash & (d->table_size - 1);
    for (;; at = (at + 1) & (d->table_size - 1)) {
        if (!d->table[at]) return at;
        const dim_entry *e = &d->entries[d->table[at] - 1];
        if (e->hash == hash && e->count == count && terms_equal(e->t, t, count)) return at;
    }
}

static bool table_grow(glia_graph *g)
{
    glia_dims *d = g->dims;
    if (d->entry_count * 2 < d->table_size) return true;
    int64_t size = d->table_size ? d->table_size * 2 : 64;
    uint32_t *table = GLIA_NEW_ARRAY(&g->arena, uint32_t, size);
    if (!table || d->entry_count >= INT32_MAX / 2) return false;
    d->table = table;
    d->table_size = size;
    for (int64_t i = 0; i < d->entry_count; i++) {
        const dim_entry *e = &d->entries[i];
        table[table_slot(d, e->t, e->count, e->hash)] = (uint32_t)i + 1;
    }
    return true;
}

static bool poly_find(const glia_graph *g, const dim_poly *p, glia_dim *out)
{
    int64_t c;
    if (p->bad) return false;
    if (poly_is_constant(p, &c) && c >= 0) {
        *out = c;
        return true;
    }
    if (!g->dims->table_size) return false;
    int64_t at = table_slot(g->dims, p->t, p->count, terms_hash(p->t, p->count));
    if (!g->dims->table[at]) return false;
    *out = -(glia_dim)g->dims->table[at];
    return true;
}

static bool poly_store(glia_graph *g, const dim_poly *p, glia_dim *out)
{
    glia_dims *d = g->dims;
    if (p->bad) return false;
    if (poly_find(g, p, out)) return true;
    int32_t weight = 0, depth = 0;
    for (int i = 0; i < p->count; i++) {
        for (int k = 0; k < p->t[i].degree; k++) {
            const dim_atom *a = &d->atoms[p->t[i].atom[k]];
            weight += a->weight;
            if (a->depth > depth) depth = a->depth;
            if (weight > GLIA_DIM_WEIGHT_MAX) return false;
        }
    }
    if (!table_grow(g)) return false;
    dim_entry *entries =
        glia_arena_grow(&g->arena, d->entries, d->entry_count, &d->entry_capacity, sizeof *entries);
    dim_term *t = GLIA_NEW_ARRAY(&g->arena, dim_term, p->count);
    if (entries) d->entries = entries;
    if (!entries || !t) return false;
    memcpy(t, p->t, (size_t)p->count * sizeof *t);
    uint32_t hash = terms_hash(t, p->count);
    entries[d->entry_count] = (dim_entry){t, p->count, weight, depth, hash};
    d->table[table_slot(d, t, p->count, hash)] = (uint32_t)d->entry_count + 1;
    *out = -1 - d->entry_count++;
    return true;
}

static glia_dim poly_intern(glia_graph *g, const dim_poly *p)
{
    glia_dim d;
    return poly_store(g, p, &d) ? d : too_much(g);
}

/* The atom of floor, min or max; -1 on failure. */
static int32_t atom_intern(glia_graph *g, atom_kind kind, glia_dim a, glia_dim b)
{
    glia_dims *d = g->dims;
    for (int64_t i = 0; i < d->atom_count; i++) {
        if (d->atoms[i].kind == kind && d->atoms[i].a == a && d->atoms[i].b == b && kind != ATOM_SYMBOL)
            return (int32_t)i;
    }
    int32_t weight = 1, depth = 0;
    glia_dim part[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        if (part[i] >= 0) continue;
        const dim_entry *e = &d->entries[-1 - part[i]];
        weight += e->weight;
        if (e->depth > depth) depth = e->depth;
    }
    if (weight > GLIA_DIM_WEIGHT_MAX || depth >= GLIA_DIM_DEPTH_MAX || d->atom_count >= GLIA_DIM_ATOMS_MAX)
        return -1;
    dim_atom *atoms = glia_arena_grow(&g->arena, d->atoms, d->atom_count, &d->atom_capacity, sizeof *atoms);
    if (!atoms) return -1;
    d->atoms = atoms;
    atoms[d->atom_count] = (dim_atom){.kind = kind, .a = a, .b = b, .weight = weight, .depth = depth + 1};
    atom_refresh(g, &atoms[d->atom_count]);
    return (int32_t)d->atom_count++;
}

/* ---- symbols ------------------------------------------------------------------------------------- */

bool glia_symbol_name_valid(const char *name)
{
    int n = 0;
    for (; name && name[n] && n < 64; n++) {
        char c = name[n];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (n == 0 || !((c >= '0' && c <= '9') || c == '.'))) return false;
    }
    return n > 0 && n < 64 && strcmp(name, "min") && strcmp(name, "max") && strcmp(name, "floor");
}

glia_dim glia_dim_of_symbol(glia_graph *g, int64_t i)
{
    dim_poly p;
    poly_atom(&p, g->dims->symbol_atom[i]);
    return poly_intern(g, &p);
}

static glia_dim symbol_tighten(glia_graph *g, int64_t i, int64_t min, int64_t max)
{
    glia_symbol *s = &g->symbols[i];
    if (glia_max(min, s->min) > glia_min(max, s->max)) {
        glia_graph_fail(g, GLIA_E_SHAPE, "G0103", "symbol %s cannot be both in %lld..%lld and in %lld..%lld",
                        s->name, (long long)s->min, (long long)s->max, (long long)min, (long long)max);
        return 0;
    }
    bool changed = min > s->min || max < s->max;
    s->min = glia_max(min, s->min);
    s->max = glia_min(max, s->max);
    if (changed) glia_dims_refresh(g);
    return glia_dim_of_symbol(g, i);
}

glia_dim glia_graph_symbol(glia_graph *g, const char *name, int64_t min, int64_t max)
{
    if (!g || g->error.status != GLIA_OK) return 0;
    glia_dims *d = g->dims;
    if (!glia_symbol_name_valid(name) || min < 0 || min > max) {
        glia_graph_fail(
            g, GLIA_E_ARG, "G0103",
            "a symbol needs a name of letters, digits, `_` and `.`, at most 63, and bounds 0 <= min <= max; "
            "this one is \"%.80s\" with %lld..%lld",
            name ? name : "", (long long)min, (long long)max);
        return 0;
    }
    for (int64_t i = 0; i < g->symbol_count; i++) {
        if (!strcmp(g->symbols[i].name, name)) return symbol_tighten(g, i, min, max);
    }
    if (g->sealed) {
        glia_graph_fail(g, GLIA_E_STATE, "G0111", "the graph is sealed: symbol %s cannot be added", name);
        return 0;
    }
    if (g->symbol_count >= GLIA_DIM_SYMBOLS_MAX || d->atom_count >= GLIA_DIM_ATOMS_MAX) return too_much(g);
    glia_symbol *symbols =
        glia_arena_grow(&g->arena, g->symbols, g->symbol_count, &g->symbol_capacity, sizeof *symbols);
    if (symbols) g->symbols = symbols;
    int32_t *own = glia_arena_grow(&g->arena, d->symbol_atom, d->symbol_atom_count, &d->symbol_atom_capacity,
                                   sizeof *own);
    if (own) d->symbol_atom = own;
    dim_atom *atoms = glia_arena_grow(&g->arena, d->atoms, d->atom_count, &d->atom_capacity, sizeof *atoms);
    if (atoms) d->atoms = atoms;
    char *copy = glia_arena_strdup(&g->arena, name);
    if (!symbols || !own || !atoms || !copy) return too_much(g);
    symbols[g->symbol_count] = (glia_symbol){copy, min, max, 1};
    own[d->symbol_atom_count++] = (int32_t)d->atom_count;
    atoms[d->atom_count] =
        (dim_atom){.kind = ATOM_SYMBOL, .symbol = (int32_t)g->symbol_count, .weight = 1, .depth = 0};
    g->symbol_count++;
    atom_refresh(g, &atoms[d->atom_count++]);
    return glia_dim_of_symbol(g, g->symbol_count - 1);
}

/* ---- building ------------------------------------------------------------------------------------ */

/* A failed graph computes nothing more: its error stays the first. */
static bool operands(glia_graph *g, glia_dim a, glia_dim b, dim_poly *p, dim_poly *q)
{
    if (!g || g->error.status != GLIA_OK) return false;
    if (!glia_dim_valid(g, a) || !glia_dim_valid(g, b)) {
        glia_graph_fail(g, GLIA_E_ARG, "G0104", "a dimension is negative and no handle of this graph");
        return false;
    }
    poly_load(g, p, a);
    poly_load(g, q, b);
    return true;
}

glia_dim glia_dim_add(glia_graph *g, glia_dim a, glia_dim b)
{
    dim_poly p, q;
    if (!operands(g, a, b, &p, &q)) return 0;
    poly_add(g->dims, &p, &q, 1);
    return poly_intern(g, &p);
}

glia_dim glia_dim_mul(glia_graph *g, glia_dim a, glia_dim b)
{
    dim_poly p, q;
    if (!operands(g, a, b, &p, &q)) return 0;
    poly_multiply(g->dims, &p, &q);
    return poly_intern(g, &p);
}

glia_dim glia_dim_difference(glia_graph *g, glia_dim a, glia_dim b)
{
    dim_poly p, q;
    if (!operands(g, a, b, &p, &q)) return 0;
    poly_add(g->dims, &p, &q, -1);
    return poly_intern(g, &p);
}

/* False when the difference is negative for every value of the symbols. */
bool glia_dim_sub(glia_graph *g, glia_dim a, glia_dim b, glia_dim *out)
{
    dim_poly p, q;
    int64_t lo, hi;
    if (!operands(g, a, b, &p, &q)) return false;
    poly_add(g->dims, &p, &q, -1);
    if (p.bad) return false;
    terms_bounds(g->dims, p.t, p.count, &lo, &hi);
    return hi >= 0 && poly_store(g, &p, out);
}

/* Splits p into b * q + r, r having the terms whose coefficient is no multiple of b; r's constant term is
 * made to lie in [0, b). */
static void split_multiples(const dim_poly *whole, int64_t b, dim_poly *q, dim_poly *r)
{
    const dim_poly copy = *whole, *p = &copy;
    poly_constant(q, 0);
    poly_constant(r, 0);
    for (int i = 0; i < p->count; i++) {
        dim_term t = p->t[i];
        if (t.degree && t.coef % b) {
            r->t[r->count++] = t;
            continue;
        }
        int64_t c = floor_quotient(t.coef, b), left = t.coef - c * b;
        t.coef = c;
        if (c) q->t[q->count++] = t;
        t.coef = left;
        if (left) r->t[r->count++] = t;
    }
}

/* floor((g x + c) / (g b)) = floor((x + floor(c / g)) / b), and floor((floor(x / a) + c) / b) =
 * floor((x + a c) / (a b)): both make *r and *b canonical. */
static void reduce_quotient(const glia_graph *g, dim_poly *r, int64_t *b)
{
    int64_t common = *b;
    for (int i = 0; i < r->count; i++) {
        if (r->t[i].degree) common = gcd(common, r->t[i].coef);
    }
    if (common > 1) {
        *b /= common;
        int n = 0;
        for (int i = 0; i < r->count; i++) {
            r->t[i].coef = floor_quotient(r->t[i].coef, common);
            if (r->t[i].coef) r->t[n++] = r->t[i];
        }
        r->count = n;
    }
    if (!r->count || r->t[0].degree != 1 || r->t[0].coef != 1 || r->count > 2 ||
        (r->count == 2 && r->t[1].degree))
        return;
    const dim_atom *a = &g->dims->atoms[r->t[0].atom[0]];
    int64_t product, c = r->count == 2 ? r->t[1].coef : 0;
    if (a->kind != ATOM_FLOOR || __builtin_mul_overflow(a->b, *b, &product) ||
        __builtin_mul_overflow(a->b, c, &c))
        return;
    dim_poly inner, constant;
    poly_load(g, &inner, a->a);
    poly_constant(&constant, c);
    poly_add(g->dims, &inner, &constant, 1);
    if (inner.bad) return;
    *r = inner;
    *b = product;
}

static bool poly_floor_div(glia_graph *g, const dim_poly *p, int64_t b, dim_poly *out)
{
    dim_poly r, more;
    if (p->bad) return false;
    split_multiples(p, b, out, &r);
    reduce_quotient(g, &r, &b);
    /* The reduction may have brought up whole multiples again. */
    split_multiples(&r, b, &more, &r);
    poly_add(g->dims, out, &more, 1);
    int64_t lo, hi;
    terms_bounds(g->dims, r.t, r.count, &lo, &hi);
    if (lo != INT64_MIN) lo = floor_quotient(lo, b);
    if (hi != INT64_MAX) hi = floor_quotient(hi, b);
    dim_poly tail;
    if (lo == hi) {
        poly_constant(&tail, lo);
    } else {
        glia_dim inner;
        if (!poly_store(g, &r, &inner)) return false;
        int32_t atom = atom_intern(g, ATOM_FLOOR, inner, b);
        if (atom < 0) return false;
        poly_atom(&tail, atom);
    }
    poly_add(g->dims, out, &tail, 1);
    return !out->bad;
}

glia_dim glia_dim_floor_div(glia_graph *g, glia_dim a, int64_t b)
{
    dim_poly p, q, out;
    if (g && b <= 0) {
        glia_graph_fail(g, GLIA_E_ARG, "G0104", "a dimension is divided by %lld; divisors are at least 1",
                        (long long)b);
        return 0;
    }
    if (!operands(g, a, 0, &p, &q)) return 0;
    return poly_floor_div(g, &p, b, &out) ? poly_intern(g, &out) : too_much(g);
}

/* Collects the arguments of nested terms of one kind, so that min(min(a, b), c) has one form. */
static int extreme_arguments(const glia_graph *g, atom_kind kind, glia_dim d, glia_dim *list, int count,
                             int max)
{
    const glia_dims *t = g->dims;
    for (int guard = 0; guard <= GLIA_DIM_DEPTH_MAX && count < max; guard++) {
        const dim_entry *e = d < 0 ? &t->entries[-1 - d] : 0;
        const dim_atom *a =
            e && e->count == 1 && e->t[0].degree == 1 && e->t[0].coef == 1 ? &t->atoms[e->t[0].atom[0]] : 0;
        if (!a || a->kind != kind) break;
        /* Built as a left fold: the right argument is never of the same kind. */
        list[count++] = a->b;
        d = a->a;
    }
    if (count < max) list[count++] = d;
    return count;
}

/* True when a is the result whatever b's arguments are. */
static bool extreme_covers(const glia_graph *g, atom_kind kind, glia_dim a, glia_dim b)
{
    int64_t lo, hi;
    glia_dim_difference_bounds(g, a, b, &lo, &hi);
    return kind == ATOM_MIN ? hi <= 0 : lo >= 0;
}

static glia_dim extreme(glia_graph *g, atom_kind kind, glia_dim a, glia_dim b)
{
    enum { MANY = GLIA_DIM_DEPTH_MAX + 2 };
    glia_dim list[2 * MANY];
    dim_poly p, q;
    if (!operands(g, a, b, &p, &q)) return 0;
    int count = extreme_arguments(g, kind, a, list, 0, MANY);
    count = extreme_arguments(g, kind, b, list, count, 2 * MANY);
    /* Drops what another argument always beats, and sorts what is left. */
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < count; j++) {
            if (i == j || !extreme_covers(g, kind, list[j], list[i])) continue;
            if (extreme_covers(g, kind, list[i], list[j]) && i < j) continue;
            list[i--] = list[--count];
            break;
        }
    }
    for (int i = 1; i < count; i++) {
        for (int j = i; j > 0 && dim_compare(g->dims, list[j - 1], list[j]) > 0; j--) {
            glia_dim swap = list[j];
            list[j] = list[j - 1];
            list[j - 1] = swap;
        }
    }
    glia_dim all = list[0];
    for (int i = 1; i < count; i++) {
        int32_t atom = atom_intern(g, kind, all, list[i]);
        if (atom < 0) return too_much(g);
        poly_atom(&p, atom);
        all = poly_intern(g, &p);
        if (g->error.status != GLIA_OK) return 0;
    }
    return all;
}

glia_dim glia_dim_min(glia_graph *g, glia_dim a, glia_dim b) { return extreme(g, ATOM_MIN, a, b); }
glia_dim glia_dim_max(glia_graph *g, glia_dim a, glia_dim b) { return extreme(g, ATOM_MAX, a, b); }

/* ---- questions ----------------------------------------------------------------------------------- */

bool glia_dim_constant_difference(const glia_graph *g, glia_dim a, glia_dim b, int64_t *out)
{
    dim_poly p, q;
    poly_load(g, &p, a);
    poly_load(g, &q, b);
    poly_add(g->dims, &p, &q, -1);
    return poly_is_constant(&p, out);
}

void glia_dim_difference_bounds(const glia_graph *g, glia_dim a, glia_dim b, int64_t *min, int64_t *max)
{
    dim_poly p, q;
    poly_load(g, &p, a);
    poly_load(g, &q, b);
    poly_add(g->dims, &p, &q, -1);
    *min = INT64_MIN;
    *max = INT64_MAX;
    if (!p.bad) terms_bounds(g->dims, p.t, p.count, min, max);
}

static void poly_product(const glia_graph *g, const glia_dim *a, int n, dim_poly *p)
{
    dim_poly q;
    poly_constant(p, 1);
    for (int i = 0; i < n; i++) {
        poly_load(g, &q, a[i]);
        poly_multiply(g->dims, p, &q);
    }
}

bool glia_dim_products_equal(const glia_graph *g, const glia_dim *a, int an, const glia_dim *b, int bn)
{
    dim_poly p, q;
    poly_product(g, a, an, &p);
    poly_product(g, b, bn, &q);
    return !p.bad && !q.bad && p.count == q.count && terms_equal(p.t, q.t, p.count);
}

bool glia_dim_find_product(const glia_graph *g, const glia_dim *a, int n, glia_dim *out)
{
    dim_poly p;
    poly_product(g, a, n, &p);
    return poly_find(g, &p, out);
}

bool glia_dim_divisible(const glia_graph *g, glia_dim d, int64_t b)
{
    return b > 0 && glia_dim_valid(g, d) && raw_multiple(g, d) % b == 0;
}

/* x / y for single terms; false when y does not divide x. */
static bool term_divide(const dim_term *x, const dim_term *y, dim_term *out)
{
    if (x->coef % y->coef || y->degree > x->degree || (x->coef == INT64_MIN && y->coef == -1)) return false;
    *out = (dim_term){.coef = x->coef / y->coef};
    int j = 0;
    for (int i = 0; i < x->degree; i++) {
        if (j < y->degree && x->atom[i] == y->atom[j]) j++;
        else out->atom[out->degree++] = x->atom[i];
    }
    return j == y->degree;
}

/* Long division by leading terms; the order of terms is admissible, so it ends. */
static bool poly_exact_div(const glia_dims *d, dim_poly *p, const dim_poly *q, dim_poly *out)
{
    dim_poly one, product;
    poly_constant(out, 0);
    for (int steps = 0; p->count && steps < 4 * GLIA_DIM_TERMS_MAX; steps++) {
        one.count = 1;
        one.bad = false;
        if (!term_divide(&p->t[0], &q->t[0], &one.t[0])) return false;
        poly_add(d, out, &one, 1);
        product = *q;
        poly_multiply(d, &product, &one);
        poly_add(d, p, &product, -1);
        if (p->bad || out->bad) return false;
    }
    return p->count == 0;
}

bool glia_dim_exact_div(glia_graph *g, glia_dim a, glia_dim b, glia_dim *out)
{
    dim_poly p, q, r;
    if (b == 0 || !operands(g, a, b, &p, &q)) return false;
    dim_poly copy = p;
    if (poly_exact_div(g->dims, &p, &q, &r)) return poly_store(g, &r, out);
    /* A known multiple: the quotient is the floor-division, which loses nothing. */
    if (b > 0 && glia_dim_divisible(g, a, b) && poly_floor_div(g, &copy, b, &r))
        return poly_store(g, &r, out);
    return false;
}

/* ---- evaluation ---------------------------------------------------------------------------------- */

static bool eval_raw(const glia_graph *g, glia_dim d, const int64_t *symbols, int64_t *out);

static bool eval_atom(const glia_graph *g, const dim_atom *a, const int64_t *symbols, int64_t *out)
{
    int64_t x, y;
    if (a->kind == ATOM_SYMBOL) {
        *out = symbols[a->symbol];
        return true;
    }
    if (!eval_raw(g, a->a, symbols, &x)) return false;
    if (a->kind == ATOM_FLOOR) {
        *out = floor_quotient(x, a->b);
        return true;
    }
    if (!eval_raw(g, a->b, symbols, &y)) return false;
    *out = a->kind == ATOM_MIN ? glia_min(x, y) : glia_max(x, y);
    return true;
}

/* Recursion is at most GLIA_DIM_DEPTH_MAX deep. */
static bool eval_raw(const glia_graph *g, glia_dim d, const int64_t *symbols, int64_t *out)
{
    *out = d;
    if (d >= 0) return true;
    const dim_entry *e = &g->dims->entries[-1 - d];
    *out = 0;
    for (int i = 0; i < e->count; i++) {
        int64_t m = e->t[i].coef, x;
        for (int k = 0; k < e->t[i].degree; k++) {
            if (!eval_atom(g, &g->dims->atoms[e->t[i].atom[k]], symbols, &x) ||
                __builtin_mul_overflow(m, x, &m))
                return false;
        }
        if (__builtin_add_overflow(*out, m, out)) return false;
    }
    return true;
}

bool glia_dim_eval(const glia_graph *g, glia_dim d, const int64_t *symbols, int64_t *out)
{
    int64_t v;
    if (!glia_dim_valid(g, d) || !eval_raw(g, d, symbols, &v) || v < 0) return false;
    *out = v;
    return true;
}

/* ---- solving ------------------------------------------------------------------------------------- */

static bool atom_has_symbol(const glia_graph *g, int32_t atom, int32_t symbol);

static bool dim_has_symbol(const glia_graph *g, glia_dim d, int32_t symbol)
{
    if (d >= 0) return false;
    const dim_entry *e = &g->dims->entries[-1 - d];
    for (int i = 0; i < e->count; i++) {
        for (int k = 0; k < e->t[i].degree; k++) {
            if (atom_has_symbol(g, e->t[i].atom[k], symbol)) return true;
        }
    }
    return false;
}

static bool atom_has_symbol(const glia_graph *g, int32_t atom, int32_t symbol)
{
    const dim_atom *a = &g->dims->atoms[atom];
    if (a->kind == ATOM_SYMBOL) return a->symbol == symbol;
    return dim_has_symbol(g, a->a, symbol) || dim_has_symbol(g, a->b, symbol);
}

static bool substitute_poly(glia_graph *g, glia_dim d, int32_t symbol, const dim_poly *with, dim_poly *out);

static bool substitute_atom(glia_graph *g, int32_t atom, int32_t symbol, const dim_poly *with, dim_poly *out)
{
    dim_atom a = g->dims->atoms[atom];
    if (a.kind == ATOM_SYMBOL && a.symbol == symbol) {
        *out = *with;
        return true;
    }
    poly_atom(out, atom);
    if (!atom_has_symbol(g, atom, symbol)) return true;
    dim_poly x;
    if (!substitute_poly(g, a.a, symbol, with, &x)) return false;
    if (a.kind == ATOM_FLOOR) return poly_floor_div(g, &x, a.b, out);
    glia_dim left, right;
    if (!poly_store(g, &x, &left) || !substitute_poly(g, a.b, symbol, with, &x) || !poly_store(g, &x, &right))
        return false;
    poly_load(g, out, extreme(g, a.kind, left, right));
    return g->error.status == GLIA_OK;
}

/* Recursion is at most GLIA_DIM_DEPTH_MAX deep. */
static bool substitute_poly(glia_graph *g, glia_dim d, int32_t symbol, const dim_poly *with, dim_poly *out)
{
    dim_poly p, product, factor;
    poly_load(g, &p, d);
    poly_constant(out, 0);
    for (int i = 0; i < p.count; i++) {
        poly_constant(&product, p.t[i].coef);
        for (int k = 0; k < p.t[i].degree; k++) {
            if (!substitute_atom(g, p.t[i].atom[k], symbol, with, &factor)) return false;
            poly_multiply(g->dims, &product, &factor);
        }
        poly_add(g->dims, out, &product, 1);
    }
    return !out->bad;
}

bool glia_dim_substitute(glia_graph *g, glia_dim d, int32_t symbol, glia_dim with, glia_dim *out)
{
    dim_poly w, r;
    *out = d;
    if (d >= 0 || !dim_has_symbol(g, d, symbol)) return true;
    poly_load(g, &w, with);
    return substitute_poly(g, d, symbol, &w, &r) && poly_store(g, &r, out);
}

bool glia_dim_solve(glia_graph *g, glia_dim d, int nth, int32_t *symbol, glia_dim *value)
{
    dim_poly p;
    poly_load(g, &p, d);
    for (int i = 0; i < p.count; i++) {
        const dim_term *t = &p.t[i];
        if (t->degree != 1 || (t->coef != 1 && t->coef != -1)) continue;
        const dim_atom *a = &g->dims->atoms[t->atom[0]];
        if (a->kind != ATOM_SYMBOL) continue;
        dim_poly rest = p, zero;
        memmove(&rest.t[i], &rest.t[i + 1], (size_t)(p.count - i - 1) * sizeof *rest.t);
        rest.count--;
        poly_constant(&zero, 0);
        poly_add(g->dims, &zero, &rest, t->coef == 1 ? -1 : 1);
        glia_dim v;
        if (zero.bad || !poly_store(g, &zero, &v) || dim_has_symbol(g, v, a->symbol) || nth-- > 0) continue;
        *symbol = a->symbol;
        *value = v;
        return true;
    }
    return false;
}

/* ---- text ---------------------------------------------------------------------------------------- */

typedef struct text_out {
    char *buf;
    int size, at;
} text_out;

static void put(text_out *o, const char *s)
{
    for (; *s && o->at + 1 < o->size; s++) o->buf[o->at++] = *s;
    if (o->size > 0) o->buf[o->at] = 0;
}

static void put_number(text_out *o, int64_t v)
{
    char s[24];
    snprintf(s, sizeof s, "%lld", (long long)v);
    put(o, s);
}

static void put_dim(const glia_graph *g, text_out *o, glia_dim d);

static void put_atom(const glia_graph *g, text_out *o, int32_t atom)
{
    const dim_atom *a = &g->dims->atoms[atom];
    if (a->kind == ATOM_SYMBOL) {
        put(o, g->symbols[a->symbol].name);
        return;
    }
    bool sum = a->kind == ATOM_FLOOR && a->a < 0 && g->dims->entries[-1 - a->a].count > 1;
    put(o, a->kind == ATOM_FLOOR ? "floor(" : a->kind == ATOM_MIN ? "min(" : "max(");
    put(o, sum ? "(" : "");
    put_dim(g, o, a->a);
    put(o, sum ? ")" : "");
    put(o, a->kind == ATOM_FLOOR ? "/" : ", ");
    put_dim(g, o, a->b);
    put(o, ")");
}

/* Recursion is at most GLIA_DIM_DEPTH_MAX deep. */
static void put_dim(const glia_graph *g, text_out *o, glia_dim d)
{
    if (d >= 0) {
        put_number(o, d);
        return;
    }
    const dim_entry *e = &g->dims->entries[-1 - d];
    for (int i = 0; i < e->count; i++) {
        const dim_term *t = &e->t[i];
        bool unit = (t->coef == 1 || t->coef == -1) && t->degree;
        if (i && t->coef > 0) put(o, "+");
        if (t->coef == -1 && t->degree) put(o, "-");
        if (!unit) put_number(o, t->coef);
        for (int k = 0; k < t->degree; k++) {
            if (k || !unit) put(o, "*");
            put_atom(g, o, t->atom[k]);
        }
    }
}

const char *glia_dim_text(const glia_graph *g, glia_dim d, char *buf, int size)
{
    text_out o = {buf, size, 0};
    put(&o, "");
    if (!glia_dim_valid(g, d)) put(&o, "?");
    else put_dim(g, &o, d);
    return buf;
}

/* ---- copying the frame of another graph ---- */

static void *copy_array(glia_graph *to, const void *from, int64_t count, int64_t size)
{
    void *p = glia_arena_array(&to->arena, count + 1, size, 16);
    if (p && count) memcpy(p, from, (size_t)(count * size));
    return p;
}

bool glia_graph_clone_frame(const glia_graph *from, glia_graph *to)
{
    glia_dims *d = copy_array(to, from->dims, 1, sizeof *d);
    to->custom = from->custom; /* of the graph that the first one was made of, which outlives its copies */
    to->symbols = copy_array(to, from->symbols, from->symbol_count, sizeof *to->symbols);
    if (!d || !to->symbols) return false;
    to->symbol_count = to->symbol_capacity = from->symbol_count;
    for (int64_t i = 0; i < from->symbol_count; i++) {
        to->symbols[i].name = glia_arena_strdup(&to->arena, from->symbols[i].name);
        if (!to->symbols[i].name) return false;
    }
    const glia_dims *f = from->dims;
    d->entries = copy_array(to, f->entries, f->entry_count, sizeof *d->entries);
    d->atoms = copy_array(to, f->atoms, f->atom_count, sizeof *d->atoms);
    d->symbol_atom = copy_array(to, f->symbol_atom, f->symbol_atom_count, sizeof *d->symbol_atom);
    d->table = copy_array(to, f->table, f->table_size, sizeof *d->table);
    if (!d->entries || !d->atoms || !d->symbol_atom || !d->table) return false;
    d->entry_capacity = d->entry_count;
    d->atom_capacity = d->atom_count;
    d->symbol_atom_capacity = d->symbol_atom_count;
    for (int64_t i = 0; i < d->entry_count; i++) {
        d->entries[i].t = copy_array(to, f->entries[i].t, f->entries[i].count, sizeof *f->entries[i].t);
        if (!d->entries[i].t) return false;
    }
    to->dims = d;
    return true;
}
