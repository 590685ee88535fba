//! Each worker is the shopping cart of one customer. The values of these variables survive crashes.

const std = @import("std");
const golem = @import("golem");
const c = golem.c;

const Item = c.exports_{{namespace_snake}}_{{package_snake}}_api_product_item_t;
const Items = c.exports_{{namespace_snake}}_{{package_snake}}_api_list_product_item_t;
const CheckoutResult = c.exports_{{namespace_snake}}_{{package_snake}}_api_checkout_result_t;
const checkout_error = 0;
const checkout_success = 1;

var cart: std.ArrayList(Item) = .empty;
var payment: ?golem.Promise = null;

fn find(product_id: golem.String) ?usize {
    for (cart.items, 0..) |item, at| {
        if (std.mem.eql(u8, golem.slice(item.product_id), golem.slice(product_id))) return at;
    }
    return null;
}

fn removeAt(at: usize) void {
    var item = cart.orderedRemove(at);
    c.exports_{{namespace_snake}}_{{package_snake}}_api_product_item_free(&item);
}

fn empty() void {
    while (cart.items.len > 0) removeAt(cart.items.len - 1);
}

export fn exports_{{namespace_snake}}_{{package_snake}}_api_initialize_cart(user_id: *golem.String) void {
    empty();
    payment = null;
    std.debug.print("a cart for {s}\n", .{golem.slice(user_id.*)});
    c.shopping_cart_string_free(user_id);
}

/// The callee owns the item: it frees the parts that it does not keep.
export fn exports_{{namespace_snake}}_{{package_snake}}_api_add_item(item: *Item) void {
    if (find(item.product_id)) |known| {
        cart.items[known].quantity += item.quantity;
        c.exports_{{namespace_snake}}_{{package_snake}}_api_product_item_free(item);
    } else {
        cart.append(golem.allocator, item.*) catch @panic("out of memory");
    }
}

export fn exports_{{namespace_snake}}_{{package_snake}}_api_remove_item(product_id: *golem.String) void {
    if (find(product_id.*)) |known| removeAt(known);
    c.shopping_cart_string_free(product_id);
}

export fn exports_{{namespace_snake}}_{{package_snake}}_api_update_item_quantity(
    product_id: *golem.String,
    quantity: u32,
) void {
    if (find(product_id.*)) |known| {
        if (quantity == 0) removeAt(known) else cart.items[known].quantity = quantity;
    }
    c.shopping_cart_string_free(product_id);
}

/// The bindings free the result after the call, so the result is a copy.
export fn exports_{{namespace_snake}}_{{package_snake}}_api_get_cart_contents(ret: *Items) void {
    if (cart.items.len == 0) {
        ret.* = .{ .ptr = null, .len = 0 };
        return;
    }
    const items = golem.allocator.alloc(Item, cart.items.len) catch @panic("out of memory");
    for (cart.items, items) |item, *copy| {
        copy.* = item;
        copy.product_id = golem.owned(golem.slice(item.product_id));
        copy.name = golem.owned(golem.slice(item.name));
    }
    ret.* = .{ .ptr = items.ptr, .len = items.len };
}

export fn exports_{{namespace_snake}}_{{package_snake}}_api_request_checkout(ret: *u64, err: *golem.String) bool {
    if (cart.items.len == 0) {
        err.* = golem.owned("the cart is empty");
        return false;
    }
    if (payment == null) payment = golem.Promise.create();
    ret.* = payment.?.id.oplog_idx;
    return true;
}

export fn exports_{{namespace_snake}}_{{package_snake}}_api_checkout(ret: *CheckoutResult) void {
    var index: u64 = 0;
    ret.tag = checkout_error;
    if (!exports_{{namespace_snake}}_{{package_snake}}_api_request_checkout(&index, &ret.val.@"error")) return;
    const answer = payment.?.wait();
    defer golem.allocator.free(answer);
    payment = null;
    if (!std.mem.eql(u8, answer, "approved")) {
        ret.val.@"error" = format("declined: {s}", .{answer});
        return;
    }
    const orders = golem.Bucket.open("orders") catch @panic("no bucket");
    defer orders.close();
    _ = orders.increment("placed", 1) catch @panic("no number");
    empty();
    ret.tag = checkout_success;
    ret.val.success = .{ .order_id = format("order-{d}", .{index}) };
}

export fn exports_{{namespace_snake}}_{{package_snake}}_api_orders_placed() u64 {
    const orders = golem.Bucket.open("orders") catch @panic("no bucket");
    defer orders.close();
    const text = (orders.get("placed") catch @panic("no number")) orelse return 0;
    defer golem.allocator.free(text);
    return std.fmt.parseInt(u64, text, 10) catch @panic("no number");
}

fn format(comptime pattern: []const u8, args: anytype) golem.String {
    const text = std.fmt.allocPrint(golem.allocator, pattern, args) catch @panic("out of memory");
    return .{ .ptr = text.ptr, .len = text.len };
}
