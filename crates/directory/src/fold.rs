//! Names as a search compares them: without case, accents, ligatures and punctuation.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// The text in lower case without accents: `Lœtitia Père` → `loetitia pere`.
pub(crate) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for letter in text.nfkd().filter(|letter| !is_combining_mark(*letter)).flat_map(char::to_lowercase) {
        match letter {
            // Letters of their own in Unicode, written as two (or as the plain one) where the keyboard lacks them.
            'œ' => folded.push_str("oe"),
            'æ' => folded.push_str("ae"),
            'ß' => folded.push_str("ss"),
            'ø' => folded.push('o'),
            'đ' => folded.push('d'),
            'ł' => folded.push('l'),
            'ı' => folded.push('i'),
            letter => folded.push(letter),
        }
    }
    folded
}

/// The folded words of a text: `Jean-Luc D'Arc [Metz]` → `jean`, `luc`, `d`, `arc`, `metz`.
pub(crate) fn words(text: &str) -> Vec<String> {
    let folded = fold(text);
    folded.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fold_as_people_type_them() {
        let cases = [
            ("Élodie LEFÈVRE", "elodie lefevre"),
            ("Lœtitia Þór", "loetitia þor"),
            ("Nguyễn Thị Ánh", "nguyen thi anh"),
            ("ﬁnance Ⅳ", "finance iv"),
            ("İpek Straße Øre", "ipek strasse ore"),
            ("ＡＢＣ", "abc"),
        ];
        for (name, folded) in cases {
            assert_eq!(fold(name), folded);
        }
        assert_eq!(words("Jean-Luc  D’Arc [Metz]"), ["jean", "luc", "d", "arc", "metz"]);
        assert!(words(" -’[] ").is_empty());
    }
}
