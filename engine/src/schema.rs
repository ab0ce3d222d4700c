//! The JSON Schema of workflow files, made from the table of fields.
//!
//! For editors: it knows names, spellings and kinds of values, and says of refused fields what to do
//! instead. What takes more than one place to judge (unique names, dependencies, sources of secrets)
//! is `validate`'s.

use serde_json::{Map, Value, json};

use crate::fields::{
    CONDITION, CONTINUE_ON, DEFAULTS, EXEC, EXECUTOR, Field, HANDLERS, MASKING, OUTPUT,
    OUTPUT_ENTRY, PARALLEL, PARAM, REPEAT, RETRY, SECRET, SIGNATURE, STDOUT, STDOUT_OUTPUTS, STEP,
    Section, Shape, Status, TRIGGER, TRIGGER_HTTP, WITH_CALL, WITH_EXEC, WITH_SHELL, WORKFLOW,
};
use crate::kind::Kinds;

/// Every section but the workflow, which is the schema itself.
const SECTIONS: &[&Section] = &[
    &STEP,
    &SECRET,
    &MASKING,
    &TRIGGER,
    &TRIGGER_HTTP,
    &SIGNATURE,
    &HANDLERS,
    &DEFAULTS,
    &CONDITION,
    &CONTINUE_ON,
    &RETRY,
    &REPEAT,
    &PARALLEL,
    &PARAM,
    &OUTPUT,
    &OUTPUT_ENTRY,
    &STDOUT,
    &STDOUT_OUTPUTS,
    &EXEC,
    &EXECUTOR,
    &WITH_EXEC,
    &WITH_CALL,
    &WITH_SHELL,
];

/// The JSON Schema (2020-12) of one document of a workflow file whose steps may be of these kinds, too.
pub fn schema(kinds: Kinds) -> Value {
    let mut definitions = Map::new();
    let mut sections: Vec<&Section> = SECTIONS.to_vec();
    for kind in kinds {
        add_section(&mut sections, kind.with);
        kind.beside.iter().for_each(|field| add_inner(&mut sections, field));
    }
    for section in sections {
        definitions.insert(section.id.to_owned(), object(section, kinds));
    }
    if let Some(secret) = definitions.get_mut(SECRET.id) {
        secret["required"] = json!(["name"]);
        secret["oneOf"] = json!([{ "required": ["ref"] }, { "required": ["provider", "key"] }]);
    }
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A workflow of subrosa",
    });
    if let (Value::Object(schema), Value::Object(workflow)) =
        (&mut schema, object(&WORKFLOW, kinds))
    {
        schema.extend(workflow);
        schema.insert("required".to_owned(), json!(["steps"]));
        schema.insert("$defs".to_owned(), Value::Object(definitions));
    }
    schema
}

/// Adds a section of a kind of step, and those inside it.
fn add_section(sections: &mut Vec<&Section>, section: &'static Section) {
    if !sections.iter().any(|known| known.id == section.id) {
        sections.push(section);
        section.fields.iter().for_each(|field| add_inner(sections, field));
    }
}

fn add_inner(sections: &mut Vec<&Section>, field: &Field) {
    match field.shape {
        Shape::Object(inner)
        | Shape::Objects(inner)
        | Shape::TextOr(inner)
        | Shape::TextsOr(inner) => add_section(sections, inner),
        _ => {}
    }
}

fn object(section: &Section, kinds: Kinds) -> Value {
    let mut properties = Map::new();
    for field in section.fields {
        properties.insert(field.name.to_owned(), property(field, None, kinds));
        for other in field.spellings() {
            let value = property(field, Some(field.name), kinds);
            properties.insert(other, value);
        }
    }
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

/// The schema of a field; of another spelling it says which one is meant.
fn property(field: &Field, instead_of: Option<&str>, kinds: Kinds) -> Value {
    let mut property = match field.status {
        Status::Refused { .. } => json!({ "type": "null" }),
        Status::Works | Status::Shown => {
            let value = match field.shape {
                Shape::OfKind => of_kinds(field.name, kinds),
                Shape::With => with(kinds),
                plain => shape(plain),
            };
            // A key without a value counts as absent.
            json!({ "anyOf": [value, { "type": "null" }] })
        }
    };
    let description = match (field.status, instead_of) {
        (Status::Refused { why, instead }, _) => format!("`{}` {why}; {instead}.", field.name),
        (Status::Works | Status::Shown, Some(name)) => format!("The same as `{name}`."),
        (Status::Works | Status::Shown, None) => field.doc.to_owned(),
    };
    property["description"] = Value::String(description);
    if instead_of.is_some() || matches!(field.status, Status::Refused { .. }) {
        property["deprecated"] = Value::Bool(true);
    }
    property
}

fn reference(section: &Section) -> Value {
    json!({ "$ref": format!("#/$defs/{}", section.id) })
}

fn scalar() -> Value {
    json!({ "type": ["string", "number", "boolean", "null"] })
}

fn texts() -> Value {
    json!({ "anyOf": [scalar(), { "type": "array", "items": scalar() }] })
}

fn whole(min: i64) -> Value {
    json!({ "anyOf": [
        { "type": "integer", "minimum": min },
        { "type": "string", "pattern": "^ *[0-9]+ *$" },
    ] })
}

fn values() -> Value {
    json!({ "type": "object", "additionalProperties": scalar() })
}

fn list(items: &Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn any_of(choices: &[Value]) -> Value {
    json!({ "anyOf": choices })
}

fn shape(shape: Shape) -> Value {
    let exit_code = json!({ "type": ["integer", "string"] });
    let outputs = json!({ "type": "object", "additionalProperties": any_of(&[
        reference(&OUTPUT_ENTRY), json!({ "type": "null" }),
    ]) });
    match shape {
        Shape::Text | Shape::Scalar => scalar(),
        Shape::Flag => json!({ "type": "boolean" }),
        Shape::Whole(min) => whole(min),
        Shape::OneOf(words) => json!({ "enum": words }),
        Shape::Texts => texts(),
        Shape::Env => any_of(&[values(), list(&any_of(&[values(), scalar()]))]),
        Shape::Labels => any_of(&[scalar(), values(), list(&any_of(&[scalar(), values()]))]),
        Shape::Params => {
            any_of(&[scalar(), values(), list(&any_of(&[scalar(), reference(&PARAM), values()]))])
        }
        Shape::CallParams => any_of(&[scalar(), values(), list(&any_of(&[scalar(), values()]))]),
        Shape::Secrets => list(&reference(&SECRET)),
        Shape::TextMap => {
            json!({ "type": "object", "additionalProperties": { "type": "string" } })
        }
        Shape::Step => any_of(&[scalar(), reference(&STEP)]),
        Shape::Steps => {
            let step = any_of(&[scalar(), reference(&STEP)]);
            let items = any_of(&[step.clone(), list(&step)]);
            any_of(&[
                json!({ "type": "array", "items": items, "minItems": 1 }),
                json!({ "type": "object", "additionalProperties": step, "minProperties": 1 }),
            ])
        }
        Shape::Conditions => {
            let one = any_of(&[scalar(), reference(&CONDITION)]);
            any_of(&[one.clone(), list(&one)])
        }
        Shape::Object(section) => reference(section),
        Shape::WordOr(words, section) => any_of(&[json!({ "enum": words }), reference(section)]),
        Shape::TextOr(section) => any_of(&[scalar(), reference(section)]),
        Shape::TextsOr(section) => any_of(&[texts(), reference(section)]),
        Shape::Output => any_of(&[scalar(), reference(&OUTPUT), outputs]),
        Shape::Backoff => json!({ "type": ["boolean", "number"] }),
        Shape::ExitCodes => any_of(&[exit_code.clone(), list(&exit_code)]),
        Shape::Repeat => json!({ "enum": [true, false, "while", "until"] }),
        Shape::Items => items(),
        Shape::Parallel => any_of(&[items(), reference(&PARALLEL)]),
        Shape::Literal => scalar(),
        Shape::Number => json!({ "type": "number" }),
        Shape::Objects(section) => list(&reference(section)),
        Shape::With | Shape::OfKind | Shape::Data | Shape::Any => json!({}),
    }
}

/// What `with` may be: that of processes and calls, or that of a kind.
fn with(kinds: Kinds) -> Value {
    let plain = [&WITH_SHELL, &WITH_EXEC, &WITH_CALL].map(reference);
    let of_kinds = kinds.iter().map(|kind| reference(kind.with));
    any_of(&plain.into_iter().chain(of_kinds).collect::<Vec<_>>())
}

/// What a field may be in the kinds that have it; nothing in those of no kind.
fn of_kinds(name: &str, kinds: Kinds) -> Value {
    let fields = kinds.iter().flat_map(|kind| kind.beside).filter(|field| field.name == name);
    let shapes: Vec<Value> = fields.map(|field| shape(field.shape)).collect();
    if shapes.is_empty() { json!({ "type": "null" }) } else { any_of(&shapes) }
}

fn items() -> Value {
    any_of(&[scalar(), list(&any_of(&[scalar(), values()]))])
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::schema;

    /// Every `$ref` in a value.
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|inner| references(inner, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let schema = schema(&[]);
        let mut found = Vec::new();
        references(&schema, &mut found);
        assert!(found.len() > 10);
        for reference in found {
            let pointer = reference.trim_start_matches('#');
            assert!(schema.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn both_spellings_are_described_and_refused_fields_say_why() {
        let schema = schema(&[]);
        let text = |pointer: &str| schema.pointer(pointer).and_then(Value::as_str).unwrap_or("");
        assert!(text("/properties/working_dir/description").contains("Folder"));
        assert_eq!(text("/properties/workingDir/description"), "The same as `working_dir`.");
        assert!(text("/properties/schedule/description").contains("cron"));
        assert_eq!(text("/$defs/secret/properties/ref/anyOf/0/type/0"), "string");
        assert_eq!(text("/properties/audit/anyOf/0/enum/0"), "required");
        assert_eq!(text("/properties/environment/anyOf/0/type/0"), "string");
        assert_eq!(schema["required"], serde_json::json!(["steps"]));
    }
}
