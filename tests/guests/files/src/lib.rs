//! File operations of the standard library. Errors are returned as the name of their kind.

#[golem::worker]
mod files {
    use std::fs::{self, File, FileTimes, OpenOptions};
    use std::io::{self, Read, Seek, SeekFrom, Write};
    use std::time::{Duration, SystemTime};

    /// Metadata of a file; times in nanoseconds since 1970.
    pub struct Description {
        pub kind: String,
        pub bytes: u64,
        pub accessed: u64,
        pub modified: u64,
    }

    /// Keeps a file open between calls.
    #[derive(Default)]
    pub struct Files {
        kept: Option<File>,
    }

    fn with_error_kind<T>(result: io::Result<T>) -> Result<T, String> {
        result.map_err(|error| format!("{:?}", error.kind()))
    }

    fn nanos(time: io::Result<SystemTime>) -> io::Result<u64> {
        Ok(time?.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64))
    }

    impl Files {
        /// Creates or overwrites a file.
        pub fn write(&mut self, path: String, text: String) -> Result<(), String> {
            with_error_kind(fs::write(path, text))
        }

        pub fn append(&mut self, path: String, text: String) -> Result<(), String> {
            let file = OpenOptions::new().append(true).create(true).open(path);
            with_error_kind(file.and_then(|mut file| file.write_all(text.as_bytes())))
        }

        pub fn read(&mut self, path: String) -> Result<String, String> {
            with_error_kind(fs::read_to_string(path))
        }

        /// Overwrites part of a file at an offset from its start or, if negative, from its end; returns the position
        /// after it.
        pub fn patch(&mut self, path: String, at: i64, text: String) -> Result<u64, String> {
            let patch = || {
                let mut file = OpenOptions::new().read(true).write(true).open(path)?;
                file.seek(if at < 0 { SeekFrom::End(at) } else { SeekFrom::Start(at as u64) })?;
                file.write_all(text.as_bytes())?;
                file.stream_position()
            };
            with_error_kind(patch())
        }

        pub fn set_length(&mut self, path: String, bytes: u64) -> Result<(), String> {
            with_error_kind(OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(bytes)))
        }

        pub fn make_folders(&mut self, path: String) -> Result<(), String> {
            with_error_kind(fs::create_dir_all(path))
        }

        /// The names in a folder, in the order of the listing.
        pub fn names(&mut self, path: String) -> Result<Vec<String>, String> {
            let names =
                || fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().display().to_string())).collect();
            with_error_kind(names())
        }

        pub fn rename(&mut self, from: String, to: String) -> Result<(), String> {
            with_error_kind(fs::rename(from, to))
        }

        pub fn copy(&mut self, from: String, to: String) -> Result<u64, String> {
            with_error_kind(fs::copy(from, to))
        }

        pub fn link(&mut self, from: String, to: String) -> Result<(), String> {
            with_error_kind(fs::hard_link(from, to))
        }

        #[allow(deprecated)]
        pub fn symlink(&mut self, target: String, path: String) -> Result<(), String> {
            with_error_kind(fs::soft_link(target, path))
        }

        pub fn read_link(&mut self, path: String) -> Result<String, String> {
            with_error_kind(fs::read_link(path).map(|target| target.display().to_string()))
        }

        pub fn remove(&mut self, path: String) -> Result<(), String> {
            with_error_kind(fs::remove_file(path))
        }

        /// Removes a folder with its contents.
        pub fn remove_folder(&mut self, path: String) -> Result<(), String> {
            with_error_kind(fs::remove_dir_all(path))
        }

        pub fn about(&mut self, path: String) -> Result<Description, String> {
            let about = || {
                let metadata = fs::symlink_metadata(path)?;
                let kind = if metadata.is_dir() {
                    "folder"
                } else if metadata.is_symlink() {
                    "link"
                } else {
                    "file"
                };
                Ok(Description {
                    kind: kind.to_owned(),
                    bytes: metadata.len(),
                    accessed: nanos(metadata.accessed())?,
                    modified: nanos(metadata.modified())?,
                })
            };
            with_error_kind(about())
        }

        pub fn set_modified(&mut self, path: String, nanos: u64) -> Result<(), String> {
            let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos);
            let times = FileTimes::new().set_modified(time);
            with_error_kind(OpenOptions::new().write(true).open(path).and_then(|file| file.set_times(times)))
        }

        /// Opens a file for reading and writing, and keeps it open.
        pub fn keep(&mut self, path: String) -> Result<(), String> {
            let file = OpenOptions::new().read(true).write(true).create(true).open(path);
            self.kept = Some(with_error_kind(file)?);
            Ok(())
        }

        /// Writes at the position of the kept file.
        pub fn write_kept(&mut self, text: String) -> Result<(), String> {
            with_error_kind(self.kept()?.write_all(text.as_bytes()))
        }

        /// Reads the whole kept file; its position is then the end.
        pub fn read_kept(&mut self) -> Result<String, String> {
            let file = self.kept()?;
            let mut text = String::new();
            with_error_kind(file.rewind().and_then(|()| file.read_to_string(&mut text)))?;
            Ok(text)
        }

        /// Appends blocks of 1 MiB until a write fails; returns the number of blocks and the error.
        pub fn fill(&mut self, path: String) -> Result<(u32, String), String> {
            let mut file = with_error_kind(File::create(path))?;
            let block = vec![b'x'; 1 << 20];
            for count in 0.. {
                if let Err(error) = file.write_all(&block) {
                    return Ok((count, error.to_string()));
                }
            }
            unreachable!("memory ends");
        }

        /// Writes twice with a sleep of that many milliseconds in between; returns the difference of the modification
        /// times in nanoseconds.
        pub fn write_twice(&mut self, path: String, ms: u64) -> Result<u64, String> {
            self.write(path.clone(), "first".to_owned())?;
            let first = self.about(path.clone())?.modified;
            std::thread::sleep(Duration::from_millis(ms));
            self.write(path.clone(), "second".to_owned())?;
            Ok(self.about(path)?.modified - first)
        }
    }

    impl Files {
        fn kept(&mut self) -> Result<&mut File, String> {
            self.kept.as_mut().ok_or_else(|| "nothing is kept".to_owned())
        }
    }
}
