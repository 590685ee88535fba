//! One mistake for each file in `tests/ui`, and what the compiler says to it. `TRYBUILD=overwrite` (or `BLESS=1`, through
//! xtask) rewrites the texts.

#[test]
fn mistakes_are_explained_where_they_are() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}
