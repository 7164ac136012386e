//! Types of every shape that serde knows, filled by a model that keeps to their schemas: in each mode, whole and streamed.

mod support;

use atoma::{ChatCompletionRequest, Client, ParseMode};
use atoma_mock::MockServer;
use schemars::JsonSchema;
use serde::{Deserialize, de::DeserializeOwned};
use std::{fmt::Debug, num::NonZeroU8};

#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "read from JSON")]
struct Of<T> {
    value: T,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "read from JSON")]
struct Person {
    /// As on the passport
    name: String,
    age: Option<u8>,
    #[serde(default)]
    visits: u32,
    #[serde(rename = "e-mail")]
    email: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Unit {
    DegreesCelsius,
    /// Of the old days
    DegreesFahrenheit,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "read from JSON")]
enum External {
    Plain,
    Number(u8),
    Members { name: String },
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind")]
#[allow(dead_code, reason = "read from JSON")]
enum Internal {
    Circle { radius: f64 },
    Square { side: f64 },
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind", content = "data")]
#[allow(dead_code, reason = "read from JSON")]
enum Adjacent {
    Text(String),
    Person(Person),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "read from JSON")]
enum Untagged {
    Person(Person),
    Name(String),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "read from JSON")]
struct Newtype(String);

#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "read from JSON")]
struct Nothing;

#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "read from JSON")]
struct Flat {
    id: u64,
    #[serde(flatten)]
    person: Person,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "read from JSON")]
struct Bounded {
    #[schemars(range(min = 3, max = 5))]
    stars: u8,
    #[schemars(length(min = 3))]
    tags: Vec<String>,
    #[schemars(length(min = 2, max = 4))]
    code: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "read from JSON")]
struct Tree {
    name: String,
    children: Vec<Tree>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "read from JSON")]
struct Chain {
    link: u8,
    next: Option<Box<Chain>>,
}

fn request() -> ChatCompletionRequest {
    let mut request = support::request();
    request.model = "meta-llama/Llama-3.3-70B-Instruct".to_owned();
    request
}

async fn fill<T>(client: &Client, name: &str)
where
    T: DeserializeOwned + JsonSchema + Debug + 'static,
{
    let mut values = Vec::new();
    for mode in [ParseMode::JsonSchema, ParseMode::ToolCall] {
        let whole = client.chat().parse::<T>(request()).mode(mode).await.unwrap();
        let text = whole.text().to_owned();
        let value = whole.into_parsed().unwrap_or_else(|error| panic!("{name}: {error} in {text}"));
        values.push(format!("{value:?}"));

        let call = client.chat().parse::<T>(request()).mode(mode);
        let mut stream = call.stream().await.unwrap();
        while stream.next_ref().await.unwrap().is_some() {}
        let value = stream.into_response().await.unwrap().into_parsed().unwrap();
        values.push(format!("{value:?}"));
    }
    assert!(values.iter().all(|value| *value == values[0]), "{name}: {values:?}");
}

macro_rules! fill_each {
    ($client:expr, $( $ty:ty ),* $(,)?) => {{
        let mut count = 0;
        $( fill::<$ty>($client, stringify!($ty)).await; count += 1; )*
        count
    }};
}

#[tokio::test]
async fn each_type_is_filled() {
    let mock = MockServer::start().await;
    let client = support::client(mock.url());
    let count = fill_each!(
        &client,
        Person,
        Of<String>,
        Of<bool>,
        Of<char>,
        Of<u8>,
        Of<i64>,
        Of<u64>,
        Of<f32>,
        Of<f64>,
        Of<NonZeroU8>,
        Of<Option<String>>,
        Of<Option<Option<u8>>>,
        Of<Vec<String>>,
        Of<Vec<Vec<i32>>>,
        Of<Vec<Option<i32>>>,
        Of<Option<Vec<Person>>>,
        Of<[i32; 3]>,
        Of<Box<Person>>,
        Of<Option<Person>>,
        Of<Vec<Person>>,
        Of<Of<Of<Unit>>>,
        Of<Unit>,
        Of<Option<Unit>>,
        Of<Vec<Unit>>,
        Of<External>,
        Of<Vec<External>>,
        Of<Internal>,
        Of<Option<Internal>>,
        Of<Adjacent>,
        Of<Untagged>,
        Of<Newtype>,
        Of<Nothing>,
        Flat,
        Bounded,
        Tree,
        Of<Tree>,
        Chain,
    );
    assert!(count >= 30);
}
