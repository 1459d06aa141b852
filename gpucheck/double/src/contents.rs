//! What is in a GPU's memory: not byte by byte, but by what it was filled with, so that 80 GB of it fit anywhere.

use std::collections::BTreeMap;
use std::sync::Arc;

/// What a stretch was filled with.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// These bytes, over and over.
    Bytes(Arc<Vec<u8>>),
    /// A pattern of words, by their index: its kind and its seed.
    Words(u32, u32),
}

#[derive(Debug, Clone)]
struct Stretch {
    end: u64,
    /// Where in its content it begins.
    from: u64,
    content: Content,
}

/// Stretches by where they begin.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    stretches: BTreeMap<u64, Stretch>,
    /// Bits that are always one: the byte, and which in it.
    pub(crate) stuck: Vec<(u64, u32)>,
}

/// What is read where nothing was written.
const UNWRITTEN: u8 = 0xcd;

/// The word of a pattern: constant, by its address, or one bit that walks.
pub(crate) fn word(kind: u32, seed: u32, index: u64) -> u32 {
    let plain = match kind {
        0 => 0,
        1 => (index % (1 << 32)).wrapping_mul(0x9e37_79b1).wrapping_add(index / (1 << 32)) as u32,
        2 => [1u32, 2, 4, 8, 16, 32, 64, 128][index as usize % 8] << (index % 32 / 8 * 8),
        _ => panic!("there is no pattern {kind}"),
    };
    plain ^ seed
}

impl Content {
    fn byte(&self, at: u64) -> u8 {
        match self {
            Self::Bytes(bytes) => bytes[(at % bytes.len() as u64) as usize],
            Self::Words(kind, seed) => word(*kind, *seed, at / 4).to_le_bytes()[(at % 4) as usize],
        }
    }

    fn fill(&self, from: u64, target: &mut [u8]) {
        match self {
            Self::Bytes(bytes) => {
                let mut at = (from % bytes.len() as u64) as usize;
                let mut target = target;
                while !target.is_empty() {
                    let part = target.len().min(bytes.len() - at);
                    target[..part].copy_from_slice(&bytes[at..at + part]);
                    (target, at) = (&mut target[part..], 0);
                }
            }
            Self::Words(kind, seed) if from.is_multiple_of(4) => {
                let (words, rest) = target.as_chunks_mut::<4>();
                (from / 4..)
                    .zip(&mut *words)
                    .for_each(|(index, found)| *found = word(*kind, *seed, index).to_le_bytes());
                let after = from + words.len() as u64 * 4;
                (after..).zip(rest).for_each(|(at, byte)| *byte = self.byte(at));
            }
            Self::Words(..) => (from..).zip(target).for_each(|(at, byte)| *byte = self.byte(at)),
        }
    }
}

impl Contents {
    /// Fills a stretch. `from`: where in the content it begins.
    pub(crate) fn write(&mut self, start: u64, length: u64, content: Content, from: u64) {
        if length == 0 {
            return;
        }
        let end = start + length;
        self.split(start);
        self.split(end);
        let inside: Vec<u64> = self.stretches.range(start..end).map(|(at, _)| *at).collect();
        inside.iter().for_each(|at| drop(self.stretches.remove(at)));
        self.stretches.insert(start, Stretch { end, from, content });
    }

    /// Makes a stretch begin here, if one goes over it.
    fn split(&mut self, at: u64) {
        let Some((start, stretch)) = self.stretches.range_mut(..at).next_back().filter(|(_, stretch)| stretch.end > at)
        else {
            return;
        };
        let rest = Stretch { from: stretch.from + (at - start), ..stretch.clone() };
        stretch.end = at;
        self.stretches.insert(at, rest);
    }

    /// The stretches of a range: where each begins, its length, and its content with where in it that begins.
    pub(crate) fn stretches(&mut self, start: u64, length: u64) -> Vec<(u64, u64, Content, u64)> {
        let end = start + length;
        self.split(start);
        self.split(end);
        let inside = self.stretches.range(start..end);
        inside.map(|(at, stretch)| (*at, stretch.end - at, stretch.content.clone(), stretch.from)).collect()
    }

    /// Reads bytes.
    pub(crate) fn read(&mut self, start: u64, length: u64) -> Vec<u8> {
        let mut bytes = vec![UNWRITTEN; length as usize];
        self.read_to(start, &mut bytes);
        bytes
    }

    /// Reads bytes to where they are wanted. What was never written stays.
    pub(crate) fn read_to(&mut self, start: u64, bytes: &mut [u8]) {
        let length = bytes.len() as u64;
        for (at, length, content, from) in self.stretches(start, length) {
            let at = (at - start) as usize;
            content.fill(from, &mut bytes[at..at + length as usize]);
        }
        for (byte, bit) in self.stuck.iter().filter(|(byte, _)| (start..start + length).contains(byte)) {
            bytes[(byte - start) as usize] |= 1 << bit;
        }
    }

    /// Copies a range to another place, of this memory or of another's.
    pub(crate) fn taken(&mut self, start: u64, length: u64) -> Vec<(u64, u64, Content, u64)> {
        let stuck: Vec<u64> =
            self.stuck.iter().map(|(byte, _)| *byte).filter(|byte| (start..start + length).contains(byte)).collect();
        let mut taken = self.stretches(start, length);
        for byte in stuck {
            let read = self.read(byte, 1);
            taken.push((byte, 1, Content::Bytes(Arc::new(read)), 0));
        }
        taken.iter_mut().for_each(|(at, ..)| *at -= start);
        taken
    }

    /// How many words of a range are not a pattern's, and the index of the first.
    pub(crate) fn differing(&mut self, start: u64, words: u64, kind: u32, seed: u32, first: u64) -> (u64, Option<u64>) {
        let mut wrong = Vec::new();
        let mut at = start;
        for (begin, length, content, from) in self.stretches(start, words * 4) {
            assert_eq!(begin, at, "memory is verified that was never written");
            at = begin + length;
            let (offset, end) = (begin - start, begin - start + length);
            // Words that are all in this stretch; those at its edges that are not are looked at one by one.
            let (inner, after) = (offset.div_ceil(4), end / 4);
            let edges = [(offset, offset / 4), (end, end / 4)].into_iter().filter(|(edge, _)| !edge.is_multiple_of(4));
            edges.for_each(|(_, word)| wrong.extend(self.compared(start + word * 4, 1, kind, seed, first + word)));
            let place = from + (inner * 4 - offset);
            // The same pattern in the same place needs no look at each word.
            let is_same =
                matches!(content, Content::Words(own, its) if (own, its, place) == (kind, seed, (first + inner) * 4));
            if inner < after && !is_same {
                wrong.extend(self.compared(start + inner * 4, after - inner, kind, seed, first + inner));
            }
        }
        assert_eq!(at, start + words * 4, "memory is verified that was never written");
        for (byte, _) in self.stuck.clone().into_iter().filter(|(byte, _)| (start..start + words * 4).contains(byte)) {
            let offset = (byte - start) / 4;
            wrong.extend(self.compared(start + offset * 4, 1, kind, seed, first + offset));
        }
        wrong.sort_unstable();
        wrong.dedup();
        (wrong.len() as u64, wrong.first().copied())
    }

    fn compared(&mut self, start: u64, words: u64, kind: u32, seed: u32, index: u64) -> Vec<u64> {
        // As many at once as a cache holds.
        const PART: u64 = 1 << 16;
        let mut bytes = vec![UNWRITTEN; (words.min(PART) * 4) as usize];
        let mut wrong = Vec::new();
        for from in (0..words).step_by(PART as usize) {
            let length = (words - from).min(PART);
            let part = &mut bytes[..(length * 4) as usize];
            self.read_to(start + from * 4, part);
            let found = (index + from..).zip(part.as_chunks::<4>().0);
            wrong.extend(found.filter(|(at, found)| **found != word(kind, seed, *at).to_le_bytes()).map(|(at, _)| at));
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_over_is_cut_where_it_was() {
        let mut contents = Contents::default();
        contents.write(0, 64, Content::Words(1, 7), 0);
        contents.write(10, 5, Content::Bytes(Arc::new(vec![1, 2])), 1);
        let read = contents.read(0, 70);
        let plain: Vec<u8> = (0..16).flat_map(|index| word(1, 7, index).to_le_bytes()).collect();
        assert_eq!((&read[..10], &read[10..15], &read[15..64]), (&plain[..10], &[2, 1, 2, 1, 2][..], &plain[15..]));
        assert_eq!(read[64..], [UNWRITTEN; 6]);
    }

    #[test]
    fn a_pattern_is_found_where_it_is_and_not_where_it_is_not() {
        let mut contents = Contents::default();
        contents.write(100, 400, Content::Words(1, 7), 40);
        assert_eq!(contents.differing(100, 100, 1, 7, 10), (0, None));
        assert_eq!(contents.differing(104, 99, 1, 7, 11), (0, None));
        assert_eq!(contents.differing(100, 100, 1, 7, 11).0, 100);
        let other = !contents.read(120, 1)[0];
        contents.write(120, 1, Content::Bytes(Arc::new(vec![other])), 0);
        assert_eq!(contents.differing(100, 100, 1, 7, 10), (1, Some(15)));
        contents.stuck.push((140, 0));
        contents.write(100, 400, Content::Words(0, 0), 0);
        assert_eq!(contents.differing(100, 100, 0, 0, 0), (1, Some(10)));
        contents.write(100, 400, Content::Words(0, u32::MAX), 0);
        assert_eq!(contents.differing(100, 100, 0, u32::MAX, 0), (0, None));
    }
}
