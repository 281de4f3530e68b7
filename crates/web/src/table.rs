//! The routes of all edges as one lookup: path, then method.

use std::{collections::HashMap, sync::Arc};

use http::Method;

use crate::{
    Routes,
    route::{Route, aliases},
};

/// The table cannot be built.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RouteError {
    #[error("two routes for {method} {path}")]
    Twice { method: Method, path: String },
    #[error("{path} is not a path pattern: {reason}")]
    Pattern { path: String, reason: String },
}

pub(crate) struct Table<A> {
    paths: matchit::Router<usize>,
    /// The routes of each pattern of `paths`.
    entries: Vec<Entry<A>>,
}

struct Entry<A> {
    routes: Vec<Arc<Placed<A>>>,
}

/// A route at one of its paths.
pub(crate) struct Placed<A> {
    pub(crate) route: Arc<Route<A>>,
    /// The path that stands for the route in logs and metrics: its last one of the specification.
    pub(crate) template: Arc<str>,
    /// The names of this path's values, in order.
    pub(crate) names: Arc<[Box<str>]>,
}

/// What a path and a method lead to.
pub(crate) enum Found<'t, 'p, A> {
    Route(&'t Arc<Placed<A>>, matchit::Params<'t, 'p>),
    /// The path is known, for these methods only.
    OtherMethods(String),
    Nothing,
}

impl<A> Table<A> {
    /// # Errors
    /// If two routes have one method and path, or a path is no pattern.
    pub(crate) fn build(routes: Routes<A>) -> Result<Self, RouteError> {
        let mut builder = Builder { by_pattern: HashMap::new(), entries: Vec::new(), paths: matchit::Router::new() };
        let routes: Vec<_> = routes.into_vec().into_iter().map(Arc::new).collect();
        for route in &routes {
            for path in &route.paths {
                builder.add(route, path)?;
            }
        }
        // After all, since an older path that an edge names itself comes before one that is only an alias.
        for route in &routes {
            for alias in route.paths.iter().flat_map(|path| aliases(path)) {
                if !builder.has(&route.method, &alias) {
                    builder.add(route, &alias)?;
                }
            }
        }
        Ok(Self { paths: builder.paths, entries: builder.entries })
    }

    /// `HEAD` is answered as `GET`.
    pub(crate) fn find<'t, 'p>(&'t self, method: &Method, path: &'p str) -> Found<'t, 'p, A> {
        let Ok(matched) = self.paths.at(path) else { return Found::Nothing };
        let Some(entry) = self.entries.get(*matched.value) else { return Found::Nothing };
        let with = |method: &Method| entry.routes.iter().find(|placed| placed.route.method == *method);
        let as_get = || with(&Method::GET).filter(|_| *method == Method::HEAD);
        match with(method).or_else(as_get) {
            Some(placed) => Found::Route(placed, matched.params),
            None => {
                let methods: Vec<_> = entry.routes.iter().map(|placed| placed.route.method.as_str()).collect();
                Found::OtherMethods(methods.join(", "))
            }
        }
    }
}

struct Builder<A> {
    paths: matchit::Router<usize>,
    by_pattern: HashMap<String, usize>,
    entries: Vec<Entry<A>>,
}

impl<A> Builder<A> {
    fn has(&self, method: &Method, path: &str) -> bool {
        let entry = self.by_pattern.get(&pattern(path).0).and_then(|index| self.entries.get(*index));
        entry.is_some_and(|entry| entry.routes.iter().any(|placed| placed.route.method == *method))
    }

    fn add(&mut self, route: &Arc<Route<A>>, path: &str) -> Result<(), RouteError> {
        let (pattern, names) = pattern(path);
        let template = route.paths.last().map_or(path, |path| path);
        let placed = Arc::new(Placed { route: Arc::clone(route), template: template.into(), names: names.into() });
        if let Some(entry) = self.by_pattern.get(&pattern).and_then(|index| self.entries.get_mut(*index)) {
            // A type whose versions share a path gives it twice; that is one route still.
            if entry.routes.iter().any(|other| Arc::ptr_eq(&other.route, route)) {
                return Ok(());
            }
            if entry.routes.iter().any(|other| other.route.method == route.method) {
                return Err(RouteError::Twice { method: route.method.clone(), path: path.to_owned() });
            }
            entry.routes.push(placed);
            return Ok(());
        }
        let reason =
            |error: matchit::InsertError| RouteError::Pattern { path: path.to_owned(), reason: error.to_string() };
        self.paths.insert(pattern.clone(), self.entries.len()).map_err(reason)?;
        self.by_pattern.insert(pattern, self.entries.len());
        self.entries.push(Entry { routes: vec![placed] });
        Ok(())
    }
}

/// The path with its names replaced by numbers, so that `{room_id}` and `{room_id_or_alias}` meet; and the names.
fn pattern(path: &str) -> (String, Vec<Box<str>>) {
    let mut names = Vec::new();
    let segments = path.split('/').map(|segment| {
        let Some(name) = segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) else {
            return segment.to_owned();
        };
        let (star, name) = name.strip_prefix('*').map_or(("", name), |name| ("*", name));
        names.push(name.into());
        format!("{{{star}{}}}", names.len())
    });
    let pattern = segments.collect::<Vec<_>>().join("/");
    (pattern, names)
}
