//! The API's description as a page for people: an overview, the operations, the schemas of
//! bodies. The page has no scripts and loads nothing from another host.

use serde_json::{Map, Value};

use self::{
    markup::{code, described, element, elements, escaped, link, list},
    operation::Operation,
};

mod markup;
mod operation;
mod schemas;
#[cfg(test)]
mod tests;

/// The title of the section on schemas.
const SCHEMAS: &str = "Schemas of bodies";
const STYLE: &str = include_str!("api_page/style.css");

/// Returns the page of the API that `openapi` describes.
pub(super) fn html(openapi: &str) -> String {
    // Our own document. If it were none, the page would be empty, which its test would see.
    let api: Value = serde_json::from_str(openapi).unwrap_or_default();
    let api_text = |pointer: &str| api.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let title = format!("{} {}", api_text("/info/title"), api_text("/info/version"));
    let mut operations = operation::all(&api);
    operations.sort_by_key(|operation| tags(&api).position(|tag| tag["name"] == operation.tag()));
    let empty = Map::new();
    let schemas = api.pointer("/components/schemas").and_then(Value::as_object).unwrap_or(&empty);

    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{}\n\
         <p>For programs, the same is at <a href=\"/openapi.json\">/openapi.json</a>.</p>\n",
        described(api_text("/info/description")),
        title = escaped(&title),
    );
    out.push_str(&contents(&operations, schemas));
    out.push_str(&authentication(&api));
    for tag in tags(&api) {
        let name = tag["name"].as_str().unwrap_or_default();
        let about = tag["description"].as_str().unwrap_or_default();
        let of_tag = operations.iter().filter(|it| it.tag() == name).map(Operation::html);
        out.push_str(&section(name, about, of_tag));
    }
    let schemas = schemas.iter().map(|(name, schema)| schemas::section(name, schema));
    out.push_str(&section(SCHEMAS, "", schemas));
    out.push_str("</body>\n</html>\n");
    out
}

/// Returns a section: its title, what it is about, its parts.
fn section(title: &str, about: &str, parts: impl Iterator<Item = String>) -> String {
    let title = element("h2", &escaped(title));
    element("section", &format!("{title}\n{}{}", described(about), parts.collect::<String>()))
}

/// Returns the table of contents.
fn contents(operations: &[Operation<'_>], schemas: &Map<String, Value>) -> String {
    let operations = operations.iter().map(|it| link(&it.anchor(), &it.name()));
    let schemas = schemas.keys().map(|name| link(&schemas::anchor(name), name));
    let parts =
        [element("h2", "Operations"), list(operations), element("h2", SCHEMAS), list(schemas)];
    element("nav", &parts.concat())
}

/// Returns the section on authentication.
fn authentication(api: &Value) -> String {
    let schemes = api.pointer("/components/securitySchemes").and_then(Value::as_object);
    let rows = schemes.into_iter().flatten().map(|(name, scheme)| {
        let part = |key: &str| escaped(scheme[key].as_str().unwrap_or_default());
        format!("{}: {} {}", code(name), part("type"), part("scheme"))
    });
    section("Authentication", "", [elements("p", rows)].into_iter())
}

/// Returns the tags that operations are sorted by, in the document's order.
fn tags(api: &Value) -> impl Iterator<Item = &Value> {
    api["tags"].as_array().into_iter().flatten()
}
