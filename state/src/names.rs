//! The names that pass between the floors, each a type of its own.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Entropy;

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(std::sync::Arc<str>);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<T: AsRef<str>> From<T> for $type {
            fn from(text: T) -> Self {
                Self(text.as_ref().into())
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name! {
    /// What sort of thing a resource is: `bucket`, `gpu_instance`, or a cloud's own `AWS::SQS::Queue`.
    KindName
}

name! {
    /// A configured provider: its name, and the alias where several of one are configured: `aws`, `aws.eu`.
    ProviderName
}

name! {
    /// Marks one operation, made before its first call: a version-4 UUID, so that EC2's `ClientToken` and Google's
    /// `requestId` take it as it is. A request that changed gets another.
    Token
}

impl KindName {
    /// Whether it is a cloud's own kind: its name has `::`, `.` or `/`.
    pub fn is_native(&self) -> bool {
        self.as_str().contains("::") || self.as_str().contains(['.', '/'])
    }
}

impl ProviderName {
    /// Which provider it is, without the alias: `aws` of `aws.eu`.
    pub fn provider(&self) -> &str {
        self.as_str().split('.').next().unwrap_or_default()
    }
}

impl Token {
    /// A new token, of 122 random bits.
    pub fn new(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let text = hex::encode(bytes);
        Self::from(format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]))
    }
}
