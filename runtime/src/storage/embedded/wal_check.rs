//! Checks the write-ahead log before SQLite opens it, after a process that did not shut down cleanly.
//!
//! First, it detects damage in the middle. SQLite reads the log up to the first frame with a wrong checksum and drops
//! the rest. That is correct for the last transaction, which was not acknowledged. It would silently lose data if
//! frames of later transactions follow, because a transaction starts only after the previous one was synced.
//!
//! Second, it makes frames durable that are in the system's cache but not on the disk, because a sync failed and the
//! process was then killed. SQLite would checkpoint them. If the power failed before the log is restarted, the frames
//! that did reach the disk would be checkpointed a second time, over newer pages. Therefore all readable frames are
//! written again and synced.

use super::connection::Opener;
use super::folder::io_error;
use crate::storage::ports::StoreError;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom, Write as _};

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
/// The first word of a log with checksums over little-endian words. For big-endian words it is one more.
const MAGIC: u32 = 0x377F_0682;

/// Makes the readable part of the log durable. Fails if a frame is damaged and at least two commits are at or after it:
/// the first may be the one that the crash interrupted, the second proves that the first was complete.
///
/// Must be called while no connection is open.
pub(super) fn check_wal(opener: &Opener) -> Result<(), StoreError> {
    let path = &opener.folder.wal;
    let file = match File::options().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(io_error("open", path, source)),
    };
    let contents = read_wal(&file).map_err(|source| io_error("read", path, source))?;
    if let Some(Damage { frame, commits }) = contents.damage {
        return Err(StoreError::Corrupt {
            path: path.clone(),
            place: format!("frame {frame}"),
            details: format!("its checksum is wrong, and {commits} complete transactions follow it"),
        });
    }
    rewrite(&file, contents.good_bytes).map_err(|source| io_error("sync", path, source))
}

/// Writes the first `bytes` again unchanged, and syncs the file.
fn rewrite(mut file: &File, bytes: u64) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    while at < bytes {
        let count = buffer.len().min(usize::try_from(bytes - at).unwrap_or(usize::MAX));
        let chunk = &mut buffer[..count];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(chunk)?;
        file.seek(SeekFrom::Start(at))?;
        file.write_all(chunk)?;
        at += count as u64;
    }
    if bytes > 0 { file.sync_all() } else { Ok(()) }
}

/// Result of reading the log.
#[derive(Debug, Default, PartialEq, Eq)]
struct WalContents {
    /// Bytes before the first frame that is not a valid frame of this log.
    good_bytes: u64,
    damage: Option<Damage>,
}

#[derive(Debug, PartialEq, Eq)]
struct Damage {
    /// Number of the first damaged frame, from 1.
    frame: u64,
    /// Commits after it, not counting the interrupted one.
    commits: u64,
}

fn read_wal(file: &File) -> io::Result<WalContents> {
    let mut input = BufReader::with_capacity(1 << 20, file);
    let mut header = [0; HEADER_BYTES];
    if !read_whole(&mut input, &mut header)? {
        return Ok(WalContents::default());
    }
    let magic = word(&header, 0);
    let big_endian = magic == MAGIC + 1;
    let mut sum = checksum(big_endian, (0, 0), &header[..24]);
    // A header is written and synced before the frames of its generation. So an invalid header means that there are no
    // frames.
    if (magic != MAGIC && !big_endian) || sum != (word(&header, 24), word(&header, 28)) {
        return Ok(WalContents::default());
    }
    let Ok(page_bytes) = usize::try_from(word(&header, 8)) else { return Ok(WalContents::default()) };
    if !page_bytes.is_power_of_two() || !(512..=65_536).contains(&page_bytes) {
        return Ok(WalContents::default());
    }
    let mut frame = vec![0; FRAME_HEADER_BYTES + page_bytes];
    let mut number = 1;
    let mut good_bytes = HEADER_BYTES as u64;
    loop {
        if !read_whole(&mut input, &mut frame)? {
            return Ok(WalContents { good_bytes, damage: None });
        }
        let next = checksum(big_endian, sum, &frame[..8]);
        let next = checksum(big_endian, next, &frame[FRAME_HEADER_BYTES..]);
        if frame[8..16] != header[16..24] || next != (word(&frame, 16), word(&frame, 20)) {
            break;
        }
        sum = next;
        number += 1;
        good_bytes += frame.len() as u64;
    }
    // After the damage, only the salts show whether a frame belongs to this generation of the log.
    let mut commits = 0_u64;
    let mut frame_header = [0; FRAME_HEADER_BYTES];
    input.seek(SeekFrom::Current(-i64::try_from(frame.len()).unwrap_or(i64::MAX)))?;
    while read_whole(&mut input, &mut frame_header)? {
        if frame_header[8..16] == header[16..24] && word(&frame_header, 4) != 0 {
            commits += 1;
        }
        input.seek_relative(i64::try_from(page_bytes).unwrap_or(i64::MAX))?;
    }
    let damage = (commits > 1).then(|| Damage { frame: number, commits: commits - 1 });
    Ok(WalContents { good_bytes, damage })
}

/// Fills `bytes`. Returns false if the file ends before.
fn read_whole(input: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match input.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// A word of a header. Headers are big-endian, whatever the byte order of the checksums.
fn word(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_be_bytes(word)
}

/// SQLite's checksum of the log, over pairs of words.
fn checksum(big_endian: bool, (mut first, mut second): (u32, u32), bytes: &[u8]) -> (u32, u32) {
    let to_u32 =
        |word: &[u8; 4]| if big_endian { u32::from_be_bytes(*word) } else { u32::from_le_bytes(*word) };
    let (words, _) = bytes.as_chunks::<4>();
    let (pairs, _) = words.as_chunks::<2>();
    for [left, right] in pairs {
        first = first.wrapping_add(to_u32(left)).wrapping_add(second);
        second = second.wrapping_add(to_u32(right)).wrapping_add(first);
    }
    (first, second)
}
