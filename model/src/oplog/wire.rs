//! The primitives of the encoding: variable-length integers and length-prefixed bytes.

/// The bytes cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end in the middle.
    #[error("the bytes end in the middle of a record")]
    Truncated,
    /// A tag that this version does not know. The bytes are damaged, or a newer version wrote them.
    #[error("unknown {what} tag {tag}: the record is damaged or was written by a newer version")]
    UnknownTag {
        /// The kind of value that the tag selects.
        what: &'static str,
        /// The tag.
        tag: u8,
    },
    /// A number that does not fit its field.
    #[error("a number is out of range")]
    OutOfRange,
    /// The bytes are not a valid value of the named kind.
    #[error("bytes that are not {0}")]
    Invalid(&'static str),
    /// A value is nested deeper than the decoder allows.
    #[error("a value is nested too deeply")]
    TooDeep,
    /// The checksum does not match.
    #[error("the checksum does not match: the record is damaged")]
    Checksum,
    /// Bytes are left over after the last field. Their number.
    #[error("{0} bytes are left over after the record")]
    Trailing(usize),
}

/// Appends `value` in groups of seven bits, least significant first.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        #[expect(clippy::cast_possible_truncation, reason = "only the low seven bits are used")]
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    #[expect(clippy::cast_possible_truncation, reason = "below 0x80 here")]
    out.push(value as u8);
}

/// Appends `value` so that small magnitudes are short: zigzag, then [`put_varint`].
pub fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_varint(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

/// Appends length and bytes.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads values that the `put_` functions wrote.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    remaining: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { remaining: bytes }
    }

    /// Whether all bytes are read.
    pub fn is_empty(&self) -> bool {
        self.remaining.is_empty()
    }

    /// Fails if bytes are left over.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.remaining.is_empty() { Ok(()) } else { Err(DecodeError::Trailing(self.remaining.len())) }
    }

    /// The next byte.
    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        let (&first, rest) = self.remaining.split_first().ok_or(DecodeError::Truncated)?;
        self.remaining = rest;
        Ok(first)
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self.remaining.split_at_checked(count).ok_or(DecodeError::Truncated)?;
        self.remaining = rest;
        Ok(head)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self.remaining.split_first_chunk::<N>().ok_or(DecodeError::Truncated)?;
        self.remaining = rest;
        Ok(*head)
    }

    /// A number written by [`put_varint`].
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(DecodeError::OutOfRange);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::OutOfRange)
    }

    /// A number written by [`put_varint`] that fits `T`.
    pub fn varint_as<T: TryFrom<u64>>(&mut self) -> Result<T, DecodeError> {
        T::try_from(self.varint()?).map_err(|_| DecodeError::OutOfRange)
    }

    /// A number written by [`put_signed`].
    pub fn signed(&mut self) -> Result<i64, DecodeError> {
        let raw = self.varint()?;
        Ok((raw >> 1).cast_signed() ^ -((raw & 1).cast_signed()))
    }

    /// A number written by [`put_signed`] that fits `T`.
    pub fn signed_as<T: TryFrom<i64>>(&mut self) -> Result<T, DecodeError> {
        T::try_from(self.signed()?).map_err(|_| DecodeError::OutOfRange)
    }

    /// A count of values that follow. Each has at least one byte, so a count above the number of remaining bytes is an
    /// error.
    pub fn count(&mut self) -> Result<usize, DecodeError> {
        let count: usize = self.varint_as()?;
        if count > self.remaining.len() { Err(DecodeError::Truncated) } else { Ok(count) }
    }

    /// Bytes written by [`put_bytes`].
    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.count()?;
        self.take(length)
    }

    /// All remaining bytes.
    pub fn remaining(self) -> &'a [u8] {
        self.remaining
    }

    /// UTF-8 written by [`put_bytes`].
    pub fn string(&mut self) -> Result<String, DecodeError> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| DecodeError::Invalid("UTF-8"))
    }
}
