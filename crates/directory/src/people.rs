//! Search of people. DESIGN §7, "house": everybody of the tenant finds everybody of the tenant, by name or user id; the
//! red-listed are found only by those who share a room with them, the locked and deactivated by nobody.

mod index;

use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, Ordering},
};

use accounts::{Accounts, Change, TOPIC, User};
use kernel::id::{OwnedUserId, UserId};
use parking_lot::{Mutex, RwLock};
use store::Announcement;

use self::index::{Entry, Index};
use crate::{Directory, Result, fold};

/// Global account data by which a user leaves the directory (Tchap): `{"hide_profile": true}`.
const HIDE_PROFILE: &str = "im.vector.hide_profile";
/// People of one answer.
const RESULTS_MAX: usize = 100;
/// Longest term that is looked at; nobody has such a name.
const TERM_BYTES_MAX: usize = 512;
/// Words of a term; more say no more.
const WORDS_MAX: usize = 8;
/// Accounts read at once while the index is built.
const PAGE: usize = 500;

/// Somebody who was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub user: OwnedUserId,
    pub display_name: Option<String>,
    pub avatar_url: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeopleFound {
    /// Best first.
    pub people: Vec<Person>,
    /// There are more than were asked for.
    pub limited: bool,
}

/// The tenant's people in memory: nothing until the first search.
#[derive(Default)]
pub(crate) struct People {
    index: RwLock<Index>,
    /// Whose account changed since they were last read into the index.
    stale: Mutex<HashSet<OwnedUserId>>,
    /// Changes are noted: the index is built or being built.
    followed: AtomicBool,
    built: AtomicBool,
    building: tokio::sync::Mutex<()>,
}

impl People {
    /// Notes whose entries a commit made untrue. On the committer: reads nothing.
    pub(crate) fn note(&self, announcements: &[Announcement]) {
        if !self.followed.load(Ordering::SeqCst) {
            return;
        }
        for announcement in announcements.iter().filter(|announcement| announcement.topic == TOPIC) {
            match announcement.read::<Change>() {
                Ok(Change::User { user } | Change::Profile { user }) => {
                    self.stale.lock().insert(user);
                }
                Ok(Change::AccountData { user, room: None, kind }) if kind == HIDE_PROFILE => {
                    self.stale.lock().insert(user);
                }
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "an entry of the feed cannot be read"),
            }
        }
    }

    /// Builds the index, or reads again those who changed.
    async fn refresh(&self, accounts: &Accounts) -> Result<()> {
        if !self.built.load(Ordering::SeqCst) {
            self.build(accounts).await?;
        }
        if self.stale.lock().is_empty() {
            return Ok(());
        }
        // Whoever takes the names out of `stale` holds the index until they are true in it again.
        let mut index = self.index.write();
        let stale = std::mem::take(&mut *self.stale.lock());
        for user in &stale {
            let outcome = accounts
                .user(user)
                .map_err(Into::into)
                .and_then(|user| user.map(|user| entry(accounts, user)).transpose());
            match outcome {
                Ok(entry) => index.set(user, entry.flatten()),
                Err(error) => {
                    self.stale.lock().extend(stale);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Reads all accounts, page by page, so that no thread is held for long.
    async fn build(&self, accounts: &Accounts) -> Result<()> {
        let _building = self.building.lock().await;
        if self.built.load(Ordering::SeqCst) {
            return Ok(());
        }
        // From now on no change is missed: those committed before are in what is read below.
        self.followed.store(true, Ordering::SeqCst);
        let mut last: Option<OwnedUserId> = None;
        loop {
            let page = accounts.list(last.as_deref(), PAGE)?;
            let Some(end) = page.last().map(|user| user.id.clone()) else { break };
            last = Some(end);
            for user in page {
                let id = user.id.clone();
                let entry = entry(accounts, user)?;
                self.index.write().set(&id, entry);
            }
            tokio::task::yield_now().await;
        }
        self.built.store(true, Ordering::SeqCst);
        Ok(())
    }
}

/// What the index keeps of an account; nothing of those whom nobody finds.
fn entry(accounts: &Accounts, user: User) -> Result<Option<Entry>> {
    if user.locked || user.deactivated {
        return Ok(None);
    }
    let hidden = accounts.data(&user.id, None, HIDE_PROFILE)?.is_some_and(|content| hides(&content));
    Ok(Some(Entry::new(Person { user: user.id, display_name: user.display_name, avatar_url: user.avatar_url }, hidden)))
}

/// Whether this account data puts its user on the red list.
fn hides(content: &str) -> bool {
    let content: serde_json::Value = serde_json::from_str(content).unwrap_or_default();
    content.get("hide_profile") == Some(&serde_json::Value::Bool(true))
}

impl Directory {
    /// The people of the tenant whom `searcher` may find by this term: every word of it begins a word of their name or
    /// user id. Those with more whole words come first, then by name. A term without words finds nobody (hazard L8).
    pub async fn search_people(&self, searcher: &UserId, term: &str, limit: usize) -> Result<PeopleFound> {
        let Some(words) = self.words_of(term) else { return Ok(PeopleFound::default()) };
        let inner = &*self.inner;
        inner.people.refresh(&inner.accounts).await?;
        let limit = limit.min(RESULTS_MAX);
        let index = inner.people.index.read();
        let mut found = PeopleFound::default();
        for entry in index.search(&words) {
            let person = &entry.person;
            if entry.hidden && person.user != searcher && !inner.rooms.share_a_room(searcher, &person.user)? {
                continue;
            }
            if found.people.len() >= limit {
                found.limited = true;
                break;
            }
            found.people.push(person.clone());
        }
        Ok(found)
    }

    /// The folded words of a term; `None` if it cannot find anybody. Of a user id, its localpart counts.
    fn words_of(&self, term: &str) -> Option<Vec<String>> {
        let term = term.trim();
        if term.len() > TERM_BYTES_MAX {
            return None;
        }
        let text = match term.strip_prefix('@').map(|id| id.split_once(':').unwrap_or((id, ""))) {
            Some((localpart, server)) if self.inner.rooms.server_name().as_str().starts_with(server) => localpart,
            Some(_) => return None,
            None => term,
        };
        let mut words = fold::words(text);
        words.truncate(WORDS_MAX);
        (!words.is_empty()).then_some(words)
    }
}

#[cfg(test)]
mod tests;
