//! An id that proves itself: key number, key and tag.

use std::{fmt, hash::Hash, marker::PhantomData, sync::LazyLock};

use data_encoding::{Encoding, Specification};

pub(crate) const KEY_BYTES: usize = 16;
pub(super) const TAG_BYTES: usize = 8;
/// Key number, key and tag.
pub(crate) const ID_BYTES: usize = 1 + KEY_BYTES + TAG_BYTES;

/// Crockford's alphabet, lower case, canonical form only: an id is copied, never typed.
pub(crate) static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut spec = Specification::new();
    spec.symbols.push_str("0123456789abcdefghjkmnpqrstvwxyz");
    #[expect(clippy::expect_used, reason = "a constant specification, exercised by every test")]
    spec.encoding().expect("32 distinct symbols")
});

/// What an id is of. No id of one kind passes for one of another.
pub trait Kind: Copy + Eq + Hash + Ord + 'static {
    /// The beginning of the text.
    const PREFIX: &'static str;
    /// The first part of what the tag is computed from.
    const TAG_LABEL: &'static [u8];
}

/// The part of an id that queue and store know: a hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key<K> {
    bytes: [u8; KEY_BYTES],
    kind: PhantomData<K>,
}

impl<K> Key<K> {
    /// Wraps the bytes of a key, as they were stored.
    pub const fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self { bytes, kind: PhantomData }
    }

    /// Returns the bytes to store.
    pub fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.bytes
    }
}

impl<K> fmt::Debug for Key<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32.encode(&self.bytes))
    }
}

/// An id that was made here, or claims to be. `Display` and `Debug` leave the tag out, which
/// is what logs, spans and broker properties may carry: the tag is what makes an id worth
/// something. [`ProvenId::wire`] is for the client alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProvenId<K> {
    number: u8,
    key: Key<K>,
    tag: [u8; TAG_BYTES],
}

impl<K: Kind> ProvenId<K> {
    /// Puts an id together.
    pub(super) fn new(number: u8, key: Key<K>, tag: [u8; TAG_BYTES]) -> Self {
        Self { number, key, tag }
    }

    /// Returns the number of the secret that it was made with.
    pub(super) fn number(&self) -> u8 {
        self.number
    }

    /// Returns the tag.
    pub(super) fn tag(&self) -> &[u8; TAG_BYTES] {
        &self.tag
    }

    /// Returns the key in the store.
    pub fn key(&self) -> Key<K> {
        self.key
    }

    /// Returns key number, key and tag, as an envelope carries them.
    pub fn bytes(&self) -> [u8; ID_BYTES] {
        let mut bytes = [0; ID_BYTES];
        bytes[0] = self.number;
        bytes[1..=KEY_BYTES].copy_from_slice(self.key.as_bytes());
        bytes[1 + KEY_BYTES..].copy_from_slice(&self.tag);
        bytes
    }

    /// Reads what [`ProvenId::bytes`] returned. Proves nothing; see [`ProvenId::verify`].
    pub fn from_bytes(bytes: [u8; ID_BYTES]) -> Self {
        Self {
            number: bytes[0],
            key: Key::from_bytes(std::array::from_fn(|at| bytes[1 + at])),
            tag: std::array::from_fn(|at| bytes[1 + KEY_BYTES + at]),
        }
    }

    /// Returns the whole text, tag included, as clients hold it.
    pub fn wire(&self) -> String {
        format!("{}{}", K::PREFIX, BASE32.encode(&self.bytes()))
    }

    /// Reads the text of an id without checking its tag. `None` if it is not one.
    pub fn parse_unverified(text: &str) -> Option<Self> {
        let bytes = BASE32.decode(text.strip_prefix(K::PREFIX)?.as_bytes()).ok()?;
        Some(Self::from_bytes(bytes.try_into().ok()?))
    }
}

impl<K: Kind> fmt::Display for ProvenId<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", K::PREFIX, BASE32.encode(&self.bytes()[..=KEY_BYTES]))
    }
}

impl<K: Kind> fmt::Debug for ProvenId<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
