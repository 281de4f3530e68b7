//! `POST /keys/query` for users of other servers: what is kept and counts, and else what their servers answer in time.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use kernel::{
    Position,
    id::{OwnedServerName, OwnedUserId, UserId},
};
use tokio::time::{Instant, timeout_at};

use super::{Keys, answers};
use crate::{Accounts, Error, Result, UserKeys, Wanted};

/// Users of one query.
const USERS_MAX: usize = 5_000;
/// Servers that are asked at a time, and questions to one.
pub(super) const SERVERS_AT_ONCE: usize = 64;
const AT_ONCE: usize = 8;
/// Lists that one query asks of a server, each by a question of its own. The others' keys come in one answer, and their
/// lists another time.
const LISTS_MAX: usize = 20;

/// Since when the caller has been in a room with each user; whoever is not among them shares none.
pub type SharedSince = BTreeMap<OwnedUserId, Position>;

/// What other servers answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoteAnswer<T> {
    pub found: T,
    /// Those that did not answer, not in time, or not so that it can be understood.
    pub failures: BTreeSet<OwnedServerName>,
}

/// A question to one server.
enum Question {
    /// For a list to be kept.
    List(OwnedUserId, Position),
    /// For keys that nobody here keeps.
    Keys(Wanted),
}

type Found = BTreeMap<OwnedUserId, Keys>;

impl Accounts {
    /// The keys of users of other servers as `caller` may see them. Servers are asked side by side, and have `within` to
    /// answer.
    ///
    /// # Errors
    /// `TooMany`; what other servers do wrong is among the failures.
    pub async fn query_remote_keys(
        &self,
        caller: &UserId,
        wanted: &Wanted,
        shared: &SharedSince,
        within: Duration,
    ) -> Result<RemoteAnswer<BTreeMap<OwnedUserId, UserKeys>>> {
        if wanted.len() > USERS_MAX {
            return Err(Error::TooMany { what: "users of one query", limit: USERS_MAX });
        }
        let mut found = Found::new();
        let mut questions: BTreeMap<OwnedServerName, Vec<Question>> = BTreeMap::new();
        let mut strangers: BTreeMap<OwnedServerName, Wanted> = BTreeMap::new();
        for (user, devices) in wanted {
            let server = user.server_name().to_owned();
            let since = shared.get(user).copied();
            if let Some(keys) = since.map(|since| self.kept_keys(user, since)).transpose()?.flatten() {
                found.insert(user.clone(), keys);
                continue;
            }
            let lists = questions.entry(server.clone()).or_default();
            match since {
                Some(since) if lists.len() < LISTS_MAX => lists.push(Question::List(user.clone(), since)),
                _ => drop(strangers.entry(server).or_default().insert(user.clone(), devices.clone())),
            }
        }
        for (server, wanted) in strangers {
            questions.entry(server).or_default().push(Question::Keys(wanted));
        }
        let failures = self.ask_all(questions, within, &mut found).await?;
        let mut answer = RemoteAnswer { found: BTreeMap::new(), failures };
        for (user, keys) in found {
            let devices = wanted.get(&user).map(Vec::as_slice).unwrap_or_default();
            let shown = self.shown(caller, &user, keys, devices)?;
            answer.found.insert(user, shown);
        }
        Ok(answer)
    }

    /// Asks all servers side by side; returns those that did not answer everything in time.
    async fn ask_all(
        &self,
        questions: BTreeMap<OwnedServerName, Vec<Question>>,
        within: Duration,
        found: &mut Found,
    ) -> Result<BTreeSet<OwnedServerName>> {
        let deadline = Instant::now() + within;
        let mut open: BTreeMap<OwnedServerName, usize> =
            questions.iter().map(|(server, questions)| (server.clone(), questions.len())).collect();
        let servers = questions.into_iter().map(|(server, questions)| {
            let asked = questions.into_iter().map(move |question| self.ask(server.clone(), question));
            stream::iter(asked).buffer_unordered(AT_ONCE).boxed()
        });
        let mut answers = stream::iter(servers).flatten_unordered(SERVERS_AT_ONCE);
        while let Ok(Some((server, answer))) = timeout_at(deadline, answers.next()).await {
            match answer {
                Ok(keys) => {
                    found.extend(keys);
                    if let Some(left) = open.get_mut(&server) {
                        *left -= 1;
                    }
                }
                Err(error @ (Error::Remote(_) | Error::Conflict)) => {
                    tracing::info!(%server, %error, "a server did not answer for its users' keys");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(open.into_iter().filter(|(_, left)| *left > 0).map(|(server, _)| server).collect())
    }

    async fn ask(&self, server: OwnedServerName, question: Question) -> (OwnedServerName, Result<Found>) {
        let answer = match question {
            Question::List(user, since) => self.ask_for_list(user, since).await,
            Question::Keys(wanted) => match self.inner.remote.query_keys(&server, &wanted).await {
                Ok(answer) => Ok(answers::keys(&wanted, answer)),
                Err(error) => Err(error.into()),
            },
        };
        (server, answer)
    }

    async fn ask_for_list(&self, user: OwnedUserId, since: Position) -> Result<Found> {
        self.refresh_list(&user, since).await?;
        Ok(self.kept_keys(&user, since)?.map(|keys| (user, keys)).into_iter().collect())
    }
}
