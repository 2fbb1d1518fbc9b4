//! Builds responses. A connection can also be closed without a complete one.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

/// What a call gets: a response, or a closed connection.
pub(crate) type Reply = Result<Response<Full<Bytes>>, Disconnect>;

/// A way to close a connection without a complete response.
#[derive(Clone, Debug)]
pub(crate) enum Disconnect {
    /// With a TCP reset.
    Reset,
    /// After these bytes.
    After(Bytes),
}

/// Returns a response. A content type that is no header value is left out.
pub(crate) fn response(
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

/// Returns the page that a proxy shows when it has no answer. With status 200 the text says "bad
/// gateway" all the same.
pub(crate) fn proxy_page(status: StatusCode) -> Response<Full<Bytes>> {
    let shown = if status == StatusCode::OK { StatusCode::BAD_GATEWAY } else { status };
    let page = format!(
        "<html>\r\n<head><title>{shown}</title></head>\r\n<body>\r\n\
         <center><h1>{shown}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    );
    response(status, "text/html", page)
}

/// Returns the head of a complete response with the first half of its body.
pub(crate) fn half_response(content_type: &str, body: &str) -> Bytes {
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(&body.as_bytes()[..body.len() / 2]);
    bytes.into()
}
