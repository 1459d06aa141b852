//! What an object store does for artifacts: the calls that each cloud has its own of.

use std::collections::BTreeMap;

use async_trait::async_trait;
use trueup_engine::kinds::artifact::Spec;
use trueup_engine::provider::{Api, ProviderError};
use trueup_engine::schema::Problem;
use trueup_state::Value;

use crate::place::Place;
use crate::source::{Checksum, SourceFile, Sum};

/// An object store.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The provider whose buckets they are: `aws`.
    const PROVIDER: &'static str;
    /// What people call it: `S3`.
    const NAME: &'static str;
    /// What its addresses begin with: `s3`.
    const SCHEME: &'static str;

    /// The region that its buckets have to be in; none where they may be anywhere.
    fn region(&self) -> Option<&str>;

    /// Which API the calls share a limit of.
    fn api(&self) -> Api;

    /// What contents are summed up with beside SHA-256, so that the store can hold them against it.
    fn checksum(&self) -> fn() -> Box<dyn Checksum>;

    /// How large files are cut.
    fn cut(&self) -> Cut;

    /// What the store can't take of a spec.
    fn problems(&self, spec: &Value) -> Vec<Problem>;

    /// Whether an error says that the bucket is not there.
    fn lacks_bucket(&self, error: &ProviderError) -> bool;

    /// What stands where a manifest would, with the store's mark of it; none where nothing does.
    async fn read(&self, place: &Place) -> Result<Option<(String, Vec<u8>)>, ProviderError>;

    /// Writes a manifest. `over`: the mark of what may be overwritten; none where nothing may be there.
    ///
    /// # Errors
    /// [`trueup_state::Class::Conflict`] where something else is there by now.
    async fn write(&self, place: &Place, text: Vec<u8>, over: Option<&str>) -> Result<(), ProviderError>;

    /// Removes a manifest. One that is gone already is as well.
    async fn remove_manifest(&self, place: &Place) -> Result<(), ProviderError>;

    /// All contents, by their checksums.
    async fn list(&self, place: &Place) -> Result<BTreeMap<String, Listed>, ProviderError>;

    /// The uploads that never ended, by the checksums of what they bring.
    async fn unfinished(&self, place: &Place) -> Result<BTreeMap<String, Vec<Unfinished>>, ProviderError>;

    /// Removes contents, by their checksums.
    async fn remove(&self, place: &Place, contents: &[&String]) -> Result<(), ProviderError>;

    /// Gives up an upload: what it brought is paid for, and is in no list. One that is gone already is as well.
    async fn abort(&self, place: &Place, sha256: &str, id: &str) -> Result<(), ProviderError>;

    /// The mark of a content that is there, if it was sent from here as a whole: then the store has held it against its checksum.
    async fn look(&self, place: &Place, file: &SourceFile, sum: &Sum) -> Result<Option<String>, ProviderError>;

    /// Sends a small file whole: its mark. The store refuses what has another checksum.
    async fn put(&self, to: To<'_>) -> Result<String, ProviderError>;

    /// Begins to send a large file in parts, or goes on with an upload that never ended.
    async fn begin(&self, to: To<'_>, unfinished: &[Unfinished]) -> Result<Upload, ProviderError>;

    /// Sends a part. The store refuses one that has another checksum than it was sent with.
    async fn part(&self, to: To<'_>, id: &str, number: i32) -> Result<(i32, Part), ProviderError>;

    /// Makes a content of all parts: its mark. What turns out to be another content is given up, parts and all.
    async fn complete(&self, to: To<'_>, upload: &Upload) -> Result<String, ProviderError>;
}

/// What is sent, and where.
#[derive(Clone, Copy)]
pub struct To<'a> {
    /// The artifact's place.
    pub place: &'a Place,
    /// What its spec says.
    pub spec: &'a Spec,
    /// The file.
    pub file: &'a SourceFile,
    /// What it holds.
    pub sum: &'a Sum,
}

/// A content as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its size in bytes.
    pub size: u64,
    /// The store's mark of what it holds: another one is another content.
    pub etag: String,
}

/// An upload that never ended.
#[derive(Clone, Debug)]
pub struct Unfinished {
    /// The store's id of it.
    pub id: String,
    /// What its parts are held against, where the store says so.
    pub algorithm: Option<String>,
}

/// An upload in parts.
#[derive(Clone, Debug)]
pub struct Upload {
    /// The store's id of it.
    pub id: String,
    /// What is there of it, by number from 1.
    pub parts: BTreeMap<i32, Part>,
}

/// A part that is there.
#[derive(Clone, Debug)]
pub struct Part {
    /// The store's mark of it.
    pub etag: String,
    /// Its checksum, where the store wants it again in the end.
    pub sha256: Option<String>,
}

/// How large files are cut into parts. Sizes are in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// The largest file that is sent whole.
    pub whole: u64,
    /// The size of a part where the file is no larger than that allows.
    pub part: u64,
    /// How many parts the store takes of one file.
    pub most_parts: u64,
}

const MIB: u64 = 1024 * 1024;
/// How much may be in memory at once, in bytes, as long as that is more than one part.
const MEMORY: u64 = 128 * MIB;

impl Cut {
    /// The size of the parts of a file of a size, both in bytes: that alone decides, so that whoever goes on with an upload cuts the file
    /// alike.
    pub fn part_size(&self, size: u64) -> u64 {
        size.div_ceil(self.most_parts).div_ceil(MIB).max(self.part / MIB) * MIB
    }

    /// How many parts a file has.
    pub fn count(&self, size: u64) -> i32 {
        size.div_ceil(self.part_size(size)).try_into().unwrap_or(i32::MAX)
    }
}

/// Where a part begins, and how long it is, in bytes.
pub fn extent(cut: &Cut, size: u64, number: i32) -> (u64, u64) {
    let offset = cut.part_size(size) * u64::try_from(number - 1).unwrap_or_default();
    (offset, cut.part_size(size).min(size.saturating_sub(offset)))
}

/// How many pieces fit in memory at once that have so many bytes at most.
pub(crate) fn at_once(largest: u64) -> usize {
    (MEMORY / largest.max(1)).max(1).try_into().unwrap_or(1)
}

impl Upload {
    /// The numbers of the parts that are missing.
    pub(crate) fn missing(&self, cut: &Cut, size: u64) -> Vec<i32> {
        (1..=cut.count(size)).filter(|number| !self.parts.contains_key(number)).collect()
    }

    /// How much of a file is there, in bytes.
    pub(crate) fn done(&self, cut: &Cut, size: u64) -> u64 {
        self.parts.keys().map(|number| extent(cut, size, *number).1).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIB: u64 = MIB * MIB;

    #[test]
    fn parts_are_as_stores_take_them_and_make_up_the_file() {
        let s3 = Cut { whole: 16 * MIB, part: 8 * MIB, most_parts: 10_000 };
        let google = Cut { whole: 32 * MIB, part: 32 * MIB, most_parts: 1024 };
        for cut in [s3, google] {
            for size in [cut.whole + 1, 80_000 * MIB, 80_000 * MIB + 1, TIB, 5 * TIB] {
                let count = cut.count(size);
                assert!(count >= 2 && u64::try_from(count).unwrap() <= cut.most_parts, "{size}: {count}");
                let mut end = 0;
                for number in 1..=count {
                    let (offset, length) = extent(&cut, size, number);
                    assert_eq!(offset, end, "{size}: {number}");
                    assert!(length >= 5 * MIB || number == count && length > 0, "{size}: {number}");
                    end = offset + length;
                }
                assert_eq!(end, size);
                let at_once = at_once(cut.part_size(size)) as u64;
                assert!(at_once == 1 || at_once * cut.part_size(size) <= MEMORY);
            }
        }
        assert_eq!(s3.count(20 * MIB), 3);
    }
}
