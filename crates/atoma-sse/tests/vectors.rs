//! The cases of the standard, one named test each: whole, byte by byte, and split in two anywhere.

mod common;

use atoma_sse::{Decoder, Event};
use serde_json::Value;

macro_rules! vectors {
    ($($test:ident: $name:literal,)*) => {
        $(#[test]
        fn $test() {
            check($name);
        })*

        #[test]
        fn every_case_of_the_file_has_a_test() {
            let named = [$($name),*];
            let cases = cases();
            let names: Vec<_> = cases.iter().map(|case| case["name"].as_str().unwrap()).collect();
            assert_eq!(names, named);
        }
    };
}

vectors! {
    basics_one_line_one_event: "one line, one event",
    basics_empty_input: "empty input",
    basics_blank_lines_between_events_are_harmless: "blank lines between events are harmless",
    basics_fields_in_any_order: "fields in any order",
    basics_chat_completion_stream_ends_with_done: "chat completion stream ends with DONE",
    data_a_tab_is_part_of_the_value: "a tab is part of the value",
    data_later_colons_belong_to_the_value: "later colons belong to the value",
    data_value_may_look_like_a_comment_or_a_field: "value may look like a comment or a field",
    data_name_without_colon_is_an_empty_value: "name without colon is an empty value",
    data_two_empty_lines_of_data_give_one_lf: "two empty lines of data give one LF",
    data_empty_then_two_bare_then_an_unfinished_block: "empty, then two bare, then an unfinished block",
    data_leading_empty_line_of_data_stays: "leading empty line of data stays",
    data_trailing_empty_line_of_data_stays: "trailing empty line of data stays",
    data_three_empty_data_lines: "three empty data lines",
    data_nul_is_kept_in_data: "NUL is kept in data",
    data_a_long_value: "a long value",
    line_ends_each_kind_once_in_a_block: "each kind once in a block",
    line_ends_blank_line_as_cr_lf_then_lf: "blank line as CR LF then LF",
    line_ends_blank_line_as_cr_lf_then_cr: "blank line as CR LF then CR",
    line_ends_cr_then_cr_lf_is_two_line_ends: "CR then CR LF is two line ends",
    line_ends_last_event_ends_with_cr_after_lf_at_the_end_of_input: "last event ends with CR after LF at the end of input",
    line_ends_other_unicode_breaks_are_not_line_ends: "other Unicode breaks are not line ends",
    line_ends_cr_lf_pairs_dont_make_blank_lines: "CR LF pairs don't make blank lines",
    comments_a_lone_colon_is_a_comment: "a lone colon is a comment",
    comments_keep_alives_between_events: "keep-alives between events",
    comments_a_commented_out_field_is_ignored: "a commented-out field is ignored",
    comments_comments_with_mixed_ends_nul_and_great_length: "comments with mixed ends, NUL and great length",
    comments_space_before_the_colon_makes_it_an_unknown_field: "space before the colon makes it an unknown field",
    event_type_the_type_is_reset_by_a_block_without_data: "the type is reset by a block without data",
    event_type_the_last_event_field_of_a_block_wins: "the last event field of a block wins",
    event_type_an_empty_event_field_means_message: "an empty event field means message",
    event_type_a_space_alone_as_event_means_message: "a space alone as event means message",
    event_type_an_empty_event_field_undoes_an_earlier_one: "an empty event field undoes an earlier one",
    event_type_event_after_data_in_the_block_still_counts: "event after data in the block still counts",
    event_type_explicit_message: "explicit message",
    id_id_persists_to_later_events: "id persists to later events",
    id_id_of_a_block_without_data_persists: "id of a block without data persists",
    id_id_without_colon_resets: "id without colon resets",
    id_last_id_of_a_block_wins: "last id of a block wins",
    id_id_that_is_only_nul_is_ignored: "id that is only NUL is ignored",
    id_id_after_data_applies_to_that_event: "id after data applies to that event",
    id_id_of_the_unfinished_last_block_isnt_seen: "id of the unfinished last block isn't seen",
    retry_without_the_space: "without the space",
    retry_trailing_letters_make_it_ignored: "trailing letters make it ignored",
    retry_a_sign_makes_it_ignored: "a sign makes it ignored",
    retry_plus_sign_alone_in_the_stream: "plus sign alone in the stream",
    retry_an_empty_value_is_ignored: "an empty value is ignored",
    retry_a_fraction_is_ignored: "a fraction is ignored",
    retry_zero_and_leading_zeros: "zero and leading zeros",
    retry_a_value_past_32_bits: "a value past 32 bits",
    other_fields_unknown_fields_are_ignored: "unknown fields are ignored",
    other_fields_names_arent_trimmed: "names aren't trimmed",
    other_fields_a_block_of_unknown_fields_dispatches_nothing: "a block of unknown fields dispatches nothing",
    other_fields_json_without_a_field_name_is_an_unknown_field: "JSON without a field name is an unknown field",
    other_fields_nul_in_a_field_name_makes_it_unknown: "NUL in a field name makes it unknown",
    bom_a_leading_bom_is_dropped: "a leading BOM is dropped",
    bom_a_bom_at_a_later_line_when_none_led: "a BOM at a later line when none led",
    bom_a_bom_then_a_blank_line: "a BOM then a blank line",
    bom_a_bom_then_a_comment: "a BOM then a comment",
    bom_two_bytes_of_a_bom_are_not_one: "two bytes of a BOM are not one",
    utf_8_text_of_two_three_and_four_bytes: "text of two, three and four bytes",
    utf_8_a_truncated_sequence_becomes_one_u_fffd: "a cut sequence becomes one U+FFFD",
    utf_8_overlong_form_one_u_fffd_a_byte: "overlong form, one U+FFFD a byte",
    utf_8_a_surrogate_one_u_fffd_a_byte: "a surrogate, one U+FFFD a byte",
    utf_8_bad_bytes_in_event_and_id: "bad bytes in event and id",
    utf_8_the_event_after_a_bad_one_is_intact: "the event after a bad one is intact",
    end_of_stream_a_block_without_its_blank_line_is_dropped: "a block without its blank line is dropped",
    end_of_stream_a_block_never_finished: "a block never finished",
    end_of_stream_a_cr_lf_block_without_its_blank_line_is_dropped: "a CR LF block without its blank line is dropped",
    end_of_stream_half_a_cr_lf_blank_line: "half a CR LF blank line",
}

fn cases() -> Vec<Value> {
    serde_json::from_str(include_str!("fixtures/sse-vectors.json")).unwrap()
}

fn check(name: &str) {
    let case = cases().into_iter().find(|case| case["name"] == name).unwrap();
    let input = from_base64(case["input"].as_str().unwrap());
    let outcome = common::outcome(&Decoder::new(), &input);
    let wanted = case["events"].as_array().unwrap().iter().map(|event| {
        let member = |name: &str| event[name].as_str().unwrap();
        let event = Event::new(member("data")).with_name(member("event")).with_id(member("id"));
        Ok(event.to_owned())
    });
    assert_eq!(outcome.events, wanted.collect::<Vec<_>>());
    assert_eq!(outcome.retry, case.get("retry").and_then(Value::as_u64));
}

fn from_base64(text: &str) -> Vec<u8> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut held, mut bits) = (0, 0);
    for letter in text.trim_end_matches('=').chars() {
        held = held << 6 | ALPHABET.find(letter).unwrap() as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    bytes
}
