use super::*;

fn object(properties: Value, required: Value) -> Value {
    let mut schema = json!({"type": "object"});
    schema["properties"] = properties;
    schema["required"] = required;
    schema["additionalProperties"] = json!(false);
    schema
}

#[test]
fn every_object_is_closed_and_every_member_required() {
    let text = json!({"type": "string"});
    let nullable_text = json!({"type": ["string", "null"]});
    let unit = json!({"type": "string", "enum": ["c", "f"]});
    let reference = json!({"$ref": "#/$defs/City"});
    let cases = [
        (
            "an optional member becomes nullable",
            json!({"type": "object", "properties": {"a": text, "b": text}, "required": ["a"]}),
            object(json!({"a": text, "b": nullable_text}), json!(["a", "b"])),
        ),
        (
            "a nullable member stays as it is",
            json!({"type": "object", "properties": {"a": nullable_text}}),
            object(json!({"a": nullable_text}), json!(["a"])),
        ),
        (
            "an optional enum",
            json!({"type": "object", "properties": {"a": unit}}),
            object(json!({"a": {"anyOf": [unit, {"type": "null"}]}}), json!(["a"])),
        ),
        (
            "an optional choice",
            json!({"type": "object", "properties": {"a": {"oneOf": [text, unit]}}}),
            object(json!({"a": {"anyOf": [text, unit, {"type": "null"}]}}), json!(["a"])),
        ),
        (
            "nested objects and lists",
            json!({"type": "object", "required": ["a"], "properties": {
                "a": {"type": "array", "items": {"type": "object", "properties": {"b": text}, "required": ["b"]}},
            }}),
            object(
                json!({"a": {"type": "array", "items": object(json!({"b": text}), json!(["b"]))}}),
                json!(["a"]),
            ),
        ),
        (
            "references and definitions",
            json!({"type": "object", "required": ["a"], "properties": {"a": reference},
                "$defs": {"City": {"type": "object", "properties": {"next": reference}, "required": []}}}),
            {
                let mut whole = object(json!({"a": reference}), json!(["a"]));
                let next = json!({"anyOf": [reference, {"type": "null"}]});
                whole["$defs"] = json!({"City": object(json!({"next": next}), json!(["next"]))});
                whole
            },
        ),
        (
            "a reference with a description",
            json!({"type": "object", "required": ["a"],
                "properties": {"a": {"$ref": "#/$defs/City", "description": "where"}}}),
            object(json!({"a": {"description": "where", "anyOf": [reference]}}), json!(["a"])),
        ),
        (
            "lengths of a text",
            json!({"type": "object", "required": ["a", "b"], "properties": {
                "a": {"type": "string", "minLength": 1, "maxLength": 1},
                "b": {"type": "string", "minLength": 2},
                "c": {"type": "string", "maxLength": 9},
            }}),
            object(
                json!({
                    "a": {"type": "string", "pattern": r"^[\s\S]{1}$"},
                    "b": {"type": "string", "pattern": r"^[\s\S]{2,}$"},
                    "c": {"type": ["string", "null"], "pattern": r"^[\s\S]{0,9}$"},
                }),
                json!(["a", "b", "c"]),
            ),
        ),
        (
            "annotations and unknown formats",
            json!({"$schema": "x", "title": "T", "type": "object", "required": ["a", "b"], "properties": {
                "a": {"type": "integer", "format": "uint32", "minimum": 0, "default": 3},
                "b": {"type": "string", "format": "date-time"},
            }}),
            {
                let a = json!({"type": "integer", "minimum": 0});
                let b = json!({"type": "string", "format": "date-time"});
                let mut whole = object(json!({"a": a, "b": b}), json!(["a", "b"]));
                whole["title"] = json!("T");
                whole
            },
        ),
        (
            "a reference as the root",
            json!({"$ref": "#/$defs/City", "$defs": {"City": object(json!({"a": text}), json!(["a"]))}}),
            json!({"$ref": "#/$defs/City", "$defs": {"City": object(json!({"a": text}), json!(["a"]))}}),
        ),
        (
            "a reference as the root, into older definitions",
            json!({"$ref": "#/definitions/C", "definitions": {"C": object(json!({"a": text}), json!(["a"]))}}),
            json!({"$ref": "#/definitions/C", "definitions": {"C": object(json!({"a": text}), json!(["a"]))}}),
        ),
        (
            "all of one schema",
            json!({"type": "object", "required": ["a"], "properties": {"a": {"allOf": [text], "title": "A"}}}),
            object(json!({"a": {"type": "string", "title": "A"}}), json!(["a"])),
        ),
        (
            "an optional null",
            json!({"type": "object", "properties": {"a": {"type": "null"}}}),
            object(json!({"a": {"type": "null"}}), json!(["a"])),
        ),
        (
            "an object without members",
            json!({"type": "object", "additionalProperties": false}),
            object(json!({}), json!([])),
        ),
    ];
    for (name, schema, expected) in cases {
        assert_eq!(strict_schema(&schema).unwrap(), expected, "{name}");
        assert_eq!(strict_schema(&expected).unwrap(), expected, "{name}: twice is once");
    }
}

#[test]
fn the_order_of_members_is_kept() {
    let schema = r#"{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"string"}}}"#;
    let strict = strict_schema(&serde_json::from_str(schema).unwrap()).unwrap();
    let names: Vec<&String> = strict["properties"].as_object().unwrap().keys().collect();
    let required = strict["required"].as_array().unwrap();
    assert!(names.iter().zip(required).all(|(name, required)| required == name.as_str()));
}

#[test]
fn a_schema_without_a_strict_form_is_refused_with_its_place() {
    let in_member = |schema: Value| json!({"type": "object", "properties": {"a/b": schema}});
    let cases = [
        ("text as the root", json!({"type": "string"}), "", "root"),
        ("a list as the root", json!({"type": "array", "items": {"type": "string"}}), "", "root"),
        (
            "a map",
            in_member(json!({"type": "object", "additionalProperties": {"type": "string"}})),
            "/properties/a~1b",
            "map",
        ),
        (
            "an open object",
            in_member(json!({"type": "object", "properties": {}, "additionalProperties": true})),
            "/properties/a~1b",
            "map",
        ),
        (
            "any object",
            in_member(json!({"type": "object"})),
            "/properties/a~1b",
            "without properties",
        ),
        (
            "any object or null",
            in_member(json!({"type": ["object", "null"]})),
            "/properties/a~1b",
            "without properties",
        ),
        ("any value", in_member(json!(true)), "/properties/a~1b", "any value"),
        (
            "an empty schema",
            in_member(json!({"description": "x"})),
            "/properties/a~1b",
            "any value",
        ),
        (
            "a pattern of names",
            in_member(json!({"type": "object", "patternProperties": {}})),
            "/properties/a~1b",
            "patternProperties",
        ),
        (
            "a tuple",
            in_member(json!({"type": "array", "prefixItems": []})),
            "/properties/a~1b",
            "prefixItems",
        ),
        (
            "a set",
            in_member(json!({"type": "array", "items": {"type": "string"}, "uniqueItems": true})),
            "/properties/a~1b",
            "uniqueItems",
        ),
        (
            "a length in addition to a pattern",
            in_member(json!({"type": "string", "pattern": "a*", "maxLength": 2})),
            "/properties/a~1b",
            "maxLength",
        ),
        ("a negation", in_member(json!({"not": {"type": "string"}})), "/properties/a~1b", "not"),
        (
            "in a list",
            in_member(json!({"type": "array", "items": true})),
            "/properties/a~1b/items",
            "any value",
        ),
        (
            "in a choice",
            in_member(json!({"anyOf": [{"type": "string"}, {"if": true}]})),
            "/properties/a~1b/anyOf/1",
            "if",
        ),
        (
            "in a definition",
            json!({"type": "object", "properties": {}, "$defs": {"X": {"allOf": []}}}),
            "/$defs/X",
            "allOf",
        ),
    ];
    for (name, schema, path, words) in cases {
        let error = strict_schema(&schema).unwrap_err();
        assert_eq!(error.path(), path, "{name}");
        assert!(error.to_string().contains(words), "{name}: {error}");
        let place = if path.is_empty() { String::new() } else { format!(" at {path}") };
        let start = format!("schema has no strict form{place}: ");
        assert!(error.to_string().starts_with(&start), "{name}: {error}");
    }
}
