//! Asks `wasi:filesystem` for what the standard library never asks for. Each function tells what its calls came to.

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

    fn tell(answer: Result<impl Debug, ErrorCode>) -> String {
        answer.map_or_else(|code| code.name().to_owned(), |answer| format!("{answer:?}"))
    }

    fn streamed<T: Debug>(answer: Result<T, StreamError>) -> String {
        match answer {
            Ok(answer) => tell(Ok(answer)),
            Err(StreamError::Closed) => "closed".to_owned(),
            Err(StreamError::LastOperationFailed(error)) => {
                let code = filesystem_error_code(&error).map(|code| code.name());
                format!("{code:?}: {}", error.to_debug_string())
            }
        }
    }

    /// The directories that are preopened, and what they are.
    pub fn preopened() -> Vec<String> {
        get_directories()
            .iter()
            .map(|(directory, name)| {
                format!("{name}: {:?} {:?}", directory.get_type(), directory.get_flags())
            })
            .collect()
    }

    /// Reads and writes through descriptors that do not allow it, and a directory.
    pub fn allowed() -> Vec<String> {
        open("file", DescriptorFlags::WRITE);
        let reader = root().open_at(PathFlags::empty(), "file", OpenFlags::empty(), DescriptorFlags::READ);
        let writer = root().open_at(PathFlags::empty(), "file", OpenFlags::empty(), DescriptorFlags::WRITE);
        let (reader, writer, directory) = (reader.unwrap(), writer.unwrap(), root());
        vec![
            tell(reader.get_flags()),
            tell(reader.write(b"x", 0)),
            tell(reader.set_size(1)),
            streamed(reader.write_via_stream(0).unwrap().blocking_write_and_flush(b"x")),
            tell(writer.get_flags()),
            tell(writer.read(1, 0)),
            streamed(writer.read_via_stream(0).unwrap().read(1)),
            tell(writer.stat_at(PathFlags::empty(), "x").map(|_| ())),
            tell(directory.read(1, 0)),
            tell(directory.write(b"x", 0)),
            tell(directory.set_size(0)),
            tell(directory.read_via_stream(0).map(|_| ())),
            tell(directory.append_via_stream().map(|_| ())),
            tell(directory.advise(0, 0, Advice::Normal)),
            tell(
                directory
                    .open_at(PathFlags::empty(), "file", OpenFlags::DIRECTORY, DescriptorFlags::READ)
                    .map(|_| ()),
            ),
            tell(
                directory
                    .open_at(PathFlags::empty(), ".", OpenFlags::empty(), DescriptorFlags::WRITE)
                    .map(|_| ()),
            ),
            tell(writer.advise(0, 0, Advice::WillNeed)),
            tell(writer.sync_data().and(writer.sync()).and(directory.sync())),
        ]
    }

    /// Streams that stand somewhere in a file: two at once, one at the end, and spliced into each other.
    pub fn streams() -> Vec<String> {
        let file = open("file", DescriptorFlags::READ | DescriptorFlags::WRITE);
        let (writer, appender): (OutputStream, OutputStream) =
            (file.write_via_stream(0).unwrap(), file.append_via_stream().unwrap());
        let mut told = vec![
            tell(Ok(writer.check_write().is_ok_and(|bytes| bytes >= 4_096))),
            streamed(writer.write(b"0123456789")),
            streamed(appender.write(b"end")),
            streamed(writer.blocking_write_zeroes_and_flush(1)),
            streamed(writer.flush()),
            streamed(writer.blocking_flush()),
        ];
        writer.subscribe().block();
        drop(appender);
        let (first, second): (InputStream, InputStream) =
            (file.read_via_stream(0).unwrap(), file.read_via_stream(8).unwrap());
        // A stream does not need the descriptor that it came from.
        drop(file);
        told.extend([
            tell(Ok(first.subscribe().ready())),
            streamed(first.read(0)),
            streamed(first.skip(2)),
            streamed(first.blocking_read(3)),
            streamed(second.read(100)),
            streamed(second.read(100)),
            streamed(second.blocking_skip(1)),
            streamed(open("copy", DescriptorFlags::WRITE).write_via_stream(1).unwrap().splice(&first, 100)),
        ]);
        told.push(tell(open("copy", DescriptorFlags::READ).read(100, 0)));
        told
    }

    /// Which descriptors are of the same file.
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
            tell(Ok(one.is_same_object(&same))),
            tell(Ok(one.is_same_object(&other))),
            tell(Ok(hash(&one).ok() == before && at("one").ok() == before)),
            tell(Ok(hash(&other).ok() == before)),
            tell(at("nothing")),
        ]
    }

    /// Times, also of a link itself, and a link to a link.
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
            tell(root.set_times_at(follow, "link", NewTimestamp::NoChange, at(7))),
            tell(root.set_times_at(PathFlags::empty(), "link", NewTimestamp::Now, at(8))),
            tell(Ok(modified(follow, "link"))),
            tell(Ok(modified(PathFlags::empty(), "link"))),
            tell(root.set_times_at(follow, "link", at(u64::MAX), NewTimestamp::NoChange)),
            tell(root.link_at(follow, "link", &root, "new")),
            tell(root.link_at(PathFlags::empty(), "link", &root, "new")),
            tell(root.readlink_at("new")),
            tell(root.symlink_at("/absolute", "refused")),
            tell(root.open_at(follow, "../outside", OpenFlags::CREATE, DescriptorFlags::WRITE).map(|_| ())),
            tell(root.stat().map(|stat| (stat.type_, stat.link_count))),
        ]
    }

    /// Wants more room than there is.
    pub fn full() -> Vec<String> {
        let file = open("huge", DescriptorFlags::WRITE);
        vec![
            tell(file.set_size(1 << 40)),
            tell(file.write(b"x", 1 << 40)),
            streamed(file.write_via_stream(1 << 40).unwrap().blocking_write_and_flush(b"x")),
            tell(file.stat().map(|stat| stat.size)),
        ]
    }

    /// A listing stays as it was when it was asked for.
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
        let mut told = Vec::new();
        while let Ok(Some(entry)) = entries.read_directory_entry() {
            told.push(format!("{} {:?}", entry.name, entry.type_));
        }
        told.push(tell(entries.read_directory_entry().map(|entry| entry.is_some())));
        told
    }
}
