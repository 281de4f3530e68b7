//! French or English, as the browser asks (RFC 9110 §12.5.4).

/// The languages of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lang {
    Fr,
    En,
}

impl Lang {
    /// Languages of one header that are looked at.
    const RANGES_MAX: usize = 20;

    /// The one of ours that `Accept-Language` likes best; the first named where two are liked alike.
    pub(crate) fn of(accept_language: &str, default: Self) -> Self {
        let mut best: Option<(f32, Self)> = None;
        for range in accept_language.split(',').take(Self::RANGES_MAX) {
            let (tag, weight) = range.split_once(';').unwrap_or((range, ""));
            let weight: f32 = match weight.trim().strip_prefix("q=") {
                Some(weight) => weight.parse().unwrap_or(0.0),
                None => 1.0,
            };
            let primary = tag.trim().split('-').next().unwrap_or_default();
            let lang = match primary {
                primary if primary.eq_ignore_ascii_case("fr") => Self::Fr,
                primary if primary.eq_ignore_ascii_case("en") => Self::En,
                "*" => default,
                _ => continue,
            };
            if weight > 0.0 && best.is_none_or(|(other, _)| weight > other) {
                best = Some((weight, lang));
            }
        }
        best.map_or(default, |(_, lang)| lang)
    }

    /// The one of two texts.
    pub(crate) fn pick<'a>(self, fr: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Fr => fr,
            Self::En => en,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_liked_language_is_served() {
        for (header, expected) in [
            ("", Lang::Fr),
            ("fr-FR,fr;q=0.9,en;q=0.8", Lang::Fr),
            ("en-GB,en;q=0.9,fr;q=0.1", Lang::En),
            ("de, en;q=0.5, fr;q=0.7", Lang::Fr),
            ("de;q=1, EN;q=0.2", Lang::En),
            ("en;q=0", Lang::Fr),
            ("*", Lang::Fr),
            ("br", Lang::Fr),
            ("en;q=nonsense,,;;", Lang::Fr),
        ] {
            assert_eq!(Lang::of(header, Lang::Fr), expected, "{header}");
        }
    }
}
