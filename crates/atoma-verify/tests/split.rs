//! Cutting the two members out, and rejecting any ambiguous text.

use atoma_verify::{VerifyErrorKind, split, verify};

/// Name, text, preimage. `S` is the member `signature`, `H` is `response_hash`.
const CUTS: &[(&str, &str, &str)] = &[
    ("last", r#"{"a":1,S,H}"#, r#"{"a":1}"#),
    ("last, in the other order", r#"{"a":1,H,S}"#, r#"{"a":1}"#),
    ("first", r#"{S,H,"a":1}"#, r#"{"a":1}"#),
    ("in the middle", r#"{"a":1,S,H,"b":2}"#, r#"{"a":1,"b":2}"#),
    ("apart", r#"{"a":1,S,"b":2,H,"c":3}"#, r#"{"a":1,"b":2,"c":3}"#),
    ("first and last", r#"{S,"a":1,"b":2,H}"#, r#"{"a":1,"b":2}"#),
    ("alone", "{S,H}", "{}"),
    ("alone, with white space", " { S , H } ", "{}"),
    ("white space that touches a cut", r#"{"a":1 , S , H , "b":2}"#, r#"{"a":1,"b":2}"#),
    ("white space elsewhere", r#"{ "a" : 1 , "b":[ 2 ],S,H}"#, r#"{ "a" : 1 , "b":[ 2 ]}"#),
    ("white space at the braces", r#"{ S,"a":1,H,"b":2 }"#, r#"{"a":1,"b":2 }"#),
    (
        "white space in the members",
        "{\"a\":1,\"signature\"\t:\r\n\"s\",\"response_hash\" : \"h\"}",
        r#"{"a":1}"#,
    ),
    ("line breaks around the object", "\r\n\t {\"a\":1,S,H}\r\n\n", r#"{"a":1}"#),
    (
        "nested members",
        r#"{"a":{"signature":1,"response_hash":null},S,H}"#,
        r#"{"a":{"signature":1,"response_hash":null}}"#,
    ),
    (
        "nested in an array",
        r#"{"a":[{"signature":"x"},[]],S,H}"#,
        r#"{"a":[{"signature":"x"},[]]}"#,
    ),
    (
        "names inside a string",
        r#"{"a":"\"signature\":\"x\",",S,H}"#,
        r#"{"a":"\"signature\":\"x\","}"#,
    ),
    ("a backslash at the end of a string", r#"{"a":"\\",S,H}"#, r#"{"a":"\\"}"#),
    ("backslashes and a quote", r#"{"a":"\\\\\"}",S,H}"#, r#"{"a":"\\\\\"}"}"#),
    ("braces in strings", r#"{"a":["}",{"b":"]{"}],S,H}"#, r#"{"a":["}",{"b":"]{"}]}"#),
    ("braces in names", r#"{"}":1,"{\"":2,S,H}"#, r#"{"}":1,"{\"":2}"#),
    ("empty name", r#"{"":1,S,H}"#, r#"{"":1}"#),
    (
        "names in other letters",
        r#"{"signaturE":1,"signatures":2,"signatur":3,S,H}"#,
        r#"{"signaturE":1,"signatures":2,"signatur":3}"#,
    ),
    (
        "another name with escapes",
        r#"{"\u0053ignature":1,"signature\u0000":2,"\\signature":3,S,H}"#,
        r#"{"\u0053ignature":1,"signature\u0000":2,"\\signature":3}"#,
    ),
    (
        "a long name with escapes",
        r#"{"response_hashes\u0041":1,S,H}"#,
        r#"{"response_hashes\u0041":1}"#,
    ),
    ("a name with a surrogate pair", r#"{"\ud83d\ude42":1,S,H}"#, r#"{"\ud83d\ude42":1}"#),
    (
        "values of all kinds",
        r#"{"a":-1.5e-7,"b":1E5,"c":true,"d":false,"e":null,"f":"","g":{},"h":[],S,H}"#,
        r#"{"a":-1.5e-7,"b":1E5,"c":true,"d":false,"e":null,"f":"","g":{},"h":[]}"#,
    ),
    ("not ASCII", r#"{"é":"世界 🙂","signaturé":"\é",S,H}"#, r#"{"é":"世界 🙂","signaturé":"\é"}"#),
    ("another member twice", r#"{"a":1,"a":2,S,H}"#, r#"{"a":1,"a":2}"#),
];

fn text(short: &str) -> String {
    short.replace('S', r#""signature":"s/+=""#).replace('H', r#""response_hash":"h/+=""#)
}

#[test]
fn members_are_cut_out_wherever_they_are() {
    for (name, short, preimage) in CUTS {
        let text = text(short);
        let cut = split(&text);
        let cut = cut.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(cut.preimage().collect::<String>(), *preimage, "{name}");
    }
}

/// Name, text, words of the error.
const REFUSED: &[(&str, &str, &str)] = &[
    ("empty", "", "not a JSON object"),
    ("white space", " \n", "not a JSON object"),
    ("an array", "[S,H]", "not a JSON object"),
    ("a string", r#""signature""#, "not a JSON object"),
    ("null", "null", "not a JSON object"),
    ("a byte order mark", "\u{feff}{S,H}", "not a JSON object"),
    ("an SSE prefix", "data: {S,H}", "not a JSON object"),
    ("a form feed in front", "\u{c}{S,H}", "not a JSON object"),
    ("a no-break space in front", "\u{a0}{S,H}", "not a JSON object"),
    ("a comment in front", "/**/{S,H}", "not a JSON object"),
    ("a second object", r#"{S,H}{"a":1}"#, "text after the object"),
    ("a second brace", "{S,H}}", "text after the object"),
    ("a comma behind", "{S,H},", "text after the object"),
    ("a NUL behind", "{S,H}\0", "text after the object"),
    ("a byte order mark behind", "{S,H}\u{feff}", "text after the object"),
    ("a vertical tab behind", "{S,H}\u{b}", "text after the object"),
    ("a trailing comma", "{S,H,}", "without a name"),
    ("a trailing comma behind another member", r#"{S,H,"a":1, }"#, "without a name"),
    ("a leading comma", "{,S,H}", "without a name"),
    ("two commas", "{S,,H}", "without a name"),
    ("a comma alone", "{,}", "without a name"),
    ("a name without quotes", "{signature:1,H}", "without a name"),
    ("a name in single quotes", "{'signature':\"s\",H}", "without a name"),
    ("a number as a name", "{1:2,S,H}", "without a name"),
    ("no comma", "{S H}", "no comma or brace after"),
    ("two values", r#"{"a":1 2,S,H}"#, "no comma or brace after"),
    ("a value behind a container", r#"{"a":[]1,S,H}"#, "no comma or brace after"),
    ("a string behind a string", r#"{"a":"b""c",S,H}"#, "no comma or brace after"),
    ("an end missing", "{S,H", "no comma or brace after"),
    ("a bracket as the end", "{S,H]", "no comma or brace after"),
    ("no colon", r#"{"a",S,H}"#, "colon"),
    ("an equals sign", r#"{"a"=1,S,H}"#, "colon"),
    ("two colons", r#"{"a"::1,S,H}"#, "without a value"),
    ("no value", r#"{"a":,S,H}"#, "without a value"),
    ("a word as a value", r#"{"a":True,S,H}"#, "without a value"),
    ("not a number", r#"{"a":nan,S,H}"#, "without a value"),
    ("a number that continues as a word", r#"{"a":1true,S,H}"#, "without a value"),
    ("a number cut short", r#"{"a":1.,S,H}"#, "without a value"),
    ("a plus sign", r#"{"a":+1,S,H}"#, "without a value"),
    ("undefined", r#"{"a":undefined,S,H}"#, "without a value"),
    ("a comment inside", r#"{"a":1/*,*/,S,H}"#, "no comma or brace after"),
    ("a string that does not end", r#"{S,H,"a":"b}"#, "string does not end"),
    ("a name that does not end", r#"{S,H,"a"#, "string does not end"),
    ("an escaped end of a string", r#"{S,H,"a":"b\"}"#, "string does not end"),
    ("a backslash as the end", r#"{S,H,"a":"b\"#, "string does not end"),
    ("a line break in a string", "{S,H,\"a\":\"b\n\"}", "control character"),
    ("an escaped line break in a string", "{S,H,\"a\":\"b\\\n\"}", "control character"),
    ("a NUL in a name", "{S,H,\"a\0\":1}", "control character"),
    ("an array that does not end", r#"{S,H,"a":[1}"#, "brackets do not match"),
    ("an object closed as an array", r#"{S,H,"a":{"b":1]}"#, "brackets do not match"),
    ("an array closed as an object deeper down", r#"{"a":[[[}]],S,H}"#, "brackets do not match"),
    ("brackets that do not end", r#"{S,H,"a":[[1]"#, "does not end"),
    ("signature twice", "{S,S,H}", "twice"),
    ("response_hash twice", r#"{H,"a":1,S,H}"#, "twice"),
    ("signature twice, with other values", r#"{S,H,"signature":""}"#, "twice"),
    ("signature three times", "{S,S,S}", "twice"),
    ("signature null", r#"{"signature":null,H}"#, "not a string"),
    ("signature a number", r#"{"signature":1,H}"#, "not a string"),
    ("signature an array", r#"{"signature":["s"],H}"#, "not a string"),
    ("signature an object", r#"{"signature":{"signature":"s"},H}"#, "not a string"),
    ("response_hash null", r#"{S,"response_hash":null}"#, "not a string"),
    ("response_hash true", r#"{S,"response_hash":true}"#, "not a string"),
    ("a good and a null signature", r#"{S,H,"signature":null}"#, "not a string"),
    ("signature with an escaped slash", r#"{"signature":"s\/",H}"#, "with escapes"),
    ("response_hash with an escape", r#"{S,"response_hash":"\u0068"}"#, "with escapes"),
    ("signature spelled with escapes", r#"{"\u0073ignature":"s",H}"#, "spelled with escapes"),
    (
        "signature spelled with escapes at the end",
        r#"{"signatur\u0065":"s",H}"#,
        "spelled with escapes",
    ),
    (
        "response_hash spelled with escapes",
        r#"{S,"response\u005Fhash":"h"}"#,
        "spelled with escapes",
    ),
    (
        "response_hash spelled with escapes alone",
        r#"{S,"\u0072\u0065\u0073\u0070\u006f\u006e\u0073\u0065\u005f\u0068\u0061\u0073\u0068":"h"}"#,
        "spelled with escapes",
    ),
    (
        "a good one and one spelled with escapes",
        r#"{S,H,"\u0073ignature":"s"}"#,
        "spelled with escapes",
    ),
    (
        "a name with an escape that is not one",
        r#"{S,H,"\x73ignature":"s"}"#,
        "spelled with escapes",
    ),
    ("a name with an escaped letter that is not ASCII", r#"{S,H,"\é":1}"#, "spelled with escapes"),
    ("a name with half an escape", r#"{S,H,"\u007":1}"#, "spelled with escapes"),
];

#[test]
fn ambiguous_texts_are_rejected() {
    for (name, short, words) in REFUSED {
        let text = text(short);
        let error = split(&text).unwrap_err();
        assert_eq!(error.kind(), VerifyErrorKind::Malformed, "{name}: {error}");
        assert!(error.to_string().contains(words), "{name}: {error}");
        assert_eq!(verify(&text), Err(error), "{name}");
    }
}

#[test]
fn members_that_are_missing_are_named() {
    for (name, short, missing) in [
        ("neither", "{}", "no signature"),
        ("an error", r#"{"error":{"message":"signature"}}"#, "no signature"),
        ("no signature", "{H}", "no signature"),
        ("no response_hash", "{S}", "no response_hash"),
        ("deeper down only", r#"{"a":{S,H}}"#, "no signature"),
    ] {
        let error = split(&text(short)).unwrap_err();
        assert_eq!(error.kind(), VerifyErrorKind::MissingSignature, "{name}");
        assert!(error.to_string().ends_with(missing), "{name}: {error}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_rejected() {
    for text in
        [&b"{\"a\":\"\xff\"}"[..], b"\xff", b"{\"a\":\"\xc3\"}", b"{\"a\":\"\xed\xa0\x80\"}"]
    {
        assert_eq!(verify(text).unwrap_err().kind(), VerifyErrorKind::Malformed);
    }
}

#[test]
fn nesting_a_million_deep_takes_no_stack() {
    const DEPTH: usize = 1_000_000;
    for (open, close) in [("[", "]"), (r#"{"signature":"#, "}")] {
        let value = |closed| format!("{}1{}", open.repeat(DEPTH), close.repeat(closed));
        let text = text(&format!(r#"{{"a":{},S,H}}"#, value(DEPTH)));
        let cut = split(&text).unwrap();
        assert_eq!(cut.preimage().map(str::len).sum::<usize>(), value(DEPTH).len() + 6);
        for closed in [DEPTH - 1, DEPTH + 1, 0] {
            let text = self::text(&format!(r#"{{"a":{},S,H}}"#, value(closed)));
            assert_eq!(split(&text).unwrap_err().kind(), VerifyErrorKind::Malformed);
        }
    }
}
