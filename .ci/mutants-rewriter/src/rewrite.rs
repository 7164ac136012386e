//! Puts mutants into the syntax tree.

use proc_macro2::Span;
use quote::quote;
use syn::{
    Arm, BinOp, Block, Expr, ExprStruct, ImplItemConst, ImplItemFn, ItemConst, ItemFn, ItemStatic,
    TraitItemConst, TraitItemFn, TypeArray, parse_quote, parse_str,
    spanned::Spanned,
    visit_mut::{self, VisitMut},
};

use crate::mutant::{Mutant, Position};

/// Visits a file, and puts each mutant where its position is.
pub(crate) struct Rewriter {
    mutants: Vec<Mutant>,
}

impl Rewriter {
    pub(crate) fn new(mutants: Vec<Mutant>) -> Self {
        Self { mutants }
    }

    /// The mutants of a kind that start where the code does.
    fn find(&self, kind: &str, code: Span) -> Vec<Mutant> {
        let start = Position::start_of(code);
        let is_here = |mutant: &&Mutant| mutant.kind == kind && mutant.start == start;
        self.mutants.iter().filter(is_here).cloned().collect()
    }

    /// A function: its mutants return another value before the body begins.
    fn function(&mut self, body: &mut Block) {
        let (Some(first), Some(last)) = (body.stmts.first(), body.stmts.last()) else { return };
        let end = Position::end_of(last.span());
        let mut mutants = self.find("FnValue", first.span());
        mutants.retain(|mutant| mutant.end == end);
        visit_mut::visit_block_mut(self, body);
        for mutant in mutants {
            let value: Expr = parse_str(&mutant.replacement).expect("a replacement is Rust");
            let active = is_active(&mutant);
            body.stmts.insert(0, parse_quote!(if #active { return #value; }));
        }
    }
}

/// The mutants are found before the parts are visited: what a visit writes has no position.
impl VisitMut for Rewriter {
    fn visit_item_fn_mut(&mut self, function: &mut ItemFn) {
        if function.sig.constness.is_none() {
            self.function(&mut function.block);
        }
    }

    fn visit_impl_item_fn_mut(&mut self, function: &mut ImplItemFn) {
        if function.sig.constness.is_none() {
            self.function(&mut function.block);
        }
    }

    fn visit_trait_item_fn_mut(&mut self, function: &mut TraitItemFn) {
        if let Some(body) = &mut function.default {
            self.function(body);
        }
    }

    fn visit_expr_mut(&mut self, expression: &mut Expr) {
        let (mutants, fields) = match &*expression {
            Expr::Binary(binary) => (self.find("BinaryOperator", binary.op.span()), Vec::new()),
            Expr::Unary(unary) => (self.find("UnaryOperator", unary.op.span()), Vec::new()),
            Expr::Struct(value) => value
                .fields
                .iter()
                .enumerate()
                .flat_map(|(place, field)| {
                    let found = self.find("StructField", field.span());
                    found.into_iter().map(move |mutant| (mutant, place))
                })
                .unzip(),
            _ => (Vec::new(), Vec::new()),
        };
        visit_mut::visit_expr_mut(self, expression);
        let original = expression.clone();
        for (index, mutant) in mutants.iter().enumerate() {
            let changed = match &original {
                Expr::Binary(binary) => {
                    let operator: BinOp = parse_str(&mutant.replacement).expect("an operator");
                    let (left, right) = (&binary.left, &binary.right);
                    parse_quote!((#left) #operator (#right))
                }
                Expr::Unary(unary) => (*unary.expr).clone(),
                Expr::Struct(value) => Expr::Struct(without_field(value, fields[index])),
                _ => continue,
            };
            let active = is_active(mutant);
            *expression = parse_quote!((if #active { #changed } else { #expression }));
        }
    }

    fn visit_arm_mut(&mut self, arm: &mut Arm) {
        let mut mutants = self.find("MatchArm", arm.span());
        if let Some((_, guard)) = &arm.guard {
            mutants.extend(self.find("MatchArmGuard", guard.span()));
        }
        visit_mut::visit_arm_mut(self, arm);
        for mutant in mutants {
            let active = is_active(&mutant);
            let (token, guard) = match arm.guard.take() {
                Some((token, guard)) if mutant.replacement == "true" => {
                    (token, parse_quote!((#active || (#guard))))
                }
                // Without the arm, or with `false` as its guard, it never matches.
                Some((token, guard)) => (token, parse_quote!((!#active && (#guard)))),
                None => (Default::default(), parse_quote!(!#active)),
            };
            arm.guard = Some((token, Box::new(guard)));
        }
    }

    // Constants have no mutants in a common build.
    fn visit_item_const_mut(&mut self, _: &mut ItemConst) {}
    fn visit_item_static_mut(&mut self, _: &mut ItemStatic) {}
    fn visit_impl_item_const_mut(&mut self, _: &mut ImplItemConst) {}
    fn visit_trait_item_const_mut(&mut self, _: &mut TraitItemConst) {}
    fn visit_type_array_mut(&mut self, _: &mut TypeArray) {}
}

fn is_active(mutant: &Mutant) -> proc_macro2::TokenStream {
    let number = mutant.number;
    quote!(crate::__mutant(#number))
}

fn without_field(value: &ExprStruct, place: usize) -> ExprStruct {
    let mut value = value.clone();
    let fields = value.fields.into_iter().enumerate();
    value.fields = fields.filter(|(at, _)| *at != place).map(|(_, field)| field).collect();
    // The rest, `..base`, follows a comma.
    if !value.fields.empty_or_trailing() {
        value.fields.push_punct(Default::default());
    }
    value
}
