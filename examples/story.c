/* The shortest useful program: a model, a session, a prompt, and what follows it.
 *
 *     cc examples/story.c -Iinclude libglia.a -pthread -lm -o story && ./story model.gguf */
#include <glia/glia.h>
#include <stdio.h>

static int print_token(void *user, int32_t id, const char *text, int64_t size)
{
    (void)user, (void)id;
    fwrite(text, 1, (size_t)size, stdout);
    return 0; /* anything else would stop the generation */
}

int main(int argc, char **argv)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_model_options options = GLIA_MODEL_OPTIONS_INIT;
    glia_generate_options how = GLIA_GENERATE_OPTIONS_INIT;
    glia_model *model = NULL;
    glia_session *session = NULL;
    int32_t ids[16];
    int64_t count, made;
    options.memory_limit = 256 << 20; /* checked before anything is loaded */
    how.tokens_max = 50, how.on_token = print_token;
    int failed = glia_model_open(argc > 1 ? argv[1] : "models/demo-stories.gguf", &options, &model, &e) ||
                 glia_session_create(model, &session, &e) ||
                 glia_model_tokenize(model, "One day", 7, 1, 0, ids, 16, &count, &e) ||
                 glia_session_generate(session, ids, count, &how, &made, &e);
    if (failed) fprintf(stderr, "%s: %s\n", e.code, e.text);
    else puts("");
    glia_session_destroy(session);
    glia_model_close(model);
    return failed;
}
