//! The index of people by the words of their names.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BTreeMap, BinaryHeap, HashMap},
    iter,
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
    /// By number; the places of those who left are taken by those who come.
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    numbers: HashMap<OwnedUserId, u32>,
    words: BTreeMap<Box<str>, Vec<u32>>,
}

impl Index {
    /// Puts the person in, in place of what was there, or takes them out.
    pub(crate) fn set(&mut self, user: &UserId, entry: Option<Entry>) {
        self.remove(user);
        let Some(entry) = entry else { return };
        let number = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
        });
        let Some(place) = self.entries.get_mut(number as usize) else { return };
        for word in &entry.words {
            self.words.entry(word.clone()).or_default().push(number);
        }
        self.numbers.insert(user.to_owned(), number);
        *place = Some(entry);
    }

    fn remove(&mut self, user: &UserId) {
        let Some(number) = self.numbers.remove(user) else { return };
        let Some(old) = self.entries.get_mut(number as usize).and_then(Option::take) else { return };
        self.free.push(number);
        for word in &old.words {
            let Some(numbers) = self.words.get_mut(word) else { continue };
            numbers.retain(|known| *known != number);
            if numbers.is_empty() {
                self.words.remove(word);
            }
        }
    }

    /// Those of whom every term begins a word, best first. They are put in order as far as they are asked for.
    pub(crate) fn search(&self, terms: &[String]) -> impl Iterator<Item = &Entry> {
        let rarest = terms.iter().min_by_key(|term| self.numbers_of(term).map(Vec::len).sum::<usize>());
        let mut numbers: Vec<u32> =
            rarest.into_iter().flat_map(|term| self.numbers_of(term)).flatten().copied().collect();
        numbers.sort_unstable();
        numbers.dedup();
        let found = numbers.into_iter().filter_map(|number| {
            let entry = self.entries.get(number as usize)?.as_ref()?;
            let whole = entry.whole_words(terms)?;
            Some(Reverse(Ranked { order: (Reverse(whole), &entry.name, &entry.person.user), entry }))
        });
        let mut found: BinaryHeap<_> = found.collect();
        iter::from_fn(move || found.pop().map(|Reverse(best)| best.entry))
    }

    /// The numbers of those who have a word that begins so; of one who has two, twice.
    fn numbers_of<'a>(&'a self, term: &'a str) -> impl Iterator<Item = &'a Vec<u32>> {
        let from = (Bound::Included(term), Bound::Unbounded);
        let words = self.words.range::<str, _>(from).take_while(move |(word, _)| word.starts_with(term));
        words.map(|(_, numbers)| numbers)
    }
}

/// Somebody who was found, in the order of the answer: more whole words first, then by name.
struct Ranked<'a> {
    order: (Reverse<usize>, &'a str, &'a UserId),
    entry: &'a Entry,
}

impl Ord for Ranked<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order.cmp(&other.order)
    }
}

impl PartialOrd for Ranked<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Ranked<'_> {}

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
