//! Which operands, subjects and arguments pay for being walked, and by which of the filters of template.rs.

use minijinja::machinery::ast::{BinOpKind, CompareOpKind};

/// Filters that look at their subject only, or charge by themselves.
pub const SHALLOW_FILTERS: &[&str] = &[
    "abs", "batch", "count", "d", "default", "first", "float", "int", "items", "last", "length", "list",
    "reverse", "round", "slice", "string", "tojson", "trim",
];
/// Filters that call other filters or tests, once a value.
pub const CALLING_FILTERS: &[&str] = &["map", "reject", "rejectattr", "select", "selectattr"];
/// Tests that look at the kind of their subject only.
pub const SHALLOW_TESTS: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "even",
    "false",
    "float",
    "int",
    "integer",
    "iterable",
    "mapping",
    "none",
    "number",
    "odd",
    "sequence",
    "string",
    "true",
    "undefined",
];

/// The operator as written, its level (0: not to be chained) and what meters its operands.
pub fn operator(op: BinOpKind) -> (&'static str, u8, &'static str) {
    match op {
        BinOpKind::ScOr => (" or ", 1, ""),
        BinOpKind::ScAnd => (" and ", 2, ""),
        BinOpKind::Add => (" + ", 3, ""),
        BinOpKind::Sub => (" - ", 3, ""),
        BinOpKind::Concat => (" ~ ", 4, "__walk"),
        BinOpKind::Mul => (" * ", 5, ""),
        BinOpKind::Div => (" / ", 5, ""),
        BinOpKind::FloorDiv => (" // ", 5, ""),
        BinOpKind::Rem => (" % ", 5, "__scan"),
        BinOpKind::Pow => (" ** ", 0, ""),
        BinOpKind::Eq => (" == ", 0, "__walk"),
        BinOpKind::Ne => (" != ", 0, "__walk"),
        BinOpKind::Lt => (" < ", 0, "__walk"),
        BinOpKind::Lte => (" <= ", 0, "__walk"),
        BinOpKind::Gt => (" > ", 0, "__walk"),
        BinOpKind::Gte => (" >= ", 0, "__walk"),
        BinOpKind::In => (" in ", 0, "__walk"),
    }
}

pub fn comparison(op: CompareOpKind) -> &'static str {
    match op {
        CompareOpKind::Eq => " == ",
        CompareOpKind::Ne => " != ",
        CompareOpKind::Lt => " < ",
        CompareOpKind::Lte => " <= ",
        CompareOpKind::Gt => " > ",
        CompareOpKind::Gte => " >= ",
        CompareOpKind::In => " in ",
        CompareOpKind::NotIn => " not in ",
    }
}

pub fn argument_meter(filter: &str) -> &'static str {
    if CALLING_FILTERS.contains(&filter) {
        "__few"
    } else {
        "__walk"
    }
}
