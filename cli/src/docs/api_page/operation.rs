//! One operation: what to send, and every response.

use serde_json::Value;

use super::{
    markup::{code, described, elements, escaped, inline, list, table},
    schemas,
};

/// An operation of the API, or a webhook.
pub(super) struct Operation<'a> {
    /// The path of the request; of a webhook, its name.
    path: &'a str,
    method: &'a str,
    value: &'a Value,
    kind: OperationKind,
}

/// Who answers the requests of an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OperationKind {
    /// quhao does.
    Endpoint,
    /// The client's server does.
    Webhook,
}

/// Returns every operation by path, endpoints first.
pub(super) fn all(api: &Value) -> Vec<Operation<'_>> {
    let of_kind = |key: &str, kind| {
        let paths = api[key].as_object().into_iter().flatten();
        paths.flat_map(move |(path, item)| {
            let methods = item.as_object().into_iter().flatten();
            methods.map(move |(method, value)| Operation { path, method, value, kind })
        })
    };
    let endpoints = of_kind("paths", OperationKind::Endpoint);
    endpoints.chain(of_kind("webhooks", OperationKind::Webhook)).collect()
}

impl<'a> Operation<'a> {
    /// Returns the tag that the operation is sorted by.
    pub(super) fn tag(&self) -> &'a str {
        self.value["tags"][0].as_str().unwrap_or_default()
    }

    /// Returns the anchor that links lead to.
    pub(super) fn anchor(&self) -> String {
        format!("operation-{}", self.text("operationId"))
    }

    /// Returns method and path.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method.to_uppercase(), self.path)
    }

    /// Returns everything that the page says of the operation.
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
        out.push_str(&self.responses());
        out
    }

    /// Returns a text of the operation, empty if there is none.
    fn text(&self, key: &str) -> &'a str {
        self.value[key].as_str().unwrap_or_default()
    }

    /// Returns which keys a request needs.
    fn security(&self) -> String {
        let schemes = self.value["security"].as_array().into_iter().flatten();
        let names = schemes.filter_map(Value::as_object).flat_map(|scheme| scheme.keys());
        let names: Vec<String> = names.map(|name| code(name)).collect();
        match names.as_slice() {
            [] if self.kind == OperationKind::Webhook => String::new(),
            [] => "<p>Needs no key.</p>\n".to_owned(),
            names => format!("<p>Needs {}.</p>\n", names.join(" or ")),
        }
    }

    /// Returns the table of parameters.
    fn parameters(&self) -> String {
        let parameters = self.value["parameters"].as_array().into_iter().flatten();
        let rows: Vec<Vec<String>> = parameters
            .map(|parameter| {
                let text = |key: &str| parameter[key].as_str().unwrap_or_default();
                let needed = if parameter["required"] == true { "yes" } else { "" };
                let mut what = described(text("description"));
                what.push_str(&schemas::rules(&parameter["schema"]));
                if let Some(example) = parameter.get("example") {
                    what.push_str(&schemas::example(example));
                }
                vec![
                    code(text("name")),
                    escaped(text("in")),
                    schemas::kind(&parameter["schema"]),
                    needed.to_owned(),
                    what,
                ]
            })
            .collect();
        let table = table(&["parameter", "in", "type", "needed", "meaning"], rows);
        if table.is_empty() { table } else { format!("<h4>Parameters</h4>\n{table}") }
    }

    /// Returns the description of the request's body.
    fn request(&self) -> String {
        let Some(body) = self.value.get("requestBody") else { return String::new() };
        let about = described(body["description"].as_str().unwrap_or_default());
        format!("<h4>Body</h4>\n{about}{}", elements("p", contents(body)))
    }

    /// Returns the table of responses.
    fn responses(&self) -> String {
        let responses = self.value["responses"].as_object().into_iter().flatten();
        let rows: Vec<Vec<String>> = responses
            .map(|(status, response)| {
                let headers = response["headers"].as_object().into_iter().flatten();
                let headers = headers.map(|(name, header)| {
                    let about = inline(header["description"].as_str().unwrap_or_default());
                    format!("{} ({}): {about}", code(name), schemas::kind(&header["schema"]))
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
        format!("<h4>Responses</h4>\n{table}")
    }
}

/// Returns media type and schema of each form that a body can have.
fn contents(body: &Value) -> impl Iterator<Item = String> {
    let contents = body["content"].as_object().into_iter().flatten();
    contents.map(|(media_type, content)| {
        format!("{}: {}", code(media_type), schemas::kind(&content["schema"]))
    })
}
