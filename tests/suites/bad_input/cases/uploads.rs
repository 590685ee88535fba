//! Wrong uploads.

use super::{Case, FORM_HINT, TestData, UNKNOWN_ID, case};
use crate::UPLOAD_BYTES_MAX;
use golem_tests::guests;
use golem_tests::http::Request;
use golem_tests::rest::{Part, multipart, upload, with_form};

pub(super) fn cases(data: &TestData) -> Vec<Case> {
    let name = br#"{"componentName": "bad"}"#;
    let part = |name, content| Part { name, content_type: None, content };
    let core = b"\0asm\x01\0\0\0";
    let wasm = guests::bytes(guests::COUNTER);
    let undefined = component(
        r#"(component
            (import "acme:db/query" (instance (export "run" (func)) (export "stop" (func))))
            (import "log-it" (func)))"#,
    );
    let files = archive_with_escaping_link();
    let processing = "Template processing error: ";
    vec![
        case(
            "text instead of a component",
            upload("bad", b"fn main() {}"),
            400,
            format!("{processing}this is not a WebAssembly component but *"),
        ),
        case(
            "nothing instead of a component",
            upload("bad", b""),
            400,
            format!("{processing}this is not a WebAssembly component but *"),
        ),
        case(
            "WebAssembly text instead of a component",
            upload("bad", b"(component)"),
            400,
            format!("{processing}this is not a WebAssembly component but *"),
        ),
        case(
            "a core module",
            upload("bad", core),
            400,
            format!(
                "{processing}this is a WebAssembly core module, not a component; build it for the target \
                 wasm32-wasip2, or turn it into a component with `wasm-tools component new`"
            ),
        ),
        case(
            "a component from before WASI 0.2",
            upload("bad", b"\0asm\x0c\0\x01\0"),
            400,
            format!(
                "{processing}this component has the binary format 0xc, which is older than WASI 0.2; build it again \
                 with current tools"
            ),
        ),
        case(
            "half a component",
            upload("bad", &wasm[..wasm.len() / 2]),
            400,
            format!("{processing}this is not a valid WebAssembly component: *"),
        ),
        case(
            "undefined imports",
            upload("bad", &undefined),
            400,
            format!(
                "{processing}this component imports functions that this server does not define: acme:db/query#run, \
                 acme:db/query#stop, log-it"
            ),
        ),
        case(
            "undefined imports in a new version",
            Request::new("PUT", format!("/v1/templates/{}/upload", data.counter))
                .body("application/octet-stream", undefined.clone()),
            400,
            format!(
                "{processing}this component imports functions that this server does not define: acme:db/query#run, \
                 acme:db/query#stop, log-it"
            ),
        ),
        case(
            "a new version of an unknown template",
            Request::new("PUT", format!("/v1/templates/{UNKNOWN_ID}/upload"))
                .body("application/octet-stream", wasm.clone()),
            404,
            format!("Template not found: {UNKNOWN_ID}"),
        ),
        case(
            "a name that is in use",
            upload("counter", &wasm),
            409,
            format!(
                "Template already exists: counter is the name of template {}; upload a new version of it, or take \
                 another name",
                data.counter
            ),
        ),
        case("an empty name", upload("", &wasm), 400, "Invalid template name: *"),
        case(
            "a component that is too large",
            upload("bad", &vec![0; UPLOAD_BYTES_MAX]),
            413,
            format!("the request body is larger than the limit of {UPLOAD_BYTES_MAX} bytes"),
        ),
        case(
            "an upload without a form",
            Request::post("/v1/templates").body("application/octet-stream", wasm.clone()),
            400,
            format!("*: {FORM_HINT}"),
        ),
        case(
            "a form without the component",
            multipart(&[part("field0", name)]),
            400,
            format!("the multipart form has no part `template`; {FORM_HINT}"),
        ),
        case(
            "a form without the query",
            multipart(&[part("template", &wasm)]),
            400,
            format!("the multipart form has no part `field0`; {FORM_HINT}"),
        ),
        case(
            "a form with another part",
            multipart(&[part("field0", name), part("wasm", &wasm)]),
            400,
            format!("the multipart form has an unknown part \"wasm\"; {FORM_HINT}"),
        ),
        case(
            "a form with a part twice",
            multipart(&[part("field0", name), part("query", name), part("template", &wasm)]),
            400,
            format!("the multipart form has the part \"query\" twice; {FORM_HINT}"),
        ),
        case(
            "a new version with a query part",
            with_form(
                Request::new("PUT", format!("/v1/templates/{}/upload", data.counter)),
                &[part("field0", name), part("template", &wasm)],
            ),
            400,
            "a new version's form has no query part: its template has a name already, and links, retry-policy and \
             on-failure are given in the address",
        ),
        case(
            "a query that is no JSON",
            multipart(&[part("field0", b"componentName=bad"), part("template", &wasm)]),
            400,
            "Malformed JSON in *: expected value at line 1 column 1",
        ),
        case(
            "a query without a name",
            multipart(&[part("field0", b"{}"), part("template", &wasm)]),
            400,
            "Invalid *: missing field `componentName` at line 1 column 2",
        ),
        case(
            "files that are no archive",
            multipart(&[part("field0", name), part("template", &wasm), part("files", b"PK\x03\x04")]),
            400,
            format!(
                "{processing}this is not a tar archive but a zip archive; send a tar archive that is not compressed"
            ),
        ),
        case(
            "an archive that is cut",
            multipart(&[part("field0", name), part("template", &wasm), part("files", &files[..600])]),
            400,
            format!("{processing}the tar archive cannot be read: *"),
        ),
        case(
            "files outside of the worker",
            multipart(&[part("field0", name), part("template", &wasm), part("files", &files)]),
            400,
            format!(
                "{processing}the tar archive holds a file that cannot be one of a worker: passwd: a link to \
                 /etc/passwd: links must be relative"
            ),
        ),
        case(
            "a project that does not exist",
            multipart(&[
                part(
                    "field0",
                    format!(r#"{{"componentName": "bad", "projectId": "{UNKNOWN_ID}"}}"#).as_bytes(),
                ),
                part("template", &wasm),
            ]),
            404,
            format!("Project not found: {UNKNOWN_ID}"),
        ),
    ]
}

/// Compiles a component from WebAssembly text.
fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the text is valid WebAssembly")
}

/// An archive with a file of a thousand bytes and a link to a path outside the worker's files.
fn archive_with_escaping_link() -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut file = tar::Header::new_gnu();
    file.set_size(1_000);
    archive.append_data(&mut file, "file", &[b'x'; 1_000][..]).expect("writing to memory cannot fail");
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    archive.append_link(&mut link, "passwd", "/etc/passwd").expect("writing to memory cannot fail");
    archive.into_inner().expect("writing to memory cannot fail")
}
