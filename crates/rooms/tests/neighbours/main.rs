//! Rooms of a town with neighbours: other servers whose events come in, and that ask what they may read.

mod bridging;
mod chain;
mod ends;
mod history;
mod meeting;
mod neighbour;
mod placing;
mod relations;
mod served;
mod spaces;
mod town;
mod visibility;
