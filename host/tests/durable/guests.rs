//! The guests of this suite.

use crate::guest::{NEWEST, World};
use std::sync::OnceLock;

/// A component of a world's items and a core module. Both write `@WASI` for the release of WASI.
pub(crate) fn component(world: &str, core: &str) -> Vec<u8> {
    World::new(NEWEST, &format!("world guest {{\n{world}\n}}\n"))
        .component(&core.replace("@WASI", &format!("@{NEWEST}")))
}

/// A guest that counts, reads clocks, sleeps, waits for promises, prints and fails.
pub(crate) fn toolbox() -> &'static [u8] {
    static TOOLBOX: OnceLock<Vec<u8>> = OnceLock::new();
    TOOLBOX.get_or_init(|| component(WORLD, CORE))
}

const WORLD: &str = "
    import wasi:cli/environment@WASI;
    import wasi:cli/exit@WASI;
    import wasi:cli/stderr@WASI;
    import wasi:cli/stdin@WASI;
    import wasi:cli/stdout@WASI;
    import wasi:clocks/monotonic-clock@WASI;
    import wasi:clocks/wall-clock@WASI;
    import wasi:io/poll@WASI;
    import wasi:io/streams@WASI;
    import wasi:random/random@WASI;
    import golem:api/host@0.2.0;
    import golem:durability/keys@1.0.0;
    import golem:durability/position@1.0.0;
    import golem:durability/promises@1.0.0;
    import golem:durability/region@1.0.0;

    export counter: interface {
        increment: func() -> u64;
        get: func() -> u64;
    }
    export wall: func() -> u64;
    export monotonic: func() -> u64;
    export mix: func() -> u64;
    export readings: func(count: u32) -> u64;
    export read-and-spin: func();
    export sleep: func(nanos: u64) -> u64;
    export sleep-then-now: func(nanos: u64) -> u64;
    export create-promise: func() -> u64;
    export await-promise: func() -> list<u8>;
    export complete-promise: func(data: list<u8>) -> bool;
    export delete-promise: func();
    export get-promise: func() -> option<list<u8>>;
    export race: func(nanos: u64) -> list<u32>;
    export self-uri: func(function: string) -> string;
    export next-key: func() -> string;
    export position: func() -> u64;
    export begin: func() -> u64;
    export end: func(region: u64);
    export repeat: func(nanos: u64) -> u64;
    export jump: func(position: u64);
    export once-more: func() -> u64;
    export print: func(text: string);
    export print-and-spin: func(text: string);
    export complain: func(text: string);
    export read-input: func() -> u32;
    export spin: func();
    export overflow: func(depth: u64) -> u64;
    export leave: func(code: bool);
    export grow: func(pages: u32) -> s32;
    export echo: func(bytes: list<u8>) -> list<u8>;
    export env: func() -> u32;
";

const CORE: &str = r#"
(module
  (import "wasi:cli/environment@WASI" "get-environment" (func $environment (param i32)))
  (import "wasi:cli/exit@WASI" "exit" (func $exit (param i32)))
  (import "wasi:cli/stdout@WASI" "get-stdout" (func $stdout (result i32)))
  (import "wasi:cli/stderr@WASI" "get-stderr" (func $stderr (result i32)))
  (import "wasi:cli/stdin@WASI" "get-stdin" (func $stdin (result i32)))
  (import "wasi:clocks/monotonic-clock@WASI" "now" (func $now (result i64)))
  (import "wasi:clocks/monotonic-clock@WASI" "subscribe-duration" (func $timer (param i64) (result i32)))
  (import "wasi:clocks/wall-clock@WASI" "now" (func $wall (param i32)))
  (import "wasi:io/poll@WASI" "poll" (func $poll (param i32 i32 i32)))
  (import "wasi:io/poll@WASI" "[method]pollable.block" (func $block (param i32)))
  (import "wasi:io/poll@WASI" "[resource-drop]pollable" (func $drop_pollable (param i32)))
  (import "wasi:io/streams@WASI" "[method]output-stream.blocking-write-and-flush"
    (func $write (param i32 i32 i32 i32)))
  (import "wasi:io/streams@WASI" "[resource-drop]output-stream" (func $drop_output (param i32)))
  (import "wasi:io/streams@WASI" "[method]input-stream.blocking-read" (func $read (param i32 i64 i32)))
  (import "wasi:random/random@WASI" "get-random-u64" (func $random (result i64)))
  (import "golem:api/host@0.2.0" "golem-create-promise" (func $create (param i32)))
  (import "golem:api/host@0.2.0" "golem-await-promise" (func $await (param i64 i64 i32 i32 i64 i32)))
  (import "golem:api/host@0.2.0" "golem-complete-promise"
    (func $complete (param i64 i64 i32 i32 i64 i32 i32) (result i32)))
  (import "golem:api/host@0.2.0" "golem-delete-promise" (func $delete (param i64 i64 i32 i32 i64)))
  (import "golem:api/host@0.2.0" "get-self-uri" (func $uri (param i32 i32 i32)))
  (import "golem:durability/keys@1.0.0" "next" (func $key (param i32)))
  (import "golem:durability/position@1.0.0" "get" (func $position (result i64)))
  (import "golem:durability/promises@1.0.0" "subscribe" (func $subscribe (param i64 i64 i32 i32 i64) (result i32)))
  (import "golem:durability/promises@1.0.0" "get" (func $get (param i64 i64 i32 i32 i64 i32)))
  (import "golem:durability/region@1.0.0" "begin" (func $begin (result i64)))
  (import "golem:durability/region@1.0.0" "end" (func $end (param i64)))
  (import "golem:durability/position@1.0.0" "jump" (func $jump (param i64)))

  (memory (export "memory") 1)
  ;; 0: the promise (uuid at 0 and 8, name at 16 and 20, index at 24). 64: results. 1024: the heap.
  (global $heap (mut i32) (i32.const 1024))
  (global $count (mut i64) (i64.const 0))
  (global $mixed (mut i64) (i64.const 0))

  (func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
    (local $start i32)
    (global.set $heap (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (local.set $start (global.get $heap))
    (global.set $heap (i32.add (global.get $heap) (local.get $size)))
    (block $enough
      (loop $more
        (br_if $enough (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
        (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
        (br $more)))
    (local.get $start))

  (func (export "counter#increment") (result i64)
    (global.set $count (i64.add (global.get $count) (i64.const 1)))
    (global.get $count))
  (func (export "counter#get") (result i64) (global.get $count))

  (func $wall_nanos (export "wall") (result i64)
    (call $wall (i32.const 64))
    (i64.add (i64.mul (i64.load (i32.const 64)) (i64.const 1000000000)) (i64.load32_u (i32.const 72))))
  (func (export "monotonic") (result i64) (call $now))
  (func (export "mix") (result i64)
    (global.set $mixed
      (i64.add (i64.mul (global.get $mixed) (i64.const 31))
        (i64.xor (call $random) (i64.xor (call $now) (call $wall_nanos)))))
    (global.get $mixed))
  ;; Reads the wall clock `count` times, and returns the last reading.
  (func (export "readings") (param $count i32) (result i64)
    (local $last i64)
    (block $enough
      (loop $again
        (br_if $enough (i32.eqz (local.get $count)))
        (local.set $last (call $wall_nanos))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $again)))
    (local.get $last))
  (func (export "read-and-spin") (drop (call $now)) (loop $again (br $again)))
  (func (export "sleep") (param $nanos i64) (result i64)
    (local $pollable i32)
    (local.set $pollable (call $timer (local.get $nanos)))
    (call $block (local.get $pollable))
    (call $drop_pollable (local.get $pollable))
    (global.set $count (i64.add (global.get $count) (i64.const 1)))
    (global.get $count))

  (func (export "sleep-then-now") (param $nanos i64) (result i64)
    (call $block (call $timer (local.get $nanos)))
    (call $now))

  (func (export "create-promise") (result i64)
    (call $create (i32.const 0))
    (i64.load (i32.const 24)))
  (func (export "await-promise") (result i32)
    (call $await (i64.load (i32.const 0)) (i64.load (i32.const 8)) (i32.load (i32.const 16)) (i32.load (i32.const 20))
      (i64.load (i32.const 24)) (i32.const 64))
    (i32.const 64))
  (func (export "complete-promise") (param $data i32) (param $length i32) (result i32)
    (call $complete (i64.load (i32.const 0)) (i64.load (i32.const 8)) (i32.load (i32.const 16))
      (i32.load (i32.const 20)) (i64.load (i32.const 24)) (local.get $data) (local.get $length)))
  (func (export "delete-promise")
    (call $delete (i64.load (i32.const 0)) (i64.load (i32.const 8)) (i32.load (i32.const 16))
      (i32.load (i32.const 20)) (i64.load (i32.const 24))))
  (func (export "get-promise") (result i32)
    (call $get (i64.load (i32.const 0)) (i64.load (i32.const 8)) (i32.load (i32.const 16)) (i32.load (i32.const 20))
      (i64.load (i32.const 24)) (i32.const 64))
    (i32.const 64))
  (func (export "race") (param $nanos i64) (result i32)
    (i32.store (i32.const 96) (call $timer (local.get $nanos)))
    (i32.store (i32.const 100)
      (call $subscribe (i64.load (i32.const 0)) (i64.load (i32.const 8)) (i32.load (i32.const 16))
        (i32.load (i32.const 20)) (i64.load (i32.const 24))))
    (call $poll (i32.const 96) (i32.const 2) (i32.const 64))
    (call $drop_pollable (i32.load (i32.const 96)))
    (call $drop_pollable (i32.load (i32.const 100)))
    (i32.const 64))

  (func (export "self-uri") (param $text i32) (param $length i32) (result i32)
    (call $uri (local.get $text) (local.get $length) (i32.const 64))
    (i32.const 64))
  (func (export "next-key") (result i32) (call $key (i32.const 64)) (i32.const 64))
  (func (export "position") (result i64) (call $position))
  (func (export "begin") (result i64) (call $begin))
  (func (export "end") (param $region i64) (call $end (local.get $region)))
  ;; In a region: creates a promise, sleeps, counts. Then sleeps again, and returns the count.
  (func (export "repeat") (param $nanos i64) (result i64)
    (local $region i64)
    (local.set $region (call $begin))
    (call $create (i32.const 0))
    (call $block (call $timer (local.get $nanos)))
    (global.set $count (i64.add (global.get $count) (i64.const 1)))
    (call $end (local.get $region))
    (call $block (call $timer (local.get $nanos)))
    (global.get $count))
  (func (export "jump") (param $position i64) (call $jump (local.get $position)))
  ;; Creates a promise, counts, and completes the promise. If it was the first to complete it, jumps to before it
  ;; counted.
  (func (export "once-more") (result i64)
    (local $position i64)
    (call $create (i32.const 0))
    (local.set $position (call $position))
    (global.set $count (i64.add (global.get $count) (i64.const 1)))
    (if (call $complete (i64.load (i32.const 0)) (i64.load (i32.const 8)) (i32.load (i32.const 16))
          (i32.load (i32.const 20)) (i64.load (i32.const 24)) (i32.const 0) (i32.const 0))
      (then (call $jump (local.get $position))))
    (global.get $count))

  (func $print_to (param $stream i32) (param $text i32) (param $length i32)
    (call $write (local.get $stream) (local.get $text) (local.get $length) (i32.const 64))
    (call $drop_output (local.get $stream)))
  (func (export "print") (param $text i32) (param $length i32)
    (call $print_to (call $stdout) (local.get $text) (local.get $length)))
  (func (export "print-and-spin") (param $text i32) (param $length i32)
    (call $print_to (call $stdout) (local.get $text) (local.get $length))
    (loop $again (br $again)))
  (func $give_up unreachable)
  (func $complain_aloud (param $text i32) (param $length i32)
    (call $print_to (call $stderr) (local.get $text) (local.get $length))
    (call $give_up))
  (func (export "complain") (param $text i32) (param $length i32)
    (call $complain_aloud (local.get $text) (local.get $length)))
  ;; The case of the stream error: 0 last operation failed, 1 closed; 2 if there was none.
  (func (export "read-input") (result i32)
    (call $read (call $stdin) (i64.const 10) (i32.const 64))
    (if (result i32) (i32.load8_u (i32.const 64)) (then (i32.load8_u (i32.const 68))) (else (i32.const 2))))
  (func (export "spin") (loop $again (br $again)))
  (func $overflow (export "overflow") (param $depth i64) (result i64)
    (i64.add (i64.const 1) (call $overflow (i64.add (local.get $depth) (i64.const 1)))))
  (func (export "leave") (param $failed i32) (call $exit (local.get $failed)))
  (func (export "grow") (param $pages i32) (result i32) (memory.grow (local.get $pages)))
  (func (export "echo") (param $bytes i32) (param $length i32) (result i32)
    (i32.store (i32.const 64) (local.get $bytes))
    (i32.store (i32.const 68) (local.get $length))
    (i32.const 64))
  (func (export "env") (result i32) (call $environment (i32.const 64)) (i32.load (i32.const 68)))
)
"#;
