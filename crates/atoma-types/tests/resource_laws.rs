//! Laws of the models other than chat: a stream yields the same as a unary response, a written
//! value reads back the same, and floats are exact.

#[path = "support/arbitrary.rs"]
#[allow(dead_code)]
mod arbitrary;

use arbitrary::{extra, finish_reason, float, number, plausible, text, usage};
use atoma_types::*;
use proptest::{
    collection::{btree_map, vec},
    option::of,
    prelude::*,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::fmt::Debug;

/// Reads any JSON as a model; if that succeeds, writing and reading again changes nothing.
fn settles<T: Serialize + DeserializeOwned + PartialEq + Debug>(json: &Value) {
    let Ok(value) = serde_json::from_value::<T>(json.clone()) else { return };
    let written = serde_json::to_string(&value).unwrap();
    assert_eq!(serde_json::from_str::<T>(&written).unwrap(), value, "{json}");
}

/// Writes a value and reads it: it is the same.
fn is_read_again<T: Serialize + DeserializeOwned + PartialEq + Debug>(
    value: &T,
) -> Result<(), TestCaseError> {
    let written = serde_json::to_string(value).unwrap();
    prop_assert_eq!(&serde_json::from_str::<T>(&written).unwrap(), value, "{}", written);
    Ok(())
}

/// A text, or nothing: an empty text is the same as none in some members.
fn of_text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn prompt() -> impl Strategy<Value = TextInput> {
    prop_oneof![
        text().prop_map(TextInput::Text),
        vec(text(), 0..3).prop_map(TextInput::Texts),
        vec(any::<u32>(), 1..4).prop_map(TextInput::Tokens),
        vec(vec(any::<u32>(), 0..3), 1..3).prop_map(TextInput::TokenLists),
    ]
}

fn logprobs() -> impl Strategy<Value = CompletionLogprobs> {
    let likeliest = btree_map("[a-z]{1,3}", number(), 0..3);
    vec((text(), of(number()), of(likeliest), any::<u32>()), 1..5).prop_map(|entries| {
        let mut logprobs = CompletionLogprobs::default();
        for (token, logprob, likeliest, offset) in entries {
            logprobs.tokens.push(token);
            logprobs.token_logprobs.push(logprob);
            logprobs.top_logprobs.push(likeliest);
            logprobs.text_offset.push(offset);
        }
        logprobs
    })
}

fn completion() -> impl Strategy<Value = CompletionResponse> {
    let choice = (text(), of(logprobs()), finish_reason());
    ("[a-z]{1,6}", vec(choice, 1..4), of(usage()), of(text()), extra()).prop_map(
        |(id, choices, usage, fingerprint, extra)| {
            let mut response = CompletionResponse::default();
            (response.id, response.object) = (id.into(), "text_completion".into());
            response.usage = usage;
            response.system_fingerprint = fingerprint.map(Into::into);
            response.extra = extra;
            for ((text, logprobs, finish), index) in choices.into_iter().zip(0..) {
                let mut choice = CompletionChoice::default();
                (choice.text, choice.index) = (text, index);
                choice.logprobs = logprobs.map(Box::new);
                choice.finish_reason = Some(finish);
                response.choices.push(choice);
            }
            response
        },
    )
}

/// The events of a stream with the content of a response: every text is split into UTF-16 code
/// units, as servers in JavaScript do.
fn events(response: &CompletionResponse, piece: usize) -> Vec<String> {
    let mut events = Vec::new();
    let event = |choice: String| format!(r#"{{"object":"text_completion","choices":[{choice}]}}"#);
    for choice in &response.choices {
        let units: Vec<u16> = choice.text.encode_utf16().collect();
        for piece in units.chunks(piece) {
            let escaped: String = piece.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let index = choice.index;
            events.push(event(format!(r#"{{"index":{index},"text":"{escaped}"}}"#)));
        }
        let mut last = serde_json::to_value(choice).unwrap();
        last["text"] = json!("");
        events.push(event(last.to_string()));
    }
    let mut end = response.clone();
    end.choices.clear();
    events.push(serde_json::to_string(&end).unwrap());
    events
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_stream_of_a_completion_gives_the_whole_response(response in completion(), piece in 1..5_usize) {
        let whole = CompletionResponse::from_slice(&serde_json::to_vec(&response).unwrap()).unwrap();
        let mut model = CompletionModel::default();
        model.expect_choices(u32::try_from(response.choices.len()).unwrap());
        let mut read = String::new();
        for event in events(&response, piece) {
            let mut data = event.as_str();
            model.read("", &mut data).unwrap();
            read.extend(model.chunk().choices.iter().map(|choice| choice.text.as_str()));
        }
        let texts: String = whole.choices.iter().map(|choice| choice.text.as_str()).collect();
        prop_assert_eq!(read, texts, "the chunks joined");
        prop_assert!(model.progress().is_complete(false));
        let mut streamed = model.into_response();
        if whole.usage.as_ref().is_none_or(|usage| usage.total_tokens == 0) {
            streamed.usage.clone_from(&whole.usage);
        }
        prop_assert_eq!(streamed, whole);
    }

    #[test]
    fn requests_are_the_same_when_read_again(
        prompt in prompt(), floats in [of(float()), of(float())], stop in of(vec(text(), 1..3)), count in of(any::<u32>()), extra in extra(),
    ) {
        let mut completion = CompletionRequest::new("m", prompt.clone());
        [completion.temperature, completion.top_p] = floats;
        (completion.stop, completion.logprobs, completion.extra) = (stop, count, extra.clone());
        settles::<CompletionRequest>(&serde_json::to_value(&completion).unwrap());
        let written = serde_json::to_string(&completion).unwrap();
        prop_assert_eq!(serde_json::from_str::<CompletionRequest>(&written).unwrap(), completion);
        let mut embedding = EmbeddingRequest::new("m", prompt);
        (embedding.dimensions, embedding.extra) = (count, extra);
        let written = serde_json::to_string(&embedding).unwrap();
        prop_assert_eq!(serde_json::from_str::<EmbeddingRequest>(&written).unwrap(), embedding);
    }

    #[test]
    fn the_models_of_each_endpoint_are_the_same_when_read_again(
        (texts, ids) in (vec(text(), 6), (any::<u64>(), any::<u64>(), of(any::<u64>()))),
        (vector, count, usage) in (vec(float(), 0..6), of(1..5_u32), of(usage())),
        created in any::<i64>(),
        extra in extra(),
    ) {
        let mut request = ImageRequest::new(&texts[0], &texts[1]);
        (request.n, request.size, request.extra) = (count, of_text(&texts[2]), extra.clone());
        request.response_format = Some(ImageFormat::B64Json);
        is_read_again(&request)?;
        let address = NodeAddress::new(ids.0, &texts[0], &texts[1]);
        is_read_again(&NodeCreateRequest::new(address, &texts[2]))?;
        let mut request = NodeLockRequest::new(&texts[0]);
        (request.max_num_tokens, request.timeout, request.extra) = (ids.2, Some(ids.1), extra.clone());
        is_read_again(&request)?;

        let mut embedding = Embedding::default();
        (embedding.object, embedding.embedding) = ("embedding".to_owned(), vector);
        let mut response = EmbeddingResponse::default();
        (response.data, response.usage, response.extra) = (vec![embedding], usage, extra.clone());
        is_read_again(&response)?;
        let mut image = ImageData::default();
        (image.url, image.b64_json) = (of_text(&texts[0]), of_text(&texts[1]));
        let mut response = ImageResponse::default();
        (response.created, response.data, response.extra) = (created, vec![image], extra.clone());
        response.response_hash = of_text(&texts[3]);
        is_read_again(&response)?;
        let mut model = ModelInfo::default();
        (model.id, model.owned_by, model.created) = (texts[0].clone(), texts[1].clone(), created);
        model.extra = extra.clone();
        let mut list = ModelList::default();
        (list.object, list.data) = ("list".to_owned(), vec![model]);
        is_read_again(&list)?;
        let mut health = HealthResponse::default();
        (health.message, health.extra) = (texts[0].clone(), extra.clone());
        is_read_again(&health)?;
        let mut node = NodeCreateResponse::default();
        (node.message, node.extra) = (texts[0].clone(), extra.clone());
        is_read_again(&node)?;
        let mut lock = NodeLockResponse::default();
        (lock.public_key, lock.stack_entry_digest) = (texts[0].clone(), of_text(&texts[1]));
        (lock.node_small_id, lock.stack_small_id, lock.extra) = (ids.0, ids.1, extra);
        is_read_again(&lock)?;
    }

    #[test]
    fn any_json_is_stable_after_one_round_trip(json in plausible()) {
        settles::<CompletionRequest>(&json);
        settles::<CompletionResponse>(&json);
        settles::<CompletionLogprobs>(&json);
        settles::<EmbeddingRequest>(&json);
        settles::<EmbeddingResponse>(&json);
        settles::<ImageRequest>(&json);
        settles::<ImageResponse>(&json);
        settles::<ModelList>(&json);
        settles::<NodeCreateRequest>(&json);
        settles::<NodeCreateResponse>(&json);
        settles::<NodeLockRequest>(&json);
        settles::<NodeLockResponse>(&json);
        settles::<HealthResponse>(&json);
        settles::<TextInput>(&json);
    }

    #[test]
    fn any_decimals_are_read_as_the_nearest_floats(
        literals in vec("-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,2})?", 1..20),
    ) {
        let text = format!(r#"{{"embedding":[{}]}}"#, literals.join(","));
        let read: Embedding = serde_json::from_str(&text).unwrap();
        for (literal, number) in literals.iter().zip(read.embedding) {
            let nearest: f32 = literal.parse().unwrap();
            let nearest = if nearest.is_finite() { nearest } else { f32::NAN };
            prop_assert_eq!(number.to_bits(), nearest.to_bits(), "{}", literal);
        }
    }

    #[test]
    fn vectors_are_exact_in_either_form(vector in vec(float(), 0..50)) {
        let bits = |vector: &[f32]| vector.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
        let list = serde_json::to_string(&vector).unwrap();
        let embedding: Embedding = serde_json::from_str(&format!(r#"{{"embedding":{list}}}"#)).unwrap();
        prop_assert_eq!(bits(&embedding.embedding), bits(&vector));
        let again: Embedding = serde_json::from_value(serde_json::to_value(&embedding).unwrap()).unwrap();
        prop_assert_eq!(bits(&again.embedding), bits(&vector), "written and read");
        let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
        let part = ContentPart::image_bytes("x/y", &bytes);
        let base64 = serde_json::to_value(&part).unwrap()["image_url"]["url"].as_str().unwrap().replace("data:x/y;base64,", "");
        let embedding: Embedding = serde_json::from_value(json!({"embedding": base64})).unwrap();
        prop_assert_eq!(bits(&embedding.embedding), bits(&vector), "base64");
        // Some servers escape slashes.
        for text in [base64.replace('/', "\\/"), base64] {
            let body = format!(r#"{{"data":[{{"embedding":"{text}"}}]}}"#);
            let response = EmbeddingResponse::from_slice(body.as_bytes()).unwrap();
            prop_assert_eq!(bits(&response.data[0].embedding), bits(&vector), "{}", text);
        }
    }
}

/// The decimal halfway between a float and the next one, and a little beyond it: through an `f64`, both are the tie.
fn halfway(float: f32) -> [String; 2] {
    let next = f32::from_bits(float.to_bits() + 1);
    let tie = (f64::from(float) + f64::from(next)) / 2.0;
    // Enough digits for any tie to be exact.
    let exact = format!("{tie:.170}");
    [exact.clone(), format!("{exact}1")]
}

#[test]
fn each_number_of_a_vector_is_the_nearest_float_of_its_decimal() {
    let mut literals: Vec<String> = [
        "1",
        "-0",
        "-0.0",
        "0.1",
        "1E-2",
        "1e+3",
        "3.4028235e38",
        "1e-46",
        "7.006492321624085e-46",
    ]
    .map(str::to_owned)
    .into();
    literals.push("1.00000017881393432617187499".to_owned());
    literals.push("1.00000017881393432617187501".to_owned());
    for float in [1.0_f32, 0.1, 0.7, 1.5e-5, 16_777_216.0, 3.0e-20] {
        literals.extend(halfway(float));
        literals.extend(halfway(float).map(|literal| format!("-{literal}")));
    }
    let wanted: Vec<u32> =
        literals.iter().map(|literal| literal.parse::<f32>().unwrap().to_bits()).collect();
    let bits = |vector: &[f32]| vector.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
    let embedding = |list: String| format!(r#"{{"embedding":{list},"index":0}}"#);
    let list = format!("[{}]", literals.join(" ,\n"));
    let strings = format!("[\"{}\"]", literals.join("\",\""));
    for (name, text) in [("a list", &list), ("numbers in strings", &strings)] {
        let read: Embedding = serde_json::from_str(&embedding(text.clone())).unwrap();
        assert_eq!(bits(&read.embedding), wanted, "{name}");
        let read: Embedding = serde_json::from_reader(embedding(text.clone()).as_bytes()).unwrap();
        assert_eq!(bits(&read.embedding), wanted, "{name}, from a reader");
        let body = format!(r#"{{"data":[{}]}}"#, embedding(text.clone()));
        let read = EmbeddingResponse::from_slice(body.as_bytes()).unwrap();
        assert_eq!(bits(&read.data[0].embedding), wanted, "{name} of a response");
        assert!(read.data[0].extra.is_empty());
    }
}

#[test]
fn a_vector_is_read_from_deserializers_without_text() {
    use serde::de::{
        IntoDeserializer,
        value::{Error, MapDeserializer, SeqDeserializer},
    };
    struct Numbers;
    impl<'de> IntoDeserializer<'de, Error> for Numbers {
        type Deserializer = SeqDeserializer<std::array::IntoIter<f32, 2>, Error>;
        fn into_deserializer(self) -> Self::Deserializer {
            SeqDeserializer::new([0.5_f32, -1.0].into_iter())
        }
    }
    let members = MapDeserializer::<_, Error>::new([("embedding", Numbers)].into_iter());
    let read: Embedding = serde::Deserialize::deserialize(members).unwrap();
    assert_eq!(read.embedding, [0.5, -1.0]);
    let text = MapDeserializer::<_, Error>::new([("embedding", "zczMPQAAgL4AAEBA")].into_iter());
    let read: Embedding = serde::Deserialize::deserialize(text).unwrap();
    assert_eq!(read.embedding, [0.1, -0.25, 3.0]);
    let value = json!({"embedding": [[0.5, null]], "index": 1});
    let read: Embedding = serde_json::from_value(value).unwrap();
    assert!(read.embedding[0] == 0.5 && read.embedding[1].is_nan() && read.extra.is_empty());
}

#[test]
fn each_mistake_in_a_request_is_reported_with_its_field() {
    let completion = || CompletionRequest::new("m", "p");
    let image = || ImageRequest::new("m", "p").n(1).size("1024x1024");
    for (found, expected) in [
        (CompletionRequest::new("", "p").validate(), "model is empty: name a model of the server"),
        (
            CompletionRequest::new("m", Vec::<String>::new()).validate(),
            "prompt is empty: add at least one text",
        ),
        (completion().temperature(3).validate(), "temperature must be from 0 to 2"),
        (completion().top_p(f32::NAN).validate(), "top_p is not a finite number"),
        (completion().max_tokens(0).validate(), "max_tokens must be at least 1"),
        (completion().logprobs(21).validate(), "logprobs must be from 0 to 20"),
        (completion().stop(["a"; 5]).validate(), "stop must have at most 4 texts"),
        (completion().n(3).best_of(2).validate(), "best_of must be at least n"),
        (
            completion().n(1).extra("n", 2).validate(),
            "n is set twice: as a field and as an extra member",
        ),
        (EmbeddingRequest::new("m", "").validate(), "input is empty: give a text"),
        (EmbeddingRequest::new("m", "a").dimensions(0).validate(), "dimensions must be at least 1"),
        (ImageRequest::new("m", " ").validate(), "prompt is empty: describe the image"),
        (
            ImageRequest::new("m", "p").validate(),
            "n is missing: Atoma's server requires the number of images, such as 1",
        ),
        (
            ImageRequest::new("m", "p").n(1).validate(),
            "size is missing: Atoma's server requires it, such as 1024x1024",
        ),
        (
            image().size("large").validate(),
            "size must be WIDTHxHEIGHT in pixels, such as 1024x1024",
        ),
        (image().size("0x5").validate(), "size must be WIDTHxHEIGHT in pixels, such as 1024x1024"),
        (NodeLockRequest::new("").validate(), "model is empty: name a model of the server"),
        (
            NodeCreateRequest::new(NodeAddress::new(1, "", "PT"), "s").validate(),
            "data.public_address is empty",
        ),
    ] {
        assert_eq!(found.unwrap_err().to_string(), format!("invalid request: {expected}"));
    }
    let sized_by_the_server = ImageRequest::new("m", "p").n(1).extra("size", "auto");
    assert!(image().validate().is_ok() && sized_by_the_server.validate().is_ok());
}
