/* A grammar at work. The state of a text is a set of items {instruction, node}: the instruction is a BYTE or
 * a TOKEN that may come next, the node says where the rule returns to. A node is a set of edges {instruction,
 * node}, so that stacks share what they have in common and an ambiguous grammar costs a square, not a power:
 * this is the generalised LL method (Scott and Johnstone 2010) without left recursion.
 *
 * Nodes and sets are kept once each: equal ones have equal numbers. So a set is a state of an automaton that
 * is built as it is needed, a row of transitions a set, and the tokens that may come are worked out once a
 * set.
 *
 * Everything lies in pools that are taken at creation. When one is full, what cannot be reached from the sets
 * at hand is dropped and the rest moved together; nodes only point at nodes before them, so one pass does it.
 * A step has a budget of work; passing it, or filling a pool with what is needed at once, is an error. */
#include "llm/grammar.h"

#include "base/check.h"
#include "base/error.h"

#include <string.h>

enum {
#ifdef GLIA_HOSTILE
    WORK_MAX = 1024,
    CALLED_MAX = 512,
    LINKS_MAX = 1024,
    ITEMS_MAX = 2 * WORK_MAX,
    NODES_MAX = 2 * CALLED_MAX,
    EDGES_MAX = 2 * LINKS_MAX,
    SETS_MAX = 64,
    MASKS_MAX = 2,
#else
    WORK_MAX = 1 << 14,   /* items of one closure */
    CALLED_MAX = 1 << 12, /* rules called in one closure */
    LINKS_MAX = 1 << 15,  /* their callers */
    ITEMS_MAX = 1 << 17,
    NODES_MAX = 1 << 15,
    EDGES_MAX = 1 << 17,
    SETS_MAX = 1 << 13,
    MASKS_MAX = 16,
#endif
    SEEN_SLOTS = 2 * WORK_MAX,
    NODE_SLOTS = 2 * NODES_MAX,
    SET_SLOTS = 2 * SETS_MAX,
    BUDGET = 1 << 26, /* items looked at in one step */
    DEAD = -1,
    UNKNOWN = -2,
    FAILED = -3
};

typedef struct pair { /* an item, or an edge: an instruction and a node */
    int32_t at, node;
} pair;

typedef struct run { /* a node's edges, or a set's items */
    int32_t begin, count;
} run;

typedef struct called {  /* a node that the closure at hand makes: the callers of a rule */
    int32_t rule, links; /* the first link, -1: none */
    int32_t node;        /* once it is kept; -1 before */
    bool empty;          /* the rule has returned without a byte */
    bool needed;
} called;

typedef struct link {
    pair edge;
    int32_t next;
} link;

typedef struct mask {
    int32_t set; /* -1: empty */
    uint64_t *bits;
} mask;

struct glia_matcher {
    glia_arena arena;
    const glia_os *os;
    const glia_grammar *g;
    int32_t now; /* the set of the text so far */
    bool finished;

    pair *items, *edges;
    run *nodes, *sets; /* node 0 is the bottom: the text ends there */
    uint8_t *accepts;  /* [sets] the text may end */
    int32_t *moves;    /* [sets, classes] */
    int32_t item_count, edge_count, node_count, set_count;
    int32_t *node_slots, *set_slots; /* hash tables of 1 + number */
    int32_t *path;                   /* [depth + 1] sets on the way through the vocabulary's tree */
    int64_t path_count;              /* of them that must stay */
    mask masks[MASKS_MAX];
    int32_t mask_next;

    /* the closure at hand; a node below 0 is ~called */
    pair *work, *kept;
    int32_t work_count, kept_count, called_count, link_count;
    uint64_t *seen;
    uint32_t *seen_stamp, stamp;
    called *called;
    int32_t *order;      /* [called] by rank */
    int32_t *called_for; /* [rules] 1 + called, valid where rule_stamp says so */
    uint32_t *rule_stamp;
    link *links;
    bool accept, overflow;
    int64_t budget;
};

static uint64_t mix(uint64_t h)
{
    h ^= h >> 32;
    h *= 0xD6E8FEB86659FD93u;
    h ^= h >> 32;
    return h * 0xD6E8FEB86659FD93u;
}

/* ---- keeping nodes and sets once */

static bool less(pair a, pair b) { return a.at < b.at || (a.at == b.at && a.node < b.node); }

/* Sorts and drops what is double; the count that is left. */
static int32_t sort_pairs(pair *p, int32_t count)
{
    static const int32_t gaps[] = {4193, 1073, 281, 77, 23, 8, 1}; /* Sedgewick's */
    for (int k = 0; k < GLIA_COUNT(gaps); k++)
        for (int32_t i = gaps[k]; i < count; i++) {
            const pair it = p[i];
            int32_t at = i;
            for (; at >= gaps[k] && less(it, p[at - gaps[k]]); at -= gaps[k]) p[at] = p[at - gaps[k]];
            p[at] = it;
        }
    int32_t m = 0;
    for (int32_t i = 0; i < count; i++)
        if (!m || less(p[m - 1], p[i])) p[m++] = p[i];
    return m;
}

static uint64_t hash_pairs(const pair *p, int32_t count, uint64_t h)
{
    for (int32_t i = 0; i < count; i++)
        h = mix(h ^ ((uint64_t)(uint32_t)p[i].at << 32 | (uint32_t)p[i].node));
    return h;
}

static uint64_t node_hash(const glia_matcher *m, int32_t n)
{
    return hash_pairs(m->edges + m->nodes[n].begin, m->nodes[n].count, 1);
}
static uint64_t set_hash(const glia_matcher *m, int32_t s)
{
    return hash_pairs(m->items + m->sets[s].begin, m->sets[s].count, 2u + m->accepts[s]);
}

static bool same(const pair *all, run r, const pair *p, int32_t count)
{
    return r.count == count && !memcmp(all + r.begin, p, (size_t)count * sizeof *p);
}

/* The node with the edges [edge_count, edge_count + count), which are kept if it is new. */
static int32_t keep_node(glia_matcher *m, int32_t count)
{
    pair *p = m->edges + m->edge_count;
    count = sort_pairs(p, count);
    uint64_t slot = hash_pairs(p, count, 1) % NODE_SLOTS;
    for (; m->node_slots[slot]; slot = (slot + 1) % NODE_SLOTS)
        if (same(m->edges, m->nodes[m->node_slots[slot] - 1], p, count)) return m->node_slots[slot] - 1;
    m->nodes[m->node_count] = (run){m->edge_count, count};
    m->edge_count += count;
    m->node_slots[slot] = ++m->node_count;
    return m->node_count - 1;
}

/* The set with the items [item_count, item_count + count) likewise. */
static int32_t keep_set(glia_matcher *m, int32_t count)
{
    pair *p = m->items + m->item_count;
    count = sort_pairs(p, count);
    if (!count && !m->accept) return DEAD;
    uint64_t slot = hash_pairs(p, count, 2u + m->accept) % SET_SLOTS;
    for (int32_t s; (s = m->set_slots[slot] - 1) >= 0; slot = (slot + 1) % SET_SLOTS)
        if (m->accepts[s] == m->accept && same(m->items, m->sets[s], p, count)) return s;
    const int32_t classes = m->g->class_count;
    int32_t *row = m->moves + (int64_t)m->set_count * classes;
    for (int32_t i = 0; i < classes; i++) row[i] = UNKNOWN;
    m->sets[m->set_count] = (run){m->item_count, count};
    m->accepts[m->set_count] = m->accept;
    m->item_count += count;
    m->set_slots[slot] = ++m->set_count;
    return m->set_count - 1;
}

/* ---- the closure: from items that have just passed a byte to those that wait for the next */

static void push(glia_matcher *m, int32_t at, int32_t node)
{
    const uint64_t key = (uint64_t)(uint32_t)at << 32 | (uint32_t)node;
    uint64_t slot = mix(key) % SEEN_SLOTS;
    for (; m->seen_stamp[slot] == m->stamp; slot = (slot + 1) % SEEN_SLOTS)
        if (m->seen[slot] == key) return;
    if (m->work_count == WORK_MAX) {
        m->overflow = true;
        return;
    }
    m->seen[slot] = key;
    m->seen_stamp[slot] = m->stamp;
    m->work[m->work_count++] = (pair){at, node};
}

static void call(glia_matcher *m, int32_t rule, pair edge)
{
    const bool fresh = m->rule_stamp[rule] != m->stamp;
    if ((fresh && m->called_count == CALLED_MAX) || m->link_count == LINKS_MAX) {
        m->overflow = true;
        return;
    }
    if (fresh) {
        m->rule_stamp[rule] = m->stamp;
        m->called_for[rule] = m->called_count;
        m->called[m->called_count++] = (called){rule, -1, -1, false, false};
    }
    const int32_t c = m->called_for[rule];
    m->links[m->link_count] = (link){edge, m->called[c].links};
    m->called[c].links = m->link_count++;
    if (fresh) push(m, m->g->rules[rule].begin, ~c);
    if (m->called[c].empty) push(m, edge.at, edge.node);
}

static void give_back(glia_matcher *m, int32_t node)
{
    if (node == 0) m->accept = true;
    else if (node > 0) {
        const run r = m->nodes[node];
        for (int32_t i = r.begin; i < r.begin + r.count; i++) push(m, m->edges[i].at, m->edges[i].node);
        m->budget -= r.count;
    } else {
        m->called[~node].empty = true;
        for (int32_t l = m->called[~node].links; l >= 0; l = m->links[l].next) {
            push(m, m->links[l].edge.at, m->links[l].edge.node);
            m->budget--;
        }
    }
}

static void expand(glia_matcher *m, pair it)
{
    const grammar_step *s = &m->g->steps[it.at];
    switch (s->kind) {
    case GRAMMAR_BYTE:
    case GRAMMAR_TOKEN: m->kept[m->kept_count++] = it; break;
    case GRAMMAR_SPLIT: push(m, it.at + s->b, it.node); /* fall through */
    case GRAMMAR_JUMP: push(m, it.at + s->a, it.node); break;
    case GRAMMAR_CALL:
        if (s->b) push(m, m->g->rules[s->a].begin, it.node); /* nothing follows: the caller's node will do */
        else call(m, s->a, (pair){it.at + 1, it.node});
        break;
    default: give_back(m, it.node); break;
    }
}

/* Callers come before the rules that they enter, so a node's edges point at nodes that are kept already. */
static void keep_called(glia_matcher *m)
{
    const int32_t count = m->called_count;
    for (int32_t i = 0; i < count; i++) {
        const int32_t rank = m->g->rules[m->called[i].rule].rank;
        int32_t at = i;
        for (; at > 0 && m->g->rules[m->called[m->order[at - 1]].rule].rank > rank; at--, m->budget--)
            m->order[at] = m->order[at - 1];
        m->order[at] = i;
    }
    for (int32_t i = 0; i < m->kept_count; i++)
        if (m->kept[i].node < 0) m->called[~m->kept[i].node].needed = true;
    for (int32_t i = count; i-- > 0;) {
        const called *c = &m->called[m->order[i]];
        for (int32_t l = c->needed ? c->links : -1; l >= 0; l = m->links[l].next)
            if (m->links[l].edge.node < 0) m->called[~m->links[l].edge.node].needed = true;
    }
    for (int32_t i = 0; i < count; i++) {
        called *c = &m->called[m->order[i]];
        int32_t edges = 0;
        if (!c->needed) continue;
        for (int32_t l = c->links; l >= 0; l = m->links[l].next) {
            pair edge = m->links[l].edge;
            if (edge.node < 0) edge.node = m->called[~edge.node].node;
            m->edges[m->edge_count + edges++] = edge;
        }
        c->node = keep_node(m, edges);
    }
}

static void closure_begin(glia_matcher *m)
{
    m->work_count = m->kept_count = m->called_count = m->link_count = 0;
    m->accept = m->overflow = false;
    if (++m->stamp == 0) { /* old stamps must not seem new */
        memset(m->seen_stamp, 0, SEEN_SLOTS * sizeof *m->seen_stamp);
        memset(m->rule_stamp, 0, (size_t)m->g->rule_count * sizeof *m->rule_stamp);
        m->stamp = 1;
    }
}

/* The set of what was pushed since closure_begin; DEAD, or FAILED beyond a limit. */
static int32_t closure_end(glia_matcher *m)
{
    for (int32_t i = 0; i < m->work_count && !m->overflow; i++) {
        expand(m, m->work[i]);
        if (--m->budget < 0) m->overflow = true;
    }
    if (m->overflow) return FAILED;
    keep_called(m);
    if (m->budget < 0) return FAILED;
    for (int32_t i = 0; i < m->kept_count; i++) {
        pair it = m->kept[i];
        if (it.node < 0) it.node = m->called[~it.node].node;
        m->items[m->item_count + i] = it;
    }
    m->budget -= 4 * m->kept_count; /* of sorting */
    return keep_set(m, m->kept_count);
}

/* ---- making room */

static void mark_sets(const glia_matcher *m, int32_t *set_to)
{
    for (int32_t s = 0; s < m->set_count; s++) set_to[s] = DEAD;
    set_to[m->now] = 0;
    for (int64_t i = 0; i < m->path_count; i++)
        if (m->path[i] >= 0) set_to[m->path[i]] = 0;
}

static void move_nodes(glia_matcher *m, const int32_t *set_to, int32_t *node_to)
{
    int32_t nodes = 1, edges = 0;
    for (int32_t n = 0; n < m->node_count; n++) node_to[n] = n ? DEAD : 0;
    for (int32_t s = 0; s < m->set_count; s++)
        for (int32_t i = 0; set_to[s] >= 0 && i < m->sets[s].count; i++)
            node_to[m->items[m->sets[s].begin + i].node] = 0;
    for (int32_t n = m->node_count - 1; n > 0; n--)
        for (int32_t i = 0; node_to[n] >= 0 && i < m->nodes[n].count; i++)
            node_to[m->edges[m->nodes[n].begin + i].node] = 0;
    memset(m->node_slots, 0, NODE_SLOTS * sizeof *m->node_slots);
    for (int32_t n = 1; n < m->node_count; n++) {
        if (node_to[n] < 0) continue;
        const run r = m->nodes[n];
        node_to[n] = nodes;
        m->nodes[nodes] = (run){edges, r.count};
        for (int32_t i = 0; i < r.count; i++) {
            const pair edge = m->edges[r.begin + i];
            m->edges[edges++] = (pair){edge.at, node_to[edge.node]};
        }
        uint64_t slot = node_hash(m, nodes) % NODE_SLOTS;
        while (m->node_slots[slot]) slot = (slot + 1) % NODE_SLOTS;
        m->node_slots[slot] = ++nodes;
    }
    m->node_count = nodes;
    m->edge_count = edges;
}

/* Numbers keep their order when nodes move, so edges and items stay sorted. */
static void move_sets(glia_matcher *m, int32_t *set_to, const int32_t *node_to)
{
    const int64_t classes = m->g->class_count;
    int32_t sets = 0, items = 0;
    memset(m->set_slots, 0, SET_SLOTS * sizeof *m->set_slots);
    for (int32_t s = 0; s < m->set_count; s++) {
        if (set_to[s] < 0) continue;
        const run r = m->sets[s];
        set_to[s] = sets;
        m->sets[sets] = (run){items, r.count};
        m->accepts[sets] = m->accepts[s];
        for (int32_t i = 0; i < r.count; i++) {
            const pair it = m->items[r.begin + i];
            m->items[items++] = (pair){it.at, node_to[it.node]};
        }
        memmove(m->moves + sets * classes, m->moves + s * classes, (size_t)classes * sizeof *m->moves);
        uint64_t slot = set_hash(m, sets) % SET_SLOTS;
        while (m->set_slots[slot]) slot = (slot + 1) % SET_SLOTS;
        m->set_slots[slot] = ++sets;
    }
    for (int64_t i = 0; i < sets * classes; i++)
        if (m->moves[i] >= 0) m->moves[i] = set_to[m->moves[i]] >= 0 ? set_to[m->moves[i]] : UNKNOWN;
    m->set_count = sets;
    m->item_count = items;
}

static bool has_room(const glia_matcher *m)
{
    return m->set_count < SETS_MAX && m->item_count <= ITEMS_MAX - WORK_MAX &&
           m->node_count <= NODES_MAX - CALLED_MAX && m->edge_count <= EDGES_MAX - LINKS_MAX;
}

/* Room for one closure. The closure's own tables, not in use now, hold where things go. */
static bool make_room(glia_matcher *m)
{
    _Static_assert(sizeof(uint64_t) * SEEN_SLOTS >= sizeof(int32_t) * SETS_MAX,
                   "room for the sets' new numbers");
    _Static_assert(sizeof(link) * LINKS_MAX >= sizeof(int32_t) * NODES_MAX,
                   "room for the nodes' new numbers");
    if (has_room(m)) return true;
    m->budget -=
        (int64_t)m->set_count * m->g->class_count / 8 + m->item_count + m->edge_count + m->node_count;
    if (m->budget < 0) return false;
    int32_t *set_to = (int32_t *)(void *)m->seen, *node_to = (int32_t *)(void *)m->links;
    mark_sets(m, set_to);
    move_nodes(m, set_to, node_to);
    move_sets(m, set_to, node_to);
    m->now = set_to[m->now];
    for (int64_t i = 0; i < m->path_count; i++)
        if (m->path[i] >= 0) m->path[i] = set_to[m->path[i]];
    for (int i = 0; i < MASKS_MAX; i++)
        if (m->masks[i].set >= 0) m->masks[i].set = set_to[m->masks[i].set];
    return has_room(m);
}

/* ---- moving */

/* The set behind one byte of the set path[path_count - 1]. */
static int32_t move(glia_matcher *m, uint8_t byte)
{
    const int64_t top = m->path_count - 1, class = m->g->class_of[byte];
    const int32_t known = m->moves[m->path[top] * (int64_t)m->g->class_count + class];
    if (known != UNKNOWN) return known;
    if (!make_room(m)) return FAILED;
    const run r = m->sets[m->path[top]];
    closure_begin(m);
    for (int32_t i = r.begin; i < r.begin + r.count; i++) {
        const grammar_step *s = &m->g->steps[m->items[i].at];
        if (s->kind == GRAMMAR_BYTE && byte >= s->low && byte <= s->high)
            push(m, m->items[i].at + 1, m->items[i].node);
    }
    const int32_t to = closure_end(m);
    if (to != FAILED) m->moves[m->path[top] * (int64_t)m->g->class_count + class] = to;
    return to;
}

static bool ends(const glia_vocab_tree *v, int32_t id)
{
    for (int64_t i = 0; i < v->end_count; i++)
        if (v->ends[i] == id) return true;
    return false;
}

/* `Any other token` is none that ends the text. */
static bool fits_token(const glia_matcher *m, pair item, int32_t id)
{
    const grammar_step *s = &m->g->steps[item.at];
    if (s->kind != GRAMMAR_TOKEN) return false;
    return s->low ? s->a != id && !ends(m->g->vocab, id) : s->a == id;
}

/* The set behind a whole token that items name: of those items and, `also` >= 0, of another set. */
static int32_t move_token(glia_matcher *m, int32_t id, int32_t also)
{
    const run r = m->sets[m->now];
    bool named = false;
    for (int32_t i = r.begin; i < r.begin + r.count; i++) named |= fits_token(m, m->items[i], id);
    if (!named) return also;
    m->path[0] = m->now, m->path[1] = also; /* DEAD is passed over */
    m->path_count = 2;
    if (!make_room(m)) return FAILED;
    const run now = m->sets[m->now], other = m->path[1] >= 0 ? m->sets[m->path[1]] : (run){0, 0};
    closure_begin(m);
    for (int32_t i = now.begin; i < now.begin + now.count; i++)
        if (fits_token(m, m->items[i], id)) push(m, m->items[i].at + 1, m->items[i].node);
    for (int32_t i = other.begin; i < other.begin + other.count; i++)
        push(m, m->items[i].at, m->items[i].node);
    if (m->path[1] >= 0) m->accept = m->accepts[m->path[1]];
    return closure_end(m);
}

static int32_t move_bytes(glia_matcher *m, const char *bytes, int64_t size)
{
    m->path[0] = m->now;
    m->path_count = 1;
    for (int64_t i = 0; i < size && m->path[0] >= 0; i++) m->path[0] = move(m, (uint8_t)bytes[i]);
    return m->path[0];
}

static glia_status too_much(glia_error *e)
{
    return glia_fail(e, GLIA_E_LIMIT, "G0657",
                     "the grammar needs more than %d steps, or more memory than was set aside, for one token",
                     (int)BUDGET);
}

glia_status glia_matcher_accept_bytes(glia_matcher *m, const char *bytes, int64_t size, glia_error *e)
{
    m->budget = BUDGET;
    const int32_t to = m->finished ? DEAD : move_bytes(m, bytes, size);
    if (to == FAILED) return too_much(e);
    if (to == DEAD) return glia_fail(e, GLIA_E_GUARD, "G0658", "the grammar does not allow this text here");
    m->now = to;
    return GLIA_OK;
}

glia_status glia_matcher_accept(glia_matcher *m, int32_t id, glia_error *e)
{
    const glia_vocab_tree *v = m->g->vocab;
    int32_t to = DEAD;
    m->budget = BUDGET;
    if (id >= 0 && id < v->count && !m->finished) {
        if (ends(v, id) && m->accepts[m->now]) {
            m->finished = true;
            return GLIA_OK;
        }
        const int64_t size = v->begin[id + 1] - v->begin[id];
        if (size) to = move_bytes(m, v->bytes + v->begin[id], size);
        if (to != FAILED) to = move_token(m, id, to);
    }
    if (to == FAILED) return too_much(e);
    if (to == DEAD)
        return glia_fail(e, GLIA_E_GUARD, "G0658", "the grammar does not allow token %d here", (int)id);
    m->now = to;
    return GLIA_OK;
}

/* ---- which tokens may come */

static void set_bit(uint64_t *bits, int64_t i) { bits[i >> 6] |= (uint64_t)1 << (i & 63); }

/* Goes through the vocabulary's tree; false beyond a limit. */
static bool fill_mask(glia_matcher *m, uint64_t *bits)
{
    const glia_vocab_tree *v = m->g->vocab;
    m->path[0] = m->now;
    for (int64_t i = 0; i < v->node_count;) {
        const vocab_node *n = &v->nodes[i];
        const int64_t depth = n->depth_byte >> 8;
        m->path_count = depth;
        const int32_t to = move(m, (uint8_t)(n->depth_byte & 255));
        if (to == FAILED) return false;
        if (to == DEAD) {
            i = n->next;
            continue;
        }
        m->path[depth] = to;
        for (int32_t k = 0; k < n->tokens; k++) set_bit(bits, v->sorted[n->token + k]);
        i++;
    }
    const run r = m->sets[m->now];
    for (int32_t i = r.begin; i < r.begin + r.count; i++) {
        const grammar_step *s = &m->g->steps[m->items[i].at];
        if (s->kind != GRAMMAR_TOKEN) continue;
        if (!s->low) set_bit(bits, s->a);
        for (int64_t id = 0; s->low && id < v->count; id++)
            if (id != s->a && !ends(v, (int32_t)id)) set_bit(bits, id);
    }
    for (int64_t i = 0; m->accepts[m->now] && i < v->end_count; i++) set_bit(bits, v->ends[i]);
    return true;
}

glia_status glia_matcher_mask(glia_matcher *m, const uint64_t **allowed, glia_error *e)
{
    const int64_t words = glia_ceil_div(m->g->vocab->count, 64);
    for (int i = 0; i < MASKS_MAX && !m->finished; i++)
        if (m->masks[i].set == m->now) {
            *allowed = m->masks[i].bits;
            return GLIA_OK;
        }
    mask *k = &m->masks[m->mask_next];
    m->mask_next = (m->mask_next + 1) % MASKS_MAX;
    m->budget = BUDGET;
    k->set = -1;
    memset(k->bits, 0, (size_t)words * sizeof *k->bits);
    *allowed = k->bits;
    if (m->finished) return GLIA_OK;
    if (!fill_mask(m, k->bits)) return too_much(e);
    k->set = m->now;
    return GLIA_OK;
}

bool glia_matcher_can_end(const glia_matcher *m) { return m->finished || m->accepts[m->now]; }
bool glia_matcher_done(const glia_matcher *m) { return m->finished || !m->sets[m->now].count; }

/* ---- the object */

static bool take(glia_matcher *m)
{
    glia_arena *a = &m->arena;
    const int64_t words = glia_ceil_div(m->g->vocab->count, 64);
    m->items = GLIA_NEW_ARRAY(a, pair, ITEMS_MAX);
    m->edges = GLIA_NEW_ARRAY(a, pair, EDGES_MAX);
    m->nodes = GLIA_NEW_ARRAY(a, run, NODES_MAX);
    m->sets = GLIA_NEW_ARRAY(a, run, SETS_MAX);
    m->accepts = GLIA_NEW_ARRAY(a, uint8_t, SETS_MAX);
    m->moves = GLIA_NEW_ARRAY(a, int32_t, (int64_t)SETS_MAX * m->g->class_count);
    m->node_slots = GLIA_NEW_ARRAY(a, int32_t, NODE_SLOTS);
    m->set_slots = GLIA_NEW_ARRAY(a, int32_t, SET_SLOTS);
    m->path = GLIA_NEW_ARRAY(a, int32_t, glia_max(m->g->vocab->depth_max + 1, 2));
    m->work = GLIA_NEW_ARRAY(a, pair, WORK_MAX);
    m->kept = GLIA_NEW_ARRAY(a, pair, WORK_MAX);
    m->seen = GLIA_NEW_ARRAY(a, uint64_t, SEEN_SLOTS);
    m->seen_stamp = GLIA_NEW_ARRAY(a, uint32_t, SEEN_SLOTS);
    m->called = GLIA_NEW_ARRAY(a, called, CALLED_MAX);
    m->order = GLIA_NEW_ARRAY(a, int32_t, CALLED_MAX);
    m->called_for = GLIA_NEW_ARRAY(a, int32_t, m->g->rule_count);
    m->rule_stamp = GLIA_NEW_ARRAY(a, uint32_t, m->g->rule_count);
    m->links = GLIA_NEW_ARRAY(a, link, LINKS_MAX);
    for (int i = 0; i < MASKS_MAX; i++) m->masks[i].bits = GLIA_NEW_ARRAY(a, uint64_t, words);
    return !a->failed;
}

/* The beginning of a text; DEAD or FAILED if there is none. */
static int32_t start(glia_matcher *m)
{
    memset(m->node_slots, 0, NODE_SLOTS * sizeof *m->node_slots);
    memset(m->set_slots, 0, SET_SLOTS * sizeof *m->set_slots);
    for (int i = 0; i < MASKS_MAX; i++) m->masks[i].set = -1;
    m->mask_next = 0;
    m->item_count = m->edge_count = m->set_count = 0;
    m->nodes[0] = (run){0, 0};
    m->node_count = 1;
    m->finished = false;
    m->budget = BUDGET;
    m->path_count = 0;
    closure_begin(m);
    push(m, m->g->rules[m->g->root].begin, 0);
    m->now = closure_end(m);
    return m->now;
}

glia_status glia_matcher_create(const glia_os *os, const glia_grammar *g, glia_matcher **out, glia_error *e)
{
    *out = NULL;
    if (!os) os = glia_os_default();
    glia_matcher *m = os->mem_alloc(os->ctx, sizeof *m, _Alignof(glia_matcher));
    if (!m) return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for matching a grammar");
    m->os = os;
    m->g = g;
    glia_arena_init(&m->arena, os, 0);
    glia_status st = GLIA_OK;
    if (!take(m)) st = glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for matching a grammar");
    else if (start(m) < 0) st = too_much(e);
    if (st) glia_matcher_destroy(m);
    else *out = m;
    return st;
}

void glia_matcher_destroy(glia_matcher *m)
{
    if (!m) return;
    const glia_os *os = m->os;
    glia_arena_free(&m->arena);
    os->mem_free(os->ctx, m, sizeof *m);
}

/* What start has found once it finds again. */
void glia_matcher_reset(glia_matcher *m) { start(m); }

void glia_matcher_copy(glia_matcher *to, const glia_matcher *from)
{
    memcpy(to->items, from->items, (size_t)from->item_count * sizeof *to->items);
    memcpy(to->edges, from->edges, (size_t)from->edge_count * sizeof *to->edges);
    memcpy(to->nodes, from->nodes, (size_t)from->node_count * sizeof *to->nodes);
    memcpy(to->sets, from->sets, (size_t)from->set_count * sizeof *to->sets);
    memcpy(to->accepts, from->accepts, (size_t)from->set_count);
    memcpy(to->moves, from->moves,
           (size_t)from->set_count * (size_t)from->g->class_count * sizeof *to->moves);
    memcpy(to->node_slots, from->node_slots, NODE_SLOTS * sizeof *to->node_slots);
    memcpy(to->set_slots, from->set_slots, SET_SLOTS * sizeof *to->set_slots);
    to->item_count = from->item_count;
    to->edge_count = from->edge_count;
    to->node_count = from->node_count;
    to->set_count = from->set_count;
    to->now = from->now;
    to->finished = from->finished;
    for (int i = 0; i < MASKS_MAX; i++) to->masks[i].set = -1;
}
