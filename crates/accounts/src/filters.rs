//! Filters: JSON that a client names by an id from then on.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use kernel::id::UserId;

use crate::{Accounts, Error, Result, json, tables::FILTERS, tokens};

const FILTER_BYTES_MAX: usize = 65_536;
/// Filters of one user.
const FILTERS_MAX: usize = 1_000;
/// Bytes of the content's hash that make the id: enough among one user's filters.
const ID_BYTES: usize = 12;
const ID_LENGTH: usize = 16;

impl Accounts {
    /// Stores a filter (a JSON object, its meaning checked by the edge) and returns its id; the same for the same content.
    /// An id never begins with `{`, by which `/sync` tells it from a filter.
    ///
    /// # Errors
    /// `BadJson`, `TooLarge`, `TooMany`, `NoSuchUser`, `Deactivated`.
    pub async fn add_filter(&self, user: &UserId, filter: &str) -> Result<String> {
        let filter = json::compact_object(filter, "a filter", FILTER_BYTES_MAX)?;
        let hash = tokens::hash(&filter);
        let id = URL_SAFE_NO_PAD.encode(hash.get(..ID_BYTES).unwrap_or(&hash));
        if self.scope().has(&FILTERS, (user, id.as_str()))? {
            return Ok(id);
        }
        let _changing = self.change(user).await;
        self.living(user)?;
        if self.scope().scan(&FILTERS, (user,)).limit(FILTERS_MAX).keys()?.len() >= FILTERS_MAX {
            return Err(Error::TooMany { what: "filters", limit: FILTERS_MAX });
        }
        let mut batch = self.scope().batch();
        batch.put(&FILTERS, (user, id.as_str()), &filter);
        self.commit(batch).await?;
        Ok(id)
    }

    pub fn filter(&self, user: &UserId, id: &str) -> Result<Option<String>> {
        if id.len() != ID_LENGTH {
            return Ok(None);
        }
        Ok(self.scope().get(&FILTERS, (user, id))?)
    }
}
