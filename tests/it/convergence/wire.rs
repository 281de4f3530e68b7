//! The wire between the towns of one process: the binary's loopback, which a test cuts, slows down and has lose answers.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use beffroi::loopback::Loopback;
use bytes::Bytes;
use events::XMatrix;
use http::{Request, StatusCode, header};
use kernel::id::ServerName;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::Dice;

/// One answer in so many is lost on its way back, one transaction in so many is late.
const LOST: usize = 24;
const LATE: usize = 4;
/// Steps of the history that a late transaction may take.
const STEPS_LATE_MAX: usize = 5;
/// What the last thing that a town says begins with.
pub(super) const LAST_WORD: &str = "the end ";

pub(super) struct Wire {
    pub(super) loopback: Loopback,
    dice: Dice,
    cut: Mutex<HashSet<[String; 2]>>,
    /// The history's step, which late transactions wait for.
    step: watch::Sender<usize>,
    sound: AtomicBool,
    /// Last words, and the towns that have taken them in.
    arrived: Mutex<HashSet<(String, String)>>,
}

impl Wire {
    pub(super) fn new(seed: u64) -> Self {
        let (dice, step) = (Dice::new(!seed), watch::Sender::new(0));
        let (cut, arrived) = (Mutex::default(), Mutex::default());
        // A room is begun in peace.
        Self { loopback: Loopback::default(), dice, cut, step, sound: AtomicBool::new(true), arrived }
    }

    pub(super) fn cut(&self, a: &ServerName, b: &ServerName) {
        self.cut.lock().insert(pair(a.as_str(), b.as_str()));
    }

    pub(super) fn mend_one(&self, of: usize) {
        let mut cut = self.cut.lock();
        let mut cuts: Vec<_> = cut.iter().cloned().collect();
        cuts.sort();
        if !cuts.is_empty() {
            cut.remove(&cuts[of % cuts.len()]);
        }
    }

    /// The history is at this step, and the wire is what it is.
    pub(super) fn go_on(&self, step: usize) {
        self.sound.store(false, Ordering::SeqCst);
        self.step.send_replace(step);
    }

    /// From now on nothing is cut, late or lost.
    pub(super) fn mend(&self) {
        self.sound.store(true, Ordering::SeqCst);
        self.cut.lock().clear();
        self.step.send_replace(usize::MAX);
    }

    /// Whether the town has taken in what another said last.
    pub(super) fn has_arrived(&self, word: &str, town: &ServerName) -> bool {
        self.arrived.lock().contains(&(word.to_owned(), town.to_string()))
    }

    fn is_cut(&self, from: &str, to: &str) -> bool {
        self.cut.lock().contains(&pair(from, to))
    }

    fn happens(&self, one_in: usize) -> bool {
        !self.sound.load(Ordering::SeqCst) && self.dice.roll(one_in) == 0
    }

    async fn be_late(&self) {
        let mut step = self.step.subscribe();
        let until = step.borrow_and_update().saturating_add(1 + self.dice.roll(STEPS_LATE_MAX));
        // The history ends with the wire.
        let _ = step.wait_for(|step| *step >= until).await;
    }

    fn note_words(&self, transaction: &[u8], to: &str) {
        let text = String::from_utf8_lossy(transaction);
        for (begin, _) in text.match_indices(LAST_WORD) {
            let word = text[begin..].split('"').next().unwrap_or_default();
            self.arrived.lock().insert((word.to_owned(), to.to_owned()));
        }
    }
}

fn pair(a: &str, b: &str) -> [String; 2] {
    let mut pair = [a.to_owned(), b.to_owned()];
    pair.sort();
    pair
}

fn gone() -> web::Response {
    let mut gone = web::Response::new(web::Body::empty());
    *gone.status_mut() = StatusCode::BAD_GATEWAY;
    gone
}

/// Who asks whom. What is not signed is a question for keys, which a server without a way to another gets from notaries: the
/// wire always carries it.
fn ends(request: &Request<Bytes>) -> Option<(String, String)> {
    let header = |name| request.headers().get(name)?.to_str().ok();
    let claim = XMatrix::parse(header(header::AUTHORIZATION)?).ok()?;
    Some((claim.origin.to_string(), header(header::HOST)?.to_owned()))
}

#[async_trait]
impl federation::Loopback for Wire {
    fn serves(&self, server: &ServerName) -> bool {
        federation::Loopback::serves(&self.loopback, server)
    }

    async fn answer(&self, request: Request<Bytes>) -> web::Response {
        let Some((from, to)) = ends(&request) else {
            return federation::Loopback::answer(&self.loopback, request).await;
        };
        let transaction =
            request.uri().path().starts_with("/_matrix/federation/v1/send/").then(|| request.body().clone());
        if transaction.is_some() && self.happens(LATE) {
            self.be_late().await;
        }
        if self.is_cut(&from, &to) {
            return gone();
        }
        let answer = federation::Loopback::answer(&self.loopback, request).await;
        if self.is_cut(&from, &to) || self.happens(LOST) {
            return gone();
        }
        if let Some(transaction) = transaction.filter(|_| answer.status() == StatusCode::OK) {
            self.note_words(&transaction, &to);
        }
        answer
    }
}
