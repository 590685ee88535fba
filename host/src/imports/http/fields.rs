//! Header fields as plain data: names, values, and whether they may be changed. No I/O.
//!
//! Invariant: every name is lower case, and every name and value is valid in HTTP/1.1 and HTTP/2. So the code that
//! sends the fields need not check them again.

use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};

/// Bytes of one `fields` object: names and values, and [`ENTRY_BYTES`] for each entry. Servers accept less in practice.
/// A guest that exceeds the limit traps, because WASI has no error for it.
pub(super) const FIELDS_BYTES_MAX: usize = 128 << 10;

/// Bytes that an entry counts in addition to its text, so that empty values are not free. HTTP/2 uses the same number.
const ENTRY_BYTES: usize = 32;

/// Names that belong to the connection and not to the message. The HTTP client and the server set these fields.
const FORBIDDEN: [&str; 9] = [
    "connection",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

/// An error of a change of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FieldsError {
    /// The name is not a valid field name, or the value is not valid for this name.
    #[error("the field's name or value is not valid in HTTP")]
    Syntax,
    /// The name is one of [`FORBIDDEN`].
    #[error("the field belongs to the connection and cannot be set")]
    Forbidden,
    /// The fields belong to a message, so they are immutable.
    #[error("the fields belong to a message and cannot be changed any more; change a clone")]
    Immutable,
    /// The fields would exceed [`FIELDS_BYTES_MAX`].
    #[error("an HTTP fields object can hold at most {FIELDS_BYTES_MAX} bytes")]
    TooLarge,
}

/// The data of a `fields` resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fields {
    entries: Vec<(HeaderName, Vec<u8>)>,
    bytes: usize,
    immutable: bool,
}

impl Fields {
    /// The fields of a received message: immutable, and without the fields that belong to the connection.
    pub(super) fn received(headers: &HeaderMap) -> Result<Self, FieldsError> {
        let mut fields = Self { immutable: true, ..Self::default() };
        for (name, value) in headers {
            if !FORBIDDEN.contains(&name.as_str()) {
                fields.grow(fields.bytes, name, &[value])?;
                fields.entries.push((name.clone(), value.as_bytes().to_vec()));
            }
        }
        Ok(fields)
    }

    /// Converts the fields for sending.
    pub(super) fn to_headers(&self) -> Result<HeaderMap, FieldsError> {
        let mut headers = HeaderMap::with_capacity(self.entries.len());
        for (name, value) in &self.entries {
            let value = HeaderValue::from_bytes(value).map_err(|_| FieldsError::Syntax)?;
            headers.append(name.clone(), value);
        }
        Ok(headers)
    }

    /// Makes the fields immutable, because they become part of a message.
    pub(super) fn immutable(mut self) -> Self {
        self.immutable = true;
        self
    }

    /// A copy that can be changed.
    pub(super) fn mutable_copy(&self) -> Self {
        Self { immutable: false, ..self.clone() }
    }

    /// All values of `name`. An invalid name has no values.
    pub(super) fn get(&self, name: &str) -> Vec<Vec<u8>> {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { return Vec::new() };
        self.entries.iter().filter(|(other, _)| *other == name).map(|(_, value)| value.clone()).collect()
    }

    /// Whether there is a value of `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        HeaderName::from_bytes(name.as_bytes()).is_ok_and(|name| self.contains(&name))
    }

    /// All entries. The values of one name are in the order in which they were added.
    pub(super) fn entries(&self) -> Vec<(String, Vec<u8>)> {
        self.entries.iter().map(|(name, value)| (name.as_str().to_owned(), value.clone())).collect()
    }

    /// Adds an entry.
    pub(super) fn append(&mut self, name: &str, value: Vec<u8>) -> Result<(), FieldsError> {
        let name = parse_settable(name)?;
        check_value(&name, &value)?;
        self.check_mutable()?;
        if name == CONTENT_LENGTH && self.contains(&name) {
            return Err(FieldsError::Syntax);
        }
        self.grow(self.bytes, &name, &[&value])?;
        self.entries.push((name, value));
        Ok(())
    }

    /// Makes `values` the only values of `name`. On an error, nothing has changed.
    pub(super) fn set(&mut self, name: &str, values: Vec<Vec<u8>>) -> Result<(), FieldsError> {
        let name = parse_settable(name)?;
        for value in &values {
            check_value(&name, value)?;
        }
        self.check_mutable()?;
        if name == CONTENT_LENGTH && values.len() > 1 {
            return Err(FieldsError::Syntax);
        }
        let rest = self.bytes - self.bytes_of(&name);
        self.grow(rest, &name, &values)?;
        self.entries.retain(|(other, _)| *other != name);
        self.entries.extend(values.into_iter().map(|value| (name.clone(), value)));
        Ok(())
    }

    /// Removes all values of `name`.
    pub(super) fn delete(&mut self, name: &str) -> Result<(), FieldsError> {
        self.set(name, Vec::new())
    }

    /// The value of `content-length`, if it is present.
    pub(super) fn content_length(&self) -> Option<u64> {
        let (_, value) = self.entries.iter().find(|(name, _)| *name == CONTENT_LENGTH)?;
        parse_length(value)
    }

    /// Bytes that count against [`FIELDS_BYTES_MAX`].
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn contains(&self, name: &HeaderName) -> bool {
        self.entries.iter().any(|(other, _)| other == name)
    }

    fn check_mutable(&self) -> Result<(), FieldsError> {
        if self.immutable { Err(FieldsError::Immutable) } else { Ok(()) }
    }

    fn bytes_of(&self, name: &HeaderName) -> usize {
        let entries = self.entries.iter().filter(|(other, _)| other == name);
        entries.map(|(name, value)| entry_bytes(name, value)).sum()
    }

    /// Sets the size to `bytes` plus the size of `values`, or fails if that exceeds the limit.
    fn grow(
        &mut self,
        bytes: usize,
        name: &HeaderName,
        values: &[impl AsRef<[u8]>],
    ) -> Result<(), FieldsError> {
        let more: usize = values.iter().map(|value| entry_bytes(name, value.as_ref())).sum();
        let bytes = bytes.saturating_add(more);
        if bytes > FIELDS_BYTES_MAX {
            return Err(FieldsError::TooLarge);
        }
        self.bytes = bytes;
        Ok(())
    }
}

fn entry_bytes(name: &HeaderName, value: &[u8]) -> usize {
    name.as_str().len() + value.len() + ENTRY_BYTES
}

/// Parses a name and checks that a guest may set it.
fn parse_settable(name: &str) -> Result<HeaderName, FieldsError> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| FieldsError::Syntax)?;
    if FORBIDDEN.contains(&name.as_str()) { Err(FieldsError::Forbidden) } else { Ok(name) }
}

fn check_value(name: &HeaderName, value: &[u8]) -> Result<(), FieldsError> {
    let valid = HeaderValue::from_bytes(value).is_ok();
    // The length determines where a message ends. Two interpretations of it would allow request smuggling.
    if valid && (*name != CONTENT_LENGTH || parse_length(value).is_some()) {
        Ok(())
    } else {
        Err(FieldsError::Syntax)
    }
}

/// Accepts digits only: Rust's own parser would also accept a sign.
fn parse_length(value: &[u8]) -> Option<u64> {
    let digits = value.iter().all(u8::is_ascii_digit);
    if digits { std::str::from_utf8(value).ok()?.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::{FIELDS_BYTES_MAX, Fields, FieldsError};

    fn fields(entries: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in entries {
            fields.append(name, value.as_bytes().to_vec()).unwrap();
        }
        fields
    }

    fn check(fields: &Fields, expected: &[(&str, &str)]) {
        let entries = fields.entries();
        let entries: Vec<_> = entries
            .iter()
            .map(|(name, value)| (name.as_str(), std::str::from_utf8(value).unwrap()))
            .collect();
        assert_eq!(entries, expected);
        let counted: usize = entries.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
        assert_eq!(fields.bytes, counted);
    }

    #[test]
    fn names_are_found_in_any_case() {
        let fields = fields(&[("Accept", "a"), ("x-y", "1"), ("ACCEPT", "b")]);
        check(&fields, &[("accept", "a"), ("x-y", "1"), ("accept", "b")]);
        assert_eq!(fields.get("aCCept"), [b"a".to_vec(), b"b".to_vec()]);
        assert!(fields.has("X-Y"));
        assert!(!fields.has("no name"));
        assert!(fields.get("no name").is_empty());
    }

    #[test]
    fn received_fields_are_immutable_and_without_connection_fields() {
        let mut headers = http::HeaderMap::new();
        for (name, value) in
            [("connection", "close"), ("x-a", "1"), ("transfer-encoding", "chunked"), ("x-a", "2")]
        {
            headers.append(name, http::HeaderValue::from_static(value));
        }
        let mut fields = Fields::received(&headers).unwrap();
        check(&fields, &[("x-a", "1"), ("x-a", "2")]);
        assert_eq!(fields.append("x-b", b"3".to_vec()), Err(FieldsError::Immutable));
        assert_eq!(Fields::received(&fields.to_headers().unwrap()).unwrap(), fields);
        headers.insert("x-long", http::HeaderValue::from_bytes(&vec![b'x'; FIELDS_BYTES_MAX]).unwrap());
        assert_eq!(Fields::received(&headers), Err(FieldsError::TooLarge));
    }

    #[test]
    fn set_replaces_all_values_of_one_name() {
        let mut fields = fields(&[("a", "1"), ("b", "2"), ("a", "3")]);
        fields.set("A", vec![b"4".to_vec(), b"5".to_vec()]).unwrap();
        check(&fields, &[("b", "2"), ("a", "4"), ("a", "5")]);
        fields.delete("a").unwrap();
        fields.delete("never-there").unwrap();
        check(&fields, &[("b", "2")]);
    }

    #[test]
    fn bad_names_and_values_are_refused_and_change_nothing() {
        let mut fields = fields(&[("a", "1"), ("content-length", "7")]);
        let cases: &[(&str, &[u8], FieldsError)] = &[
            ("", b"1", FieldsError::Syntax),
            ("a b", b"1", FieldsError::Syntax),
            ("a:", b"1", FieldsError::Syntax),
            ("\u{e9}", b"1", FieldsError::Syntax),
            ("a", b"1\r\nb: 2", FieldsError::Syntax),
            ("a", b"\0", FieldsError::Syntax),
            ("content-length", b"+5", FieldsError::Syntax),
            ("content-length", b"", FieldsError::Syntax),
            ("content-length", b"99999999999999999999", FieldsError::Syntax),
            ("Host", b"example.org", FieldsError::Forbidden),
            ("Transfer-Encoding", b"chunked", FieldsError::Forbidden),
        ];
        for (name, value, expected) in cases {
            assert_eq!(fields.append(name, value.to_vec()), Err(*expected), "append {name:?}");
            assert_eq!(fields.set(name, vec![value.to_vec()]), Err(*expected), "set {name:?}");
        }
        assert_eq!(fields.append("content-length", b"8".to_vec()), Err(FieldsError::Syntax));
        assert_eq!(fields.delete("host"), Err(FieldsError::Forbidden));
        check(&fields, &[("a", "1"), ("content-length", "7")]);
        assert_eq!(fields.content_length(), Some(7));
    }

    #[test]
    fn fields_of_a_message_change_only_as_a_copy() {
        let mut fields = fields(&[("a", "1")]).immutable();
        assert_eq!(fields.append("b", b"2".to_vec()), Err(FieldsError::Immutable));
        assert_eq!(fields.set("a", Vec::new()), Err(FieldsError::Immutable));
        assert_eq!(fields.delete("a"), Err(FieldsError::Immutable));
        let mut copy = fields.mutable_copy();
        copy.append("b", b"2".to_vec()).unwrap();
        check(&copy, &[("a", "1"), ("b", "2")]);
        check(&fields, &[("a", "1")]);
    }

    #[test]
    fn fields_end_at_their_limit() {
        let mut fields = Fields::default();
        let mut count = 0;
        while fields.append("a", vec![b'x'; 1_000]).is_ok() {
            count += 1;
        }
        assert_eq!(count, FIELDS_BYTES_MAX / (1 + 1_000 + 32));
        assert_eq!(fields.append("a", vec![b'x'; 1_000]), Err(FieldsError::TooLarge));
        assert_eq!(fields.set("b", vec![vec![b'x'; FIELDS_BYTES_MAX]]), Err(FieldsError::TooLarge));
        fields.set("a", vec![vec![b'x'; 1_000]]).unwrap();
        assert_eq!(fields.bytes, 1 + 1_000 + 32);
    }
}
