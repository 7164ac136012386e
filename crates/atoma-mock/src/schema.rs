//! Values that fit a JSON schema, for structured output and the arguments of tool calls.
//!
//! Not a validator, and not random: the same schema and text always give the same value, so that a test can compare it.
use serde_json::{Map, Value, json};

/// An instance of a JSON schema: simple, and the same each time.
///
/// Understands `type` (a name or a list), `properties`, `required`, `items`, `prefixItems`,
/// `minItems`, `enum`, `const`, `default`, `anyOf`, `oneOf`, `allOf`, `$ref` within the document,
/// the bounds of numbers, `minLength`, `maxLength`, a `pattern` for lengths alone and the common formats. Everything else is
/// ignored.
/// Names and numbers found in `text` are used where a string or a number is wanted.
pub(crate) fn instance(schema: &Value, text: &str) -> Value {
    Filler { root: schema, names: names(text), numbers: numbers(text) }.value(schema, "value", 0)
}

/// Deeper than this, only required members are filled in, so that a recursive schema ends.
const DEEP: usize = 4;
/// Deeper than this, a recursive schema that requires itself is given up.
const DEEPEST: usize = 32;

struct Filler<'a> {
    /// The whole schema, which `$ref` points into.
    root: &'a Value,
    /// Names of the text that are not used yet.
    names: Vec<String>,
    /// Numbers of the text that are not used yet.
    numbers: Vec<f64>,
}

impl Filler<'_> {
    /// A value for a schema. `name` is the member's name, used as text where nothing better is known.
    fn value(&mut self, schema: &Value, name: &str, depth: usize) -> Value {
        if depth > DEEPEST {
            return Value::Null;
        }
        if let Some(target) = schema["$ref"].as_str() {
            let root = self.root;
            let resolved = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
            return resolved.map_or(Value::Null, |schema| self.value(schema, name, depth + 1));
        }
        // Fixed values first, whatever the type says.
        for fixed in ["const", "default"] {
            if let Some(value) = schema.get(fixed) {
                return value.clone();
            }
        }
        if let Some(value) = schema["enum"].as_array().and_then(|values| values.first()) {
            return value.clone();
        }
        for alternatives in ["anyOf", "oneOf"] {
            if let Some(schemas) = schema[alternatives].as_array() {
                let chosen = alternative(schemas, depth);
                return chosen.map_or(Value::Null, |schema| self.value(schema, name, depth + 1));
            }
        }
        if let Some(schemas) = schema["allOf"].as_array() {
            return self.all_of(schema, schemas, name, depth);
        }
        match type_of(schema, depth) {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, name, depth),
            "string" => self.string(schema, name),
            "integer" => json!(self.number(schema).round() as i64),
            "number" => number(self.number(schema)),
            "boolean" => Value::Bool(true),
            _ => Value::Null,
        }
    }

    /// An object with all properties; deep down, only with those that are required.
    fn object(&mut self, schema: &Value, depth: usize) -> Value {
        let required = |name: &str| {
            schema["required"].as_array().is_some_and(|names| names.iter().any(|one| one == name))
        };
        let mut object = Map::new();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            if depth < DEEP || required(name) {
                object.insert(name.clone(), self.value(property, name, depth + 1));
            }
        }
        Value::Object(object)
    }

    /// An array of one element, or of as many as the schema requires; deep down, as few as possible.
    fn array(&mut self, schema: &Value, name: &str, depth: usize) -> Value {
        let mut items: Vec<Value> = Vec::new();
        for item in schema["prefixItems"].as_array().into_iter().flatten() {
            items.push(self.value(item, name, depth + 1));
        }
        let least = schema["minItems"].as_u64().unwrap_or(u64::from(depth < DEEP)).min(64);
        while schema["items"].is_object() && (items.len() as u64) < least {
            items.push(self.value(&schema["items"], name, depth + 1));
        }
        Value::Array(items)
    }

    /// A text in the format of the schema, padded or cut to its length.
    fn string(&mut self, schema: &Value, name: &str) -> Value {
        let text = match schema["format"].as_str() {
            Some("date-time") => "2025-01-01T12:00:00Z".to_owned(),
            Some("date") => "2025-01-01".to_owned(),
            Some("time") => "12:00:00Z".to_owned(),
            Some("email") => "someone@example.com".to_owned(),
            Some("uri" | "url") => "https://example.com/".to_owned(),
            Some("uuid") => "00000000-0000-4000-8000-000000000000".to_owned(),
            _ => self.next_name().unwrap_or_else(|| name.to_owned()),
        };
        let pattern = schema["pattern"].as_str().and_then(lengths).unwrap_or_default();
        let least = schema["minLength"].as_u64().or(pattern.0).unwrap_or(0).min(4096) as usize;
        let most = schema["maxLength"].as_u64().or(pattern.1);
        let most = most.map_or(usize::MAX, |most| most as usize);
        let padding = std::iter::repeat_n('x', least.saturating_sub(text.chars().count()));
        Value::String(text.chars().chain(padding).take(most).collect())
    }

    /// The next number of the text, moved between the bounds of the schema.
    fn number(&mut self, schema: &Value) -> f64 {
        let found = if self.numbers.is_empty() { 1.0 } else { self.numbers.remove(0) };
        let above = schema["exclusiveMinimum"].as_f64().map(|bound| bound + 1.0);
        let below = schema["exclusiveMaximum"].as_f64().map(|bound| bound - 1.0);
        let least = schema["minimum"].as_f64().or(above).unwrap_or(f64::MIN);
        let most = schema["maximum"].as_f64().or(below).unwrap_or(f64::MAX);
        found.min(most).max(least)
    }

    /// The members of all parts together; a part that is not an object is the value itself.
    fn all_of(&mut self, schema: &Value, schemas: &[Value], name: &str, depth: usize) -> Value {
        let mut merged = self.object(schema, depth);
        for part in schemas {
            match (&mut merged, self.value(part, name, depth + 1)) {
                (Value::Object(all), Value::Object(members)) => all.extend(members),
                (_, other) => return other,
            }
        }
        merged
    }

    /// The next name of the text; the last one serves again and again.
    fn next_name(&mut self) -> Option<String> {
        match self.names.len() {
            0 => None,
            1 => Some(self.names[0].clone()),
            _ => Some(self.names.remove(0)),
        }
    }
}

/// The first alternative that is not null; deep down, the simplest: null, or one that refers to nothing.
fn alternative(schemas: &[Value], depth: usize) -> Option<&Value> {
    let null = |schema: &&Value| schema["type"] == "null";
    let plain = |schema: &&Value| schema.get("$ref").is_none();
    if depth < DEEP {
        schemas.iter().find(|schema| !null(schema)).or(schemas.first())
    } else {
        schemas.iter().find(null).or(schemas.iter().find(plain)).or(schemas.first())
    }
}

/// The type of a schema, guessed from its members where it is not named.
fn type_of(schema: &Value, depth: usize) -> &str {
    match &schema["type"] {
        Value::String(name) => name,
        Value::Array(names) => {
            let mut names = names.iter().filter_map(Value::as_str);
            if depth >= DEEP && names.clone().any(|name| name == "null") {
                return "null";
            }
            names.find(|name| *name != "null").unwrap_or("null")
        }
        _ if schema.get("properties").is_some() => "object",
        _ if schema.get("items").is_some() => "array",
        _ => "string",
    }
}

/// The bounds in a pattern such as `^[\s\S]{1,4}$`, which strict schemas have in place of `minLength` and `maxLength`.
fn lengths(pattern: &str) -> Option<(Option<u64>, Option<u64>)> {
    let bounds = pattern.strip_prefix(r"^[\s\S]{")?.strip_suffix("}$")?;
    let (least, most) = bounds.split_once(',').unwrap_or((bounds, bounds));
    Some((least.parse().ok(), most.parse().ok()))
}

/// A whole number is written without a fraction, as a model would.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e15 { json!(value as i64) } else { json!(value) }
}

/// The capitalized words of a text that do not begin a sentence.
fn names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut opening = true;
    for word in text.split_whitespace() {
        let bare = word.trim_matches(|character: char| !character.is_alphanumeric());
        if !opening && bare.chars().count() > 1 && bare.starts_with(char::is_uppercase) {
            names.push(bare.to_owned());
        }
        opening = word.ends_with(['.', '!', '?', ':']);
    }
    names
}

fn numbers(text: &str) -> Vec<f64> {
    text.split(|character: char| !(character.is_ascii_digit() || character == '.'))
        .filter_map(|word| word.trim_end_matches('.').parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind() {
        for (schema, wanted) in [
            (json!({"type": "string"}), json!("value")),
            (json!({"type": "string", "minLength": 8}), json!("valuexxx")),
            (json!({"type": "string", "maxLength": 3}), json!("val")),
            (json!({"type": "string", "pattern": r"^[\s\S]{1}$"}), json!("v")),
            (json!({"type": "string", "pattern": r"^[\s\S]{7,}$"}), json!("valuexx")),
            (json!({"type": "string", "format": "date"}), json!("2025-01-01")),
            (json!({"type": "integer"}), json!(1)),
            (json!({"type": "integer", "minimum": 5}), json!(5)),
            (json!({"type": "integer", "exclusiveMaximum": 1}), json!(0)),
            (json!({"type": "number", "maximum": 0.5}), json!(0.5)),
            (json!({"type": "boolean"}), json!(true)),
            (json!({"type": "null"}), json!(null)),
            (json!({"type": ["null", "boolean"]}), json!(true)),
            (json!({"enum": ["red", "green"]}), json!("red")),
            (json!({"const": 7}), json!(7)),
            (json!({"anyOf": [{"type": "null"}, {"type": "integer"}]}), json!(1)),
            (json!({"oneOf": [{"type": "boolean"}, {"type": "integer"}]}), json!(true)),
            (json!({"type": "array", "items": {"type": "integer"}}), json!([1])),
            (json!({"type": "array", "items": {"const": 0}, "minItems": 3}), json!([0, 0, 0])),
            (json!({"type": "array"}), json!([])),
            (json!({"prefixItems": [{"const": 1}], "type": "array"}), json!([1])),
            (json!({"properties": {"a": {"type": "string"}}}), json!({"a": "a"})),
            (
                json!({"allOf": [
                    {"properties": {"a": {"const": 1}}},
                    {"properties": {"b": {"const": 2}}},
                ]}),
                json!({"a": 1, "b": 2}),
            ),
            (json!({"$ref": "#/$defs/Age", "$defs": {"Age": {"type": "integer"}}}), json!(1)),
            (json!({"$ref": "#/$defs/Missing"}), json!(null)),
            (json!({}), json!("value")),
        ] {
            assert_eq!(instance(&schema, ""), wanted, "{schema}");
        }
    }

    #[test]
    fn names_and_numbers_of_the_text_are_used() {
        let schema = json!({"type": "object", "properties": {
            "city": {"type": "string"}, "days": {"type": "integer"}}});
        let filled = instance(&schema, "What is the weather in Paris for the next 3 days?");
        assert_eq!(filled, json!({"city": "Paris", "days": 3}));
    }

    #[test]
    fn a_recursive_schema_ends() {
        let tree = json!({
            "$ref": "#/$defs/Node",
            "$defs": {"Node": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
                    "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
                },
                "required": ["name", "children", "next"],
            }},
        });
        assert_eq!(instance(&tree, "")["name"], "name");
        instance(&json!({"$ref": "#"}), "");
        instance(
            &json!({"properties": {"me": {"$ref": "#"}}, "required": ["me"], "type": "object"}),
            "",
        );
    }
}
