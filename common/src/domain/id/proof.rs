//! What proves itself: a key, which secret it was proved with, and the proof.

use std::sync::LazyLock;

use data_encoding::{Encoding, Specification};
use subtle::ConstantTimeEq;

use crate::{
    crypto::keyring::{Keyring, Secret32, keyed_hash, truncated},
    domain::app::{AppId, ClientName},
};

pub(crate) const KEY_BYTES: usize = 16;
const TAG_BYTES: usize = 8;
pub(crate) const ID_BYTES: usize = 1 + KEY_BYTES + TAG_BYTES;

/// Crockford's alphabet, lower case, canonical form only: an id is copied, never typed.
pub(crate) static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut spec = Specification::new();
    spec.symbols.push_str("0123456789abcdefghjkmnpqrstvwxyz");
    #[expect(clippy::expect_used, reason = "a constant specification, exercised by every test")]
    spec.encoding().expect("32 distinct symbols")
});

/// The two kinds of text that prove themselves; none passes for the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    /// In front of the text.
    pub(crate) prefix: &'static str,
    /// In front of what the tag is made of.
    pub(crate) label: &'static [u8],
}

/// Key number, key and tag. No `Debug`: the tag is what makes it worth something.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Proof {
    number: u8,
    key: [u8; KEY_BYTES],
    tag: [u8; TAG_BYTES],
}

impl Proof {
    /// That `key` was made here for its owner, under the newest secret.
    pub(crate) fn new(
        kind: Kind,
        ring: &Keyring<Secret32>,
        owner: (&ClientName, &AppId),
        key: [u8; KEY_BYTES],
    ) -> Self {
        let (number, secret) = ring.newest();
        Self { number, key, tag: tag(secret, kind, owner, (number, &key)) }
    }

    /// Whether it was made here for `owner`. Constant time in the tag.
    pub(crate) fn holds(
        &self,
        kind: Kind,
        ring: &Keyring<Secret32>,
        owner: (&ClientName, &AppId),
    ) -> bool {
        ring.get(self.number).is_some_and(|secret| {
            tag(secret, kind, owner, (self.number, &self.key)).ct_eq(&self.tag).into()
        })
    }

    /// Which secret it was made with.
    pub(crate) fn number(&self) -> u8 {
        self.number
    }

    /// What it proves.
    pub(crate) fn key(&self) -> [u8; KEY_BYTES] {
        self.key
    }

    /// Number, key and tag.
    pub(crate) fn bytes(&self) -> [u8; ID_BYTES] {
        let mut bytes = [0; ID_BYTES];
        bytes[0] = self.number;
        bytes[1..=KEY_BYTES].copy_from_slice(&self.key);
        bytes[1 + KEY_BYTES..].copy_from_slice(&self.tag);
        bytes
    }

    /// The inverse of [`Proof::bytes`]. Proves nothing.
    pub(crate) fn from_bytes(bytes: [u8; ID_BYTES]) -> Self {
        Self {
            number: bytes[0],
            key: std::array::from_fn(|at| bytes[1 + at]),
            tag: std::array::from_fn(|at| bytes[1 + KEY_BYTES + at]),
        }
    }

    /// The whole text, tag and all.
    pub(crate) fn wire(&self, kind: Kind) -> String {
        format!("{}{}", kind.prefix, BASE32.encode(&self.bytes()))
    }

    /// The text without the tag, which may be logged.
    pub(crate) fn tagless(&self, kind: Kind) -> String {
        format!("{}{}", kind.prefix, BASE32.encode(&self.bytes()[..=KEY_BYTES]))
    }

    /// Reads a whole text without judging its tag. `None` if it is not one.
    pub(crate) fn parse_unverified(kind: Kind, text: &str) -> Option<Self> {
        let bytes = BASE32.decode(text.strip_prefix(kind.prefix)?.as_bytes()).ok()?;
        Some(Self::from_bytes(bytes.try_into().ok()?))
    }
}

fn tag(
    secret: &Secret32,
    kind: Kind,
    (client, app): (&ClientName, &AppId),
    (number, key): (u8, &[u8; KEY_BYTES]),
) -> [u8; TAG_BYTES] {
    let owner = [client.as_str().as_bytes(), app.as_str().as_bytes()];
    truncated(keyed_hash(secret, &[kind.label, owner[0], owner[1], &[number], key]))
}
