/* Templates against Jinja2: about a thousand small ones, a construct each, and the published templates of
 * GLIA_TEST_DATA on conversations. What Jinja2 made of them was written by
 * tests/oracles/make_template_vectors.py. Then limits, marks, and a failing allocator. */
#include "check.h"
#include "fault_os.h"

#include "base/sha256.h"
#include "text/template.h"

enum { NOW = 1721999999 };

static char *read_file(const char *path, int64_t *size)
{
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    *size = ftell(f);
    rewind(f);
    char *text = malloc((size_t)*size + 1);
    if (text && fread(text, 1, (size_t)*size, f) != (size_t)*size) *size = 0;
    if (text) text[*size] = 0;
    fclose(f);
    return text;
}

static const glia_json *load(glia_arena *a, const char *path)
{
    int64_t size = 0;
    char *text = read_file(path, &size);
    const glia_json *j = NULL;
    glia_error e = GLIA_ERROR_INIT;
    if (!text || glia_json_parse(a, text, size, 64, 0, &j, &e)) fprintf(stderr, "%s: %s\n", path, e.text);
    free(text);
    return j;
}

/* Compiles and renders; the variables are an object's members. */
static glia_status render(glia_arena *a, const char *text, int64_t size, const glia_json *variables,
                          glia_template_input *in, glia_template_output *out, glia_error *e)
{
    glia_template *t = NULL;
    glia_template_variable var[64];
    int n = 0;
    for (const glia_json *j = variables ? variables->child : NULL; j && n < 64; j = j->next)
        var[n++] = (glia_template_variable){j->key, j, false};
    in->variables = var;
    in->variable_count = n;
    glia_status s = glia_template_compile(NULL, text, size, &t, e);
    if (!s) s = glia_template_render(t, in, a, out, e);
    glia_template_destroy(t);
    return s;
}

/* What is refused here though Jinja2 takes it, by name: constructs that are documented as not built. */
static bool is_refusal(glia_status s) { return s == GLIA_E_UNSUPPORTED || s == GLIA_E_LIMIT; }

static void micro_templates(void)
{
    glia_arena all;
    int64_t right = 0, errors = 0, refused = 0;
    glia_arena_init(&all, NULL, 0);
    const glia_json *root = load(&all, "tests/vectors/templates/micro.json"),
                    *variables = glia_json_get(root, "variables");
    const glia_json *cases = glia_json_get(root, "cases");
    CHECK(cases != NULL);
    for (const glia_json *c = cases ? cases->child : NULL; c; c = c->next) {
        const glia_json *text = c->child, *want = text->next, *error = want->next;
        glia_arena a;
        glia_error e = GLIA_ERROR_INIT;
        glia_template_output out = {0};
        glia_template_input in = {.now = NOW};
        glia_arena_init(&a, NULL, 0);
        glia_status s = render(&a, text->text, text->text_size, variables, &in, &out, &e);
        bool same = want->kind == GLIA_JSON_STRING && !s && out.size == want->text_size &&
                    !memcmp(out.text, want->text, (size_t)out.size);
        bool both_fail = want->kind != GLIA_JSON_STRING && s;
        refused += is_refusal(s) && want->kind == GLIA_JSON_STRING;
        right += same;
        errors += both_fail;
        if (!same && !both_fail) {
            fprintf(stderr, "template %s\n  gives %s %s\n  want  %s\n", text->text, s ? e.code : out.text,
                    s ? e.text : "", want->kind == GLIA_JSON_STRING ? want->text : error->text);
            check_case_failures += !is_refusal(s);
        }
        const char *own = error->kind == GLIA_JSON_STRING && !strncmp(error->text, "TemplateError: ", 15)
                              ? error->text + 15
                              : NULL;
        if (own && !(s == GLIA_E_ARG && strstr(e.text, own))) {
            fprintf(stderr, "template %s raises %s, want %s\n", text->text, e.text, own);
            check_case_failures++;
        }
        glia_arena_free(&a);
    }
    printf("# %lld equal, %lld fail as they should, %lld refused by name\n", (long long)right,
           (long long)errors, (long long)refused);
    CHECK(right > 700);
    CHECK(refused <= 10);
    glia_arena_free(&all);
}

static void published_templates(void)
{
    glia_arena all;
    int64_t checked = 0;
    glia_arena_init(&all, NULL, 0);
    const glia_json *conversations = load(&all, "tests/vectors/templates/conversations.json");
    const glia_json *files = load(&all, "tests/vectors/templates/published.json");
    for (const glia_json *f = files ? files->child : NULL; f; f = f->next) {
        char path[1024];
        int64_t size = 0;
        snprintf(path, sizeof path, "%s/templates/%s", check_data_dir(), f->key);
        char *text = read_file(path, &size);
        if (!text) {
            SKIP(f->key, "not in GLIA_TEST_DATA");
            continue;
        }
        for (const glia_json *c = f->child; c; c = c->next) {
            const glia_json *hash = c->child, *bytes = hash->next, *error = bytes->next;
            glia_arena a;
            glia_error e = GLIA_ERROR_INIT;
            glia_template_output out = {0};
            glia_template_input in = {.now = NOW};
            char hex[65] = "";
            uint8_t digest[32];
            glia_arena_init(&a, NULL, 0);
            glia_status s = render(&a, text, size, glia_json_get(conversations, c->key), &in, &out, &e);
            if (!s) {
                glia_sha256 h;
                glia_sha256_init(&h);
                glia_sha256_add(&h, out.text, out.size);
                glia_sha256_done(&h, digest);
                glia_sha256_hex(digest, hex);
            }
            bool ok = hash->kind == GLIA_JSON_STRING ? !s && !strcmp(hex, hash->text) : s != GLIA_OK;
            if (!ok) {
                fprintf(stderr, "%s, %s: %s %s; want %s\n", f->key, c->key, e.code, s ? e.text : out.text,
                        error->kind == GLIA_JSON_STRING ? error->text : "another text");
                check_case_failures++;
            }
            checked++;
            glia_arena_free(&a);
        }
        free(text);
    }
    printf("# %lld renders of published templates\n", (long long)checked);
    glia_arena_free(&all);
}

/* ---- limits --------------------------------------------------------------------------------------- */

static glia_status quick(const char *text, const char *json, glia_error *e, char *shown, size_t room)
{
    glia_arena a;
    glia_template_output out = {0};
    glia_template_input in = {.work_max = 3000000, .memory_max = 64 << 20, .output_max = 1 << 20};
    const glia_json *variables = NULL;
    *e = (glia_error)GLIA_ERROR_INIT;
    glia_arena_init(&a, NULL, 0);
    glia_status s = json ? glia_json_parse(&a, json, (int64_t)strlen(json), 64, 0, &variables, e) : GLIA_OK;
    if (!s) s = render(&a, text, (int64_t)strlen(text), variables, &in, &out, e);
    if (!s && shown) snprintf(shown, room, "%s", out.text);
    glia_arena_free(&a);
    return s;
}

static void limits_hold(void)
{
    static const char *const hostile[] = {
        "{% for a in range(100000) %}{% for b in range(100000) %}{% for c in range(100000) %}{% endfor %}{% "
        "endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
        "{% set ns = namespace(s='xxxxxxxxxx') %}{% for i in range(1000) %}{% set ns.s = ns.s + ns.s %}{% "
        "endfor %}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(1000) %}{% set ns.l = ns.l + ns.l %}{% endfor %}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(1000) %}{% set ns.l = [ns.l, ns.l] %}{% endfor "
        "%}{{ ns.l }}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(1000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ "
        "ns.l|tojson }}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(1000) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l "
        "== [ns.l] }}",
        "{% set ns = namespace(l=[1]) %}{% for i in range(100) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ "
        "ns.l == ns.l|list }}",
        "{{ 'x' * 100000000000 }}",
        "{{ [1] * 100000000000 }}",
        "{{ range(1000000000) }}",
        "{{ 'x'|indent(1000000000, true) }}",
        "{{ [1]|tojson(indent=1000000000) }}",
        "{{ '7'.zfill(1000000000) }}",
        "{% set ns = namespace(s='a') %}{% for i in range(100000) %}{{ "
        "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' }}{% endfor %}",
        "{{ ('a' * 100000).replace('', 'b' * 1000) }}",
    };
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        glia_error e;
        glia_status s = quick(hostile[i], NULL, &e, NULL, 0);
        if (s != GLIA_E_LIMIT || strcmp(e.code, "G0674"))
            fprintf(stderr, "%s: %s %s\n", hostile[i], e.code, e.text);
        CHECK(s == GLIA_E_LIMIT);
        CHECK_STR(e.code, "G0674");
        CHECK(strstr(e.text, "line 1, column") != NULL);
    }
}

/* 100 000 brackets, blocks, operators: refused or done, on a fixed stack, in linear time. */
static void nesting_is_bounded(void)
{
    static const struct {
        const char *begin, *unit, *end;
    } shapes[] = {{"{{ ", "(", ""},
                  {"{{ ", "[", ""},
                  {"{{ ", "{1:", ""},
                  {"{{ ", "not ", "1 }}"},
                  {"{{ ", "- ", "1 }}"},
                  {"{{ 1", "+1", " }}"},
                  {"{{ s", "|upper", " }}"},
                  {"{{ 1", " if 1 else 2", " }}"},
                  {"{{ 1", " if 1", " }}"},
                  {"{{ s", "[0]", " }}"},
                  {"{{ 1", "<2", " }}"},
                  {"{{ 1", " and 1", " }}"},
                  {"", "{% if 1 %}", ""},
                  {"", "{% for x in [1] %}", ""},
                  {"{{ ", "f(", ""},
                  {"{{ s", "|default(", ""},
                  {"{{ 'a'", "'b'", " }}"},
                  {"{{ s", "~s", " }}"},
                  {"", "{{", ""},
                  {"", "{%", ""},
                  {"", "{#", ""},
                  {"", "{%- raw %}", ""},
                  {"{{ 1", "**1", " }}"},
                  {"{{ a", ".b", " }}"},
                  {"{% if 0 %}", "{% elif 0 %}", "{% endif %}"},
                  {"", "{% set a = 1 %}", "{{ a }}"},
                  {"{{ x is ", "in [", ""}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const size_t n = 50000, unit = strlen(shapes[i].unit), begin = strlen(shapes[i].begin);
        char *text = malloc(begin + n * unit + strlen(shapes[i].end) + 1);
        strcpy(text, shapes[i].begin);
        for (size_t k = 0; k < n; k++) memcpy(text + begin + k * unit, shapes[i].unit, unit);
        strcpy(text + begin + n * unit, shapes[i].end);
        glia_error e;
        glia_status s = quick(text, "{\"s\": \"abc\"}", &e, NULL, 0);
        if (s && !e.code[0]) fprintf(stderr, "%s..: no code\n", shapes[i].unit);
        CHECK(!s || e.code[0]);
        free(text);
    }
}

static void errors_have_places(void)
{
    glia_error e;
    CHECK_I64(quick("a\n  {{ x.y.z }}", NULL, &e, NULL, 0), GLIA_E_FORMAT);
    CHECK(strstr(e.text, "line 2, column 8") != NULL);
    CHECK_STR(e.code, "G0673");
    CHECK_I64(quick("\xC3\xA9\xC3\xA9{{ x|nope }}", NULL, &e, NULL, 0), GLIA_E_UNSUPPORTED);
    CHECK(strstr(e.text, "line 1, column 8") != NULL && strstr(e.text, "`nope`"));
    CHECK_I64(quick("{{ '\xFF' }}", NULL, &e, NULL, 0), GLIA_E_FORMAT);
    CHECK_STR(e.code, "G0670");
    CHECK_I64(quick("{% if a %}\n{% for x in y %}\n{% endif %}", NULL, &e, NULL, 0), GLIA_E_FORMAT);
    CHECK(strstr(e.text, "line 3") != NULL && strstr(e.text, "line 2"));
    CHECK_I64(quick("{{ strftime_now('%Y') }}", NULL, &e, NULL, 0), GLIA_E_UNSUPPORTED);
    CHECK_I64(quick("{{ l.append(1) }}", "{\"l\": []}", &e, NULL, 0), GLIA_E_FORMAT);
    CHECK_I64(quick("{{ 9223372036854775807 + 1 }}", NULL, &e, NULL, 0), GLIA_E_UNSUPPORTED);
    CHECK_I64(quick("{{ s.translate() }}", "{\"s\": \"\"}", &e, NULL, 0), GLIA_E_UNSUPPORTED);
    CHECK_STR(e.code, "G0675");
    CHECK_I64(glia_template_compile(NULL, NULL, 0, NULL, &e), GLIA_E_ARG);
}

/* ---- marks ---------------------------------------------------------------------------------------- */

/* The text with what came from data between angle brackets. */
static void marked(const char *text, const char *want)
{
    const char *json = "{\"d\": \"ab c\", \"l\": [\"x\", \"y\"], \"o\": {\"k\": \"v\"}, \"n\": 5}";
    glia_arena a;
    glia_error e = GLIA_ERROR_INIT;
    glia_template_output out = {0};
    glia_template_input in = {0};
    const glia_json *variables = NULL;
    char shown[512];
    size_t n = 0;
    glia_arena_init(&a, NULL, 0);
    CHECK(!glia_json_parse(&a, json, (int64_t)strlen(json), 8, 0, &variables, &e));
    if (render(&a, text, (int64_t)strlen(text), variables, &in, &out, &e))
        fprintf(stderr, "%s: %s\n", text, e.text);
    for (int64_t i = 0; i < out.size && n < sizeof shown - 4; i++) {
        if (out.marks[i] && (!i || !out.marks[i - 1])) shown[n++] = '<';
        shown[n++] = out.text[i];
        if (out.marks[i] && (i + 1 == out.size || !out.marks[i + 1])) shown[n++] = '>';
    }
    shown[n] = 0;
    CHECK_STR(shown, want);
    glia_arena_free(&a);
}

static void marks_follow_the_text(void)
{
    marked("a{{ d }}b", "a<ab c>b");
    marked("{{ 'a' + d + 'b' }}", "a<ab c>b");
    marked("{{ 'a' ~ d ~ n }}", "a<ab c>5");
    marked("{{ d|upper }}{{ d.upper() }}", "<AB CAB C>");
    marked("{{ ('x' + d)[1:3] }}{{ ('x' + d)[0] }}", "<ab>x");
    marked("{{ ('x' + d).split(' ')[0] }}", "x<ab>");
    marked("{{ d.replace('b', '|') }}", "<a>|< c>");
    marked("{{ 'q_q'.replace('_', d) }}", "q<ab c>q");
    marked("{{ l|join(', ') }}", "<x>, <y>");
    marked("{{ l|tojson }}{{ o|tojson }}", "[\"<x>\", \"<y>\"]{\"<k>\": \"<v>\"}");
    marked("{{ l }}", "['<x>', '<y>']");
    marked("{% set z %}({{ d }}){% endset %}{{ z|trim }}", "(<ab c>)");
    marked("{% macro m(x) %}[{{ x }}]{% endmacro %}{{ m(d) }}", "[<ab c>]");
    marked("{% for k, v in o.items() %}{{ k }}={{ v }}{% endfor %}", "<k>=<v>");
    marked("{{ '%s!' % d }}{{ '{}?'.format(d) }}", "<ab c>!<ab c>?");
    marked("{{ ('<' + d)|e }}", "&lt;<ab c>");
    marked("{{ d|indent(2, true) }}{{ d[::-1] }}", "  <ab cc ba>");
    marked("{{ d|length }}{{ d == 'ab c' }}", "4True");
    marked("{% set a = 'x' %}{% set b = a + d %}{% set c = a + 'y' %}{{ b }}{{ c }}", "x<ab c>xy");
    marked("{% set a = '' + d %}{% set b = a + 'y' %}{{ a }}|{{ b }}", "<ab c>|<ab c>y");
}

/* Each allocation refused once: an error without a leak, or success. */
static void allocator_fails(void)
{
    const char *text =
        "{% macro m(a, b=2) %}{{ a }}{% endmacro %}{% for x in [1,2] if x %}{{ m(x)|upper ~ "
        "'a'.split(',')|join }}"
        "{% set ns = namespace(a={'k': [1]}) %}{% set ns.a = ns.a|tojson(indent=2) %}{{ ns.a }}{% endfor %}";
    for (int64_t n = 1;; n++) {
        struct fault_os f;
        glia_arena a;
        glia_template *t = NULL;
        glia_template_output out;
        glia_template_input in = {0};
        glia_error e = GLIA_ERROR_INIT;
        fault_os_init(&f, NULL);
        fault_os_fail(&f, FAULT_MEMORY, n, false);
        glia_arena_init(&a, &f.os, 0);
        glia_status s = glia_template_compile(&f.os, text, (int64_t)strlen(text), &t, &e);
        if (!s) s = glia_template_render(t, &in, &a, &out, &e);
        glia_template_destroy(t);
        glia_arena_free(&a);
        CHECK(fault_os_clean(&f));
        if (f.failed) CHECK(s == GLIA_E_NOMEM || s == GLIA_E_LIMIT);
        else CHECK_I64(s, GLIA_OK);
        if (!f.failed) break;
    }
}

int main(void)
{
    RUN(micro_templates);
    if (check_data_dir()) RUN(published_templates);
    else SKIP("published_templates", "GLIA_TEST_DATA is not set");
    RUN(limits_hold);
    RUN(nesting_is_bounded);
    RUN(errors_have_places);
    RUN(marks_follow_the_text);
    RUN(allocator_fails);
    return CHECK_EXIT();
}
