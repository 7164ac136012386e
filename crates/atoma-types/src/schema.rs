use serde_json::{Map, Value, json};
use std::{error::Error, fmt};

/// Rewrites a JSON Schema into the strict form that servers accept for structured output.
///
/// In this form every object lists all of its members as `required` and sets `additionalProperties` to `false`; a member that
/// was optional becomes nullable instead. The order of members is kept, because a model fills a schema in its order.
///
/// - `$ref`, `$defs`, `definitions`, `enum`, `const`, `anyOf` and `items` are kept; recursion through `$ref` is kept as well.
/// - `oneOf` becomes `anyOf`, and an `allOf` with one entry is replaced by that entry.
/// - A `$ref` with neighbors is wrapped in `anyOf`, because servers ignore or refuse the neighbors otherwise.
/// - `minLength` and `maxLength`, which servers refuse, become a `pattern`, unless there is one: that of a `char`, for example,
///   is `^[\s\S]{1}$`.
/// - Annotations that constrain nothing are removed: `$schema`, `$id`, `$comment`, `default`, `examples`, `deprecated`,
///   `readOnly`, `writeOnly`, and formats outside the list of OpenAI's documentation, such as `uint32`.
///
/// The source of the rules is the "supported schemas" section of OpenAI's structured outputs guide, which vLLM, SGLang and
/// others follow.
///
/// ```
/// use serde_json::json;
///
/// let schema = json!({
///     "type": "object",
///     "properties": {"city": {"type": "string"}, "unit": {"type": "string"}},
///     "required": ["city"],
/// });
/// let strict = atoma_types::strict_schema(&schema)?;
/// assert_eq!(strict["required"], json!(["city", "unit"]));
/// assert_eq!(strict["properties"]["unit"]["type"], json!(["string", "null"]));
/// assert_eq!(strict["additionalProperties"], json!(false));
/// # Ok::<(), atoma_types::UnsupportedSchema>(())
/// ```
///
/// # Errors
///
/// The schema cannot be expressed in the strict form: the root is not an object, a map has arbitrary keys, or a keyword such as
/// `not` or `patternProperties` has no counterpart. The error names the JSON pointer of the place.
pub fn strict_schema(schema: &Value) -> Result<Value, UnsupportedSchema> {
    let strict = strict(schema, &mut Path::default())?;
    let root =
        strict.get("$ref").and_then(Value::as_str).and_then(|target| resolve(&strict, target));
    let is_object = root.unwrap_or(&strict).get("type").and_then(Value::as_str) == Some("object");
    if is_object {
        Ok(strict)
    } else {
        Err(UnsupportedSchema::new(&Path::default(), Why::RootNotObject))
    }
}

/// A schema that has no strict form.
///
/// ```
/// let map = serde_json::json!({"type": "object", "additionalProperties": {"type": "integer"}});
/// let error = atoma_types::strict_schema(&map).unwrap_err();
/// assert_eq!(error.path(), "");
/// assert!(error.to_string().contains("additionalProperties"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct UnsupportedSchema {
    path: String,
    why: Why,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Why {
    Keyword(String),
    Map,
    AnyValue,
    RootNotObject,
    UndescribedObject,
}

impl UnsupportedSchema {
    fn new(path: &Path, why: Why) -> Self {
        Self { path: path.0.clone(), why }
    }

    /// The place in the schema, as a JSON pointer (RFC 6901); empty for the root.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for UnsupportedSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("schema has no strict form")?;
        if !self.path.is_empty() {
            write!(f, " at {}", self.path)?;
        }
        match &self.why {
            Why::Keyword(name) => write!(f, ": unsupported keyword {name}"),
            Why::Map => f.write_str(
                ": additionalProperties: a map with arbitrary keys is not allowed, use a list of pairs",
            ),
            Why::AnyValue => f.write_str(": a schema that allows any value is not allowed, name a type"),
            Why::RootNotObject => f.write_str(": the root must be an object, wrap the value in a struct"),
            Why::UndescribedObject => f.write_str(": an object without properties is not allowed"),
        }
    }
}

/// The line; the fields under `{:#?}`.
impl fmt::Debug for UnsupportedSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return f
                .debug_struct("UnsupportedSchema")
                .field("path", &self.path)
                .field("why", &self.why)
                .finish();
        }
        fmt::Display::fmt(self, f)
    }
}

impl Error for UnsupportedSchema {}

/// A JSON pointer that grows on the way down.
#[derive(Default)]
struct Path(String);

impl Path {
    /// Calls `read` with the path one segment longer.
    fn within<T>(&mut self, segment: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.0.len();
        self.0.push('/');
        self.0.push_str(&segment.replace('~', "~0").replace('/', "~1"));
        let result = read(self);
        self.0.truncate(length);
        result
    }
}

/// Keywords that do not constrain a model's output.
const ANNOTATIONS: [&str; 9] = [
    "$schema",
    "$id",
    "$comment",
    "$anchor",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
];

/// Keywords that are copied as they are.
const KEPT: [&str; 15] = [
    "$ref",
    "title",
    "description",
    "type",
    "enum",
    "const",
    "pattern",
    "multipleOf",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minItems",
    "maxItems",
    "nullable",
];

/// Formats of strings that servers know.
const FORMATS: [&str; 9] =
    ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];

/// Returns the strict form of one schema, which is built anew: a keyword that is not listed is an error, since a server would
/// reject it or ignore it.
fn strict(schema: &Value, path: &mut Path) -> Result<Value, UnsupportedSchema> {
    let Value::Object(members) = schema else {
        return Err(UnsupportedSchema::new(path, Why::AnyValue));
    };
    let mut strict = Map::new();
    for (name, value) in members {
        match (name.as_str(), value) {
            (name, _) if ANNOTATIONS.contains(&name) => {}
            (kept, _) if KEPT.contains(&kept) => insert(&mut strict, kept, value.clone()),
            ("format", Value::String(format)) if !FORMATS.contains(&format.as_str()) => {}
            ("format", _) => insert(&mut strict, name, value.clone()),
            ("$defs" | "definitions", Value::Object(definitions)) => {
                insert(&mut strict, name, all(definitions, name, path)?);
            }
            ("properties", Value::Object(properties)) => {
                let required = members.get("required").and_then(Value::as_array);
                insert(&mut strict, name, object_members(properties, required, path)?);
            }
            ("items", _) => {
                let items = path.within(name, |path| self::strict(value, path))?;
                insert(&mut strict, name, items);
            }
            ("anyOf" | "oneOf", Value::Array(options)) => {
                insert(&mut strict, "anyOf", each(options, name, path)?);
            }
            ("allOf", Value::Array(parts)) if parts.len() == 1 => {
                let part = path.within("allOf/0", |path| self::strict(&parts[0], path))?;
                let Value::Object(part) = part else { continue };
                part.into_iter().for_each(|(name, value)| insert(&mut strict, &name, value));
            }
            ("minLength" | "maxLength", Value::Number(_)) if !members.contains_key("pattern") => {
                insert(&mut strict, "pattern", length_pattern(members).into());
            }
            // Both are set below, for every object.
            ("required", _) | ("additionalProperties", Value::Bool(_)) => {}
            ("additionalProperties", _) => return Err(UnsupportedSchema::new(path, Why::Map)),
            _ => return Err(UnsupportedSchema::new(path, Why::Keyword(name.clone()))),
        }
    }
    close(&mut strict, members, path)?;
    Ok(Value::Object(strict))
}

/// The lengths of a text as a regular expression.
fn length_pattern(schema: &Map<String, Value>) -> String {
    let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0);
    match schema.get("maxLength").and_then(Value::as_u64) {
        Some(most) if most == least => format!("^[\\s\\S]{{{least}}}$"),
        Some(most) => format!("^[\\s\\S]{{{least},{most}}}$"),
        None => format!("^[\\s\\S]{{{least},}}$"),
    }
}

/// Sets a keyword.
fn insert(schema: &mut Map<String, Value>, name: &str, value: Value) {
    schema.insert(name.to_owned(), value);
}

/// Completes an object schema, and refuses one that allows too much.
fn close(
    strict: &mut Map<String, Value>,
    original: &Map<String, Value>,
    path: &Path,
) -> Result<(), UnsupportedSchema> {
    let says =
        ["$ref", "type", "enum", "const", "anyOf"].iter().any(|name| strict.contains_key(*name));
    if !says && !strict.contains_key("properties") {
        return Err(UnsupportedSchema::new(path, Why::AnyValue));
    }
    let is_object = strict.contains_key("properties") || allows_object(strict.get("type"));
    if is_object {
        // An object without properties is a unit if it is closed, otherwise a map, which has no strict form.
        let Some(Value::Object(properties)) = strict.get("properties") else {
            let is_map =
                original.get("additionalProperties").is_some_and(|any| *any != json!(false));
            let is_unit = original.contains_key("additionalProperties") && !is_map;
            if !is_unit {
                let why = if is_map { Why::Map } else { Why::UndescribedObject };
                return Err(UnsupportedSchema::new(path, why));
            }
            insert(strict, "properties", json!({}));
            insert(strict, "required", json!([]));
            insert(strict, "additionalProperties", json!(false));
            return Ok(());
        };
        if original.get("additionalProperties") == Some(&json!(true)) {
            return Err(UnsupportedSchema::new(path, Why::Map));
        }
        // All properties are required; optional ones allow `null` instead.
        let names: Vec<Value> = properties.keys().cloned().map(Value::String).collect();
        strict.entry("type").or_insert_with(|| json!("object"));
        insert(strict, "required", Value::Array(names));
        insert(strict, "additionalProperties", json!(false));
    }
    if let Some(target) = strict.remove("$ref") {
        // Definitions stay where references to them point; only the root has them.
        if strict.keys().all(|name| name == "$defs" || name == "definitions") {
            insert(strict, "$ref", target);
        } else {
            insert(strict, "anyOf", json!([{ "$ref": target }]));
        }
    }
    Ok(())
}

/// Returns whether a `type` includes objects.
fn allows_object(kind: Option<&Value>) -> bool {
    match kind {
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.contains(&json!("object")),
        _ => false,
    }
}

/// The strict forms of named schemas.
fn all(
    schemas: &Map<String, Value>,
    name: &str,
    path: &mut Path,
) -> Result<Value, UnsupportedSchema> {
    path.within(name, |path| {
        let schemas = schemas.iter().map(|(name, schema)| {
            Ok((name.clone(), path.within(name, |path| strict(schema, path))?))
        });
        schemas.collect::<Result<Map<_, _>, _>>().map(Value::Object)
    })
}

/// The strict forms of a list of schemas.
fn each(schemas: &[Value], name: &str, path: &mut Path) -> Result<Value, UnsupportedSchema> {
    path.within(name, |path| {
        let schemas = schemas
            .iter()
            .enumerate()
            .map(|(index, schema)| path.within(&index.to_string(), |path| strict(schema, path)));
        schemas.collect::<Result<Vec<_>, _>>().map(Value::Array)
    })
}

/// The strict forms of an object's properties. Those that are not required allow `null`.
fn object_members(
    properties: &Map<String, Value>,
    required: Option<&Vec<Value>>,
    path: &mut Path,
) -> Result<Value, UnsupportedSchema> {
    let is_required =
        |name: &str| required.is_some_and(|names| names.iter().any(|known| known == name));
    path.within("properties", |path| {
        let members = properties.iter().map(|(name, schema)| {
            let schema = path.within(name, |path| strict(schema, path))?;
            let schema = if is_required(name) { schema } else { nullable(schema) };
            Ok((name.clone(), schema))
        });
        members.collect::<Result<Map<_, _>, _>>().map(Value::Object)
    })
}

/// The same schema, which also allows `null`.
fn nullable(mut schema: Value) -> Value {
    if allows_null(&schema) {
        return schema;
    }
    let is_plain = |name: &str| schema.get(name).is_none();
    // With `enum` or `const`, a second type would not be enough: the value itself must be listed.
    if let (true, Some(Value::String(kind))) =
        (is_plain("enum") && is_plain("const"), schema.get("type").cloned())
    {
        schema["type"] = json!([kind, "null"]);
        return schema;
    }
    if let Some(Value::Array(options)) = schema.get_mut("anyOf") {
        options.push(json!({"type": "null"}));
        return schema;
    }
    json!({"anyOf": [schema, {"type": "null"}]})
}

/// Returns whether a schema allows `null` already.
fn allows_null(schema: &Value) -> bool {
    let in_type = match schema.get("type") {
        Some(Value::String(kind)) => kind == "null",
        Some(Value::Array(kinds)) => kinds.contains(&json!("null")),
        _ => false,
    };
    let options = schema.get("anyOf").and_then(Value::as_array);
    in_type || options.is_some_and(|options| options.iter().any(allows_null))
}

/// The schema that a reference within the same document points to.
fn resolve<'a>(root: &'a Value, target: &str) -> Option<&'a Value> {
    root.pointer(target.strip_prefix('#')?)
}

#[cfg(test)]
mod tests;
