//! Checks a definition against the types of its templates, and compiles it.
//!
//! All errors are reported at once, each with its place. A definition that passes needs no further checks of its own when
//! requests arrive; only values can be wrong then.

use super::{ApiDefinition, Binding, Mode, ResponseMapping, Route};
use crate::exchange::{is_forbidden_header, is_header_name, is_header_value, is_response_status};
use crate::expr::{CompileProblem, Expr, ExprError, Scope, Ty};
use crate::limits::{ERRORS_REPORTED_MAX, MATCH_STEPS_MAX, ROUTES_MAX};
use crate::route::{Method, Overlap, Pattern, PatternProblem, RouteTree, Segment};
use golem_model::template::Functions;
use golem_model::{Function, TemplateId, Type, WorkerName};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// An error in a definition, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionError {
    /// The index of the route, if the error is in a route.
    pub route: Option<usize>,
    /// The route's method.
    pub method: Option<Method>,
    /// The route's path, as it was written.
    pub path: Option<String>,
    /// The route's template.
    pub template: Option<TemplateId>,
    /// The field, such as `binding.functionParams[1].name`; from the route if there is one.
    pub field: String,
    /// Line and column in the text of the field, from 1.
    pub at: Option<(u32, u32)>,
    /// What is wrong.
    pub problem: DefinitionProblem,
}

impl fmt::Display for DefinitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(route) = self.route {
            write!(f, "routes[{route}].")?;
        }
        f.write_str(&self.field)?;
        match self.at {
            Some((1, column)) => write!(f, ", column {column}")?,
            Some((line, column)) => write!(f, ", line {line}, column {column}")?,
            None => {}
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for DefinitionError {}

/// What is wrong with a definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionProblem {
    /// An expression is malformed or has a wrong type.
    #[error(transparent)]
    Expression(#[from] CompileProblem),
    /// A path is malformed.
    #[error(transparent)]
    Path(#[from] PatternProblem),
    /// The id or the version is invalid.
    #[error("`{text}` is not valid here; use 1 to 100 letters, digits, `.`, `-` and `_`")]
    Id {
        /// The text.
        text: String,
    },
    /// There are too many routes.
    #[error("the definition has {count} routes; at most {ROUTES_MAX} are accepted")]
    TooManyRoutes {
        /// Their number.
        count: usize,
    },
    /// The template does not exist, or not in the project.
    #[error("there is no template {template} in the project; `golem template list` shows the templates")]
    UnknownTemplate {
        /// The template.
        template: TemplateId,
    },
    /// The template exports no such function.
    #[error("unknown function \"{name}\"; the template exports {known}")]
    UnknownFunction {
        /// The name.
        name: String,
        /// The functions that exist.
        known: String,
    },
    /// The name of the function contains a placeholder.
    #[error(
        "the name of a function cannot contain placeholders, because its types are checked now; write one route for each function"
    )]
    FunctionPlaceholder,
    /// The function uses resources.
    #[error("the function {name} takes or returns a resource, which cannot leave its component")]
    Handles {
        /// The function.
        name: String,
    },
    /// The number of parameters differs from that of the function.
    #[error("the function {function} has {expected} parameters, and {found} are given{names}")]
    ParamCount {
        /// The function.
        function: String,
        /// Its number of parameters.
        expected: usize,
        /// The number of expressions.
        found: usize,
        /// The names of its parameters.
        names: String,
    },
    /// An earlier route matches the same requests.
    #[error("routes[{earlier}] ({earlier_path}) matches the same requests; remove one of the two")]
    Identical {
        /// The earlier route.
        earlier: usize,
        /// Its path.
        earlier_path: String,
    },
    /// The routes overlap too much for a fast search.
    #[error(
        "a request may have to visit {steps} nodes of the routes, more than {MATCH_STEPS_MAX}, because literals and captures alternate in many routes; use captures in fewer segments"
    )]
    TooManySteps {
        /// The nodes.
        steps: usize,
    },
    /// A variable of the path is never used.
    #[error(
        "the variable `{name}` of the path is not used; use it as ${{request.path.{name}}}, or write the path without it"
    )]
    UnusedVariable {
        /// The variable.
        name: String,
    },
    /// The constant cannot be a worker name.
    #[error("{0}")]
    WorkerName(String),
    /// The constant is not a status.
    #[error("{found} is not a status of a response; use a number from 200 to 599")]
    Status {
        /// The value.
        found: String,
    },
    /// The header cannot be set.
    #[error("the header `{name}` cannot be set: {reason}")]
    Header {
        /// The name.
        name: String,
        /// The reason.
        reason: &'static str,
    },
    /// The route does not wait for a result, but has a response.
    #[error("a route with the mode `accept` does not wait for a result, so it has no `response`")]
    ResponseWithoutResult,
}

/// A part of a definition that is probably not intended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// An earlier route takes all requests of a later one.
    #[error(
        "routes[{later}] ({later_path}) is never used: routes[{earlier}] ({earlier_path}) matches all its requests; move it before that route"
    )]
    Shadowed {
        /// The earlier route.
        earlier: usize,
        /// Its path.
        earlier_path: String,
        /// The later route.
        later: usize,
        /// Its path.
        later_path: String,
    },
    /// A required query parameter is not used.
    #[error("routes[{route}]: the query parameter `{name}` is declared and not used")]
    UnusedQuery {
        /// The route.
        route: usize,
        /// The parameter.
        name: String,
    },
}

/// A checked definition, ready for requests.
#[derive(Debug, Clone)]
pub struct CompiledApi {
    definition: ApiDefinition,
    pub(crate) tree: RouteTree,
    pub(crate) routes: Vec<CompiledRoute>,
    warnings: Vec<Warning>,
}

/// A checked route.
#[derive(Debug, Clone)]
pub(crate) struct CompiledRoute {
    pub(crate) pattern: Pattern,
    pub(crate) template: TemplateId,
    pub(crate) worker: Expr,
    pub(crate) name: Arc<str>,
    pub(crate) function: Arc<Function>,
    pub(crate) params: Vec<Expr>,
    pub(crate) key: Option<Expr>,
    pub(crate) mode: Mode,
    pub(crate) mapping: Mapping,
    /// Whether an expression uses the request's body.
    pub(crate) uses_body: bool,
    /// Whether an expression uses a header.
    pub(crate) uses_headers: bool,
}

/// A checked response mapping.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mapping {
    pub(crate) body: Option<Expr>,
    pub(crate) status: Option<Expr>,
    /// With lower-case names.
    pub(crate) headers: Vec<(String, Expr)>,
}

impl CompiledApi {
    /// Checks `definition` and compiles it. `functions` gives the functions of the latest version of a template that the
    /// definition may use.
    ///
    /// On error, all errors are returned, at most [`ERRORS_REPORTED_MAX`].
    pub fn new(
        definition: ApiDefinition,
        functions: impl Fn(TemplateId) -> Option<Arc<Functions>>,
    ) -> Result<Self, Vec<DefinitionError>> {
        let mut errors = Vec::new();
        let mut warnings = Vec::new();
        for (field, text) in [("id", &definition.id), ("version", &definition.version)] {
            let valid = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            if text.is_empty() || text.len() > 100 || !text.chars().all(valid) || text.starts_with('.') {
                let text = golem_model::excerpt(100, format_args!("{text}"));
                errors.push(whole(field, DefinitionProblem::Id { text }));
            }
        }
        if definition.routes.len() > ROUTES_MAX {
            let count = definition.routes.len();
            errors.push(whole("routes", DefinitionProblem::TooManyRoutes { count }));
            return Err(errors);
        }
        let mut routes = Vec::new();
        let mut patterns = Vec::new();
        for (index, route) in definition.routes.iter().enumerate() {
            let mut checker = RouteChecker { index, route, errors: &mut errors, warnings: &mut warnings };
            let (pattern, compiled) = checker.check(&functions);
            patterns.extend(pattern.map(|pattern| (index, route.method, pattern)));
            routes.extend(compiled);
            if errors.len() >= ERRORS_REPORTED_MAX {
                errors.truncate(ERRORS_REPORTED_MAX);
                return Err(errors);
            }
        }
        let (tree, overlaps) = RouteTree::new(patterns.iter().map(|(index, method, p)| (*index, *method, p)));
        let path = |index: usize| definition.routes[index].path.clone();
        for overlap in overlaps {
            match overlap {
                Overlap::Identical { earlier, later } => {
                    let problem = DefinitionProblem::Identical { earlier, earlier_path: path(earlier) };
                    errors.push(within(later, &definition.routes[later], "path", problem));
                }
                Overlap::Shadowed { earlier, later } => warnings.push(Warning::Shadowed {
                    earlier,
                    earlier_path: path(earlier),
                    later,
                    later_path: path(later),
                }),
                Overlap::TooManySteps { steps } => {
                    errors.push(whole("routes", DefinitionProblem::TooManySteps { steps }));
                }
            }
        }
        errors.sort_by_key(|error| error.route);
        errors.truncate(ERRORS_REPORTED_MAX);
        if errors.is_empty() { Ok(Self { definition, tree, routes, warnings }) } else { Err(errors) }
    }

    /// The definition.
    pub const fn definition(&self) -> &ApiDefinition {
        &self.definition
    }

    /// What is probably not intended.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The pattern of a route.
    pub fn pattern(&self, route: usize) -> Option<&Pattern> {
        self.routes.get(route).map(|route| &route.pattern)
    }
}

fn whole(field: &str, problem: DefinitionProblem) -> DefinitionError {
    let field = field.to_owned();
    DefinitionError { route: None, method: None, path: None, template: None, field, at: None, problem }
}

fn within(index: usize, route: &Route, field: &str, problem: DefinitionProblem) -> DefinitionError {
    DefinitionError {
        route: Some(index),
        method: Some(route.method),
        path: Some(route.path.clone()),
        template: Some(route.binding.template),
        field: field.to_owned(),
        at: None,
        problem,
    }
}

/// Function names in an error, at most.
const NAMES_LISTED_MAX: usize = 20;

struct RouteChecker<'a> {
    index: usize,
    route: &'a Route,
    errors: &'a mut Vec<DefinitionError>,
    warnings: &'a mut Vec<Warning>,
}

impl RouteChecker<'_> {
    fn fail(&mut self, field: &str, problem: DefinitionProblem) {
        self.errors.push(within(self.index, self.route, field, problem));
    }

    fn fail_expression(&mut self, field: &str, error: ExprError<CompileProblem>) {
        let field = format!("{field}{}", error.path);
        let mut found = within(self.index, self.route, &field, error.problem.into());
        found.at = Some((error.line, error.column));
        self.errors.push(found);
    }

    fn compile(&mut self, field: &str, json: &Json, scope: &Scope<'_>) -> Option<Expr> {
        Expr::compile(json, scope).map_err(|error| self.fail_expression(field, error)).ok()
    }

    fn check(
        &mut self,
        functions: &impl Fn(TemplateId) -> Option<Arc<Functions>>,
    ) -> (Option<Pattern>, Option<CompiledRoute>) {
        let binding = &self.route.binding;
        let function = self.function(binding, functions);
        let pattern = match Pattern::parse(&self.route.path) {
            Ok(pattern) => pattern,
            Err(error) => {
                self.fail("path", error.problem.into());
                if let Some(last) = self.errors.last_mut() {
                    last.at = Some((1, error.column));
                }
                return (None, None);
            }
        };
        let (path, query) = variables(&pattern);
        let scope = Scope { path: &path, query: &query, response: None };
        let mut whole = true;
        let worker = self.compile("binding.workerId", &binding.worker_id, &scope);
        whole &= worker.as_ref().is_some_and(|worker| self.check_worker(worker));
        let params =
            self.params(binding, &scope, function.as_ref().map(|(name, function)| (&**name, &**function)));
        whole &= params.len() == binding.function_params.len();
        let key = binding.idempotency_key.as_ref().map(|key| {
            let key = self.compile("binding.idempotencyKey", key, &scope)?;
            let present = match key.ty() {
                Ty::Option(inner) => inner.is_scalar(),
                ty => *ty == Ty::Null || ty.is_scalar(),
            };
            if present {
                return Some(key);
            }
            let error = key.require_scalar("a text as idempotency key").err();
            if let Some(error) = error {
                self.fail_expression("binding.idempotencyKey", error);
            }
            None
        });
        whole &= !matches!(key, Some(None));
        let mapping = match (&binding.response, &function) {
            (Some(_), _) if binding.mode == Mode::Accept => {
                self.fail("binding.response", DefinitionProblem::ResponseWithoutResult);
                None
            }
            // Without the function, the type of the response is unknown.
            (Some(response), Some((_, function))) => {
                let scope = Scope { response: Some(function.result.as_ref()), ..scope };
                self.mapping(response, &scope)
            }
            (Some(_), None) => None,
            (None, _) => Some(Mapping::default()),
        };
        let (Some(worker), Some((name, function)), Some(mapping), true) = (worker, function, mapping, whole)
        else {
            return (Some(pattern), None);
        };
        let key = key.flatten();
        let all = || {
            let of_mapping =
                mapping.body.iter().chain(&mapping.status).chain(mapping.headers.iter().map(|(_, e)| e));
            params.iter().chain([&worker]).chain(&key).chain(of_mapping).map(Expr::uses)
        };
        let used: BTreeSet<&str> = all().flat_map(|uses| uses.variables.iter().map(String::as_str)).collect();
        if !all().any(|uses| uses.all_variables) {
            for name in pattern.segments.iter().filter_map(Segment::name) {
                if !used.contains(name) {
                    self.fail("path", DefinitionProblem::UnusedVariable { name: name.to_owned() });
                }
            }
            for parameter in pattern.query.iter().filter(|parameter| !used.contains(parameter.name.as_str()))
            {
                self.warnings.push(Warning::UnusedQuery { route: self.index, name: parameter.name.clone() });
            }
        }
        let uses_body = all().any(|uses| uses.body);
        let uses_headers = all().any(|uses| uses.headers);
        let compiled = CompiledRoute {
            pattern: pattern.clone(),
            template: binding.template,
            worker,
            name,
            function,
            params,
            key,
            mode: binding.mode,
            mapping,
            uses_body,
            uses_headers,
        };
        (Some(pattern), Some(compiled))
    }

    fn function(
        &mut self,
        binding: &Binding,
        functions: &impl Fn(TemplateId) -> Option<Arc<Functions>>,
    ) -> Option<(Arc<str>, Arc<Function>)> {
        let name = &binding.function_name;
        if name.contains("${") {
            self.fail("binding.functionName", DefinitionProblem::FunctionPlaceholder);
            return None;
        }
        let Some(functions) = functions(binding.template) else {
            self.fail("binding.template", DefinitionProblem::UnknownTemplate { template: binding.template });
            return None;
        };
        let Some((name, function)) = functions.find(name) else {
            let mut known: Vec<&str> = functions.names().take(NAMES_LISTED_MAX + 1).collect();
            if known.len() > NAMES_LISTED_MAX {
                known[NAMES_LISTED_MAX] = "…";
            }
            let known = if known.is_empty() { "no functions".to_owned() } else { known.join(", ") };
            let name = golem_model::excerpt(200, format_args!("{name}"));
            self.fail("binding.functionName", DefinitionProblem::UnknownFunction { name, known });
            return None;
        };
        if function.has_handles() {
            self.fail("binding.functionName", DefinitionProblem::Handles { name: name.to_string() });
            return None;
        }
        Some((Arc::clone(name), Arc::clone(function)))
    }

    fn check_worker(&mut self, worker: &Expr) -> bool {
        if let Err(error) = worker.require_scalar("a text as worker name") {
            self.fail_expression("binding.workerId", error);
            return false;
        }
        let constant = worker.constant();
        let name = constant.as_ref().and_then(crate::expr::text_of);
        if let Some(Err(error)) = name.map(WorkerName::new) {
            self.fail("binding.workerId", DefinitionProblem::WorkerName(error.to_string()));
            return false;
        }
        true
    }

    /// The expressions of the parameters that are correct.
    fn params(
        &mut self,
        binding: &Binding,
        scope: &Scope<'_>,
        function: Option<(&str, &Function)>,
    ) -> Vec<Expr> {
        let given = &binding.function_params;
        if let Some((name, function)) = function
            && function.params.len() != given.len()
        {
            let names: Vec<String> = function
                .params
                .iter()
                .map(|param| format!("{}: {}", param.name, param.ty.summary()))
                .collect();
            self.fail(
                "binding.functionParams",
                DefinitionProblem::ParamCount {
                    function: name.to_owned(),
                    expected: function.params.len(),
                    found: given.len(),
                    names: if names.is_empty() {
                        String::new()
                    } else {
                        format!("; it has {}", names.join(", "))
                    },
                },
            );
        }
        let mut params = Vec::new();
        for (i, json) in given.iter().enumerate() {
            let field = format!("binding.functionParams[{i}]");
            let Some(expr) = self.compile(&field, json, scope) else { continue };
            if let Some(param) = function.and_then(|(_, function)| function.params.get(i))
                && let Err(error) = expr.require(&format!("the parameter `{}`", param.name), &param.ty)
            {
                self.fail_expression(&field, error);
                continue;
            }
            params.push(expr);
        }
        params
    }

    fn mapping(&mut self, response: &ResponseMapping, scope: &Scope<'_>) -> Option<Mapping> {
        let before = self.errors.len();
        let body = response.body.as_ref().and_then(|body| self.compile("binding.response.body", body, scope));
        let field = "binding.response.status";
        let status = response.status.as_ref().and_then(|status| self.compile(field, status, scope));
        if let Some(status) = &status {
            match status.constant() {
                _ if status.require("the status", &Type::U16).is_err() => {
                    let error = status.require("the status", &Type::U16).err();
                    if let Some(error) = error {
                        self.fail_expression(field, error);
                    }
                }
                Some(found) if is_response_status(&found).is_none() => {
                    self.fail(field, DefinitionProblem::Status { found: found.to_string() });
                }
                _ => {}
            }
        }
        let mut headers = Vec::new();
        for (name, value) in &response.headers {
            let field = format!("binding.response.headers.{name}");
            if let Some(reason) = if is_header_name(name) {
                is_forbidden_header(name)
            } else {
                Some("it is not a name of a header")
            } {
                self.fail(&field, DefinitionProblem::Header { name: name.clone(), reason });
                continue;
            }
            let Some(expr) = self.compile(&field, value, scope) else { continue };
            let present = match expr.ty() {
                // A header whose value is absent is left out.
                Ty::Option(inner) => inner.is_scalar(),
                ty => *ty == Ty::Null || ty.is_scalar(),
            };
            if !present && let Err(error) = expr.require_scalar("a text as value of a header") {
                self.fail_expression(&field, error);
                continue;
            }
            if let Some(text) = expr.constant().as_ref().and_then(crate::expr::text_of)
                && !is_header_value(&text)
            {
                let reason = "its value has characters other than visible ASCII and spaces";
                self.fail(&field, DefinitionProblem::Header { name: name.clone(), reason });
                continue;
            }
            headers.push((name.to_ascii_lowercase(), expr));
        }
        (self.errors.len() == before).then_some(Mapping { body, status, headers })
    }
}

/// Names and types of variables.
type Variables = Vec<(String, Ty)>;

/// The variables of path and query, and those of the query, with their types.
fn variables(pattern: &Pattern) -> (Variables, Variables) {
    let ty =
        |scalar: Option<crate::route::Scalar>| scalar.map_or(Ty::Text, |scalar| Ty::Typed(scalar.to_type()));
    let mut path: Vec<(String, Ty)> = Vec::new();
    for segment in &pattern.segments {
        match segment {
            Segment::Literal(_) => {}
            Segment::Capture { name, ty: scalar } => path.push((name.clone(), ty(*scalar))),
            Segment::Rest { name } => path.push((name.clone(), Ty::Text)),
        }
    }
    let query: Vec<(String, Ty)> = pattern
        .query
        .iter()
        .map(|parameter| {
            let ty = ty(parameter.ty);
            (parameter.name.clone(), if parameter.required { ty } else { ty.option() })
        })
        .collect();
    path.extend(query.iter().cloned());
    (path, query)
}
