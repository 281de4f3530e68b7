//! Rooms of several towns that ask each other directly: what one does is what the others see, and what a liar says leaves nothing.

mod convergence;
mod history;
mod hostile_answering;
mod hostile_asking;
mod invites;
mod joins;
mod knocks;
mod large;
mod restricted;
mod wire;
