//! The token between two syncs: where the tenant's stream stood, what the device's inbox was read up to, and the number
//! of the last change of typing. Also taken wherever a pagination token is.

use std::{fmt, str::FromStr};

use kernel::{Kind, Position};
use rooms::Boundary;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) position: Position,
    /// Behind `position` when more messages wait than one answer takes.
    pub(crate) inbox: Position,
    pub(crate) typing: u64,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}_{}_{}", self.position, self.inbox, self.typing)
    }
}

impl FromStr for Token {
    type Err = web::Error;

    fn from_str(token: &str) -> web::Result<Self> {
        let parse = || {
            let mut numbers = token.strip_prefix('s')?.split('_').map(str::parse);
            let mut next = || numbers.next()?.ok();
            let token = Self { position: Position(next()?), inbox: Position(next()?), typing: next()? };
            numbers.next().is_none().then_some(token)
        };
        parse().ok_or_else(|| web::Error::new(Kind::InvalidParam, "This is not a token of this server"))
    }
}

impl Token {
    pub(crate) fn parse(token: &str) -> web::Result<Self> {
        token.parse()
    }

    /// A place in a room's timeline: a token of a page of messages, or of a sync.
    pub(crate) fn boundary(token: &str) -> web::Result<Boundary> {
        match token.parse() {
            Ok(boundary) => Ok(boundary),
            Err(()) => Self::parse(token).map(|token| Boundary::at(token.position)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_as_they_were_written_and_nothing_else_is() {
        let token = Token { position: Position(12), inbox: Position(9), typing: 1_800_000_000_000 };
        assert_eq!(Token::parse(&token.to_string()).unwrap(), token);
        assert_eq!(Token::boundary(&token.to_string()).unwrap(), Boundary::at(Position(12)));
        assert_eq!(Token::boundary("t7").unwrap(), Boundary::at(Position(7)));
        for odd in ["", "s", "s1", "s1_2", "s1_2_3_4", "s-1_2_3", "x1_2_3", "s1_2_99999999999999999999", "t", "t-1"] {
            assert!(Token::boundary(odd).is_err(), "{odd}");
        }
    }
}
