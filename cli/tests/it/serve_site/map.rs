//! What there is to visit: pages by their links, forms by their pages, routes by the description of the API.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Answer, Server};

/// More than there are; a page that links to ever new ones is to be found out.
const PAGES_MAX: usize = 400;

/// A page that links lead to.
pub(crate) struct Page {
    /// Path and query.
    pub(crate) target: String,
    /// What came.
    pub(crate) answer: Answer,
}

/// A form of a page.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Form {
    /// `get` or `post`.
    pub(crate) method: String,
    /// Where it goes.
    pub(crate) action: String,
    /// The names of what can be filled in.
    pub(crate) fields: Vec<String>,
}

/// A route of the API.
pub(crate) struct Operation {
    /// `GET`.
    pub(crate) method: String,
    /// With its parameters: `/api/v1/secrets/{ref}`.
    pub(crate) path: String,
    /// The names of what its query may have.
    pub(crate) query: Vec<String>,
    /// What its body looks like.
    body: Option<Value>,
    components: Value,
}

/// All pages that links lead to from the first one and from that for signing in.
pub(crate) fn pages(server: &Server) -> Vec<Page> {
    let mut seen = BTreeSet::new();
    let mut waiting = vec!["/".to_owned(), "/login".to_owned()];
    let mut pages = Vec::new();
    while let Some(target) = waiting.pop() {
        if !seen.insert(target.clone()) {
            continue;
        }
        assert!(seen.len() <= PAGES_MAX, "links lead to ever new pages: {waiting:?}");
        let answer = server.get(&target);
        let location = answer.header("location").map(str::to_owned);
        waiting.extend(location.into_iter().filter_map(|link| ours(&link)));
        if answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
            let links = attributes(&answer.body, "a", "href");
            waiting.extend(links.iter().filter_map(|link| ours(link)));
        }
        pages.push(Page { target, answer });
    }
    pages
}

/// A link that stays here, without its fragment.
fn ours(link: &str) -> Option<String> {
    let link = link.split('#').next().unwrap_or_default();
    (link.starts_with('/') && !link.starts_with("//")).then(|| link.to_owned())
}

/// What an attribute of the tags of a name says; its text is unescaped.
pub(crate) fn attributes(html: &str, tag: &str, name: &str) -> Vec<String> {
    let opening = format!("<{tag} ");
    let tags = html.match_indices(&opening).filter_map(|(at, _)| html[at..].split('>').next());
    tags.filter_map(|tag| attribute(tag, name)).collect()
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    let text = rest.split('"').next()?;
    Some(text.replace("&amp;", "&").replace("&#38;", "&").replace("&#x2F;", "/"))
}

impl Page {
    /// Its forms.
    pub(crate) fn forms(&self) -> Vec<Form> {
        let parts = self.answer.body.split("<form").skip(1);
        let forms = parts.filter_map(|part| part.split("</form>").next());
        forms
            .map(|form| {
                let tag = form.split('>').next().unwrap_or_default();
                let named = ["input", "select", "textarea", "button"];
                let here = || self.target.split('?').next().unwrap_or_default().to_owned();
                Form {
                    method: attribute(tag, "method").unwrap_or("get".to_owned()),
                    action: attribute(tag, "action")
                        .filter(|to| !to.is_empty())
                        .unwrap_or_else(here),
                    fields: named.iter().flat_map(|tag| attributes(form, tag, "name")).collect(),
                }
            })
            .collect()
    }
}

/// All routes of the API that are described.
pub(crate) fn operations(server: &Server) -> Vec<Operation> {
    let described = server.get("/api/v1/openapi.json").json();
    let components = described["components"]["schemas"].clone();
    let mut operations = Vec::new();
    for (path, item) in described["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let query = parameters.iter().filter(|parameter| parameter["in"] == "query");
            let query = query.filter_map(|parameter| parameter["name"].as_str());
            let body = operation.pointer("/requestBody/content/application~1json/schema");
            operations.push(Operation {
                method: method.to_uppercase(),
                path: path.clone(),
                query: query.map(str::to_owned).collect(),
                body: body.cloned(),
                components: components.clone(),
            });
        }
    }
    assert!(!operations.is_empty());
    operations
}

impl Operation {
    /// Whether it might end the session of whoever asks, or take away who that is.
    pub(crate) fn ends_session(&self) -> bool {
        let ends = ["/sessions", "/password", "/login", "/logout", "/users/{"];
        self.changes() && ends.iter().any(|part| self.path.contains(part))
    }

    /// Whether it changes something.
    pub(crate) fn changes(&self) -> bool {
        self.method != "GET"
    }

    /// The names of what its path has.
    pub(crate) fn parameters(&self) -> Vec<&str> {
        let parts = self.path.split('{').skip(1);
        parts.filter_map(|part| part.split('}').next()).collect()
    }

    /// Its path with something in the place of each parameter, as it is written in a path.
    pub(crate) fn target(&self, written: &str) -> String {
        let mut target = String::new();
        for (at, part) in self.path.split('{').enumerate() {
            match part.split_once('}').filter(|_| at > 0) {
                Some((_, rest)) => target.extend([written, rest]),
                None => target.push_str(part),
            }
        }
        target
    }

    /// A body with a text for each field of texts, by its name; empty: it has none.
    pub(crate) fn body(&self, text: &dyn Fn(&str) -> String) -> String {
        let made = self.body.as_ref().map(|schema| self.made(schema, "", text, 0));
        made.map(|value| value.to_string()).unwrap_or_default()
    }

    fn made(
        &self,
        schema: &Value,
        name: &str,
        text: &dyn Fn(&str) -> String,
        depth: usize,
    ) -> Value {
        if depth > 8 {
            return Value::Null;
        }
        let of = |schema: &Value| self.made(schema, name, text, depth + 1);
        if let Some(known) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
            return of(&self.components[known]);
        }
        if let Some(parts) = schema["allOf"].as_array() {
            let objects = parts.iter().map(of).filter_map(|part| part.as_object().cloned());
            let own = self.object(schema, text, depth);
            return Value::Object(objects.chain([own]).flatten().collect());
        }
        for choice in ["oneOf", "anyOf"] {
            let mut choices = schema[choice].as_array().into_iter().flatten();
            if let Some(first) = choices.rfind(|choice| choice["type"] != "null") {
                return of(first);
            }
        }
        if let Some(first) = schema["enum"].get(0) {
            return first.clone();
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null").cloned(),
            kind => Some(kind.clone()),
        };
        match kind.unwrap_or_default().as_str() {
            Some("string") => json!(text(name)),
            Some("integer" | "number") => json!(1),
            Some("boolean") => json!(true),
            Some("array") => json!([of(&schema["items"])]),
            _ if schema["additionalProperties"].is_object() => {
                json!({ "name": of(&schema["additionalProperties"]) })
            }
            _ => Value::Object(self.object(schema, text, depth)),
        }
    }

    fn object(
        &self,
        schema: &Value,
        text: &dyn Fn(&str) -> String,
        depth: usize,
    ) -> Map<String, Value> {
        let properties = schema["properties"].as_object().into_iter().flatten();
        properties
            .map(|(name, schema)| (name.clone(), self.made(schema, name, text, depth + 1)))
            .collect()
    }
}
