/// Splits a text into word pieces, about as a tokenizer would: a word includes the space before it,
/// a long word is split, everything else is a separate token. Joined, the tokens are the text.
pub(crate) fn tokens(text: &str) -> Vec<String> {
    const LONGEST: usize = 8;
    let mut pieces: Vec<String> = Vec::new();
    let mut letters = 0;
    for character in text.chars() {
        let continues = character.is_alphanumeric() && letters < LONGEST;
        match pieces.last_mut() {
            Some(piece) if continues && (letters > 0 || piece == " ") => piece.push(character),
            _ => {
                pieces.push(character.to_string());
                letters = 0;
            }
        }
        letters = if character.is_alphanumeric() { letters + 1 } else { 0 };
    }
    pieces
}

/// The number of pieces of a text.
pub(crate) fn count(text: &str) -> usize {
    tokens(text).len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pieces() {
        for (text, pieces) in [
            ("", vec![]),
            ("Hello, world!", vec!["Hello", ",", " world", "!"]),
            ("a  b", vec!["a", " ", " b"]),
            ("extraordinary", vec!["extraord", "inary"]),
            ("1, 2", vec!["1", ",", " 2"]),
            (" x", vec![" x"]),
            ("a\nb", vec!["a", "\n", "b"]),
            ("🙂 é", vec!["🙂", " é"]),
        ] {
            assert_eq!(tokens(text), pieces, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn put_together_they_are_the_text(text in "\\PC*") {
            prop_assert_eq!(tokens(&text).concat(), text);
        }
    }
}
