/* The sampling options of the command line as the library takes them: breakers need the model's tokens, and a
 * grammar or schema its vocabulary. */
#include "cli/cli.h"

#include "base/error.h"

#include <string.h>

static int32_t or_zero(int64_t v) { return v == CLI_UNSET ? 0 : (int32_t)v; }

static glia_sampler_options plain_options(const cli_settings *s)
{
    glia_sampler_options o = GLIA_SAMPLER_OPTIONS_INIT;
    o.temperature = (float)s->temperature;
    o.top_k = or_zero(s->top_k);
    o.top_p = (float)s->top_p;
    o.min_p = (float)s->min_p;
    if (s->repeat_last_n != 0) { /* 0 recent tokens: nothing to penalise */
        o.repeat_penalty = (float)s->repeat_penalty;
        o.presence_penalty = (float)s->presence_penalty;
        o.frequency_penalty = (float)s->frequency_penalty;
        o.penalty_last_n = or_zero(s->repeat_last_n);
    }
    o.seed = s->seed == CLI_UNSET ? 0 : (uint64_t)s->seed;
    o.typical_p = (float)s->typical_p;
    o.top_n_sigma = (float)s->top_n_sigma;
    o.xtc_probability = (float)s->xtc_probability;
    o.xtc_threshold = (float)s->xtc_threshold;
    o.dynatemp_range = (float)s->dynatemp_range;
    o.dynatemp_exponent = (float)s->dynatemp_exponent;
    o.min_keep = or_zero(s->min_keep);
    o.mirostat = or_zero(s->mirostat);
    o.mirostat_tau = (float)s->mirostat_tau;
    o.mirostat_eta = (float)s->mirostat_eta;
    o.dry_multiplier = s->dry_last_n == 0 ? 0 : (float)s->dry_multiplier;
    o.dry_base = (float)s->dry_base;
    o.dry_allowed_length = or_zero(s->dry_allowed_length);
    o.dry_last_n = s->dry_last_n == CLI_UNSET ? -1 : (int32_t)s->dry_last_n;
    o.order = s->samplers;
    return o;
}

static int add_breakers(cli *c, const glia_model *m, glia_sampler_options *o)
{
    static const char *const known[] = {"\n", ":", "\"", "*"};
    const cli_texts *given = &c->set.dry_breakers;
    const char *const *texts = given->count ? given->v : known;
    int64_t count = given->count ? given->count : 4;
    int32_t *ids = NULL;
    if (o->dry_multiplier == 0) return CLI_OK;
    if (given->count == 1 && !strcmp(given->v[0], "none")) return CLI_OK;
    for (int64_t i = 0; i < given->count; i++)
        if (!strcmp(given->v[i], "\\n")) given->v[i] = "\n"; /* as people write it */
    if (glia_sampler_breakers(m, texts, count, NULL, 0, &o->dry_breaker_count, &c->error))
        return cli_refused(c);
    ids = GLIA_NEW_ARRAY(&c->arena, int32_t, o->dry_breaker_count);
    if (!ids) return cli_no_memory(c);
    o->dry_breakers = ids;
    if (glia_sampler_breakers(m, texts, count, ids, o->dry_breaker_count, &o->dry_breaker_count, &c->error))
        return cli_refused(c);
    return CLI_OK;
}

static int read_grammar(cli *c, const char **text, int64_t *size, bool *schema)
{
    const cli_settings *s = &c->set;
    const char *const given[] = {s->grammar, s->grammar_file, s->json_schema, s->json_schema_file};
    int found = -1;
    for (int i = 0; i < 4; i++) {
        if (!given[i]) continue;
        if (found >= 0)
            return cli_usage(
                c, "--grammar, --grammar-file, --json-schema and --json-schema-file exclude each other");
        found = i;
    }
    if (found < 0) return CLI_OK;
    *schema = found >= 2;
    if (found & 1) return cli_read_file(c, given[found], text, size);
    *text = given[found];
    *size = (int64_t)strlen(given[found]);
    return CLI_OK;
}

int cli_sampling_open(cli *c, const glia_model *m, cli_sampling *out)
{
    const char *text = NULL;
    int64_t size = 0;
    bool schema = false;
    out->options = plain_options(&c->set);
    int code = add_breakers(c, m, &out->options);
    if (!code) code = read_grammar(c, &text, &size, &schema);
    if (code || !text) return code;
    glia_status st = glia_vocab_tree_create(m, &out->tree, &c->error);
    if (!st && schema) st = glia_grammar_create_json_schema(out->tree, text, size, &out->grammar, &c->error);
    else if (!st) st = glia_grammar_create(out->tree, text, size, &out->grammar, &c->error);
    out->options.grammar = out->grammar;
    return st ? cli_refused(c) : CLI_OK;
}

void cli_sampling_close(cli_sampling *s)
{
    glia_grammar_destroy(s->grammar);
    glia_vocab_tree_destroy(s->tree);
}
