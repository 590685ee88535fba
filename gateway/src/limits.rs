//! Bounds of definitions, expressions and requests. The comment of a bound names its unit and what happens at it.

/// Bytes of the text of a definition. A longer one is refused before it is parsed: parsing keeps several times its size
/// in memory.
pub const DEFINITION_BYTES_MAX: usize = 8 << 20;

/// Routes of one definition. A definition with more is refused: each route is compiled and kept in memory.
pub const ROUTES_MAX: usize = 10_000;

/// Bytes of the text of one expression. A longer one is refused.
pub const EXPRESSION_BYTES_MAX: usize = 16 << 10;

/// Nesting of an expression: parentheses, branches, literals and JSON structure together. A deeper one is refused, so
/// that parsing, checking and evaluation cannot exhaust the stack.
pub const EXPRESSION_DEPTH_MAX: usize = 32;

/// Fields and cases of a template's types that checking one expression may look at. An expression that needs more is
/// refused: a type can have 100,000 fields, and an expression can mention it a thousand times.
pub const CHECK_STEPS_MAX: usize = 200_000;

/// Bytes that the evaluation of one expression may copy or compare. An evaluation that needs more fails: an expression
/// can mention a large body many times.
pub const EVALUATION_BYTES_MAX: usize = 16 << 20;

/// Segments of a route's path. A pattern with more is refused.
pub const SEGMENTS_MAX: usize = 32;

/// Query parameters that one route may declare. A pattern with more is refused.
pub const QUERY_PARAMETERS_MAX: usize = 32;

/// Bytes of a route's path, and of the path and the query of a request. A longer pattern is refused; a longer request
/// gets status 414.
pub const PATH_BYTES_MAX: usize = 8 << 10;

/// Nodes of the routing tree and routes at its leaves that a request may visit in the worst case. It is computed from the
/// routes alone. A definition that exceeds it is refused: its routes overlap so much that a request could be slow.
pub const MATCH_STEPS_MAX: usize = 4_096;

/// Errors that the validation of a definition reports. The remaining ones are counted.
pub const ERRORS_REPORTED_MAX: usize = 200;

/// Types and names that a JSON schema in an OpenAPI document spells out. Larger types are described as any value.
pub const SCHEMA_NODES_MAX: usize = 2_000;
