//! The little of HTTP/1.1 that both ends of the benches need. Pure.
//!
//! Written by hand: generator and platform share the processors with what is measured, so
//! they must be cheap, and a library would be the measured program's own.

/// What a message begins with that tells about the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// Bytes up to the body.
    pub(crate) bytes: usize,
    /// Bytes of the body.
    pub(crate) body_bytes: usize,
}

/// Why a message cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// A `Content-Length` that is no number.
    Length,
    /// A body in chunks, which neither side sends.
    Chunked,
}

/// Returns the head of the message that `bytes` begin with; `None` while it is incomplete.
pub(crate) fn head(bytes: &[u8]) -> Result<Option<Head>, Unreadable> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let mut body_bytes = 0;
    for line in bytes[..end].split(|byte| *byte == b'\n').skip(1) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            let text = str::from_utf8(value).map_err(|_| Unreadable::Length)?;
            body_bytes = text.parse().map_err(|_| Unreadable::Length)?;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return Err(Unreadable::Chunked);
        }
    }
    Ok(Some(Head { bytes: end + 4, body_bytes }))
}

/// Returns the status of an answer.
pub(crate) fn status(answer: &[u8]) -> Option<u16> {
    let digits = answer.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    str::from_utf8(digits).ok()?.parse().ok()
}

/// Returns the value of a parameter in the first line of a request, as it is written.
pub(crate) fn parameter<'a>(request: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let line = request.split(|byte| *byte == b'\r').next()?;
    let query = line.splitn(2, |byte| *byte == b'?').nth(1)?;
    let query = query.split(|byte| *byte == b' ').next()?;
    query.split(|byte| *byte == b'&').find_map(|pair| {
        let (key, value) = pair.split_at_checked(name.len())?;
        (key == name.as_bytes()).then(|| value.strip_prefix(b"="))?
    })
}

/// Returns whether `needle` stands anywhere in `haystack`.
pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_known_once_its_head_is_whole() {
        let answer = b"HTTP/1.1 202 Accepted\r\nContent-Length: 4\r\nx: y\r\n\r\nbody";
        assert_eq!(head(&answer[..40]), Ok(None));
        let whole = head(answer).unwrap().unwrap();
        assert_eq!((whole.bytes, whole.body_bytes), (answer.len() - 4, 4));
        assert_eq!(status(answer), Some(202));
    }

    #[test]
    fn what_cannot_be_followed_is_refused() {
        let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(head(chunked), Err(Unreadable::Chunked));
        let lengthless = b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n";
        assert_eq!(head(lengthless), Err(Unreadable::Length));
        assert_eq!(status(b"HTTP/1.0 200 OK"), None);
    }

    #[test]
    fn a_parameter_is_found_by_its_whole_name() {
        let request = b"GET /sns/jscode2session?appid=a&xjs_code=no&js_code=C1&grant_type=g HTTP/1.1\r\nhost: h?js_code=no\r\n\r\n";
        assert_eq!(parameter(request, "js_code"), Some(&b"C1"[..]));
        assert_eq!(parameter(request, "grant_type"), Some(&b"g"[..]));
        assert_eq!(parameter(request, "secret"), None);
        assert_eq!(parameter(b"GET / HTTP/1.1\r\n\r\n", "js_code"), None);
    }

    #[test]
    fn words_are_found_in_bodies() {
        assert!(contains(b"{\"status\":\"succeeded\"}", b"\"succeeded\""));
        assert!(!contains(b"{}", b"\"succeeded\""));
    }
}
