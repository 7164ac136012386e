//! The small public values: texts that are shared, inputs, lists of models, addresses of nodes.

use atoma_types::{
    ChatCompletionChunk, ChatCompletionChunkChoice, ChatCompletionChunkDelta,
    ChatCompletionMessage, ChatCompletionResponse, CompletionChoice, CompletionLogprobs,
    CompletionRequest, Embedding, ImageResponse, ModelInfo, ModelList, NodeAddress, ResponseModel,
    SharedStr, TextInput, TokenLogprob, ToolCall, Usage, read_members,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{collections::HashMap, fmt::Debug, sync::Arc};

#[test]
fn a_shared_text_is_made_of_any_text_and_compares_as_one() {
    let owned = "ab".to_owned();
    for shared in [
        SharedStr::from("ab"),
        SharedStr::from(&owned),
        SharedStr::from(owned.clone()),
        SharedStr::from(Arc::from("ab")),
    ] {
        assert_eq!(AsRef::<str>::as_ref(&shared), "ab");
        assert_eq!(shared, "ab");
        assert!(shared < "b".into() && shared > "a".into());
    }
}

#[test]
fn an_empty_member_does_not_replace_a_text_of_the_same_name() {
    for (json, id) in [(r#"{"id":"a","id":""}"#, "a"), (r#"{"id":"","id":"a"}"#, "a")] {
        assert_eq!(ChatCompletionChunk::from_slice(json.as_bytes()).unwrap().id, id, "{json}");
    }
}

#[test]
fn the_number_of_texts_is_counted_in_each_form() {
    for (input, count) in [
        (TextInput::from(&"a".to_owned()), 1),
        (TextInput::from("a".to_owned()), 1),
        (TextInput::from(["a", "b", "c"]), 3),
        (TextInput::from([1, 2, 3]), 1),
        (TextInput::from(vec![vec![1], vec![2, 3]]), 2),
        (TextInput::Other(json!([{}, {}])), 2),
        (TextInput::Other(json!({})), 1),
    ] {
        assert_eq!(input.count(), count, "{input:?}");
    }
    let owned = "a".to_owned();
    assert_eq!(TextInput::from(&owned).as_text(), Some("a"));
    assert_eq!(TextInput::from(owned).as_text(), Some("a"));
    assert_eq!(TextInput::from(["a"]).as_text(), None);
}

#[test]
fn a_completion_has_n_choices_for_each_text() {
    let one = || CompletionRequest::new("m", "a");
    let three = || CompletionRequest::new("m", ["a", "b", "c"]);
    for (name, request, choices) in [
        ("one text", one(), 1),
        ("one text, n", one().n(2), 2),
        ("one text, none asked for", one().n(0), 1),
        ("several texts", three(), 3),
        ("several texts, n", three().n(2), 6),
        ("several texts, none asked for", three().n(0), 3),
        ("several texts, the best of more", three().n(2).best_of(5), 6),
        ("one text of tokens", CompletionRequest::new("m", [1, 2, 3]).n(2), 2),
        ("no text", CompletionRequest::new("m", Vec::<String>::new()).n(2), 2),
        ("more than can be counted", three().n(u32::MAX), u32::MAX),
    ] {
        assert_eq!(request.choices(), choices, "{name}");
    }
}

#[test]
fn an_input_without_a_text_is_refused() {
    for (input, fault) in [
        (TextInput::from("a"), None),
        (TextInput::from(["a"]), None),
        (TextInput::from([1]), None),
        (TextInput::from(vec![vec![1]]), None),
        (TextInput::Other(json!([{}])), None),
        (TextInput::Texts(vec![]), Some("at least one text")),
        (TextInput::TokenLists(vec![]), Some("at least one text")),
        (TextInput::Tokens(vec![]), Some("at least one token")),
        (TextInput::TokenLists(vec![vec![1], vec![]]), Some("a text without tokens")),
        (TextInput::Other(Value::Null), Some("is missing")),
    ] {
        let found = CompletionRequest::new("m", input.clone()).validate();
        let found = found.err().map(|error| error.to_string());
        let holds = match (&found, fault) {
            (Some(found), Some(fault)) => found.contains(fault),
            (found, fault) => found.is_none() && fault.is_none(),
        };
        assert!(holds, "{input:?}: {found:?}");
    }
}

#[test]
fn a_model_is_found_by_its_whole_id() {
    let list = ModelList::from_slice(br#"{"data":[{"id":"a"},{"id":"ab"}]}"#).unwrap();
    assert_eq!(list.find("ab"), Some(&list.data[1]));
    assert_eq!(list.find("a"), Some(&list.data[0]));
    assert_eq!(list.find("A"), None);
}

#[test]
fn models_are_looked_for_elsewhere_only_if_the_data_is_empty_and_there_is_no_error() {
    for (body, ids, object, is_kept) in [
        (r#"{"object":"o","data":[{"id":"a"}],"models":["b"]}"#, &["a"][..], "o", true),
        (r#"{"object":"o","data":[],"models":["b"]}"#, &[], "list", false),
        (r#"{"object":"o","models":["b"]}"#, &["b"], "list", false),
        (r#"{"error":{"message":"e"},"models":["b"]}"#, &[], "", true),
    ] {
        let list = ModelList::from_slice(body.as_bytes()).unwrap();
        assert!(list.data.iter().map(|model| &model.id).eq(ids), "{body}: {list:?}");
        assert_eq!((&*list.object, list.extra.contains("models")), (object, is_kept), "{body}");
    }
}

#[test]
fn the_signed_bytes_of_an_address_are_compact_json_in_order() {
    let address = NodeAddress::new(7, "https://node.example", "PT");
    assert_eq!(
        String::from_utf8(address.to_signed_bytes()).unwrap(),
        r#"{"node_small_id":7,"public_address":"https://node.example","country":"PT"}"#
    );
}

#[test]
fn the_usage_of_images_has_all_three_counts() {
    let body =
        br#"{"data":[{"url":"u"}],"usage":{"input_tokens":1,"output_tokens":2,"total_tokens":4}}"#;
    let usage = <ImageResponse as ResponseModel>::from_slice(body)
        .ok()
        .and_then(|response| response.usage());
    let usage = usage.unwrap();
    assert_eq!((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens), (1, 2, 4));
}

#[test]
fn a_float_is_the_nearest_although_rounding_to_64_bits_first_is_not() {
    // Their nearest floats of 64 bits are halfway between two of 32 bits.
    for text in ["0.5631068050861359", "28.14768695831299", "8.46465253829956", "5.598715543746948"]
    {
        let wanted: f32 = text.parse().unwrap();
        #[allow(clippy::cast_possible_truncation, reason = "it shows that two roundings differ")]
        let twice = text.parse::<f64>().unwrap() as f32;
        assert!(twice.to_bits() != wanted.to_bits());
        for (text, wanted) in [(text.to_owned(), wanted), (format!("-{text}"), -wanted)] {
            let json = format!(r#"{{"index":0,"embedding":[{text}]}}"#);
            let read: Embedding = serde_json::from_str(&json).unwrap();
            assert_eq!(read.embedding[0].to_bits(), wanted.to_bits(), "{text}");
        }
    }
}

#[test]
fn a_number_that_json_cannot_write_is_null_in_a_vector() {
    let mut vector = Embedding::default();
    vector.embedding = vec![0.5, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0];
    let written = serde_json::to_string(&vector).unwrap();
    assert!(written.contains(r#""embedding":[0.5,null,null,null,-1.0]"#), "{written}");
    let read: Embedding = serde_json::from_str(r#"{"embedding":[null,-1]}"#).unwrap();
    let written = serde_json::to_value(&read).unwrap();
    assert_eq!(written["embedding"], json!([null, -1.0]));
}

#[test]
fn a_text_in_place_of_a_number_is_read_only_if_json_would_write_the_number_so() {
    for (text, temperature) in [
        ("0.7", Some(0.7)),
        (" -1e-1\n", Some(-0.1)),
        ("0.", None),
        (".5", None),
        ("+1", None),
        ("01", None),
        ("inf", None),
        ("NaN", None),
        ("warm", None),
    ] {
        let json = json!({"temperature": text, "logit_bias": {"7": text, "8": 1}});
        let request: CompletionRequest = serde_json::from_value(json).unwrap();
        assert_eq!(request.temperature, temperature, "{text}");
        let kept = temperature.is_none().then(|| json!(text));
        assert_eq!(request.extra.get("temperature"), kept.as_ref(), "{text}");
        let bias = request.logit_bias.unwrap();
        assert_eq!((bias.get("7").copied(), bias["8"]), (temperature, 1.0), "{text}");
    }
}

/// With its feature `arbitrary_precision`, serde_json passes each number so.
#[test]
fn a_number_that_is_passed_as_an_object_is_read_as_one() {
    let number = |text: &str| json!({"$serde_json::private::Number": text});
    let json = json!({"n": number("2"), "seed": number("0"), "top_p": number("0.5"),
        "echo": number("1"), "x": number("-1.5"), "y": [number("7")]});
    let request: CompletionRequest = serde_json::from_value(json).unwrap();
    assert_eq!((request.n, request.seed, request.top_p), (Some(2), Some(0), Some(0.5)));
    let kept: Vec<_> = request.extra.iter().collect();
    assert_eq!(kept, [("echo", &json!(1)), ("x", &json!(-1.5)), ("y", &json!([7]))]);
    let chunk = json!({"created": number("0"), "choices": [{"index": number("0")}]});
    let chunk: ChatCompletionChunk = serde_json::from_value(chunk).unwrap();
    assert!(chunk.extra.is_empty() && chunk.choices[0].extra.is_empty(), "{chunk:?}");
    for broken in [number("one"), json!({"$serde_json::private::Number": 1})] {
        let error = serde_json::from_value::<CompletionRequest>(json!({"x": broken})).unwrap_err();
        assert_eq!(error.to_string(), "invalid number");
    }
}

#[test]
fn a_value_that_another_format_marks_as_present_is_read() {
    use serde::de::{
        Deserializer, IntoDeserializer, Visitor,
        value::{Error, MapDeserializer},
    };
    /// A value in a format that says of each whether it is there.
    struct Marked(Option<&'static str>);
    impl<'de> Deserializer<'de> for Marked {
        type Error = Error;
        fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.0 {
                Some(text) => visitor.visit_some(text.into_deserializer()),
                None => visitor.visit_none(),
            }
        }
        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
        }
    }
    impl IntoDeserializer<'_, Error> for Marked {
        type Deserializer = Self;
        fn into_deserializer(self) -> Self {
            self
        }
    }
    let members = [
        ("model", Marked(Some("m"))),
        ("user", Marked(None)),
        ("x", Marked(Some("a"))),
        ("y", Marked(None)),
    ];
    let members = MapDeserializer::<_, Error>::new(members.into_iter());
    let request: CompletionRequest = serde::Deserialize::deserialize(members).unwrap();
    assert_eq!((&*request.model, request.user), ("m", None));
    let kept: Vec<_> = request.extra.iter().collect();
    assert_eq!(kept, [("x", &json!("a")), ("y", &Value::Null)]);
}

#[test]
fn members_are_read_by_their_names() {
    let json = r#"{"model":"m","messages":[{"role":"user"}],"seed":7}"#;
    let members: HashMap<_, _> = read_members(json, &["model", "seed", "n"]).into_iter().collect();
    assert_eq!(members, HashMap::from([("model".into(), "m".into()), ("seed".into(), 7.into())]));
    for other in ["", "[]", "{", "text"] {
        assert!(read_members(other, &["model"]).is_empty(), "{other}");
    }
}

#[test]
fn the_function_calls_of_a_whole_message_are_named_and_their_arguments_are_valid() {
    let quoted = |text: &str| json!(text).to_string();
    let cases: &[(&str, &str, String, Option<String>)] = &[
        ("function", "null", "{}".to_owned(), None),
        ("function", "f", quoted("{\"a\":1}"), Some("{\"a\":1}".to_owned())),
        ("function", "f", quoted(" [1]"), Some(" [1]".to_owned())),
        ("function", "f", quoted("a"), Some(quoted("a"))),
        ("function", "f", quoted("1"), Some(quoted("1"))),
        ("function", "f", quoted("{a"), Some(quoted("{a"))),
        ("function", "f", "{\"a\":1}{\"a\":1}".to_owned(), Some("{\"a\":1}".to_owned())),
        ("function", "f", "{}{\"a\":1}".to_owned(), Some("{\"a\":1}".to_owned())),
        ("function", "f", String::new(), Some("{}".to_owned())),
        ("function", "f", "null".to_owned(), Some("{}".to_owned())),
        ("custom", "null", quoted("{}"), Some(quoted("{}"))),
    ];
    for (kind, name, arguments, wanted) in cases {
        let call =
            json!({"id": "a", "type": kind, "function": {"name": name, "arguments": arguments}});
        let message = json!({"role": "assistant", "tool_calls": [call]});
        let body =
            json!({"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]});
        let response = ChatCompletionResponse::from_slice(body.to_string().as_bytes()).unwrap();
        let calls = &response.choices[0].message.tool_calls;
        let found = calls.first().map(|call| call.function.arguments.clone());
        assert_eq!(found, *wanted, "{body}");
    }
}

/// Checks that the first of two members of one name is kept if the second is empty, for some members of a type.
fn check_empty_members<T: DeserializeOwned + PartialEq + Debug>(members: &[(&str, &str, &str)]) {
    for (name, set, empty) in members {
        let read = |json: String| serde_json::from_str::<T>(&json).unwrap();
        let once = read(format!(r#"{{"{name}":{set}}}"#));
        let twice = read(format!(r#"{{"{name}":{set},"{name}":{empty}}}"#));
        assert_eq!(twice, once, "{name}");
        assert_ne!(once, read(format!(r#"{{"{name}":{empty}}}"#)), "{name}");
    }
}

#[test]
fn an_empty_member_never_replaces_one_that_is_set() {
    check_empty_members::<ChatCompletionChunk>(&[
        ("id", r#""a""#, r#""""#),
        ("created", "5", "0"),
        ("model", r#""a""#, r#""""#),
        ("choices", r#"[{"index":1}]"#, "[]"),
        ("object", r#""chat.completion""#, r#""""#),
    ]);
    check_empty_members::<ChatCompletionChunkChoice>(&[
        ("index", "1", "0"),
        ("finish_reason", r#""stop""#, r#""""#),
        ("finish_reason", r#""stop""#, "null"),
        ("stop_reason", r#""a""#, "null"),
        ("delta", r#"{"content":"a"}"#, "{}"),
        ("delta", r#"{"content":"a"}"#, "null"),
    ]);
    check_empty_members::<ChatCompletionChunkDelta>(&[
        ("content", r#""a""#, "null"),
        ("tool_calls", r#"[{"index":1}]"#, "[]"),
    ]);
    check_empty_members::<ChatCompletionMessage>(&[
        ("role", r#""user""#, r#""""#),
        ("content", r#""a""#, r#""""#),
        ("content", r#"[{"type":"text","text":"a"}]"#, "[]"),
        ("tool_calls", r#"[{"id":"a","function":{"name":"f"}}]"#, "[]"),
    ]);
    check_empty_members::<ToolCall>(&[
        ("id", r#""a""#, r#""""#),
        ("type", r#""custom""#, r#""""#),
        ("function", r#"{"name":"f"}"#, "{}"),
    ]);
    check_empty_members::<Usage>(&[("prompt_tokens", "5", "0"), ("total_tokens", "5", "0")]);
    check_empty_members::<TokenLogprob>(&[
        ("token", r#""a""#, r#""""#),
        ("top_logprobs", r#"[{"token":"a"}]"#, "[]"),
    ]);
    check_empty_members::<CompletionChoice>(&[("text", r#""a""#, r#""""#), ("index", "1", "0")]);
    check_empty_members::<CompletionLogprobs>(&[
        ("tokens", r#"["a"]"#, "[]"),
        ("token_logprobs", "[-0.5]", "[]"),
        ("top_logprobs", r#"[{"a":-0.5}]"#, "[]"),
        ("text_offset", "[1]", "[]"),
    ]);
    check_empty_members::<Embedding>(&[("embedding", "[1.5]", "[]"), ("index", "1", "0")]);
    check_empty_members::<ModelInfo>(&[("id", r#""a""#, r#""""#), ("created", "5", "0")]);
    check_empty_members::<NodeAddress>(&[("node_small_id", "5", "0")]);
}
