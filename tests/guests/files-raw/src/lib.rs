//! Makes calls of `wasi:filesystem` that the standard library never makes. Each function returns the results of its
//! calls as text.

#[golem::worker]
mod files_raw {
    use std::fmt::Debug;
    use wasip2::clocks::wall_clock::Datetime;
    use wasip2::filesystem::preopens::get_directories;
    use wasip2::filesystem::types::{
        Advice, Descriptor, DescriptorFlags, ErrorCode, NewTimestamp, OpenFlags, PathFlags,
        filesystem_error_code,
    };
    use wasip2::io::streams::{InputStream, OutputStream, StreamError};

    fn root() -> Descriptor {
        get_directories().remove(0).0
    }

    fn open(path: &str, flags: DescriptorFlags) -> Descriptor {
        root()
            .open_at(PathFlags::empty(), path, OpenFlags::CREATE, flags)
            .unwrap_or_else(|error| panic!("{path}: {error:?}"))
    }

    fn result_text(answer: Result<impl Debug, ErrorCode>) -> String {
        answer.map_or_else(|code| code.name().to_owned(), |answer| format!("{answer:?}"))
    }

    fn stream_result_text<T: Debug>(answer: Result<T, StreamError>) -> String {
        match answer {
            Ok(answer) => result_text(Ok(answer)),
            Err(StreamError::Closed) => "closed".to_owned(),
            Err(StreamError::LastOperationFailed(error)) => {
                let code = filesystem_error_code(&error).map(|code| code.name());
                format!("{code:?}: {}", error.to_debug_string())
            }
        }
    }

    /// The preopened directories with their types and flags.
    pub fn preopened() -> Vec<String> {
        get_directories()
            .iter()
            .map(|(directory, name)| {
                format!("{name}: {:?} {:?}", directory.get_type(), directory.get_flags())
            })
            .collect()
    }

    /// Reads and writes through descriptors without permission, and through a directory.
    pub fn allowed() -> Vec<String> {
        open("file", DescriptorFlags::WRITE);
        let reader = root().open_at(PathFlags::empty(), "file", OpenFlags::empty(), DescriptorFlags::READ);
        let writer = root().open_at(PathFlags::empty(), "file", OpenFlags::empty(), DescriptorFlags::WRITE);
        let (reader, writer, directory) = (reader.unwrap(), writer.unwrap(), root());
        vec![
            result_text(reader.get_flags()),
            result_text(reader.write(b"x", 0)),
            result_text(reader.set_size(1)),
            stream_result_text(reader.write_via_stream(0).unwrap().blocking_write_and_flush(b"x")),
            result_text(writer.get_flags()),
            result_text(writer.read(1, 0)),
            stream_result_text(writer.read_via_stream(0).unwrap().read(1)),
            result_text(writer.stat_at(PathFlags::empty(), "x").map(|_| ())),
            result_text(directory.read(1, 0)),
            result_text(directory.write(b"x", 0)),
            result_text(directory.set_size(0)),
            result_text(directory.read_via_stream(0).map(|_| ())),
            result_text(directory.append_via_stream().map(|_| ())),
            result_text(directory.advise(0, 0, Advice::Normal)),
            result_text(
                directory
                    .open_at(PathFlags::empty(), "file", OpenFlags::DIRECTORY, DescriptorFlags::READ)
                    .map(|_| ()),
            ),
            result_text(
                directory
                    .open_at(PathFlags::empty(), ".", OpenFlags::empty(), DescriptorFlags::WRITE)
                    .map(|_| ()),
            ),
            result_text(writer.advise(0, 0, Advice::WillNeed)),
            result_text(writer.sync_data().and(writer.sync()).and(directory.sync())),
        ]
    }

    /// Streams at positions of a file: two at the same time, one at the end, and one spliced into another.
    pub fn streams() -> Vec<String> {
        let file = open("file", DescriptorFlags::READ | DescriptorFlags::WRITE);
        let (writer, appender): (OutputStream, OutputStream) =
            (file.write_via_stream(0).unwrap(), file.append_via_stream().unwrap());
        let mut lines = vec![
            result_text(Ok(writer.check_write().is_ok_and(|bytes| bytes >= 4_096))),
            stream_result_text(writer.write(b"0123456789")),
            stream_result_text(appender.write(b"end")),
            stream_result_text(writer.blocking_write_zeroes_and_flush(1)),
            stream_result_text(writer.flush()),
            stream_result_text(writer.blocking_flush()),
        ];
        writer.subscribe().block();
        drop(appender);
        let (first, second): (InputStream, InputStream) =
            (file.read_via_stream(0).unwrap(), file.read_via_stream(8).unwrap());
        // A stream stays valid after its descriptor is dropped.
        drop(file);
        lines.extend([
            result_text(Ok(first.subscribe().ready())),
            stream_result_text(first.read(0)),
            stream_result_text(first.skip(2)),
            stream_result_text(first.blocking_read(3)),
            stream_result_text(second.read(100)),
            stream_result_text(second.read(100)),
            stream_result_text(second.blocking_skip(1)),
            stream_result_text(
                open("copy", DescriptorFlags::WRITE).write_via_stream(1).unwrap().splice(&first, 100),
            ),
        ]);
        lines.push(result_text(open("copy", DescriptorFlags::READ).read(100, 0)));
        lines
    }

    /// Compares descriptors of the same file and of different files.
    pub fn identity() -> Vec<String> {
        let (one, same, other) = (
            open("one", DescriptorFlags::READ),
            open("one", DescriptorFlags::READ),
            open("other", DescriptorFlags::READ),
        );
        let hash = |descriptor: &Descriptor| descriptor.metadata_hash().map(|hash| (hash.lower, hash.upper));
        let at =
            |path| root().metadata_hash_at(PathFlags::empty(), path).map(|hash| (hash.lower, hash.upper));
        let before = hash(&one).ok();
        open("one", DescriptorFlags::WRITE).write(b"more", 0).unwrap();
        vec![
            result_text(Ok(one.is_same_object(&same))),
            result_text(Ok(one.is_same_object(&other))),
            result_text(Ok(hash(&one).ok() == before && at("one").ok() == before)),
            result_text(Ok(hash(&other).ok() == before)),
            result_text(at("nothing")),
        ]
    }

    /// Sets and reads times, also of a link itself, and creates a hard link to a symbolic link.
    pub fn links_and_times() -> Vec<String> {
        let (root, follow) = (root(), PathFlags::SYMLINK_FOLLOW);
        let at = |seconds| NewTimestamp::Timestamp(Datetime { seconds, nanoseconds: 5 });
        let modified = |flags, path: &str| {
            let stat = root.stat_at(flags, path).unwrap();
            stat.data_modification_timestamp.map(|time| (time.seconds, time.nanoseconds))
        };
        open("timed", DescriptorFlags::WRITE);
        root.symlink_at("timed", "link").unwrap();
        vec![
            result_text(root.set_times_at(follow, "link", NewTimestamp::NoChange, at(7))),
            result_text(root.set_times_at(PathFlags::empty(), "link", NewTimestamp::Now, at(8))),
            result_text(Ok(modified(follow, "link"))),
            result_text(Ok(modified(PathFlags::empty(), "link"))),
            result_text(root.set_times_at(follow, "link", at(u64::MAX), NewTimestamp::NoChange)),
            result_text(root.link_at(follow, "link", &root, "new")),
            result_text(root.link_at(PathFlags::empty(), "link", &root, "new")),
            result_text(root.readlink_at("new")),
            result_text(root.symlink_at("/absolute", "refused")),
            result_text(
                root.open_at(follow, "../outside", OpenFlags::CREATE, DescriptorFlags::WRITE).map(|_| ()),
            ),
            result_text(root.stat().map(|stat| (stat.type_, stat.link_count))),
        ]
    }

    /// Requests more space than the limit.
    pub fn full() -> Vec<String> {
        let file = open("huge", DescriptorFlags::WRITE);
        vec![
            result_text(file.set_size(1 << 40)),
            result_text(file.write(b"x", 1 << 40)),
            stream_result_text(file.write_via_stream(1 << 40).unwrap().blocking_write_and_flush(b"x")),
            result_text(file.stat().map(|stat| stat.size)),
        ]
    }

    /// A listing does not change after it was opened.
    pub fn listing() -> Vec<String> {
        let root = root();
        root.create_directory_at("listed").unwrap();
        let directory =
            root.open_at(PathFlags::empty(), "listed", OpenFlags::DIRECTORY, DescriptorFlags::READ).unwrap();
        for name in ["b", "a", "c"] {
            directory.create_directory_at(name).unwrap();
        }
        let entries = directory.read_directory().unwrap();
        directory.remove_directory_at("b").unwrap();
        directory.create_directory_at("d").unwrap();
        let mut lines = Vec::new();
        while let Ok(Some(entry)) = entries.read_directory_entry() {
            lines.push(format!("{} {:?}", entry.name, entry.type_));
        }
        lines.push(result_text(entries.read_directory_entry().map(|entry| entry.is_some())));
        lines
    }
}
