//! One operation: what to send, and every answer.

use serde_json::Value;

use super::{
    markup::{code, described, elements, escaped, inline, list, table},
    schema,
};

/// An operation of the description.
pub(super) struct Operation<'a> {
    /// Where requests to quhao go; of a request by quhao, its name.
    path: &'a str,
    method: &'a str,
    value: &'a Value,
    /// Whether quhao answers it; else the client's server does.
    is_ours: bool,
}

/// Every operation, by path; then those that quhao calls.
pub(super) fn all(api: &Value) -> Vec<Operation<'_>> {
    let of = |key: &str, is_ours| {
        let paths = api[key].as_object().into_iter().flatten();
        paths.flat_map(move |(path, item)| {
            let methods = item.as_object().into_iter().flatten();
            methods.map(move |(method, value)| Operation { path, method, value, is_ours })
        })
    };
    of("paths", true).chain(of("webhooks", false)).collect()
}

impl<'a> Operation<'a> {
    pub(super) fn tag(&self) -> &'a str {
        self.value["tags"][0].as_str().unwrap_or_default()
    }

    /// What links lead to.
    pub(super) fn anchor(&self) -> String {
        format!("operation-{}", self.text("operationId"))
    }

    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method.to_uppercase(), self.path)
    }

    pub(super) fn html(&self) -> String {
        let mut out = format!(
            "<h3 id=\"{}\"><span class=\"method\">{}</span> {}</h3>\n<p><strong>{}</strong></p>\n",
            escaped(&self.anchor()),
            escaped(self.method),
            code(self.path),
            inline(self.text("summary")),
        );
        out.push_str(&described(self.text("description")));
        out.push_str(&self.security());
        out.push_str(&self.parameters());
        out.push_str(&self.request());
        out.push_str(&self.answers());
        out
    }

    fn text(&self, key: &str) -> &'a str {
        self.value[key].as_str().unwrap_or_default()
    }

    fn security(&self) -> String {
        let schemes = self.value["security"].as_array().into_iter().flatten();
        let names = schemes.filter_map(Value::as_object).flat_map(|scheme| scheme.keys());
        let names: Vec<String> = names.map(|name| code(name)).collect();
        match names.as_slice() {
            [] if !self.is_ours => String::new(),
            [] => "<p>Needs no key.</p>\n".to_owned(),
            names => format!("<p>Needs {}.</p>\n", names.join(" or ")),
        }
    }

    fn parameters(&self) -> String {
        let parameters = self.value["parameters"].as_array().into_iter().flatten();
        let rows: Vec<Vec<String>> = parameters
            .map(|parameter| {
                let text = |key: &str| parameter[key].as_str().unwrap_or_default();
                let mut what = described(text("description"));
                what.push_str(&schema::rules(&parameter["schema"]));
                if let Some(example) = parameter.get("example") {
                    what.push_str(&schema::example(example));
                }
                vec![
                    code(text("name")),
                    escaped(text("in")),
                    schema::kind(&parameter["schema"]),
                    needed(parameter["required"] == true),
                    what,
                ]
            })
            .collect();
        let table = table(&["parameter", "in", "type", "needed", "meaning"], rows);
        if table.is_empty() { table } else { format!("<h4>Parameters</h4>\n{table}") }
    }

    fn request(&self) -> String {
        let Some(body) = self.value.get("requestBody") else { return String::new() };
        let about = described(body["description"].as_str().unwrap_or_default());
        format!("<h4>Body</h4>\n{about}{}", elements("p", contents(body)))
    }

    fn answers(&self) -> String {
        let responses = self.value["responses"].as_object().into_iter().flatten();
        let rows: Vec<Vec<String>> = responses
            .map(|(status, response)| {
                let headers = response["headers"].as_object().into_iter().flatten();
                let headers = headers.map(|(name, header)| {
                    let about = inline(header["description"].as_str().unwrap_or_default());
                    format!("{} ({}): {about}", code(name), schema::kind(&header["schema"]))
                });
                vec![
                    escaped(status),
                    described(response["description"].as_str().unwrap_or_default()),
                    contents(response).collect::<Vec<_>>().join("<br>"),
                    list(headers),
                ]
            })
            .collect();
        let table = table(&["status", "meaning", "body", "headers"], rows);
        format!("<h4>Answers</h4>\n{table}")
    }
}

/// Media type and schema of each form that a body can have.
fn contents(of: &Value) -> impl Iterator<Item = String> {
    let contents = of["content"].as_object().into_iter().flatten();
    contents.map(|(media_type, content)| {
        format!("{}: {}", code(media_type), schema::kind(&content["schema"]))
    })
}

fn needed(is_needed: bool) -> String {
    if is_needed { "yes".to_owned() } else { String::new() }
}
