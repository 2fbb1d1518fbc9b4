//! A batch: several envelopes in one message, as a busy producer publishes them.
//!
//! Version (1 byte), count (1), then each envelope with its length in front (4, big endian).
//! Each envelope is sealed by itself, so a batch adds nothing to open and nothing to trust. A
//! build that does not know batches reads the first byte as a version that it must not touch.

use super::error::EnvelopeError;

/// The first byte of a batch. Versions of single envelopes are low, and those of outcomes
/// ([`crate::envelope::outcome`]) have the highest bit set.
const VERSION: u8 = 0x41;
/// Version and count, in front of all.
const HEAD_BYTES: usize = 2;
/// The length in front of each envelope.
const LENGTH_BYTES: usize = 4;

/// The most envelopes in a batch. Its worker holds all of them, and takes a batch with more
/// for damaged: to raise this takes another version.
pub const ENVELOPES_MAX: usize = 16;
/// The largest batch, in bytes. A broker copies a message as one piece; a job has 2 KiB.
pub const BYTES_MAX: usize = 64 << 10;

/// Returns how many of the first envelopes go into the next batch, by their sizes: as many as
/// there is room for, and one in any case.
pub fn fitting(sizes: impl IntoIterator<Item = usize>) -> usize {
    let mut bytes = HEAD_BYTES;
    let fit = sizes.into_iter().take(ENVELOPES_MAX).take_while(|size| {
        bytes += LENGTH_BYTES + size;
        bytes <= BYTES_MAX
    });
    fit.count().max(1)
}

/// Packs `envelopes`, at most [`ENVELOPES_MAX`], into a batch.
pub fn pack<'a>(envelopes: impl ExactSizeIterator<Item = &'a [u8]> + Clone) -> Vec<u8> {
    let bytes: usize = envelopes.clone().map(|envelope| LENGTH_BYTES + envelope.len()).sum();
    let mut batch = Vec::with_capacity(HEAD_BYTES + bytes);
    #[expect(clippy::cast_possible_truncation, reason = "sixteen, and bytes of a message")]
    {
        batch.extend([VERSION, envelopes.len() as u8]);
        for envelope in envelopes {
            batch.extend((envelope.len() as u32).to_be_bytes());
            batch.extend(envelope);
        }
    }
    batch
}

/// Returns whether `body` is a batch, damaged or not.
pub fn is_batch(body: &[u8]) -> bool {
    body.first() == Some(&VERSION)
}

/// Returns the envelopes in `body`: at least one.
pub fn unpack(body: &[u8]) -> Result<Vec<&[u8]>, EnvelopeError> {
    let (&[VERSION, count], mut rest) = body.split_first_chunk().ok_or(EnvelopeError::Damaged)?
    else {
        return Err(EnvelopeError::Damaged);
    };
    let count = usize::from(count);
    if !(1..=ENVELOPES_MAX).contains(&count) {
        return Err(EnvelopeError::Damaged);
    }
    let mut envelopes = Vec::with_capacity(count);
    for _ in 0..count {
        let (length, after) = rest.split_first_chunk().ok_or(EnvelopeError::Damaged)?;
        let length =
            usize::try_from(u32::from_be_bytes(*length)).map_err(|_| EnvelopeError::Damaged)?;
        let (envelope, after) = after.split_at_checked(length).ok_or(EnvelopeError::Damaged)?;
        envelopes.push(envelope);
        rest = after;
    }
    if rest.is_empty() { Ok(envelopes) } else { Err(EnvelopeError::Damaged) }
}

#[cfg(test)]
mod tests;
