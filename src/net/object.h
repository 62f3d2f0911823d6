/* Objects from the inside (their public half is glia/net.h): one block of memory each, header and elements, counted
 * references, and an account that a run's objects are charged to.
 *
 * Elements of a tensor of strings are handles of 8 bytes, each a counted reference to a string; 0 is the empty
 * string. An operator that only moves elements (gather, concat, where, pad with 0) may move them as if they were i64:
 * borrow them as numbers with glia_object_handles, and take the result back with glia_object_from_handles, which
 * takes a reference for each element. A handle that was not moved but computed is never valid.
 *
 * An account outlives the objects charged to it; it is shared by reference, so that an object may outlive the network
 * that made it. */
#ifndef GLIA_NET_OBJECT_H
#define GLIA_NET_OBJECT_H

#include <glia/net.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef struct glia_account glia_account;

/* limit: bytes that may be charged at once; 0: no limit. Null: no memory. */
glia_account *glia_account_create(const glia_os *os, int64_t limit);
glia_account *glia_account_retain(glia_account *a); /* null stays null */
void glia_account_release(glia_account *a);
/* False, and `refused` from then on, where the limit would be passed; a null account takes everything. */
bool glia_account_take(glia_account *a, int64_t bytes);
void glia_account_give(glia_account *a, int64_t bytes);
int64_t glia_account_used(const glia_account *a);
int64_t glia_account_limit(const glia_account *a);
/* Whether some request was refused for the limit since the last call (and not by the os). */
bool glia_account_refused(glia_account *a);

typedef struct glia_string {
    _Atomic uint32_t refs;
    int64_t size, bytes; /* of the text; of this block */
    const glia_os *os;
    glia_account *account;
    char text[]; /* [size], then NUL */
} glia_string;

struct glia_object {
    _Atomic uint32_t refs;
    uint8_t kind;     /* glia_object_kind */
    bool of_strings;  /* SEQUENCE, OPTIONAL: what one without items would hold is strings */
    bool of_sequence; /* OPTIONAL: what it would hold is a sequence of that */
    int16_t rank;     /* TENSOR, STRINGS */
    glia_dtype
        dtype; /* TENSOR: of the elements; SEQUENCE, OPTIONAL: what one without items would hold, or NONE */
    int64_t count; /* elements; items; pairs */
    int64_t bytes; /* TENSOR: of the elements */
    int64_t block; /* bytes of this header and of what lies behind it */
    void *data;    /* TENSOR: elements; STRINGS: glia_string *[count]; else glia_object *[item_count] */
    int64_t items; /* references held in data: 0 for tensors, 2 for maps (keys, values) */
    int64_t dims[GLIA_RANK_MAX];
    const glia_os *os;
    glia_account *account;
    void (*release)(void *ctx); /* of borrowed data */
    void *ctx;
    glia_object *base; /* of a view: whose data these are */
    glia_object *next; /* among those about to be freed */
};

/* ---- the same as in glia/net.h, charged to an account (null: to none). Null: no memory, over the limit (the account
 * knows), or arguments that contradict each other. Where os is null it is the default. */
glia_object *glia_object_tensor_in(const glia_os *os, glia_account *a, glia_dtype dtype, int rank,
                                   const int64_t *dims, const void *data);
glia_object *glia_object_strings_in(const glia_os *os, glia_account *a, int rank, const int64_t *dims,
                                    const char *const *texts, const int64_t *sizes);
/* items null: they are to be filled with references by the caller before the object is used. */
glia_object *glia_object_sequence_in(const glia_os *os, glia_account *a, glia_object *const *items,
                                     int64_t count);
glia_object *glia_object_optional_in(const glia_os *os, glia_account *a, glia_object *item);
glia_object *glia_object_map_in(const glia_os *os, glia_account *a, glia_object *keys, glia_object *values);

/* `base`'s elements from element `first` on under another shape, without a copy; of a TENSOR. */
glia_object *glia_object_view(glia_account *a, glia_object *base, int rank, const int64_t *dims,
                              int64_t first);

/* ---- tensors of strings as handles */
const uint64_t *glia_object_handles(const glia_object *o); /* [count], null unless STRINGS */
glia_object *glia_object_from_handles(const glia_os *os, glia_account *a, int rank, const int64_t *dims,
                                      const uint64_t *handles);
/* Sets element i of a tensor of strings that is not shared yet (new ones hold empty strings). False: no memory. */
bool glia_object_put_string(glia_object *o, int64_t i, const char *text, int64_t size);
/* Element i becomes the string with that handle, which gets a reference. */
void glia_object_put_handle(glia_object *o, int64_t i, uint64_t handle);

/* What a sequence or optional without items would hold; taken over from another one, or from an item. */
void glia_object_holds(glia_object *o, const glia_object *like);

/* The elements of a tensor: writable by its maker, before it is shared. */
static inline void *glia_object_fill(glia_object *o) { return o->data; }
static inline glia_object **glia_object_items(const glia_object *o) { return o->data; }

#endif
