//! A conversation is always in a state that a server accepts.

use atoma::{
    ChatCompletionMessage as Message, ChatCompletionResponse, Conversation, Role, ToolCall,
};
use proptest::{collection::vec, prelude::*, sample::select};

fn calls(ids: &[&str]) -> Message {
    Message::assistant_tool_calls(ids.iter().map(|id| ToolCall::function(*id, "f", "{}")))
}

fn roles(conversation: &Conversation) -> String {
    let letter = |message: &Message| match message.role {
        Role::System => 's',
        Role::User => 'u',
        Role::Tool => 't',
        _ if message.tool_calls.is_empty() => 'a',
        _ => 'c',
    };
    conversation.messages().iter().map(letter).collect()
}

#[test]
fn a_call_joins_the_messages_with_its_last_result() {
    let mut conversation = Conversation::new("s");
    conversation.push(Message::user("u")).unwrap();
    conversation.push(calls(&["1", "2"])).unwrap();
    conversation.push(Message::tool("2", "two")).unwrap();
    assert_eq!((roles(&conversation).as_str(), conversation.pending().len()), ("su", 2));

    let error = conversation.push(Message::user("early")).unwrap_err();
    assert_eq!(error.to_string(), "tool calls without a result: 1; push their results first");
    for id in ["2", "3", ""] {
        let error = conversation.push(Message::tool(id, "again")).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("no tool call waits for a result with the id {id:?}")
        );
    }

    conversation.push(Message::tool("1", "one")).unwrap();
    assert_eq!((roles(&conversation).as_str(), conversation.pending().len()), ("suctt", 0));
}

#[test]
fn pending_calls_can_be_discarded() {
    let mut conversation = Conversation::new("s");
    conversation.push(calls(&["1"])).unwrap();
    assert_eq!(conversation.discard_pending().len(), 1);
    conversation.push(Message::user("u")).unwrap();
    assert_eq!(roles(&conversation), "su");
}

#[test]
fn trimming_keeps_instructions_the_last_question_and_whole_calls() {
    let build = |letters: &str| {
        let mut conversation = Conversation::default();
        for letter in letters.chars() {
            let message = match letter {
                's' => Message::system("s"),
                'u' => Message::user("u"),
                'a' => Message::assistant("a"),
                'c' => calls(&["1"]),
                _ => Message::tool("1", "t"),
            };
            conversation.push(message).unwrap();
        }
        conversation
    };
    let cases = [
        ("within the budget", "suaua", 5, "suaua"),
        ("the oldest turn", "suauaua", 5, "suaua"),
        ("calls with their results", "suctauctaua", 7, "suctaua"),
        ("down to the last question", "suauauct", 0, "suct"),
        ("a question without a response", "suau", 0, "su"),
        ("two system messages", "ssuaua", 4, "ssua"),
        ("without a system message", "uaua", 2, "ua"),
        ("an assistant before the first user", "saua", 3, "sua"),
        ("only instructions", "ss", 0, "ss"),
        ("no user at all", "saa", 0, "saa"),
        ("empty", "", 0, ""),
    ];
    for (name, before, budget, after) in cases {
        let mut conversation = build(before);
        let removed = conversation.trim(budget, |_| 1);
        assert_eq!(roles(&conversation), after, "{name}");
        assert_eq!(removed, before.len() - after.len(), "{name}");
    }
}

#[test]
fn a_saved_conversation_is_loaded_unchanged() {
    let mut conversation = Conversation::new("s");
    for message in
        [Message::user("u"), calls(&["1"]), Message::tool("1", "t"), Message::assistant("a")]
    {
        conversation.push(message).unwrap();
    }
    let loaded = Conversation::from_json(&conversation.to_json()).unwrap();
    assert_eq!(loaded, conversation);
}

#[test]
fn a_conversation_is_saved_to_a_file_and_loaded_from_it() {
    let mut conversation = Conversation::new("s");
    conversation.push(Message::user("u")).unwrap();
    let name = format!("atoma-conversation-{}.json", std::process::id());
    let path = std::env::temp_dir().join(name);
    conversation.save(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), conversation.to_json());
    assert_eq!(Conversation::load(&path).unwrap(), conversation);
    std::fs::write(&path, "{}").unwrap();
    let kind = Conversation::load(&path).unwrap_err().kind();
    assert_eq!(kind, std::io::ErrorKind::InvalidData);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(Conversation::load(&path).unwrap_err().kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn a_request_has_the_model_and_the_messages_that_do_not_wait() {
    let mut conversation = Conversation::new("s");
    conversation.push(Message::user("u")).unwrap();
    conversation.push(calls(&["1"])).unwrap();
    let request = conversation.request("m");
    assert_eq!(request.model, "m");
    assert_eq!(request.messages, conversation.messages());
    assert_eq!(request.messages.len(), 2);
}

#[test]
fn the_message_of_a_response_is_added_under_the_same_rules() {
    let response = |message: &str| -> ChatCompletionResponse {
        let choice = format!(r#"{{"index":0,"finish_reason":"stop","message":{message}}}"#);
        serde_json::from_str(&format!(r#"{{"choices":[{choice}]}}"#)).unwrap()
    };
    let mut conversation = Conversation::new("s");
    conversation.push(Message::user("u")).unwrap();
    conversation.push_response(&response(r#"{"role":"assistant","content":"a"}"#)).unwrap();
    assert_eq!(roles(&conversation), "sua");
    let text = conversation.messages().last().map(Message::text);
    assert_eq!(text.as_deref(), Some("a"));

    conversation.push_response(&ChatCompletionResponse::default()).unwrap();
    assert_eq!(roles(&conversation), "sua", "a response without a message adds nothing");

    conversation.push(calls(&["1"])).unwrap();
    let early = response(r#"{"role":"assistant","content":"early"}"#);
    assert!(conversation.push_response(&early).is_err());
    assert_eq!(roles(&conversation), "sua");
}

#[test]
fn a_file_that_is_not_a_conversation_is_an_error() {
    let unanswered = r#"[{"role": "assistant", "content": "", "tool_calls":
        [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}]"#;
    for (json, words) in
        [("{}", "not a JSON array"), ("[", "not a JSON array"), (unanswered, "without a result: 1")]
    {
        let error = Conversation::from_json(json).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

/// Every call has its result, in the messages right behind it, and every result its call.
fn check_calls(conversation: &Conversation) {
    let mut waiting: Vec<&str> = Vec::new();
    for message in conversation.messages() {
        if message.role == Role::Tool {
            let id = message.tool_call_id.as_deref().unwrap_or_default();
            let place = waiting.iter().position(|known| *known == id);
            waiting.remove(place.expect("a result has its call"));
        } else {
            assert!(waiting.is_empty(), "calls without results: {waiting:?}");
            waiting.extend(message.tool_calls.iter().map(|call| call.id.as_str()));
        }
    }
    assert!(waiting.is_empty(), "calls without results: {waiting:?}");
}

#[derive(Clone, Debug)]
enum Step {
    Push(Box<Message>),
    Discard,
    Trim(usize),
    SaveAndLoad,
}

fn steps() -> impl Strategy<Value = Step> {
    let id = || select(vec!["", "1", "2"]);
    prop_oneof![
        select(vec![Message::user("u"), Message::assistant("a"), Message::system("s")])
            .prop_map(|message| Step::Push(Box::new(message))),
        vec(id(), 1..4).prop_map(|ids| Step::Push(Box::new(calls(&ids)))),
        id().prop_map(|id| Step::Push(Box::new(Message::tool(id, "t")))),
        Just(Step::Discard),
        (0..8_usize).prop_map(Step::Trim),
        Just(Step::SaveAndLoad),
    ]
}

#[test]
fn debug_of_errors_is_the_line_and_the_cause_and_the_reason_when_alternate() {
    let error = Conversation::from_json("{").unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(format!("{error:?}"), format!("{error}\n  caused by: {cause}"));
    assert!(format!("{error:#?}").starts_with("ConversationError(\n"), "{error:#?}");
}

proptest! {
    #[test]
    fn no_call_is_ever_without_its_result(steps in vec(steps(), 0..40)) {
        let mut conversation = Conversation::new("s");
        for step in steps {
            match step {
                Step::Push(message) => drop(conversation.push(*message)),
                Step::Discard => drop(conversation.discard_pending()),
                Step::Trim(budget) => {
                    let before = conversation.messages().len();
                    let removed = conversation.trim(budget, |_| 1);
                    prop_assert_eq!(conversation.messages().len(), before - removed);
                }
                Step::SaveAndLoad => {
                    let loaded = Conversation::from_json(&conversation.to_json()).unwrap();
                    prop_assert_eq!(loaded.messages(), conversation.messages());
                }
            }
            check_calls(&conversation);
        }
    }
}
