//! A secret that is found again by any piece of it, however it is spelt.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// Long, and no two stretches of it alike.
pub(crate) const CANARY: &str = "Zq7Kw3Xv9Ht2Lm5Rb8Nd4Gs6Pf1Jc0Y";

/// A piece of the canary in so many characters is no accident.
const PIECE: usize = 8;

/// The pieces that are looked for, each spelling with pieces of one length.
struct Spelling {
    name: &'static str,
    length: usize,
    /// Whether upper and lower case are one.
    any_case: bool,
    pieces: BTreeSet<Vec<u8>>,
    /// Whether a piece begins with two bytes: most of a file is passed over by this.
    begins: Vec<bool>,
}

static SPELLINGS: LazyLock<Vec<Spelling>> = LazyLock::new(|| {
    let lower = CANARY.to_lowercase();
    let reversed: String = lower.chars().rev().collect();
    let hex = in_hexadecimal(CANARY);
    let bytes = format!("{:?}", CANARY.as_bytes());
    let plain = |name, text: &str, length| spelling(name, &[text.to_owned()], length, true);
    // Two characters at either end of each are of what stands around it.
    let shifted: Vec<String> = ["", "x", "xx"].map(|before| BASE64_STANDARD.encode(format!("{before}{CANARY}"))).into();
    let base64: Vec<String> = shifted.iter().map(|text| text[4..text.len() - 4].to_owned()).collect();
    vec![
        plain("as it is", &lower, PIECE),
        plain("reversed", &reversed, PIECE),
        plain("in hexadecimal", &hex, 2 * PIECE),
        plain("as a list of bytes", bytes.trim_matches(['[', ']']), 4 * PIECE),
        spelling("in base64", &base64, 12, false),
    ]
});

fn spelling(name: &'static str, texts: &[String], length: usize, any_case: bool) -> Spelling {
    let pieces: BTreeSet<Vec<u8>> =
        texts.iter().flat_map(|text| text.as_bytes().windows(length).map(<[u8]>::to_vec)).collect();
    let mut begins = vec![false; 1 << 16];
    pieces.iter().for_each(|piece| begins[beginning(piece)] = true);
    Spelling { name, length, any_case, pieces, begins }
}

fn in_hexadecimal(text: &str) -> String {
    let digit = |number: u8| char::from_digit(u32::from(number), 16).unwrap_or_default();
    text.bytes().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn beginning(piece: &[u8]) -> usize {
    usize::from(u16::from_be_bytes([piece[0], piece[1]]))
}

/// How a piece of the canary stands somewhere, with what stands around it; none where there is none.
pub(crate) fn found(bytes: &[u8]) -> Option<String> {
    let lower = bytes.to_ascii_lowercase();
    SPELLINGS.iter().find_map(|spelling| {
        let text = if spelling.any_case { &lower } else { bytes };
        let at = text
            .windows(spelling.length)
            .position(|piece| spelling.begins[beginning(piece)] && spelling.pieces.contains(piece))?;
        let around = &bytes[at.saturating_sub(60)..(at + 60).min(bytes.len())];
        Some(format!("{}: …{}…", spelling.name, String::from_utf8_lossy(around)))
    })
}

/// Nothing of the canary is in a text.
#[track_caller]
pub(crate) fn silent(what: &str, text: &str) {
    let found = found(text.as_bytes());
    assert!(found.is_none(), "{what} has the canary {}", found.unwrap_or_default());
}

#[test]
fn the_canary_is_found_however_it_is_spelt() {
    let piece = &CANARY[9..20];
    let hex = in_hexadecimal(piece).to_uppercase();
    for text in [
        piece.to_owned(),
        piece.to_uppercase(),
        piece.chars().rev().collect(),
        hex,
        format!("{:?}", piece.as_bytes()),
        BASE64_STANDARD.encode(format!("user:{CANARY}")),
        BASE64_STANDARD.encode(format!("{piece} and more")),
    ] {
        assert!(found(format!("before {text} after").as_bytes()).is_some(), "{text}");
    }
    assert_eq!(found(&CANARY.as_bytes()[..PIECE - 1]), None);
    assert_eq!(found(b"nothing of it"), None);
}
