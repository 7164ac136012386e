//! Prints tokens, with line ends, so that an error message of the compiler quotes a short line.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// The code as text. The block after a mutant's `if` has its number at both ends.
pub(crate) fn print(tokens: TokenStream) -> String {
    let mut text = String::new();
    print_into(tokens, &mut text);
    text
}

fn print_into(tokens: TokenStream, text: &mut String) {
    // The number, between `__mutant(7)` and the block that follows it.
    let mut number = None;
    let mut is_call = false;
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let inner = print(group.stream());
                match (group.delimiter(), number.take()) {
                    (Delimiter::Brace, Some(number)) => {
                        *text += &format!("{{/*{number}*/\n{inner}/*end {number}*/}}\n");
                    }
                    (Delimiter::Brace, None) => *text += &format!("{{\n{inner}}}\n"),
                    (Delimiter::Bracket, _) => *text += &format!("[{inner}] "),
                    (Delimiter::None, _) => *text += &inner,
                    (Delimiter::Parenthesis, _) => {
                        *text += &format!("({inner}) ");
                        number =
                            is_call.then(|| inner.trim_end().trim_end_matches("u32").to_owned());
                    }
                }
                is_call = false;
            }
            TokenTree::Punct(sign) => {
                text.push(sign.as_char());
                match (sign.as_char(), sign.spacing()) {
                    (';', _) => text.push('\n'),
                    (_, Spacing::Alone) => text.push(' '),
                    (_, Spacing::Joint) => {}
                }
                (number, is_call) = (None, false);
            }
            token => {
                let word = token.to_string();
                (number, is_call) = (None, word == "__mutant");
                *text += &word;
                text.push(' ');
            }
        }
    }
}
