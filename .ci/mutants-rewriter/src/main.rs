//! Writes the mutants of a Rust file into it, so that one build has all of them:
//! `mutants-rewriter FILE <MUTANTS >REWRITTEN`.
//!
//! Each line of the input is a mutant: number, kind, start, end, replacement, separated by tabs.
//! The kinds are those of `cargo mutants --list --json`, and a position is `line:column`.
//!
//! The mutant with number 7 is active while `crate::__mutant(7)` returns true. The code that only
//! it runs is between the comments `/*7*/` and `/*end 7*/`. A mutant that has no place is left out:
//! those of constants and of `const fn`, which cannot call a function that reads a variable.

mod mutant;
mod print;
mod rewrite;

use std::io::Read;

use quote::ToTokens;
use syn::visit_mut::VisitMut;

fn main() {
    let path = std::env::args().nth(1).expect("usage: mutants-rewriter FILE <MUTANTS");
    let source = std::fs::read_to_string(&path).expect("the file can be read");
    let mut list = String::new();
    std::io::stdin().read_to_string(&mut list).expect("the mutants are text");

    let mut file = syn::parse_file(&source).expect("the file is Rust");
    let mutants = list.lines().map(|line| line.parse().expect("a line is a mutant")).collect();
    rewrite::Rewriter::new(mutants).visit_file_mut(&mut file);
    println!("{}", print::print(file.to_token_stream()));
}
