//! The JSON form of typed values.
