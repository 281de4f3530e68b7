//! What people are called: computed from what ProConnect says, so that nobody can choose another's name.

use crate::Email;

/// Longest display name (spec, "Size limits", as for identifiers).
const NAME_BYTES_MAX: usize = 255;
/// Of which the person's own name may take this much, so that the organisation is always seen.
const PERSON_BYTES_MAX: usize = 160;

/// `Prénom Nom [Organisation]`, the form that Tchap's clients take apart again.
///
/// `given_name` may have all first names ("Marie Jeanne"): the first is kept. Characters that are not seen or that turn
/// the writing direction are dropped, brackets become parentheses so that only ours mark the organisation, and the whole
/// is at most 255 bytes. Without an organisation there are no brackets; with no name at all the result is what is left,
/// maybe nothing.
pub fn display_name(given_name: &str, usual_name: &str, organisation_label: &str) -> String {
    let given_name = clean(given_name);
    let first = given_name.split([' ', ',']).next().unwrap_or_default();
    let person = format!("{first} {}", clean(usual_name));
    let mut name = shortened(person.trim(), PERSON_BYTES_MAX).to_owned();
    let organisation = clean(organisation_label);
    // A space and two brackets.
    let organisation = shortened(&organisation, NAME_BYTES_MAX - name.len() - 3);
    if !organisation.is_empty() {
        if !name.is_empty() {
            name.push(' ');
        }
        name.push('[');
        name.push_str(organisation);
        name.push(']');
    }
    name
}

/// The part of a user id before the colon, in Tchap's way: the address in lower case, `-` for `@`, and nothing but
/// `[a-z0-9_\-./=]`. Two addresses may come to the same localpart: the caller sees to it that it is free.
pub fn localpart(email: &Email) -> String {
    let kept = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-./=".contains(*c);
    email.as_str().replace('@', "-").chars().filter(kept).collect()
}

/// Visible characters in one line, single spaces between words, no brackets.
fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for word in text.split(char::is_whitespace) {
        let mut word = word.chars().filter(|c| is_seen(*c)).map(without_bracket).peekable();
        if word.peek().is_some() {
            if !clean.is_empty() {
                clean.push(' ');
            }
            clean.extend(word);
        }
    }
    clean
}

/// False for controls, marks of writing direction, joiners, fillers, tags and other characters of no width.
fn is_seen(c: char) -> bool {
    !(c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'))
}

/// Also for brackets that only look like the ones that mark the organisation.
fn without_bracket(c: char) -> char {
    match c {
        '[' | '\u{ff3b}' | '\u{27e6}' | '\u{3010}' | '\u{3014}' | '\u{301a}' | '\u{2045}' | '\u{fe47}' => '(',
        ']' | '\u{ff3d}' | '\u{27e7}' | '\u{3011}' | '\u{3015}' | '\u{301b}' | '\u{2046}' | '\u{fe48}' => ')',
        _ => c,
    }
}

/// The first `bytes` of the text, whole characters only.
fn shortened(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    text.get(..end).unwrap_or_default().trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_first_name_usual_name_and_organisation() {
        for (given, usual, organisation, expected) in [
            ("Marie", "Durand", "Commune d'Exemple", "Marie Durand [Commune d'Exemple]"),
            // ProConnect gives all first names.
            ("Marie Jeanne Anne", "Durand", "CCAS", "Marie Durand [CCAS]"),
            ("Marie, Jeanne", "Durand", "CCAS", "Marie Durand [CCAS]"),
            ("Jean-Philippe Paul", "de La Tour", "CCAS", "Jean-Philippe de La Tour [CCAS]"),
            ("  Marie\t\n", " Durand  Petit ", "  Ville   d'Exemple ", "Marie Durand Petit [Ville d'Exemple]"),
            // Nothing invisible, nothing that turns the line around.
            ("Ma\u{200b}rie", "Du\u{202e}rand", "CC\u{0}AS\u{feff}", "Marie Durand [CCAS]"),
            ("\u{2066}Marie", "Durand\u{e0041}", "C\u{ad}CAS", "Marie Durand [CCAS]"),
            // Only our brackets mark an organisation.
            ("Marie[Préfecture]", "Durand [DGFiP]", "CCAS] [État", "Marie(Préfecture) Durand (DGFiP) [CCAS) (État]"),
            ("Marie", "Durand \u{ff3b}État\u{ff3d}", "CCAS", "Marie Durand (État) [CCAS]"),
            // What is missing is left out.
            ("Marie", "Durand", "", "Marie Durand"),
            ("Marie", "Durand", " \u{200b} ", "Marie Durand"),
            ("", "Durand", "CCAS", "Durand [CCAS]"),
            ("Marie", "", "CCAS", "Marie [CCAS]"),
            ("", "", "CCAS", "[CCAS]"),
            ("", "", "", ""),
        ] {
            assert_eq!(display_name(given, usual, organisation), expected);
        }
    }

    #[test]
    fn a_name_fits_its_limit_and_still_shows_the_organisation() {
        let long = display_name(&"é".repeat(300), &"ñ".repeat(300), &"ô".repeat(300));
        assert!(long.len() <= 255, "{}", long.len());
        assert!(long.ends_with("ô]") && long.contains(" ["));
        let long = display_name("Marie", "Durand", &"Syndicat ".repeat(100));
        assert!(long.len() <= 255 && long.starts_with("Marie Durand [Syndicat ") && long.ends_with(']'));
    }

    #[test]
    fn a_localpart_is_made_of_the_address_as_in_tchap() {
        for (address, expected) in [
            ("john.doe@example.com", "john.doe-example.com"),
            ("Jean-Philippe.MARTIN@modernisation.fr", "jean-philippe.martin-modernisation.fr"),
            ("marie_d+astreinte@ville.fr", "marie_dastreinte-ville.fr"),
            ("n.d'arc@ville.fr", "n.darc-ville.fr"),
        ] {
            assert_eq!(localpart(&Email::parse(address).unwrap()), expected);
        }
    }
}
