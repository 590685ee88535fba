//! Generated rows survive encoding and decoding. Decoding arbitrary bytes does not panic.

use super::*;
use crate::limits::VALUE_DEPTH_MAX;
use crate::oplog::{AdminRequest, FileConflicts, LifecycleEvent, SavedState, SnapshotImage, UpdateMode};
use crate::oplog::{CallEvent, ProcessEvent, ReplyTo};
use proptest::collection::vec;
use proptest::prelude::*;

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i8>().prop_map(Value::S8),
        any::<u8>().prop_map(Value::U8),
        any::<i16>().prop_map(Value::S16),
        any::<u16>().prop_map(Value::U16),
        any::<i32>().prop_map(Value::S32),
        any::<u32>().prop_map(Value::U32),
        any::<i64>().prop_map(Value::S64),
        any::<u64>().prop_map(Value::U64),
        // No NaN, because it is not equal to itself. The fixtures contain one.
        any::<i32>().prop_map(|v| Value::F32(f32::from_bits(v.cast_unsigned() & 0x7F00_FFFF))),
        any::<i32>().prop_map(|v| Value::F64(f64::from(v) / 7.0)),
        any::<char>().prop_map(Value::Char),
        any::<String>().prop_map(Value::String),
        vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        any::<u32>().prop_map(Value::Enum),
        vec(any::<u32>(), 0..5).prop_map(Value::Flags),
    ];
    leaf.prop_recursive(6, 40, 5, |inner| {
        let boxed = || proptest::option::of(inner.clone().prop_map(Box::new));
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::List),
            vec(inner.clone(), 0..5).prop_map(Value::Tuple),
            vec(inner.clone(), 0..5).prop_map(Value::Record),
            boxed().prop_map(Value::Option),
            (any::<bool>(), boxed()).prop_map(|(ok, v)| Value::Result(if ok { Ok(v) } else { Err(v) })),
            (any::<u32>(), boxed()).prop_map(|(case, v)| Value::Variant(case, v)),
        ]
    })
}

fn time() -> impl Strategy<Value = Timestamp> {
    any::<u64>().prop_map(Timestamp::from_nanos)
}

fn index() -> impl Strategy<Value = OplogIndex> {
    any::<u64>().prop_map(OplogIndex)
}

fn worker() -> impl Strategy<Value = WorkerId> {
    (any::<u128>(), "[a-zA-Z0-9_ü][a-zA-Z0-9_-]{0,30}").prop_map(|(template, name)| WorkerId {
        template: TemplateId(Uuid::from_u128(template)),
        name: WorkerName::new(name).expect("the pattern makes names"),
    })
}

fn key() -> impl Strategy<Value = IdempotencyKey> {
    prop_oneof![
        any::<u128>().prop_map(IdempotencyKey::anonymous),
        "[!-~]{1,60}".prop_map(|key| IdempotencyKey::new(key).expect("the pattern makes keys")),
    ]
}

fn function() -> impl Strategy<Value = Arc<str>> {
    any::<String>().prop_map(Arc::from)
}

fn call() -> impl Strategy<Value = HostCall> {
    let functions: Vec<_> = (0..=u16::MAX).filter_map(|code| HostFunction::from_code(code).ok()).collect();
    let request = prop_oneof![
        vec(any::<u8>(), 0..300).prop_map(HostCallRequest::Inline),
        (any::<u64>(), any::<[u8; 32]>()).prop_map(|(length, hash)| HostCallRequest::Digest { length, hash }),
    ];
    (proptest::sample::select(functions), request)
        .prop_map(|(function, request)| HostCall { function, request })
}

fn program() -> impl Strategy<Value = (Arc<str>, Convention, String)> {
    let convention = prop_oneof![Just(Convention::Stdio), Just(Convention::StdioEventLoop)];
    (function(), convention, any::<String>())
}

fn entry_strategy() -> impl Strategy<Value = Entry> {
    let source = prop_oneof![
        (function(), vec(value(), 0..4))
            .prop_map(|(function, params)| InvocationSource::Inline { function, params }),
        program().prop_map(|(function, convention, input)| InvocationSource::Program {
            function,
            convention,
            input
        }),
        any::<u64>().prop_map(|row| InvocationSource::Queued { row }),
    ];
    let cause = prop_oneof![
        any::<String>().prop_map(|details| FailureCause::Trap { details }),
        any::<u8>().prop_map(|code| FailureCause::Exited { code }),
        (any::<u8>(), any::<String>())
            .prop_map(|(code, stderr)| FailureCause::ExitedWithStderr { code, stderr }),
        (index(), any::<String>(), any::<String>()).prop_map(|(index, recorded, requested)| {
            FailureCause::Diverged { index, recorded, requested }
        }),
        any::<u32>().prop_map(|times| FailureCause::ProcessEnded { times }),
        any::<String>().prop_map(|details| FailureCause::Discarded { details }),
    ];
    let created = (
        (time(), worker(), any::<u128>(), any::<u128>()),
        (any::<u32>(), vec(any::<String>(), 0..4), vec(any::<(String, String)>(), 0..4), any::<[u8; 32]>()),
    )
        .prop_map(|((at, id, project, account), (template_version, args, env, seed))| Entry::Created {
            at,
            id,
            project: ProjectId(Uuid::from_u128(project)),
            account: AccountId(Uuid::from_u128(account)),
            template_version,
            args,
            env,
            seed,
        });
    let promise = (worker(), index()).prop_map(|(worker, index)| PromiseId { worker, index });
    let parked = (time(), any::<u64>(), proptest::option::of(time()), vec(promise, 0..4)).prop_map(
        |(at, monotonic_nanos, wake_at, promises)| {
            Entry::Suspended(Suspension { at, monotonic_nanos, wake_at, promises })
        },
    );
    prop_oneof![
        created,
        (time(), any::<String>()).prop_map(|(at, engine)| Entry::Activated { at, engine }),
        (time(), key(), source).prop_map(|(at, key, source)| Entry::InvocationStarted { at, key, source }),
        (call(), vec(any::<u8>(), 0..300)).prop_map(|(call, response)| Entry::HostCall { call, response }),
        (time(), proptest::option::of(value()))
            .prop_map(|(at, result)| Entry::InvocationCompleted { at, result }),
        (time(), any::<String>(), time()).prop_map(|(at, details, retry_at)| Entry::AttemptFailed {
            at,
            details,
            retry_at
        }),
        (time(), cause).prop_map(|(at, cause)| Entry::InvocationFailed { at, cause }),
        parked,
        (time(), options()).prop_map(|(at, options)| Entry::Configured { at, options }),
        (time(), index(), reason()).prop_map(|(at, from, reason)| Entry::Revert { at, from, reason }),
        time().prop_map(|at| Entry::ProgramEnded { at }),
        lifecycle_event().prop_map(Entry::LifecycleEvent),
    ]
}

fn mode() -> impl Strategy<Value = UpdateMode> {
    prop_oneof![Just(UpdateMode::Automatic), Just(UpdateMode::Manual)]
}

fn lifecycle_event() -> impl Strategy<Value = LifecycleEvent> {
    let image = prop_oneof![
        vec(any::<u8>(), 0..300).prop_map(SnapshotImage::Inline),
        (any::<[u8; 32]>(), any::<u64>()).prop_map(|(hash, length)| SnapshotImage::Blob { hash, length }),
    ];
    let state = (any::<u32>(), any::<String>(), any::<u64>(), any::<u64>(), image).prop_map(
        |(version, engine, invocations, monotonic_nanos, image)| SavedState {
            version,
            engine,
            invocations,
            monotonic_nanos,
            image,
        },
    );
    let files =
        (any::<u64>(), vec(any::<String>(), 0..3)).prop_map(|(total, paths)| FileConflicts { total, paths });
    let files = proptest::option::of(files);
    let updated = (time(), any::<[u32; 2]>(), proptest::option::of(state.clone()), files)
        .prop_map(|(at, [from, to], state, files)| LifecycleEvent::Updated { at, from, to, state, files });
    let refused = (time(), any::<[u32; 2]>(), mode(), proptest::option::of(index()), any::<String>());
    prop_oneof![
        (time(), state).prop_map(|(at, state)| LifecycleEvent::Snapshot { at, state }),
        (time(), any::<String>()).prop_map(|(at, details)| LifecycleEvent::SnapshotRefused { at, details }),
        updated,
        refused.prop_map(|(at, [from, to], mode, index, details)| LifecycleEvent::UpdateRefused {
            at,
            from,
            to,
            mode,
            index,
            details
        }),
    ]
}

fn options() -> impl Strategy<Value = FailureOptions> {
    let policy =
        (1..=u32::MAX, any::<u64>(), any::<u64>(), 1.0..1e9_f64).prop_map(|(attempts, a, b, multiplier)| {
            RetryPolicy::new(attempts, a.min(b), a.max(b), multiplier).expect("in range")
        });
    let on_failure = proptest::sample::select(vec![OnFailure::Fail, OnFailure::Rollback]);
    (proptest::option::of(policy), proptest::option::of(on_failure))
        .prop_map(|(retry_policy, on_failure)| FailureOptions { retry_policy, on_failure })
}

fn reason() -> impl Strategy<Value = RevertReason> {
    proptest::sample::select(vec![
        RevertReason::RegionRetry,
        RevertReason::Jump,
        RevertReason::OperatorRecovery,
        RevertReason::FailureRollback,
        RevertReason::OperatorRevert,
    ])
}

fn inbox_event_strategy() -> impl Strategy<Value = InboxEvent> {
    prop_oneof![
        (time(), key(), function(), vec(value(), 0..4))
            .prop_map(|(at, key, function, params)| InboxEvent::Invocation { at, key, function, params }),
        (time(), key(), program()).prop_map(|(at, key, (function, convention, input))| InboxEvent::Program {
            at,
            key,
            function,
            convention,
            input
        }),
        (time(), index(), vec(any::<u8>(), 0..300))
            .prop_map(|(at, promise, data)| InboxEvent::PromiseCompleted { at, promise, data }),
        (time(), index()).prop_map(|(at, promise)| InboxEvent::PromiseDeleted { at, promise }),
        time().prop_map(|at| InboxEvent::Interrupted { at }),
        time().prop_map(|at| InboxEvent::Resumed { at }),
        time().prop_map(|at| InboxEvent::Deleted { at }),
        call_event_strategy().prop_map(InboxEvent::Call),
        (time(), time(), 0..3_u8).prop_map(|(at, resume_at, kind)| InboxEvent::Process(match kind {
            0 => ProcessEvent::Continued { at },
            1 => ProcessEvent::Stopped { at },
            _ => ProcessEvent::Ended { at, resume_at },
        })),
        (time(), key())
            .prop_map(|(at, key)| InboxEvent::Admin(AdminRequest::InvocationCancelled { at, key })),
        (time(), mode(), any::<u32>())
            .prop_map(|(at, mode, to)| InboxEvent::Admin(AdminRequest::UpdateRequested { at, mode, to })),
        time().prop_map(|at| InboxEvent::Admin(AdminRequest::UpdateWithdrawn { at })),
    ]
}

fn call_event_strategy() -> impl Strategy<Value = CallEvent> {
    let reply = (any::<u64>(), index()).prop_map(|(worker, call)| ReplyTo { worker, call });
    let queued = (
        (time(), key(), function(), vec(value(), 0..4)),
        (worker(), proptest::option::of(reply), proptest::option::of(time())),
    );
    prop_oneof![
        queued.prop_map(|((at, key, function, params), (caller, reply, not_before))| CallEvent::Queued {
            at,
            key,
            function,
            params,
            caller,
            reply,
            not_before,
        }),
        (time(), any::<u64>()).prop_map(|(at, call_row)| CallEvent::DelayElapsed { at, call_row }),
        (time(), any::<u64>()).prop_map(|(at, call_row)| CallEvent::Cancelled { at, call_row }),
        (time(), index(), any::<u64>(), vec(any::<u8>(), 0..40))
            .prop_map(|(at, call, call_row, answer)| { CallEvent::Answered { at, call, call_row, answer } }),
    ]
}

fn row() -> impl Strategy<Value = Row> {
    prop_oneof![
        (index(), vec(entry_strategy(), 1..5)).prop_map(|(first, entries)| Row::Entries { first, entries }),
        inbox_event_strategy().prop_map(Row::InboxEvent),
    ]
}

/// A damage to bytes: the position, the new byte there, and where the bytes are truncated.
fn damage() -> impl Strategy<Value = (prop::sample::Index, u8, Option<prop::sample::Index>)> {
    (any::<prop::sample::Index>(), any::<u8>(), proptest::option::of(any::<prop::sample::Index>()))
}

proptest! {
    #[test]
    fn rows_survive_encoding_and_decoding(row in row()) {
        let bytes = encode_row(&row);
        let read = decode_row(&bytes).expect("just written");
        prop_assert_eq!(&read, &row);
        prop_assert_eq!(encode_row(&read), bytes);
    }

    #[test]
    fn the_checksum_detects_damage(row in row(), at in any::<prop::sample::Index>(), flip in 1..=u8::MAX) {
        let mut bytes = encode_row(&row);
        *at.get_mut(&mut bytes) ^= flip;
        prop_assert_eq!(decode_row(&bytes), Err(DecodeError::Checksum));
    }

    /// The checksum is computed again after the damage, so that the decoder reads the damaged body.
    #[test]
    fn damaged_rows_do_not_panic(row in row(), damages in vec(damage(), 1..4)) {
        let mut bytes = encode_row(&row);
        bytes.truncate(bytes.len() - 4);
        for (at, byte, end) in damages {
            *at.get_mut(&mut bytes) = byte;
            if let Some(end) = end {
                bytes.truncate(end.index(bytes.len()).max(1));
            }
        }
        if let Ok(read) = decode_row(&append_checksum(bytes)) {
            // A row that can be decoded can be encoded and decoded again.
            prop_assert!(decode_row(&encode_row(&read)).is_ok());
        }
    }

    #[test]
    fn random_bytes_do_not_panic(kind in 0..4_u8, tag in 0..96_u8, noise in vec(any::<u8>(), 0..400)) {
        drop(decode_row(&noise));
        let mut bytes = vec![FORMAT_VERSION, kind, 1, 1, tag];
        bytes.extend_from_slice(&noise);
        drop(decode_row(&append_checksum(bytes)));
        drop(values::decode(&mut Reader::new(&noise)));
    }
}

#[test]
fn a_value_that_nests_too_deeply_is_rejected() {
    let mut input = vec![17; VALUE_DEPTH_MAX * 100];
    input.push(16);
    assert_eq!(values::decode(&mut Reader::new(&input)), Err(DecodeError::TooDeep));
}

#[test]
fn a_count_beyond_the_bytes_is_rejected_before_memory_is_reserved() {
    let mut bytes = vec![FORMAT_VERSION, ROW_ENTRIES];
    put_varint(&mut bytes, 1);
    put_varint(&mut bytes, u64::MAX);
    assert_eq!(decode_row(&append_checksum(bytes)), Err(DecodeError::Truncated));
}
