//! The search of people: who is found by whom, and how soon.

use std::sync::Arc;

use accounts::{NewUser, UserKind};
use kernel::{Clock, Random, TenantId, Timestamp, clock::FakeClock, id::OwnedServerName, random::SeededRandom};
use rooms::{Actor, CreateRoom, Preset, Rooms, Visibility};
use store::{Scope, Store, memory::Memory};

use super::*;
use crate::RoomsFilter;

struct Towns {
    store: Arc<Store>,
}

struct Town {
    accounts: Accounts,
    rooms: Rooms,
    directory: Directory,
}

impl Towns {
    fn new() -> Self {
        Self { store: Store::open(Memory::new()).unwrap() }
    }

    fn town(&self, tenant: u32, server_name: &str) -> Town {
        let scope = Scope::new(&self.store, TenantId(tenant)).unwrap();
        let server_name: OwnedServerName = server_name.try_into().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(FakeClock::at(Timestamp(1_780_000_000_000)));
        let random: Arc<dyn Random> = Arc::new(SeededRandom::new(u64::from(tenant)));
        let accounts = Accounts::open(
            scope.clone(),
            server_name.clone(),
            clock.clone(),
            random.clone(),
            Arc::new(accounts::Offline),
        )
        .unwrap();
        let secret = events::Signer::generate_secret(random.as_ref());
        let signer = events::Signer::from_secret(server_name.clone(), "1", &secret).unwrap();
        let rooms = Rooms::open(
            scope.clone(),
            server_name,
            signer,
            clock,
            random,
            rooms::Settings::default(),
            Arc::new(rooms::Offline),
        );
        let directory = Directory::open(&scope, accounts.clone(), rooms.clone()).unwrap();
        Town { accounts, rooms, directory }
    }
}

impl Town {
    async fn user(&self, localpart: &str, name: &str) -> OwnedUserId {
        let (localpart, display_name) = (localpart.to_owned(), Some(name.to_owned()));
        let new = NewUser { localpart, display_name, kind: UserKind::Person, identity: None, email: None };
        self.accounts.create_user(new).await.unwrap()
    }

    fn actor(&self, user: &UserId) -> Actor {
        Actor { user: user.to_owned(), display_name: None, avatar_url: None }
    }

    async fn find(&self, searcher: &UserId, term: &str) -> Vec<String> {
        let found = self.directory.search_people(searcher, term, 10).await.unwrap();
        found.people.into_iter().map(|person| person.user.localpart().to_owned()).collect()
    }

    async fn public_room(&self, creator: &UserId, name: &str, room_type: Option<&str>) -> kernel::id::OwnedRoomId {
        let mut request = CreateRoom {
            visibility: Visibility::Public,
            preset: Some(Preset::PublicChat),
            name: Some(name.to_owned()),
            ..CreateRoom::default()
        };
        request.creation_content.extend(room_type.map(|kind| ("type".to_owned(), kind.into())));
        self.rooms.create(&self.actor(creator), request).await.unwrap()
    }
}

#[tokio::test]
async fn colleagues_are_found_by_name_and_user_id_and_strangers_never() {
    let towns = Towns::new();
    let (metz, nancy) = (towns.town(1, "metz.example"), towns.town(2, "nancy.example"));
    let elodie = metz.user("elodie.lefevre", "Élodie LEFÈVRE [Metz]").await;
    let paul = metz.user("paul.noel", "Paul Noël [Metz]").await;
    nancy.user("elodie.autre", "Élodie Autre [Nancy]").await;

    assert_eq!(metz.find(&paul, "elodie").await, ["elodie.lefevre"]);
    for term in ["lefevre ELO", "LEFÈ", "elodie.lefevre", "@elodie", "@elodie.lefevre:metz.example", " élodie\t"] {
        assert_eq!(metz.find(&paul, term).await, ["elodie.lefevre"], "{term}");
    }
    // Hazard L8: nothing by nothing, by half of a thing, or of another tenant.
    for term in ["", "   ", "@", "[]", "*", "%", "elodie noel", "odie", "@elodie.lefevre:nancy.example", "autre"] {
        assert_eq!(metz.find(&paul, term).await, [""; 0], "{term}");
    }
    assert_eq!(metz.find(&elodie, &"e".repeat(TERM_BYTES_MAX + 1)).await, [""; 0]);
}

#[tokio::test]
async fn a_change_is_found_by_the_next_search() {
    let towns = Towns::new();
    let town = towns.town(1, "metz.example");
    let paul = town.user("paul", "Paul Noël [Metz]").await;
    assert_eq!(town.find(&paul, "metz").await, ["paul"]);
    let anne = town.user("anne", "Anne Petit [Metz]").await;
    assert_eq!(town.find(&paul, "metz").await, ["anne", "paul"]);
    town.accounts.rename(&anne, "Anne Grand [Metz]").await.unwrap();
    assert_eq!(town.find(&paul, "petit").await, [""; 0]);
    assert_eq!(town.find(&paul, "grand").await, ["anne"]);
    town.accounts.lock(&anne).await.unwrap();
    assert_eq!(town.find(&paul, "anne").await, [""; 0]);
    town.accounts.unlock(&anne).await.unwrap();
    assert_eq!(town.find(&paul, "anne").await, ["anne"]);
    // A new process reads it all again.
    assert_eq!(towns.town(1, "metz.example").find(&paul, "metz").await, ["anne", "paul"]);
}

#[tokio::test]
async fn the_red_listed_are_found_by_those_who_share_a_room() {
    let town = Towns::new().town(1, "metz.example");
    let paul = town.user("paul", "Paul Noël [Metz]").await;
    let anne = town.user("anne", "Anne Petit [Metz]").await;
    let zoe = town.user("zoe", "Zoé Petit [Metz]").await;
    town.accounts.set_data(&anne, None, HIDE_PROFILE, r#"{"hide_profile": true}"#).await.unwrap();
    assert_eq!(town.find(&paul, "petit").await, ["zoe"]);
    assert_eq!(town.find(&anne, "petit").await, ["anne", "zoe"]);
    let room = town.public_room(&anne, "Marchés", None).await;
    assert_eq!(town.find(&paul, "anne").await, [""; 0]);
    town.rooms.join(&town.actor(&paul), &room, None).await.unwrap();
    assert_eq!(town.find(&paul, "anne").await, ["anne"]);
    assert_eq!(town.find(&zoe, "anne").await, [""; 0]);
    town.accounts.set_data(&anne, None, HIDE_PROFILE, r#"{"hide_profile": false}"#).await.unwrap();
    assert_eq!(town.find(&zoe, "anne").await, ["anne"]);
}

#[tokio::test]
async fn a_page_of_people_says_that_there_are_more() {
    let town = Towns::new().town(1, "metz.example");
    let paul = town.user("paul", "Paul Noël [Metz]").await;
    town.user("anne", "Anne Petit [Metz]").await;
    for (limit, people, limited) in [(0, 0, true), (1, 1, true), (2, 2, false), (usize::MAX, 2, false)] {
        let found = town.directory.search_people(&paul, "metz", limit).await.unwrap();
        assert_eq!((found.people.len(), found.limited), (people, limited));
    }
}

#[tokio::test]
async fn public_rooms_come_by_members_in_pages_and_by_filter() {
    let town = Towns::new().town(1, "metz.example");
    let paul = town.user("paul", "Paul Noël [Metz]").await;
    let anne = town.user("anne", "Anne Petit [Metz]").await;
    let works = town.public_room(&paul, "Travaux d'été", None).await;
    let space = town.public_room(&paul, "Tous les services", Some("m.space")).await;
    town.rooms.join(&town.actor(&anne), &space, None).await.unwrap();
    let page = |filter: &RoomsFilter<'_>, limit, since: Option<&str>| {
        let page = town.directory.public_rooms(filter, limit, since).unwrap();
        (page.rooms.iter().map(|listed| listed.room.clone()).collect::<Vec<_>>(), page)
    };
    let all = RoomsFilter::default();
    let (rooms, whole) = page(&all, 10, None);
    assert_eq!(rooms, [space.clone(), works.clone()]);
    assert_eq!((whole.total, whole.next, whole.previous), (2, None, None));

    let (rooms, first) = page(&all, 1, None);
    assert_eq!((rooms, first.total, &first.previous), (vec![space.clone()], 2, &None));
    let (rooms, second) = page(&all, 1, first.next.as_deref());
    assert_eq!((rooms, second.next), (vec![works.clone()], None));
    assert_eq!(page(&all, 1, second.previous.as_deref()).0, vec![space.clone()]);
    assert!(matches!(town.directory.public_rooms(&all, 1, Some("n1_x")), Err(crate::Error::NoSuchPage)));

    assert_eq!(page(&RoomsFilter { term: Some("ETE trav"), room_types: None }, 10, None).0, vec![works.clone()]);
    let spaces = RoomsFilter { term: None, room_types: Some(vec![Some("m.space")]) };
    assert_eq!(page(&spaces, 10, None).0, vec![space.clone()]);
    assert_eq!(page(&RoomsFilter { term: None, room_types: Some(vec![None]) }, 10, None).0, vec![works.clone()]);

    // What is in memory follows the rooms.
    town.rooms.leave(&town.actor(&anne), &space, None).await.unwrap();
    assert!(page(&all, 10, None).1.rooms.iter().all(|listed| listed.summary.joined == 1));
    town.rooms.publish(&paul, &works, false).await.unwrap();
    assert_eq!(page(&all, 10, None).0, [space]);
}
