/* Asks how much memory a model takes, loads it, generates from a prompt, and stops from another thread.
 *
 *     cc examples/generate.c -Iinclude libglia.a -pthread -lm -o generate && ./generate model.gguf */
#include <glia/glia.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

typedef struct shared {
    glia_session *session;
    atomic_int tokens, done;
} shared;

/* Gets each token's text as soon as it is known; non-zero would stop the generation too. */
static int print_token(void *user, int32_t id, const char *text, int64_t size)
{
    shared *s = user;
    fwrite(text, 1, (size_t)size, stdout);
    atomic_fetch_add(&s->tokens, id >= 0);
    return 0;
}

static void *cancel_after_20(void *user)
{
    shared *s = user;
    while (atomic_load(&s->tokens) < 20 && !atomic_load(&s->done)) continue;
    glia_session_cancel(s->session);
    return NULL;
}

int main(int argc, char **argv)
{
    glia_error e = GLIA_ERROR_INIT;
    glia_model_options options = GLIA_MODEL_OPTIONS_INIT; /* all zero: the defaults */
    glia_memory memory = GLIA_MEMORY_INIT;
    glia_model *model = NULL;
    shared s = {NULL, 0, 0};
    const char *prompt = "Once upon a time", *path = argc > 1 ? argv[1] : "models/demo-stories.gguf";
    int32_t ids[64];
    int64_t count, made = 0;
    glia_status status = glia_model_query(path, &options, &memory, &e);
    if (!status) printf("%lld bytes will be taken\n%s", (long long)memory.total, prompt);
    if (!status) status = glia_model_open(path, &options, &model, &e);
    if (!status) status = glia_model_tokenize(model, prompt, 16, 1, 0, ids, 64, &count, &e);
    if (!status) status = glia_session_create(model, &s.session, &e);
    if (!status) {
        pthread_t other;
        glia_generate_options generate = GLIA_GENERATE_OPTIONS_INIT;
        generate.ignore_end = 1;
        generate.on_token = print_token, generate.user = &s;
        int started = !pthread_create(&other, NULL, cancel_after_20, &s);
        status = glia_session_generate(s.session, ids, count, &generate, &made, &e);
        atomic_store(&s.done, 1);
        if (started) pthread_join(other, NULL);
    }
    printf("\n%lld tokens, then: %s\n", (long long)made, status ? e.text : "the context's end");
    glia_session_destroy(s.session);
    glia_model_close(model);
    return status != GLIA_OK && status != GLIA_E_CANCELLED;
}
