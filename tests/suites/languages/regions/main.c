// A function returns from an atomic region with an error, and the worker continues.

#include "golem.h"
#include "regions.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *fails(void) {
    GOLEM_ATOMIC_REGION(region);
    return "the service did not answer";
}

static char *copy(const regions_string_t *text) {
    char *copied = malloc(text->len + 1);
    if (copied == NULL) abort();
    memcpy(copied, text->ptr, text->len);
    copied[text->len] = 0;
    return copied;
}

static void increment(const char *key) {
    golem_bucket_t bucket;
    int64_t sum;
    if (!golem_bucket_open("regions", &bucket) || !golem_bucket_increment(bucket, key, 1, &sum)) abort();
    golem_bucket_close(bucket);
}

void exports_acme_regions_api_caught(regions_string_t *key, uint32_t pause_ms, regions_string_t *ret) {
    char *name = copy(key);
    const char *text = fails();
    // Outside of any region: each of these happens once, whatever crashes.
    increment(name);
    usleep(pause_ms * 1000);
    increment(name);
    free(name);
    regions_string_free(key);
    regions_string_dup(ret, text);
}

uint64_t exports_acme_regions_api_count(regions_string_t *key) {
    char *name = copy(key);
    golem_bucket_t bucket;
    if (!golem_bucket_open("regions", &bucket)) abort();
    char *text = golem_bucket_get(bucket, name, NULL);
    uint64_t count = text == NULL ? 0 : strtoull(text, NULL, 10);
    free(text);
    golem_bucket_close(bucket);
    free(name);
    regions_string_free(key);
    return count;
}
