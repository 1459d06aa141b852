//! How a text may stand in another: as it is, escaped, encoded, or line by line.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ops::Range;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};

/// In which reading of a text something is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// As it is.
    Plain,
    /// Its lines joined: what is encoded is wrapped.
    Joined,
    /// That in lower case: hexadecimal digits have two.
    Folded,
    /// `%2F` as the byte that it stands for.
    Decoded,
    /// The same, with `+` as the space that a form makes it of.
    Form,
}

/// One way to spell a text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spelling {
    way: Way,
    bytes: Vec<u8>,
}

impl Spelling {
    /// A text as it is.
    pub(super) fn plain(text: &str) -> Self {
        Self { way: Way::Plain, bytes: text.into() }
    }
}

/// The ways to spell a text.
pub(super) fn spellings(text: &str) -> BTreeSet<Spelling> {
    let unquoted = |text: String| text.get(1..text.len() - 1).unwrap_or_default().to_owned();
    let way = |way: Way, text: &str| Spelling { way, bytes: text.into() };
    let mut found = BTreeSet::from([
        way(Way::Plain, text),
        way(Way::Plain, &unquoted(serde_json::Value::from(text).to_string())),
        way(Way::Plain, &unquoted(format!("{text:?}"))),
        way(Way::Folded, &hex::encode(text)),
        way(Way::Decoded, text),
    ]);
    if text.contains(' ') {
        found.insert(way(Way::Form, text));
    }
    found.extend((0..3).flat_map(|before| in_base64(text, before)).map(|text| way(Way::Joined, &text)));
    found
}

/// What of the base64 of a longer text is of this text alone, where so many bytes more than a multiple of three stand before it.
fn in_base64(text: &str, before: usize) -> Vec<String> {
    let bytes = [&[0; 3][..before], text.as_bytes()].concat();
    let digits = (before * 8).div_ceil(6)..bytes.len() * 8 / 6;
    let encoded = [BASE64_STANDARD_NO_PAD.encode(&bytes), BASE64_URL_SAFE_NO_PAD.encode(&bytes)];
    encoded.into_iter().filter_map(|encoded| encoded.get(digits.clone()).map(str::to_owned)).collect()
}

/// A text to look into, in each reading once it is asked for.
pub(super) struct Readings<'a> {
    text: &'a str,
    read: [OnceCell<Reading>; 4],
}

/// The bytes that a text reads as, each with the stretch of the text that it stands for.
#[derive(Default)]
struct Reading {
    bytes: Vec<u8>,
    of: Vec<Range<usize>>,
}

impl Reading {
    fn push(&mut self, byte: u8, of: Range<usize>) {
        self.bytes.push(byte);
        self.of.push(of);
    }

    /// Without white space, also where that is escaped.
    fn joined(text: &str, folds: bool) -> Self {
        let (mut reading, bytes) = (Self::default(), text.as_bytes());
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            match (byte, bytes.get(at + 1)) {
                (b'\\', Some(b'n' | b'r' | b't')) => at += 1,
                (byte, _) if byte.is_ascii_whitespace() => {}
                (byte, _) => reading.push(if folds { byte.to_ascii_lowercase() } else { *byte }, at..at + 1),
            }
            at += 1;
        }
        reading
    }

    /// With each `%2F` as its byte.
    fn decoded(text: &str, is_form: bool) -> Self {
        let (mut reading, bytes) = (Self::default(), text.as_bytes());
        let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            let encoded = digit(at + 1).zip(digit(at + 2)).filter(|_| *byte == b'%');
            let encoded = encoded.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
            let end = if encoded.is_some() { at + 3 } else { at + 1 };
            let byte = if is_form && *byte == b'+' { b' ' } else { *byte };
            reading.push(encoded.unwrap_or(byte), at..end);
            at = end;
        }
        reading
    }
}

impl<'a> Readings<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { text, read: Default::default() }
    }

    /// Whether a spelling stands in the text.
    pub(super) fn have(&self, spelling: &Spelling) -> bool {
        match self.read(spelling.way) {
            Some(reading) => find(&reading.bytes, &spelling.bytes, 0).is_some(),
            None => find(self.text.as_bytes(), &spelling.bytes, 0).is_some(),
        }
    }

    /// Where a spelling stands in the text, as stretches of whole characters.
    pub(super) fn places(&self, spelling: &Spelling) -> Vec<Range<usize>> {
        let reading = self.read(spelling.way);
        let bytes = reading.map_or(self.text.as_bytes(), |reading| &reading.bytes);
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(at) = find(bytes, &spelling.bytes, from) {
            let last = at + spelling.bytes.len() - 1;
            let here = reading.map_or(at..last + 1, |reading| reading.of[at].start..reading.of[last].end);
            let start = (0..=here.start).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(0);
            let end = (here.end..self.text.len()).find(|at| self.text.is_char_boundary(*at));
            found.push(start..end.unwrap_or(self.text.len()));
            from = last + 1;
        }
        found
    }

    /// None for the text as it is.
    fn read(&self, way: Way) -> Option<&Reading> {
        let (place, read): (usize, fn(&str) -> Reading) = match way {
            Way::Plain => return None,
            Way::Joined => (0, |text| Reading::joined(text, false)),
            Way::Folded => (1, |text| Reading::joined(text, true)),
            Way::Decoded => (2, |text| Reading::decoded(text, false)),
            Way::Form => (3, |text| Reading::decoded(text, true)),
        };
        Some(self.read[place].get_or_init(|| read(self.text)))
    }
}

fn find(bytes: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    if wanted.is_empty() {
        return None;
    }
    bytes.get(from..)?.windows(wanted.len()).position(|window| window == wanted).map(|at| from + at)
}
