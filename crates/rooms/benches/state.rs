//! A room of 50,000 members: what a look at one piece of its state costs, and what one more change of membership does.
//!
//! In the memory engine, so that it is the tree and the door that are measured, not the disk. `docs/benchmarks.md` has figures.
#![expect(clippy::unwrap_used, reason = "a benchmark that fails has no figures")]

use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use events::Signer;
use kernel::{TenantId, Timestamp, clock::FakeClock, id::OwnedUserId, random::SeededRandom};
use rooms::{Actor, CreateRoom, Preset, Rooms, Settings};
use store::{Scope, Store, memory::Memory};
use tokio::runtime::Runtime;

const MEMBERS: usize = 50_000;

fn actor(number: usize) -> Actor {
    let user = OwnedUserId::try_from(format!("@agent{number}:metz.example")).unwrap();
    Actor { user, display_name: Some(format!("Agent {number} [Metz]")), avatar_url: None }
}

fn open() -> Rooms {
    let store = Store::open(Memory::new()).unwrap();
    let scope = Scope::new(&store, TenantId(1)).unwrap();
    let clock = Arc::new(FakeClock::at(Timestamp(1_800_000_000_000)));
    let server = kernel::id::OwnedServerName::try_from("metz.example").unwrap();
    let secret = Signer::generate_secret(&SeededRandom::new(7));
    let signer = Signer::from_secret(server.clone(), "a", &secret).unwrap();
    Rooms::open(
        scope,
        server,
        signer,
        clock,
        Arc::new(SeededRandom::new(1)),
        Settings::default(),
        Arc::new(rooms::Offline),
    )
}

fn big_room(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let rooms = open();
    let request = CreateRoom { preset: Some(Preset::PublicChat), ..CreateRoom::default() };
    let room = runtime.block_on(rooms.create(&actor(0), request)).unwrap();
    for number in 1..MEMBERS {
        runtime.block_on(rooms.join(&actor(number), &room, None)).unwrap();
    }
    assert_eq!(rooms.member_counts(&room).unwrap().0, u64::try_from(MEMBERS).unwrap());

    let root = rooms.current_root(&room).unwrap();
    let mut number = 0;
    criterion.bench_function("50,000 members: look up one", |bencher| {
        bencher.iter(|| {
            number = (number + 7_919) % MEMBERS;
            let user = actor(number).user;
            rooms.state_event(&room, root, "m.room.member", user.as_str()).unwrap().unwrap()
        });
    });
    let mut newcomer = MEMBERS;
    criterion.bench_function("50,000 members: one more joins", |bencher| {
        let next = || {
            newcomer += 1;
            actor(newcomer)
        };
        bencher.iter_batched(
            next,
            |actor| runtime.block_on(rooms.join(&actor, &room, None)).unwrap(),
            BatchSize::PerIteration,
        );
    });
}

criterion_group!(benches, big_room);
criterion_main!(benches);
