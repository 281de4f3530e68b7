//! `query/{queryType}`: questions of one kind each, answered by whoever is registered for them (spec, "Querying for
//! information").

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::BoxFuture;
use http::StatusCode;
use kernel::{
    Kind,
    id::{OwnedServerName, RoomAliasId, UserId},
};
use serde_json::{Value, json};
use web::{Error, Homeserver, Visit};

use crate::Town;

/// Parameters of a query, by name.
pub type QueryParams = BTreeMap<String, String>;
type Answer =
    Box<dyn Fn(Arc<Town>, OwnedServerName, QueryParams) -> BoxFuture<'static, web::Result<Value>> + Send + Sync>;

/// The kinds of queries that are answered.
pub struct Queries(BTreeMap<&'static str, Answer>);

impl Default for Queries {
    /// Those of the specification.
    fn default() -> Self {
        let mut queries = Self(BTreeMap::new());
        queries.register("directory", directory);
        queries.register("profile", profile);
        queries
    }
}

impl Queries {
    /// Has queries of this kind answered so: `async fn(Arc<Town>, OwnedServerName, QueryParams) -> web::Result<Value>`, with the
    /// server that asks and an object for its answer.
    pub fn register<F, A>(&mut self, kind: &'static str, answer: F)
    where
        F: Fn(Arc<Town>, OwnedServerName, QueryParams) -> A + Send + Sync + 'static,
        A: Future<Output = web::Result<Value>> + Send + 'static,
    {
        self.0.insert(kind, Box::new(move |town, origin, params| Box::pin(answer(town, origin, params))));
    }
}

pub(super) async fn query(town: Arc<Town>, origin: Homeserver, visit: Visit) -> web::Result<web::Json> {
    let kind = visit.param("query_type");
    let Some(answer) = town.queries.0.get(kind) else {
        return Err(
            Error::new(Kind::Unrecognized, "There are no queries of this kind here").status(StatusCode::NOT_FOUND)
        );
    };
    let answer = answer(town.clone(), (*origin).to_owned(), visit.query()?);
    web::Json::of(&answer.await?)
}

async fn directory(town: Arc<Town>, _: OwnedServerName, params: QueryParams) -> web::Result<Value> {
    let alias = RoomAliasId::parse(param(&params, "room_alias")?).map_err(invalid)?;
    let room = town.rooms.resolve_alias(&alias)?.ok_or(rooms::Error::NoSuchAlias)?;
    Ok(json!({ "servers": town.rooms.servers(&room)?, "room_id": room }))
}

async fn profile(town: Arc<Town>, _: OwnedServerName, params: QueryParams) -> web::Result<Value> {
    let user = UserId::parse(param(&params, "user_id")?).map_err(invalid)?;
    Ok(town.accounts.profile_for(&user, params.get("field").map(String::as_str))?.into())
}

fn param<'a>(params: &'a QueryParams, name: &str) -> web::Result<&'a str> {
    let missing = || Error::new(Kind::MissingParam, format!("The query has no {name}"));
    params.get(name).map(String::as_str).ok_or_else(missing)
}

fn invalid(error: impl std::fmt::Display) -> Error {
    Error::new(Kind::InvalidParam, error.to_string())
}
