/* Any bytes as a template, after a NUL any bytes as its variables. What is accepted renders within its
 * budgets, to valid UTF-8 with a mark for each byte, twice the same; what is refused has a code. */
#include "fuzz.h"

#include "base/utf8.h"
#include "text/template.h"

static void check_output(const glia_template_output *a, const glia_template_output *b)
{
    FUZZ_CHECK(a->size == b->size && !memcmp(a->text, b->text, (size_t)a->size));
    FUZZ_CHECK(!memcmp(a->marks, b->marks, (size_t)a->size));
    FUZZ_CHECK(a->size <= 1 << 16);
    FUZZ_CHECK(glia_utf8_valid(a->text, a->size));
    for (int64_t i = 0; i < a->size; i++) FUZZ_CHECK(a->marks[i] <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *nul = size ? memchr(text, 0, size) : NULL;
    const int64_t text_size = nul ? nul - text : (int64_t)size;
    glia_template *t = NULL;
    glia_template_variable var[32];
    glia_template_output out[2] = {{0}};
    glia_template_input in = {
        .variables = var, .work_max = 200000, .memory_max = 8 << 20, .output_max = 1 << 15, .now = 1};
    const glia_json *root = NULL;
    glia_error e = GLIA_ERROR_INIT;
    glia_arena a;
    glia_arena_init(&a, NULL, 0);
    if (nul && !glia_json_parse(&a, nul + 1, (int64_t)size - text_size - 1, 16, 0, &root, NULL))
        for (const glia_json *j = root->child; j && j->key && in.variable_count < 32; j = j->next)
            var[in.variable_count++] = (glia_template_variable){j->key, j, false};
    glia_status s = glia_template_compile(NULL, text, text_size, &t, &e);
    FUZZ_CHECK(s ? !t && e.code[0] && e.status == s : t != NULL);
    for (int i = 0; i < 2 && !s; i++) s = glia_template_render(t, &in, &a, &out[i], &e);
    FUZZ_CHECK(!s || e.code[0]);
    FUZZ_CHECK(s != GLIA_E_INTERNAL && s != GLIA_E_NOMEM);
    if (!s) check_output(&out[0], &out[1]);
    glia_template_destroy(t);
    glia_arena_free(&a);
    return 0;
}

#ifdef GLIA_FUZZ_MAIN
static int64_t fuzz_example(int i, uint8_t *out)
{
    static const char *const templates[] = {
        "{% for m in messages %}<|{{ m.role }}|>\n{{ m['content'] | trim }}{{ loop.index0 }}{% endfor %}",
        "{%- macro f(a, b=2) -%}{{ a ~ b }}{%- endmacro -%}{{ f(1) }}{{ f(b=3, a=s) }}{% call f(1) %}x{% "
        "endcall %}",
        "{% set ns = namespace(x=[]) %}{% for i in range(5) if i is odd %}{% set ns.x = ns.x + [i * 2 // 3] "
        "%}{% else %}-{% endfor %}{{ ns.x }}",
        "{{ (s if s is defined else 'no')[1:-1:2] }}{{ {'a': 1, 'b': [2.5, none, true]}|tojson(indent=2) "
        "}}{{ not 1 < 2 <= 3 and 4 or 5 }}",
        "{% if a and not b %}x{% elif c in 'abc' %}y{% else %}z{% endif %}{# c #}{% raw %}{{ }}{% endraw "
        "%}{% set z %}q{% endset %}{{ z|upper }}",
        "{{ s.split(' ')|map('upper')|join('-') }}{{ messages|selectattr('role', 'equalto', "
        "'user')|list|length }}{{ '%05d' % 7 }}{{ '{}'.format(s) }}",
        "{% filter replace('a', 'b') %}{{ s }}{% endfilter %}{% with x = 1 %}{{ -x ** 2 }}{% endwith %}{% "
        "for k, v in d|items %}{{ k }}{{ v }}{% if loop.last %}{% break %}{% endif %}{% endfor %}",
        "{{ d.items()|list|sort(reverse=true) }}{{ s.strip('H').replace('l', 'L', 1).find('o') }}{{ "
        "strftime_now('%d %b %Y') }}{{ raise_exception('x') }}",
    };
    static const char json[] =
        "{\"messages\": [{\"role\": \"user\", \"content\": \" hi \"}, {\"role\": \"x\", \"content\": null}], "
        "\"s\": \"Hello w\\u00f6rld\", \"d\": {\"a\": 1, \"b\": [1, 2.5]}, \"a\": true, \"c\": \"b\"}";
    if (i >= (int)(sizeof templates / sizeof *templates)) return -1;
    size_t n = strlen(templates[i]) + 1;
    memcpy(out, templates[i], n);
    memcpy(out + n, json, sizeof json - 1);
    return (int64_t)(n + sizeof json - 1);
}
#endif
