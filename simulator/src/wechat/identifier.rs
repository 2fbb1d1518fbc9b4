//! Identifiers and phone numbers that look like real ones.

use std::hash::{DefaultHasher, Hash, Hasher};

use rand::Rng;
use rand::distr::Alphanumeric;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The first three digits of mainland mobile numbers.
const PREFIXES: [u64; 32] = [
    130, 131, 132, 133, 134, 135, 136, 137, 138, 139, 150, 151, 152, 153, 155, 156, 157, 158, 159,
    176, 177, 178, 180, 181, 182, 183, 184, 185, 186, 187, 188, 189,
];

const NUMBERS_PER_PREFIX: u64 = 100_000_000;

/// The length of an access token. The documentation asks to reserve at least 512 characters.
const TOKEN_LENGTH: usize = 157;
const TOKEN_START: &str = "93_";

/// Returns a login code that looks like `083tjT000WK8kM17Dw000FdPPi4tjT0F`: 32 characters,
/// different at every call.
pub(crate) fn login_code() -> String {
    let mut random = rand::rng();
    let mut code = String::with_capacity(32);
    code.push('0');
    code.push(char::from(b'0' + random.random_range(0..8u8)));
    code.extend(random.sample_iter(Alphanumeric).take(30).map(char::from));
    code
}

/// Returns a phone code that looks like
/// `e31968a7f94cc5ee25fafc2aef2773f0bb8c3937b22520eb8ee345274d00c144`: 64 hex digits, different at
/// every call.
pub(crate) fn phone_code() -> String {
    let [one, other]: [u128; 2] = rand::random();
    format!("{one:032x}{other:032x}")
}

/// Returns an access token that looks like a real one, different at every call.
pub(crate) fn access_token() -> String {
    let mut random = rand::rng();
    let mut token = String::with_capacity(TOKEN_LENGTH);
    token.push_str(TOKEN_START);
    while token.len() < TOKEN_LENGTH {
        token.push(char::from(ALPHABET[random.random_range(0..ALPHABET.len())]));
    }
    token
}

/// Returns whether [`access_token`] could have made this.
pub(crate) fn looks_like_access_token(text: &str) -> bool {
    text.len() == TOKEN_LENGTH
        && text.starts_with(TOKEN_START)
        && text.bytes().all(|byte| ALPHABET.contains(&byte))
}

/// Returns the openid of the n-th user in one app: 28 characters that begin with `o`.
pub(crate) fn openid(seed: u64, app_id: &str, number: u64) -> String {
    user_id(&(seed, "openid", app_id, number))
}

/// Returns the unionid of the user with an openid: 28 characters that begin with `o`.
pub(crate) fn unionid(seed: u64, openid: &str) -> String {
    user_id(&(seed, "unionid", openid))
}

/// Returns the phone number of the n-th user: eleven digits. No two users below 3,200,000,000 have
/// the same.
pub(crate) fn mainland_mobile(seed: u64, number: u64) -> String {
    const SPACE: u64 = NUMBERS_PER_PREFIX * PREFIXES.len() as u64;
    // Coprime to the size of the space, whose only prime factors are 2 and 5: so every number
    // comes up once.
    const STRIDE: u64 = 1_234_567_891;
    let start = hash(&(seed, "phone")) % SPACE;
    let position = ((number % SPACE) * STRIDE + start) % SPACE;
    let mut prefix = 0;
    for (index, digits) in (0u64..).zip(PREFIXES) {
        if index == position / NUMBERS_PER_PREFIX {
            prefix = digits;
        }
    }
    format!("{prefix}{:08}", position % NUMBERS_PER_PREFIX)
}

/// Returns 28 characters that begin with `o` and depend on `what` alone.
fn user_id(what: &impl Hash) -> String {
    let mut id = String::with_capacity(28);
    id.push('o');
    for part in 0..3u8 {
        let mut bits = hash(&(what, part));
        for _ in 0..9 {
            let [low, ..] = bits.to_le_bytes();
            id.push(char::from(ALPHABET[usize::from(low & 63)]));
            bits >>= 6;
        }
    }
    id
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn phone_numbers_differ_and_depend_on_the_seed() {
        let numbers: HashSet<String> = (0..1000).map(|n| mainland_mobile(7, n)).collect();
        assert_eq!(numbers.len(), 1000);
        assert!(numbers.iter().all(|number| number.len() == 11));
        assert_eq!(mainland_mobile(7, 1), mainland_mobile(7, 1));
        assert_ne!(mainland_mobile(7, 1), mainland_mobile(8, 1));
    }

    #[test]
    fn access_tokens_are_recognised() {
        let token = access_token();
        assert!(looks_like_access_token(&token));
        assert!(!looks_like_access_token(&token[1..]));
        assert!(!looks_like_access_token(&login_code()));
    }
}
