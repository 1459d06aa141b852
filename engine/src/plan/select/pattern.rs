//! Addresses, and patterns of them: `weights`, `trainer["a"]`, `shard[*]`, `eval/*`.

use trueup_state::{Address, Key, Segment};

/// Text with `*` for any run of characters and `?` for any one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob(String);

impl Glob {
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text, where it stands for nothing but itself.
    fn literal(&self) -> Option<&str> {
        (!self.0.contains(['*', '?'])).then_some(self.0.as_str())
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        let (mut pattern, mut rest) = (self.0.as_str(), text);
        // Where to go on if what follows the last `*` does not fit: it takes one character more.
        let mut again: Option<(&str, &str)> = None;
        loop {
            let wanted = pattern.chars().next();
            match (wanted, rest.chars().next()) {
                (Some('*'), _) => {
                    pattern = &pattern[1..];
                    again = Some((pattern, rest));
                    continue;
                }
                (None, None) => return true,
                (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {
                    pattern = &pattern[wanted.len_utf8()..];
                    rest = &rest[found.len_utf8()..];
                    continue;
                }
                _ => {}
            }
            let Some((after, from)) = again else { return false };
            let Some(skipped) = from.chars().next() else { return false };
            rest = &from[skipped.len_utf8()..];
            (pattern, again) = (after, Some((after, rest)));
        }
    }
}

/// What a key may be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum KeyPattern {
    /// In quotes: this text, and no character of it means another.
    Quoted(String),
    /// Without: text or a number that reads so. A shell takes quotes away, so they can't be asked for.
    Bare(Glob),
}

impl KeyPattern {
    fn matches(&self, key: &Key) -> bool {
        match (self, key) {
            (Self::Quoted(wanted), Key::String(text)) => wanted == text,
            (Self::Quoted(_), Key::Integer(_)) => false,
            (Self::Bare(glob), Key::String(text)) => glob.matches(text),
            (Self::Bare(glob), Key::Integer(number)) => glob.matches(&number.to_string()),
        }
    }

    /// The keys that it can be, where it is no glob.
    fn literals(&self) -> Option<Vec<Key>> {
        match self {
            Self::Quoted(text) => Some(vec![Key::String(text.clone())]),
            Self::Bare(glob) => {
                let text = glob.literal()?;
                let number = text.parse().ok().filter(|number: &i64| number.to_string() == text);
                Some(number.map(Key::Integer).into_iter().chain([Key::String(text.to_owned())]).collect())
            }
        }
    }
}

/// One name of a pattern; without a key it is of every instance.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SegmentPattern {
    name: Glob,
    key: Option<KeyPattern>,
}

impl SegmentPattern {
    fn matches(&self, segment: &Segment) -> bool {
        let fits = |wanted: &KeyPattern| segment.key.as_ref().is_some_and(|key| wanted.matches(key));
        self.name.matches(&segment.name) && self.key.as_ref().is_none_or(fits)
    }
}

/// A name, and the keys that may stand with it: none is of every instance.
pub(super) type Literal<'a> = (&'a str, Vec<Option<Key>>);

/// Which addresses: those that fit it, and all that stands in what fits it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(Vec<SegmentPattern>);

impl Pattern {
    /// Reads a pattern. The error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let (mut segments, mut rest) = (Vec::new(), text);
        loop {
            let (segment, after) = read_segment(rest)?;
            segments.push(segment);
            match after.strip_prefix('/') {
                Some(more) => rest = more,
                None if after.is_empty() => return Ok(Self(segments)),
                None => return Err("a `/` is missing between two names"),
            }
        }
    }

    /// Whether an address fits, or stands in what fits.
    pub(super) fn covers(&self, address: &Address) -> bool {
        let segments = address.segments();
        segments.len() >= self.0.len() && self.0.iter().zip(segments).all(|(wanted, segment)| wanted.matches(segment))
    }

    /// Whether it may cover something in a block or a module of which it is not known what there is in it.
    pub(super) fn may_cover_in(&self, block: &Address) -> bool {
        let last = block.segments().len() - 1;
        let fits = |(at, (wanted, segment)): (usize, (&SegmentPattern, &Segment))| {
            if at == last { wanted.name.matches(&segment.name) } else { wanted.matches(segment) }
        };
        self.0.iter().zip(block.segments()).enumerate().all(fits)
    }

    /// The names and keys that it can be, where none of it is a glob.
    pub(super) fn literals(&self) -> Option<Vec<Literal<'_>>> {
        let keys = |key: &Option<KeyPattern>| match key {
            None => Some(vec![None]),
            Some(key) => Some(key.literals()?.into_iter().map(Some).collect()),
        };
        self.0.iter().map(|segment| Some((segment.name.literal()?, keys(&segment.key)?))).collect()
    }
}

fn read_segment(text: &str) -> Result<(SegmentPattern, &str), &'static str> {
    let end = text.find(['/', '[']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        return Err("a name is missing");
    }
    if name.contains(':') {
        return Err("what comes before a `:` is `kind` or `tag`");
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '*' | '?')) {
        return Err("a name has letters, digits and `_` only, or `*` and `?` for what may stand there");
    }
    let (key, rest) = match rest.strip_prefix('[') {
        Some(open) => read_key(open).map(|(key, rest)| (Some(key), rest))?,
        None => (None, rest),
    };
    Ok((SegmentPattern { name: Glob::new(name), key }, rest))
}

fn read_key(text: &str) -> Result<(KeyPattern, &str), &'static str> {
    const OPEN: &str = "a `]` is missing";
    if !text.starts_with('"') {
        let (key, rest) = text.split_once(']').ok_or(OPEN)?;
        return if key.is_empty() { Err("a key is missing") } else { Ok((KeyPattern::Bare(Glob::new(key)), rest)) };
    }
    let mut parsed = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let Some(Ok(key)) = parsed.next() else { return Err("a `\"` is missing") };
    let rest = &text[parsed.byte_offset()..];
    Ok((KeyPattern::Quoted(key), rest.strip_prefix(']').ok_or(OPEN)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn covers(pattern: &str, address: &str) -> bool {
        Pattern::parse(pattern).unwrap().covers(&address.parse().unwrap())
    }

    #[test]
    fn an_address_is_itself_and_all_in_it() {
        for (pattern, address) in [
            ("a", "a"),
            ("a", "a[0]"),
            ("a", r#"a["x"]/b"#),
            ("m/a", r#"m["x"]/a[1]"#),
            (r#"a["x"]"#, r#"a["x"]/b"#),
            ("a[x]", r#"a["x"]"#),
            ("a[0]", "a[0]"),
            ("a[0]", r#"a["0"]"#),
        ] {
            assert!(covers(pattern, address), "{pattern} {address}");
        }
        for (pattern, address) in
            [("a", "ab"), ("a[0]", "a"), ("a[0]", "a[1]"), ("a/b", "a"), (r#"a["0"]"#, "a[0]"), ("b", "a/b")]
        {
            assert!(!covers(pattern, address), "{pattern} {address}");
        }
    }

    #[test]
    fn a_glob_stops_at_the_ends_of_names_and_keys() {
        for (pattern, address) in [
            ("shard[*]", "shard[12]"),
            ("shard[*]", r#"shard["a/b]"]"#),
            ("shard[us-*]", r#"shard["us-east"]"#),
            ("eval/*", "eval/model"),
            ("eval/*", r#"eval["a"]/model/part"#),
            ("*", "anything[0]/below"),
            ("t?ain*r", "trainer"),
            ("*a*b*", "xaxbxaxbx"),
            ("*x", "x/y/z-x/q"),
            (r#"a["*"]"#, r#"a["*"]"#),
        ] {
            assert!(covers(pattern, address), "{pattern} {address}");
        }
        for (pattern, address) in [
            ("shard[*]", "shard"),
            ("eval/*", "eval"),
            ("*q", "x/y/q"),
            ("e*l", "e/l"),
            ("?", "ab"),
            (r#"a["*"]"#, r#"a["x"]"#),
        ] {
            assert!(!covers(pattern, address), "{pattern} {address}");
        }
    }

    #[test]
    fn what_may_come_of_a_block_is_told_by_its_name() {
        let may = |pattern: &str, block: &str| Pattern::parse(pattern).unwrap().may_cover_in(&block.parse().unwrap());
        assert!(
            may("a", "a") && may("a[*]", "a") && may(r#"a["x"]/b"#, "a") && may("m", "m/a") && may("*/a[0]", "m/a")
        );
        assert!(!may("b", "a") && !may("m[0]/a", "m[1]/a") && !may("b[*]", "a"));
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, reason) in [
            ("", "a name is missing"),
            ("a//b", "a name is missing"),
            ("a[", "a `]` is missing"),
            ("a[]", "a key is missing"),
            (r#"a["x]"#, "a `\"` is missing"),
            (r#"a["x""#, "a `]` is missing"),
            ("a[1]b", "a `/` is missing between two names"),
            ("sort:bucket", "what comes before a `:` is `kind` or `tag`"),
            ("a b", "a name has letters, digits and `_` only, or `*` and `?` for what may stand there"),
        ] {
            assert_eq!(Pattern::parse(text).unwrap_err(), reason, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_address_as_it_is_written_is_a_selector_of_it(text in ".*", number in any::<i64>()) {
            for key in [Key::String(text.clone()), Key::Integer(number)] {
                let address = Address::root("m").with_key(key).child("b");
                let pattern = Pattern::parse(&address.to_string()).unwrap();
                prop_assert!(pattern.covers(&address));
                prop_assert!(pattern.literals().is_some());
                let other = Address::root("m").with_key(Key::String([&text, "x"].concat())).child("b");
                prop_assert!(!pattern.covers(&other));
            }
        }

        #[test]
        fn a_glob_matches_what_a_plain_recursion_matches(pattern in "[ab*?]{0,7}", text in "[ab]{0,9}") {
            fn plain(pattern: &[u8], text: &[u8]) -> bool {
                match (pattern.split_first(), text.split_first()) {
                    (None, None) => true,
                    (Some((b'*', rest)), _) => plain(rest, text) || (!text.is_empty() && plain(pattern, &text[1..])),
                    (Some((b'?', rest)), Some((_, left))) => plain(rest, left),
                    (Some((one, rest)), Some((other, left))) => one == other && plain(rest, left),
                    _ => false,
                }
            }
            prop_assert_eq!(Glob::new(&pattern).matches(&text), plain(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
