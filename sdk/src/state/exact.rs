//! Compares two values of a type that need not implement `PartialEq`.
//!
//! Both are given by their typed encodings. The order of a list is not compared, because a hash set is a list for
//! serde, and the iteration order of a loaded set differs from that of the saved one.

use super::encode::TAG_LIST;
use super::error::{Error, Step};
use super::format::{read_head, step_of_key};
use ciborium_ll::Header;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// FNV-1a. Both compared values come from the same program, so no attacker crafts collisions.
pub(super) const HASH_SEED: u64 = 0xcbf2_9ce4_8422_2325;
const HASH_FACTOR: u64 = 0x0100_0000_01b3;

pub(super) fn hash_bytes(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(HASH_FACTOR))
}

/// Adds a number to a hash.
pub(super) fn mix(hash: u64, number: u64) -> u64 {
    let mixed = hash_bytes(hash, &number.to_le_bytes());
    // Sums of hashes stand for lists, so the low bits must depend on all others.
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ mixed >> 32
}

/// The path to a value in which two typed encodings differ, from the inside to the outside. `None` if they are equal.
pub(super) fn difference_path(before: &[u8], after: &[u8]) -> Result<Option<Vec<Step>>, Error> {
    if node(before, 0)?.hash == node(after, 0)?.hash {
        return Ok(None);
    }
    let (before, after) = (Encoded { bytes: before, at: 0 }, Encoded { bytes: after, at: 0 });
    let mut path = Vec::new();
    descend(before, after, &mut path)?;
    path.reverse();
    Ok(Some(path))
}

/// An item in an encoding.
#[derive(Clone, Copy)]
struct Encoded<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The hash of an item, and where it ends.
struct Node {
    hash: u64,
    end: usize,
}

/// The heads of an item: its marks, combined, and what it is.
struct Opened {
    marks: u64,
    is_list: bool,
    header: Header,
    /// Where the content begins.
    at: usize,
}

fn open(bytes: &[u8], mut at: usize) -> Result<Opened, Error> {
    let (mut marks, mut is_list) = (HASH_SEED, false);
    loop {
        let (header, length) = read_head(&bytes[at..])?;
        at += length;
        match header {
            Header::Tag(tag) => {
                marks = mix(marks, tag);
                is_list = tag == TAG_LIST;
            }
            header => return Ok(Opened { marks, is_list, header, at }),
        }
    }
}

fn node(bytes: &[u8], begin: usize) -> Result<Node, Error> {
    let opened = open(bytes, begin)?;
    let leaf = |kind: u64, number: u64| Node { hash: mix(mix(opened.marks, kind), number), end: opened.at };
    let long = |kind: u64, length: usize| {
        let end = opened.at + length;
        Node { hash: mix(hash_bytes(opened.marks, &bytes[opened.at..end]), kind), end }
    };
    Ok(match opened.header {
        Header::Positive(number) => leaf(0, number),
        Header::Negative(number) => leaf(1, number),
        Header::Float(number) => leaf(2, number.to_bits()),
        Header::Simple(value) => leaf(3, value.into()),
        Header::Text(Some(length)) => long(4, length),
        Header::Bytes(Some(length)) => long(5, length),
        Header::Array(_) | Header::Map(_) => {
            let (children, end) = children(bytes, &opened)?;
            let is_map = matches!(opened.header, Header::Map(_));
            let content = children.iter().fold(0, |content: u64, child| {
                if is_map || opened.is_list {
                    content.wrapping_add(child.hash())
                } else {
                    mix(content, child.hash())
                }
            });
            let kind = mix(opened.marks, if is_map { 6 } else { 7 });
            Node { hash: mix(mix(kind, children.len() as u64), content), end }
        }
        Header::Text(None) | Header::Bytes(None) | Header::Tag(_) | Header::Break => {
            return Err(Error::new("an encoding for a comparison cannot be read"));
        }
    })
}

/// An item of an array, or an entry of a map.
struct Child {
    /// Of an entry: the range and hash of its key.
    key: Option<(Range<usize>, u64)>,
    value_at: usize,
    value: u64,
}

impl Child {
    fn hash(&self) -> u64 {
        self.key.as_ref().map_or(self.value, |(_, key)| mix(*key, self.value))
    }

    fn key_hash(&self) -> u64 {
        self.key.as_ref().map_or(0, |(_, hash)| *hash)
    }
}

fn children(bytes: &[u8], opened: &Opened) -> Result<(Vec<Child>, usize), Error> {
    let (length, is_map) = match opened.header {
        Header::Array(length) => (length, false),
        Header::Map(length) => (length, true),
        _ => return Ok((Vec::new(), opened.at)),
    };
    let (mut children, mut at) = (Vec::new(), opened.at);
    loop {
        match length {
            Some(length) if children.len() == length => return Ok((children, at)),
            Some(_) => {}
            None => {
                let (header, length) = read_head(&bytes[at..])?;
                if header == Header::Break {
                    return Ok((children, at + length));
                }
            }
        }
        let mut key = None;
        if is_map {
            let node = node(bytes, at)?;
            key = Some((at..node.end, node.hash));
            at = node.end;
        }
        let value = node(bytes, at)?;
        children.push(Child { key, value_at: at, value: value.hash });
        at = value.end;
    }
}

/// Extends `path` to the difference of two items that differ.
fn descend(before: Encoded<'_>, after: Encoded<'_>, path: &mut Vec<Step>) -> Result<(), Error> {
    let (old, new) = (open(before.bytes, before.at)?, open(after.bytes, after.at)?);
    let (old_children, _) = children(before.bytes, &old)?;
    let (new_children, _) = children(after.bytes, &new)?;
    if old.marks != new.marks || old.header_kind() != new.header_kind() {
        return Ok(());
    }
    if matches!(old.header, Header::Map(_)) {
        let Some((child, other)) = changed_entry(&old_children, &new_children) else { return Ok(()) };
        let (key, at) = match (child, other) {
            (Some(child), _) => (&child.key, before),
            (None, Some(other)) => (&other.key, after),
            (None, None) => return Ok(()),
        };
        path.extend(key.as_ref().map(|(key, _)| step_of_key(&at.bytes[key.clone()])));
        return match (child, other) {
            (Some(child), Some(other)) => descend(
                Encoded { at: child.value_at, ..before },
                Encoded { at: other.value_at, ..after },
                path,
            ),
            _ => Ok(()),
        };
    }
    if old_children.len() != new_children.len() {
        return Ok(());
    }
    let first = |children: &[Child], others: &[Child]| {
        let known: HashSet<u64> = others.iter().map(|other| other.value).collect();
        children.iter().enumerate().position(|(at, child)| {
            if old.is_list { !known.contains(&child.value) } else { others[at].value != child.value }
        })
    };
    // In a set, the item that was lost and the one that appeared need not be at the same position.
    if let Some(at) = first(&old_children, &new_children)
        && first(&new_children, &old_children) == Some(at)
    {
        path.push(Step::Index(at));
        return descend(
            Encoded { at: old_children[at].value_at, ..before },
            Encoded { at: new_children[at].value_at, ..after },
            path,
        );
    }
    Ok(())
}

/// The first entry of a map that is lost, changed or added. Its two values are the two sides of the pair, unless one of
/// them is missing.
fn changed_entry<'a>(
    before: &'a [Child],
    after: &'a [Child],
) -> Option<(Option<&'a Child>, Option<&'a Child>)> {
    // A key may occur several times.
    let by_key = |children: &'a [Child]| {
        let mut entries: HashMap<u64, Vec<&Child>> = HashMap::new();
        for child in children {
            entries.entry(child.key_hash()).or_default().push(child);
        }
        entries
    };
    let (old, new) = (by_key(before), by_key(after));
    let lost = before.iter().find_map(|child| {
        let same = new.get(&child.key_hash()).map_or(&[][..], Vec::as_slice);
        let kept = same.iter().any(|other| other.value == child.value);
        (!kept).then(|| (Some(child), same.first().copied()))
    });
    let added = || {
        let count = |entries: &HashMap<u64, Vec<_>>, child: &Child| {
            entries.get(&child.key_hash()).map_or(0, Vec::len)
        };
        after.iter().find(|child| count(&new, child) != count(&old, child)).map(|child| (None, Some(child)))
    };
    lost.or_else(added)
}

impl Opened {
    fn header_kind(&self) -> std::mem::Discriminant<Header> {
        std::mem::discriminant(&self.header)
    }
}
