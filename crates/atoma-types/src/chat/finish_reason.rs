//! Why a choice ended: the reason, and the token or text that stopped it.
//!
//! Servers write an unfinished choice as `null`, as an empty text or as `"null"`; all of them are read as no reason, because a
//! reason makes a stream complete.
use crate::{
    json::says_null,
    open_enum::open_enum,
    wire::{Codec, Finish, Members, Piece, Plain, Read, Scalar, Stopped, read_whole, whole},
};
use serde::{
    de::{Deserialize, Deserializer},
    ser::{Serialize, Serializer},
};
use serde_json::Value;

open_enum! {
    /// Why a model stopped.
    pub enum FinishReason {
        /// It was done, or reached a stop sequence.
        Stop = "stop",
        /// It reached the limit of tokens.
        Length = "length",
        /// It calls tools.
        ToolCalls = "tool_calls",
        /// A filter removed content.
        ContentFilter = "content_filter",
        /// It calls a function, in the form older than tools.
        FunctionCall = "function_call",
    }
}

/// The stop token or stop text that ended the choice: a number or a string on the wire.
///
/// The form of the OpenAPI document, `{"Int": 1}` or `{"String": "a"}`, is read as well.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "JSON has numbers and strings")]
pub enum StopReason {
    /// The id of a stop token.
    Int(i64),
    /// A stop sequence.
    String(String),
}

impl Codec<Option<FinishReason>> for Finish {
    const OMIT: bool = true;

    fn scalar(value: Scalar<'_>) -> Read<Option<FinishReason>> {
        match value {
            Scalar::Text(text) if says_null(text) => Read::Null,
            _ => Plain::scalar(value),
        }
    }

    /// Reads a reason that is the `type` or `reason` of an object, as SGLang has it inside.
    fn object(members: &mut dyn Members) -> Result<Read<Option<FinishReason>>, Stopped> {
        whole(members, |value| {
            let reason = ["type", "reason"].into_iter().find_map(|name| value.get(name)?.as_str());
            match reason.filter(|reason| !says_null(reason)) {
                Some(reason) => Ok(Some(FinishReason::from(reason))),
                None => Err(value),
            }
        })
    }

    fn is_absent(value: &Option<FinishReason>) -> bool {
        value.is_none()
    }

    fn piece(value: &Option<FinishReason>) -> Piece<'_> {
        Plain::piece(value)
    }
}

impl Serialize for StopReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Plain::piece(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for StopReason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_whole(deserializer, "a stop reason")
    }
}

impl Codec<StopReason> for Plain {
    fn scalar(value: Scalar<'_>) -> Read<StopReason> {
        match value {
            Scalar::Text(text) => Read::Known(StopReason::String(text.to_owned())),
            // A number, or a text that holds one.
            _ => <Self as Codec<i64>>::scalar(value).map(StopReason::Int),
        }
    }

    fn object(members: &mut dyn Members) -> Result<Read<StopReason>, Stopped> {
        whole(members, |value| {
            // The form of the OpenAPI document, which serializes a Rust enum.
            let token = value.get("Int").and_then(Value::as_i64).map(StopReason::Int);
            let text = || Some(StopReason::String(value.get("String")?.as_str()?.to_owned()));
            token.or_else(text).ok_or(value)
        })
    }

    fn is_absent(_value: &StopReason) -> bool {
        false
    }

    fn piece(value: &StopReason) -> Piece<'_> {
        match value {
            StopReason::Int(token) => Piece::Signed(*token),
            StopReason::String(text) => Piece::Text(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json, to_value};

    #[test]
    fn a_finish_reason_of_tomorrow_is_kept_and_an_empty_one_is_none() {
        let choice: crate::ChatCompletionChoice =
            from_value(json!({"finish_reason": "eos"})).unwrap();
        assert_eq!(choice.finish_reason, Some(FinishReason::Other("eos".to_owned())));
        let choice: crate::ChatCompletionChoice = from_value(json!({"finish_reason": ""})).unwrap();
        assert_eq!(choice.finish_reason, None);
    }

    #[test]
    fn stop_reasons_are_bare_and_read_in_both_forms() {
        for (wire, reason, written) in [
            (json!(13), StopReason::Int(13), json!(13)),
            (json!("a"), StopReason::String("a".to_owned()), json!("a")),
            (json!({"Int": 13}), StopReason::Int(13), json!(13)),
            (json!({"String": "a"}), StopReason::String("a".to_owned()), json!("a")),
        ] {
            assert_eq!(from_value::<StopReason>(wire).unwrap(), reason);
            assert_eq!(to_value(&reason).unwrap(), written);
        }
    }

    #[test]
    fn a_reason_inside_an_object_is_read_and_an_empty_one_is_kept_aside() {
        for (wire, reason) in [
            (json!({"type": "length"}), Some(FinishReason::Length)),
            (json!({"type": "stop", "matched": 7}), Some(FinishReason::Stop)),
            (json!({"reason": "length"}), Some(FinishReason::Length)),
            (json!({"type": "none"}), None),
            (json!({"type": ""}), None),
            (json!({"matched": 7}), None),
        ] {
            let choice: crate::ChatCompletionChoice =
                from_value(json!({"finish_reason": wire})).unwrap();
            assert_eq!(choice.finish_reason, reason, "{wire}");
            let is_kept = choice.extra.get("finish_reason") == Some(&wire);
            assert_eq!(is_kept, reason.is_none(), "{wire}");
        }
    }

    #[test]
    fn a_null_replaces_no_reason_and_none_is_not_written() {
        let twice = r#"{"finish_reason":"stop","finish_reason":null}"#;
        let choice: crate::ChatCompletionChoice = serde_json::from_str(twice).unwrap();
        assert_eq!(choice.finish_reason, Some(FinishReason::Stop));
        let none = to_value(crate::ChatCompletionChoice::default()).unwrap();
        assert_eq!(none.get("finish_reason"), None, "{none}");
    }
}
