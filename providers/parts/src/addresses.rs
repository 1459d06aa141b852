//! The addresses of a network, shared out among its zones.

use std::net::Ipv4Addr;

/// How many bits of an address tell the shares apart: one for each of sixteen letters.
const BITS: u32 = 4;

/// The place of a letter among the sixteen that have a share, from `a` on; none of another text.
pub fn letter(text: &str) -> Option<u32> {
    let mut letters = text.chars();
    let place = u32::from(letters.next()?).checked_sub(u32::from('a'))?;
    (letters.next().is_none() && place < 1 << BITS).then_some(place)
}

/// One sixteenth of a block of addresses, by its number. What is no block stays as it is, for the cloud to refuse.
pub fn sixteenth(cidr: &str, number: u32) -> String {
    let parsed = cidr.split_once('/').and_then(|(address, length)| {
        Some((address.parse::<Ipv4Addr>().ok()?, length.parse::<u32>().ok().filter(|length| length + BITS <= 32)?))
    });
    let Some((address, length)) = parsed else { return cidr.to_owned() };
    let length = length + BITS;
    let first = u32::from(address) | number.checked_shl(32 - length).unwrap_or(0);
    format!("{}/{length}", Ipv4Addr::from(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_sixteen_has_a_share() {
        assert_eq!(sixteenth("10.0.0.0/16", 0), "10.0.0.0/20");
        assert_eq!(sixteenth("10.0.0.0/16", 1), "10.0.16.0/20");
        assert_eq!(sixteenth("10.64.0.0/16", 15), "10.64.240.0/20");
        assert_eq!(sixteenth("192.168.7.0/24", 2), "192.168.7.32/28");
        assert_eq!(sixteenth("nonsense", 2), "nonsense");
    }

    #[test]
    fn sixteen_letters_have_one() {
        assert_eq!(
            [letter("a"), letter("p"), letter("q"), letter("ab"), letter(""), letter("A")],
            [Some(0), Some(15), None, None, None, None]
        );
    }
}
