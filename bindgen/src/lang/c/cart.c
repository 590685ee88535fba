// Each worker is the shopping cart of one customer. The values of these variables survive crashes.

#include "golem.h"
#include "shopping_cart.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef exports_{{namespace_snake}}_{{package_snake}}_api_product_item_t item_t;
typedef exports_{{namespace_snake}}_{{package_snake}}_api_list_product_item_t items_t;
typedef exports_{{namespace_snake}}_{{package_snake}}_api_checkout_result_t checkout_result_t;

#define CHECKOUT_ERROR 0
#define CHECKOUT_SUCCESS 1

static items_t cart;
static bool requested;
static golem_promise_t payment;

static bool same(const shopping_cart_string_t *a, const shopping_cart_string_t *b) {
    return a->len == b->len && memcmp(a->ptr, b->ptr, a->len) == 0;
}

static void copy(shopping_cart_string_t *to, const shopping_cart_string_t *from) {
    shopping_cart_string_dup_n(to, (const char *)from->ptr, from->len);
}

static void remove_at(size_t at) {
    shopping_cart_string_free(&cart.ptr[at].product_id);
    shopping_cart_string_free(&cart.ptr[at].name);
    memmove(&cart.ptr[at], &cart.ptr[at + 1], (cart.len - at - 1) * sizeof(item_t));
    cart.len--;
}

static void empty(void) {
    while (cart.len > 0) remove_at(cart.len - 1);
}

static item_t *find(const shopping_cart_string_t *product_id) {
    for (size_t i = 0; i < cart.len; i++)
        if (same(&cart.ptr[i].product_id, product_id)) return &cart.ptr[i];
    return NULL;
}

void exports_{{namespace_snake}}_{{package_snake}}_api_initialize_cart(shopping_cart_string_t *user_id) {
    empty();
    requested = false;
    printf("a cart for %.*s\n", (int)user_id->len, (const char *)user_id->ptr);
    fflush(stdout);
    shopping_cart_string_free(user_id);
}

// The callee owns the item: it frees the parts that it does not keep.
void exports_{{namespace_snake}}_{{package_snake}}_api_add_item(item_t *item) {
    item_t *known = find(&item->product_id);
    if (known != NULL) {
        known->quantity += item->quantity;
        exports_{{namespace_snake}}_{{package_snake}}_api_product_item_free(item);
        return;
    }
    cart.ptr = realloc(cart.ptr, (cart.len + 1) * sizeof(item_t));
    if (cart.ptr == NULL) abort();
    cart.ptr[cart.len++] = *item;
}

void exports_{{namespace_snake}}_{{package_snake}}_api_remove_item(shopping_cart_string_t *product_id) {
    item_t *known = find(product_id);
    if (known != NULL) remove_at((size_t)(known - cart.ptr));
    shopping_cart_string_free(product_id);
}

void exports_{{namespace_snake}}_{{package_snake}}_api_update_item_quantity(shopping_cart_string_t *product_id,
                                                                     uint32_t quantity) {
    item_t *known = find(product_id);
    if (known != NULL && quantity == 0) remove_at((size_t)(known - cart.ptr));
    else if (known != NULL) known->quantity = quantity;
    shopping_cart_string_free(product_id);
}

// The bindings free the result after the call, so the result is a copy.
void exports_{{namespace_snake}}_{{package_snake}}_api_get_cart_contents(items_t *ret) {
    ret->len = cart.len;
    ret->ptr = cart.len == 0 ? NULL : malloc(cart.len * sizeof(item_t));
    if (cart.len > 0 && ret->ptr == NULL) abort();
    for (size_t i = 0; i < cart.len; i++) {
        ret->ptr[i] = cart.ptr[i];
        copy(&ret->ptr[i].product_id, &cart.ptr[i].product_id);
        copy(&ret->ptr[i].name, &cart.ptr[i].name);
    }
}

bool exports_{{namespace_snake}}_{{package_snake}}_api_request_checkout(uint64_t *ret, shopping_cart_string_t *err) {
    if (cart.len == 0) {
        shopping_cart_string_dup(err, "the cart is empty");
        return false;
    }
    if (!requested) {
        payment = golem_promise_create();
        requested = true;
    }
    *ret = payment.oplog_idx;
    return true;
}

void exports_{{namespace_snake}}_{{package_snake}}_api_checkout(checkout_result_t *ret) {
    uint64_t index;
    if (!exports_{{namespace_snake}}_{{package_snake}}_api_request_checkout(&index, &ret->val.error)) {
        ret->tag = CHECKOUT_ERROR;
        return;
    }
    char *answer = golem_promise_await(&payment, NULL);
    requested = false;
    char text[256];
    if (strcmp(answer, "approved") != 0) {
        snprintf(text, sizeof text, "declined: %s", answer);
        ret->tag = CHECKOUT_ERROR;
        shopping_cart_string_dup(&ret->val.error, text);
    } else {
        golem_bucket_t orders;
        int64_t sum;
        if (!golem_bucket_open("orders", &orders) || !golem_bucket_increment(orders, "placed", 1, &sum)) abort();
        golem_bucket_close(orders);
        empty();
        snprintf(text, sizeof text, "order-%" PRIu64, index);
        ret->tag = CHECKOUT_SUCCESS;
        shopping_cart_string_dup(&ret->val.success.order_id, text);
    }
    free(answer);
}

uint64_t exports_{{namespace_snake}}_{{package_snake}}_api_orders_placed(void) {
    golem_bucket_t orders;
    if (!golem_bucket_open("orders", &orders)) abort();
    char *text = golem_bucket_get(orders, "placed", NULL);
    uint64_t placed = text == NULL ? 0 : strtoull(text, NULL, 10);
    free(text);
    golem_bucket_close(orders);
    return placed;
}
