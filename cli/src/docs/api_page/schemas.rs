//! Schemas of bodies.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::markup::{code, described, element, escaped, link, list, table};

/// Returns the anchor that links to the schema `name` lead to.
pub(super) fn anchor(name: &str) -> String {
    format!("schema-{name}")
}

/// Returns everything that the page says of a named schema.
pub(super) fn section(name: &str, schema: &Value) -> String {
    format!("<h3 id=\"{}\">{}</h3>\n{}", escaped(&anchor(name)), code(name), body(schema))
}

/// Returns what stands below the heading of a schema.
fn body(schema: &Value) -> String {
    let mut out = described(schema["description"].as_str().unwrap_or_default());
    let alternatives = members(schema, "oneOf");
    if !alternatives.is_empty() && alternatives.iter().all(|one| one.get("properties").is_some()) {
        out.push_str(&combinations(&alternatives));
        return out;
    }
    out.push_str(&element("p", &kind(schema)));
    out.push_str(&rules(schema));
    out.push_str(&descriptions(&alternatives));
    for part in members(schema, "allOf") {
        out.push_str(&fields(part));
    }
    out.push_str(&fields(schema));
    out
}

/// Returns the descriptions of the alternatives that have one.
fn descriptions(alternatives: &[&Value]) -> String {
    let texts = alternatives.iter().filter_map(|one| {
        let about = described(one["description"].as_str()?);
        Some(format!("{}: {about}", kind(one)))
    });
    list(texts)
}

/// Returns, for alternatives that are objects, which fields each needs, and a table of all
/// fields.
fn combinations(alternatives: &[&Value]) -> String {
    let needs = alternatives.iter().map(|one| {
        let title = one["title"].as_str().unwrap_or("One");
        let needs: Vec<String> = required(one).map(code).collect();
        format!("{}: {}", escaped(title), needs.join(", "))
    });
    let mut all: BTreeMap<&str, Combined> = BTreeMap::new();
    for one in alternatives {
        for (name, field) in one["properties"].as_object().into_iter().flatten() {
            let title = one["title"].as_str().unwrap_or("One");
            let is_needed = if required(one).any(|it| it == name) { " (needed)" } else { "" };
            let combined = all.entry(name).or_default();
            combined.goes_with.push(format!("{}{is_needed}", escaped(title)));
            combined.kinds.insert(kind(field));
            combined.meanings.insert(meaning(field));
        }
    }
    let rows: Vec<Vec<String>> = all
        .into_iter()
        .map(|(name, Combined { goes_with, kinds, meanings })| {
            let goes_with = if goes_with.len() == alternatives.len() {
                "all".to_owned()
            } else {
                list(goes_with)
            };
            let kinds = kinds.into_iter().collect::<Vec<_>>().join(" or ");
            vec![code(name), kinds, goes_with, meanings.into_iter().collect()]
        })
        .collect();
    list(needs) + &table(&["field", "type", "goes with", "meaning"], rows)
}

/// A field of several alternatives, each of which may restrict it.
#[derive(Default)]
struct Combined {
    goes_with: Vec<String>,
    kinds: BTreeSet<String>,
    meanings: BTreeSet<String>,
}

/// Returns the table of an object's fields, if the schema is one.
fn fields(schema: &Value) -> String {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let rows: Vec<Vec<String>> = properties
        .map(|(name, field)| {
            let always = if required(schema).any(|it| it == name) { "yes" } else { "" };
            vec![code(name), kind(field), always.to_owned(), meaning(field)]
        })
        .collect();
    table(&["field", "type", "always there", "meaning"], rows)
}

/// Returns what a field means.
fn meaning(field: &Value) -> String {
    let mut out = described(field["description"].as_str().unwrap_or_default());
    // A field that may be null has its description in the alternative that is not null.
    for part in members(field, "oneOf") {
        out.push_str(&described(part["description"].as_str().unwrap_or_default()));
    }
    out.push_str(&rules(field));
    out.push_str(&fields(field));
    out
}

/// Returns the type of a value, with a link where the type has a name.
pub(super) fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return link(&anchor(name), name);
    }
    for (key, word) in [("oneOf", " or "), ("anyOf", " or "), ("allOf", " with ")] {
        let parts = members(schema, key);
        if !parts.is_empty() {
            return parts.into_iter().map(kind).collect::<Vec<_>>().join(word);
        }
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let words = types.into_iter().map(|one| match one {
        "array" => format!("list of {}", kind(&schema["items"])),
        other => escaped(other),
    });
    let words: Vec<String> = words.collect();
    if words.is_empty() { "any".to_owned() } else { words.join(" or ") }
}

/// Returns the rules that values follow, such as lengths and lists of words.
pub(super) fn rules(schema: &Value) -> String {
    const WORDS: [(&str, &str); 8] = [
        ("format", "format"),
        ("pattern", "matches"),
        ("minLength", "characters at least"),
        ("maxLength", "characters at most"),
        ("minimum", "at least"),
        ("maximum", "at most"),
        ("default", "if left out"),
        ("example", "for example"),
    ];
    let mut parts: Vec<String> = WORDS
        .into_iter()
        .filter_map(|(key, word)| Some(format!("{word} {}", shown(schema.get(key)?))))
        .collect();
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values.iter().map(shown).collect();
        parts.push(format!("one of {}", values.join(", ")));
    }
    if schema["additionalProperties"] == false {
        parts.push("no other fields".to_owned());
    }
    if parts.is_empty() {
        return String::new();
    }
    format!("<p class=\"rules\">{}</p>", parts.join("; "))
}

/// Returns an example that stands beside a schema.
pub(super) fn example(value: &Value) -> String {
    format!("<p class=\"rules\">for example {}</p>", shown(value))
}

/// Returns a value as code.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => code(text),
        other => code(&other.to_string()),
    }
}

/// Returns the schemas listed under `key`.
fn members<'a>(schema: &'a Value, key: &str) -> Vec<&'a Value> {
    schema[key].as_array().map(|members| members.iter().collect()).unwrap_or_default()
}

/// Returns the names of the fields that an object needs.
fn required(schema: &Value) -> impl Iterator<Item = &str> {
    schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str)
}
