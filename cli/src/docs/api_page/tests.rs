use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

fn api() -> Value {
    serde_json::from_str(&quhao_producer::openapi_json()).expect("JSON")
}

fn page() -> String {
    html(&quhao_producer::openapi_json())
}

/// What stands between `before` and the next quotation mark, everywhere.
fn quoted<'a>(page: &'a str, before: &str) -> BTreeSet<&'a str> {
    page.split(before).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// Every value of this key, wherever it stands.
fn values<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get(key));
            members.values().for_each(|member| values(member, key, found));
        }
        Value::Array(items) => items.iter().for_each(|item| values(item, key, found)),
        _ => {}
    }
}

#[test]
fn page_has_every_operation_parameter_and_field() {
    let api = api();
    let page = page();
    let webhooks = api["webhooks"].as_object().expect("webhooks");
    for (path, item) in api["paths"].as_object().expect("paths").iter().chain(webhooks) {
        assert!(page.contains(&format!("<code>{}</code>", escaped(path))), "{path}");
        for (method, operation) in item.as_object().expect("operations") {
            let id = operation["operationId"].as_str().expect("an id");
            let start = page.find(&format!("<h3 id=\"operation-{id}\">")).expect(id);
            let section = &page[start..start + page[start + 1..].find("<h3").unwrap_or(0)];
            assert!(section.contains(&format!(">{method}<")), "{method} {path}");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = parameter["name"].as_str().expect("a name");
                assert!(section.contains(&format!("<code>{name}</code>")), "{id}: {name}");
            }
            for (status, response) in operation["responses"].as_object().expect("responses") {
                assert!(section.contains(&format!("<td>{status}</td>")), "{id}: {status}");
                for name in response["headers"].as_object().into_iter().flatten().map(|(n, _)| n) {
                    assert!(section.contains(&format!("<code>{name}</code>")), "{id}: {name}");
                }
            }
        }
    }
    let mut properties = Vec::new();
    values(&api["components"]["schemas"], "properties", &mut properties);
    let names: BTreeSet<&String> =
        properties.iter().filter_map(|it| it.as_object()).flat_map(|it| it.keys()).collect();
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        assert!(page.contains(&format!("<td><code>{name}</code></td>")), "{name}");
    }
}

#[test]
fn page_has_every_description() {
    let api = api();
    let mut texts = Vec::new();
    values(&api, "description", &mut texts);
    let plain = |text: &str| text.replace(['`', '\n'], " ").split_whitespace().collect::<String>();
    let page = page().replace("<code>", "").replace("</code>", "");
    let page: String = page.replace("<li>", "- ").split_whitespace().collect();
    assert!(texts.len() > 50);
    for text in texts.into_iter().filter_map(Value::as_str) {
        for block in text.split("\n\n").flat_map(|block| block.split("\n- ")) {
            assert!(page.contains(&plain(&escaped(block))), "{block}");
        }
    }
}

#[test]
fn links_stay_on_the_page_or_this_host() {
    let page = page();
    let ids = quoted(&page, " id=\"");
    for link in quoted(&page, "href=\"") {
        let leads = link.strip_prefix('#').map_or(link == "/openapi.json", |id| ids.contains(id));
        assert!(leads, "{link}");
    }
    for foreign in ["<script", "src=", "//", "@import", "url(", "style=", " on"] {
        let text = page.replace(": //", "");
        let found =
            if foreign == " on" { text.contains(" onclick") } else { text.contains(foreign) };
        assert!(!found, "{foreign}");
    }
}
