//! A function returns from an atomic region with an error, and the worker continues.

const std = @import("std");
const golem = @import("golem");
const c = golem.c;

extern fn usleep(microseconds: c_uint) c_int;

fn fails(answers: bool) error{NoAnswer}!void {
    if (!answers) return error.NoAnswer;
}

fn bucket() golem.Bucket {
    return golem.Bucket.open("regions") catch @panic("no bucket");
}

fn increment(key: []const u8) void {
    const opened = bucket();
    defer opened.close();
    _ = opened.increment(key, 1) catch @panic("not incremented");
}

export fn exports_acme_regions_api_caught(key: *golem.String, pause_ms: u32, ret: *golem.String) void {
    defer c.regions_string_free(key);
    var text: []const u8 = "";
    golem.atomically(fails, .{false}) catch |problem| switch (problem) {
        error.NoAnswer => text = "the service did not answer",
    };
    // Outside of any region: each of these happens once, whatever crashes.
    increment(golem.slice(key.*));
    _ = usleep(pause_ms * 1000);
    increment(golem.slice(key.*));
    ret.* = golem.owned(text);
}

export fn exports_acme_regions_api_count(key: *golem.String) u64 {
    defer c.regions_string_free(key);
    const opened = bucket();
    defer opened.close();
    const text = (opened.get(golem.slice(key.*)) catch @panic("no bucket")) orelse return 0;
    defer golem.allocator.free(text);
    return std.fmt.parseInt(u64, text, 10) catch @panic("not a number");
}
