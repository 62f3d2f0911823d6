/* The steps of normalizers. Malformed bytes pass through all of them as they are.
 *
 * Normal forms work on an array of code points: decompose, order each run of combining marks by class (by
 * counting, so that a mebibyte of marks is linear), compose. Text in ASCII is left alone.
 *
 * Traps: BERT removes control characters before it looks for white ones, so U+0085 vanishes and a tab becomes
 * a space. Lower case is by code point, without the rule for a final sigma. The charsmap takes the longest
 * match at each place, as SentencePiece does. */
#include "llm/tok_norm.h"
#include "base/check.h"
#include "base/utf8.h"
#include "llm/tok.h"
#include "llm/unicode.h"

#include <string.h>

#define MALFORMED 0x80000000u
enum { CHARSMAP_KEY_MAX = 64 };

void glia_tok_text_init(tok_text *t, const glia_os *os, int64_t limit)
{
    memset(t, 0, sizeof *t);
    t->os = os;
    t->limit = limit;
}

void glia_tok_text_free(tok_text *t)
{
    if (t->bytes) t->os->mem_free(t->os->ctx, t->bytes, (size_t)t->capacity);
    glia_tok_text_init(t, t->os, t->limit);
}

bool glia_tok_text_reserve(tok_text *t, int64_t n)
{
    int64_t need, capacity = t->capacity ? t->capacity : 256;
    if (!glia_add(t->size, n, &need) || need > t->limit) {
        t->over = true;
        return false;
    }
    if (need > t->capacity) {
        while (capacity < need) capacity *= 2;
        char *bytes = t->os->mem_alloc(t->os->ctx, (size_t)capacity, 64);
        if (!bytes) return false;
        if (t->size) memcpy(bytes, t->bytes, (size_t)t->size);
        if (t->bytes) t->os->mem_free(t->os->ctx, t->bytes, (size_t)t->capacity);
        t->bytes = bytes;
        t->capacity = capacity;
    }
    return true;
}

static bool push_cp(tok_text *t, uint32_t cp)
{
    char c[4];
    if (cp & MALFORMED) {
        c[0] = (char)(cp & 255);
        return glia_tok_text_push(t, c, 1);
    }
    return glia_tok_text_push(t, c, glia_utf8_encode(cp, c));
}

static inline uint32_t next_cp(const char *s, int64_t left, int *len)
{
    bool ok;
    if ((uint8_t)*s < 0x80) {
        *len = 1;
        return (uint8_t)*s;
    }
    const uint32_t cp = glia_utf8_decode(s, left, len, &ok);
    return ok ? cp : MALFORMED | (uint8_t)*s;
}

/* Where bytes from low to high, which a step leaves alone, end. */
static inline int64_t run_of(const char *in, int64_t i, int64_t size, uint8_t low, uint8_t high)
{
    while (i < size && (uint8_t)((uint8_t)in[i] - low) <= high - low) i++;
    return i;
}

/* Copies such a run. */
static inline bool copy_run(const char *in, int64_t *i, int64_t size, uint8_t low, uint8_t high,
                            tok_text *out)
{
    const int64_t begin = *i;
    *i = run_of(in, begin, size, low, high);
    return glia_tok_text_push(out, in + begin, *i - begin);
}

/* ---- normal forms */

/* Writes the decomposition of the whole text as code points, native order; 4 bytes each. */
static bool decompose(const char *in, int64_t size, bool compatible, tok_text *cps)
{
    int len;
    for (int64_t i = 0; i < size; i += len) {
        uint32_t parts[TOK_UNI_MAP_MAX];
        int n = 1;
        const uint32_t cp = next_cp(in + i, size - i, &len);
        if (cp & MALFORMED) parts[0] = cp;
        else n = glia_unicode_decompose(cp, compatible, parts);
        if (!glia_tok_text_push(cps, (const char *)parts, n * 4)) return false;
    }
    return true;
}

static int combining(uint32_t cp) { return cp & MALFORMED || cp < 0x300 ? 0 : glia_unicode_combining(cp); }

/* Sorts a run of marks by combining class, equal ones in the order they had. */
static void order_run(uint32_t *cps, uint32_t *spare, int64_t n)
{
    int64_t at[257] = {0};
    bool sorted = true;
    for (int64_t i = 1; i < n; i++) sorted &= combining(cps[i - 1]) <= combining(cps[i]);
    if (sorted) return;
    for (int64_t i = 0; i < n; i++) at[combining(cps[i]) + 1]++;
    for (int c = 0; c < 256; c++) at[c + 1] += at[c];
    for (int64_t i = 0; i < n; i++) spare[at[combining(cps[i])]++] = cps[i];
    memcpy(cps, spare, (size_t)n * sizeof *cps);
}

static void order_marks(uint32_t *cps, uint32_t *spare, int64_t count)
{
    for (int64_t i = 0; i < count;) {
        int64_t end = i;
        while (end < count && combining(cps[end])) end++;
        if (end > i + 1) order_run(cps + i, spare, end - i);
        i = end > i ? end : i + 1;
    }
}

/* Composes in place; returns the new count. */
static int64_t compose(uint32_t *cps, int64_t count)
{
    int64_t starter = -1, n = 0;
    int last = 0; /* class of what was kept last behind the starter */
    for (int64_t i = 0; i < count; i++) {
        const int class = combining(cps[i]);
        const bool blocked = n > starter + 1 && (last >= class || !last);
        const uint32_t joined = starter >= 0 && !blocked && !((cps[i] | cps[starter]) & MALFORMED)
                                    ? glia_unicode_compose(cps[starter], cps[i])
                                    : 0;
        if (joined) {
            cps[starter] = joined;
            continue;
        }
        if (!class) starter = n;
        last = class;
        cps[n++] = cps[i];
    }
    return n;
}

/* A character before which a text can be cut: a starter that the form leaves alone and that never joins what
 * comes before it. Some of them; the common ones. */
static bool inert(uint32_t cp, uint32_t flags)
{
    static const uint32_t stable[][2] = {{0x400, 0x482},   {0x48A, 0x52F},   {0x2010, 0x2027},
                                         {0x3041, 0x3096}, {0x30A1, 0x30FA}, {0x4E00, 0x9FFF},
                                         {0xAC00, 0xD7A3}};
    if (cp < 0xA0) return true;
    if (flags != TOK_FORM_COMPOSE) return false;
    if (cp < 0x300) return true;
    for (int i = 0; i < GLIA_COUNT(stable); i++)
        if (cp >= stable[i][0] && cp <= stable[i][1]) return true;
    return false;
}

/* Work of a form: code points, and as many to sort with. */
typedef struct form_work {
    tok_text cps, spare;
} form_work;

static bool form_segment(form_work *w, const char *in, int64_t size, uint32_t flags, tok_text *out)
{
    w->cps.size = w->spare.size = 0;
    if (!decompose(in, size, flags & TOK_FORM_COMPATIBLE, &w->cps) ||
        !glia_tok_text_push(&w->spare, w->cps.bytes, w->cps.size)) {
        out->over |= w->cps.over | w->spare.over;
        return false;
    }
    int64_t count = w->cps.size / 4;
    uint32_t *at = (uint32_t *)(void *)w->cps.bytes;
    order_marks(at, (uint32_t *)(void *)w->spare.bytes, count);
    if (flags & TOK_FORM_COMPOSE) count = compose(at, count);
    for (int64_t i = 0; i < count; i++)
        if (!push_cp(out, at[i])) return false;
    return true;
}

bool glia_tok_norm_form(const tok_norm_step *s, const char *in, int64_t size, bool first, tok_text *out)
{
    form_work w;
    int64_t kept = 0, last = 0, i = 0; /* where what is not copied begins; where the last character began */
    int len;
    bool ok = true;
    (void)first;
    glia_tok_text_init(&w.cps, out->os, TOK_TEXT_MAX * 16);
    glia_tok_text_init(&w.spare, out->os, TOK_TEXT_MAX * 16);
    while (i < size && ok) {
        const int64_t plain = run_of(in, i, size, 0, 0x7F);
        if (plain > i) last = plain - 1;
        if ((i = plain) == size) break;
        uint32_t cp = next_cp(in + i, size - i, &len);
        if (inert(cp, s->flags)) {
            last = i;
            i += len;
            continue;
        }
        while (i < size && !inert(next_cp(in + i, size - i, &len), s->flags)) i += len;
        last = glia_max(last, kept);
        ok = glia_tok_text_push(out, in + kept, last - kept) &&
             form_segment(&w, in + last, i - last, s->flags, out);
        kept = last = i;
    }
    ok = ok && glia_tok_text_push(out, in + kept, size - kept);
    glia_tok_text_free(&w.cps);
    glia_tok_text_free(&w.spare);
    return ok;
}

/* ---- code point by code point */

/* Copies a run of ASCII in lower case. */
static bool copy_lower(const char *in, int64_t *i, int64_t size, tok_text *out)
{
    const int64_t begin = *i, end = run_of(in, begin, size, 0, 0x7F);
    if (!glia_tok_text_reserve(out, end - begin)) return false;
    for (int64_t k = begin; k < end; k++) {
        const uint8_t c = (uint8_t)in[k];
        out->bytes[out->size++] = (char)(c + ((uint8_t)(c - 'A') < 26 ? 32 : 0));
    }
    *i = end;
    return true;
}

bool glia_tok_norm_lower(const tok_norm_step *s, const char *in, int64_t size, bool first, tok_text *out)
{
    int len;
    (void)s;
    (void)first;
    for (int64_t i = 0; i < size; i += len) {
        uint32_t parts[TOK_UNI_MAP_MAX];
        int n = 1;
        if (!copy_lower(in, &i, size, out)) return false;
        if (i == size) break;
        const uint32_t cp = next_cp(in + i, size - i, &len);
        if (cp & MALFORMED) parts[0] = cp;
        else n = glia_unicode_lower(cp, parts);
        for (int k = 0; k < n; k++)
            if (!push_cp(out, parts[k])) return false;
    }
    return true;
}

bool glia_tok_norm_drop(const tok_norm_step *s, const char *in, int64_t size, bool first, tok_text *out)
{
    const bool ascii_stays = !(s->flags & ~(TOK_UNI_BIT(MN) | TOK_UNI_BIT(MC) | TOK_UNI_BIT(ME)));
    int len;
    (void)first;
    for (int64_t i = 0; i < size; i += len) {
        if (ascii_stays && !copy_run(in, &i, size, 0, 0x7F, out)) return false;
        if (i == size) break;
        const uint32_t cp = next_cp(in + i, size - i, &len);
        if (!(cp & MALFORMED) && tok_unicode_in(cp, s->flags)) continue;
        if (!glia_tok_text_push(out, in + i, len)) return false;
    }
    return true;
}

bool glia_tok_norm_clean(const tok_norm_step *s, const char *in, int64_t size, bool first, tok_text *out)
{
    const uint32_t other =
        TOK_UNI_BIT(CC) | TOK_UNI_BIT(CF) | TOK_UNI_BIT(CO) | TOK_UNI_BIT(CS) | TOK_UNI_BIT(CW);
    int len;
    (void)s;
    (void)first;
    for (int64_t i = 0; i < size; i += len) {
        if (!copy_run(in, &i, size, ' ', '~', out)) return false;
        if (i == size) break;
        const uint32_t cp = next_cp(in + i, size - i, &len);
        if (cp & MALFORMED || cp == 0xFFFD) continue;
        const bool blank = cp == '\t' || cp == '\n' || cp == '\r';
        if (!blank && tok_unicode_in(cp, other)) continue;
        const bool white = blank || tok_unicode_in(cp, TOK_UNI_SPACES);
        if (!glia_tok_text_push(out, white ? " " : in + i, white ? 1 : len)) return false;
    }
    return true;
}

static bool is_chinese(uint32_t cp)
{
    static const uint32_t ranges[][2] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF},
                                         {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF},
                                         {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
    for (int i = 0; i < GLIA_COUNT(ranges); i++)
        if (cp >= ranges[i][0] && cp <= ranges[i][1]) return true;
    return false;
}

bool glia_tok_norm_cjk(const tok_norm_step *s, const char *in, int64_t size, bool first, tok_text *out)
{
    int len;
    (void)s;
    (void)first;
    for (int64_t i = 0; i < size; i += len) {
        if (!copy_run(in, &i, size, 0, 0xE2, out)) return false; /* they all begin with E3 or above */
        if (i == size) break;
        const uint32_t cp = next_cp(in + i, size - i, &len);
        const bool apart = cp >= 0x3400 && is_chinese(cp);
        if (apart && !glia_tok_text_push(out, " ", 1)) return false;
        if (!glia_tok_text_push(out, in + i, len) || (apart && !glia_tok_text_push(out, " ", 1)))
            return false;
    }
    return true;
}

bool glia_tok_norm_nmt(const tok_norm_step *s, const char *in, int64_t size, bool first, tok_text *out)
{
    int len;
    (void)s;
    (void)first;
    for (int64_t i = 0; i < size; i += len) {
        const uint32_t cp = next_cp(in + i, size - i, &len);
        if ((cp >= 1 && cp <= 8) || cp == 0xB || (cp >= 0xE && cp <= 0x1F) || cp == 0x7F || cp == 0x8F ||
            cp == 0x9F)
            continue;
        const bool white = cp == 9 || cp == 0xA || cp == 0xC || cp == 0xD || cp == 0x1680 ||
                           (cp >= 0x200B && cp <= 0x200F) || cp == 0x2028 || cp == 0x2029 || cp == 0x2581 ||
                           cp == 0xFEFF || cp == 0xFFFD;
        if (!glia_tok_text_push(out, white ? " " : in + i, white ? 1 : len)) return false;
    }
    return true;
}

/* ---- places */

bool glia_tok_norm_strip(const tok_norm_step *s, const char *in, int64_t size, bool first, tok_text *out)
{
    int64_t begin = -1, end = 0;
    int len;
    (void)first;
    for (int64_t i = 0; i < size; i += len) {
        const uint32_t cp = next_cp(in + i, size - i, &len);
        if (!(cp & MALFORMED) && tok_unicode_in(cp, TOK_UNI_SPACES)) continue;
        if (begin < 0) begin = i;
        end = i + len;
    }
    if (begin < 0) begin = end = s->flags & TOK_STRIP_LEFT ? size : 0;
    if (!(s->flags & TOK_STRIP_LEFT)) begin = 0;
    if (!(s->flags & TOK_STRIP_RIGHT)) end = size;
    return glia_tok_text_push(out, in + begin, glia_max(end - begin, 0));
}

bool glia_tok_norm_replace(const tok_norm_step *s, const char *in, int64_t size, bool first, tok_text *out)
{
    int64_t kept = 0;
    (void)first;
    for (int64_t i = 0; i + s->text_size <= size;) {
        if (in[i] != s->text[0] || (s->text_size > 1 && memcmp(in + i, s->text, (size_t)s->text_size))) {
            i++;
            continue;
        }
        if (!glia_tok_text_push(out, in + kept, i - kept) || !glia_tok_text_push(out, s->with, s->with_size))
            return false;
        i += s->text_size;
        kept = i;
    }
    return glia_tok_text_push(out, in + kept, size - kept);
}

bool glia_tok_norm_regex(const tok_norm_step *s, const char *in, int64_t size, bool first, tok_text *out)
{
    int64_t kept = 0, steps = 0;
    tok_trail trail = {0};
    bool far = false, ok = true;
    (void)first;
    const size_t bytes = (size_t)((size >> TOK_TRAIL_SHIFT) + 1) * sizeof *trail.state;
    for (int64_t i = 0; (i = tok_regex_skip(s->regex, in, i, size)) < size && ok;) {
        const int64_t stop = glia_tok_regex_match(s->regex, in, i, size, &trail, &steps, &far);
        if (steps > 4096 + 256 * size) {
            out->over = true;
            ok = false;
        }
        if (far && !trail.state) {
            trail.state = out->os->mem_alloc(out->os->ctx, bytes, 8);
            ok &= trail.state != NULL;
        }
        if (stop <= i) {
            i += glia_tok_regex_char(s->regex, in + i, size - i);
            continue;
        }
        ok = ok && glia_tok_text_push(out, in + kept, i - kept) &&
             glia_tok_text_push(out, s->with, s->with_size);
        kept = i = stop;
    }
    if (trail.state) out->os->mem_free(out->os->ctx, trail.state, bytes);
    return ok && glia_tok_text_push(out, in + kept, size - kept);
}

bool glia_tok_norm_prepend(const tok_norm_step *s, const char *in, int64_t size, bool first, tok_text *out)
{
    const bool there =
        s->flags & TOK_PREPEND_UNLESS && size >= s->text_size && !memcmp(in, s->text, (size_t)s->text_size);
    if (size && !there && (first || !(s->flags & TOK_PREPEND_FIRST)) &&
        !glia_tok_text_push(out, s->text, s->text_size))
        return false;
    return glia_tok_text_push(out, in, size);
}

bool glia_tok_norm_collapse(const tok_norm_step *s, const char *in, int64_t size, bool first, tok_text *out)
{
    bool space = false, any = false;
    int len;
    (void)first;
    for (int64_t i = 0; i < size; i += len) {
        const uint32_t cp = next_cp(in + i, size - i, &len);
        if (cp == ' ' ||
            (s->flags & TOK_COLLAPSE_WHITE && !(cp & MALFORMED) && tok_unicode_in(cp, TOK_UNI_SPACES))) {
            space = true;
            continue;
        }
        const bool marked = s->flags & TOK_COLLAPSE_MARK && cp == 0x2581;
        if (space && any && !marked && !glia_tok_text_push(out, " ", 1)) return false;
        if (!glia_tok_text_push(out, in + i, len)) return false;
        i += len;
        if (!copy_run(in, &i, size, '!', '~', out)) return false;
        len = 0;
        space = false;
        any = true;
    }
    return true;
}

bool glia_tok_norm_trim(const tok_norm_step *s, const char *in, int64_t size, bool first, tok_text *out)
{
    (void)first;
    while (size >= s->text_size && !memcmp(in + size - s->text_size, s->text, (size_t)s->text_size))
        size -= s->text_size;
    return glia_tok_text_push(out, in, size);
}

/* ---- SentencePiece's map */

/* A unit: bit 31 and bits 0-7 its label, bit 8 whether a value follows, bits 10.. the offset, bit 9 scales
 * it. */
static uint32_t unit_offset(uint32_t unit) { return (unit >> 10) << ((unit & 0x200) >> 6); }

/* Goes on from *at by one byte; *unit is what it comes through. */
static inline bool charsmap_step(const tok_charsmap *m, uint32_t *at, uint8_t byte, uint32_t *unit)
{
    *at ^= byte;
    if (*at >= m->unit_count) return false;
    *unit = m->units[*at];
    if ((*unit & 0x800000FFu) != byte) return false;
    *at ^= unit_offset(*unit);
    return *at < m->unit_count;
}

/* Marks the ASCII characters that stay as they are before another one. */
static void charsmap_index(tok_charsmap *m)
{
    for (int first = 0; first < 128; first++) {
        uint32_t unit, at = unit_offset(m->units[0]);
        m->plain[first] = true;
        if (!charsmap_step(m, &at, (uint8_t)first, &unit)) continue;
        m->plain[first] = !(unit & 0x100);
        for (int second = 0; second < 128; second++) {
            uint32_t next = at;
            if (charsmap_step(m, &next, (uint8_t)second, &unit)) m->plain[first] = false;
        }
    }
}

glia_status glia_tok_charsmap_read(tok_charsmap *m, glia_arena *a, const char *bytes, int64_t size,
                                   glia_error *e)
{
    uint32_t head = 0;
    for (int i = 0; i < 4 && i < size; i++) head |= (uint32_t)(uint8_t)bytes[i] << 8 * i;
    if (size < 8 || head % 4 || head < 4 || (int64_t)head > size - 5 || bytes[size - 1])
        return glia_fail(e, GLIA_E_FORMAT, "G0625",
                         "the charsmap of %lld bytes says that its trie has %lld, or does not end in NUL",
                         (long long)size, (long long)head);
    m->unit_count = head / 4;
    uint32_t *units = GLIA_NEW_ARRAY(a, uint32_t, m->unit_count);
    m->texts = glia_arena_strndup(a, bytes + 4 + head, size - 4 - head);
    m->texts_size = size - 4 - head;
    if (!units || !m->texts) return glia_tok_nomem(e);
    for (int64_t i = 0; i < m->unit_count; i++) {
        const uint8_t *b = (const uint8_t *)bytes + 4 + 4 * i;
        units[i] = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    }
    m->units = units;
    charsmap_index(m);
    return GLIA_OK;
}

/* The text of the longest entry that s begins with; *len its bytes; null if none. */
static const char *charsmap_find(const tok_charsmap *m, const char *s, int64_t left, int64_t *len)
{
    const char *found = NULL;
    uint32_t unit, at = unit_offset(m->units[0]);
    for (int64_t i = 0; i < left && i < CHARSMAP_KEY_MAX; i++) { /* a damaged trie may have cycles */
        if (!charsmap_step(m, &at, (uint8_t)s[i], &unit)) break;
        if (!(unit & 0x100)) continue;
        const uint32_t value = m->units[at] & 0x7FFFFFFF;
        if (value >= m->texts_size) continue;
        found = m->texts + value;
        *len = i + 1;
    }
    return found;
}

bool glia_tok_norm_charsmap(const tok_norm_step *s, const char *in, int64_t size, bool first, tok_text *out)
{
    int64_t len;
    (void)first;
    for (int64_t i = 0; i < size; i += len) {
        const int64_t begin = i;
        int one;
        while (i < size && (uint8_t)in[i] < 0x80 && s->map.plain[(uint8_t)in[i]] &&
               (i + 1 == size || (uint8_t)in[i + 1] < 0x80))
            i++;
        if (!glia_tok_text_push(out, in + begin, i - begin)) return false;
        if (i == size) break;
        const char *with = charsmap_find(&s->map, in + i, size - i, &len);
        if (with) {
            if (!glia_tok_text_push(out, with, (int64_t)strlen(with))) return false;
            continue;
        }
        next_cp(in + i, size - i, &one);
        len = one;
        if (!glia_tok_text_push(out, in + i, len)) return false;
    }
    return true;
}

/* ---- the list */

tok_norm_step *glia_tok_norm_add(tok_norm *n, tok_norm_run *run, uint32_t flags)
{
    if (n->count == TOK_NORM_STEPS) return NULL;
    tok_norm_step *s = &n->steps[n->count++];
    s->run = run;
    s->flags = flags;
    return s;
}

bool glia_tok_norm_add_bert(tok_norm *n, bool clean, bool cjk, bool strip, bool lower)
{
    bool ok = true;
    if (clean) ok &= glia_tok_norm_add(n, glia_tok_norm_clean, 0) != NULL;
    if (cjk) ok &= glia_tok_norm_add(n, glia_tok_norm_cjk, 0) != NULL;
    if (strip)
        ok &= glia_tok_norm_add(n, glia_tok_norm_form, 0) &&
              glia_tok_norm_add(n, glia_tok_norm_drop, TOK_UNI_BIT(MN));
    if (lower) ok &= glia_tok_norm_add(n, glia_tok_norm_lower, 0) != NULL;
    return ok;
}

static void *copy(glia_arena *a, const void *from, int64_t bytes, bool *ok)
{
    char *to = glia_arena_alloc(a, bytes, 16);
    *ok &= to != NULL;
    if (to && bytes) memcpy(to, from, (size_t)bytes);
    return to;
}

glia_status glia_tok_norm_keep(tok_norm *n, glia_arena *a, glia_error *e)
{
    bool ok = true;
    for (int i = 0; i < n->count; i++) {
        tok_norm_step *s = &n->steps[i];
        if (s->text) s->text = copy(a, s->text, s->text_size, &ok);
        if (s->with) s->with = copy(a, s->with, s->with_size, &ok);
        if (s->map.units) s->map.units = copy(a, s->map.units, s->map.unit_count * 4, &ok);
        if (s->map.texts) s->map.texts = copy(a, s->map.texts, s->map.texts_size, &ok);
        if (!s->regex) continue;
        tok_regex *r = copy(a, s->regex, sizeof *r, &ok);
        if (!r) break;
        r->pages = copy(a, r->pages, r->page_count * 256, &ok);
        r->step = copy(a, r->step, r->state_count * (r->class_count + 1) * (int64_t)sizeof *r->step, &ok);
        s->regex = r;
    }
    return ok ? GLIA_OK : glia_tok_nomem(e);
}

glia_status glia_tok_norm_apply(const tok_norm *n, const char *in, int64_t size, bool first, tok_text work[2],
                                const char **out, int64_t *out_size, glia_error *e)
{
    const int64_t limit = 32 * size + 65536;
    for (int i = 0; i < n->count; i++) {
        tok_text *to = &work[i & 1];
        to->size = 0;
        to->limit = limit;
        to->over = false;
        if (!n->steps[i].run(&n->steps[i], in, size, first, to)) {
            if (!to->over) return glia_tok_nomem(e);
            return glia_fail(e, GLIA_E_LIMIT, "G0612", "a text that normalizing makes longer than %lld bytes",
                             (long long)limit);
        }
        in = to->size ? to->bytes : "";
        size = to->size;
    }
    *out = in;
    *out_size = size;
    return GLIA_OK;
}
