//! Each file in `tests/ui` contains a mistake; the `.stderr` file beside it contains the compiler's messages.
//! `TRYBUILD=overwrite` (or `BLESS=1`, through xtask) rewrites the messages.

#[test]
fn mistakes_are_reported_at_the_wrong_token() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}
