use super::*;
use crate::openapi_json;

/// `quhao docs --check` compares the page, which it can render.
#[test]
fn served_openapi_is_that_of_the_routes() {
    assert!(openapi_json() == OPENAPI_JSON, "stale: run `cargo run -p quhao -- docs`");
}

#[tokio::test]
async fn browser_may_do_nothing_but_show_the_page() {
    let response = docs().await;
    let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
    let style = style(PAGE);
    assert!(!style.is_empty());
    assert!(PAGE.contains(&format!("<style>{style}</style>")));
}
