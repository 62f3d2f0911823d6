/* Lines of a file or a terminal, one at a time, until input ends or SIGINT comes. stdio would not do: a
 * signal that comes just before its read blocks, or that another thread takes, would be noticed only with the
 * next line. */
#include "cli/cli.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_BYTES = 65536, LINE_BYTES_MAX = 256 << 20 };

/* Waits for input or the signal's wake-up; false: the signal. */
static bool wait_for_input(int fd)
{
    struct pollfd f[2] = {{.fd = fd, .events = POLLIN}, {.fd = cli_wake_fd(), .events = POLLIN}};
    while (!cli_interrupted()) {
        if (poll(f, 2, -1) < 0 && errno != EINTR) return true; /* the read will say what is wrong */
        if (f[0].revents) return true;
    }
    return false;
}

/* Reads more behind what is there; false at the end of input. */
static bool fill(cli_lines *l)
{
    if (l->at) memmove(l->data, l->data + l->at, l->size - l->at);
    l->size -= l->at;
    l->at = 0;
    if (l->capacity - l->size < READ_BYTES) {
        size_t capacity = l->capacity ? 2 * l->capacity : 2 * READ_BYTES;
        char *data = capacity <= LINE_BYTES_MAX ? realloc(l->data, capacity) : NULL;
        if (!data) return false;
        l->data = data;
        l->capacity = capacity;
    }
    if (!wait_for_input(l->fd)) return false;
    ssize_t n;
    do n = read(l->fd, l->data + l->size, READ_BYTES);
    while (n < 0 && errno == EINTR && !cli_interrupted());
    if (n <= 0) return false;
    l->size += (size_t)n;
    return true;
}

bool cli_line_next(cli_lines *l, const char **line, int64_t *size)
{
    size_t looked = 0; /* bytes behind `at` without a newline */
    for (;;) {
        const char *from = l->data ? l->data + l->at : "";
        const char *end =
            l->size > l->at + looked ? memchr(from + looked, '\n', l->size - l->at - looked) : NULL;
        if (cli_interrupted()) return false;
        if (!end && !l->ended) {
            looked = l->size - l->at;
            l->ended = !fill(l);
            continue;
        }
        if (!end && l->size == l->at) return false;
        *line = from;
        *size = end ? end - from : (int64_t)(l->size - l->at);
        l->at += (size_t)*size + (end != NULL);
        return true;
    }
}

void cli_lines_free(cli_lines *l) { free(l->data); }
