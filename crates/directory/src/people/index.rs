//! The index of people by the words of their names.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, HashSet},
    ops::Bound,
};

use kernel::id::{OwnedUserId, UserId};

use super::Person;
use crate::fold;

/// One person as the index has them.
pub(crate) struct Entry {
    pub(crate) person: Person,
    /// Found only by those who share a room.
    pub(crate) hidden: bool,
    /// Folded words of the name and the localpart, each once.
    words: Vec<Box<str>>,
    /// The folded name, to sort by.
    name: Box<str>,
}

impl Entry {
    pub(crate) fn new(person: Person, hidden: bool) -> Self {
        let shown = person.display_name.as_deref().unwrap_or(person.user.localpart());
        let name = fold::fold(shown).into();
        let mut words = fold::words(shown);
        words.extend(fold::words(person.user.localpart()));
        words.sort_unstable();
        words.dedup();
        Self { person, hidden, words: words.into_iter().map(Into::into).collect(), name }
    }

    /// How many of the terms are words of this person; `None` if some term does not even begin one.
    fn whole_words(&self, terms: &[String]) -> Option<usize> {
        let mut whole = 0;
        for term in terms {
            if self.words.iter().any(|word| **word == **term) {
                whole += 1;
            } else if !self.words.iter().any(|word| word.starts_with(term.as_str())) {
                return None;
            }
        }
        Some(whole)
    }
}

/// People by number, their numbers by word.
#[derive(Default)]
pub(crate) struct Index {
    entries: HashMap<u32, Entry>,
    numbers: HashMap<OwnedUserId, u32>,
    words: BTreeMap<Box<str>, Vec<u32>>,
    next: u32,
}

impl Index {
    /// Puts the person in, in place of what was there, or takes them out.
    pub(crate) fn set(&mut self, user: &UserId, entry: Option<Entry>) {
        if let Some(number) = self.numbers.remove(user)
            && let Some(old) = self.entries.remove(&number)
        {
            for word in &old.words {
                self.remove_word(word, number);
            }
        }
        let Some(entry) = entry else { return };
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        for word in &entry.words {
            self.words.entry(word.clone()).or_default().push(number);
        }
        self.numbers.insert(user.to_owned(), number);
        self.entries.insert(number, entry);
    }

    fn remove_word(&mut self, word: &str, number: u32) {
        let Some(numbers) = self.words.get_mut(word) else { return };
        numbers.retain(|known| *known != number);
        if numbers.is_empty() {
            self.words.remove(word);
        }
    }

    /// Those of whom every term begins a word, best first.
    pub(crate) fn search(&self, terms: &[String]) -> impl Iterator<Item = &Entry> {
        // The longest term is the likeliest to leave few to look at.
        let rarest = terms.iter().max_by_key(|term| term.len());
        let mut seen = HashSet::new();
        let mut found: Vec<(usize, &Entry)> = rarest
            .into_iter()
            .flat_map(|term| self.beginning_with(term))
            .filter(|number| seen.insert(*number))
            .filter_map(|number| self.entries.get(&number))
            .filter_map(|entry| Some((entry.whole_words(terms)?, entry)))
            .collect();
        found.sort_by_key(|(whole, entry)| (Reverse(*whole), &entry.name, &entry.person.user));
        found.into_iter().map(|(_, entry)| entry)
    }

    fn beginning_with<'a>(&'a self, term: &'a str) -> impl Iterator<Item = u32> + 'a {
        let from = (Bound::Included(term), Bound::Unbounded);
        let words = self.words.range::<str, _>(from).take_while(move |(word, _)| word.starts_with(term));
        words.flat_map(|(_, numbers)| numbers.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(localpart: &str, name: &str) -> Entry {
        let user = UserId::parse(format!("@{localpart}:metz.example")).unwrap();
        Entry::new(Person { user, display_name: Some(name.to_owned()), avatar_url: None }, false)
    }

    fn names(index: &Index, term: &str) -> Vec<String> {
        index.search(&fold::words(term)).filter_map(|entry| entry.person.display_name.clone()).collect()
    }

    #[test]
    fn whole_words_come_before_beginnings_and_then_names_in_order() {
        let mut index = Index::default();
        for (localpart, name) in [
            ("a", "Martine Zola [Metz]"),
            ("b", "Élise Martin [Metz]"),
            ("c", "Amélie Martin [Nancy]"),
            ("martin.x", "Bernard Xavier [Metz]"),
        ] {
            let entry = person(localpart, name);
            let user = entry.person.user.clone();
            index.set(&user, Some(entry));
        }
        let amelie = "Amélie Martin [Nancy]";
        let (bernard, elise, martine) = ("Bernard Xavier [Metz]", "Élise Martin [Metz]", "Martine Zola [Metz]");
        assert_eq!(names(&index, "MARTIN"), [amelie, bernard, elise, martine]);
        assert_eq!(names(&index, "mart met"), [bernard, elise, martine]);
        assert_eq!(names(&index, "elise"), [elise]);
        assert_eq!(names(&index, "martin quelqu'un"), [""; 0]);

        let user = UserId::parse("@c:metz.example").unwrap();
        index.set(&user, Some(person("c", "Amélie Durand [Nancy]")));
        assert_eq!(names(&index, "nancy martin"), [""; 0]);
        assert_eq!(names(&index, "durand"), ["Amélie Durand [Nancy]"]);
        index.set(&user, None);
        assert_eq!(names(&index, "durand"), [""; 0]);
        assert!(!index.words.contains_key("durand"));
    }
}
