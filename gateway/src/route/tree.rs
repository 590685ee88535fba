//! The search for the first route that matches a request.
//!
//! The routes form a tree of segments. A node has one child for each literal and one for captures. A request follows at
//! most one literal and the capture at each node, so the nodes that it visits depend on its path and on how much the
//! patterns overlap, and not on the number of routes. [`RouteTree::new`] computes the largest number of visits and
//! refuses routes that exceed [`MATCH_STEPS_MAX`].
//!
//! Invariant: the route that is found is the first one, in the order of the definition, that matches.

use super::pattern::{Pattern, Segment};
use super::{Method, Target};
use crate::limits::MATCH_STEPS_MAX;
use std::collections::HashMap;
use std::fmt;

/// The routes of a definition, prepared for the search.
#[derive(Debug, Clone)]
pub struct RouteTree {
    nodes: Vec<Node>,
}

#[derive(Debug, Clone)]
struct Node {
    /// Looked up only, never iterated.
    literals: HashMap<String, usize>,
    capture: Option<usize>,
    /// Routes that end here.
    here: Vec<Leaf>,
    /// Routes with a rest capture for the remaining segments.
    rest: Vec<Leaf>,
    /// The first route below this node.
    first: usize,
}

#[derive(Debug, Clone)]
struct Leaf {
    route: usize,
    method: Method,
    /// Names of required query parameters, sorted.
    required: Vec<String>,
}

/// A set of methods, for the header `Allow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MethodSet(u16);

impl MethodSet {
    /// Adds a method.
    pub const fn insert(&mut self, method: Method) {
        self.0 |= 1 << method as u16;
    }

    /// The methods of the set.
    pub fn iter(self) -> impl Iterator<Item = Method> {
        Method::ALL.into_iter().filter(move |method| self.0 & (1 << *method as u16) != 0)
    }

    /// Whether the set has no methods.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for MethodSet {
    /// The value of the header `Allow`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, method) in self.iter().enumerate() {
            write!(f, "{}{method}", if i > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

/// The result of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// The index of the first route that matches.
    Found(usize),
    /// A route matches, except that the query lacks these required parameters.
    MissingQuery {
        /// The route.
        route: usize,
        /// The names.
        names: Vec<String>,
    },
    /// Routes match the path with other methods only.
    OtherMethods(MethodSet),
    /// No route matches the path.
    NotFound,
}

/// Two routes overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// Both match the same requests.
    Identical {
        /// The earlier route.
        earlier: usize,
        /// The later route.
        later: usize,
    },
    /// The earlier one matches every request that the later one matches, so the later one is never used.
    Shadowed {
        /// The earlier route.
        earlier: usize,
        /// The later route.
        later: usize,
    },
    /// A request may visit more nodes than [`MATCH_STEPS_MAX`].
    TooManySteps {
        /// The nodes that a request may visit.
        steps: usize,
    },
}

impl RouteTree {
    /// Builds the tree, and finds the overlaps between the routes.
    pub fn new<'a>(routes: impl IntoIterator<Item = (usize, Method, &'a Pattern)>) -> (Self, Vec<Overlap>) {
        let mut tree = Self { nodes: vec![Node::new()] };
        let mut overlaps = Vec::new();
        let mut inserted = Vec::new();
        for (route, method, pattern) in routes {
            match tree.insert(route, method, pattern) {
                Some(earlier) => overlaps.push(Overlap::Identical { earlier, later: route }),
                None => inserted.push((route, method, pattern)),
            }
        }
        let steps = tree.steps_max();
        if steps > MATCH_STEPS_MAX {
            // The search for shadowed routes would be as slow.
            overlaps.push(Overlap::TooManySteps { steps });
            return (tree, overlaps);
        }
        for (later, method, pattern) in inserted {
            if let Some(earlier) = tree.covering(later, method, pattern) {
                overlaps.push(Overlap::Shadowed { earlier, later });
            }
        }
        (tree, overlaps)
    }

    fn insert(&mut self, route: usize, method: Method, pattern: &Pattern) -> Option<usize> {
        let mut at = 0;
        let mut is_rest = false;
        for segment in &pattern.segments {
            self.nodes[at].first = self.nodes[at].first.min(route);
            let next = self.nodes.len();
            let node = &mut self.nodes[at];
            let child = match segment {
                Segment::Literal(text) => *node.literals.entry(text.clone()).or_insert(next),
                Segment::Capture { .. } => *node.capture.get_or_insert(next),
                Segment::Rest { .. } => {
                    is_rest = true;
                    break;
                }
            };
            if child == next {
                self.nodes.push(Node::new());
            }
            at = child;
        }
        let node = &mut self.nodes[at];
        let required: Vec<String> = pattern.required().into_iter().map(str::to_owned).collect();
        let leaves = if is_rest { &mut node.rest } else { &mut node.here };
        let same = leaves.iter().find(|leaf| leaf.method == method && leaf.required == required);
        if let Some(same) = same {
            return Some(same.route);
        }
        node.first = node.first.min(route);
        leaves.push(Leaf { route, method, required });
        None
    }

    /// The largest number of nodes and leaves that a request can visit.
    fn steps_max(&self) -> usize {
        let mut steps = vec![0_usize; self.nodes.len()];
        // A child is always behind its parent.
        for (i, node) in self.nodes.iter().enumerate().rev() {
            #[expect(clippy::iter_over_hash_type, reason = "the maximum does not depend on the order")]
            let literal = {
                let mut most = 0;
                for child in node.literals.values() {
                    most = most.max(steps[*child]);
                }
                most
            };
            let capture = node.capture.map_or(0, |child| steps[child]);
            let own = 1 + node.here.len() + node.rest.len();
            steps[i] = own.saturating_add(literal).saturating_add(capture);
        }
        steps[0]
    }

    /// The first earlier route that matches every request that the pattern of `later` matches.
    fn covering(&self, later: usize, method: Method, pattern: &Pattern) -> Option<usize> {
        let required = pattern.required();
        let is_rest = matches!(pattern.segments.last(), Some(Segment::Rest { .. }));
        let length = pattern.segments.len() - usize::from(is_rest);
        let covers = |leaf: &&Leaf| {
            leaf.route < later
                && leaf.method == method
                && leaf.required.iter().all(|name| required.contains(name.as_str()))
        };
        let mut found: Option<usize> = None;
        let mut open = vec![(0_usize, 0_usize)];
        while let Some((at, depth)) = open.pop() {
            let node = &self.nodes[at];
            let mut leaves = Vec::new();
            if depth < length || is_rest {
                leaves.extend(&node.rest);
            }
            if depth == length && !is_rest {
                leaves.extend(&node.here);
            }
            for leaf in leaves.iter().filter(|leaf| covers(leaf)) {
                found = Some(found.map_or(leaf.route, |found| found.min(leaf.route)));
            }
            if depth < length {
                if let Segment::Literal(text) = &pattern.segments[depth] {
                    open.extend(node.literals.get(text).map(|child| (*child, depth + 1)));
                }
                open.extend(node.capture.map(|child| (child, depth + 1)));
            }
        }
        found
    }

    /// Finds the first route for a request.
    pub fn lookup(&self, method: Method, target: &Target) -> Lookup {
        self.lookup_counted(method, target).0
    }

    /// The result, and the number of nodes and leaves visited.
    pub(super) fn lookup_counted(&self, method: Method, target: &Target) -> (Lookup, usize) {
        let segments = &target.segments;
        let mut best: Option<usize> = None;
        let mut missing: Option<&Leaf> = None;
        let mut others = MethodSet::default();
        let mut steps = 0;
        let mut open = vec![(0_usize, 0_usize)];
        while let Some((at, depth)) = open.pop() {
            let node = &self.nodes[at];
            if best.is_some_and(|best| best < node.first) {
                continue;
            }
            steps += 1;
            let rest = if depth < segments.len() { node.rest.as_slice() } else { &[] };
            let here = if depth == segments.len() { node.here.as_slice() } else { &[] };
            for leaf in rest.iter().chain(here) {
                steps += 1;
                if leaf.method != method {
                    others.insert(leaf.method);
                } else if leaf.required.iter().any(|name| !has(target, name)) {
                    if missing.is_none_or(|missing| leaf.route < missing.route) {
                        missing = Some(leaf);
                    }
                } else if best.is_none_or(|best| leaf.route < best) {
                    best = Some(leaf.route);
                }
            }
            if let Some(segment) = segments.get(depth) {
                let literal = node.literals.get(segment).copied();
                let mut children = [literal, node.capture];
                // The child with the earlier route is visited first, and can make the other unnecessary.
                if let [Some(a), Some(b)] = children
                    && self.nodes[a].first < self.nodes[b].first
                {
                    children.swap(0, 1);
                }
                open.extend(children.into_iter().flatten().map(|child| (child, depth + 1)));
            }
        }
        let found = match (best, missing) {
            (Some(route), _) => Lookup::Found(route),
            (None, Some(leaf)) => {
                let names = leaf.required.iter().filter(|name| !has(target, name)).cloned().collect();
                Lookup::MissingQuery { route: leaf.route, names }
            }
            (None, None) if others.is_empty() => Lookup::NotFound,
            (None, None) => Lookup::OtherMethods(others),
        };
        (found, steps)
    }
}

fn has(target: &Target, name: &str) -> bool {
    target.query.iter().any(|(known, _)| known == name)
}

impl Node {
    fn new() -> Self {
        Self {
            literals: HashMap::new(),
            capture: None,
            here: Vec::new(),
            rest: Vec::new(),
            first: usize::MAX,
        }
    }
}
