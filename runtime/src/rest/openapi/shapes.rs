//! Shapes of bodies in a short notation: `name:type`; `?` after an optional name; `*` after the type of a list's
//! elements.

use serde_json::{Map, Value, json};

/// All named shapes. Types: `s` text, `uuid`, `time`, `i` integer, `n` number, `b` boolean, `any`, or the name of a shape.
const SHAPES: &[(&str, &str)] = &[
    ("Account", "id:uuid name:s email:s planId:uuid"),
    ("AccountData", "name:s email:s planId?:uuid"),
    ("AccountSummary", "id:uuid name:s email:s templatesCount:i workersCount:i createdAt:time"),
    ("Plan", "planId:uuid planData:PlanData"),
    (
        "PlanData",
        "projectLimit:i componentLimit:i instanceLimit:i storageLimit:i monthlyGasLimit:i monthlyUploadLimit:i",
    ),
    ("Token", "id:uuid accountId:uuid createdAt:time expiresAt:time"),
    ("Secret", "value:s"),
    ("UnsafeToken", "data:Token secret:Secret"),
    ("TokenCreationRequest", "expiresAt:time"),
    ("OAuth2Data", "url:s userCode:s expires:time encodedSession:s"),
    ("Project", "projectId:uuid projectData:ProjectData"),
    ("ProjectData", "name:s ownerAccountId:uuid description:s defaultEnvironmentId:s projectType:s"),
    ("ProjectDataRequest", "name:s ownerAccountId:uuid description:s"),
    ("Actions", "actions:s*"),
    ("ProjectPolicy", "id:uuid name:s projectActions:Actions"),
    ("ProjectPolicyData", "name:s projectActions:Actions"),
    ("ProjectGrant", "id:uuid data:ProjectGrantData"),
    ("ProjectGrantData", "granteeAccountId:uuid grantorProjectId:uuid projectPolicyId:uuid"),
    (
        "ProjectGrantRequest",
        "granteeAccountId:uuid projectPolicyId?:uuid projectActions?:s* projectPolicyName?:s",
    ),
    ("ResourceLimits", "availableFuel:i maxMemoryPerInstance:i"),
    ("ResourceLimitsUpdate", "updates:any"),
    ("WhitelistEntry", "email:s createdAt:time createdBy:uuid"),
    ("VersionInfo", "version:s"),
    ("VersionedTemplateId", "rawTemplateId:uuid version:i"),
    ("NestedTemplateId", "versionedComponentId:VersionedTemplateId"),
    ("Named", "value:s"),
    ("TemplateMetadata", "exports:any producers:any"),
    (
        "Template",
        "versionedTemplateId:VersionedTemplateId userTemplateId:NestedTemplateId \
         protectedTemplateId:NestedTemplateId templateName:Named templateSize:i metadata:TemplateMetadata \
         projectId:uuid filesSize?:i",
    ),
    ("RetryPolicy", "maxAttempts:i minDelayMs:i maxDelayMs:i multiplier:n"),
    ("TemplateQuery", "projectId?:uuid componentName:s links?:any retryPolicy?:RetryPolicy onFailure?:s"),
    ("WorkerCreationRequest", "name:s args?:s* env?:any retryPolicy?:RetryPolicy onFailure?:s"),
    ("UpdateRequest", "mode:s targetVersion:i"),
    ("WorkerId", "rawTemplateId:uuid workerName:s"),
    ("VersionedWorkerId", "workerId:WorkerId templateVersionUsed:i"),
    (
        "WorkerMetadata",
        "workerId:WorkerId accountId:uuid args:s* env:any status:s templateVersion:i retryCount:i \
         createdAt?:time",
    ),
    ("WorkersMetadata", "workers:WorkerMetadata* cursor?:s"),
    ("InvokeParameters", "params:any"),
    ("InvokeResult", "result:any"),
    ("CompleteParameters", "oplogIdx:i data:i*"),
    ("OplogPage", "entries:OplogEntry* next:any end:i"),
    ("OplogEntry", "index:i kind:s at:any text:s details:any cut?:b"),
    ("Error", "errors?:s* error?:s message?:s componentId?:uuid golemError?:any"),
];

/// Request and response body of an endpoint, by method and end of the path: a shape, `T*` for a list, or nothing.
const BODIES: &[(&str, &str, &str, &str)] = &[
    ("GET", "/accounts/{account_id}", "", "Account"),
    ("PUT", "/accounts/{account_id}", "AccountData", "Account"),
    ("POST", "/v1/accounts", "AccountData", "Account"),
    ("GET", "/plan", "", "Plan"),
    ("GET", "/v1/accounts/{account_id}/grants", "", "s*"),
    ("GET", "/grants/{role}", "", "s"),
    ("PUT", "/grants/{role}", "", "s"),
    ("GET", "/tokens", "", "Token*"),
    ("POST", "/tokens", "TokenCreationRequest", "UnsafeToken"),
    ("GET", "/tokens/{token_id}", "", "Token"),
    ("GET", "/login/token", "", "Token"),
    ("POST", "/v1/oauth2", "", "UnsafeToken"),
    ("POST", "/device/start", "", "OAuth2Data"),
    ("POST", "/device/complete", "s", "UnsafeToken"),
    ("GET", "/v1/projects", "", "Project*"),
    ("POST", "/v1/projects", "ProjectDataRequest", "Project"),
    ("GET", "/projects/default", "", "Project"),
    ("GET", "/projects/{project_id}", "", "Project"),
    ("GET", "/actions", "", "s*"),
    ("GET", "/projects/{project_id}/grants", "", "ProjectGrant*"),
    ("POST", "/projects/{project_id}/grants", "ProjectGrantRequest", "ProjectGrant"),
    ("GET", "/grants/{grant_id}", "", "ProjectGrant"),
    ("POST", "/project-policies", "ProjectPolicyData", "ProjectPolicy"),
    ("GET", "/project-policies/{project_policy_id}", "", "ProjectPolicy"),
    ("GET", "/resource-limits", "", "ResourceLimits"),
    ("POST", "/resource-limits", "ResourceLimitsUpdate", ""),
    ("GET", "/admin/accounts", "", "AccountSummary*"),
    ("GET", "/count", "", "i"),
    ("GET", "/v1/whitelist", "", "WhitelistEntry*"),
    ("POST", "/v1/whitelist", "s*", ""),
    ("POST", "/v1/whitelist/remove", "s*", ""),
    ("GET", "/enabled", "", "b"),
    ("PUT", "/enabled", "b", ""),
    ("GET", "/version", "", "VersionInfo"),
    ("GET", "/v1/templates", "", "Template*"),
    ("POST", "/v1/templates", "", "Template"),
    ("GET", "/v1/templates/{template_id}", "", "Template*"),
    ("PUT", "/upload", "", "Template"),
    ("GET", "/latest", "", "i"),
    ("GET", "/workers/{worker_id}", "", "VersionedWorkerId"),
    ("GET", "/workers", "", "WorkersMetadata"),
    ("POST", "/workers", "WorkerCreationRequest", "VersionedWorkerId"),
    ("GET", "/workers/{worker_name}", "", "WorkerMetadata"),
    ("POST", "/key", "", "Named"),
    ("POST", "/invoke-and-await", "InvokeParameters", "InvokeResult"),
    ("POST", "/invoke", "InvokeParameters", ""),
    ("POST", "/complete", "CompleteParameters", "b"),
    ("POST", "/update", "UpdateRequest", ""),
    ("GET", "/oplog", "", "OplogPage"),
    ("GET", "/oplog/{index}", "", "OplogEntry"),
];

/// Name of a query parameter, whether it is required, and its purpose.
type QueryParam = (&'static str, bool, &'static str);

const QUERIES: &[(&str, &str, &[QueryParam])] = &[
    (
        "GET",
        "/v1/templates",
        &[
            ("project-id", false, "The project; the caller's default project if it is left out"),
            ("template-name", false, "Only those with this name"),
        ],
    ),
    (
        "GET",
        "/workers",
        &[
            ("filter", false, "A condition such as `name startswith cart-`; may be given several times"),
            ("cursor", false, "The cursor that the previous page returned"),
            ("count", false, "Number of workers to list, at most"),
        ],
    ),
    (
        "GET",
        "/oplog",
        &[
            ("from", false, "The index at which the page begins; the first entry if it is left out"),
            ("count", false, "Number of entries, at most"),
            ("query", false, "Only entries that contain all these words"),
        ],
    ),
    ("GET", "/download", &[("version", false, "The version; the latest if it is left out")]),
    (
        "POST",
        "/invoke-and-await",
        &[
            ("function", true, "The function's full name"),
            ("invocation-key", false, "A key issued by POST …/key"),
            ("calling-convention", false, "component, stdio or stdio-event-loop"),
        ],
    ),
    ("POST", "/invoke", &[("function", true, "The function's full name")]),
    ("POST", "/interrupt", &[("recover-immediately", false, "true for a simulated crash")]),
    ("GET", "/v1/projects", &[("project-name", false, "Only those with this name")]),
    ("GET", "/resource-limits", &[("account-id", true, "The account")]),
    (
        "POST",
        "/v1/oauth2",
        &[("provider", true, "github"), ("access_token", true, "An access token of the provider")],
    ),
    (
        "GET",
        "/admin/accounts",
        &[("skip", false, "Number of elements to skip"), ("limit", false, "Number of elements to list")],
    ),
    (
        "GET",
        "/v1/whitelist",
        &[("skip", false, "Number of elements to skip"), ("limit", false, "Number of elements to list")],
    ),
];

pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// All named shapes as schemas.
pub(super) fn schemas() -> Value {
    let mut schemas = Map::new();
    for (name, fields) in SHAPES {
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for (field, ty) in fields.split_whitespace().filter_map(|field| field.split_once(':')) {
            let plain = field.trim_end_matches('?');
            properties.insert(plain.to_owned(), schema(ty));
            if plain == field {
                required.push(plain);
            }
        }
        let shape = json!({ "type": "object", "properties": properties, "required": required });
        schemas.insert((*name).to_owned(), shape);
    }
    Value::Object(schemas)
}

fn schema(ty: &str) -> Value {
    if let Some(item) = ty.strip_suffix('*') {
        return json!({ "type": "array", "items": schema(item) });
    }
    match ty {
        "s" => json!({ "type": "string" }),
        "uuid" => json!({ "type": "string", "format": "uuid" }),
        "time" => json!({ "type": "string", "format": "date-time" }),
        "i" => json!({ "type": "integer", "format": "int64" }),
        "n" => json!({ "type": "number" }),
        "b" => json!({ "type": "boolean" }),
        "any" => json!({}),
        name => reference(name),
    }
}

fn bodies(method: &str, path: &str) -> Option<(&'static str, &'static str)> {
    let fits = |of: &str, end: &str| of == method && path.ends_with(end);
    let longest = BODIES.iter().filter(|(of, end, ..)| fits(of, end)).max_by_key(|(_, end, ..)| end.len());
    longest.map(|(.., request, response)| (*request, *response))
}

fn content(ty: &str) -> Option<Value> {
    (!ty.is_empty()).then(|| json!({ "application/json": { "schema": schema(ty) } }))
}

/// The schema of a multipart form.
fn form(parts: &Value, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": parts, "required": required })
}

/// The request body of an endpoint.
pub(super) fn request(method: &str, path: &str) -> Option<Value> {
    let bytes = json!({ "type": "string", "format": "binary" });
    match (method, path) {
        ("POST", "/v1/templates") => {
            let parts = json!({ "field0": reference("TemplateQuery"), "template": bytes, "files": bytes });
            Some(json!({ "multipart/form-data": { "schema": form(&parts, &["field0", "template"]) } }))
        }
        ("PUT", path) if path.ends_with("/upload") => {
            let parts = json!({ "template": bytes, "files": bytes });
            Some(json!({
                "application/octet-stream": { "schema": bytes },
                "multipart/form-data": { "schema": form(&parts, &["template"]) },
            }))
        }
        _ => content(bodies(method, path)?.0),
    }
}

/// The response body of an endpoint; `None` if it has none, or if it is described elsewhere.
pub(super) fn response(method: &str, path: &str) -> Option<Value> {
    if path.ends_with("/download") {
        let bytes = json!({ "type": "string", "format": "binary" });
        return Some(json!({ "application/octet-stream": { "schema": bytes } }));
    }
    content(bodies(method, path)?.1)
}

/// The query parameters of an endpoint.
pub(super) fn query(method: &str, path: &str) -> &'static [QueryParam] {
    let found = QUERIES.iter().find(|(of, end, _)| *of == method && path.ends_with(end));
    found.map_or(&[], |(.., query)| *query)
}
