//! The router and the list of endpoints.

use golem_runtime::rest::ENDPOINTS;
use golem_tests::http::Request;
use golem_tests::server::ServerOptions;
use std::collections::{BTreeMap, BTreeSet};

/// The paths of all routes. The router offers no list, so this reads its source text.
fn routed_paths() -> BTreeSet<String> {
    const WORKER: &str = "/v1/templates/{template_id}/workers/{worker_name}";
    let mut paths = BTreeSet::new();
    for file in ["runtime/src/rest.rs"] {
        let source = std::fs::read_to_string(crate::root().join(file)).unwrap();
        for (at, route) in source.match_indices(".route(") {
            let rest = source[at + route.len()..].trim_start();
            let text = |from: &str| from.split('"').nth(1).unwrap_or_default().to_owned();
            paths.insert(if rest.starts_with('"') {
                text(rest)
            } else if rest.starts_with("worker,") {
                WORKER.to_owned()
            } else if rest.starts_with("&of_worker(") {
                format!("{WORKER}/{}", text(rest))
            } else {
                panic!("{file} has a route that this test cannot parse: {}", &rest[..60])
            });
        }
    }
    paths
}

#[test]
fn every_route_is_an_endpoint() {
    let mut routed_paths = routed_paths();
    // Paths below `/http` belong to the worker and accept any method.
    routed_paths.retain(|path| !path.contains("/workers/{worker_name}/http"));
    let listed: BTreeSet<String> = ENDPOINTS.iter().map(|endpoint| endpoint.path.to_owned()).collect();
    let missing: Vec<_> = routed_paths.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&routed_paths).collect();
    assert!(missing.is_empty(), "these routes need a line in runtime/src/rest/endpoints.rs: {missing:#?}");
    assert!(gone.is_empty(), "these endpoints are not routed: {gone:#?}");
    let different: BTreeSet<_> = ENDPOINTS.iter().map(|endpoint| (endpoint.method, endpoint.path)).collect();
    assert_eq!(different.len(), ENDPOINTS.len(), "an endpoint is listed twice");
}

#[tokio::test]
async fn every_path_answers_the_methods_that_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let server = ServerOptions::new(folder.path().join("data")).set("log=warn").start().await;
    let mut api = server.api();
    let mut listed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for endpoint in ENDPOINTS {
        listed.entry(endpoint.path).or_default().insert(endpoint.method);
    }
    for (path, methods) in listed {
        let request = Request::new("PATCH", path.replace(['{', '}'], ""));
        let response = api.call(request).await;
        assert_eq!(response.status, 405, "{path}");
        let allow = response.header("allow").unwrap_or_default().to_owned();
        let allowed: BTreeSet<&str> =
            allow.split(',').map(str::trim).filter(|method| *method != "HEAD").collect();
        assert_eq!(allowed, methods, "{path}");
    }
    assert!(server.stop().await.success());
}
