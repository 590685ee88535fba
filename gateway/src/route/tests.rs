//! Tests of patterns, targets and the search.

use super::*;
use crate::limits::MATCH_STEPS_MAX;

fn tree(routes: &[(Method, &str)]) -> (RouteTree, Vec<Overlap>, Vec<Pattern>) {
    let patterns: Vec<Pattern> = routes.iter().map(|(_, text)| Pattern::parse(text).unwrap()).collect();
    let numbered = routes.iter().zip(&patterns).enumerate();
    let (tree, overlaps) = RouteTree::new(numbered.map(|(i, ((method, _), pattern))| (i, *method, pattern)));
    (tree, overlaps, patterns)
}

#[test]
fn patterns_have_one_canonical_text() {
    for (text, expected) in [
        ("users/{user-id}?{active}", "/users/{user-id}?{active}"),
        ("/users/", "/users"),
        ("", "/"),
        ("/", "/"),
        ("/a%20b/caf\u{e9}", "/a%20b/caf%C3%A9"),
        ("{id:u64}/{+rest}?{a?}&{b?: bool}&{c: str}", "/{id: u64}/{+rest}?{a?}&{b?: bool}&{c: string}"),
    ] {
        let pattern = Pattern::parse(text).unwrap();
        assert_eq!(pattern.to_string(), expected, "{text}");
        assert_eq!(Pattern::parse(expected).as_ref(), Ok(&pattern), "{text}");
    }
}

#[test]
fn errors_in_patterns_name_the_column() {
    for (text, expected) in [
        ("a//b", "column 3: empty segment; write one `/` between two segments"),
        (
            "/a/x{b}",
            "column 4: `x{b}` is not a literal and not a capture; a capture takes a whole segment: {name}, {name: u32} or {+name}",
        ),
        ("/{+a}/b", "column 2: `{+a}` takes all remaining segments, so it must be the last one"),
        ("/{a}/{a}", "column 6: the variable `a` is declared twice"),
        ("/{a}?{a}", "column 6: the variable `a` is declared twice"),
        ("/{1a}", "column 2: `1a` is not a name; use letters, digits, `-` and `_`, beginning with a letter"),
        ("/{a: int}", "column 2: unknown type `int`; known are bool, s8 to u64, f32, f64, char and string"),
        (
            "/a?b",
            "column 4: `b` is not a query parameter; write {name}, {name?}, {name: u32} or {name?: u32}, with `&` between two",
        ),
        ("/a/..", "column 4: the segment `..` is never matched: requests with it are refused"),
        ("/a/%2e", "column 4: the segment `%2e` is never matched: requests with it are refused"),
        (
            "/a b",
            "column 2: `a b` cannot be part of a path; percent-encode characters other than letters, digits and -._~!$&'()*+,;=:@",
        ),
    ] {
        assert_eq!(Pattern::parse(text).unwrap_err().to_string(), expected, "{text}");
    }
    assert!(Pattern::parse(&"a/".repeat(40)).unwrap_err().to_string().contains("more than 32 segments"));
    assert!(Pattern::parse(&"a".repeat(9_000)).is_err());
}

#[test]
fn targets_are_decoded_or_refused() {
    let segments = |target: &str| Target::parse(target).map(|target| target.segments);
    for (target, expected) in [
        ("/", vec![]),
        ("/?a=1", vec![]),
        ("/a/b", vec!["a", "b"]),
        ("/a/b/", vec!["a", "b"]),
        ("/a%2Fb/c", vec!["a/b", "c"]),
        ("/caf%C3%A9/a+b", vec!["café", "a+b"]),
        ("/a...b/...", vec!["a...b", "..."]),
        ("/%252e%252e", vec!["%2e%2e"]),
        (r"/a\..\b", vec![r"a\..\b"]),
    ] {
        assert_eq!(segments(target).unwrap(), expected, "{target}");
    }
    for (target, expected) in [
        ("a", TargetError::NotAbsolute),
        ("*", TargetError::NotAbsolute),
        ("//", TargetError::EmptySegment),
        ("//a", TargetError::EmptySegment),
        ("/a//b", TargetError::EmptySegment),
        ("/a//", TargetError::EmptySegment),
        ("/a/../b", TargetError::DotSegment),
        ("/a/%2e%2E/b", TargetError::DotSegment),
        ("/./a", TargetError::DotSegment),
        ("/%", TargetError::Encoding { part: "path" }),
        ("/%zz", TargetError::Encoding { part: "path" }),
        ("/%ff", TargetError::Encoding { part: "path" }),
        ("/%c0%ae%c0%ae", TargetError::Encoding { part: "path" }),
        ("/a%00", TargetError::Control),
        ("/a%0d%0ab", TargetError::Control),
        ("/a?b=%f", TargetError::Encoding { part: "query" }),
    ] {
        assert_eq!(Target::parse(target), Err(expected), "{target}");
    }
    assert!(matches!(Target::parse(&format!("/{}", "a".repeat(9_000))), Err(TargetError::TooLong { .. })));
    let query = Target::parse("/?a=1&b=x+y%26&c&&a=2").unwrap().query;
    let expected =
        [("a", "1"), ("b", "x y&"), ("c", ""), ("a", "2")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(query, expected);
}

#[test]
fn the_first_route_that_matches_is_found() {
    let (tree, overlaps, _) = tree(&[
        (Method::Get, "/users/me"),
        (Method::Get, "/users/{id}?{active}"),
        (Method::Get, "/users/{id}"),
        (Method::Post, "/users/{id}"),
        (Method::Get, "/{kind}/{id}/x"),
        (Method::Get, "/users/{id}/{what}"),
        (Method::Get, "/files/{+path}"),
        (Method::Get, "/files/a/b"),
        (Method::Get, "/needs?{a}&{b}"),
        (Method::Get, "/"),
    ]);
    assert_eq!(overlaps, [Overlap::Shadowed { earlier: 6, later: 7 }]);
    let mut others = MethodSet::default();
    others.insert(Method::Get);
    others.insert(Method::Post);
    for (method, target, expected) in [
        (Method::Get, "/users/me", Lookup::Found(0)),
        (Method::Get, "/users/7?active=true", Lookup::Found(1)),
        (Method::Get, "/users/7", Lookup::Found(2)),
        (Method::Post, "/users/me", Lookup::Found(3)),
        (Method::Get, "/users/7/x", Lookup::Found(4)),
        (Method::Get, "/users/7/y", Lookup::Found(5)),
        (Method::Get, "/files/a/b", Lookup::Found(6)),
        (Method::Get, "/files/a", Lookup::Found(6)),
        (Method::Get, "/files", Lookup::NotFound),
        (Method::Get, "/needs?b=1", Lookup::MissingQuery { route: 8, names: vec!["a".to_owned()] }),
        (Method::Get, "/", Lookup::Found(9)),
        (Method::Delete, "/users/7", Lookup::OtherMethods(others)),
        (Method::Get, "/nothing", Lookup::NotFound),
    ] {
        assert_eq!(tree.lookup(method, &Target::parse(target).unwrap()), expected, "{method} {target}");
    }
    assert_eq!(others.to_string(), "GET, POST");
}

#[test]
fn identical_and_shadowed_routes_are_found() {
    let identical = |earlier, later| Overlap::Identical { earlier, later };
    let shadowed = |earlier, later| Overlap::Shadowed { earlier, later };
    for (routes, expected) in [
        (vec!["/a/{x}", "/a/{y}"], vec![identical(0, 1)]),
        (vec!["/a/", "a"], vec![identical(0, 1)]),
        (vec!["/a?{x}&{y}", "/a?{y}&{x}"], vec![identical(0, 1)]),
        (vec!["/a?{x?}", "/a"], vec![identical(0, 1)]),
        (vec!["/a/{x}", "/a/b"], vec![shadowed(0, 1)]),
        (vec!["/a/b", "/a/{x}"], vec![]),
        (vec!["/a", "/a?{x}"], vec![shadowed(0, 1)]),
        (vec!["/a?{x}", "/a"], vec![]),
        (vec!["/a?{x}", "/a?{y}"], vec![]),
        (vec!["/{+x}", "/a", "/a/{+y}", "/"], vec![shadowed(0, 1), shadowed(0, 2)]),
        (vec!["/{a}/b", "/{+y}", "/a/{b}"], vec![shadowed(1, 2)]),
    ] {
        let routes: Vec<(Method, &str)> = routes.into_iter().map(|text| (Method::Get, text)).collect();
        assert_eq!(tree(&routes).1, expected, "{routes:?}");
    }
}

#[test]
fn the_visited_nodes_do_not_depend_on_the_number_of_routes() {
    let visits = |count: usize| {
        let texts: Vec<String> = (0..count).map(|i| format!("/api/r{i}/{{id}}/items/{{item}}")).collect();
        let routes: Vec<(Method, &str)> = texts.iter().map(|text| (Method::Get, text.as_str())).collect();
        let (tree, overlaps, _) = tree(&routes);
        assert_eq!(overlaps, []);
        let target = |i: usize| Target::parse(&format!("/api/r{i}/7/items/8")).unwrap();
        let found = [0, count / 2, count - 1].map(|i| {
            let (found, visits) = tree.lookup_counted(Method::Get, &target(i));
            assert_eq!(found, Lookup::Found(i));
            visits
        });
        assert_eq!(tree.lookup(Method::Get, &target(count)), Lookup::NotFound);
        found
    };
    assert_eq!(visits(10), [7, 7, 7]);
    assert_eq!(visits(10_000), [7, 7, 7]);
}

#[test]
fn routes_that_overlap_too_much_are_refused() {
    // Each segment is a literal or a capture: a request could match all of them.
    let texts: Vec<String> = (0..1 << 13)
        .map(|set: u32| {
            (0..13)
                .map(|i| if set & (1 << i) == 0 { "/a".to_owned() } else { format!("/{{v{i}}}") })
                .collect()
        })
        .collect();
    let routes: Vec<(Method, &str)> = texts.iter().map(|text| (Method::Get, text.as_str())).collect();
    let (_, overlaps, _) = tree(&routes);
    let [Overlap::TooManySteps { steps }] = overlaps[..] else { panic!("{overlaps:?}") };
    assert!(steps > MATCH_STEPS_MAX, "{steps}");
}

/// The definition of the order: try every route.
fn first_by_trying(
    routes: &[(Method, &str)],
    patterns: &[Pattern],
    method: Method,
    target: &Target,
) -> Option<usize> {
    let matches = |pattern: &Pattern| {
        let is_rest = matches!(pattern.segments.last(), Some(Segment::Rest { .. }));
        let fixed = pattern.segments.len() - usize::from(is_rest);
        let length = if is_rest { target.segments.len() > fixed } else { target.segments.len() == fixed };
        length
            && pattern.segments.iter().zip(&target.segments).all(|(segment, text)| match segment {
                Segment::Literal(literal) => literal == text,
                Segment::Capture { .. } | Segment::Rest { .. } => true,
            })
            && pattern.required().iter().all(|name| target.query.iter().any(|(known, _)| known == name))
    };
    (0..routes.len()).find(|&i| routes[i].0 == method && matches(&patterns[i]))
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 500, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_search_finds_what_trying_each_route_finds(
        texts in proptest::collection::vec("(/(a|b|\\{x\\})(/(a|c|\\{y\\})(/(b|\\{z\\}|\\{\\+r\\}))?)?)?(\\?\\{q\\})?", 1..12),
        targets in proptest::collection::vec("(/[abcd]){0,4}(\\?q=1)?", 1..10),
    ) {
        let routes: Vec<(Method, &str)> = texts.iter().enumerate()
            .map(|(i, text)| (if i % 3 == 2 { Method::Post } else { Method::Get }, text.as_str())).collect();
        let (tree, _, patterns) = tree(&routes);
        for target in targets {
            let target = if target.starts_with('/') { target } else { format!("/{target}") };
            let target = Target::parse(&target).unwrap();
            let expected = first_by_trying(&routes, &patterns, Method::Get, &target);
            let found = match tree.lookup(Method::Get, &target) {
                Lookup::Found(route) => Some(route),
                _ => None,
            };
            proptest::prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn any_pattern_and_any_target_is_parsed_or_refused(pattern in "[ -~é]{0,40}", target in "/[ -~é]{0,40}") {
        if let Ok(pattern) = Pattern::parse(&pattern) {
            proptest::prop_assert_eq!(Pattern::parse(&pattern.to_string()), Ok(pattern));
        }
        let _parsed = Target::parse(&target);
    }
}
