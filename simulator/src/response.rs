//! Bodies and the ways a connection can end instead of getting one.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

pub(crate) type Reply = Result<Response<Full<Bytes>>, Ending>;

/// How a connection ends instead of a whole answer.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    /// TCP reset.
    Reset,
    /// These bytes, then closed.
    Raw(Bytes),
}

/// An answer with a body; a content type that is no header value is left out.
pub(crate) fn answer(
    status: StatusCode,
    content_type: &str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    if let Ok(value) = HeaderValue::from_str(content_type) {
        response.headers_mut().insert(CONTENT_TYPE, value);
    }
    response
}

/// The page that a proxy shows when it has no answer; with status 200 it still speaks of a bad gateway.
pub(crate) fn html(status: StatusCode) -> Response<Full<Bytes>> {
    let shown = if status == StatusCode::OK { StatusCode::BAD_GATEWAY } else { status };
    let page = format!(
        "<html>\r\n<head><title>{shown}</title></head>\r\n<body>\r\n\
         <center><h1>{shown}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    );
    answer(status, "text/html", page)
}

/// The head of a whole answer with the first half of its body.
pub(crate) fn half(content_type: &str, body: &str) -> Bytes {
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(&body.as_bytes()[..body.len() / 2]);
    bytes.into()
}
