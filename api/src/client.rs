//! A client (in the making).
