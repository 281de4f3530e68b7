//! Chance as an argument: the operating system's generator in production, a seed in tests.

use std::sync::Mutex;

use rand::{RngCore, SeedableRng, TryRngCore, rngs::OsRng, rngs::StdRng};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

pub trait Random: Send + Sync + 'static {
    fn fill(&self, bytes: &mut [u8]);

    /// A string of `length` characters of URL-safe base64's alphabet: 6 bits of chance each.
    fn token(&self, length: usize) -> String {
        let mut bytes = vec![0; length];
        self.fill(&mut bytes);
        bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 63)])).collect()
    }

    /// A string of `length` upper-case letters: what a person may have to type (device ids, user codes).
    fn letters(&self, length: usize) -> String {
        let mut letters = String::with_capacity(length);
        while letters.len() < length {
            let mut byte = [0];
            self.fill(&mut byte);
            // 234 = 9 × 26: anything above would favour the first letters.
            if byte[0] < 234 {
                letters.push(char::from(b'A' + byte[0] % 26));
            }
        }
        letters
    }
}

pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(clippy::expect_used, reason = "without the system's generator no token can be safe: stop at once")]
    fn fill(&self, bytes: &mut [u8]) {
        OsRng.try_fill_bytes(bytes).expect("the operating system's random generator answers");
    }
}

/// The same values for the same seed: for tests only.
pub struct SeededRandom(Mutex<StdRng>);

impl SeededRandom {
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).fill_bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_the_length_and_alphabet_asked_for() {
        let random = SeededRandom::new(1);
        assert_eq!(random.token(43).len(), 43);
        assert!(random.token(200).bytes().all(|b| ALPHABET.contains(&b)));
        assert!(random.letters(200).bytes().all(|b| b.is_ascii_uppercase()));
        assert_ne!(SystemRandom.token(32), SystemRandom.token(32));
    }
}
