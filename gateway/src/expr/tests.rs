//! Tests of expressions: tables of texts with their values, types and errors, and properties of generated expressions.

use super::parse::parse_template;
use super::*;
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;

fn string(text: &str) -> String {
    text.to_owned()
}

/// The result of the function in these tests.
fn result_type() -> Type {
    let cart = Type::Record(
        [
            (string("id"), Type::String),
            (string("total"), Type::F64),
            (string("items"), Type::List(Arc::new(Type::U32))),
            (string("note"), Type::Option(Arc::new(Type::String))),
            (string("state"), Type::Enum([string("open"), string("paid")].into())),
            (string("nested"), Type::Option(Arc::new(Type::Option(Arc::new(Type::U8))))),
        ]
        .into(),
    );
    let error = Type::Variant([(string("not-found"), None), (string("limit"), Some(Type::U32))].into());
    Type::Result { ok: Some(Arc::new(cart)), err: Some(Arc::new(error)) }
}

fn variables() -> Vec<(String, Ty)> {
    vec![
        (string("user-id"), Ty::Text),
        (string("count"), Ty::Number),
        (string("active"), Ty::Text),
        (string("limit"), Ty::Text.option()),
    ]
}

struct Sample {
    path: Json,
    headers: Json,
    body: Json,
    response: Json,
}

impl Sample {
    fn new() -> Self {
        Self {
            path: json!({"user-id": "7", "count": 3, "active": "true", "limit": null}),
            headers: json!({"x-tenant": "blue", "accept": "*/*"}),
            body: json!({"name": "Ada", "age": 36, "tags": ["a", "b"], "address": {"city": "Linz"}, "deep": null}),
            response: json!([{"ok": {"id": "c1", "total": 9.5, "items": [1, 2], "note": null, "state": "open",
                "nested": {"some": 4}}}]),
        }
    }

    fn env(&self) -> Env<'_> {
        Env {
            path: &self.path,
            query: &self.path,
            headers: &self.headers,
            body: &self.body,
            response: &self.response,
        }
    }
}

fn compile(json: &Json) -> Result<Expr, ExprError<CompileProblem>> {
    let (variables, result) = (variables(), result_type());
    Expr::compile(json, &Scope { path: &variables, query: &variables, response: Some(Some(&result)) })
}

/// The value of the expression, or its error.
fn evaluated(json: &Json) -> Result<Json, String> {
    let expr = compile(json).map_err(|error| error.to_string())?;
    let value = expr.value(Sample::new().env()).map_err(|error| error.to_string())?;
    assert!(expr.ty().admits(&value), "{json}: {value} is no {}", expr.ty());
    Ok(value)
}

#[track_caller]
fn check(text: &str, expected: &Json) {
    assert_eq!(evaluated(&json!(text)).as_ref(), Ok(expected), "{text}");
}

#[track_caller]
fn check_error(text: &str, expected: &str) {
    assert_eq!(evaluated(&json!(text)).unwrap_err(), expected, "{text}");
}

#[test]
fn references_have_all_spellings_of_2023() {
    for (text, expected) in [
        ("${request.path.user-id}", json!("7")),
        ("${path.user-id}", json!("7")),
        ("${path.active}", json!("true")),
        ("${request.path.active}", json!("true")),
        ("${request.query.active}", json!("true")),
        ("${request.headers.x-tenant}", json!("blue")),
        ("${request.headers.X-Tenant}", json!("blue")),
        ("${request.header.x-tenant}", json!("blue")),
        ("${request.body.name}", json!("Ada")),
        ("${request.body.tags[1]}", json!("b")),
        ("${request.body.address.city}", json!("Linz")),
        ("${request.body.\"name\"}", json!("Ada")),
        ("${worker.response[0].ok?.id}", json!("c1")),
        ("${worker.result.ok?.id}", json!("c1")),
        ("${worker.result.err}", json!(null)),
        ("${request.path.limit}", json!(null)),
        ("${request.path.count}", json!(3)),
    ] {
        check(text, &expected);
    }
    check("${worker.response}", &Sample::new().response);
    check("${request.body}", &Sample::new().body);
}

#[test]
fn texts_are_concatenated() {
    for (text, expected) in [
        ("", json!("")),
        ("plain", json!("plain")),
        ("if then else", json!("if then else")),
        ("cart-${path.user-id}-${path.count}", json!("cart-7-3")),
        ("$${path.count}", json!("$3")),
        (r"\${x}", json!("${x}")),
        (r"\\${path.count}", json!(r"\3")),
        (r"a\b", json!(r"a\b")),
        ("${'a\\n${path.count}'}", json!("a\n3")),
        ("${\"it's\"}", json!("it's")),
        ("${'}'}", json!("}")),
        ("größe ${request.body.age}", json!("größe 36")),
    ] {
        check(text, &expected);
    }
}

#[test]
fn operators_bind_as_documented() {
    for (text, expected) in [
        ("${1 < 2}", json!(true)),
        ("${2 ≤ 2 && 3 ≥ 4}", json!(false)),
        ("${1 != 2 and not false}", json!(true)),
        ("${true || false && false}", json!(true)),
        ("${(true || false) && false}", json!(false)),
        ("${!(1 > 2) or false}", json!(true)),
        ("${path.user-id == 7}", json!(true)),
        ("${path.user-id < 10}", json!(true)),
        ("${path.user-id == path.count}", json!(false)),
        ("${path.active == true}", json!(true)),
        ("${request.body.age >= 18}", json!(true)),
        ("${'b' > 'a'}", json!(true)),
        ("${path.limit == none}", json!(true)),
        ("${path.limit ?? 10}", json!("error")),
        ("${path.limit ?? '10'}", json!("10")),
        ("${request.body.missing ?? 'x'}", json!("x")),
        ("${request.body.address.zip ?? request.body.deep ?? 1}", json!(1)),
        ("${request.headers.x-none ?? 'none'}", json!("none")),
        ("${request.body?.missing}", json!(null)),
        ("${request.body.tags?[9]}", json!(null)),
        ("${18446744073709551615 == 18446744073709551614}", json!(false)),
        ("${-5 < 1.5e1}", json!(true)),
    ] {
        if expected == json!("error") {
            assert!(evaluated(&json!(text)).is_err(), "{text}");
        } else {
            check(text, &expected);
        }
    }
}

#[test]
fn conditions_and_matches_choose_one_branch() {
    for (text, expected) in [
        ("${if path.count == 3 then 200 else 404}", json!(200)),
        ("${if path.active then 'yes' else 'no'}", json!("yes")),
        ("${if false then 1 elseif path.count < 3 then 2 else 3}", json!(3)),
        ("${if false then 1 else if path.count > 2 then 2 else 3}", json!(2)),
        ("${if true then if false then 1 else 2 else 3}", json!(2)),
        ("${match worker.result { ok(cart) => cart.total, err(_) => 0 }}", json!(9.5)),
        (
            "${match worker.result { ok => 200, err(e) => match e { not-found => 404, limit(n) => n } }}",
            json!(200),
        ),
        ("${match path.limit { some(x) => x, none => '20' }}", json!("20")),
        ("${match worker.result.ok?.state { some(s) => s, none => 'none' }}", json!("open")),
        ("${match request.body.age { 36 => 'a', _ => 'b' }}", json!("a")),
        ("${match request.body.name { 'Ada' => 1, _ => 2, }}", json!(1)),
        ("${match path.count > 2 { true => 1, false => 0 }}", json!(1)),
        (
            "${match worker.result { ok(c) => match c.nested { some(some_n) => true, none => false }, err => false }}",
            json!(true),
        ),
        ("${match worker.result { ok(c) => match c.state { open => 1, paid => 2 }, err => 3 }}", json!(1)),
        ("${[1, path.count, {a: 'x', 'b c': [true]}]}", json!([1, 3, {"a": "x", "b c": [true]}])),
    ] {
        check(text, &expected);
    }
}

#[test]
fn a_json_structure_has_expressions_as_leaves() {
    let json = json!({"id": "${path.user-id}", "list": [1, true, "x-${path.count}"], "text": "200"});
    let expected = json!({"id": "7", "list": [1, true, "x-3"], "text": "200"});
    assert_eq!(evaluated(&json), Ok(expected));
    let error = compile(&json!({"a": [1, {"b": "ok ${path.nope}"}]})).unwrap_err();
    assert_eq!((error.path.as_str(), error.line, error.column), (".a[1].b", 1, 6), "{error}");
    assert_eq!(compile(&json!({"a": [null]})).unwrap_err().path, ".a[0]");
}

#[test]
fn syntax_errors_name_the_column_and_what_was_expected() {
    for (text, expected) in [
        (
            "ab ${",
            "column 6: expected a value, such as request.body.name, \"text\", 200 or if … then … else …, found the end of the text",
        ),
        ("${path.count", "column 1: the placeholder `${` has no end; add `}`"),
        ("${path.}", "column 8: expected the name of a field; write an index as `[0]`, found `}`"),
        (
            "${1 2}",
            "column 5: expected an operator, or `}` at the end of the placeholder, found the number 2",
        ),
        (
            "${a = 1}",
            "column 5: unexpected character '='; operators are < <= > >= == != && || ! ?? and `.` `[ ]`",
        ),
        ("${'abc}", "column 3: the string has no end; add `'`"),
        (
            "${if true then 1}",
            "column 17: expected `else`; every condition needs a value for both cases, found `}`",
        ),
        ("${if true 1}", "column 11: expected `then` after the condition, found the number 1"),
        ("${1 < 2 < 3}", "column 9: expected `&&` or `||` between two comparisons, found `<`"),
        (
            "${12ab}",
            "column 3: `12ab` is not a number; write digits, such as 200 or -1.5, and texts in quotation marks",
        ),
        (
            "${\n  [1, }",
            "line 2, column 7: expected a value, such as request.body.name, \"text\", 200 or if … then … else …, found `}`",
        ),
        ("${{a: 1, a: 2}}", "column 10: the field \"a\" occurs twice"),
        (
            "${'\\q'}",
            "column 4: unknown escape sequence `\\q` in a string; known are \\\" \\' \\\\ \\$ \\n \\r \\t",
        ),
        ("${match 1 { 1 2 }}", "column 15: expected `=>` and the value of the case, found the number 2"),
    ] {
        check_error(text, expected);
    }
}

#[test]
fn type_errors_name_the_column_and_the_types() {
    for (text, expected) in [
        (
            "${foo}",
            "column 3: unknown name `foo`; known are request, worker and path; write a text as \"foo\"",
        ),
        (
            "${request}",
            "column 3: `request` has no part ``; it has path, query, headers and body, such as request.path.user-id",
        ),
        (
            "${path.nope}",
            "column 3: the path of the route declares no variable `nope`; declare it as {nope}, or as ?{nope} in the query",
        ),
        (
            "${worker.response.id}",
            "column 18: [result({id: str, total: f64, items: [u32], note: str?, state: enum(open, paid), nested: u8??}, variant(not-found: (), limit: u32))] has no fields; it is a list with one element, so write [0] before the field",
        ),
        ("${worker.response[1]}", "column 18: no element 1; there are 1"),
        ("${if 1 then 2 else 3}", "column 6: expected a boolean, found number"),
        ("${if true then 2 else 'x'}", "column 23: the branches have different types: number and str"),
        ("${1 == 'x'}", "column 5: cannot compare number with str by =="),
        ("${true < false}", "column 8: cannot compare bool with bool by <"),
        (
            "${path.limit < 3}",
            "column 14: a side of the comparison may be absent (it is text?); access it with `?.`, or write a default after it: ?? …",
        ),
        (
            "x${path.limit}",
            "column 4: the value may be absent (it is text?); access it with `?.`, or write a default after it: ?? …",
        ),
        ("x${[1]}", "column 4: expected a number, a boolean or a text as a part of a text, found [number]"),
        (
            "${match worker.result { ok => 1 }}",
            "column 3: the match does not cover err; add this case, or `_ => …`",
        ),
        (
            "${match worker.result { ok => 1, ok(x) => 2, err => 3 }}",
            "column 34: this case is never reached, because an earlier one covers it",
        ),
        (
            "${match path.count { 1 => 1 }}",
            "column 3: the match does not cover all values; add this case, or `_ => …`",
        ),
        (
            "${match worker.result { oh => 1, _ => 2 }}",
            "column 25: result({id: str, total: f64, items: [u32], note: str?, state: enum(open, paid), nested: u8??}, variant(not-found: (), limit: u32)) has no case `oh`",
        ),
    ] {
        check_error(text, expected);
    }
}

#[test]
fn errors_of_a_request_name_what_is_missing() {
    for (text, expected) in [
        ("${request.headers.x-none}", "column 18: the request has no header `x-none`"),
        (
            "${request.body.zip}",
            "column 15: no field `zip` in an object with the fields address, age, deep, name, tags",
        ),
        ("${request.body.tags[5]}", "column 20: no element 5 in a list of 2 elements"),
        ("${request.body.name < 3}", "column 21: cannot compare \"Ada\" with 3"),
        ("${request.body.age && true}", "column 3: expected true or false, found 36"),
        ("${match request.body { ok(x) => 1, err(x) => 2, _ => 3 }}", "value 3"),
    ] {
        match expected.strip_prefix("value ") {
            Some(value) => check(text, &value.parse().unwrap()),
            None => check_error(text, expected),
        }
    }
}

#[test]
fn nesting_and_length_are_bounded() {
    let nested = |n: usize| format!("${{{}1{}}}", "(".repeat(n), ")".repeat(n));
    check(&nested(20), &json!(1));
    for text in [
        nested(40),
        format!("${{{}1{}}}", "[".repeat(100_000 / 8), "]".repeat(3)),
        format!("${{{}true}}", "!".repeat(10_000)),
        format!("${{{}", "'${".repeat(5_000)),
    ] {
        let error = evaluated(&json!(text)).unwrap_err();
        assert!(error.ends_with("nested deeper than 32 levels; split the expression"), "{error}");
    }
    let long = "x".repeat(crate::limits::EXPRESSION_BYTES_MAX + 1);
    assert!(evaluated(&json!(long)).unwrap_err().contains("longer than 16384 bytes"));
    let deep = (0..60).fold(json!("x"), |inner, _| json!([inner]));
    assert!(evaluated(&deep).unwrap_err().contains("nested deeper"));
}

#[test]
fn an_evaluation_that_copies_too_much_fails() {
    let mut sample = Sample::new();
    sample.body = json!("x".repeat(1 << 20));
    let many = format!("${{[{}]}}", vec!["request.body"; 100].join(", "));
    for text in [many, format!("${{{}}}", vec!["request.body == request.body"; 100].join(" && "))] {
        let error = compile(&json!(text)).unwrap().value(sample.env()).unwrap_err();
        assert_eq!(error.problem, EvalProblem::TooLarge);
    }
}

#[test]
fn types_fit_parameters_or_say_why_not() {
    let optional = Type::Option(Arc::new(Type::U32));
    let record = Type::Record(
        [(string("id"), Type::U64), (string("on"), Type::Bool), (string("n"), optional.clone())].into(),
    );
    let found = |json: Json, target: &Type| {
        let expr = compile(&json).map_err(|error| error.to_string())?;
        expr.require("the parameter", target).map_err(|error| error.to_string())?;
        let value = expr.value_for(target, Sample::new().env()).map_err(|error| error.to_string())?;
        golem_model::value::json::from_json(target, &value, "p").map_err(|error| error.to_string())?;
        Ok::<_, String>(value)
    };
    for (json, target, expected) in [
        (json!("${path.user-id}"), Type::U8, Ok(json!(7))),
        (json!("${path.user-id}"), Type::String, Ok(json!("7"))),
        (json!("${path.active}"), Type::Bool, Ok(json!(true))),
        (json!("7"), Type::U8, Ok(json!(7))),
        (json!("${path.limit}"), optional.clone(), Ok(json!(null))),
        (
            json!({"id": "${path.user-id}", "on": "${path.active}"}),
            record.clone(),
            Ok(json!({"id": 7, "on": true})),
        ),
        (json!("${request.body.age}"), Type::U8, Ok(json!(36))),
        (json!("${request.body.tags}"), Type::List(Arc::new(Type::String)), Ok(json!(["a", "b"]))),
        (json!({"ok": 5}), Type::Result { ok: Some(Arc::new(Type::U8)), err: None }, Ok(json!({"ok": 5}))),
        (
            json!("${path.limit}"),
            Type::U32,
            Err(
                "column 3: the parameter needs u32, found text?; it may be absent, so write a default after it: ?? …",
            ),
        ),
        (
            json!("300"),
            Type::U8,
            Err("column 1: the parameter: value 300 is not within the range of 0 to 255 of u8"),
        ),
        (
            json!({"id": 1, "on": "${path.count}"}),
            record.clone(),
            Err("column 1: the parameter.on needs bool, found number"),
        ),
        (json!({"id": 1}), record.clone(), Err("column 1: the parameter.on needs bool, found no such field")),
        (json!("x-${path.count}"), Type::U32, Err("column 1: the parameter needs u32, found str")),
        (json!("${path.count == 3}"), Type::String, Err("column 14: the parameter needs str, found bool")),
    ] {
        let expected = expected.map_err(str::to_owned);
        let expected_text = expected.clone().unwrap_or_default();
        let found = found(json.clone(), &target);
        assert_eq!(found, expected, "{json} as {target}: {expected_text}");
    }
}

#[test]
fn a_case_may_have_the_name_none() {
    let state = Type::Enum([string("none"), string("some")].into());
    let filter = Type::Variant([(string("none"), None), (string("some"), Some(Type::U8))].into());
    for (result, response, expected) in [
        (&state, json!(["none"]), json!(0)),
        (&state, json!(["some"]), json!(1)),
        (&filter, json!([{"none": null}]), json!(0)),
        (&filter, json!([{"some": 5}]), json!(1)),
    ] {
        let scope = Scope { response: Some(Some(result)), ..Scope::default() };
        let expr = Expr::compile(&json!("${match worker.result { none => 0, some => 1 }}"), &scope).unwrap();
        let sample = Sample { response, ..Sample::new() };
        assert_eq!(expr.value(sample.env()), Ok(expected), "{result}");
    }
}

#[test]
fn checking_an_expression_with_large_types_is_bounded() {
    let fields: Vec<(String, Type)> = (0..20_000).map(|i| (format!("f{i}"), Type::U8)).collect();
    let large = Type::Record(fields.into());
    let scope = Scope { response: Some(Some(&large)), ..Scope::default() };
    let compile = |uses: usize| {
        let text = format!("${{[{}]}}", vec!["worker.result.f19999"; uses].join(", "));
        Expr::compile(&json!(text), &scope).map(drop).map_err(|error| error.problem)
    };
    assert_eq!(compile(10), Ok(()));
    assert_eq!(compile(11), Err(CompileProblem::Type(TypeProblem::TooManySteps)));
}

/// Code of a random expression. Most of the generated expressions have a type.
fn code() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("1"),
        Just("-2.5"),
        Just("true"),
        Just("none"),
        Just("'a b'"),
        Just("\"x\\n\""),
        Just("path.user-id"),
        Just("path.count"),
        Just("path.limit"),
        Just("request.body"),
        Just("request.body.tags[0]"),
        Just("worker.result"),
        Just("worker.result.ok?.total"),
        Just("worker.result.ok?.items"),
        Just("request.headers.x-tenant"),
        Just("worker.response"),
        Just("request.body?.zip"),
        Just("x"),
        Just("path"),
        Just("worker.result.ok?.nested"),
    ]
    .prop_map(str::to_owned);
    leaf.prop_recursive(5, 40, 4, |inner| {
        let two = (inner.clone(), inner.clone());
        prop_oneof![
            (
                two.clone(),
                prop_oneof![
                    Just("<"),
                    Just("=="),
                    Just("!="),
                    Just("&&"),
                    Just("||"),
                    Just("??"),
                    Just(">=")
                ]
            )
                .prop_map(|((a, b), op)| format!("({a}) {op} ({b})")),
            two.clone().prop_map(|(a, b)| format!("[{a}, {b}]")),
            two.clone().prop_map(|(a, b)| format!("{{a: {a}, 'b c': {b}}}")),
            (inner.clone(), two.clone()).prop_map(|(c, (a, b))| format!("if {c} then {a} else {b}")),
            (inner.clone(), two.clone())
                .prop_map(|(c, (a, b))| format!("if ({c}) == none then {a} else if true then {b} else {a}")),
            (inner.clone(), two.clone())
                .prop_map(|(c, (a, b))| format!("match {c} {{ ok(x) => {a}, err(_) => {b} }}")),
            (inner.clone(), two.clone())
                .prop_map(|(c, (a, b))| format!("match ({c}) {{ some(x) => {a}, _ => {b} }}")),
            (inner.clone(), two)
                .prop_map(|(c, (a, b))| format!("match ({c}) {{ 1 => {a}, 'a' => {b}, _ => {a} }}")),
            inner.clone().prop_map(|a| format!("!({a})")),
            inner.clone().prop_map(|a| format!("({a})?.ok")),
            inner.clone().prop_map(|a| format!("({a})?[0]")),
            inner.clone().prop_map(|a| format!("({a}).a[1]")),
            inner.prop_map(|a| format!("\"t${{{a}}}\"")),
        ]
    })
}

fn bodies() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        "[a-z]{0,4}".prop_map(Json::from),
        Just(json!({"ok": 1})),
        Just(json!({"tags": ["q"]})),
        Just(json!("1")),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Json::from),
            proptest::collection::btree_map(
                prop_oneof![Just("a"), Just("ok"), Just("tags"), Just("zip")],
                inner,
                0..3
            )
            .prop_map(|map| Json::Object(map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn printing_and_parsing_gives_the_same_tree(code in code(), prefix in "[a$\\\\{} \n]{0,4}") {
        let text = format!("{prefix}${{{code}}}");
        if let Ok(first) = parse_template(&text) {
            let printed = print::template(&first);
            let second = parse_template(&printed);
            prop_assert_eq!(second.as_ref(), Ok(&first), "{} printed as {}", text, printed);
        }
    }

    #[test]
    fn a_checked_expression_evaluates_to_its_type(code in code(), body in bodies()) {
        let mut sample = Sample::new();
        sample.body = body;
        if let Ok(expr) = compile(&json!(format!("${{{code}}}")))
            && let Ok(value) = expr.value(sample.env())
        {
            prop_assert!(expr.ty().admits(&value), "{}: {} is no {}", code, value, expr.ty());
        }
    }

    #[test]
    fn mutated_texts_never_panic(code in code(), at in any::<prop::sample::Index>(), byte in any::<char>(), cut in any::<prop::sample::Index>()) {
        let mut chars: Vec<char> = format!("a${{{code}}}").chars().collect();
        let index = at.index(chars.len());
        chars[index] = byte;
        chars.remove(cut.index(chars.len()));
        let _outcome = evaluated(&json!(chars.iter().collect::<String>()));
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC{0,60}", code in "[ -~≤]{0,40}") {
        let _outcome = (evaluated(&json!(text)), evaluated(&json!(format!("${{{code}}}"))));
    }
}
