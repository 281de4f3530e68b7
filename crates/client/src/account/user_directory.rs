//! `POST /user_directory/search`: who in this town has such a name (DESIGN §7, "house").

use std::sync::Arc;

use directory::Person;
use ruma_client_api::user_directory::search_users::v3::{Request, Response, User};
use web::Rate;

use crate::Town;

pub(super) fn routes(routes: &mut web::Routes<Town>) {
    routes.user(search).limited(Rate::Search);
}

async fn search(town: Arc<Town>, caller: web::Caller, ask: Request) -> web::Result<Response> {
    let limit = usize::try_from(u64::from(ask.limit)).unwrap_or(usize::MAX);
    let found = town.directory.search_people(&caller.user, &ask.search_term, limit).await?;
    Ok(Response::new(found.people.into_iter().map(shown).collect(), found.limited))
}

fn shown(person: Person) -> User {
    let mut user = User::new(person.user);
    user.display_name = person.display_name;
    user.avatar_url = person.avatar_url.map(Into::into);
    user
}
